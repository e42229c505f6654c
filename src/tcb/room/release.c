/* Each owner's vault releases the owner's key for this contract, wrapped to the one key that the evidence
 * names. The answer's own signature is not looked at: a key that somebody else made fails the manifest's
 * commitment. */
#include "room/job.h"

#include "base/encode.h"
#include "jose/jwt.h"
#include "seal/part.h"

/* The wrapped key inside a release answer (Key Vault's JWS, reference: response.key.key.key_hsm). */
static fallible read_answer(struct arena *arena, struct text untrusted_answer, struct text nonce,
                            struct bytes *out)
{
    scoped_jwt jws = {0};
    TRY(jwt_parse(arena, untrusted_answer, &jws));
    const char *echoed;
    json_t *key;
    bool formed = json_unpack(jws.claims, "{s:{s:s},s:{s:{s:o}}}", "request", "nonce", &echoed, "response",
                              "key", "key", &key) == 0;
    REQUIRE(formed, INVALID, "room.release.form");
    REQUIRE(text_is(nonce, echoed), UNTRUSTED, "room.release.nonce");
    struct bytes inner_text;
    TRY(json_get_base64url(arena, key, "key_hsm", &inner_text));
    scoped_json *inner = NULL;
    TRY(json_decode(inner_text, &inner));
    return json_get_base64url(arena, inner, "ciphertext", out);
}

static fallible unwrap_data_key(struct job *job, const struct key *release_key, size_t dataset)
{
    struct result opened = key_oaep_decrypt(release_key, KEY_OAEP_SHA256, job->bundle->wrapped[dataset],
                                            &job->data_keys[dataset]);
    REQUIRE(opened.code != RESULT_UNTRUSTED, UNTRUSTED,
            "room.release.data_key"); /* not wrapped to this key */
    TRY(opened);
    const struct manifest *manifest = &job->bundle->manifests[dataset];
    return part_check_key(&job->arena, &job->data_keys[dataset], manifest->dataset, manifest->version,
                          &manifest->key_commitment);
}

static fallible open_answer(struct job *job, size_t party, struct text untrusted_answer, struct text nonce)
{
    struct bytes wrapped;
    TRY(read_answer(&job->arena, untrusted_answer, nonce, &wrapped));
    scoped_secret pkcs8 = {0};
    struct result unwrapped = key_rsa_aes_unwrap(&job->wrapping_key, KEY_OAEP_SHA256, wrapped, &pkcs8);
    REQUIRE(unwrapped.code != RESULT_UNTRUSTED, UNTRUSTED,
            "room.release.answer"); /* not for this run, or changed */
    TRY(unwrapped);
    scoped_key release_key = {0};
    TRY(key_from_pkcs8(&pkcs8, &release_key));
    for (size_t i = 0; i < job->bundle->contract.dataset_count; i++) {
        if (job->bundle->contract.datasets[i].owner == party && job_reads_dataset(job, i)) {
            TRY(unwrap_data_key(job, &release_key, i));
        }
    }
    return OK;
}

static fallible ask_vault(struct job *job, const struct grant *grant, size_t party)
{
    const struct receipt_token *token = job->tokens;
    while (!text_equal(token->party, grant->owner)) {
        token++;
        ASSERT(token < job->tokens + job->token_count);
    }
    uint8_t random[16];
    TRY(world_random(&job->room->world, random, sizeof random));
    struct text nonce;
    TRY(encode_base64url(&job->arena, BYTES_OF(random), &nonce));
    json_t *request = json_pack("{s:s%,s:s%,s:s%,s:s%,s:s%,s:s%,s:s}", "party", TEXT_SIZED(grant->owner),
                                "vault", TEXT_SIZED(grant->vault), "key", TEXT_SIZED(grant->key), "version",
                                TEXT_SIZED(grant->version), "token", TEXT_SIZED(token->token), "nonce",
                                TEXT_SIZED(nonce), "enc", "RSA_AES_KEY_WRAP_256");
    scoped_buffer untrusted_reply;
    buffer_init(&untrusted_reply, message_size_max(MESSAGE_release));
    TRY(link_ask(&job->room->link, MESSAGE_release_request, request, MESSAGE_release, &untrusted_reply));
    scoped_json *reply = NULL;
    TRY(json_decode(buffer_view(&untrusted_reply), &reply));
    struct text answer;
    TRY(json_get_text(reply, "value", &answer));
    return open_answer(job, party, answer, nonce);
}

fallible job_release_keys(struct job *job)
{
    const struct bundle *bundle = job->bundle;
    for (size_t i = 0; i < bundle->grant_count; i++) {
        size_t party = bundle->grant_owner[i];
        if (!job_needs_owner(job, party)) {
            continue;
        }
        TRY(result_at(ask_vault(job, &bundle->grants[i], party), bundle->contract.parties[party].name.data));
    }
    key_release(&job->wrapping_key); /* used once */
    return job_progress(job, "released", bundle->grant_count, bundle->grant_count);
}
