#include "party/command/contract.h"

#include "base/encode.h"
#include "party/command/table.h"
#include "party/home/file.h"

fallible contract_open(struct invocation *invocation, size_t argument, struct contract *out)
{
    return agreement_read(invocation->arena, invocation_argument(invocation, argument), out);
}

size_t contract_folders(const struct invocation *invocation, const char *out[CONTRACT_FOLDERS_MAX])
{
    size_t count = 0;
    while (count < CONTRACT_FOLDERS_MAX &&
           (out[count] = option_value_at(&invocation->options, "dataset", count)) != NULL) {
        count++;
    }
    return count;
}

static fallible print_parties(struct invocation *invocation, const struct contract *contract,
                              const struct own_party *party)
{
    scoped_address_book book = {0};
    TRY(address_book_open(invocation->arena, party->folder, &book));
    screen_line(&invocation->screen, "\nFingerprints, compared with the address book of %s:", party->name);
    for (size_t i = 0; i < contract->party_count; i++) {
        const struct contract_party *row = &contract->parties[i];
        const struct acquaintance *known = address_book_by_name(&book, row->name);
        bool same = known != NULL && digest_equal(&known->card.fingerprint, &row->fingerprint);
        struct text fingerprint;
        TRY(digest_to_text(invocation->arena, &row->fingerprint, &fingerprint));
        const char *verdict = same && known->is_self ? "yourself" : same ? "known" : "UNKNOWN";
        screen_line(&invocation->screen, "  %-16s %.*s  %s", screen_safe(invocation->arena, row->name),
                    TEXT_ARGS(fingerprint), known != NULL && !same ? "ANOTHER KEY THAN YOU KNOW" : verdict);
    }
    return OK;
}

static fallible print_policy(struct invocation *invocation, const struct agreement_documents *documents)
{
    struct text policy;
    json_t *content = documents->policy.document.content;
    TRY(json_encode_text(invocation->arena, json_object_get(content, "columns"), &policy));
    const char *dataset = screen_safe(invocation->arena, documents->policy.dataset);
    screen_line(&invocation->screen,
                "  %s, version %llu: %llu rows; at most %llu rows of a result; columns that may be read: %s",
                dataset, (unsigned long long)documents->manifest.version,
                (unsigned long long)documents->manifest.rows, (unsigned long long)documents->policy.max_rows,
                screen_safe(invocation->arena, policy));
    if (!policy_entity_is_none(&documents->policy.entity)) {
        screen_line(&invocation->screen,
                    "    every released cell stands for at least %llu distinct values of %s",
                    (unsigned long long)documents->policy.entity.min_entities,
                    screen_safe(invocation->arena, documents->policy.entity.column));
    }
    return OK;
}

static fallible print_datasets(struct invocation *invocation, const struct contract *contract,
                               const struct own_party *party)
{
    const char *folders[CONTRACT_FOLDERS_MAX];
    size_t count = contract_folders(invocation, folders);
    screen_line(&invocation->screen, "\nThe owners' policies:");
    for (size_t i = 0; i < contract->dataset_count; i++) {
        defer(agreement_documents_release) struct agreement_documents documents = {0};
        TRY(agreement_find_documents(invocation->arena, party->folder, folders, count, contract, i,
                                     &documents));
        if (documents.found) {
            TRY(print_policy(invocation, &documents));
        } else {
            screen_line(&invocation->screen,
                        "  %s: manifest and policy are not at hand (--dataset FOLDER shows them)",
                        screen_safe(invocation->arena, contract->datasets[i].dataset));
        }
    }
    return OK;
}

fallible contract_print(struct invocation *invocation, const struct contract *contract,
                        const struct own_party *party)
{
    struct text text;
    TRY(contract_fetch_documents(invocation, contract, party));
    TRY(contract_explain(invocation->arena, contract, &text));
    screen_text(&invocation->screen, text);
    TRY(print_datasets(invocation, contract, party));
    return print_parties(invocation, contract, party);
}

