#include "service/identity/identity.h"

static struct text without_slash(struct text text)
{
    return text_ends_with(text, TEXT("/")) ? (struct text){text.data, text.size - 1} : text;
}

static struct text claim(const struct jwt *jwt, const char *name)
{
    struct text text = {0};
    struct result result = json_get_text(jwt->claims, name, &text);
    return result_is_ok(result) ? text : (struct text){0};
}

static bool is_audience(const struct identity_trust *trust, struct text audience)
{
    for (size_t i = 0; i < IDENTITY_AUDIENCES_MAX && trust->audiences[i].size > 0; i++) {
        if (text_equal(without_slash(audience), without_slash(trust->audiences[i]))) {
            return true;
        }
    }
    return false;
}

static fallible check_times(const struct jwt *jwt, int64_t unix_seconds)
{
    struct result result = jwt_check_times(jwt, unix_seconds, IDENTITY_SKEW_SECONDS);
    REQUIRE(result.code != RESULT_EXPIRED, UNAUTHENTICATED, "identity.token.expired");
    REQUIRE(result.code != RESULT_UNTRUSTED, UNAUTHENTICATED, "identity.token.not_yet_valid");
    REQUIRE(result_is_ok(result), UNAUTHENTICATED, "identity.token.claims");
    return OK;
}

fallible identity_verify(struct arena *arena, const struct identity_trust *trust, struct text untrusted_token,
                         int64_t unix_seconds, struct principal *out)
{
    REQUIRE(untrusted_token.size > 0, UNAUTHENTICATED, "identity.token.missing");
    scoped_jwt jwt = {0};
    REQUIRE(result_is_ok(jwt_parse(arena, untrusted_token, &jwt)), UNAUTHENTICATED, "identity.token.form");
    /* Issuer and audience come first only to choose the refusal: whatever they say, the signature decides. */
    REQUIRE(text_equal(without_slash(claim(&jwt, "iss")), without_slash(trust->issuer)), UNAUTHENTICATED,
            "identity.issuer");
    REQUIRE(is_audience(trust, claim(&jwt, "aud")), UNAUTHENTICATED, "identity.audience");
    REQUIRE(result_is_ok(jwt_verify(&jwt, trust->keys, KEY_RS256)), UNAUTHENTICATED,
            "identity.token.signature");
    TRY(check_times(&jwt, unix_seconds));
    REQUIRE(text_equal(claim(&jwt, "tid"), trust->tenant), UNAUTHENTICATED, "identity.tenant");
    struct text object = claim(&jwt, "oid");
    struct text application = claim(&jwt, "appid");
    REQUIRE(object.size > 0, UNAUTHENTICATED, "identity.token.claims");
    struct principal principal;
    TRY(arena_copy_text(arena, trust->tenant, &principal.tenant));
    TRY(arena_copy_text(arena, object, &principal.object));
    TRY(arena_copy_text(arena, application.size > 0 ? application : claim(&jwt, "azp"),
                        &principal.application));
    *out = principal;
    return OK;
}
