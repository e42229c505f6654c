#include "party/draft/draft.h"

#include "base/encode.h"
#include "contract/bundle.h"
#include "party/home/file.h"

#include <stdlib.h>

/* Everything under construction; `contract` borrows from it. */
struct work {
    struct arena *arena;
    const struct specification *specification;
    const struct draft_sources *sources;
    struct contract contract;
    struct manifest *manifests;
    struct policy *policies;
    size_t dataset_count;
};

static void work_release(struct work *work)
{
    for (size_t i = 0; i < work->contract.party_count; i++) {
        key_release(&work->contract.parties[i].signing);
        key_release(&work->contract.parties[i].result);
    }
    for (size_t i = 0; i < work->dataset_count; i++) {
        manifest_release(&work->manifests[i]);
        policy_release(&work->policies[i]);
    }
}

static const char *place(struct work *work, const char *list, size_t index, const char *member)
{
    return arena_where(work->arena, "%s[%zu]%s%s", list, index, member[0] != '\0' ? "." : "", member);
}

static fallible find_party(struct work *work, struct text name, size_t *out)
{
    for (size_t i = 0; i < work->contract.party_count; i++) {
        if (text_equal(work->contract.parties[i].name, name)) {
            *out = i;
            return OK;
        }
    }
    return FAIL_AT(INVALID, "draft.party.not_listed", arena_where(work->arena, "%.*s", TEXT_ARGS(name)));
}

static fallible add_parties(struct work *work)
{
    const struct specification *specification = work->specification;
    struct contract *contract = &work->contract;
    TRY(ARENA_ARRAY(work->arena, struct contract_party, specification->party_count, &contract->parties));
    for (size_t i = 0; i < specification->party_count; i++) {
        const struct acquaintance *row = address_book_by_name(work->sources->book, specification->parties[i]);
        if (row == NULL) {
            return FAIL_AT(NOT_FOUND, "draft.party.unknown",
                           arena_where(work->arena, "%.*s", TEXT_ARGS(specification->parties[i])));
        }
        struct contract_party *party = &contract->parties[i];
        contract->party_count = i + 1;
        party->name = row->card.name;
        party->fingerprint = row->card.fingerprint;
        TRY(key_share(&row->card.signing, &party->signing));
        TRY(key_share(&row->card.result, &party->result));
    }
    return OK;
}

static fallible read_documents(struct work *work, size_t index)
{
    const struct specification_dataset *source = &work->specification->datasets[index];
    struct bytes bytes;
    TRY(file_read(work->arena, source->manifest, &bytes));
    TRY(manifest_parse(work->arena, bytes, &work->manifests[index]));
    TRY(file_read(work->arena, source->policy, &bytes));
    return policy_parse(work->arena, bytes, &work->policies[index]);
}

static fallible add_dataset(struct work *work, size_t index)
{
    struct manifest *manifest = &work->manifests[index];
    struct policy *policy = &work->policies[index];
    struct contract_dataset *row = &work->contract.datasets[index];
    TRY(read_documents(work, index));
    TRY(find_party(work, manifest->owner, &row->owner));
    struct contract_party *owner = &work->contract.parties[row->owner];
    TRY(manifest_verify(manifest, &owner->signing));
    TRY(policy_verify(policy, &owner->signing));
    owner->is_owner = true;
    row->table = work->specification->datasets[index].table;
    row->dataset = manifest->dataset;
    row->is_refreshed = work->specification->datasets[index].is_refreshed;
    if (row->is_refreshed) {
        row->version = manifest->version;
        TRY(manifest_schema_digest(work->arena, manifest, &row->schema));
    } else {
        row->manifest = manifest->document.digest;
    }
    row->policy = policy->document.digest;
    row->entity = policy->entity;
    return OK;
}

static fallible add_datasets(struct work *work)
{
    size_t count = work->specification->dataset_count;
    TRY(ARENA_ARRAY(work->arena, struct contract_dataset, count, &work->contract.datasets));
    TRY(ARENA_ARRAY(work->arena, struct manifest, count, &work->manifests));
    TRY(ARENA_ARRAY(work->arena, struct policy, count, &work->policies));
    work->dataset_count = count;
    for (size_t i = 0; i < count; i++) {
        struct result result = add_dataset(work, i);
        if (!result_is_ok(result)) {
            result.where = place(work, "datasets", i, result.where != NULL ? result.where : "");
            return result;
        }
    }
    work->contract.dataset_count = count;
    return OK;
}

