#include "jose/jwe.h"
#include "party/agreement/agreement.h"
#include "party/command/table.h"
#include "party/home/file.h"
#include "party/link/host_link.h"
#include "party/process/process.h"
#include "party/trust/table_file.h"
#include "party/trust/trust_file.h"
#include "privacy/result_frame.h"
#include "receipt/verify.h"

struct opening {
    struct own_party party;
    struct bytes result; /* untrusted until the receipt has been verified */
    struct bytes receipt;
    struct digest digest; /* of the result document */
    json_t *report;       /* what the verified receipt says */
    struct buffer plaintext;
};

static void opening_release(struct opening *opening)
{
    json_release(&opening->report);
    if (opening->plaintext.data != NULL) {
        wipe(opening->plaintext.data, opening->plaintext.size);
    }
    buffer_release(&opening->plaintext);
}

static bool is_run(const char *word)
{
    return strlen(word) == RUN_ID_CHARACTERS && strspn(word, "0123456789abcdef") == RUN_ID_CHARACTERS;
}

static fallible fetch(struct invocation *invocation, struct opening *opening)
{
    const char *word = invocation_argument(invocation, 0);
    const char *receipt = option_value(&invocation->options, "receipt");
    if (!is_run(word)) {
        if (receipt == NULL) {
            return invocation_usage(invocation, "A result in a file needs its receipt: --receipt FILE.");
        }
        TRY(file_read(invocation->arena, word, &opening->result));
        return file_read(invocation->arena, receipt, &opening->receipt);
    }
    scoped_host_link link = {0};
    TRY(host_link_open(invocation->arena, opening->party.folder, &link));
    TRY(host_link_get(&link, invocation->arena, arena_where(invocation->arena, "/v1/jobs/%s/result", word),
                      &opening->result));
    return host_link_get(&link, invocation->arena,
                         arena_where(invocation->arena, "/v1/jobs/%s/receipt", word), &opening->receipt);
}

static fallible open_trust(struct invocation *invocation, const struct opening *opening,
                           struct receipt_trust *out)
{
    scoped_json *built = NULL;
    struct text text;
    struct bytes bytes;
    const char *path = option_value(&invocation->options, "trust");
    if (path != NULL) {
        TRY(file_read(invocation->arena, path, &bytes));
        return receipt_trust_parse(invocation->arena, bytes, out);
    }
    TRY(trust_file_build(invocation->arena, opening->party.folder, &built));
    TRY(json_encode_text(invocation->arena, built, &text));
    return receipt_trust_parse(invocation->arena, bytes_of_text(text), out);
}

/* The contract is one that I signed, and the request is mine where I asked it; a run named on the command
 * line is that run. */
static fallible check_own(struct invocation *invocation, const struct opening *opening,
                          const json_t *predicate)
{
    struct text text;
    struct digest contract;
    struct text run;
    struct text request_text;
    struct digest request;
    struct bytes document;
    const char *word = invocation_argument(invocation, 0);
    TRY(json_get_text(predicate, "contract", &text));
    TRY(digest_from_text(text, &contract));
    TRY(json_get_text(predicate, "run", &run));
    TRY(json_get_text(predicate, "run_request", &request_text));
    TRY(digest_from_text(request_text, &request));
    if (is_run(word) && !text_is(run, word)) {
        return FAIL(UNTRUSTED, "receipt.other_run");
    }
    if (!agreement_is_kept(invocation->arena, opening->party.folder, &contract)) {
        return invocation_advise(invocation, FAIL(UNTRUSTED, "receipt.contract_unknown"),
                                 "This result is of a contract that %s has not signed here.",
                                 opening->party.name);
    }
    if (!result_is_ok(agreement_kept_request(invocation->arena, opening->party.folder, run, &document))) {
        return OK; /* another querier of a contract that I signed asked */
    }
    scoped_run_request own = {0};
    TRY(run_request_parse(invocation->arena, document, &own));
    REQUIRE(digest_equal(&own.document.digest, &request), UNTRUSTED, "receipt.run_request");
    return OK;
}

static fallible verify(struct invocation *invocation, struct opening *opening)
{
    struct receipt_trust *trust;
    json_t *statement;
    json_t *predicate;
    TRY(ARENA_NEW(invocation->arena, struct receipt_trust, &trust));
    TRY(open_trust(invocation, opening, trust));
    opening->digest = digest_of(opening->result);
    struct receipt_verification how = {
        .accept_simulated = option_given(&invocation->options, "accept-simulated"),
        .result = &opening->digest,
    };
    TRY(receipt_verify(invocation->arena, opening->receipt, trust, &how, &opening->report));
    TRY(json_get_object(opening->report, "statement", &statement));
    TRY(json_get_object(statement, "predicate", &predicate));
    return check_own(invocation, opening, predicate);
}

/* With the present key, or one of before a rotation. */
static fallible decrypt(struct invocation *invocation, struct opening *opening)
{
    scoped_keystore keystore = {0};
    scoped_secret passphrase = {0};
    struct key former[KEYSTORE_FORMER_MAX] = {0};
    size_t count = 0;
    TRY(invocation_passphrase(invocation, false, &passphrase));
    TRY(keystore_open(invocation->arena, opening->party.folder, &passphrase, &keystore));
    buffer_init(&opening->plaintext, RESULT_SIZE_MAX + 4096);
    struct result result =
        jwe_decrypt(invocation->arena, opening->result, RESULT_TYP, &keystore.result, &opening->plaintext);
    if (result.code != RESULT_DENIED) {
        return result;
    }
    TRY(keystore_former_result_keys(invocation->arena, opening->party.folder, &passphrase, former, &count));
    for (size_t i = 0; i < count; i++) {
        if (result.code == RESULT_DENIED) {
            result =
                jwe_decrypt(invocation->arena, opening->result, RESULT_TYP, &former[i], &opening->plaintext);
        }
        key_release(&former[i]);
    }
    return result;
}

