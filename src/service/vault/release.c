/* Handler: release. The order of checks is fixed: caller (admit), request, key, token, policy, wrapping key,
 * key once more, record, answer. */
#include "attest/runtime_data.h"
#include "service/vault/record.h"
#include "service/vault/release_answer.h"
#include "service/vault/release_log.h"
#include "service/vault/release_once.h"
#include "service/vault/request.h"

/* What is known of a release while it is being judged. */
struct release {
    struct vault *vault;
    struct http_request *request;
    struct text name;
    struct text version;
    json_t *body; /* owned */
    struct request_release asked;
    struct key_record record;
    struct release_policy policy;
    struct text issuer;
    json_t *claims; /* owned; verified */
    struct key wrapping_key;
    struct text wrapping_kid;
};

static void release_release(struct release *release)
{
    json_release(&release->body);
    json_release(&release->claims);
    key_record_release(&release->record);
    release_policy_release(&release->policy);
    key_release(&release->wrapping_key);
}

static fallible read_request(struct release *release)
{
    const struct http_captures *captures = &release->request->captures;
    release->name = captures->rows[0];
    release->version = captures->count > 1 ? captures->rows[1] : (struct text){0};
    REQUIRE(request_name_is_valid(release->name), INVALID, "vault.key.name");
    TRY(http_body_json(release->request, &release->body));
    return request_release_read(release->request->arena, release->body, &release->asked);
}

static fallible check_key(const struct release *release, const struct key_record *record)
{
    REQUIRE(record->exportable && json_has(record->json, "release_policy"), DENIED,
            "vault.key.not_exportable");
    return key_record_check_usable(record, true, world_now(release->vault->world));
}

static fallible load_key(struct release *release)
{
    scoped_state_transaction transaction = {0};
    struct arena *arena = release->request->arena;
    struct bytes policy;
    TRY(state_begin(release->vault->state, &transaction));
    TRY(key_record_load(&transaction, arena, release->name, release->version, &release->record));
    TRY(check_key(release, &release->record));
    TRY(json_get_base64url(arena, json_object_get(release->record.json, "release_policy"), "data", &policy));
    REQUIRE(result_is_ok(release_policy_parse(policy, &release->policy)), CORRUPT, "vault.record.policy");
    REQUIRE(release_policy_names_code_identity(&release->policy), CORRUPT, "vault.record.policy");
    return OK;
}

/* The token says who made it; it must be an authority that the key's policy names. Until it is verified this
 * only chooses whom to ask. */
static fallible choose_authority(struct release *release)
{
    struct arena *arena = release->request->arena;
    scoped_jwt jwt = {0};
    struct text untrusted_issuer;
    REQUIRE(result_is_ok(jwt_parse(arena, release->asked.target, &jwt)), INVALID, "vault.release.token.form");
    REQUIRE(result_is_ok(json_get_text(jwt.claims, "iss", &untrusted_issuer)), INVALID,
            "vault.release.token.form");
    for (size_t i = 0; i < release->policy.authority_count; i++) {
        if (token_issuer_equal(release->policy.authorities[i], untrusted_issuer)) {
            release->issuer = release->policy.authorities[i];
            return OK;
        }
    }
    return FAIL(DENIED, "vault.authority.unknown");
}

static fallible judge_token(struct release *release)
{
    struct arena *arena = release->request->arena;
    TRY(choose_authority(release));
    TRY(authorities_verify(&release->vault->authorities, arena, release->issuer, release->asked.target,
                           &release->claims));
    struct release_decision decision =
        release_policy_evaluate(&release->policy, release->issuer, release->claims);
    if (decision.verdict != VERDICT_ALLOW) {
        const char *claim = arena_where(arena, "%s%s%.*s", decision.why,
                                        decision.claim.size > 0 ? " at " : "", TEXT_ARGS(decision.claim));
        return FAIL_AT(DENIED, "vault.release.policy", claim);
    }
    const json_t *runtime = json_object_get(release->claims, "x-ms-runtime");
    return runtime_wrapping_key(runtime, &release->wrapping_key, &release->wrapping_kid);
}

/* The key is read again in the transaction that records the release: disabling it while a token was being
 * judged, or changing its policy, must win. */
static fallible take_material(struct release *release, struct secret *out)
{
    scoped_state_transaction transaction = {0};
    scoped_key_record now = {0};
    struct arena *arena = release->request->arena;
    TRY(state_begin(release->vault->state, &transaction));
    TRY(key_record_load(&transaction, arena, release->name, release->record.version, &now));
    TRY(check_key(release, &now));
    bool same_policy = json_equal(json_object_get(now.json, "release_policy"),
                                  json_object_get(release->record.json, "release_policy"));
    REQUIRE(same_policy, CONFLICT, "vault.release.policy_changed");
    if (release->vault->one_release_per_run) {
        TRY(release_once(&transaction, arena, &now, release->claims));
    }
    TRY(key_record_material(&transaction, arena, &now, out));
    TRY(release_log_add(&transaction, arena, release->vault, release->request, &now, release->issuer,
                        release->claims));
    return state_commit(&transaction);
}

static fallible make_answer(struct release *release, struct buffer *out)
{
    struct vault *vault = release->vault;
    struct arena *arena = release->request->arena;
    scoped_json *bundle = NULL;
    scoped_secret material = {0};
    struct release_signer signer = {&vault->release_key, vault->release_kid, vault->release_leaf,
                                    vault->release_authority, vault->release_thumbprint};
    struct release_answer answer = {
        .api_version = vault_call_of(release->request)->api_version,
        .enc = release->asked.enc,
        .oaep = release->asked.oaep,
        .nonce = release->asked.nonce,
        .wrapping_key = &release->wrapping_key,
        .wrapping_kid = release->wrapping_kid,
    };
    TRY(key_record_kid(vault, arena, &release->record, &answer.kid));
    TRY(key_record_bundle(vault, arena, &release->record, &bundle));
    answer.bundle = bundle;
    TRY(take_material(release, &material));
    return release_answer_make(vault->world, arena, &answer, &material, &signer, out);
}

fallible vault_key_release(void *self, struct http_request *request, struct http_reply *reply)
{
    defer(release_release) struct release release = {.vault = self, .request = request};
    scoped_json *body = json_object();
    scoped_buffer value;
    buffer_init(&value, RELEASE_ANSWER_BYTES_MAX);
    TRY(read_request(&release));
    TRY(load_key(&release));
    TRY(judge_token(&release));
    TRY(make_answer(&release, &value));
    TRY(json_set_text(body, "value", buffer_text(&value)));
    TRY(vault_headers(request, reply));
    return reply_json(request, reply, 200, body);
}
