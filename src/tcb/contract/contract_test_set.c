#include "contract/contract_test_set.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        struct result must_ = (call);                                                                        \
        if (!result_is_ok(must_)) {                                                                          \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, must_.why,                               \
                    must_.where ? must_.where : "");                                                         \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static const char *const party_names[TEST_PARTIES] = {"analyst", "bureau", "insurer"};

/* --- keys ---------------------------------------------------------------------------------------- */

void test_keys_make(struct test_keys *out)
{
    *out = (struct test_keys){0};
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        MUST(key_generate(KEY_EC_P256, 0, &out->signing[i]));
        MUST(key_generate(KEY_EC_P256, 0, &out->result[i]));
    }
    MUST(key_generate(KEY_EC_P256, 0, &out->stranger));
}

void test_keys_release(struct test_keys *keys)
{
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        key_release(&keys->signing[i]);
        key_release(&keys->result[i]);
    }
    key_release(&keys->stranger);
}

/* --- one change ---------------------------------------------------------------------------------- */

/* The container of the last component of a JSON pointer, and that component. */
static json_t *walk(json_t *root, const char *path, char *out_last, size_t last_size)
{
    json_t *at = root;
    for (;;) {
        ASSERT(*path == '/');
        size_t size = strcspn(path + 1, "/");
        ASSERT(size < last_size);
        memcpy(out_last, path + 1, size);
        out_last[size] = '\0';
        path += 1 + size;
        if (*path == '\0') {
            return at;
        }
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(out_last)) : json_object_get(at, out_last);
        ASSERT(at != NULL);
    }
}

static json_t *look_up(json_t *root, const char *path)
{
    char last[128];
    json_t *in = walk(root, path, last, sizeof last);
    json_t *value = json_is_array(in) ? json_array_get(in, (size_t)atoi(last)) : json_object_get(in, last);
    ASSERT(value != NULL);
    return value;
}

static json_t *new_value(json_t *root, const char *path, const char *value)
{
    if (value[0] == '@') {
        return json_deep_copy(look_up(root, value + 1));
    }
    if (strcmp(value, "~") == 0) {
        char text[65536];
        snprintf(text, sizeof text, "%s", json_string_value(look_up(root, path)));
        text[0] = text[0] == 'B' ? 'C' : 'B';
        return json_string(text);
    }
    json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);
    ASSERT(parsed != NULL);
    return parsed;
}

static void change_json(json_t *root, const char *path, const char *value)
{
    char last[128];
    json_t *in = walk(root, path, last, sizeof last);
    int status;
    if (value == NULL) {
        status = json_is_array(in) ? json_array_remove(in, (size_t)atoi(last)) : json_object_del(in, last);
    } else if (strcmp(last, "-") == 0) {
        status = json_array_append_new(in, new_value(root, path, value));
    } else if (json_is_array(in)) {
        status = json_array_set_new(in, (size_t)atoi(last), new_value(root, path, value));
    } else {
        status = json_object_set_new(in, last, new_value(root, path, value));
    }
    ASSERT(status == 0);
}

static void apply(const struct test_change *change, enum test_document document, size_t index, json_t *root)
{
    for (; change != NULL; change = change->also) {
        if (change->path != NULL && change->document == document && change->index == index) {
            change_json(root, change->path, change->value);
        }
    }
}

/* --- documents ----------------------------------------------------------------------------------- */

static json_t *sign(const json_t *payload, const char *typ, const json_t *header, const struct key *key)
{
    scoped_buffer buffer;
    buffer_init(&buffer, JWS_SIZE_MAX);
    json_t *document;
    MUST(jws_sign(payload, typ, header, key, &buffer));
    MUST(json_decode(buffer_view(&buffer), &document));
    return document;
}