static fallible check_frame(const struct opening *opening, const struct result_frame *frame)
{
    json_t *statement;
    json_t *predicate;
    struct text text;
    struct digest digest;
    TRY(json_get_object(opening->report, "statement", &statement));
    TRY(json_get_object(statement, "predicate", &predicate));
    TRY(json_get_text(predicate, "contract", &text));
    TRY(digest_from_text(text, &digest));
    REQUIRE(digest_equal(&digest, &frame->contract), UNTRUSTED, "result.contract");
    TRY(json_get_text(predicate, "run_request", &text));
    TRY(digest_from_text(text, &digest));
    REQUIRE(digest_equal(&digest, &frame->run_request), UNTRUSTED, "result.run_request");
    TRY(json_get_text(predicate, "run", &text));
    REQUIRE(text_equal(text, frame->run), UNTRUSTED, "result.run");
    return OK;
}

static fallible write_table(struct invocation *invocation, const struct result_frame *frame,
                            const char *format, const char *out)
{
    scoped_buffer table;
    const char *seal_engine;
    buffer_init(&table, RESULT_SIZE_MAX);
    TRY(process_find(invocation->arena, invocation->surroundings.programs, "truce-seal-engine",
                     &seal_engine));
    TRY(table_file_convert(invocation->arena, frame, format, seal_engine, &table));
    return file_write(out, buffer_view(&table), FILE_PRIVATE);
}

/* What was verified, for whoever is to verify it again: neither holds a row. */
static fallible keep_documents(struct invocation *invocation, const struct opening *opening)
{
    const char *receipt = option_value(&invocation->options, "save-receipt");
    const char *result = option_value(&invocation->options, "save-result");
    if (receipt != NULL) {
        TRY(file_write(receipt, opening->receipt, FILE_PUBLIC));
    }
    return result == NULL ? OK : file_write(result, opening->result, FILE_PUBLIC);
}

static fallible run_open(struct invocation *invocation)
{
    static const char *const formats[] = {"csv", "jsonl", "parquet", "arrow", NULL};
    defer(opening_release) struct opening opening = {0};
    struct result_frame frame = {0};
    scoped_json *json = json_object();
    const char *out = option_value(&invocation->options, "out");
    const char *format = option_value(&invocation->options, "format");
    format = format != NULL ? format : "csv";
    bool is_known = false;
    for (size_t i = 0; formats[i] != NULL; i++) {
        is_known = is_known || strcmp(formats[i], format) == 0;
    }
    if (!is_known) {
        return invocation_usage(invocation, "--format is csv, jsonl, parquet or arrow.");
    }
    if (strcmp(format, "arrow") == 0) {
        return invocation_advise(
            invocation, FAIL(UNSUPPORTED, "result.format.arrow"),
            "Open it as Parquet, which every Arrow library reads: --format parquet --out FILE");
    }
    if (out == NULL && strcmp(format, "parquet") == 0) {
        return invocation_usage(invocation, "Parquet needs --out FILE.");
    }
    TRY(invocation_party(invocation, &opening.party));
    TRY(fetch(invocation, &opening));
    TRY(verify(invocation, &opening));
    TRY(decrypt(invocation, &opening));
    TRY(result_frame_parse(invocation->arena, buffer_view(&opening.plaintext), &frame));
    TRY(check_frame(&opening, &frame));
    screen_note(&invocation->screen, "The receipt verifies: this is the answer to run %.*s.",
                TEXT_ARGS(frame.run));
    TRY(keep_documents(invocation, &opening));
    if (out != NULL || !invocation->screen.json) {
        TRY(write_table(invocation, &frame, format, out != NULL ? out : "-"));
    }
    TRY(json_set_text(json, "run", frame.run));
    TRY(json_set(json, "receipt", json_incref(opening.report)));
    if (out != NULL) {
        TRY(json_set_text(json, "file", text_of(out)));
    } else if (invocation->screen.json) {
        TRY(json_set_text(json, "csv", text_of_bytes(frame.csv)));
    }
    return screen_json(&invocation->screen, json);
}

static const struct option open_options[] = {
    {"out", 'o', "FILE", "where to write the table (default standard output)", false},
    {"format", 'f', "FORMAT", "csv (default), jsonl, parquet or arrow", false},
    {"receipt", 0, "FILE", "the receipt of a result in a file", false},
    {"save-receipt", 0, "FILE", "keep the receipt, to verify it again or to hand it on", false},
    {"save-result", 0, "FILE", "keep the encrypted result as the host has it", false},
    {"trust", 't', "TRUST.json", "a trust file instead of your address book and connections", false},
    {"accept-simulated", 0, NULL, "accept a receipt of a simulated TEE, which isolates nothing", false},
    {0}};

const struct command command_result[] = {
    {"result", "open", "verify a result's receipt, then decrypt the result", "RUN|FILE",
     "Takes result and receipt of a run from the host, or from files. Verifies first that the receipt holds "
     "by your own trust,\n"
     "that it is about this very result, and that contract and request are yours; otherwise it shows "
     "nothing.",
     open_options, 1, 1, run_open},
    {0},
};