static fallible set_digest(struct invocation *invocation, json_t *json, const char *name,
                           const struct digest *digest)
{
    struct text text;
    TRY(digest_to_text(invocation->arena, digest, &text));
    return json_set_text(json, name, text);
}

static fallible run_explain(struct invocation *invocation)
{
    struct own_party party;
    scoped_contract contract = {0};
    scoped_json *json = json_object();
    struct text text;
    struct digest digest;
    TRY(invocation_party(invocation, &party));
    TRY(contract_open(invocation, 0, &contract));
    TRY(contract_print(invocation, &contract, &party));
    TRY(contract_explain(invocation->arena, &contract, &text));
    TRY(contract_explain_digest(invocation->arena, &contract, &digest));
    TRY(json_set_text(json, "explain", text));
    TRY(set_digest(invocation, json, "explain_digest", &digest));
    TRY(set_digest(invocation, json, "contract", &contract.document.digest));
    return screen_json(&invocation->screen, json);
}

static fallible add_party_row(struct invocation *invocation, const struct contract *contract, size_t index,
                              json_t *parties)
{
    const struct contract_party *party = &contract->parties[index];
    json_t *row = json_object();
    TRY(json_add(parties, row));
    TRY(json_set_text(row, "name", party->name));
    TRY(set_digest(invocation, row, "fingerprint", &party->fingerprint));
    bool holds =
        party->is_signed && result_is_ok(contract_verify_signature(invocation->arena, contract, index));
    const char *state = holds ? "signed" : party->is_signed ? "WRONG SIGNATURE" : "not signed yet";
    TRY(json_set_text(row, "signature", text_of(state)));
    TRY(json_set(row, "owner", json_boolean(party->is_owner)));
    if (party->has_grant) {
        TRY(set_digest(invocation, row, "grant", &party->grant));
    }
    screen_line(&invocation->screen, "  %-16s %s%s", screen_safe(invocation->arena, party->name), state,
                party->is_owner ? ", owner" : "");
    return OK;
}

static fallible run_show(struct invocation *invocation)
{
    scoped_contract contract = {0};
    scoped_json *json = json_object();
    json_t *parties = json_array();
    json_t *queries = json_array();
    struct text digest;
    struct text from;
    struct text until;
    TRY(json_set(json, "parties", parties));
    TRY(json_set(json, "queries", queries));
    TRY(contract_open(invocation, 0, &contract));
    TRY(digest_to_text(invocation->arena, &contract.document.digest, &digest));
    TRY(encode_time(invocation->arena, contract.valid_from, &from));
    TRY(encode_time(invocation->arena, contract.valid_until, &until));
    TRY(json_set_text(json, "contract", digest));
    TRY(json_set_text(json, "title", contract.title));
    TRY(json_set_text(json, "from", from));
    TRY(json_set_text(json, "until", until));
    screen_line(&invocation->screen, "contract  %.*s\ntitle     %s\nvalid     %.*s until %.*s",
                TEXT_ARGS(digest), screen_safe(invocation->arena, contract.title), TEXT_ARGS(from),
                TEXT_ARGS(until));
    for (size_t i = 0; i < contract.party_count; i++) {
        TRY(add_party_row(invocation, &contract, i, parties));
    }
    for (size_t i = 0; i < contract.query_count; i++) {
        TRY(json_add_text(queries, contract.queries[i].name));
        screen_line(&invocation->screen, "  query %s",
                    screen_safe(invocation->arena, contract.queries[i].name));
    }
    return screen_json(&invocation->screen, json);
}

static fallible verify_grants(struct invocation *invocation, const struct contract *contract, json_t *grants)
{
    const char *path;
    for (size_t i = 0; (path = option_value_at(&invocation->options, "grant", i)) != NULL; i++) {
        scoped_grant grant = {0};
        struct bytes bytes;
        TRY(file_read(invocation->arena, path, &bytes));
        TRY(grant_parse(invocation->arena, bytes, &grant));
        TRY(grant_verify(&grant, contract));
        TRY(json_add_text(grants, grant.owner));
        screen_line(&invocation->screen, "grant of %s holds", screen_safe(invocation->arena, grant.owner));
    }
    return OK;
}