static int compare_texts(const void *left, const void *right)
{
    return text_compare(*(const struct text *)left, *(const struct text *)right);
}

/* The names of `specification` as indexes of parties, in the order of the names. */
static fallible add_party_list(struct work *work, const struct text *names, size_t count, size_t **out,
                               size_t *out_count)
{
    struct text *sorted;
    TRY(ARENA_ARRAY(work->arena, struct text, count, &sorted));
    TRY(ARENA_ARRAY(work->arena, size_t, count, out));
    memcpy(sorted, names, count * sizeof(names[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare_texts);
    for (size_t i = 0; i < count; i++) {
        TRY(find_party(work, sorted[i], &(*out)[i]));
    }
    *out_count = count;
    return OK;
}

static fallible make_request(struct work *work, const struct specification_query *query, json_t *request)
{
    json_t *tables = json_array();
    json_t *parameters = json_array();
    TRY(json_set(request, "tables", tables));
    TRY(json_set(request, "parameters", parameters));
    TRY(json_set_text(request, "sql", query->sql));
    for (size_t i = 0; i < work->dataset_count; i++) {
        struct contract_dataset *dataset = &work->contract.datasets[i];
        TRY(vetter_add_table(work->arena, tables, dataset->table, &work->manifests[i], dataset));
    }
    for (size_t i = 0; i < query->parameter_count; i++) {
        struct text type;
        json_t *row = json_object();
        TRY(json_add(parameters, row));
        TRY(column_type_to_text(work->arena, query->parameters[i].type, &type));
        TRY(json_set_text(row, "name", query->parameters[i].name));
        TRY(json_set_text(row, "type", type));
    }
    return OK;
}

static fallible take_copy(struct work *work, const json_t *value, struct text *out)
{
    struct text text;
    TRY(json_text(value, &text));
    return arena_copy_text(work->arena, text, out);
}

static fallible take_output(struct work *work, const json_t *answer, struct contract_query *query)
{
    json_t *output;
    TRY(json_get_array(answer, "output", &output));
    query->output_count = json_array_size(output);
    TRY(ARENA_ARRAY(work->arena, struct column, query->output_count, &query->output));
    for (size_t i = 0; i < query->output_count; i++) {
        struct text type;
        TRY(take_copy(work, json_object_get(json_array_get(output, i), "name"), &query->output[i].name));
        TRY(take_copy(work, json_object_get(json_array_get(output, i), "type"), &type));
        TRY(column_type_parse(type, &query->output[i].type));
    }
    return OK;
}

/* The columns of one table: those that the vetter names, and the entity's, which the threshold counts. */
static fallible take_columns(struct work *work, const json_t *names, size_t dataset,
                             struct contract_read *read)
{
    const struct policy_entity *entity = &work->contract.datasets[dataset].entity;
    size_t count = json_array_size(names);
    bool has_entity = policy_entity_is_none(entity);
    TRY(ARENA_ARRAY(work->arena, struct text, count + 1, &read->columns));
    for (size_t i = 0; i < count; i++) {
        TRY(take_copy(work, json_array_get(names, i), &read->columns[i]));
        has_entity = has_entity || text_equal(read->columns[i], entity->column);
        if (policy_permits_column(&work->policies[dataset], read->columns[i]) != VERDICT_ALLOW) {
            return FAIL_AT(DENIED, "draft.column.not_permitted",
                           arena_where(work->arena, "%.*s.%.*s",
                                       TEXT_ARGS(work->contract.datasets[dataset].table),
                                       TEXT_ARGS(read->columns[i])));
        }
    }
    if (!has_entity) {
        read->columns[count++] = entity->column;
    }
    qsort(read->columns, count, sizeof(read->columns[0]), compare_texts);
    read->dataset = dataset;
    read->column_count = count;
    return OK;
}

static int compare_reads(const void *left, const void *right, void *datasets)
{
    const struct contract_dataset *rows = datasets;
    return text_compare(rows[((const struct contract_read *)left)->dataset].table,
                        rows[((const struct contract_read *)right)->dataset].table);
}

static fallible take_reads(struct work *work, const json_t *answer, struct contract_query *query)
{
    json_t *reads;
    TRY(json_get_object(answer, "reads", &reads));
    TRY(ARENA_ARRAY(work->arena, struct contract_read, work->dataset_count, &query->reads));
    for (size_t i = 0; i < work->dataset_count; i++) {
        const char *table;
        TRY(arena_cstring(work->arena, work->contract.datasets[i].table, &table));
        if (json_has(reads, table)) {
            TRY(take_columns(work, json_object_get(reads, table), i, &query->reads[query->read_count]));
            query->read_count++;
        }
    }
    REQUIRE(query->read_count == json_object_size(reads), INVALID, "draft.reads");
    qsort_r(query->reads, query->read_count, sizeof(query->reads[0]), compare_reads, work->contract.datasets);
    return OK;
}

static uint64_t rows_allowed(struct work *work, const struct contract_query *query)
{
    uint64_t rows = POLICY_MAX_ROWS_MAX;
    for (size_t i = 0; i < query->read_count; i++) {
        uint64_t allowed = work->policies[query->reads[i].dataset].max_rows;
        rows = allowed < rows ? allowed : rows;
    }
    return rows;
}

static fallible add_query(struct work *work, const struct specification_query *source,
                          struct contract_query *query)
{
    const struct vetter *vetter = work->sources->vetter;
    scoped_json *request = json_object();
    scoped_json *answer = NULL;
    struct text complete;
    TRY(make_request(work, source, request));
    TRY(vetter->complete(vetter->self, work->arena, request, &complete));
    TRY(json_set_text(request, "sql", complete));
    TRY(vetter->ask(vetter->self, work->arena, request, &answer));
    query->name = source->name;
    TRY(take_copy(work, json_object_get(answer, "canonical"), &query->sql));
    TRY(take_reads(work, answer, query));
    TRY(take_output(work, answer, query));
    query->parameters = source->parameters;
    query->parameter_count = source->parameter_count;
    query->max_rows = source->max_rows != 0 ? source->max_rows : rows_allowed(work, query);
    query->max_bytes = source->max_bytes;
    query->seconds = source->seconds;
    query->memory_mb = source->memory_mb;
    return OK;
}

static fallible add_queries(struct work *work)
{
    size_t count = work->specification->query_count;
    TRY(ARENA_ARRAY(work->arena, struct contract_query, count, &work->contract.queries));
    for (size_t i = 0; i < count; i++) {
        struct result result = add_query(work, &work->specification->queries[i], &work->contract.queries[i]);
        if (!result_is_ok(result)) {
            result.where = arena_where(
                work->arena, "queries[%zu] %.*s%s%s", i, TEXT_ARGS(work->specification->queries[i].name),
                result.where != NULL ? ": " : "", result.where != NULL ? result.where : "");
            return result;
        }
    }
    work->contract.query_count = count;
    return OK;
}

static int compare_digests(const void *left, const void *right)
{
    return memcmp(left, right, DIGEST_BYTES);
}

static fallible add_authority(struct work *work, size_t party, struct text issuer, const struct digest *keys,
                              size_t count, const struct digest *policy_hash)
{
    REQUIRE(work->contract.authority_count < CONTRACT_AUTHORITIES_MAX, LIMIT, "draft.authorities");
    struct contract_authority *row = &work->contract.authorities[work->contract.authority_count++];
    row->party = party;
    row->issuer = issuer;
    row->key_count = count;
    row->policy_hash = *policy_hash;
    TRY(ARENA_ARRAY(work->arena, struct digest, count, &row->keys));
    memcpy(row->keys, keys, count * sizeof(keys[0]));
    qsort(row->keys, count, sizeof(row->keys[0]), compare_digests);
    return OK;
}

static fallible add_connected(struct work *work, size_t party, const struct connection_authority *authority)
{
    struct bytes hash;
    struct digest policy_hash;
    TRY(decode_base64url(work->arena, authority->policy_hash, &hash));
    REQUIRE(hash.size == DIGEST_BYTES, INVALID, "connection.policy_hash");
    memcpy(policy_hash.octets, hash.data, DIGEST_BYTES);
    return add_authority(work, party, authority->issuer, authority->keys, authority->key_count, &policy_hash);
}

static fallible add_specified(struct work *work, const struct specification_authority *source)
{
    size_t party;
    TRY(find_party(work, source->party, &party));
    if (source->file == NULL) {
        return add_authority(work, party, source->issuer, source->keys, source->key_count,
                             &source->policy_hash);
    }
    struct bytes file;
    struct connection_authority authority;
    TRY(file_read(work->arena, source->file, &file));
    TRY(connection_authority_read(work->arena, file, &authority));
    return add_connected(work, party, &authority);
}

static bool has_authority(const struct work *work, size_t party)
{
    for (size_t i = 0; i < work->contract.authority_count; i++) {
        if (work->contract.authorities[i].party == party) {
            return true;
        }
    }
    return false;
}

static fallible add_authorities(struct work *work)
{
    const struct specification *specification = work->specification;
    TRY(ARENA_ARRAY(work->arena, struct contract_authority, CONTRACT_AUTHORITIES_MAX,
                    &work->contract.authorities));
    for (size_t i = 0; i < specification->authority_count; i++) {
        struct result result = add_specified(work, &specification->authorities[i]);
        if (!result_is_ok(result)) {
            result.where = place(work, "authorities", i, result.where != NULL ? result.where : "");
            return result;
        }
    }
    for (size_t i = 0; i < work->contract.party_count; i++) {
        const struct contract_party *party = &work->contract.parties[i];
        if (!party->is_owner || has_authority(work, i)) {
            continue;
        }
        if (work->sources->authority == NULL) {
            return FAIL_AT(NOT_FOUND, "draft.authority.missing",
                           arena_where(work->arena, "%.*s", TEXT_ARGS(party->name)));
        }
        TRY(add_connected(work, i, work->sources->authority));
    }
    return OK;
}

static fallible add_tees(struct work *work)
{
    if (work->specification->tee_count > 0) {
        work->contract.tees = work->specification->tees;
        work->contract.tee_count = work->specification->tee_count;
        return OK;
    }
    const struct connection_simulation *simulation = work->sources->simulation;
    REQUIRE(simulation != NULL, NOT_FOUND, "draft.tee.missing");
    struct contract_tee *tee;
    TRY(ARENA_NEW(work->arena, struct contract_tee, &tee));
    tee->type = TEXT("sim");
    tee->family = CONTRACT_FAMILY_SIM;
    tee->has_root = true;
    tee->root = simulation->pin;
    TRY(decode_hex(work->arena, simulation->measurement, &tee->measurement));
    work->contract.tees = tee;
    work->contract.tee_count = 1;
    return OK;
}

static fallible add_terms(struct work *work)
{
    const struct specification *specification = work->specification;
    struct contract *contract = &work->contract;
    uint8_t *salt;
    TRY(arena_take(work->arena, CONTRACT_SALT_BYTES, (void **)&salt));
    TRY(world_random(work->sources->world, salt, CONTRACT_SALT_BYTES));
    contract->salt = (struct bytes){salt, CONTRACT_SALT_BYTES};
    contract->title = specification->title;
    contract->residency = specification->residency;
    contract->residency_count = specification->residency_count;
    contract->valid_from = specification->valid_from;
    contract->valid_until = specification->valid_until;
    TRY(add_party_list(work, specification->queriers, specification->querier_count, &contract->queriers,
                       &contract->querier_count));
    return add_party_list(work, specification->recipients, specification->recipient_count,
                          &contract->recipients, &contract->recipient_count);
}

/* Judges what was built as everybody else will judge it. */
static fallible check(struct work *work, struct bytes payload)
{
    scoped_contract contract = {0};
    TRY(contract_parse_payload(work->arena, payload, &contract));
    for (size_t i = 0; i < contract.dataset_count; i++) {
        size_t own;
        for (own = 0; !text_equal(contract.datasets[i].dataset, work->manifests[own].dataset); own++) {
            ASSERT(own + 1 < work->dataset_count);
        }
        TRY(bundle_check_dataset(work->arena, &contract, i, &work->manifests[own], &work->policies[own]));
    }
    return OK;
}

fallible draft_contract(struct arena *arena, const struct specification *specification,
                        const struct draft_sources *sources, struct bytes *out_payload)
{
    defer(work_release) struct work work = {
        .arena = arena, .specification = specification, .sources = sources};
    TRY(add_parties(&work));
    TRY(add_datasets(&work));
    TRY(add_queries(&work));
    TRY(add_authorities(&work));
    TRY(add_tees(&work));
    TRY(add_terms(&work));
    scoped_json *payload = NULL;
    struct text text;
    TRY(contract_build(&work.contract, &payload));
    TRY(json_encode_text(arena, payload, &text));
    TRY(check(&work, bytes_of_text(text)));
    *out_payload = bytes_of_text(text);
    return OK;
}
