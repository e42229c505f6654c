#include "contract/contract.h"

#include "base/encode.h"
#include "contract/contract_query.h"

static const char *const header_members[] = {"explain", "grant", NULL};

/* A family that a room runs on is one row here; `sgx` is known so that its refusal can say why. */
static const struct {
    const char *type;
    enum contract_family family;
} families[] = {
    {"sim", CONTRACT_FAMILY_SIM},       {"sevsnpvm", CONTRACT_FAMILY_SNP}, {"tdxvm", CONTRACT_FAMILY_TDX},
    {"azurevm", CONTRACT_FAMILY_AZURE}, {"sgx", CONTRACT_FAMILY_SGX},
};

fallible contract_family_find(struct text type, enum contract_family *out)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (text_is(type, families[i].type)) {
            REQUIRE(families[i].family != CONTRACT_FAMILY_SGX, UNSUPPORTED, "contract.tee.sgx");
            *out = families[i].family;
            return OK;
        }
    }
    return FAIL(UNSUPPORTED, "contract.tee.unknown");
}

/* --- parties and datasets ------------------------------------------------------------------------ */

static fallible refuse_shared_key(const struct contract *contract, size_t index)
{
    struct digest keys[2];
    keys[0] = contract->parties[index].fingerprint;
    TRY(key_thumbprint(&contract->parties[index].result, &keys[1]));
    REQUIRE(!digest_equal(&keys[0], &keys[1]), INVALID, "contract.party.key_shared");
    for (size_t i = 0; i < index; i++) {
        struct digest result;
        TRY(key_thumbprint(&contract->parties[i].result, &result));
        for (size_t k = 0; k < 2; k++) {
            bool shared =
                digest_equal(&keys[k], &result) || digest_equal(&keys[k], &contract->parties[i].fingerprint);
            REQUIRE(!shared, INVALID, "contract.party.key_shared");
        }
    }
    return OK;
}

/* While an array is read, the first row with a name is that name's own unless the name stands there twice. */
static fallible read_party(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {MEMBER(contract_party, NAME, name),
                                                     MEMBER(contract_party, KEY, signing),
                                                     MEMBER(contract_party, KEY, result),
                                                     {0}};
    struct contract *contract = self;
    struct contract_party *party = &contract->parties[index];
    size_t first;
    TRY(document_read(arena, row, members, party));
    TRY(contract_find_party(contract, party->name, &first));
    REQUIRE_AT(first == index, INVALID, "contract.party.duplicate", "name");
    TRY(key_thumbprint(&party->signing, &party->fingerprint));
    return refuse_shared_key(contract, index);
}

static fallible read_owner(const json_t *row, const char *member, const struct contract *contract,
                           size_t *out)
{
    struct text name;
    TRY(json_get_text(row, member, &name));
    REQUIRE_AT(result_is_ok(contract_find_party(contract, name, out)), INVALID, "contract.party.unknown",
               member);
    return OK;
}

/* Exactly one of the two forms of a pin. */
static fallible read_pin(struct arena *arena, const json_t *row, struct contract_dataset *dataset)
{
    static const struct document_member members[] = {
        MEMBER(contract_dataset, DIGEST, schema),
        MEMBER_WITHIN(contract_dataset, COUNT, version, 1, INT32_MAX),
        {0}};
    dataset->is_refreshed = json_has(row, "refreshed");
    REQUIRE_AT(dataset->is_refreshed != json_has(row, "manifest"), INVALID, "contract.dataset.pin",
               "manifest");
    return !dataset->is_refreshed
               ? document_get_digest(row, "manifest", &dataset->manifest)
               : document_within(arena,
                                 document_read(arena, json_object_get(row, "refreshed"), members, dataset),
                                 "refreshed");
}

