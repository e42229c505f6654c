#include "attest/judge.h"
#include "attest/runtime_data.h"
#include "base/encode.h"
#include "contract/grant.h"
#include "contract/run_request.h"
#include "jose/jwe.h"
#include "party/agreement/agreement.h"
#include "party/command/job.h"
#include "party/command/table.h"
#include "party/home/file.h"

#include <stdlib.h>

enum { MINUTES_DEFAULT = 60, MINUTES_MAX = 60 * 24 * 30, WAIT_SECONDS = 3600, RUN_BYTES = 16 };

struct asking {
    struct own_party party;
    struct keystore keystore;
    struct contract contract;
    size_t query;
    struct host_link link;
    struct run_request request;
    json_t *sealed; /* parameters that are not public */
};

static void asking_release(struct asking *asking)
{
    keystore_release(&asking->keystore);
    contract_release(&asking->contract);
    host_link_close(&asking->link);
    json_release(&asking->sealed);
}

/* The value of --param NAME=VALUE, or NULL. */
static const char *given_value(const struct invocation *invocation, struct text name)
{
    const char *word;
    for (size_t i = 0; (word = option_value_at(&invocation->options, "param", i)) != NULL; i++) {
        if (strncmp(word, name.data, name.size) == 0 && word[name.size] == '=') {
            return word + name.size + 1;
        }
    }
    return NULL;
}

static fallible refuse_unknown_parameters(struct invocation *invocation, const struct contract_query *query)
{
    const char *word;
    for (size_t i = 0; (word = option_value_at(&invocation->options, "param", i)) != NULL; i++) {
        const char *equals = strchr(word, '=');
        bool known = false;
        for (size_t k = 0; equals != NULL && k < query->parameter_count; k++) {
            known =
                known || text_equal((struct text){word, (size_t)(equals - word)}, query->parameters[k].name);
        }
        if (!known) {
            return invocation_usage(invocation,
                                    equals == NULL ? "--param takes NAME=VALUE, not \"%s\"."
                                                   : "The query has no parameter like \"%s\".",
                                    word);
        }
    }
    return OK;
}

static int compare_parameters(const void *left, const void *right)
{
    return text_compare(((const struct run_parameter *)left)->name,
                        ((const struct run_parameter *)right)->name);
}

static fallible take_parameters(struct invocation *invocation, struct asking *asking)
{
    const struct contract_query *query = &asking->contract.queries[asking->query];
    struct run_request *request = &asking->request;
    TRY(refuse_unknown_parameters(invocation, query));
    TRY(ARENA_ARRAY(invocation->arena, struct run_parameter, query->parameter_count, &request->parameters));
    for (size_t i = 0; i < query->parameter_count; i++) {
        const struct contract_parameter *parameter = &query->parameters[i];
        const char *value = given_value(invocation, parameter->name);
        if (value == NULL) {
            return invocation_usage(invocation, "The query needs --param %.*s=VALUE.",
                                    TEXT_ARGS(parameter->name));
        }
        struct result result = contract_check_parameter(parameter, text_of(value));
        if (!result_is_ok(result)) {
            result.where = arena_where(invocation->arena, "%.*s", TEXT_ARGS(parameter->name));
            return invocation_advise(invocation, result,
                                     "The contract allows other values for this parameter; see truce "
                                     "contract explain.");
        }
        if (parameter->is_public) {
            request->parameters[request->parameter_count++] =
                (struct run_parameter){parameter->name, text_of(value)};
            continue;
        }
        const char *name;
        asking->sealed = asking->sealed != NULL ? asking->sealed : json_object();
        TRY(arena_cstring(invocation->arena, parameter->name, &name));
        TRY(json_set_text(asking->sealed, name, text_of(value)));
    }
    qsort(request->parameters, request->parameter_count, sizeof(request->parameters[0]), compare_parameters);
    return OK;
}

static int compare_names(const void *left, const void *right)
{
    return text_compare(*(const struct text *)left, *(const struct text *)right);
}

