/* The libraries' main paths with each allocation, and each call on a file, failing once. */
#include "nth.h"

#include "attest/release_policy.h"
#include "base/encode.h"
#include "contract/bundle.h"
#include "crypto/test_support.h"
#include "host/queue/queue.h"
#include "host/storage/storage.h"
#include "jose/jwe.h"
#include "privacy/gate.h"
#include "privacy/result_frame.h"
#include "receipt/receipt.h"
#include "receipt/receipt_test_set.h"
#include "seal/footer.h"
#include "seal/stream.h"
#include "service/setup/file.h"
#include "service/state/state.h"

#include <jansson.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 * 1024 * 1024 };

struct inputs {
    struct receipt_set set;
    struct arena arena;
    struct bytes bundle, trust; /* of a receipt */
    json_t *documents;          /* of a run */
    struct bytes contract, manifest, policy, grant, run_request;
    json_t *statement;
    char folder[64];
};

/* ---- Documents ---- */

static struct result take_digest(const struct jws *document, struct digest *out)
{
    *out = document->digest;
    return OK;
}

#define PARSE(kind_, member_)                                                                                \
    static struct result parse_##kind_(void *self, struct digest *out)                                       \
    {                                                                                                        \
        const struct inputs *inputs = self;                                                                  \
        scoped_arena arena;                                                                                  \
        arena_init(&arena, ARENA_BYTES);                                                                     \
        scoped_##kind_ kind = {0};                                                                           \
        TRY(kind_##_parse(&arena, inputs->member_, &kind));                                                  \
        return take_digest(&kind.document, out);                                                             \
    }

PARSE(contract, contract)
PARSE(manifest, manifest)
PARSE(policy, policy)
PARSE(grant, grant)
PARSE(run_request, run_request)

static struct result explain_contract(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_contract contract = {0};
    TRY(contract_parse(&arena, inputs->contract, &contract));
    return contract_explain_digest(&arena, &contract, out);
}

static struct result build_contract(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    scoped_json *payload = NULL;
    scoped_contract contract = {0};
    struct text text;
    arena_init(&arena, ARENA_BYTES);
    TRY(contract_parse(&arena, inputs->contract, &contract));
    TRY(contract_build(&contract, &payload));
    TRY(json_encode_text(&arena, payload, &text));
    *out = digest_of(bytes_of_text(text));
    return OK;
}

static struct result judge_bundle(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct bundle *bundle = calloc(1, sizeof *bundle);
    REQUIRE(bundle != NULL, NO_MEMORY, "test.memory");
    struct result result = bundle_parse(&arena, inputs->documents, bundle);
    if (result_is_ok(result)) {
        result = bundle_verify_unexplained(&arena, bundle);
        *out = bundle->contract.document.digest;
        bundle_release(bundle);
    }
    free(bundle);
    return result;
}

/* ---- Signing and encryption ---- */

static struct result sign_and_verify(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    scoped_buffer text;
    scoped_jws jws = {0};
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&text, ARENA_BYTES);
    scoped_json *payload = json_object();
    TRY(json_set_text(payload, "type", TEXT("test/1")));
    const struct key *key = &inputs->set.keys.signing[TEST_BUREAU];
    TRY(jws_sign(payload, "test+jws", NULL, key, &text));
    TRY(jws_parse(&arena, buffer_view(&text), "test+jws", NULL, &jws));
    TRY(jws_verify(&jws, 0, key));
    return take_digest(&jws, out);
}

static struct result encrypt_and_decrypt(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    scoped_buffer document;
    scoped_buffer plaintext;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&document, ARENA_BYTES);
    buffer_init(&plaintext, ARENA_BYTES);
    const struct test_keys *keys = &inputs->set.keys;
    TRY(jwe_encrypt(&inputs->set.world, "test+jwe", bytes_of_text(RECEIPT_SET_RESULT), keys->result,
                    TEST_PARTIES, &document));
    TRY(jwe_decrypt(&arena, buffer_view(&document), "test+jwe", &keys->result[TEST_INSURER], &plaintext));
    *out = digest_of(buffer_view(&plaintext));
    return OK;
}

