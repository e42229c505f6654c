/* What leaves the room: the result, encrypted to its recipients, and a receipt about it. */
#include "room/job.h"

#include "base/encode.h"
#include "jose/jwe.h"
#include "privacy/result_frame.h"

static fallible write_frame(struct job *job, struct buffer *out)
{
    struct result_frame frame = {.columns = job->query->output,
                                 .column_count = job->query->output_count,
                                 .run = job->bundle->run_request.run,
                                 .run_request = job->bundle->run_request.document.digest,
                                 .contract = job->bundle->contract.document.digest,
                                 .csv = job->csv};
    return result_frame_write(&frame, out);
}

static fallible encrypt_result(struct job *job, struct bytes plaintext)
{
    const struct run_request *request = &job->bundle->run_request;
    struct key recipients[JWE_RECIPIENTS_MAX] = {0}; /* shallow: the contract owns them */
    REQUIRE(request->recipient_count <= JWE_RECIPIENTS_MAX, LIMIT, "room.recipients");
    for (size_t i = 0; i < request->recipient_count; i++) {
        size_t party;
        TRY(contract_find_party(&job->bundle->contract, request->recipients[i], &party));
        recipients[i] = job->bundle->contract.parties[party].result;
    }
    buffer_init(&job->result, message_size_max(MESSAGE_result));
    return jwe_encrypt(&job->room->world, RESULT_TYP, plaintext, recipients, request->recipient_count,
                       &job->result);
}

static fallible sign_receipt(struct job *job, uint64_t size_class, json_t **out)
{
    struct receipt_facts facts = {.documents = job->bundle,
                                  .result = digest_of(buffer_view(&job->result)),
                                  .room = job->room->instance_digest,
                                  .runtime_data = digest_of(job->runtime_data),
                                  .query_executed = digest_of(bytes_of_text(job->executed)),
                                  .vetter = job->vetter,
                                  .engine = job->engine,
                                  .size_class = size_class,
                                  .tokens = job->tokens,
                                  .token_count = job->token_count,
                                  .code_type = text_of(job->room->tee->family->name),
                                  .released = job->now};
    scoped_json *statement = NULL;
    TRY(world_random(&job->room->world, facts.salt.octets, sizeof facts.salt.octets));
    TRY(encode_hex(&job->arena, job->room->measurement, &facts.code_measurement));
    TRY(receipt_statement(&job->arena, &facts, &statement));
    return receipt_sign(&job->arena, statement, &job->receipt_key, out);
}

fallible job_finish(struct job *job)
{
    scoped_buffer plaintext;
    buffer_init(&plaintext, message_size_max(MESSAGE_result));
    struct result result = write_frame(job, &plaintext);
    uint64_t size_class = plaintext.size;
    if (result_is_ok(result)) {
        result = encrypt_result(job, buffer_view(&plaintext));
    }
    wipe(plaintext.data, plaintext.size);
    TRY(result);
    scoped_json *envelope = NULL;
    TRY(sign_receipt(job, size_class, &envelope));
    struct receipt_bundle receipt = {.receipt = envelope,
                                     .documents = job->documents,
                                     .runtime_data = job->runtime_data,
                                     .evidence = job->evidence,
                                     .tokens = job->tokens,
                                     .token_count = job->token_count};
    scoped_buffer bundle;
    buffer_init(&bundle, message_size_max(MESSAGE_receipt));
    TRY(receipt_bundle_encode(&receipt, &bundle));
    TRY(link_send(&job->room->link, MESSAGE_result, buffer_view(&job->result)));
    return link_send(&job->room->link, MESSAGE_receipt, buffer_view(&bundle));
}
