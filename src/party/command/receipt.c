#include "base/encode.h"
#include "party/command/table.h"
#include "party/home/file.h"
#include "party/trust/trust_file.h"
#include "receipt/verify.h"

/* The statement without any judgement. */
static fallible read_statement(struct invocation *invocation, struct bytes untrusted_bundle, json_t **out)
{
    scoped_json *bundle = NULL;
    json_t *receipt;
    struct text payload;
    struct bytes statement;
    TRY(json_decode(untrusted_bundle, &bundle));
    TRY(json_get_object(bundle, "receipt", &receipt));
    TRY(json_get_text(receipt, "payload", &payload));
    TRY(decode_base64(invocation->arena, payload, &statement));
    return json_decode(statement, out);
}

static const char *text_in(struct invocation *invocation, const json_t *object, const char *name)
{
    struct text text;
    return result_is_ok(json_get_text(object, name, &text)) ? screen_safe(invocation->arena, text) : "?";
}

static void print_inputs(struct invocation *invocation, const json_t *predicate)
{
    const json_t *inputs = json_object_get(predicate, "inputs");
    const json_t *rules = json_object_get(json_object_get(predicate, "decision"), "rules");
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const json_t *row = json_array_get(inputs, i);
        screen_line(&invocation->screen, "input     %s %s", text_in(invocation, row, "dataset"),
                    text_in(invocation, row, "manifest"));
    }
    for (size_t i = 0; i < json_array_size(rules); i++) {
        struct text rule;
        if (result_is_ok(json_text(json_array_get(rules, i), &rule))) {
            screen_line(&invocation->screen, "rule      %s", screen_safe(invocation->arena, rule));
        }
    }
}

static void print_statement(struct invocation *invocation, const json_t *statement)
{
    const json_t *predicate = json_object_get(statement, "predicate");
    const json_t *query = json_object_get(predicate, "query");
    const json_t *code = json_object_get(predicate, "code");
    const json_t *subject = json_array_get(json_object_get(statement, "subject"), 0);
    screen_line(&invocation->screen,
                "run       %s\ncontract  %s\nquery     %s, asked by %s\nresult    sha256:%s\ncode      %s "
                "%s\nreleased  %s",
                text_in(invocation, predicate, "run"), text_in(invocation, predicate, "contract"),
                text_in(invocation, query, "name"), text_in(invocation, query, "querier"),
                text_in(invocation, json_object_get(subject, "digest"), "sha256"),
                text_in(invocation, code, "type"), text_in(invocation, code, "measurement"),
                text_in(invocation, json_object_get(predicate, "time"), "released"));
    print_inputs(invocation, predicate);
}

static fallible run_show(struct invocation *invocation)
{
    struct bytes bundle;
    scoped_json *statement = NULL;
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &bundle));
    TRY(read_statement(invocation, bundle, &statement));
    screen_note(&invocation->screen,
                "Not verified; this is what it claims. Verify: truce receipt verify FILE --trust TRUST.json");
    print_statement(invocation, statement);
    return screen_json(&invocation->screen, statement);
}

static fallible take_digest(struct invocation *invocation, const char *option, struct digest *storage,
                            const struct digest **out)
{
    struct bytes bytes;
    const char *path = option_value(&invocation->options, option);
    *out = NULL;
    if (path != NULL) {
        TRY(file_read(invocation->arena, path, &bytes));
        *storage = digest_of(bytes);
        *out = storage;
    }
    return OK;
}

static fallible run_verify(struct invocation *invocation)
{
    struct bytes bundle;
    struct bytes trust_bytes;
    struct receipt_trust *trust;
    struct receipt_verification how = {.accept_simulated =
                                           option_given(&invocation->options, "accept-simulated")};
    struct digest result;
    scoped_json *report = NULL;
    json_t *statement;
    json_t *relied_on;
    const char *path = option_value(&invocation->options, "trust");
    if (path == NULL) {
        return invocation_usage(
            invocation, "--trust TRUST.json is needed: your own trust, never the bundle's. Make it: truce "
                        "receipt trust -o TRUST.json");
    }
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &bundle));
    TRY(file_read(invocation->arena, path, &trust_bytes));
    TRY(take_digest(invocation, "result", &result, &how.result));
    TRY(ARENA_NEW(invocation->arena, struct receipt_trust, &trust));
    TRY(receipt_trust_parse(invocation->arena, trust_bytes, trust));
    TRY(receipt_verify(invocation->arena, bundle, trust, &how, &report));
    TRY(json_get_object(report, "statement", &statement));
    TRY(json_get_array(report, "relied_on", &relied_on));
    screen_line(&invocation->screen, "The receipt verifies.%s",
                how.result != NULL ? " It is about this very result." : "");
    print_statement(invocation, statement);
    screen_line(&invocation->screen, "\nThis relies on:");
    for (size_t i = 0; i < json_array_size(relied_on); i++) {
        struct text text;
        TRY(json_text(json_array_get(relied_on, i), &text));
        screen_line(&invocation->screen, "  %s", screen_safe(invocation->arena, text));
    }
    return screen_json(&invocation->screen, report);
}

static fallible run_trust(struct invocation *invocation)
{
    struct own_party party;
    scoped_json *trust = NULL;
    struct text text;
    const char *out = option_value(&invocation->options, "out");
    TRY(invocation_party(invocation, &party));
    TRY(trust_file_build(invocation->arena, party.folder, &trust));
    TRY(json_encode_text(invocation->arena, trust, &text));
    if (out == NULL) {
        screen_text(&invocation->screen, text);
        return screen_json(&invocation->screen, trust);
    }
    TRY(file_write(out, bytes_of_text(text), FILE_PUBLIC));
    screen_line(&invocation->screen, "%s: what %s trusts", out, party.name);
    return screen_json(&invocation->screen, trust);
}

static const struct option no_options[] = {{0}};
static const struct option verify_options[] = {
    {"trust", 't', "TRUST.json", "whom and what you trust; never taken from the bundle", false},
    {"result", 'r', "FILE", "the encrypted result: the receipt must be about it", false},
    {"accept-simulated", 0, NULL, "accept a simulated TEE, which isolates nothing", false},
    {0}};
static const struct option trust_options[] = {
    {"out", 'o', "FILE", "where to write (default standard output)", false}, {0}};

const struct command command_receipt[] = {
    {"receipt", "show", "print what a receipt claims, without verifying it", "FILE", NULL, no_options, 1, 1,
     run_show},
    {"receipt", "verify", "judge a receipt again, offline", "FILE",
     "Judges evidence, tokens, signatures and digests of the bundle by the trust file and nothing else, "
     "names the first\n"
     "thing that fails, and lists the trust that the verdict rests on.",
     verify_options, 1, 1, run_verify},
    {"receipt", "trust", "write a trust file from your address book and connections", "", NULL, trust_options,
     0, 0, run_trust},
    {0},
};
