#include "service/vault/request.h"

#include "base/encode.h"
#include "service/vault/parts.h"

enum { POLICY_CONTENT_TYPE_BYTES_MAX = 128, NONCE_BYTES_MAX = 1024, USE_VALUE_BYTES_MAX = 1024 };

bool request_name_is_valid(struct text name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-') {
            return false;
        }
    }
    return name.size > 0 && name.size <= VAULT_NAME_BYTES_MAX;
}

bool request_version_is_valid(struct text version)
{
    for (size_t i = 0; i < version.size; i++) {
        char c = version.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return version.size == 32;
}

static fallible read_time(const json_t *attributes, const char *name, int64_t *out)
{
    uint64_t seconds;
    *out = REQUEST_NO_TIME;
    if (json_has(attributes, name) && !json_is_null(json_object_get(attributes, name))) {
        TRY(json_get_u64(attributes, name, UINT32_MAX * UINT64_C(100), &seconds));
        *out = (int64_t)seconds;
    }
    return OK;
}

static fallible read_flag(const json_t *object, const char *name, bool *out_has, bool *out)
{
    *out_has = json_has(object, name) && !json_is_null(json_object_get(object, name));
    return *out_has ? json_get_bool(object, name, out) : OK;
}

static fallible read_attributes(struct arena *arena, const json_t *body, struct request_attributes *out)
{
    /* Clients send back what they got; what only the vault sets is ignored. */
    static const char *const members[] = {"enabled", "nbf",     "exp",           "exportable",
                                          "created", "updated", "recoveryLevel", "recoverableDays",
                                          NULL};
    const json_t *attributes = json_object_get(body, "attributes");
    *out = (struct request_attributes){.not_before = REQUEST_NO_TIME, .expires = REQUEST_NO_TIME};
    if (attributes == NULL || json_is_null(attributes)) {
        return OK;
    }
    TRY(json_only(arena, attributes, members));
    TRY(read_flag(attributes, "enabled", &out->has_enabled, &out->enabled));
    TRY(read_flag(attributes, "exportable", &out->has_exportable, &out->exportable));
    TRY(read_time(attributes, "nbf", &out->not_before));
    TRY(read_time(attributes, "exp", &out->expires));
    bool in_order = out->not_before == REQUEST_NO_TIME || out->expires == REQUEST_NO_TIME ||
                    out->not_before < out->expires;
    REQUIRE(in_order, INVALID, "vault.request.times");
    return OK;
}

static fallible read_key_ops(const json_t *body, json_t **out)
{
    static const char *const known[] = {"encrypt", "decrypt",   "sign",  "verify",
                                        "wrapKey", "unwrapKey", "export"};
    json_t *list = json_object_get(body, "key_ops");
    const json_t *item;
    size_t index;
    *out = NULL;
    if (list == NULL || json_is_null(list)) {
        return OK;
    }
    REQUIRE(json_is_array(list) && json_array_size(list) <= 8, INVALID, "vault.request.key_ops");
    json_array_foreach (list, index, item) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            is_known |= json_is_string(item) && strcmp(json_string_value(item), known[i]) == 0;
        }
        REQUIRE(is_known, INVALID, "vault.request.key_ops");
    }
    *out = list;
    return OK;
}

static fallible read_tags(json_t *const body, json_t **out)
{
    json_t *tags = json_object_get(body, "tags");
    const char *name;
    json_t *value;
    *out = NULL;
    if (tags == NULL || json_is_null(tags)) {
        return OK;
    }
    REQUIRE(json_is_object(tags) && json_object_size(tags) <= VAULT_TAGS_MAX, INVALID, "vault.request.tags");
    json_object_foreach (tags, name, value) {
        REQUIRE(json_is_string(value) && strlen(name) <= VAULT_TAG_BYTES_MAX &&
                    json_string_length(value) <= VAULT_TAG_BYTES_MAX,
                INVALID, "vault.request.tags");
    }
    *out = tags;
    return OK;
}

fallible request_policy_read(struct arena *arena, const json_t *untrusted_policy, struct request_policy *out)
{
    static const char *const members[] = {"contentType", "data", "immutable", NULL};
    struct request_policy policy = {.content_type = TEXT("application/json; charset=utf-8")};
    scoped_release_policy parsed = {0};
    struct bytes octets;
    bool has_immutable;
    TRY(json_only(arena, untrusted_policy, members));
    if (json_has(untrusted_policy, "contentType")) {
        TRY(json_get_text(untrusted_policy, "contentType", &policy.content_type));
        REQUIRE(policy.content_type.size <= POLICY_CONTENT_TYPE_BYTES_MAX, LIMIT,
                "vault.policy.content_type");
    }
    TRY(read_flag(untrusted_policy, "immutable", &has_immutable, &policy.immutable));
    TRY(json_get_text(untrusted_policy, "data", &policy.data));
    TRY(json_get_base64url(arena, untrusted_policy, "data", &octets));
    TRY(release_policy_parse(octets, &parsed));
    REQUIRE(release_policy_names_code_identity(&parsed), INVALID, "vault.policy.code_identity");
    *out = policy;
    return OK;
}