static fallible verify_datasets(struct invocation *invocation, const struct contract *contract,
                                const struct own_party *party, json_t *datasets)
{
    const char *folders[CONTRACT_FOLDERS_MAX];
    size_t count = contract_folders(invocation, folders);
    size_t found = 0;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        defer(agreement_documents_release) struct agreement_documents documents = {0};
        TRY(agreement_find_documents(invocation->arena, party->folder, folders, count, contract, i,
                                     &documents));
        if (documents.found) {
            found++;
            TRY(policy_verify(&documents.policy, &contract->parties[contract->datasets[i].owner].signing));
            TRY(json_add_text(datasets, contract->datasets[i].dataset));
            screen_line(&invocation->screen, "dataset %s holds",
                        screen_safe(invocation->arena, contract->datasets[i].dataset));
        }
    }
    if (found < count) {
        return invocation_advise(
            invocation, FAIL(UNTRUSTED, "bundle.manifest.unknown"),
            "A folder given with --dataset is of no dataset that this contract pins, or was changed.");
    }
    return OK;
}

static fallible run_verify(struct invocation *invocation)
{
    struct own_party party;
    scoped_contract contract = {0};
    scoped_address_book book = {0};
    struct contract_known_party *known;
    size_t count;
    scoped_json *json = json_object();
    json_t *grants = json_array();
    json_t *datasets = json_array();
    TRY(json_set(json, "grants", grants));
    TRY(json_set(json, "datasets", datasets));
    TRY(invocation_party(invocation, &party));
    TRY(contract_open(invocation, 0, &contract));
    TRY(address_book_open(invocation->arena, party.folder, &book));
    TRY(agreement_known(invocation->arena, &book, &known, &count));
    TRY(contract_verify(invocation->arena, &contract, known, count));
    TRY(agreement_check_result_keys(invocation->arena, &contract, &book));
    TRY(contract_check_time(&contract, world_now(&invocation->world)));
    screen_line(&invocation->screen, "all %zu parties have signed, and you know every key",
                contract.party_count);
    TRY(verify_grants(invocation, &contract, grants));
    TRY(verify_datasets(invocation, &contract, &party, datasets));
    TRY(set_digest(invocation, json, "contract", &contract.document.digest));
    TRY(json_set(json, "verified", json_true()));
    return screen_json(&invocation->screen, json);
}

#define DATASET_OPTION                                                                                       \
    {                                                                                                        \
        "dataset", 'd', "FOLDER", "folder with manifest.json and policy.json of a dataset", true             \
    }

static const struct option draft_options[] = {
    {"refreshed", 'r', "TABLE", "pin this table's schema, policy and least version instead of its data",
     true},
    {"out", 'o', "FILE", "where to write the draft (default contract.json)", false},
    {0}};
static const struct option explain_options[] = {DATASET_OPTION, {0}};
static const struct option no_options[] = {{0}};
static const struct option sign_options[] = {
    {"out", 'o', "FILE", "where to write the signed contract (default: over the file that was read)", false},
    {"grant", 'g', "FILE", "where an owner's grant is written (default grant.PARTY.json beside the contract)",
     false},
    {"yes", 'y', NULL, "do not ask for confirmation", false},
    DATASET_OPTION,
    {0}};
static const struct option merge_options[] = {
    {"out", 'o', "FILE", "where to write (default: over the first file)", false}, {0}};
static const struct option verify_options[] = {
    {"grant", 'g', "FILE", "a grant to verify too", true}, DATASET_OPTION, {0}};
