#include "contract/run_request.h"

static bool is_run_id(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.size == RUN_ID_CHARACTERS;
}

/* An object of texts, ascending by name. The texts are copied, for `object` may go before they do. */
static fallible read_values(struct arena *arena, const json_t *object, struct run_parameter **out,
                            size_t *out_count)
{
    struct text *names;
    size_t count;
    struct run_parameter *parameters;
    TRY(document_member_names(arena, object, 0, CONTRACT_PARAMETERS_MAX, &names, &count));
    TRY(ARENA_ARRAY(arena, struct run_parameter, count, &parameters));
    for (size_t i = 0; i < count; i++) {
        struct run_parameter *parameter = &parameters[i];
        parameter->name = names[i];
        TRY(document_keep(arena, &parameter->name));
        REQUIRE_AT(text_is_name(parameter->name), INVALID, "document.name", parameter->name.data);
        TRY(json_get_text(object, parameter->name.data, &parameter->value));
        TRY(arena_copy_text(arena, parameter->value, &parameter->value));
    }
    *out = parameters;
    *out_count = count;
    return OK;
}

static fallible read_sealed(struct arena *arena, const json_t *content, struct run_request *request)
{
    if (!json_has(content, "sealed_parameters")) {
        return OK;
    }
    json_t *sealed;
    TRY(json_get_object(content, "sealed_parameters", &sealed));
    TRY(json_encode_text(arena, sealed, &request->sealed_parameters));
    REQUIRE_AT(request->sealed_parameters.size <= RUN_SEALED_BYTES_MAX, LIMIT, "run.sealed.size",
               "sealed_parameters");
    return OK;
}

static const struct document_member run_members[] = {
    MEMBER_OTHERS("type", "recipients", "manifests", "parameters", "sealed_parameters"),
    MEMBER(run_request, DIGEST, contract),
    MEMBER(run_request, NAME, query),
    MEMBER(run_request, TEXT, run),
    MEMBER(run_request, NAME, querier),
    MEMBER(run_request, TIME, not_after),
    {0},
};

static fallible complete(struct arena *arena, void *record)
{
    struct run_request *request = record;
    const json_t *content = request->document.content;
    REQUIRE_AT(is_run_id(request->run), INVALID, "run.id", "run");
    TRY(document_get_names(arena, content, "recipients", 1, CONTRACT_PARTIES_MAX, &request->recipients,
                           &request->recipient_count));
    TRY(document_within(arena,
                        read_values(arena, json_object_get(content, "parameters"), &request->parameters,
                                    &request->parameter_count),
                        "parameters"));
    if (json_has(content, "manifests")) {
        TRY(document_within(arena,
                            read_values(arena, json_object_get(content, "manifests"), &request->manifests,
                                        &request->manifest_count),
                            "manifests"));
    }
    return read_sealed(arena, content, request);
}

const struct document_kind run_request_kind = {
    RUN_REQUEST_TYP, "run/1", NULL, run_members, sizeof(struct run_request), complete, NULL,
};

fallible run_request_parse(struct arena *arena, struct bytes untrusted_bytes, struct run_request *out)
{
    return document_parse(arena, untrusted_bytes, &run_request_kind, out);
}

static fallible build_values(const char *member, const struct run_parameter values[], size_t count,
                             json_t *object)
{
    json_t *inner;
    TRY(document_set_object(object, member, &inner));
    for (size_t i = 0; i < count; i++) {
        scoped_arena arena;
        arena_init(&arena, 1024);
        const char *name;
        TRY(arena_cstring(&arena, values[i].name, &name));
        TRY(json_set_text(inner, name, values[i].value));
    }
    return OK;
}

static fallible build_parameters(const struct run_request *request, json_t *object)
{
    TRY(build_values("parameters", request->parameters, request->parameter_count, object));
    if (request->manifest_count > 0) {
        TRY(build_values("manifests", request->manifests, request->manifest_count, object));
    }
    if (request->sealed_parameters.size == 0) {
        return OK;
    }
    scoped_json *sealed = NULL;
    TRY(json_decode(bytes_of_text(request->sealed_parameters), &sealed));
    return json_set(object, "sealed_parameters", json_incref(sealed));
}

fallible run_request_build(const struct run_request *request, json_t **out)
{
    scoped_json *object = NULL;
    TRY(document_begin("run/1", &object));
    TRY(document_set_digest(object, "contract", &request->contract));
    TRY(json_set_text(object, "query", request->query));
    TRY(json_set_text(object, "run", request->run));
    TRY(json_set_text(object, "querier", request->querier));
    TRY(document_set_names(object, "recipients", request->recipients, request->recipient_count));
    TRY(build_parameters(request, object));
    TRY(json_set_time(object, "not_after", request->not_after));
    *out = json_incref(object);
    return OK;
}