static struct result seal_and_open(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    static uint8_t sealed[STREAM_SEGMENT_BYTES];
    static uint8_t opened[STREAM_NEXT_PLAIN_BYTES];
    scoped_secret data_key = {0};
    struct bytes associated = bytes_of_text(TEXT("part"));
    struct bytes plain = bytes_of_text(RECEIPT_SET_RESULT);
    size_t size;
    TRY(secret_random(&inputs->set.world, 32, &data_key));
    {
        scoped_stream_key key = {0};
        scoped_stream stream = {0};
        TRY(stream_key_new(&inputs->set.world, &data_key, associated, &key));
        TRY(stream_open_for_sealing(&key, &stream));
        TRY(stream_seal_segment(&stream, 0, true, plain, sealed, &size));
    }
    scoped_stream_key key = {0};
    scoped_stream stream = {0};
    TRY(stream_key_of(&data_key, associated, (struct bytes){sealed, STREAM_HEADER_BYTES}, &key));
    TRY(stream_open_for_opening(&key, &stream));
    TRY(stream_open_segment(&stream, plain.size, 0, (struct bytes){sealed, size}, opened));
    *out = digest_of((struct bytes){opened, plain.size});
    return OK;
}

/* ---- Receipts: tokens, evidence and everything that a stranger judges ---- */

static struct result judge_receipt(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    scoped_json *report = NULL;
    struct receipt_trust *trust;
    struct text text;
    struct receipt_verification how = {.accept_simulated = true};
    arena_init(&arena, ARENA_BYTES);
    TRY(ARENA_NEW(&arena, struct receipt_trust, &trust));
    TRY(receipt_trust_parse(&arena, inputs->trust, trust));
    TRY(receipt_verify(&arena, inputs->bundle, trust, &how, &report));
    TRY(json_encode_text(&arena, report, &text));
    *out = digest_of(bytes_of_text(text));
    return OK;
}

static struct result sign_receipt(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    scoped_json *envelope = NULL;
    scoped_buffer octets;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&octets, ARENA_BYTES);
    TRY(receipt_sign(&arena, inputs->statement, &inputs->set.receipt, &envelope));
    struct receipt_bundle bundle = {
        .receipt = envelope, .documents = inputs->documents, .evidence = inputs->statement};
    TRY(receipt_bundle_encode(&bundle, &octets));
    *out = (struct digest){{0}};
    return OK;
}

/* ---- Release policies ---- */

static struct result decide_release(void *self, struct digest *out)
{
    (void)self;
    scoped_arena arena;
    scoped_release_policy policy = {0};
    struct bytes octets;
    struct digest contract = {{7}};
    arena_init(&arena, ARENA_BYTES);
    struct release_policy_authority authority = {TEXT("https://authority.invalid"), TEXT("cG9saWN5")};
    struct release_policy_tee tee = {
        .type = TEXT("sim"),
        .measurement = TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                            "202122232425262728292a2b2c2d2e2f")};
    TRY(release_policy_build(&arena, &authority, 1, &tee, 1, &contract, &octets));
    TRY(release_policy_parse(octets, &policy));
    scoped_json *claims = json_object();
    TRY(json_set_text(claims, "x-ms-attestation-type", TEXT("sim")));
    struct release_decision decision = release_policy_evaluate(&policy, authority.issuer, claims);
    REQUIRE(decision.verdict == VERDICT_DENY, INTERNAL, "test.allowed"); /* most claims are missing */
    *out = digest_of(octets);
    return OK;
}

/* ---- Results ---- */

static struct result gate_and_frame(void *self, struct digest *out)
{
    (void)self;
    scoped_arena arena;
    scoped_gate gate = {0};
    scoped_buffer frame;
    struct result_frame parsed;
    struct column columns[2] = {{.name = TEXT("state")}, {.name = TEXT("n")}};
    struct bytes csv;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&frame, ARENA_BYTES);
    TRY(column_type_parse(TEXT("VARCHAR"), &columns[0].type));
    TRY(column_type_parse(TEXT("BIGINT"), &columns[1].type));
    TRY(gate_open(columns, 2, 100, 65536, &gate));
    for (int i = 0; i < 50; i++) {
        struct cell state = {.kind = CELL_TEXT, .text = TEXT("a \"state\", north")};
        struct cell number = {.kind = CELL_NUMBER, .number = i};
        TRY(gate_add_cell(&gate, &state));
        TRY(gate_add_cell(&gate, &number));
    }
    TRY(gate_finish(&gate, &csv));
    struct result_frame written = {
        .columns = columns, .column_count = 2, .run = TEXT("0123456789abcdef0123456789abcdef"), .csv = csv};
    TRY(result_frame_write(&written, &frame));
    TRY(result_frame_parse(&arena, buffer_view(&frame), &parsed));
    *out = digest_of(parsed.csv);
    return OK;
}