static json_t *add_signature(struct arena *arena, json_t *document, const char *typ, const json_t *header,
                             const struct key *key)
{
    static const char *const members[] = {"explain", "grant", "further", NULL};
    struct text text;
    scoped_jws jws = {0};
    scoped_buffer buffer;
    buffer_init(&buffer, JWS_SIZE_MAX);
    MUST(json_encode_text(arena, document, &text));
    MUST(jws_parse(arena, bytes_of_text(text), typ, members, &jws));
    MUST(jws_add_signature(arena, &jws, typ, header, key, &buffer));
    json_decref(document);
    json_t *signed_by_both;
    MUST(json_decode(buffer_view(&buffer), &signed_by_both));
    return signed_by_both;
}

static struct digest digest_of_payload(struct arena *arena, const json_t *payload)
{
    struct text text;
    MUST(json_encode_text(arena, payload, &text));
    return digest_of(bytes_of_text(text));
}

struct shape {
    const char *dataset;
    const char *owner;
    const char *table;
    const char *columns[4];
    const char *types[4];
    size_t column_count;
    size_t part_count;
};

static const struct shape shapes[TEST_DATASETS] = {
    {"bureau/flights",
     "bureau",
     "flights",
     {"date", "delay", "origin"},
     {"DATE", "SMALLINT", "VARCHAR"},
     3,
     2},
    {"bureau/airports", "bureau", "airports", {"iata", "state"}, {"VARCHAR", "VARCHAR"}, 2, 1},
    {"insurer/claims",
     "insurer",
     "claims",
     {"claim id", "cost", "date", "state"},
     {"BIGINT", "DECIMAL(12,2)", "DATE", "VARCHAR"},
     4,
     1},
};

static const struct key *owner_key(const struct test_keys *keys, size_t dataset)
{
    return &keys->signing[dataset == TEST_CLAIMS ? TEST_INSURER : TEST_BUREAU];
}

enum { GROUPS = 2, CHUNK_BYTES = 50000, META_BYTES = 100 };

static void fill_part(struct arena *arena, const struct shape *shape, size_t number,
                      struct manifest_part *part)
{
    *part = (struct manifest_part){.number = number, .rows = 30, .group_count = GROUPS};
    part->root = digest_of((struct bytes){(const uint8_t *)shape->dataset, strlen(shape->dataset) - number});
    MUST(ARENA_ARRAY(arena, uint64_t, GROUPS, &part->group_rows));
    part->group_rows[0] = 20;
    part->group_rows[1] = 10;
    MUST(ARENA_ARRAY(arena, struct manifest_part_column, shape->column_count, &part->columns));
    part->data_end = MANIFEST_MAGIC_BYTES + GROUPS * shape->column_count * CHUNK_BYTES;
    part->plain_size = part->data_end + shape->column_count * META_BYTES;
    part->size = manifest_sealed_size(part->plain_size);
    for (size_t c = 0; c < shape->column_count; c++) {
        MUST(ARENA_ARRAY(arena, struct manifest_range, GROUPS, &part->columns[c].chunks));
        for (size_t g = 0; g < GROUPS; g++) {
            uint64_t place = g * shape->column_count + c;
            part->columns[c].chunks[g] =
                (struct manifest_range){MANIFEST_MAGIC_BYTES + place * CHUNK_BYTES, CHUNK_BYTES};
        }
        part->columns[c].meta = (struct manifest_range){part->data_end + c * META_BYTES, META_BYTES};
    }
}

static void fill_manifest(struct arena *arena, const struct shape *shape, struct manifest *manifest)
{
    *manifest = (struct manifest){.dataset = text_of(shape->dataset),
                                  .owner = text_of(shape->owner),
                                  .version = 1,
                                  .created = TEST_NOW - 86400,
                                  .rows = 30 * shape->part_count,
                                  .column_count = shape->column_count,
                                  .part_count = shape->part_count};
    MUST(ARENA_ARRAY(arena, struct manifest_column, shape->column_count, &manifest->columns));
    for (size_t c = 0; c < shape->column_count; c++) {
        manifest->columns[c].name = text_of(shape->columns[c]);
        manifest->columns[c].element = bytes_of_text(TEXT("element"));
        MUST(column_type_parse(text_of(shape->types[c]), &manifest->columns[c].type));
    }
    MUST(ARENA_ARRAY(arena, struct manifest_part, shape->part_count, &manifest->parts));
    for (size_t p = 0; p < shape->part_count; p++) {
        fill_part(arena, shape, p, &manifest->parts[p]);
    }
    MUST(manifest_data_root(arena, manifest->parts, manifest->part_count, &manifest->data));
}