static const struct run_parameter *find_value(const struct run_parameter values[], size_t count,
                                              struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(values[i].name, name)) {
            return &values[i];
        }
    }
    return NULL;
}

/* That `values` holds exactly the query's parameters that are public, or exactly the others. */
static fallible check_values(const struct contract_query *query, const struct run_parameter values[],
                             size_t value_count, bool is_public)
{
    size_t expected = 0;
    for (size_t i = 0; i < query->parameter_count; i++) {
        const struct contract_parameter *parameter = &query->parameters[i];
        const struct run_parameter *value = find_value(values, value_count, parameter->name);
        const char *where = parameter->name.data;
        if (parameter->is_public != is_public) {
            if (value != NULL) {
                return is_public ? FAIL_AT(INVALID, "run.parameter.must_be_sealed", where)
                                 : FAIL_AT(INVALID, "run.parameter.must_be_public", where);
            }
            continue;
        }
        REQUIRE_AT(value != NULL, INVALID, "run.parameter.missing", where);
        expected++;
        TRY(result_at(contract_check_parameter(parameter, value->value), where));
    }
    REQUIRE(value_count == expected, INVALID, "run.parameter.unknown");
    return OK;
}

static fallible check_parameters(const struct run_request *request, const struct contract_query *query)
{
    TRY(check_values(query, request->parameters, request->parameter_count, true));
    bool present = request->sealed_parameters.size > 0;
    REQUIRE(present || contract_query_is_public(query), INVALID, "run.sealed.missing");
    REQUIRE(!present || !contract_query_is_public(query), INVALID, "run.sealed.unexpected");
    return OK;
}

static fallible check_people(const struct run_request *request, const struct contract *contract,
                             size_t *out_querier)
{
    bool known = result_is_ok(contract_find_party(contract, request->querier, out_querier));
    REQUIRE_AT(known && contract_is_querier(contract, *out_querier), DENIED, "run.querier",
               request->querier.data);
    for (size_t i = 0; i < request->recipient_count; i++) {
        size_t party;
        known = result_is_ok(contract_find_party(contract, request->recipients[i], &party));
        REQUIRE_AT(known && contract_is_recipient(contract, party), DENIED, "run.recipient",
                   request->recipients[i].data);
    }
    return OK;
}

fallible run_request_verify(struct arena *arena, const struct run_request *request,
                            const struct contract *contract, size_t *out_query)
{
    REQUIRE(digest_equal(&request->contract, &contract->document.digest), UNTRUSTED, "run.contract");
    size_t querier;
    TRY(check_people(request, contract, &querier));
    TRY(document_within(arena, document_verify_only(&request->document, &contract->parties[querier].signing),
                        "run_request"));
    size_t query;
    TRY(document_within(arena, contract_find_query(contract, request->query, &query), "query"));
    TRY(document_within(arena, check_parameters(request, &contract->queries[query]), "parameters"));
    *out_query = query;
    return OK;
}

fallible run_request_find_manifest(const struct run_request *request, struct text table, struct digest *out)
{
    const struct run_parameter *row = find_value(request->manifests, request->manifest_count, table);
    bool good = row != NULL && result_is_ok(digest_from_text(row->value, out));
    return good ? OK : FAIL_AT(INVALID, "run.manifest.missing", table.data);
}

fallible run_request_check_time(const struct run_request *request, int64_t unix_seconds)
{
    REQUIRE(unix_seconds <= request->not_after, EXPIRED, "run.expired");
    return OK;
}

fallible run_request_values(struct arena *arena, const struct run_request *request,
                            const struct contract_query *query, struct bytes untrusted_sealed,
                            struct text **out_values)
{
    struct run_parameter *sealed = NULL;
    size_t sealed_count = 0;
    TRY(check_parameters(request, query));
    if (!contract_query_is_public(query)) {
        scoped_json *object = NULL;
        TRY(document_within(arena, json_decode(untrusted_sealed, &object), "sealed_parameters"));
        TRY(document_within(arena, read_values(arena, object, &sealed, &sealed_count), "sealed_parameters"));
    } else {
        REQUIRE(untrusted_sealed.size == 0, INVALID, "run.sealed.unexpected");
    }
    TRY(document_within(arena, check_values(query, sealed, sealed_count, false), "sealed_parameters"));
    struct text *values;
    TRY(ARENA_ARRAY(arena, struct text, query->parameter_count, &values));
    for (size_t i = 0; i < query->parameter_count; i++) {
        const struct contract_parameter *parameter = &query->parameters[i];
        const struct run_parameter *value =
            parameter->is_public ? find_value(request->parameters, request->parameter_count, parameter->name)
                                 : find_value(sealed, sealed_count, parameter->name);
        ASSERT(value != NULL);
        values[i] = value->value;
    }
    *out_values = values;
    return OK;
}