static const struct option publish_options[] = {
    {"grant", 'g', "FILE", "a grant of another owner to publish too", true},
    {"update", 'u', "FILE", "a key update to publish too, as its owner wrote it", true},
    {0}};
static const struct option refresh_options[] = {
    {"out", 'o', "FILE", "write the key update instead of sending it", false},
    {"version", 'v', "N", "the version (default 1)", false},
    {0}};
static const struct option executed_options[] = {
    {"param", 'p', "NAME=VALUE", "a parameter's value", true}, DATASET_OPTION, {0}};

static const char draft_about[] =
    "The specification is a JSON file:\n"
    "  {\"title\": text, \"parties\": [name, ...],\n"
    "   \"datasets\": [{\"table\": name, \"folder\": path} or {\"table\", \"manifest\": path, \"policy\": "
    "path},\n"
    "     each with \"refreshed\": true where later versions may take its place],\n"
    "   \"queries\": [{\"name\": name, \"sql\": text or \"sql_file\": path,\n"
    "     \"parameters\": [{\"name\", \"type\", \"public\": true, \"min\", \"max\", \"values\": [..]}],\n"
    "     \"max_rows\", \"max_bytes\", \"seconds\", \"memory_mb\"}],\n"
    "   \"queriers\": [name], \"recipients\": [name], \"days\": 30 or \"valid\": {\"from\", \"until\"},\n"
    "   \"residency\": [text], \"authorities\": [{\"party\", \"file\"}], \"tee\": [{\"type\", "
    "\"measurement\", \"root\"}]}\n"
    "Parties are names of your address book; paths are relative to the file. Authorities and TEE come from "
    "your\n"
    "connections where the file does not name them. Each query is vetted; the canonical text is what "
    "everybody signs.";

const struct command command_contract[] = {
    {"contract", "draft", "make a contract from a specification", "SPEC.json", draft_about, draft_options, 1,
     1, contract_run_draft},
    {"contract", "explain", "say in plain words what a contract means", "CONTRACT", NULL, explain_options, 1,
     1, run_explain},
    {"contract", "sign", "sign a contract, as an owner with a grant from your vault", "CONTRACT",
     "Refuses keys that are not in the address book, shows what the contract means, and asks. As an owner it "
     "makes a release\n"
     "key for this contract in your vault, whose policy names your authorities, the code and the contract "
     "and whose end is\n"
     "the contract's, wraps the data keys to it and writes the grant. The signature names the digest of "
     "both.",
     sign_options, 1, 1, contract_run_sign},
    {"contract", "merge", "join the signatures of several copies", "CONTRACT...", NULL, merge_options, 1,
     OPTION_ARGUMENTS_MAX, contract_run_merge},
    {"contract", "show", "print a contract's parties, signatures and queries", "CONTRACT", NULL, no_options,
     1, 1, run_show},
    {"contract", "verify", "verify all signatures, and the grants and datasets given", "CONTRACT", NULL,
     verify_options, 1, 1, run_verify},
    {"contract", "publish", "send a contract and your grant to the host", "CONTRACT", NULL, publish_options,
     1, 1, contract_run_publish},
    {"contract", "refresh", "give the key of a version of a refreshed dataset to a contract",
     "CONTRACT NAME|FOLDER",
     "As the owner, for a dataset that the contract pins by schema, policy and least version. Nobody signs "
     "again: the version's\n"
     "data key is wrapped to the release key of your grant, and you sign that with the manifest's digest. "
     "The sealed dataset\n"
     "itself goes to the host by truce dataset upload.",
     refresh_options, 2, 2, contract_run_refresh},
    {"contract", "revoke", "disable your release key, then tell the host", "CONTRACT",
     "Disabling the key in your own vault stops new releases at once; a run in flight may finish.",
     sign_options, 1, 1, contract_run_revoke},
    {"contract", "executed", "print the rewritten SQL that will run with these parameters", "CONTRACT QUERY",
     NULL, executed_options, 2, 2, contract_run_executed},
    {0},
};