static json_t *policy_payload(const struct shape *shape, const struct digest *data, bool refreshed)
{
    struct policy_column columns[4];
    struct policy policy = {.dataset = text_of(shape->dataset),
                            .owner = text_of(shape->owner),
                            .has_data = !refreshed,
                            .data = *data,
                            .mode = POLICY_MODE_APPROVED,
                            .columns = columns,
                            .column_count = shape->column_count,
                            .max_rows = 1000,
                            .has_valid = true,
                            .valid_from = TEST_NOW - 86400,
                            .valid_until = TEST_NOW + 30 * 86400};
    for (size_t c = 0; c < shape->column_count; c++) {
        columns[c] = (struct policy_column){text_of(shape->columns[c]), POLICY_USE_APPROVED};
    }
    if (strcmp(shape->table, "claims") == 0) {
        policy.entity = (struct policy_entity){TEXT("claim id"), TEXT("claim"), 10};
    }
    json_t *payload;
    MUST(policy_build(&policy, &payload));
    return payload;
}

static void fill_query(struct contract_query *out)
{
    static struct text flight_columns[] = {TEXT("date"), TEXT("origin")};
    static struct text airport_columns[] = {TEXT("iata"), TEXT("state")};
    static struct text claim_columns[] = {TEXT("claim id"), TEXT("cost"), TEXT("date"), TEXT("state")};
    static struct contract_read reads[] = {{TEST_AIRPORTS, airport_columns, 2},
                                           {TEST_CLAIMS, claim_columns, 4},
                                           {TEST_FLIGHTS, flight_columns, 2}};
    static struct text states[] = {TEXT("CA"), TEXT("NY")};
    static struct contract_parameter parameters[] = {
        {TEXT("since"), {COLUMN_DATE}, true, true, true, TEXT("2001-01-01"), TEXT("2001-07-01"), NULL, 0},
        {TEXT("at_least"), {COLUMN_INTEGER}, false, true, false, TEXT("10"), {0}, NULL, 0},
        {TEXT("state"), {COLUMN_VARCHAR}, true, false, false, {0}, {0}, states, 2},
    };
    static struct column output[] = {{TEXT("state"), {COLUMN_VARCHAR}},
                                     {TEXT("claims"), {COLUMN_BIGINT}},
                                     {TEXT("cost"), {COLUMN_DECIMAL, 18, 2}}};
    *out = (struct contract_query){
        .name = TEXT("rate"),
        .sql = TEXT("WITH a AS (SELECT c.state AS state, count_star() AS n FROM claims AS "
                    "c WHERE (c.state <> ') FROM, x') GROUP BY c.state), b AS "
                    "(SELECT f.origin AS origin FROM flights AS f)SELECT a.state AS "
                    "state, a.n AS claims FROM a INNER JOIN b ON ((a.n = 1))"),
        .reads = reads,
        .read_count = 3,
        .parameters = parameters,
        .parameter_count = 3,
        .output = output,
        .output_count = 3,
        .max_rows = 60,
        .max_bytes = 65536,
        .seconds = 60,
        .memory_mb = 1024};
}