static fallible read_policy(struct arena *arena, const json_t *body, bool *out_has,
                            struct request_policy *out)
{
    const json_t *policy = json_object_get(body, "release_policy");
    *out_has = policy != NULL && !json_is_null(policy);
    return *out_has ? request_policy_read(arena, policy, out) : OK;
}

static fallible read_kind(const json_t *body, struct request_create *out)
{
    uint64_t bits = 2048;
    uint64_t exponent = 65537;
    struct text curve = TEXT("P-256");
    TRY(json_get_text(body, "kty", &out->kty));
    out->is_hsm = text_ends_with(out->kty, TEXT("-HSM"));
    if (text_is(out->kty, "RSA") || text_is(out->kty, "RSA-HSM")) {
        if (json_has(body, "key_size")) {
            TRY(json_get_u64(body, "key_size", UINT16_MAX, &bits));
        }
        if (json_has(body, "public_exponent")) {
            TRY(json_get_u64(body, "public_exponent", UINT32_MAX, &exponent));
        }
        REQUIRE(bits == 2048 || bits == 3072 || bits == 4096, INVALID, "vault.kind.rsa_size");
        REQUIRE(exponent == 65537, UNSUPPORTED, "vault.kind.rsa_exponent");
        out->kind = KEY_RSA;
        out->rsa_bits = (unsigned)bits;
        return OK;
    }
    REQUIRE(text_is(out->kty, "EC") || text_is(out->kty, "EC-HSM"), UNSUPPORTED, "vault.kind.unsupported");
    if (json_has(body, "crv")) {
        TRY(json_get_text(body, "crv", &curve));
    }
    REQUIRE(text_is(curve, "P-256"), UNSUPPORTED, "vault.kind.curve");
    out->kind = KEY_EC_P256;
    return OK;
}

fallible request_create_read(struct arena *arena, const json_t *untrusted_body, struct request_create *out)
{
    static const char *const members[] = {"kty",        "key_size", "public_exponent", "crv", "key_ops",
                                          "attributes", "tags",     "release_policy",  NULL};
    struct request_create create = {0};
    TRY(json_only(arena, untrusted_body, members));
    TRY(read_kind(untrusted_body, &create));
    TRY(read_key_ops(untrusted_body, &create.key_ops));
    TRY(read_tags((json_t *)(uintptr_t)untrusted_body, &create.tags));
    TRY(read_attributes(arena, untrusted_body, &create.attributes));
    TRY(read_policy(arena, untrusted_body, &create.has_policy, &create.policy));
    bool exportable = create.attributes.has_exportable && create.attributes.exportable;
    REQUIRE(!exportable || create.has_policy, INVALID, "vault.policy.required");
    REQUIRE(exportable || !create.has_policy, INVALID, "vault.policy.not_exportable");
    *out = create;
    return OK;
}

fallible request_update_read(struct arena *arena, const json_t *untrusted_body, struct request_update *out)
{
    static const char *const members[] = {"key_ops", "attributes", "tags", "release_policy", NULL};
    struct request_update update = {0};
    TRY(json_only(arena, untrusted_body, members));
    TRY(read_key_ops(untrusted_body, &update.key_ops));
    TRY(read_tags((json_t *)(uintptr_t)untrusted_body, &update.tags));
    TRY(read_attributes(arena, untrusted_body, &update.attributes));
    TRY(read_policy(arena, untrusted_body, &update.has_policy, &update.policy));
    *out = update;
    return OK;
}

fallible request_use_read(struct arena *arena, const json_t *untrusted_body, struct request_use *out)
{
    static const char *const members[] = {"alg", "value", NULL};
    struct request_use use;
    TRY(json_only(arena, untrusted_body, members));
    TRY(json_get_text(untrusted_body, "alg", &use.algorithm));
    TRY(json_get_base64url(arena, untrusted_body, "value", &use.value));
    REQUIRE(use.value.size > 0 && use.value.size <= USE_VALUE_BYTES_MAX, INVALID, "vault.request.value");
    *out = use;
    return OK;
}

fallible request_release_read(struct arena *arena, const json_t *untrusted_body, struct request_release *out)
{
    static const char *const members[] = {"target", "nonce", "enc", NULL};
    struct request_release release = {.enc = TEXT("CKM_RSA_AES_KEY_WRAP"), .oaep = KEY_OAEP_SHA1};
    TRY(json_only(arena, untrusted_body, members));
    TRY(json_get_text(untrusted_body, "target", &release.target));
    REQUIRE(release.target.size > 0, INVALID, "vault.request.target");
    if (json_has(untrusted_body, "nonce")) {
        TRY(json_get_text(untrusted_body, "nonce", &release.nonce));
        REQUIRE(release.nonce.size <= NONCE_BYTES_MAX, LIMIT, "vault.request.nonce");
    }
    if (json_has(untrusted_body, "enc")) {
        TRY(json_get_text(untrusted_body, "enc", &release.enc));
    }
    if (text_is(release.enc, "RSA_AES_KEY_WRAP_256")) {
        release.oaep = KEY_OAEP_SHA256;
    } else {
        REQUIRE(text_is(release.enc, "CKM_RSA_AES_KEY_WRAP"), UNSUPPORTED, "vault.request.enc");
    }
    *out = release;
    return OK;
}