static fallible read_dataset(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER(contract_dataset, NAME, table),
        MEMBER(contract_dataset, DATASET, dataset),
        MEMBER(contract_dataset, DIGEST, policy),
        MEMBER_OTHERS("owner", "manifest", "refreshed", "entity", "min_entities"),
        {0}};
    struct contract *contract = self;
    struct contract_dataset *dataset = &contract->datasets[index];
    size_t first;
    TRY(document_read(arena, row, members, dataset));
    TRY(read_owner(row, "owner", contract, &dataset->owner));
    TRY(document_check_owner(dataset->dataset, contract->parties[dataset->owner].name));
    contract->parties[dataset->owner].is_owner = true;
    TRY(contract_find_table(contract, dataset->table, &first));
    REQUIRE_AT(first == index, INVALID, "contract.dataset.table_duplicate", "table");
    TRY(contract_find_dataset(contract, dataset->dataset, &first));
    REQUIRE_AT(first == index, INVALID, "contract.dataset.duplicate", "dataset");
    TRY(read_pin(arena, row, dataset));
    return policy_entity_read(arena, row, row, &dataset->entity);
}

/* --- queries, queriers, recipients --------------------------------------------------------------- */

static fallible read_party_set(struct arena *arena, const struct contract *contract, const char *member,
                               size_t **out, size_t *out_count)
{
    struct text *names;
    size_t count;
    size_t *indexes;
    TRY(document_get_names(arena, contract->document.content, member, 1, CONTRACT_PARTIES_MAX, &names,
                           &count));
    TRY(ARENA_ARRAY(arena, size_t, count, &indexes));
    for (size_t i = 0; i < count; i++) {
        REQUIRE_AT(result_is_ok(contract_find_party(contract, names[i], &indexes[i])), INVALID,
                   "contract.party.unknown", arena_where(arena, "%s[%zu]", member, i));
    }
    *out = indexes;
    *out_count = count;
    return OK;
}

/* --- where it may run ---------------------------------------------------------------------------- */

static fallible read_tee(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER(contract_tee, TEXT, type), MEMBER_OTHERS("measurement", "root"), {0}};
    struct contract *contract = self;
    struct contract_tee *tee = &contract->tees[index];
    struct text measurement;
    TRY(document_read(arena, row, members, tee));
    TRY(document_within(arena, contract_family_find(tee->type, &tee->family), "type"));
    TRY(json_get_text(row, "measurement", &measurement));
    TRY(document_within(arena, decode_hex(arena, measurement, &tee->measurement), "measurement"));
    REQUIRE_AT(tee->measurement.size == CONTRACT_MEASUREMENT_BYTES, INVALID, "contract.tee.measurement",
               "measurement");
    tee->has_root = json_has(row, "root");
    REQUIRE_AT(tee->has_root == (tee->family == CONTRACT_FAMILY_SIM), INVALID, "contract.tee.root", "root");
    for (size_t i = 0; i < index; i++) {
        bool same = contract->tees[i].family == tee->family &&
                    bytes_equal(contract->tees[i].measurement, tee->measurement);
        REQUIRE(!same, INVALID, "contract.tee.duplicate");
    }
    return tee->has_root ? document_get_digest(row, "root", &tee->root) : OK;
}

static fallible refuse_simulated_among_others(const struct contract *contract)
{
    bool simulated = false;
    for (size_t i = 0; i < contract->tee_count; i++) {
        simulated = simulated || contract->tees[i].family == CONTRACT_FAMILY_SIM;
    }
    REQUIRE_AT(!simulated || contract->tee_count == 1, INVALID, "contract.tee.sim_not_alone", "tee");
    return OK;
}

static fallible read_authority_key(struct arena *arena, const json_t *value, void *self, size_t index)
{
    (void)arena;
    struct digest *key = &((struct contract_authority *)self)->keys[index];
    struct text text;
    bool good = result_is_ok(json_text(value, &text)) && result_is_ok(digest_from_text(text, key)) &&
                (index == 0 || memcmp(key[-1].octets, key->octets, DIGEST_BYTES) < 0);
    REQUIRE(good, INVALID, "contract.authority.keys");
    return OK;
}