static json_t *contract_payload(const struct test_keys *keys, const struct digest manifests[],
                                const struct digest policies[], const struct digest *schema)
{
    static const uint8_t salt[CONTRACT_SALT_BYTES] = {1, 2, 3};
    static const uint8_t measurement[CONTRACT_MEASUREMENT_BYTES] = {9};
    struct contract_party parties[TEST_PARTIES] = {0};
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        parties[i].name = text_of(party_names[i]);
        parties[i].signing = keys->signing[i];
        parties[i].result = keys->result[i];
    }
    struct contract_dataset datasets[TEST_DATASETS] = {0};
    for (size_t i = 0; i < TEST_DATASETS; i++) {
        datasets[i] = (struct contract_dataset){.table = text_of(shapes[i].table),
                                                .dataset = text_of(shapes[i].dataset),
                                                .owner = i == TEST_CLAIMS ? TEST_INSURER : TEST_BUREAU,
                                                .manifest = manifests[i],
                                                .policy = policies[i]};
    }
    if (schema != NULL) {
        datasets[TEST_CLAIMS].is_refreshed = true;
        datasets[TEST_CLAIMS].schema = *schema;
        datasets[TEST_CLAIMS].version = 1;
    }
    datasets[TEST_CLAIMS].entity = (struct policy_entity){TEXT("claim id"), TEXT("claim"), 10};
    struct contract_query query;
    fill_query(&query);
    size_t queriers[] = {TEST_ANALYST};
    size_t recipients[] = {TEST_ANALYST, TEST_INSURER};
    struct contract_tee tee = {TEXT("sim"), CONTRACT_FAMILY_SIM, BYTES_OF(measurement), true, {{7}}};
    struct digest pins[] = {{{1}}, {{2}}};
    struct contract_authority authorities[] = {
        {TEST_BUREAU, TEXT("https://attest.bureau.example"), pins, 2, {{3}}},
        {TEST_INSURER, TEXT("https://attest.insurer.example"), pins, 1, {{4}}},
    };
    struct text residency[] = {TEXT("Germany")};
    struct contract contract = {.title = TEXT("Bird strikes by state"),
                                .salt = BYTES_OF(salt),
                                .parties = parties,
                                .party_count = TEST_PARTIES,
                                .datasets = datasets,
                                .dataset_count = TEST_DATASETS,
                                .queries = &query,
                                .query_count = 1,
                                .queriers = queriers,
                                .querier_count = 1,
                                .recipients = recipients,
                                .recipient_count = 2,
                                .tees = &tee,
                                .tee_count = 1,
                                .authorities = authorities,
                                .authority_count = 2,
                                .residency = residency,
                                .residency_count = 1,
                                .valid_from = TEST_NOW - 86400,
                                .valid_until = TEST_NOW + 60 * 86400};
    json_t *payload;
    MUST(contract_build(&contract, &payload));
    return payload;
}

static json_t *grant_payload(size_t owner, const struct digest *contract, bool refreshed)
{
    static const uint8_t wrapped[256] = {5};
    struct grant_key keys[] = {{TEXT("bureau/airports"), 1, BYTES_OF(wrapped)},
                               {TEXT("bureau/flights"), 1, BYTES_OF(wrapped)},
                               {TEXT("insurer/claims"), 1, BYTES_OF(wrapped)}};
    struct grant grant = {.contract = *contract,
                          .owner = text_of(party_names[owner]),
                          .vault = TEXT("https://vault.example"),
                          .key = TEXT("release-1"),
                          .version = TEXT("0123456789abcdef0123456789abcdef"),
                          .release_policy = {{6}},
                          .keys = owner == TEST_BUREAU ? keys : keys + 2,
                          .key_count = owner == TEST_BUREAU ? 2
                                       : refreshed          ? 0
                                                            : 1};
    json_t *payload;
    MUST(grant_build(&grant, &payload));
    return payload;
}

static json_t *update_payload(const struct digest *contract, const struct digest *manifest)
{
    static const uint8_t wrapped[256] = {6};
    struct key_update update = {.contract = *contract,
                                .dataset = TEXT("insurer/claims"),
                                .version = 1,
                                .manifest = *manifest,
                                .wrapped = BYTES_OF(wrapped)};
    json_t *payload;
    MUST(key_update_build(&update, &payload));
    return payload;
}