/* Those of --recipient, or all of the contract. */
static fallible take_recipients(struct invocation *invocation, struct asking *asking)
{
    struct run_request *request = &asking->request;
    const struct contract *contract = &asking->contract;
    const char *name;
    TRY(ARENA_ARRAY(invocation->arena, struct text, CONTRACT_PARTIES_MAX, &request->recipients));
    for (size_t i = 0; (name = option_value_at(&invocation->options, "recipient", i)) != NULL; i++) {
        size_t party;
        REQUIRE(i < CONTRACT_PARTIES_MAX, LIMIT, "run.recipients");
        TRY(contract_find_party(contract, text_of(name), &party));
        if (!contract_is_recipient(contract, party)) {
            return FAIL_AT(DENIED, "run.recipient", name);
        }
        request->recipients[request->recipient_count++] = contract->parties[party].name;
    }
    for (size_t i = 0; request->recipient_count == 0 && i < contract->recipient_count; i++) {
        request->recipients[i] = contract->parties[contract->recipients[i]].name;
    }
    request->recipient_count =
        request->recipient_count != 0 ? request->recipient_count : contract->recipient_count;
    qsort(request->recipients, request->recipient_count, sizeof(request->recipients[0]), compare_names);
    return OK;
}

/* The version of --version TABLE=N, or "" for the newest that the host has. */
static fallible asked_version(struct invocation *invocation, struct text table, const char **out)
{
    const char *word;
    uint64_t version;
    *out = "";
    for (size_t i = 0; (word = option_value_at(&invocation->options, "version", i)) != NULL; i++) {
        if (strncmp(word, table.data, table.size) == 0 && word[table.size] == '=') {
            if (!result_is_ok(decode_u64(text_of(word + table.size + 1), INT32_MAX, &version))) {
                return invocation_usage(invocation, "--version takes TABLE=N, not \"%s\".", word);
            }
            *out = arena_where(invocation->arena, "/%llu", (unsigned long long)version);
        }
    }
    return OK;
}

/* What the owner says is the version's manifest. The request pins it, so that nobody can run an older one. */
static fallible take_manifest(struct invocation *invocation, struct asking *asking, size_t index)
{
    const struct contract_dataset *dataset = &asking->contract.datasets[index];
    struct run_parameter *pin = &asking->request.manifests[asking->request.manifest_count++];
    scoped_key_update update = {0};
    struct bytes document;
    const char *version;
    const char *hex;
    TRY(asked_version(invocation, dataset->table, &version));
    TRY(agreement_hex(invocation->arena, &asking->contract.document.digest, &hex));
    TRY(host_link_get(&asking->link, invocation->arena,
                      arena_where(invocation->arena, "/v1/contracts/%s/keys/%.*s%s", hex,
                                  TEXT_ARGS(dataset->dataset), version),
                      &document));
    TRY(key_update_parse(invocation->arena, document, &update));
    TRY(key_update_verify(&update, &asking->contract, index));
    REQUIRE(update.version >= dataset->version, DENIED, "bundle.manifest.version");
    const char *got = arena_where(invocation->arena, "/%llu", (unsigned long long)update.version);
    REQUIRE(version[0] == '\0' || strcmp(version, got) == 0, UNTRUSTED, "run.version");
    screen_note(&invocation->screen, "table %s: version %llu", screen_safe(invocation->arena, dataset->table),
                (unsigned long long)update.version);
    pin->name = dataset->table;
    return digest_to_text(invocation->arena, &update.manifest, &pin->value);
}

static bool is_refreshed(const struct contract *contract)
{
    bool any = false;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        any = any || contract->datasets[i].is_refreshed;
    }
    return any;
}

static fallible take_manifests(struct invocation *invocation, struct asking *asking)
{
    const struct contract *contract = &asking->contract;
    struct run_request *request = &asking->request;
    TRY(ARENA_ARRAY(invocation->arena, struct run_parameter, contract->dataset_count, &request->manifests));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        struct result result = contract->datasets[i].is_refreshed ? take_manifest(invocation, asking, i) : OK;
        if (!result_is_ok(result)) {
            result.where = arena_where(invocation->arena, "%.*s", TEXT_ARGS(contract->datasets[i].dataset));
            return result;
        }
    }
    qsort(request->manifests, request->manifest_count, sizeof(request->manifests[0]), compare_parameters);
    return OK;
}

