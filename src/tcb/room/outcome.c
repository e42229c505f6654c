/* What leaves the room: the result, encrypted to its recipients, and a receipt about it. */
#include "room/job.h"

#include "base/encode.h"
#include "jose/jwe.h"
#include "privacy/result_frame.h"
#include "receipt/receipt.h"

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
    return jwe_encrypt(&job->room->world, RESULT_TYP, plaintext, recipients, request->recipient_count, &job->result);
}

static fallible list_inputs(struct job *job, struct receipt_facts *facts)
{
    struct receipt_input *inputs;
    TRY(ARENA_ARRAY(&job->arena, struct receipt_input, job->query->read_count, &inputs));
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct contract_read *read = &job->query->reads[i];
        const struct manifest *manifest = &job->bundle->manifests[read->dataset];
        inputs[i] = (struct receipt_input){.dataset = manifest->dataset,
                                           .version = manifest->version,
                                           .manifest = manifest->document.digest,
                                           .data = manifest->data,
                                           .policy = job->bundle->policies[read->dataset].document.digest,
                                           .columns = {read->columns, read->column_count}};
    }
    facts->inputs = inputs;
    facts->input_count = job->query->read_count;
    return OK;
}

static fallible list_rules(struct job *job, struct receipt_facts *facts)
{
    struct text *rules;
    TRY(ARENA_ARRAY(&job->arena, struct text, job->query->read_count, &rules));
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct policy *policy = &job->bundle->policies[job->query->reads[i].dataset];
        if (policy_entity_is_none(&policy->entity)) {
            TRY(arena_printf(&job->arena, &rules[i], "%.*s:/entity=none", TEXT_ARGS(policy->dataset)));
        } else {
            TRY(arena_printf(&job->arena, &rules[i], "%.*s:/output/min_entities=%llu", TEXT_ARGS(policy->dataset),
                             (unsigned long long)policy->entity.min_entities));
        }
    }
    facts->rules = (struct receipt_texts){rules, job->query->read_count};
    return OK;
}

static fallible list_schema(struct job *job, struct receipt_facts *facts)
{
    struct receipt_column *schema;
    TRY(ARENA_ARRAY(&job->arena, struct receipt_column, job->query->output_count, &schema));
    for (size_t i = 0; i < job->query->output_count; i++) {
        schema[i].name = job->query->output[i].name;
        TRY(column_type_to_text(&job->arena, job->query->output[i].type, &schema[i].type));
    }
    facts->schema = schema;
    facts->schema_count = job->query->output_count;
    return OK;
}

static fallible list_grants(struct job *job, struct receipt_facts *facts)
{
    struct receipt_grant *grants;
    TRY(ARENA_ARRAY(&job->arena, struct receipt_grant, job->bundle->grant_count, &grants));
    for (size_t i = 0; i < job->bundle->grant_count; i++) {
        grants[i] = (struct receipt_grant){job->bundle->grants[i].owner, job->bundle->grants[i].document.digest};
    }
    facts->grants = grants;
    facts->grant_count = job->bundle->grant_count;
    return OK;
}

static fallible list_tokens(struct job *job, struct receipt_facts *facts)
{
    struct receipt_token *tokens;
    TRY(ARENA_ARRAY(&job->arena, struct receipt_token, job->token_count, &tokens));
    for (size_t i = 0; i < job->token_count; i++) {
        tokens[i] = (struct receipt_token){.party = job->bundle->contract.parties[job->tokens[i].party].name,
                                           .issuer = job->tokens[i].issuer,
                                           .token = digest_of(bytes_of_text(job->tokens[i].token))};
    }
    facts->tokens = tokens;
    facts->token_count = job->token_count;
    return OK;
}

static fallible list_recipients(struct job *job, struct receipt_facts *facts)
{
    const struct run_request *request = &job->bundle->run_request;
    facts->recipients = (struct receipt_texts){request->recipients, request->recipient_count};
    struct text *kids;
    TRY(ARENA_ARRAY(&job->arena, struct text, JWE_RECIPIENTS_MAX, &kids));
    size_t count;
    TRY(jwe_recipients(&job->arena, buffer_view(&job->result), kids, &count));
    facts->encrypted_to = (struct receipt_texts){kids, count};
    return OK;
}

static fallible gather_facts(struct job *job, uint64_t size_class, struct receipt_facts *out)
{
    const struct bundle *bundle = job->bundle;
    struct receipt_facts facts = {.result = digest_of(buffer_view(&job->result)),
                                  .contract = bundle->contract.document.digest,
                                  .run_request = bundle->run_request.document.digest,
                                  .room = job->room->instance_digest,
                                  .runtime_data = digest_of(job->runtime_data),
                                  .run = bundle->run_request.run,
                                  .query = job->query->name,
                                  .querier = bundle->run_request.querier,
                                  .query_canonical = digest_of(bytes_of_text(job->query->sql)),
                                  .query_executed = digest_of(bytes_of_text(job->executed)),
                                  .mode = TEXT("approved"),
                                  .vetter = job->vetter,
                                  .engine = job->engine,
                                  .format = TEXT("csv"),
                                  .size_class = size_class,
                                  .code_type = text_of(job->room->tee->family->name),
                                  .released = job->now};
    TRY(world_random(&job->room->world, facts.salt.octets, sizeof facts.salt.octets));
    TRY(encode_hex(&job->arena, job->room->measurement, &facts.code_measurement));
    TRY(list_inputs(job, &facts));
    TRY(list_rules(job, &facts));
    TRY(list_schema(job, &facts));
    TRY(list_grants(job, &facts));
    TRY(list_tokens(job, &facts));
    TRY(list_recipients(job, &facts));
    *out = facts;
    return OK;
}

static fallible write_bundle(struct job *job, const json_t *envelope, struct buffer *out)
{
    struct receipt_bundle_token *tokens;
    TRY(ARENA_ARRAY(&job->arena, struct receipt_bundle_token, job->token_count, &tokens));
    for (size_t i = 0; i < job->token_count; i++) {
        tokens[i] = (struct receipt_bundle_token){.party = job->bundle->contract.parties[job->tokens[i].party].name,
                                                  .issuer = job->tokens[i].issuer,
                                                  .token = job->tokens[i].token,
                                                  .jwks = job->tokens[i].jwks};
    }
    struct receipt_bundle bundle = {.receipt = envelope,
                                    .contract = json_object_get(job->documents, "contract"),
                                    .grants = json_object_get(job->documents, "grants"),
                                    .manifests = json_object_get(job->documents, "manifests"),
                                    .policies = json_object_get(job->documents, "policies"),
                                    .run_request = json_object_get(job->documents, "run_request"),
                                    .runtime_data = job->runtime_data,
                                    .evidence = job->evidence,
                                    .tokens = tokens,
                                    .token_count = job->token_count};
    return receipt_bundle_encode(&bundle, out);
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
    struct receipt_facts facts;
    TRY(gather_facts(job, size_class, &facts));
    scoped_json *statement = NULL;
    TRY(receipt_statement(&facts, &statement));
    scoped_json *envelope = NULL;
    TRY(receipt_sign(&job->arena, statement, &job->receipt_key, &envelope));
    scoped_buffer bundle;
    buffer_init(&bundle, message_size_max(MESSAGE_receipt));
    TRY(write_bundle(job, envelope, &bundle));
    TRY(link_send(&job->room->link, MESSAGE_result, buffer_view(&job->result)));
    return link_send(&job->room->link, MESSAGE_receipt, buffer_view(&bundle));
}