static json_t *run_payload(struct arena *arena, const struct digest *contract, const struct digest *claims)
{
    struct run_parameter pin = {TEXT("claims"), {0}};
    struct text recipients[] = {TEXT("analyst"), TEXT("insurer")};
    struct run_parameter parameters[] = {{TEXT("since"), TEXT("2001-01-01")}, {TEXT("state"), TEXT("CA")}};
    struct run_request request = {.contract = *contract,
                                  .query = TEXT("rate"),
                                  .run = TEXT("00112233445566778899aabbccddeeff"),
                                  .querier = TEXT("analyst"),
                                  .recipients = recipients,
                                  .recipient_count = 2,
                                  .parameters = parameters,
                                  .parameter_count = 2,
                                  .sealed_parameters = TEXT("{\"ciphertext\":\"AA\"}"),
                                  .not_after = TEST_NOW + 3600};
    if (claims != NULL) {
        MUST(digest_to_text(arena, claims, &pin.value));
        request.manifests = &pin;
        request.manifest_count = 1;
    }
    json_t *payload;
    MUST(run_request_build(&request, &payload));
    return payload;
}

/* --- the set ------------------------------------------------------------------------------------- */

/* A contract that is not well-formed has no explain text; then any digest will do. */
static struct digest explain_of(struct arena *arena, const json_t *payload)
{
    struct text text;
    scoped_contract contract = {0};
    struct digest digest = {{0}};
    MUST(json_encode_text(arena, payload, &text));
    if (result_is_ok(contract_parse_payload(arena, bytes_of_text(text), &contract))) {
        MUST(contract_explain_digest(arena, &contract, &digest));
    }
    return digest;
}

static json_t *header_of(const struct test_change *change, size_t party, struct digest explain,
                         struct digest grant)
{
    bool insurer = party == TEST_INSURER;
    bool has_grant = party != TEST_ANALYST;
    json_t *header = json_object();
    if (change->trick == TEST_UNASKED_GRANT) {
        has_grant = true;
    }
    if ((insurer && change->trick == TEST_OTHER_EXPLAIN) || change->trick == TEST_OTHER_EXPLAINS) {
        explain.octets[0] ^= 1;
    }
    if (insurer && change->trick == TEST_OTHER_GRANT) {
        grant.octets[0] ^= 1;
    }
    if (insurer && change->trick == TEST_HEADER_MEMBER) {
        MUST(json_set_text(header, "further", TEXT("x")));
    }
    if (!insurer || change->trick != TEST_NO_EXPLAIN) {
        MUST(document_set_digest(header, "explain", &explain));
    }
    if (has_grant && !(insurer && change->trick == TEST_NO_GRANT_DIGEST)) {
        MUST(document_set_digest(header, "grant", &grant));
    }
    return header;
}

static json_t *sign_contract(struct arena *arena, const struct test_keys *keys,
                             const struct test_change *change, const json_t *payload,
                             const struct digest grants[])
{
    struct digest explain = explain_of(arena, payload);
    json_t *document = NULL;
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        if (i == TEST_INSURER && change->trick == TEST_UNSIGNED) {
            continue;
        }
        scoped_json *header = header_of(change, i, explain, grants[i]);
        document = i == 0 ? sign(payload, CONTRACT_TYP, header, &keys->signing[i])
                          : add_signature(arena, document, CONTRACT_TYP, header, &keys->signing[i]);
    }
    if (change->trick == TEST_STRANGER) {
        scoped_json *header = header_of(change, TEST_ANALYST, explain, grants[0]);
        document = add_signature(arena, document, CONTRACT_TYP, header, &keys->stranger);
    }
    return document;
}