static struct result compose_footer(void *self, struct digest *out)
{
    (void)self;
    static const uint8_t element[] = {0x15, 0x04, 0x25, 0x02, 0x18, 0x01, 'n', 0x00};
    static const uint8_t section[] = {3, 0, 0, 0, 0x26, 0x08, 0x00, 0, 0, 0, 0};
    static const uint64_t rows[] = {5};
    scoped_arena arena;
    scoped_buffer footer;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&footer, 1024 * 1024);
    struct footer_column column = {BYTES_OF(element), BYTES_OF(section)};
    TRY(footer_compose(&column, 1, rows, 1, &arena, &footer));
    *out = digest_of(buffer_view(&footer));
    return OK;
}

/* ---- Stores: what was there before a failure is there after it, and nothing else ---- */

static const char *path_in(const struct inputs *inputs, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", inputs->folder, name);
    return path;
}

static struct result use_state(struct state *state, struct digest *out)
{
    {
        scoped_state_transaction transaction = {0};
        scoped_json *first = json_object();
        scoped_json *second = json_object();
        TRY(json_set_text(first, "half", TEXT("one")));
        TRY(json_set_text(second, "half", TEXT("two")));
        TRY(state_begin(state, &transaction));
        TRY(state_put_json(&transaction, "half", TEXT("one"), first));
        TRY(state_put_json(&transaction, "half", TEXT("two"), second));
        TRY(state_commit(&transaction));
    }
    scoped_state_transaction transaction = {0};
    scoped_json *value = NULL;
    scoped_arena arena;
    struct text names[4];
    size_t count;
    arena_init(&arena, 65536);
    TRY(state_begin(state, &transaction));
    TRY(state_list(&transaction, &arena, "half", (struct text){0}, (struct text){0}, 4, names, &count));
    REQUIRE(count == 2, INTERNAL, "test.half");
    TRY(state_get_json(&transaction, "half", TEXT("two"), &value));
    *out = digest_of(bytes_of_text(names[1]));
    return OK;
}

static struct result open_and_use_state(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_secret master_key = {0};
    uint8_t octets[32] = {1};
    struct state *state;
    TRY(secret_from(BYTES_OF(octets), &master_key));
    TRY(state_open(text_of(path_in(inputs, "state.db")), &master_key, &inputs->set.world, &state));
    struct result result = use_state(state, out);
    state_close(state);
    return result;
}

static struct result use_queue(struct queue *queue, struct digest *out)
{
    static int runs;
    struct queue_job job = {.contract = "c",
                            .request = "r",
                            .query = "q",
                            .querier = "z",
                            .tee = "sim:aa",
                            .not_after_ms = INT64_MAX,
                            .seconds = 1};
    struct queue_room room = {"room-1", "sim:aa", "instance"};
    struct queue_job found;
    bool is_new;
    snprintf(job.run, sizeof job.run, "%032x", ++runs);
    TRY(queue_add(queue, &job, 1, &is_new));
    TRY(queue_claim(queue, &room, 2, &found));
    TRY(queue_progress(queue, found.run, "room-1", "step", 1, 2));
    TRY(queue_renew(queue, found.run, "room-1", 3));
    TRY(queue_finish(queue, found.run, "room-1", QUEUE_DONE, "", 4));
    TRY(queue_find(queue, found.run, &found));
    REQUIRE(found.state == QUEUE_DONE && strcmp(found.query, "q") == 0 && strcmp(found.querier, "z") == 0,
            INTERNAL, "test.job");
    TRY(queue_sweep(queue, 5));
    TRY(queue_verify(queue));
    *out = digest_of(bytes_of_text(text_of(found.query)));
    return OK;
}

static struct result open_and_use_queue(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    struct queue_settings settings = {.lease_ms = 1000, .attempts_max = 3, .open_max = 100000};
    struct queue queue;
    TRY(queue_open(path_in(inputs, "queue.sqlite"), &settings, &queue));
    struct result result = queue_return_all(&queue);
    if (result_is_ok(result)) {
        result = use_queue(&queue, out);
    }
    queue_close(&queue);
    return result;
}

static struct result put_and_get(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    struct storage storage;
    struct storage_path path;
    scoped_buffer octets;
    bool is_new;
    buffer_init(&octets, 1024 * 1024);
    TRY(storage_open(path_in(inputs, "storage"), 1 << 20, storage_disk_of_system(), &storage));
    struct result result = storage_path_receipt(TEXT("0123456789abcdef0123456789abcdef"), &path);
    if (result_is_ok(result)) {
        result = storage_put(&storage, &path, bytes_of_text(RECEIPT_SET_RESULT), STORAGE_REPLACE, &is_new);
    }
    if (result_is_ok(result)) {
        result = storage_put(&storage, &path, bytes_of_text(TEXT("another")), STORAGE_REPLACE, &is_new);
    }
    if (result_is_ok(result)) {
        result = storage_get(&storage, &path, &octets);
        *out = digest_of(buffer_view(&octets));
    }
    storage_close(&storage);
    return result;
}

