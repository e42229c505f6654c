#include "receipt/judging.h"

#include "base/encode.h"

static fallible get_subject(struct judging *judging, struct digest *out)
{
    json_t *subjects, *digests;
    struct text hex;
    struct bytes octets;
    TRY(json_get_array(judging->statement, "subject", &subjects));
    TRY(json_get_object(json_array_get(subjects, 0), "digest", &digests));
    TRY(json_get_text(digests, "sha256", &hex));
    TRY(decode_hex(judging->arena, hex, &octets));
    REQUIRE(octets.size == DIGEST_BYTES, INVALID, "receipt.subject");
    memcpy(out->octets, octets.data, octets.size);
    return OK;
}

/* What only the room knows. Of its truth there is no other witness than the room's signature. */
static fallible read_words_of_room(struct judging *judging, struct receipt_facts *facts)
{
    json_t *predicate, *query, *decision, *output;
    struct bytes salt;
    TRY(json_get_object(judging->statement, "predicate", &predicate));
    TRY(json_get_object(predicate, "query", &query));
    TRY(json_get_object(predicate, "decision", &decision));
    TRY(json_get_object(predicate, "output", &output));
    TRY(json_get_base64url(judging->arena, predicate, "salt", &salt));
    REQUIRE(salt.size == DIGEST_BYTES, INVALID, "receipt.salt");
    memcpy(facts->salt.octets, salt.data, salt.size);
    TRY(document_get_digest(predicate, "room", &facts->room));
    TRY(document_get_digest(query, "executed", &facts->query_executed));
    TRY(json_get_text(decision, "vetter", &facts->vetter));
    TRY(json_get_text(decision, "engine", &facts->engine));
    REQUIRE(text_is_printable_utf8(facts->vetter) && text_is_printable_utf8(facts->engine), INVALID,
            "receipt.decision");
    TRY(json_get_u64(output, "size_class", INT64_MAX, &facts->size_class));
    REQUIRE(facts->size_class >= 4096 && (facts->size_class & (facts->size_class - 1)) == 0, INVALID,
            "receipt.size_class");
    return get_subject(judging, &facts->result);
}

static const struct {
    const char *member;
    const char *why;
} members[] = {
    {"contract", "receipt.contract"},
    {"run", "receipt.run"},
    {"run_request", "receipt.run_request"},
    {"query", "receipt.query"},
    {"inputs", "receipt.inputs"},
    {"decision", "receipt.decision"},
    {"output", "receipt.output"},
    {"grants", "receipt.grants"},
    {"code", "receipt.code"},
    {"attestation", "receipt.attestation"},
    {"runtime_data", "receipt.runtime_data"},
    {"time", "receipt.time"},
};

/* The statement that the documents and the judgement give is the statement that was signed. */
static fallible compare(const json_t *have, const json_t *want)
{
    const json_t *have_predicate = json_object_get(have, "predicate");
    const json_t *want_predicate = json_object_get(want, "predicate");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const json_t *value = json_object_get(have_predicate, members[i].member);
        if (value == NULL || !json_equal(value, json_object_get(want_predicate, members[i].member))) {
            return (struct result){RESULT_UNTRUSTED, members[i].why, members[i].member};
        }
    }
    REQUIRE(json_equal(have, want), UNTRUSTED, "receipt.statement");
    return OK;
}

fallible judging_check_statement(struct judging *judging)
{
    struct receipt_facts facts = {.documents = &judging->documents,
                                  .tokens = judging->tokens,
                                  .token_count = judging->token_count,
                                  .runtime_data = digest_of(judging->runtime_octets),
                                  .code_type = judging->evidence.family,
                                  .released = judging->released};
    scoped_json *want = NULL;
    TRY(encode_hex(judging->arena, judging->judgement.measurement, &facts.code_measurement));
    TRY(read_words_of_room(judging, &facts));
    TRY(receipt_statement(judging->arena, &facts, &want));
    TRY(compare(judging->statement, want));
    const struct receipt_verification *how = judging->how;
    REQUIRE(how->result == NULL || digest_equal(how->result, &facts.result), UNTRUSTED, "receipt.result");
    REQUIRE(how->run_request == NULL ||
                digest_equal(how->run_request, &judging->documents.run_request.document.digest),
            UNTRUSTED, "receipt.not_my_request");
    return OK;
}