static void add_datasets(struct arena *arena, const struct test_keys *keys, const struct test_change *change,
                         json_t *set, struct digest manifests[], struct digest policies[],
                         struct digest *out_schema)
{
    for (size_t i = 0; i < TEST_DATASETS; i++) {
        bool claims = i == TEST_CLAIMS;
        struct manifest manifest;
        fill_manifest(arena, &shapes[i], &manifest);
        scoped_json *policy = policy_payload(&shapes[i], &manifest.data, claims && change->refreshed);
        MUST(manifest_schema_digest(arena, &manifest, out_schema));
        apply(change, TEST_POLICY, i, policy);
        policies[i] = digest_of_payload(arena, policy);
        manifest.policy = policies[i];
        scoped_json *payload = NULL;
        MUST(manifest_build(&manifest, &payload));
        apply(change, TEST_MANIFEST, i, payload);
        manifests[i] = digest_of_payload(arena, payload);
        const struct key *key = owner_key(keys, i);
        json_t *signed_policy =
            sign(policy, POLICY_TYP, NULL,
                 claims && change->trick == TEST_POLICY_BY_OTHER ? &keys->signing[0] : key);
        if (claims && change->trick == TEST_POLICY_BY_TWO) {
            signed_policy = add_signature(arena, signed_policy, POLICY_TYP, NULL, &keys->signing[0]);
        }
        MUST(json_add(json_object_get(set, "policies"), signed_policy));
        MUST(json_add(json_object_get(set, "manifests"),
                      sign(payload, MANIFEST_TYP, NULL,
                           claims && change->trick == TEST_MANIFEST_BY_OTHER ? &keys->signing[0] : key)));
    }
}

json_t *test_set_make(struct arena *arena, const struct test_keys *keys, const struct test_change *change)
{
    json_t *set = json_pack("{s:[],s:[],s:[]}", "policies", "manifests", "grants");
    struct digest manifests[TEST_DATASETS];
    struct digest policies[TEST_DATASETS];
    struct digest schema; /* of the last, the claims */
    add_datasets(arena, keys, change, set, manifests, policies, &schema);
    scoped_json *contract = contract_payload(keys, manifests, policies, change->refreshed ? &schema : NULL);
    apply(change, TEST_CONTRACT, 0, contract);
    struct digest contract_digest = digest_of_payload(arena, contract);
    struct digest grants[TEST_PARTIES] = {0};
    for (size_t i = TEST_BUREAU; i < TEST_PARTIES; i++) {
        scoped_json *grant = grant_payload(i, &contract_digest, change->refreshed);
        apply(change, TEST_GRANT, i, grant);
        grants[i] = digest_of_payload(arena, grant);
        bool other = i == TEST_INSURER && change->trick == TEST_GRANT_BY_OTHER;
        MUST(json_add(json_object_get(set, "grants"),
                      sign(grant, GRANT_TYP, NULL, &keys->signing[other ? TEST_BUREAU : i])));
    }
    MUST(json_set(set, "contract", sign_contract(arena, keys, change, contract, grants)));
    const struct digest *claims = change->refreshed ? &manifests[TEST_CLAIMS] : NULL;
    if (claims != NULL) {
        bool by_other = change->trick == TEST_UPDATE_BY_OTHER;
        scoped_json *update = update_payload(&contract_digest, claims);
        apply(change, TEST_KEY_UPDATE, 0, update);
        MUST(json_set(set, "key_updates", json_array()));
        MUST(json_add(
            json_object_get(set, "key_updates"),
            sign(update, KEY_UPDATE_TYP, NULL, &keys->signing[by_other ? TEST_BUREAU : TEST_INSURER])));
    }
    scoped_json *run = run_payload(arena, &contract_digest, claims);
    apply(change, TEST_RUN, 0, run);
    bool other = change->trick == TEST_RUN_BY_OTHER;
    MUST(json_set(set, "run_request",
                  sign(run, RUN_REQUEST_TYP, NULL, &keys->signing[other ? TEST_INSURER : TEST_ANALYST])));
    apply(change, TEST_SIGNED, 0, set);
    return set;
}
