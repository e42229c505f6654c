/* Fresh keys for this run are bound to evidence, and an authority of each owner turns the evidence into a
 * token. The tokens are for the vaults; the room looks at them for one thing of its own, the time. */
#include "room/job.h"

#include "attest/runtime_data.h"
#include "base/encode.h"

static fallible make_runtime_data(struct job *job)
{
    TRY(wrapping_keys_take(&job->room->wrapping_keys, &job->wrapping_key));
    TRY(key_generate(KEY_EC_P256, 0, &job->receipt_key));
    TRY(world_random(&job->room->world, job->nonce, sizeof job->nonce));
    scoped_runtime_data runtime = {.purpose = RUNTIME_RUN,
                                   .contract = job->bundle->contract.document.digest,
                                   .run_request = job->bundle->run_request.document.digest};
    memcpy(runtime.nonce, job->nonce, sizeof runtime.nonce);
    TRY(key_share(&job->wrapping_key, &runtime.encryption_key));
    TRY(key_share(&job->receipt_key, &runtime.receipt_key));
    return runtime_data_build(&job->arena, &runtime, &job->runtime_data);
}

static fallible collect_evidence(struct job *job)
{
    uint8_t report_data[RUNTIME_REPORT_DATA_BYTES];
    runtime_data_bind(job->runtime_data, report_data);
    struct evidence evidence;
    TRY(job->room->tee->family->collect(job->room->tee, &job->arena, report_data, &evidence));
    return evidence_to_json(&evidence, &job->evidence);
}

static fallible check_token(struct job *job, const struct contract_authority *authority, struct text token,
                            const json_t *jwks, json_t **out_claims)
{
    struct text jwks_text;
    TRY(json_encode_text(&job->arena, jwks, &jwks_text));
    scoped_jwt_keys keys = {0};
    TRY(jwt_keys_from_jwks(&job->arena, bytes_of_text(jwks_text), &keys));
    struct token_authority pinned = {.issuer = authority->issuer, .key_count = authority->key_count};
    REQUIRE(authority->key_count <= TOKEN_AUTHORITY_KEYS_MAX, LIMIT, "room.authority.keys");
    memcpy(pinned.keys, authority->keys, authority->key_count * sizeof *authority->keys);
    TRY(encode_base64url(&job->arena, digest_view(&authority->policy_hash), &pinned.policy_hash));
    struct token_demand demand = {.without_clock = true};
    TRY(encode_base64url(&job->arena, (struct bytes){job->nonce, sizeof job->nonce}, &demand.nonce));
    TRY(token_verify(&job->arena, token, &keys, &pinned, &demand, out_claims));
    return token_check_runtime(*out_claims, job->runtime_data);
}

/* Asks one authority. On success the token is kept. */
static fallible ask_authority(struct job *job, const struct contract_authority *authority)
{
    struct text party = job->bundle->contract.parties[authority->party].name;
    scoped_json *request = json_pack("{s:s%,s:s%,s:O}", "party", TEXT_SIZED(party), "issuer",
                                     TEXT_SIZED(authority->issuer), "evidence", job->evidence);
    scoped_buffer untrusted_reply;
    buffer_init(&untrusted_reply, message_size_max(MESSAGE_token));
    TRY(json_set_base64url(request, "runtime_data", job->runtime_data));
    TRY(json_set_base64url(request, "nonce", BYTES_OF(job->nonce)));
    TRY(link_ask(&job->room->link, MESSAGE_token_request, json_incref(request), MESSAGE_token,
                 &untrusted_reply));
    scoped_json *reply = NULL;
    TRY(json_decode(buffer_view(&untrusted_reply), &reply));
    struct text token;
    json_t *jwks;
    TRY(json_get_text(reply, "token", &token));
    TRY(json_get_object(reply, "jwks", &jwks));
    scoped_json *claims = NULL;
    TRY(check_token(job, authority, token, jwks, &claims));
    int64_t issued;
    TRY(token_issued_at(claims, &issued));
    job->now = issued > job->now ? issued : job->now;
    TRY(arena_copy_text(&job->arena, token, &token));
    job->tokens[job->token_count++] =
        (struct receipt_token){party, authority->issuer, token, json_incref(jwks)};
    return OK;
}

/* The first of an owner's authorities that gives a good token serves. */
static fallible ask_authorities_of(struct job *job, size_t party)
{
    const struct contract *contract = &job->bundle->contract;
    struct result last = FAIL_AT(UNAVAILABLE, "room.authority.none", contract->parties[party].name.data);
    for (size_t i = 0; i < contract->authority_count; i++) {
        if (contract->authorities[i].party != party) {
            continue;
        }
        last = ask_authority(job, &contract->authorities[i]);
        bool is_of_authority =
            last.code == RESULT_UNTRUSTED || text_is(text_of(last.why), "link.unavailable");
        if (result_is_ok(last) || !is_of_authority) {
            return last;
        }
        last.where = contract->parties[party].name.data;
    }
    return last;
}

fallible job_attest(struct job *job)
{
    TRY(make_runtime_data(job));
    TRY(collect_evidence(job));
    const struct contract *contract = &job->bundle->contract;
    for (size_t party = 0; party < contract->party_count; party++) {
        if (job_needs_owner(job, party)) {
            TRY(ask_authorities_of(job, party));
        }
    }
    TRY(job_progress(job, "attested", job->token_count, job->token_count));
    return bundle_check_time(job->bundle, job->now);
}
