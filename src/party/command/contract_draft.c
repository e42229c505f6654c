#include "party/command/contract.h"
#include "party/draft/draft.h"
#include "party/home/file.h"
#include "party/process/process.h"

static fallible open_vetter(struct invocation *invocation, struct vetter_program *program, struct vetter *out)
{
    const char *query;
    const char *template_engine;
    const char *folder = invocation->surroundings.programs;
    TRY(process_find(invocation->arena, folder, "truce-query", &query));
    TRY(process_find(invocation->arena, folder, "truce-template-engine", &template_engine));
    struct result result = vetter_program_open(program, query, template_engine, out);
    if (!result_is_ok(result)) {
        return invocation_advise(invocation, result, "Queries are vetted by %s, which cannot be started.",
                                 query);
    }
    return OK;
}

/* --refreshed TABLE says what the specification's member says. */
static fallible mark_refreshed(struct invocation *invocation, struct specification *specification)
{
    const char *table;
    for (size_t i = 0; (table = option_value_at(&invocation->options, "refreshed", i)) != NULL; i++) {
        bool known = false;
        for (size_t k = 0; k < specification->dataset_count; k++) {
            if (text_is(specification->datasets[k].table, table)) {
                specification->datasets[k].is_refreshed = known = true;
            }
        }
        if (!known) {
            return invocation_usage(invocation, "The specification has no table \"%s\".", table);
        }
    }
    return OK;
}

static fallible build(struct invocation *invocation, const struct own_party *party, struct bytes *out_payload)
{
    struct bytes file;
    struct specification specification;
    scoped_address_book book = {0};
    scoped_vetter_program program = {0};
    struct vetter vetter;
    struct connection_authority authority;
    struct connection_simulation simulation;
    const char *folder;
    const char *path = invocation_argument(invocation, 0);
    TRY(file_read(invocation->arena, path, &file));
    TRY(file_folder_of(invocation->arena, path, &folder));
    TRY(specification_read(invocation->arena, file, folder, world_now(&invocation->world), &specification));
    TRY(mark_refreshed(invocation, &specification));
    TRY(address_book_open(invocation->arena, party->folder, &book));
    TRY(open_vetter(invocation, &program, &vetter));
    bool has_authority =
        result_is_ok(connection_authority_open(invocation->arena, party->folder, &authority));
    bool has_simulation =
        result_is_ok(connection_simulation_open(invocation->arena, party->folder, &simulation));
    struct draft_sources sources = {
        .world = &invocation->world,
        .book = &book,
        .authority = has_authority ? &authority : NULL,
        .simulation = has_simulation ? &simulation : NULL,
        .vetter = &vetter,
    };
    return draft_contract(invocation->arena, &specification, &sources, out_payload);
}

fallible contract_run_draft(struct invocation *invocation)
{
    struct own_party party;
    struct bytes payload;
    scoped_contract contract = {0};
    scoped_json *json = json_object();
    struct text digest;
    const char *out = option_value(&invocation->options, "out");
    out = out != NULL ? out : "contract.json";
    TRY(invocation_party(invocation, &party));
    TRY(build(invocation, &party, &payload));
    TRY(file_write(out, payload, FILE_PUBLIC));
    TRY(contract_parse_payload(invocation->arena, payload, &contract));
    TRY(contract_print(invocation, &contract, &party));
    TRY(digest_to_text(invocation->arena, &contract.document.digest, &digest));
    TRY(json_set_text(json, "contract", digest));
    TRY(json_set_text(json, "file", text_of(out)));
    screen_line(&invocation->screen,
                "\nDraft %.*s written to %s. Every party signs it: truce contract sign %s", TEXT_ARGS(digest),
                out, out);
    return screen_json(&invocation->screen, json);
}