static struct result write_and_read(void *self, struct digest *out)
{
    const struct inputs *inputs = self;
    scoped_arena arena;
    struct bytes octets;
    arena_init(&arena, 65536);
    struct text path = text_of(path_in(inputs, "file.json"));
    scoped_json *value = json_object();
    TRY(json_set_text(value, "type", TEXT("test/1")));
    TRY(file_write_json(path, value));
    TRY(file_read(&arena, path, &octets));
    *out = digest_of(octets);
    return OK;
}

/* ---- The table ---- */

static const struct {
    const char *name;
    struct result (*run)(void *self, struct digest *out);
    bool is_random;
    bool has_files;
} bodies[] = {
    {"contract", parse_contract, false, false},
    {"contract explained", explain_contract, false, false},
    {"contract built", build_contract, false, false},
    {"manifest", parse_manifest, false, false},
    {"policy", parse_policy, false, false},
    {"grant", parse_grant, false, false},
    {"run request", parse_run_request, false, false},
    {"bundle judged", judge_bundle, false, false},
    {"signature", sign_and_verify, false, false},
    {"encryption", encrypt_and_decrypt, false, false},
    {"sealed stream", seal_and_open, false, false},
    {"receipt judged", judge_receipt, false, false},
    {"receipt signed", sign_receipt, true, false},
    {"release policy", decide_release, false, false},
    {"gate and result frame", gate_and_frame, false, false},
    {"footer", compose_footer, false, false},
    {"state", open_and_use_state, false, true},
    {"queue", open_and_use_queue, false, true},
    {"storage", put_and_get, false, true},
    {"service file", write_and_read, false, true},
};

static struct inputs inputs;

static void exhaust(void **state)
{
    size_t index = (size_t)(uintptr_t)*state / 2;
    enum nth_request request = (uintptr_t)*state % 2 == 0 ? NTH_ALLOCATION : NTH_FILE;
    struct nth_body body = {bodies[index].name, request, bodies[index].run, &inputs, bodies[index].is_random};
    nth_exhaust(&body);
}

static void encode(const json_t *value, struct bytes *out)
{
    struct text text;
    assert_ok(json_encode_text(&inputs.arena, value, &text));
    *out = bytes_of_text(text);
}

static int set_up(void **state)
{
    (void)state;
    static const struct receipt_change unchanged = {0};
    static const struct test_change same = {0};
    arena_init(&inputs.arena, ARENA_BYTES);
    receipt_set_init(&inputs.set);
    receipt_set_make(&inputs.arena, &inputs.set, &unchanged, &inputs.bundle, &inputs.trust);
    inputs.documents = test_set_make(&inputs.arena, &inputs.set.keys, &same);
    encode(json_object_get(inputs.documents, "contract"), &inputs.contract);
    encode(json_object_get(inputs.documents, "run_request"), &inputs.run_request);
    encode(json_array_get(json_object_get(inputs.documents, "manifests"), 0), &inputs.manifest);
    encode(json_array_get(json_object_get(inputs.documents, "policies"), 0), &inputs.policy);
    encode(json_array_get(json_object_get(inputs.documents, "grants"), 0), &inputs.grant);
    inputs.statement = json_pack("{s:s}", "_type", "https://in-toto.io/Statement/v1");
    snprintf(inputs.folder, sizeof inputs.folder, "/tmp/truce-nth-XXXXXX");
    assert_non_null(mkdtemp(inputs.folder));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    json_decref(inputs.documents);
    json_decref(inputs.statement);
    receipt_set_release(&inputs.set);
    arena_release(&inputs.arena);
    snprintf(command, sizeof command, "rm -rf %s", inputs.folder);
    return system(command);
}

int main(void)
{
    enum { COUNT = sizeof bodies / sizeof *bodies };
    cmocka_set_test_filter(getenv("TRUCE_TEST"));
    struct CMUnitTest tests[COUNT * 2];
    static char names[COUNT * 2][64];
    size_t count = 0;
    nth_install();
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t request = 0; request <= (bodies[i].has_files ? 1u : 0u); request++) {
            snprintf(names[count], sizeof names[count], "%s: each %s fails once", bodies[i].name,
                     request == 0 ? "allocation" : "call on a file");
            tests[count] =
                (struct CMUnitTest){names[count], exhaust, NULL, NULL, (void *)(uintptr_t)(i * 2 + request)};
            count++;
        }
    }
    return _cmocka_run_group_tests("nth", tests, count, set_up, tear_down);
}