/* The instance key of a room whose evidence holds, for the code that the contract names. */
static fallible judge_room(struct invocation *invocation, const struct contract *contract,
                           const json_t *ready, struct key *out)
{
    struct evidence evidence = {0};
    struct evidence_trust trust = {0};
    struct bytes runtime_bytes;
    json_t *evidence_json;
    for (size_t i = 0; i < contract->tee_count && trust.root_count < EVIDENCE_ROOTS_MAX; i++) {
        if (contract->tees[i].has_root) {
            trust.roots[trust.root_count++] =
                (struct evidence_root){contract->tees[i].type, contract->tees[i].root};
        }
    }
    TRY(json_get_object(ready, "evidence", &evidence_json));
    TRY(json_get_base64url(invocation->arena, ready, "runtime_data", &runtime_bytes));
    TRY(evidence_from_json(invocation->arena, evidence_json, &evidence));
    scoped_evidence_judgement judgement = {0};
    TRY(evidence_judge(invocation->arena, &evidence, runtime_bytes, &trust, world_now(&invocation->world),
                       &judgement));
    REQUIRE(judgement.verdict == VERDICT_ALLOW, UNTRUSTED, "room.evidence");
    bool is_named = false;
    for (size_t i = 0; i < contract->tee_count; i++) {
        is_named = is_named || bytes_equal(contract->tees[i].measurement, judgement.measurement);
    }
    REQUIRE(is_named, UNTRUSTED, "room.measurement");
    scoped_runtime_data runtime = {0};
    TRY(runtime_data_parse(invocation->arena, runtime_bytes, &runtime));
    REQUIRE(runtime.purpose == RUNTIME_INSTANCE, UNTRUSTED, "room.purpose");
    key_move(&runtime.encryption_key, out);
    return OK;
}

static fallible seal_to_rooms(struct invocation *invocation, struct asking *asking)
{
    scoped_json *answer = NULL;
    json_t *rooms;
    struct key keys[JWE_RECIPIENTS_MAX] = {0};
    size_t count = 0;
    struct text plaintext;
    scoped_buffer sealed;
    struct result last = FAIL(UNAVAILABLE, "room.none");
    buffer_init(&sealed, RUN_SEALED_BYTES_MAX);
    TRY(host_link_get_json(&asking->link, invocation->arena, "/v1/rooms", &answer));
    TRY(json_get_array(answer, "rooms", &rooms));
    for (size_t i = 0; i < json_array_size(rooms) && count < JWE_RECIPIENTS_MAX; i++) {
        struct result result =
            judge_room(invocation, &asking->contract, json_array_get(rooms, i), &keys[count]);
        count += result_is_ok(result);
        last = result_is_ok(result) ? last : result;
    }
    if (count == 0) {
        return invocation_advise(invocation, last,
                                 "The secret parameters were not sent: no room of the host has evidence that "
                                 "satisfies the contract.");
    }
    struct result result = json_encode_text(invocation->arena, asking->sealed, &plaintext);
    if (result_is_ok(result)) {
        result = jwe_encrypt(&invocation->world, RUN_PARAMETERS_TYP, bytes_of_text(plaintext), keys, count,
                             &sealed);
    }
    for (size_t i = 0; i < count; i++) {
        key_release(&keys[i]);
    }
    TRY(result);
    return arena_copy_text(invocation->arena, buffer_text(&sealed), &asking->request.sealed_parameters);
}

static fallible check_contract(struct invocation *invocation, struct asking *asking)
{
    scoped_address_book book = {0};
    struct contract_known_party *known;
    size_t count;
    size_t self;
    TRY(address_book_open(invocation->arena, asking->party.folder, &book));
    TRY(agreement_known(invocation->arena, &book, &known, &count));
    TRY(contract_verify(invocation->arena, &asking->contract, known, count));
    TRY(agreement_check_result_keys(invocation->arena, &asking->contract, &book));
    TRY(contract_check_time(&asking->contract, world_now(&invocation->world)));
    TRY(agreement_find_self(&asking->contract, &book.rows[0].card.fingerprint, &self));
    if (!contract_is_querier(&asking->contract, self)) {
        return invocation_advise(invocation, FAIL_AT(DENIED, "run.querier", asking->party.name),
                                 "The contract does not name %s as a querier.", asking->party.name);
    }
    asking->request.querier = asking->contract.parties[self].name;
    return contract_find_query(&asking->contract, text_of(invocation_argument(invocation, 1)),
                               &asking->query);
}

static fallible complete(struct invocation *invocation, struct asking *asking)
{
    uint8_t run[RUN_BYTES];
    uint64_t minutes;
    struct run_request *request = &asking->request;
    TRY(invocation_number(invocation, "minutes", MINUTES_MAX, MINUTES_DEFAULT, &minutes));
    TRY(world_random(&invocation->world, run, sizeof(run)));
    TRY(encode_hex(invocation->arena, BYTES_OF(run), &request->run));
    request->contract = asking->contract.document.digest;
    request->query = asking->contract.queries[asking->query].name;
    request->not_after = world_now(&invocation->world) + (int64_t)minutes * 60;
    if (request->not_after > asking->contract.valid_until) {
        request->not_after = asking->contract.valid_until;
    }
    return OK;
}