static fallible read_authority(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {MEMBER_OTHERS("party"),
                                                     MEMBER(contract_authority, URL, issuer),
                                                     MEMBER_ROWS(contract_authority, "keys", keys, key_count,
                                                                 1, CONTRACT_AUTHORITY_KEYS_MAX,
                                                                 read_authority_key),
                                                     MEMBER(contract_authority, HASH, policy_hash),
                                                     {0}};
    const struct contract *contract = self;
    struct contract_authority *authority = &contract->authorities[index];
    TRY(document_read(arena, row, members, authority));
    TRY(read_owner(row, "party", contract, &authority->party));
    REQUIRE_AT(contract->parties[authority->party].is_owner, INVALID, "contract.authority.not_an_owner",
               "party");
    for (size_t i = 0; i < index; i++) {
        bool same = contract->authorities[i].party == authority->party &&
                    text_equal(contract->authorities[i].issuer, authority->issuer);
        REQUIRE(!same, INVALID, "contract.authority.duplicate");
    }
    return OK;
}

static fallible require_every_owner(const struct contract *contract)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        bool found = !contract->parties[i].is_owner;
        for (size_t j = 0; !found && j < contract->authority_count; j++) {
            found = contract->authorities[j].party == i;
        }
        REQUIRE_AT(found, INVALID, "contract.authority.missing", contract->parties[i].name.data);
    }
    return OK;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static bool is_line(struct text text, size_t max)
{
    bool line = text.size >= 1 && text.size <= max && text_is_printable_utf8(text);
    return line && memchr(text.data, '\n', text.size) == NULL && memchr(text.data, '\r', text.size) == NULL;
}

static fallible read_region(struct arena *arena, const json_t *value, void *self, size_t index)
{
    (void)arena;
    struct text *region = &((struct contract *)self)->residency[index];
    REQUIRE(result_is_ok(json_text(value, region)) && is_line(*region, 64), INVALID, "contract.residency");
    return OK;
}

static fallible read_valid(struct arena *arena, struct contract *contract)
{
    static const struct document_member members[] = {
        {.name = "from", .form = DOCUMENT_TIME, .at = offsetof(struct contract, valid_from)},
        {.name = "until", .form = DOCUMENT_TIME, .at = offsetof(struct contract, valid_until)},
        {0}};
    TRY(document_within(
        arena, document_read(arena, json_object_get(contract->document.content, "valid"), members, contract),
        "valid"));
    REQUIRE_AT(contract->valid_from < contract->valid_until, INVALID, "contract.valid", "valid");
    return OK;
}

static const struct document_member contract_members[] = {
    MEMBER_OTHERS("type", "loading", "queriers", "recipients", "valid"),
    MEMBER(contract, TEXT, title),
    MEMBER_WITHIN(contract, OCTETS, salt, CONTRACT_SALT_BYTES, CONTRACT_SALT_BYTES),
    MEMBER_ROWS(contract, "parties", parties, party_count, 1, CONTRACT_PARTIES_MAX, read_party),
    MEMBER_ROWS(contract, "datasets", datasets, dataset_count, 1, CONTRACT_DATASETS_MAX, read_dataset),
    MEMBER_ROWS(contract, "queries", queries, query_count, 1, CONTRACT_QUERIES_MAX, contract_query_read),
    MEMBER_ROWS(contract, "tee", tees, tee_count, 1, CONTRACT_TEES_MAX, read_tee),
    MEMBER_ROWS(contract, "authorities", authorities, authority_count, 1, CONTRACT_AUTHORITIES_MAX,
                read_authority),
    MEMBER_ROWS(contract, "residency", residency, residency_count, 0, CONTRACT_RESIDENCY_MAX, read_region),
    {0}};

/* What the signatures' headers say, by party. Whether they hold is `contract_verify`'s question. */
static fallible read_signatures(struct contract *contract)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        struct contract_party *party = &contract->parties[i];
        party->is_signed = result_is_ok(jws_find(&contract->document, &party->signing, &party->signature));
        if (!party->is_signed) {
            continue;
        }
        const json_t *header = contract->document.signatures[party->signature].header;
        TRY(document_get_digest(header, "explain", &party->explain));
        party->has_grant = json_has(header, "grant");
        if (party->has_grant) {
            TRY(document_get_digest(header, "grant", &party->grant));
        }
    }
    return OK;
}

