#include "receipt/facts.h"

static struct receipt_input input_of(const struct bundle *bundle, const struct contract_read *read)
{
    const struct manifest *manifest = &bundle->manifests[read->dataset];
    return (struct receipt_input){
        .dataset = manifest->dataset,
        .version = manifest->version,
        .manifest = manifest->document.digest,
        .data = manifest->data,
        .policy = bundle->policies[read->dataset].document.digest,
        .columns = {read->columns, read->column_count},
    };
}

static fallible rule_of(struct arena *arena, const struct policy *policy, struct text *out)
{
    if (policy_entity_is_none(&policy->entity)) {
        return arena_printf(arena, out, "%.*s:/entity=none", TEXT_ARGS(policy->dataset));
    }
    return arena_printf(arena, out, "%.*s:/output/min_entities=%llu", TEXT_ARGS(policy->dataset),
                        (unsigned long long)policy->entity.min_entities);
}

static fallible set_inputs(struct arena *arena, const struct bundle *bundle,
                           const struct contract_query *query, struct receipt_facts *facts)
{
    struct receipt_input *inputs;
    struct text *rules;
    TRY(ARENA_ARRAY(arena, struct receipt_input, query->read_count, &inputs));
    TRY(ARENA_ARRAY(arena, struct text, query->read_count, &rules));
    for (size_t i = 0; i < query->read_count; i++) {
        inputs[i] = input_of(bundle, &query->reads[i]);
        TRY(rule_of(arena, &bundle->policies[query->reads[i].dataset], &rules[i]));
    }
    facts->inputs = inputs;
    facts->input_count = query->read_count;
    facts->rules = (struct receipt_texts){rules, query->read_count};
    return OK;
}

static fallible set_schema(struct arena *arena, const struct contract_query *query,
                           struct receipt_facts *facts)
{
    struct receipt_column *schema;
    TRY(ARENA_ARRAY(arena, struct receipt_column, query->output_count, &schema));
    for (size_t i = 0; i < query->output_count; i++) {
        schema[i].name = query->output[i].name;
        TRY(column_type_to_text(arena, query->output[i].type, &schema[i].type));
    }
    facts->schema = schema;
    facts->schema_count = query->output_count;
    return OK;
}

static fallible set_recipients(struct arena *arena, const struct bundle *bundle, struct receipt_facts *facts)
{
    const struct run_request *request = &bundle->run_request;
    struct text *kids;
    TRY(ARENA_ARRAY(arena, struct text, request->recipient_count, &kids));
    for (size_t i = 0; i < request->recipient_count; i++) {
        size_t party;
        TRY(contract_find_party(&bundle->contract, request->recipients[i], &party));
        TRY(jws_kid(arena, &bundle->contract.parties[party].result, &kids[i]));
    }
    facts->recipients = (struct receipt_texts){request->recipients, request->recipient_count};
    facts->encrypted_to = (struct receipt_texts){kids, request->recipient_count};
    return OK;
}

static fallible set_grants(struct arena *arena, const struct bundle *bundle, struct receipt_facts *facts)
{
    struct receipt_grant *grants;
    TRY(ARENA_ARRAY(arena, struct receipt_grant, bundle->grant_count, &grants));
    for (size_t i = 0; i < bundle->grant_count; i++) {
        grants[i] = (struct receipt_grant){bundle->grants[i].owner, bundle->grants[i].document.digest};
    }
    facts->grants = grants;
    facts->grant_count = bundle->grant_count;
    return OK;
}

fallible receipt_facts_from_bundle(struct arena *arena, const struct bundle *bundle,
                                   struct receipt_facts *out)
{
    ASSERT(bundle->has_run_request && bundle->query < bundle->contract.query_count);
    const struct contract_query *query = &bundle->contract.queries[bundle->query];
    struct receipt_facts facts = {
        .contract = bundle->contract.document.digest,
        .run_request = bundle->run_request.document.digest,
        .run = bundle->run_request.run,
        .query = query->name,
        .querier = bundle->run_request.querier,
        .query_canonical = query->canonical,
        .mode = TEXT("approved"),
        .format = TEXT("csv"),
    };
    TRY(set_inputs(arena, bundle, query, &facts));
    TRY(set_schema(arena, query, &facts));
    TRY(set_recipients(arena, bundle, &facts));
    TRY(set_grants(arena, bundle, &facts));
    *out = facts;
    return OK;
}
