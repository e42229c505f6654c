#include "query/vet_parts.h"

#include <stdlib.h>

static bool digits_only(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.size > 0;
}

/* A decimal integer in its one form: no plus, no leading zeros, no "-0". */
static bool integer_parse(struct text text, __int128 *out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    struct text digits = {text.data + negative, text.size - (size_t)negative};
    if (!digits_only(digits) || digits.size > 38 ||
        (digits.data[0] == '0' && (digits.size > 1 || negative))) {
        return false;
    }
    __int128 value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        value = value * 10 + (digits.data[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static bool integer_fits(struct text type, struct text value)
{
    static const struct {
        const char *type;
        unsigned bits;
        bool is_signed;
    } ranges[] = {
        {"TINYINT", 8, true},    {"SMALLINT", 16, true}, {"INTEGER", 32, true},
        {"BIGINT", 64, true},    {"UTINYINT", 8, false}, {"USMALLINT", 16, false},
        {"UINTEGER", 32, false}, {"UBIGINT", 64, false}, {"HUGEINT", 127, true},
    };
    __int128 number = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (text_is(type, ranges[i].type)) {
            unsigned bits = ranges[i].bits - (ranges[i].is_signed ? 1 : 0);
            __int128 greatest = (__int128)(((unsigned __int128)1 << bits) - 1);
            return integer_parse(value, &number) && number <= greatest &&
                   number >= (ranges[i].is_signed ? -greatest - 1 : 0);
        }
    }
    return false;
}

static bool decimal_fits(struct text value, unsigned width, unsigned scale)
{
    bool negative = value.size > 0 && value.data[0] == '-';
    struct text left = {value.data + negative, value.size - (size_t)negative};
    const char *point = memchr(left.data, '.', left.size);
    struct text whole = {left.data, point == NULL ? left.size : (size_t)(point - left.data)};
    if (point != NULL) {
        struct text fraction = {point + 1, left.size - whole.size - 1};
        if (!digits_only(fraction) || fraction.size > scale) {
            return false;
        }
    }
    bool zero = whole.size == 1 && whole.data[0] == '0';
    return digits_only(whole) && (zero || (whole.data[0] != '0' && whole.size <= width - scale));
}

static bool date_is_good(struct text value)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (value.size != 10 || value.data[4] != '-' || value.data[7] != '-' ||
        !digits_only((struct text){value.data, 4}) || !digits_only((struct text){value.data + 5, 2}) ||
        !digits_only((struct text){value.data + 8, 2})) {
        return false;
    }
    unsigned year = (unsigned)strtoul(value.data, NULL, 10);
    unsigned month = (unsigned)((value.data[5] - '0') * 10 + (value.data[6] - '0'));
    unsigned day = (unsigned)((value.data[8] - '0') * 10 + (value.data[9] - '0'));
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool type_is_allowed(struct text type)
{
    unsigned width = 0;
    unsigned scale = 0;
    return integer_fits(type, TEXT("0")) || text_is(type, "DATE") || text_is(type, "VARCHAR") ||
           ast_decimal_parse(type, &width, &scale);
}

static bool value_is_good(struct text type, struct text value)
{
    unsigned width = 0;
    unsigned scale = 0;
    if (text_is(type, "DATE")) {
        return date_is_good(value);
    }
    if (text_is(type, "VARCHAR")) {
        return text_is_printable_utf8(value) && value.size <= VET_TEXT_BYTES_MAX;
    }
    return ast_decimal_parse(type, &width, &scale) ? decimal_fits(value, width, scale)
                                                   : integer_fits(type, value);
}

fallible vet_parameters_check(struct vet *vet)
{
    for (size_t i = 0; i < vet->parameter_count; i++) {
        const struct vet_parameter *parameter = &vet->parameters[i];
        if (!text_is_name(parameter->name) || vet_parameter_find(vet, parameter->name) != parameter) {
            return vet_refuse(vet, "parameter.name", NULL, "parameter %zu has no proper name of its own",
                              i + 1);
        }
        if (!type_is_allowed(parameter->type)) {
            return vet_refuse(vet, "parameter.value", NULL,
                              "parameter \"%.*s\" must be an integer, DECIMAL(p,s), DATE or VARCHAR",
                              TEXT_ARGS(parameter->name));
        }
        if (parameter->has_value && !value_is_good(parameter->type, parameter->value)) {
            return vet_refuse(vet, "parameter.value", NULL, "the value of \"%.*s\" is not a %.*s",
                              TEXT_ARGS(parameter->name), TEXT_ARGS(parameter->type));
        }
    }
    return OK;
}

/* A value is a constant text with a cast, so that nothing about its type is left to inference; a missing one
 * is a NULL of its type, for binding. */
static fallible put(void *self, json_t *expression, json_t **out_replacement)
{
    struct vet *vet = self;
    if (!ast_is(expression, "class", "PARAMETER")) {
        return ast_children(expression, &(struct ast_visitor){vet, put});
    }
    struct text name = text_of(ast_member(expression, "identifier"));
    struct vet_parameter *parameter = vet_parameter_find(vet, name);
    if (parameter == NULL) {
        return vet_refuse(vet, "parameter.name", NULL, "parameter \"$%.*s\" is not declared",
                          TEXT_ARGS(name));
    }
    parameter->used = true;
    *out_replacement = ast_try_cast(parameter->has_value ? ast_text(parameter->value) : ast_null(),
                                    ast_type(parameter->type));
    REQUIRE(*out_replacement != NULL, NO_MEMORY, "vet.memory");
    return json_set(*out_replacement, "alias", json_string(ast_member(expression, "alias")));
}

/* Every expression hangs somewhere below objects and arrays of a select node: any object with a class is one.
 */
static fallible put_below(struct vet *vet, json_t *value)
{
    const char *name;
    json_t *member;
    size_t index;
    void *next;
    json_object_foreach_safe(value, next, name, member)
    {
        json_t *replacement = NULL;
        if (json_has(member, "class")) {
            TRY(put(vet, member, &replacement));
        } else {
            TRY(put_below(vet, member));
        }
        if (replacement != NULL) {
            TRY(json_set(value, name, replacement));
        }
    }
    json_array_foreach (value, index, member) {
        json_t *replacement = NULL;
        if (json_has(member, "class")) {
            TRY(put(vet, member, &replacement));
        } else {
            TRY(put_below(vet, member));
        }
        REQUIRE(replacement == NULL || json_array_set_new(value, index, replacement) == 0, NO_MEMORY,
                "vet.memory");
    }
    return OK;
}

fallible vet_parameters_put(struct vet *vet, json_t *node)
{
    TRY(put_below(vet, node));
    for (size_t i = 0; i < vet->parameter_count; i++) {
        if (!vet->parameters[i].used) {
            return vet_refuse(vet, "parameter.name", NULL, "parameter \"%.*s\" is not used",
                              TEXT_ARGS(vet->parameters[i].name));
        }
    }
    return OK;
}
