#include "attest/release_condition.h"

enum comparison {
    EQUALS,
    NOT_EQUALS,
    LESS,
    LESS_OR_EQUALS,
    GREATER,
    GREATER_OR_EQUALS,
    EXISTS,
    OPERATOR_COUNT
};

static const char *const operator_names[OPERATOR_COUNT] = {
    "equals", "notEquals", "less", "lessOrEquals", "greater", "greaterOrEquals", "exists"};

static bool operator_of(const char *name, enum comparison *out)
{
    for (int i = 0; i < OPERATOR_COUNT; i++) {
        if (strcmp(operator_names[i], name) == 0) {
            *out = (enum comparison)i;
            return true;
        }
    }
    return false;
}

/* The operator and value of either form. False where there is none that we know. */
static bool read_operator(const json_t *condition, enum comparison *out, const json_t **out_value)
{
    if (json_has(condition, "condition")) {
        const json_t *name = json_object_get(condition, "condition");
        *out_value = json_object_get(condition, "value");
        return json_object_size(condition) == 3 && *out_value != NULL && json_is_string(name) &&
               operator_of(json_string_value(name), out);
    }
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)condition, name, value) {
        if (strcmp(name, "claim") != 0) {
            *out_value = value;
            return json_object_size(condition) == 2 && operator_of(name, out);
        }
    }
    return false;
}

struct text release_condition_claim(const json_t *condition)
{
    const json_t *claim = json_object_get(condition, "claim");
    return (struct text){json_string_value(claim), json_string_length(claim)};
}

/* A value as the text that it matches by: texts themselves, booleans and integers as JSON writes them. */
struct scalar {
    bool is_valid;
    struct text text;
    char digits[24];
};

static void scalar_of(const json_t *value, struct scalar *out)
{
    *out = (struct scalar){.is_valid = true};
    if (json_is_string(value)) {
        out->text = (struct text){json_string_value(value), json_string_length(value)};
    } else if (json_is_boolean(value)) {
        out->text = json_is_true(value) ? TEXT("true") : TEXT("false");
    } else if (json_is_integer(value)) {
        int size =
            snprintf(out->digits, sizeof out->digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        out->text = (struct text){out->digits, (size_t)size};
    } else {
        out->is_valid = false;
    }
}

/* An optional minus and at most 18 digits without leading zeros, so that it fits. */
static bool integer_of(struct text text, int64_t *out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    struct text digits = {text.data + is_negative, text.size - is_negative};
    if (digits.size == 0 || digits.size > 18 || (digits.size > 1 && digits.data[0] == '0')) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        value = value * 10 + (digits.data[i] - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

static bool is_ordering(enum comparison comparison)
{
    return comparison != EQUALS && comparison != NOT_EQUALS && comparison != EXISTS;
}

fallible release_condition_check(const json_t *condition)
{
    const json_t *claim = json_object_get(condition, "claim");
    REQUIRE(json_is_string(claim) && json_string_length(claim) > 0 && json_string_length(claim) <= 256,
            INVALID, "release_policy.condition.claim");
    REQUIRE(text_is_printable_utf8(release_condition_claim(condition)), INVALID,
            "release_policy.condition.claim");
    enum comparison comparison;
    const json_t *value;
    REQUIRE(read_operator(condition, &comparison, &value), INVALID, "release_policy.condition.operator");
    struct scalar wanted;
    int64_t integer;
    scalar_of(value, &wanted);
    REQUIRE(wanted.is_valid, INVALID, "release_policy.condition.value");
    REQUIRE(!is_ordering(comparison) || integer_of(wanted.text, &integer), INVALID,
            "release_policy.condition.value");
    REQUIRE(comparison != EXISTS || text_is(wanted.text, "true") || text_is(wanted.text, "false"), INVALID,
            "release_policy.condition.value");
    return OK;
}

/* Follows a dotted path; where a name itself has dots, the longest one that is there wins. */
static const json_t *claim_at(const json_t *claims, struct text path)
{
    for (size_t size = path.size; size > 0; size--) {
        if (size < path.size && path.data[size] != '.') {
            continue;
        }
        const json_t *found = json_object_getn(claims, path.data, size);
        if (found != NULL) {
            struct text rest = {path.data + size + 1, path.size - size - 1};
            return size == path.size ? found : claim_at(found, rest);
        }
    }
    return NULL;
}

static bool order_holds(enum comparison comparison, int64_t claim, int64_t wanted)
{
    switch (comparison) {
    case LESS:
        return claim < wanted;
    case LESS_OR_EQUALS:
        return claim <= wanted;
    case GREATER:
        return claim > wanted;
    case GREATER_OR_EQUALS:
        return claim >= wanted;
    default:
        return false;
    }
}

const char *release_condition_evaluate(const json_t *condition, const json_t *claims)
{
    enum comparison comparison;
    const json_t *value;
    if (!read_operator(condition, &comparison, &value)) {
        return "release_policy.condition.operator";
    }
    struct scalar wanted, have;
    scalar_of(value, &wanted);
    const json_t *claim = claim_at(claims, release_condition_claim(condition));
    if (comparison == EXISTS) {
        bool want_there = text_is(wanted.text, "true");
        return want_there == (claim != NULL) ? NULL : "release_policy.claim.existence";
    }
    if (claim == NULL) {
        return "release_policy.claim.absent";
    }
    scalar_of(claim, &have);
    if (!have.is_valid || !wanted.is_valid) {
        return "release_policy.claim.type";
    }
    if (!is_ordering(comparison)) {
        bool want_equal = comparison == EQUALS;
        return text_equal(have.text, wanted.text) == want_equal ? NULL : "release_policy.claim.differs";
    }
    int64_t left, right;
    if (!integer_of(have.text, &left) || !integer_of(wanted.text, &right)) {
        return "release_policy.claim.type";
    }
    return order_holds(comparison, left, right) ? NULL : "release_policy.claim.order";
}

struct text release_condition_demands(const json_t *condition, const char *path)
{
    enum comparison comparison;
    const json_t *value;
    if (!text_is(release_condition_claim(condition), path) ||
        !read_operator(condition, &comparison, &value) || comparison != EQUALS || !json_is_string(value)) {
        return (struct text){0};
    }
    return (struct text){json_string_value(value), json_string_length(value)};
}