static fallible sign(struct invocation *invocation, struct asking *asking, struct buffer *out)
{
    scoped_json *payload = NULL;
    scoped_run_request signed_request = {0};
    size_t query;
    TRY(run_request_build(&asking->request, &payload));
    TRY(jws_sign(payload, RUN_REQUEST_TYP, NULL, &asking->keystore.signing, out));
    TRY(run_request_parse(invocation->arena, buffer_view(out), &signed_request));
    return run_request_verify(invocation->arena, &signed_request, &asking->contract, &query);
}

static fallible send_request(struct invocation *invocation, struct asking *asking, struct bytes document)
{
    const char *run;
    scoped_json *answer = NULL;
    TRY(arena_cstring(invocation->arena, asking->request.run, &run));
    TRY(host_link_post(&asking->link, invocation->arena, "/v1/jobs", document, &answer));
    if (option_given(&invocation->options, "wait")) {
        uint64_t seconds;
        scoped_json *job = NULL;
        TRY(invocation_number(invocation, "timeout", UINT32_MAX, WAIT_SECONDS, &seconds));
        screen_note(&invocation->screen, "run %s", run);
        TRY(job_wait(invocation, &asking->link, run, seconds, &job));
    }
    return OK;
}

static fallible report(struct invocation *invocation, struct asking *asking, struct bytes document)
{
    scoped_json *json = json_object();
    scoped_run_request request = {0};
    struct text digest;
    TRY(run_request_parse(invocation->arena, document, &request));
    TRY(digest_to_text(invocation->arena, &request.document.digest, &digest));
    TRY(json_set_text(json, "run", asking->request.run));
    TRY(json_set_text(json, "request", digest));
    screen_line(&invocation->screen, "%.*s",
                TEXT_ARGS(asking->request.run)); /* so that a script can take it */
    if (option_given(&invocation->options, "wait")) {
        TRY(json_set_text(json, "state", TEXT("done")));
        screen_note(&invocation->screen, "open the answer: truce result open %.*s",
                    TEXT_ARGS(asking->request.run));
    }
    return screen_json(&invocation->screen, json);
}

static fallible run_run(struct invocation *invocation)
{
    defer(asking_release) struct asking asking = {0};
    scoped_buffer document;
    buffer_init(&document, JWS_SIZE_MAX);
    const char *out = option_value(&invocation->options, "out");
    bool sends = out == NULL;
    TRY(invocation_party(invocation, &asking.party));
    TRY(agreement_read(invocation->arena, invocation_argument(invocation, 0), &asking.contract));
    TRY(check_contract(invocation, &asking));
    TRY(take_parameters(invocation, &asking));
    TRY(take_recipients(invocation, &asking));
    TRY(complete(invocation, &asking));
    if (sends || asking.sealed != NULL || is_refreshed(&asking.contract)) {
        TRY(host_link_open(invocation->arena, asking.party.folder, &asking.link));
    }
    TRY(take_manifests(invocation, &asking));
    if (asking.sealed != NULL) {
        TRY(seal_to_rooms(invocation, &asking));
    }
    TRY(invocation_unlock(invocation, &asking.party, &asking.keystore));
    TRY(sign(invocation, &asking, &document));
    TRY(agreement_keep_request(invocation->arena, asking.party.folder, asking.request.run,
                               buffer_view(&document)));
    if (sends) {
        TRY(send_request(invocation, &asking, buffer_view(&document)));
    } else {
        TRY(file_write(out, buffer_view(&document), FILE_PUBLIC));
    }
    return report(invocation, &asking, buffer_view(&document));
}

static const struct option run_options[] = {
    {"param", 'p', "NAME=VALUE", "a parameter's value", true},
    {"recipient", 'r', "NAME", "who gets the result (default: all recipients of the contract)", true},
    {"version", 'v', "TABLE=N", "the version of a refreshed table (default the newest at the host)", true},
    {"wait", 'w', NULL, "wait until the run has ended", false},
    {"timeout", 0, "SECONDS", "how long to wait (default 3600)", false},
    {"minutes", 0, "N", "the request is void after so many minutes (default 60)", false},
    {"out", 'o', "FILE", "write the signed request instead of sending it", false},
    {0}};

const struct command command_run[] = {
    {"run", NULL, "ask for one run of a query", "CONTRACT QUERY",
     "Signs a run request and sends it to the host. Parameters that the contract does not call public are "
     "encrypted to a\n"
     "room whose evidence satisfies the contract; the host sees neither them nor the answer.",
     run_options, 2, 2, run_run},
    {0},
};
