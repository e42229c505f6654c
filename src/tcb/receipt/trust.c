/* Reading the verifier's own trust file. */
#include "receipt/verify.h"

#include "base/encode.h"

enum { TRUST_SIZE_MAX = 1024 * 1024 };

static fallible get_digest(const json_t *object, const char *name, struct digest *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    return result_at(digest_from_text(text, out), name);
}

static fallible get_copy(struct arena *arena, const json_t *object, const char *name, struct text *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    REQUIRE(text.size > 0 && text_is_printable_utf8(text), INVALID, "trust.text");
    return arena_copy_text(arena, text, out);
}

static fallible get_list(const json_t *object, const char *name, size_t max, json_t **out)
{
    TRY(json_get_array(object, name, out));
    return json_array_size(*out) <= max ? OK : FAIL_AT(LIMIT, "trust.list", name);
}

static fallible read_parties(struct arena *arena, const json_t *trust, struct receipt_trust *out)
{
    static const char *const members[] = {"name", "fingerprint", NULL};
    json_t *list;
    TRY(get_list(trust, "parties", RECEIPT_TRUST_PARTIES_MAX, &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        TRY(json_only(arena, row, members));
        TRY(get_copy(arena, row, "name", &out->parties[i].name));
        TRY(get_digest(row, "fingerprint", &out->parties[i].fingerprint));
    }
    out->party_count = json_array_size(list);
    return OK;
}

static fallible read_authority(struct arena *arena, const json_t *row, struct token_authority *out)
{
    static const char *const members[] = {"issuer", "keys", "policy_hash", NULL};
    json_t *keys;
    TRY(json_only(arena, row, members));
    TRY(get_copy(arena, row, "issuer", &out->issuer));
    TRY(get_copy(arena, row, "policy_hash", &out->policy_hash));
    TRY(get_list(row, "keys", TOKEN_AUTHORITY_KEYS_MAX, &keys));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct text pin;
        TRY(json_text(json_array_get(keys, i), &pin));
        TRY(digest_from_text(pin, &out->keys[i]));
    }
    out->key_count = json_array_size(keys);
    return OK;
}

static fallible read_authorities(struct arena *arena, const json_t *trust, struct receipt_trust *out)
{
    json_t *list;
    TRY(get_list(trust, "authorities", RECEIPT_TRUST_AUTHORITIES_MAX, &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        TRY(read_authority(arena, json_array_get(list, i), &out->authorities[i]));
    }
    out->authority_count = json_array_size(list);
    return OK;
}

static fallible read_measurements(struct arena *arena, const json_t *trust, struct receipt_trust *out)
{
    static const char *const members[] = {"type", "measurement", NULL};
    json_t *list;
    TRY(get_list(trust, "measurements", RECEIPT_TRUST_MEASUREMENTS_MAX, &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        struct bytes octets;
        TRY(json_only(arena, row, members));
        TRY(get_copy(arena, row, "type", &out->measurements[i].type));
        TRY(get_copy(arena, row, "measurement", &out->measurements[i].measurement));
        TRY(decode_hex(arena, out->measurements[i].measurement, &octets));
    }
    out->measurement_count = json_array_size(list);
    return OK;
}

static fallible read_roots(struct arena *arena, const json_t *trust, struct receipt_trust *out)
{
    static const char *const members[] = {"type", "pin", NULL};
    json_t *list;
    TRY(get_list(trust, "roots", EVIDENCE_ROOTS_MAX, &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        TRY(json_only(arena, row, members));
        TRY(get_copy(arena, row, "type", &out->evidence.roots[i].family));
        TRY(get_digest(row, "pin", &out->evidence.roots[i].pin));
    }
    out->evidence.root_count = json_array_size(list);
    return OK;
}

fallible receipt_trust_parse(struct arena *arena, struct bytes bytes, struct receipt_trust *out)
{
    static const char *const members[] = {"type", "parties", "authorities", "measurements", "roots", NULL};
    REQUIRE(bytes.size <= TRUST_SIZE_MAX, LIMIT, "trust.size");
    scoped_json *json = NULL;
    struct text type;
    TRY(json_decode(bytes, &json));
    TRY(json_only(arena, json, members));
    TRY(json_get_text(json, "type", &type));
    REQUIRE(text_is(type, "trust/1"), INVALID, "trust.type");
    struct receipt_trust *trust;
    TRY(ARENA_NEW(arena, struct receipt_trust, &trust));
    TRY(read_parties(arena, json, trust));
    TRY(read_authorities(arena, json, trust));
    TRY(read_measurements(arena, json, trust));
    TRY(read_roots(arena, json, trust));
    *out = *trust;
    return OK;
}
