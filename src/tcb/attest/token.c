#include "attest/token.h"

#include "attest/runtime_data.h"
#include "base/encode.h"

static struct text without_slash(struct text issuer)
{
    return text_ends_with(issuer, TEXT("/")) ? (struct text){issuer.data, issuer.size - 1} : issuer;
}

bool token_issuer_equal(struct text left, struct text right)
{
    return left.size > 0 && text_equal(without_slash(left), without_slash(right));
}

/* The claim as text; empty where it is absent or something else. */
static struct text claim_text(const json_t *claims, const char *name)
{
    struct text text = {0};
    struct result result = json_get_text(claims, name, &text);
    return result_is_ok(result) ? text : (struct text){0};
}

static bool is_pinned(const struct token_authority *authority, const struct digest *pin)
{
    for (size_t i = 0; i < authority->key_count; i++) {
        if (digest_equal(&authority->keys[i], pin)) {
            return true;
        }
    }
    return false;
}

/* Keys are tried by kid and pin: the JWKS is as untrusted as the token, only the pin makes a key count. */
static fallible check_signature(const struct jwt *jwt, const struct jwt_keys *untrusted_keys,
                                const struct token_authority *authority)
{
    REQUIRE(jwt->kid.size > 0, UNTRUSTED, "token.key_unnamed");
    for (size_t i = 0; i < untrusted_keys->count; i++) {
        if (!text_equal(untrusted_keys->rows[i].kid, jwt->kid)) {
            continue;
        }
        struct digest pin;
        TRY(key_pin(&untrusted_keys->rows[i].key, &pin));
        REQUIRE(is_pinned(authority, &pin), UNTRUSTED, "token.key_not_pinned");
        return jwt_verify_by_key(jwt, &untrusted_keys->rows[i].key, KEY_RS256);
    }
    return FAIL(UNTRUSTED, "token.key_unknown");
}

static fallible check_claims(const json_t *claims, const struct token_authority *authority,
                             const struct token_demand *demand)
{
    REQUIRE(token_issuer_equal(claim_text(claims, "iss"), authority->issuer), UNTRUSTED, "token.issuer");
    REQUIRE(text_is(claim_text(claims, "x-ms-ver"), "1.0"), UNTRUSTED, "token.version");
    REQUIRE(authority->policy_hash.size == 0 ||
                text_equal(claim_text(claims, "x-ms-policy-hash"), authority->policy_hash),
            UNTRUSTED, "token.policy_hash");
    REQUIRE(demand->nonce.size == 0 || text_equal(claim_text(claims, "nonce"), demand->nonce), UNTRUSTED,
            "token.nonce");
    return OK;
}

fallible token_verify(struct arena *arena, struct text untrusted_token, const struct jwt_keys *untrusted_keys,
                      const struct token_authority *authority, const struct token_demand *demand,
                      json_t **out_claims)
{
    ASSERT(!demand->without_clock || demand->nonce.size > 0);
    scoped_jwt jwt = {0};
    TRY(jwt_parse(arena, untrusted_token, &jwt));
    TRY(check_signature(&jwt, untrusted_keys, authority));
    TRY(check_claims(jwt.claims, authority, demand));
    int64_t issued;
    TRY(token_issued_at(jwt.claims, &issued));
    if (!demand->without_clock) {
        TRY(token_check_times(jwt.claims, demand->unix_seconds, demand->skew_seconds));
    }
    *out_claims = json_incref(jwt.claims);
    return OK;
}

/* Times beyond this are nonsense and would overflow sums with a skew. */
static const int64_t seconds_max = INT64_C(1) << 40;

static fallible claim_seconds(const json_t *claims, const char *name, int64_t *out)
{
    int64_t seconds;
    REQUIRE_AT(result_is_ok(json_get_i64(claims, name, &seconds)) && seconds >= 0 && seconds <= seconds_max,
               INVALID, "token.claims", name);
    *out = seconds;
    return OK;
}

fallible token_issued_at(const json_t *claims, int64_t *out_unix_seconds)
{
    return claim_seconds(claims, "iat", out_unix_seconds);
}

fallible token_check_times(const json_t *claims, int64_t unix_seconds, int64_t skew_seconds)
{
    int64_t issued, not_before, expires;
    TRY(token_issued_at(claims, &issued));
    TRY(claim_seconds(claims, "exp", &expires));
    not_before = issued;
    if (json_has(claims, "nbf")) {
        TRY(claim_seconds(claims, "nbf", &not_before));
    }
    REQUIRE(expires + skew_seconds > unix_seconds, EXPIRED, "token.expired");
    REQUIRE(not_before - skew_seconds <= unix_seconds && issued - skew_seconds <= unix_seconds, UNTRUSTED,
            "token.not_yet_valid");
    return OK;
}

fallible token_check_runtime(const json_t *claims, struct bytes runtime_data)
{
    scoped_json *runtime = NULL;
    TRY(json_decode(runtime_data, &runtime));
    const json_t *claimed = json_object_get(claims, "x-ms-runtime");
    REQUIRE(claimed != NULL && json_equal(claimed, runtime), UNTRUSTED, "token.runtime");
    uint8_t report_data[RUNTIME_REPORT_DATA_BYTES];
    runtime_data_bind(runtime_data, report_data);
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text hex;
    TRY(encode_hex(&arena, BYTES_OF(report_data), &hex));
    REQUIRE(text_equal(claim_text(claims, "x-ms-sevsnpvm-reportdata"), hex), UNTRUSTED, "token.report_data");
    return OK;
}