static fallible complete(struct arena *arena, void *record)
{
    struct contract *contract = record;
    struct text loading;
    REQUIRE_AT(is_line(contract->title, CONTRACT_TITLE_BYTES_MAX), INVALID, "contract.title", "title");
    TRY(json_get_text(contract->document.content, "loading", &loading));
    REQUIRE_AT(text_is(loading, "all"), UNSUPPORTED, "contract.loading", "loading");
    TRY(read_party_set(arena, contract, "queriers", &contract->queriers, &contract->querier_count));
    TRY(read_party_set(arena, contract, "recipients", &contract->recipients, &contract->recipient_count));
    TRY(refuse_simulated_among_others(contract));
    TRY(require_every_owner(contract));
    TRY(read_valid(arena, contract));
    return read_signatures(contract);
}

static void release(void *contract)
{
    contract_release(contract);
}

static const struct document_kind kind = {
    CONTRACT_TYP, "contract/1", header_members, contract_members, sizeof(struct contract), complete, release,
};

fallible contract_parse(struct arena *arena, struct bytes untrusted_bytes, struct contract *out)
{
    return document_parse(arena, untrusted_bytes, &kind, out);
}

fallible contract_parse_payload(struct arena *arena, struct bytes untrusted_payload, struct contract *out)
{
    return document_parse_payload(arena, untrusted_payload, &kind, out);
}

void contract_release(struct contract *contract)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        key_release(&contract->parties[i].signing);
        key_release(&contract->parties[i].result);
    }
    jws_release(&contract->document);
    *contract = (struct contract){0};
}

/* --- finding ------------------------------------------------------------------------------------- */

/* The first of `count` rows, `row_bytes` apart, whose name is `name`; `first_name` is that of the first row.
 */
static fallible find(const struct text *first_name, size_t row_bytes, size_t count, struct text name,
                     const char *why, size_t *out_index)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(*(const struct text *)((const char *)first_name + i * row_bytes), name)) {
            *out_index = i;
            return OK;
        }
    }
    return (struct result){RESULT_NOT_FOUND, why, NULL};
}

fallible contract_find_party(const struct contract *contract, struct text name, size_t *out_index)
{
    return find(&contract->parties->name, sizeof *contract->parties, contract->party_count, name,
                "contract.party.unknown", out_index);
}

fallible contract_find_dataset(const struct contract *contract, struct text dataset, size_t *out_index)
{
    return find(&contract->datasets->dataset, sizeof *contract->datasets, contract->dataset_count, dataset,
                "contract.dataset.unknown", out_index);
}

fallible contract_find_table(const struct contract *contract, struct text table, size_t *out_index)
{
    return find(&contract->datasets->table, sizeof *contract->datasets, contract->dataset_count, table,
                "contract.table.unknown", out_index);
}

bool contract_query_is_public(const struct contract_query *query)
{
    for (size_t i = 0; i < query->parameter_count; i++) {
        if (!query->parameters[i].is_public) {
            return false;
        }
    }
    return true;
}

fallible contract_find_query(const struct contract *contract, struct text name, size_t *out_index)
{
    return find(&contract->queries->name, sizeof *contract->queries, contract->query_count, name,
                "contract.query.unknown", out_index);
}

static bool is_among(const size_t indexes[], size_t count, size_t party)
{
    for (size_t i = 0; i < count; i++) {
        if (indexes[i] == party) {
            return true;
        }
    }
    return false;
}

bool contract_is_querier(const struct contract *contract, size_t party)
{
    return is_among(contract->queriers, contract->querier_count, party);
}

bool contract_is_recipient(const struct contract *contract, size_t party)
{
    return is_among(contract->recipients, contract->recipient_count, party);
}

fallible contract_check_time(const struct contract *contract, int64_t unix_seconds)
{
    REQUIRE(unix_seconds >= contract->valid_from, EXPIRED, "contract.not_yet_valid");
    REQUIRE(unix_seconds < contract->valid_until, EXPIRED, "contract.expired");
    return OK;
}