/* Splits "name=value" of --param. */
static fallible take_parameter(struct invocation *invocation, size_t index, struct text *out_name,
                               struct text *out_value)
{
    const char *word = option_value_at(&invocation->options, "param", index);
    const char *equals = strchr(word, '=');
    if (equals == NULL) {
        return invocation_usage(invocation, "--param takes NAME=VALUE, not \"%s\".", word);
    }
    *out_name = (struct text){word, (size_t)(equals - word)};
    *out_value = text_of(equals + 1);
    return OK;
}

static fallible add_parameters(struct invocation *invocation, const struct contract_query *query,
                               json_t *request)
{
    json_t *rows = json_array();
    size_t given = 0;
    TRY(json_set(request, "parameters", rows));
    for (size_t i = 0; i < query->parameter_count; i++) {
        struct text type;
        json_t *row = json_object();
        TRY(json_add(rows, row));
        TRY(column_type_to_text(invocation->arena, query->parameters[i].type, &type));
        TRY(json_set_text(row, "name", query->parameters[i].name));
        TRY(json_set_text(row, "type", type));
        for (size_t p = 0; option_value_at(&invocation->options, "param", p) != NULL; p++) {
            struct text name = {0};
            struct text value = {0};
            TRY(take_parameter(invocation, p, &name, &value));
            if (text_equal(name, query->parameters[i].name)) {
                TRY(contract_check_parameter(&query->parameters[i], value));
                TRY(json_set_text(row, "value", value));
                given++;
            }
        }
        if (!json_has(row, "value")) {
            return invocation_usage(invocation, "The query needs --param %.*s=VALUE.",
                                    TEXT_ARGS(query->parameters[i].name));
        }
    }
    if (option_value_at(&invocation->options, "param", given) != NULL) {
        return invocation_usage(invocation, "A --param is given that this query does not have.");
    }
    return OK;
}

static fallible add_tables(struct invocation *invocation, const struct own_party *party,
                           const struct contract *contract, json_t *request)
{
    const char *folders[CONTRACT_FOLDERS_MAX];
    size_t count = contract_folders(invocation, folders);
    json_t *tables = json_array();
    TRY(json_set(request, "tables", tables));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        defer(agreement_documents_release) struct agreement_documents documents = {0};
        TRY(agreement_find_documents(invocation->arena, party->folder, folders, count, contract, i,
                                     &documents));
        if (!documents.found) {
            const char *dataset = screen_safe(invocation->arena, contract->datasets[i].dataset);
            return invocation_advise(
                invocation, FAIL_AT(NOT_FOUND, "bundle.manifest.missing", dataset),
                "The schema of %s is needed: --dataset FOLDER with its manifest.json and policy.json.",
                dataset);
        }
        struct contract_dataset dataset = contract->datasets[i];
        dataset.entity = documents.policy.entity;
        TRY(vetter_add_table(invocation->arena, tables, dataset.table, &documents.manifest, &dataset));
    }
    return OK;
}

fallible contract_run_executed(struct invocation *invocation)
{
    struct own_party party;
    scoped_contract contract = {0};
    scoped_vetter_program program = {0};
    struct vetter vetter;
    size_t index;
    scoped_json *request = json_object();
    scoped_json *answer = NULL;
    struct text executed;
    TRY(invocation_party(invocation, &party));
    TRY(contract_open(invocation, 0, &contract));
    TRY(contract_find_query(&contract, text_of(invocation_argument(invocation, 1)), &index));
    TRY(add_parameters(invocation, &contract.queries[index], request));
    TRY(contract_fetch_documents(invocation, &contract, &party));
    TRY(add_tables(invocation, &party, &contract, request));
    TRY(json_set_text(request, "sql", contract.queries[index].sql));
    TRY(open_vetter(invocation, &program, &vetter));
    TRY(vetter.ask(vetter.self, invocation->arena, request, &answer));
    TRY(json_get_text(answer, "executed", &executed));
    screen_text(&invocation->screen, executed);
    scoped_json *json = json_object();
    TRY(json_set_text(json, "executed", executed));
    TRY(json_set_text(json, "query", contract.queries[index].name));
    return screen_json(&invocation->screen, json);
}
