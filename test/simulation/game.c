#include "game.h"

#include "attest/runtime_data.h"
#include "base/encode.h"
#include "breaks.h"
#include "chance.h"
#include "engine.h"
#include "host/courier/courier.h"
#include "jose/jwe.h"
#include "privacy/result_frame.h"
#include "receipt/verify.h"
#include "rooms.h"
#include "service/setup/file.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    OPENED_AT_THE_END = 6,
    STEPS = 40,
    REQUESTS_MAX = 64,
    HISTORY_MAX = 400,
    ENDS_MAX = 64,
    LINES = 60,
    LINE_CHARS = 160,
    NEEDLES_MAX = 32,
    ARENA_BYTES = 512 << 20,
};

struct request {
    json_t *document;
    struct digest digest;
    bool is_allowed;
    int executions;
    int receipts;
};

/* Something that passed the host once, to be replayed. */
struct passed {
    enum message_kind kind;
    struct bytes payload;
};

/* How a job ended: a result and its receipt. */
struct end {
    size_t request;
    struct bytes result;
    struct bytes receipt;
};

struct game {
    struct setting *setting;
    uint64_t seed;
    struct arena arena;
    struct seat seats[ROOMS];
    struct connections connections;
    struct courier courier;
    struct courier_session session;
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    struct passed history[HISTORY_MAX];
    size_t history_count;
    struct end ends[ENDS_MAX];
    size_t end_count;
    bool is_once; /* at least one owner's vault releases once per run request */
    bool is_disabled[OWNERS];
    struct bytes needles[NEEDLES_MAX];
    size_t needle_count;
    struct receipt_trust trust;
    bool print;
    char lines[LINES][LINE_CHARS];
    size_t line_count;
    uint64_t trace;
    struct game_outcome *out;
};

static struct game *playing; /* for the callbacks that have no place for it */

/* ---- What is written down, and what must hold ---- */

static uint64_t short_digest(struct bytes octets)
{
    struct digest digest = digest_of(octets);
    uint64_t value;
    memcpy(&value, digest.octets, sizeof value);
    return value;
}

static void note(struct game *game, const char *what, const char *name, uint64_t number, struct bytes octets)
{
    char *line = game->lines[game->line_count % LINES];
    snprintf(line, LINE_CHARS, "%4zu %-10s %-18s %3llu %6zu %016llx", game->line_count, what, name,
             (unsigned long long)number, octets.size, (unsigned long long)short_digest(octets));
    game->line_count++;
    game->trace = (game->trace ^ short_digest(bytes_of_text(text_of(line)))) * 0x100000001b3;
    if (game->print) {
        printf("%s\n", line);
    }
}

static void breaks(struct game *game, const char *invariant, const char *where)
{
    if (game->out->holds) {
        snprintf(game->out->broken, sizeof game->out->broken, "%s (%s)", invariant, where);
        game->out->holds = false;
    }
}

static void look_for_secrets(struct game *game, const char *where, struct bytes octets)
{
    for (size_t i = 0; i < game->needle_count; i++) {
        if (octets.size > 0 &&
            memmem(octets.data, octets.size, game->needles[i].data, game->needles[i].size) != NULL) {
            breaks(game, "no canary at the host", where);
        }
    }
}

static void see_wire(const char *what, struct bytes octets)
{
    look_for_secrets(playing, what, octets);
}

/* As it is, and as each of the three ways in which base64 may cut it. */
static void add_needle(struct game *game, struct bytes secret)
{
    game->needles[game->needle_count++] = secret;
    for (size_t cut = 0; cut < 3; cut++) {
        struct text text;
        size_t size = (secret.size - cut) / 3 * 3;
        MUST(encode_base64url(&game->arena, (struct bytes){secret.data + cut, size}, &text));
        game->needles[game->needle_count++] = bytes_of_text(text);
    }
    ASSERT(game->needle_count <= NEEDLES_MAX - 4);
}

static void run_started(void)
{
    struct seat *seat = seat_of_thread();
    struct game *game = playing;
    game->out->executions++;
    for (size_t i = 0; i < game->request_count; i++) {
        struct request *request = &game->requests[i];
        if (!digest_equal(&request->digest, &seat->given)) {
            continue;
        }
        request->executions++;
        if (!request->is_allowed) {
            breaks(game, "denied stays denied", "a run request that may not run");
        }
        if (game->is_once && request->executions > 1) {
            breaks(game, "every run request at most one execution", "engine");
        }
        return;
    }
    breaks(game, "denied stays denied", "a run request that nobody made");
}

/* ---- Parties ---- */

static void add_request(struct game *game, const char *querier, const struct key *key, const char *recipient,
                        int64_t seconds, bool is_allowed)
{
    uint8_t octets[16];
    struct text run;
    struct bytes payload;
    if (game->request_count == REQUESTS_MAX) {
        return;
    }
    MUST(world_random(&game->setting->world, octets, sizeof octets));
    MUST(encode_hex(&game->arena, BYTES_OF(octets), &run));
    struct request *request = &game->requests[game->request_count++];
    *request = (struct request){.is_allowed = is_allowed};
    request->document = setting_request(game->setting, &game->arena, querier, key, run.data, recipient,
                                        world_now(&game->setting->world) + seconds);
    MUST(json_get_base64url(&game->arena, request->document, "payload", &payload));
    request->digest = digest_of(payload);
    note(game, "ask", querier, is_allowed, payload);
}

static void ask(struct game *game)
{
    struct setting *setting = game->setting;
    const struct key *analyst = &setting->signing[PARTY_ANALYST];
    switch (chance_below(8)) {
    case 0: /* signed by a stranger */
        add_request(game, "analyst", &setting->stranger, "analyst", 86400, false);
        break;
    case 1: /* a party that may not ask */
        add_request(game, "insurer", &setting->signing[PARTY_INSURER], "analyst", 86400, false);
        break;
    case 2: /* to a party that may not receive */
        add_request(game, "analyst", analyst, "bureau", 86400, false);
        break;
    case 3: /* over before it is asked */
        add_request(game, "analyst", analyst, "analyst", -7200, false);
        break;
    default:
        add_request(game, "analyst", analyst, "analyst", 40 * 86400, true);
    }
}

/* What a recipient does with a result: nothing is shown unless the receipt is about it and about this
 * request. */
static bool open_result(struct game *game, const struct request *request, struct bytes result,
                        struct bytes receipt)
{
    struct digest digest = digest_of(result);
    struct receipt_verification how = {
        .accept_simulated = true, .result = &digest, .run_request = &request->digest};
    scoped_json *report = NULL;
    scoped_arena arena;
    scoped_buffer plain = {0};
    struct result_frame frame;
    arena_init(&arena, 64 << 20);
    if (!result_is_ok(receipt_verify(&arena, receipt, &game->trust, &how, &report))) {
        return false;
    }
    buffer_init(&plain, 64 << 20);
    struct result opened =
        jwe_decrypt(&arena, result, RESULT_TYP, &game->setting->result[PARTY_ANALYST], &plain);
    if (!result_is_ok(opened)) {
        return false;
    }
    opened = result_frame_parse(&arena, buffer_view(&plain), &frame);
    char want[128];
    snprintf(want, sizeof want, "answer,hits\n%s,%d\n", ENGINE_ANSWER, ENGINE_HITS);
    bool is_answer = result_is_ok(opened) && text_ends_with(text_of_bytes(frame.csv), text_of(want));
    if (!is_answer) {
        breaks(game, "a result that opens is the answer", "party");
    }
    return true;
}

/* Flips a bit, but not in a certificate: what counts is the key within, which is pinned, and not who signed
 * it. */
static void damage(struct bytes document)
{
    size_t at = chance_below(document.size);
    const uint8_t *begin = document.data;
    while ((begin = memmem(begin, (size_t)(document.data + document.size - begin), "x5c", 3)) != NULL) {
        const uint8_t *end = memchr(begin, ']', (size_t)(document.data + document.size - begin));
        if (end == NULL || (document.data + at >= begin && document.data + at <= end)) {
            at = 0;
            break;
        }
        begin = end;
    }
    ((uint8_t *)(uintptr_t)document.data)[at] ^= 1;
}

static void open_some(struct game *game)
{
    if (game->end_count == 0) {
        return;
    }
    const struct end *left = &game->ends[chance_below(game->end_count)];
    const struct end *right = &game->ends[chance_below(game->end_count)];
    const struct end *asked = &game->ends[chance_below(game->end_count)];
    struct bytes result;
    struct bytes receipt;
    MUST(arena_copy(&game->arena, left->result, &result));
    MUST(arena_copy(&game->arena, right->receipt, &receipt));
    bool is_damaged = chance_is(30);
    if (is_damaged) {
        damage(chance_is(50) ? result : receipt);
    }
    bool is_its_own = left == right && asked->request == left->request && !is_damaged;
    bool opens = open_result(game, &game->requests[asked->request], result, receipt);
    note(game, "open", opens ? "opened" : "refused", is_its_own, result);
    game->out->opened += opens;
    if (opens && !is_its_own) {
        breaks(game, "no result without receipt", "a party opened a result under another receipt");
    }
    if (!opens && is_its_own) {
        breaks(game, "a finished job has a receipt", "its own receipt is refused");
    }
}

static void disable(struct game *game)
{
    size_t owner = chance_below(OWNERS);
    if (!game->is_disabled[owner]) {
        wire_set_faults((struct wire_faults){0});
        setting_disable(game->setting, owner);
        game->is_disabled[owner] = true;
        note(game, "disable", game->setting->owners[owner].name, owner, (struct bytes){0});
    }
}

/* ---- The host ---- */

static void keep(struct game *game, enum message_kind kind, struct bytes payload)
{
    struct passed *passed = &game->history[game->history_count % HISTORY_MAX];
    passed->kind = kind;
    MUST(arena_copy(&game->arena, payload, &passed->payload));
    game->history_count++;
}

/* Any earlier payload of the kind, or NULL. */
static const struct passed *recall(struct game *game, enum message_kind kind)
{
    size_t count = game->history_count < HISTORY_MAX ? game->history_count : HISTORY_MAX;
    size_t start = count > 0 ? chance_below(count) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct passed *passed = &game->history[(start + i) % count];
        if (passed->kind == kind) {
            return passed;
        }
    }
    return NULL;
}

static void faults_of_the_wire(bool honest)
{
    struct wire_faults faults = {.lost = 8, .answerless = 5, .doubled = 5, .damaged = 3};
    wire_set_faults(honest || chance_is(50) ? (struct wire_faults){0} : faults);
}

static size_t owner_of(const struct game *game, struct bytes release_request)
{
    scoped_json *json = NULL;
    struct text party;
    MUST(json_decode(release_request, &json));
    MUST(json_get_text(json, "party", &party));
    return text_is(party, game->setting->owners[1].name) ? 1 : 0;
}

static fallible release(struct game *game, struct bytes request, struct buffer *out)
{
    struct result result = courier_release(&game->session, request, out);
    if (result_is_ok(result) && game->is_disabled[owner_of(game, request)]) {
        breaks(game, "denied stays denied", "a disabled key was released");
    }
    game->out->refused_releases += !result_is_ok(result);
    note(game, "vault", result.why, owner_of(game, request), buffer_view(out));
    return result;
}

static fallible fetch_data(struct game *game, enum message_kind kind, struct bytes request,
                           struct buffer *out)
{
    scoped_json *json = NULL;
    struct text dataset;
    uint64_t first = 0;
    uint64_t count = 0;
    TRY(json_decode(request, &json));
    TRY(json_get_text(json, "dataset", &dataset));
    const struct setting_owner *owner =
        &game->setting->owners[text_is(dataset, game->setting->owners[1].dataset)];
    if (kind == MESSAGE_leaves_request) {
        return buffer_add(out, buffer_view(&owner->leaves));
    }
    TRY(json_get_u64(json, "first", 1000, &first));
    TRY(json_get_u64(json, "count", 1000, &count));
    return buffer_add(out, bytes_slice(buffer_view(&owner->ciphertext), first * STREAM_SEGMENT_BYTES,
                                       count * STREAM_SEGMENT_BYTES));
}

static fallible serve_request(struct game *game, struct seat *seat, struct buffer *out,
                              enum message_kind *out_kind)
{
    struct bytes request = buffer_view(&seat->payload);
    switch (seat->kind) {
    case MESSAGE_token_request:
        *out_kind = MESSAGE_token;
        return courier_fetch_token(&game->session, request, out);
    case MESSAGE_release_request:
        *out_kind = MESSAGE_release;
        return release(game, request, out);
    case MESSAGE_leaves_request:
        *out_kind = MESSAGE_leaves;
        return fetch_data(game, seat->kind, request, out);
    default:
        *out_kind = MESSAGE_segments;
        return fetch_data(game, seat->kind, request, out);
    }
}

static void lose(struct game *game, struct seat *seat)
{
    note(game, "room", "ended", seat->number, (struct bytes){0});
    seat_stop(seat);
}

static void take_end(struct game *game, struct seat *seat, struct bytes result, struct bytes receipt)
{
    for (size_t i = 0; i < game->request_count; i++) {
        struct request *request = &game->requests[i];
        if (digest_equal(&request->digest, &seat->given) && game->end_count < ENDS_MAX) {
            struct end *end = &game->ends[game->end_count++];
            end->request = i;
            MUST(arena_copy(&game->arena, result, &end->result));
            MUST(arena_copy(&game->arena, receipt, &end->receipt));
            request->receipts++;
            if (game->is_once && request->receipts > 1) {
                breaks(game, "every finished job has exactly one receipt", "a second receipt");
            }
        }
    }
}

/* Listens to a room until it asks for something, has ended its job, or is gone. */
static void listen_to(struct game *game, struct seat *seat)
{
    scoped_buffer payload;
    scoped_buffer result;
    bool has_result = false;
    buffer_init(&payload, 64 << 20);
    buffer_init(&result, 64 << 20);
    for (;;) {
        struct message_header header;
        if (!seat_receive(seat, &header, &payload)) {
            if (has_result) {
                breaks(game, "no result without receipt", "a room sent a result and ended");
            }
            lose(game, seat);
            return;
        }
        note(game, "room", message_name(header.kind), seat->number, buffer_view(&payload));
        if (game->print && header.kind == MESSAGE_refused) {
            printf("     %.*s\n", (int)payload.size, (const char *)payload.data);
        }
        look_for_secrets(game, message_name(header.kind), buffer_view(&payload));
        if (message_is_request(header.kind)) {
            seat->state = SEAT_ASKING;
            seat->kind = header.kind;
            seat->exchange = header.exchange;
            buffer_clear(&seat->payload);
            MUST(buffer_add(&seat->payload, buffer_view(&payload)));
            keep(game, header.kind, buffer_view(&payload));
            return;
        }
        if (header.kind == MESSAGE_result) {
            has_result = true;
            MUST(buffer_add(&result, buffer_view(&payload)));
            continue;
        }
        if (header.kind == MESSAGE_receipt) {
            if (!has_result) {
                breaks(game, "every finished job has exactly one receipt", "a receipt without a result");
            }
            take_end(game, seat, buffer_view(&result), buffer_view(&payload));
        }
        if (header.kind == MESSAGE_receipt || header.kind == MESSAGE_refused ||
            header.kind == MESSAGE_failed) {
            seat->state = SEAT_IDLE;
            return;
        }
        if (header.kind == MESSAGE_ready) {
            return;
        }
    }
}

static void answer_honestly(struct game *game, struct seat *seat, bool honest)
{
    scoped_buffer reply;
    enum message_kind kind;
    buffer_init(&reply, 64 << 20);
    faults_of_the_wire(honest);
    struct result result = serve_request(game, seat, &reply, &kind);
    if (!result_is_ok(result)) {
        buffer_clear(&reply);
        MUST(buffer_add_text(&reply, TEXT("{\"reason\":\"courier\"}")));
        kind = MESSAGE_unavailable;
    }
    note(game, "answer", result.why, seat->number, buffer_view(&reply));
    keep(game, kind, buffer_view(&reply));
    seat_send(seat, kind, seat->exchange, buffer_view(&reply));
}

static enum message_kind reply_to(enum message_kind request)
{
    return request + 1; /* the table: each reply follows its request */
}

static void answer_falsely(struct game *game, struct seat *seat)
{
    const struct passed *old = recall(game, chance_is(80) ? reply_to(seat->kind) : MESSAGE_token);
    scoped_buffer reply;
    buffer_init(&reply, 64 << 20);
    enum message_kind kind = reply_to(seat->kind);
    if (old != NULL) {
        kind = old->kind;
        MUST(buffer_add(&reply, old->payload));
    }
    if (reply.size > 0 && chance_is(40)) {
        reply.data[chance_below(reply.size)] ^= (uint8_t)(1 + chance_below(255));
    }
    uint64_t exchange = seat->exchange + (chance_is(10) ? chance_below(5) : 0);
    note(game, "falsely", message_name(kind), seat->number, buffer_view(&reply));
    if (chance_is(10)) { /* cut in the middle, and the pipe with it */
        scoped_buffer frame;
        buffer_init(&frame, 65 << 20);
        MUST(message_encode(kind, exchange, buffer_view(&reply), &frame));
        seat_send_raw(seat, bytes_slice(buffer_view(&frame), 0, chance_below(frame.size)));
        shutdown(seat->socket, SHUT_WR);
        return;
    }
    seat_send(seat, kind, exchange, buffer_view(&reply));
    if (chance_is(10)) {
        seat_send(seat, kind, exchange, buffer_view(&reply));
    }
}

static void answer(struct game *game, struct seat *seat, bool honest)
{
    if (honest || chance_is(85)) {
        answer_honestly(game, seat, honest);
    } else {
        answer_falsely(game, seat);
    }
    seat->state = SEAT_IDLE;
    listen_to(game, seat);
}

static json_t *dossier(struct game *game, const json_t *request)
{
    const struct setting_owner *owners = game->setting->owners;
    return json_pack("{s:O,s:[O,O],s:[O,O],s:[O,O],s:O}", "contract", game->setting->contract, "grants",
                     owners[0].grant, owners[1].grant, "manifests", owners[0].manifest, owners[1].manifest,
                     "policies", owners[0].policy, owners[1].policy, "run_request", request);
}

static void damage_dossier(struct game *game, json_t *documents)
{
    static const char *const lists[] = {"grants", "manifests", "policies"};
    const char *list = lists[chance_below(3)];
    json_t *array = json_deep_copy(json_object_get(documents, list));
    switch (chance_below(3)) {
    case 0:
        json_array_remove(array, chance_below(2));
        break;
    case 1:
        json_array_set(array, 0, json_array_get(array, 1));
        break;
    default:
        json_array_set(array, chance_below(2), game->requests[0].document);
    }
    json_object_set_new(documents, list, array);
}

static void give_job(struct game *game, struct seat *seat, size_t number, bool honest)
{
    const struct request *request = &game->requests[number];
    scoped_json *documents = dossier(game, request->document);
    struct text text;
    if (!honest && chance_is(10)) {
        damage_dossier(game, documents);
    }
    MUST(json_encode_text(&game->arena, documents, &text));
    if (!honest && chance_is(8)) {
        ((char *)(uintptr_t)text.data)[chance_below(text.size)] ^= 1;
    }
    seat->given = request->digest;
    game->out->runs++;
    engine_fail_next(!honest && chance_is(8));
    note(game, "job", request->is_allowed ? "allowed" : "denied", number, bytes_of_text(text));
    seat_send(seat, MESSAGE_job, 0, bytes_of_text(text));
    listen_to(game, seat);
}

/* The host's own code in the TEE: real evidence, another measurement. It gets tokens, and must get no key. */
static void try_rogue_code(struct game *game)
{
    struct setting *setting = game->setting;
    scoped_key wrap = {0};
    scoped_key sign = {0};
    scoped_buffer token;
    scoped_buffer value;
    struct request *request = &game->requests[chance_below(game->request_count)];
    struct runtime_data runtime = {
        .purpose = RUNTIME_RUN, .contract = setting->contract_digest, .run_request = request->digest};
    struct bytes octets;
    struct evidence evidence;
    uint8_t report_data[RUNTIME_REPORT_DATA_BYTES];
    json_t *evidence_json;
    buffer_init(&token, 1 << 20);
    buffer_init(&value, 1 << 20);
    MUST(key_from_pkcs8(&setting->spare[SPARE_KEYS - 1], &wrap));
    MUST(key_generate(KEY_EC_P256, 0, &sign));
    MUST(key_share(&wrap, &runtime.encryption_key));
    MUST(key_share(&sign, &runtime.receipt_key));
    MUST(runtime_data_build(&game->arena, &runtime, &octets));
    runtime_data_bind(octets, report_data);
    MUST(sim_chip_collect(&setting->rogue, &game->arena, report_data, &evidence));
    MUST(evidence_to_json(&evidence, &evidence_json));
    scoped_json *ask_token = json_pack("{s:s,s:s,s:o,s:s}", "party", "bureau", "issuer", ATTEST_URL,
                                       "evidence", evidence_json, "nonce", "AAAA");
    struct text text;
    MUST(json_set_base64url(ask_token, "runtime_data", octets));
    MUST(json_encode_text(&game->arena, ask_token, &text));
    runtime_data_release(&runtime);
    wire_set_faults((struct wire_faults){0});
    MUST(courier_fetch_token(&game->session, bytes_of_text(text), &token));
    const struct setting_owner *owner = &setting->owners[chance_below(OWNERS)];
    scoped_json *answered = NULL;
    MUST(json_decode(buffer_view(&token), &answered));
    scoped_json *ask_key =
        json_pack("{s:s,s:s,s:s,s:s%,s:O,s:s,s:s}", "party", owner->name, "vault", owner->vault_url, "key",
                  "release", "version", TEXT_SIZED(owner->key_version), "token",
                  json_object_get(answered, "token"), "nonce", "AAAA", "enc", "RSA_AES_KEY_WRAP_256");
    MUST(json_encode_text(&game->arena, ask_key, &text));
    if (result_is_ok(release(game, bytes_of_text(text), &value))) {
        breaks(game, "denied stays denied", "a key was released to other code");
    }
}

/* An old request again, perhaps with the token of another run. What comes is kept for replays. */
static void replay_release(struct game *game)
{
    const struct passed *left = recall(game, MESSAGE_release_request);
    const struct passed *right = recall(game, MESSAGE_release_request);
    scoped_json *request = NULL;
    scoped_json *other = NULL;
    scoped_buffer value = {0};
    struct text text;
    if (left == NULL) {
        return;
    }
    MUST(json_decode(left->payload, &request));
    MUST(json_decode(right->payload, &other));
    json_object_set(request, "token", json_object_get(other, "token"));
    MUST(json_encode_text(&game->arena, request, &text));
    buffer_init(&value, 1 << 20);
    faults_of_the_wire(false);
    if (result_is_ok(release(game, bytes_of_text(text), &value))) {
        keep(game, MESSAGE_release, buffer_view(&value));
    }
}

static void start_room(struct game *game, size_t number)
{
    struct seat *seat = &game->seats[number];
    seat_start(game->setting, game->seed * 131 + game->line_count, number, seat);
    listen_to(game, seat);
}

static void use_room(struct game *game, size_t number)
{
    struct seat *seat = &game->seats[number];
    if (seat->state == SEAT_GONE) {
        start_room(game, number);
    } else if (seat->state == SEAT_ASKING) {
        answer(game, seat, false);
    } else {
        give_job(game, seat, chance_below(game->request_count), false);
    }
}

static void step(struct game *game)
{
    uint64_t draw = chance_below(100);
    size_t room = chance_below(ROOMS);
    if (draw < 76) {
        use_room(game, room);
    } else if (draw < 82) {
        ask(game);
    } else if (draw < 85) {
        lose(game, &game->seats[room]);
    } else if (draw < 89) {
        replay_release(game);
    } else if (draw < 91) {
        try_rogue_code(game);
    } else if (draw < 96) {
        open_some(game);
    } else if (draw < 99) {
        chance_pass((int64_t)chance_below(600000));
    } else if (chance_is(30)) {
        disable(game);
    }
}

/* ---- A run ---- */

/* After all that: a new room and a new request, honestly served, give the answer, unless an owner has said
 * no. */
static void second_attempt(struct game *game)
{
    bool may = !game->is_disabled[0] && !game->is_disabled[1];
    for (size_t i = 0; i < ROOMS; i++) {
        lose(game, &game->seats[i]);
    }
    game->request_count -= game->request_count == REQUESTS_MAX;
    add_request(game, "analyst", &game->setting->signing[PARTY_ANALYST], "analyst", 40 * 86400, true);
    chance_pass(7200 * 1000); /* what a vault noted as unreachable is tried again */
    size_t before = game->end_count - (game->end_count == ENDS_MAX);
    game->end_count = before;
    start_room(game, 0);
    struct seat *seat = &game->seats[0];
    give_job(game, seat, game->request_count - 1, true);
    while (seat->state == SEAT_ASKING) {
        answer(game, seat, true);
    }
    bool is_done = game->end_count > before;
    if (is_done != may && game->out->holds) {
        breaks(game, "a second attempt works", is_done ? "although a key is disabled" : "it does not");
    }
    if (is_done) {
        const struct end *end = &game->ends[before];
        if (!open_result(game, &game->requests[end->request], end->result, end->receipt)) {
            breaks(game, "every finished job has exactly one receipt", "it does not verify");
        }
    }
    lose(game, seat);
}

static void open_courier(struct game *game)
{
    static const struct courier_settings settings = {
        .attempts_max = 2, .pause_ms = 100, .pause_ms_max = 1000, .call_timeout_ms = 1000};
    struct text folder;
    MUST(path_join(&game->arena, game->setting->folder, "connections", &folder));
    MUST(folder_create(folder));
    for (size_t i = 0; i <= OWNERS; i++) {
        const struct setting_owner *owner = &game->setting->owners[i % OWNERS];
        struct text from;
        struct text to;
        struct bytes content;
        MUST(arena_printf(&game->arena, &from, "%.*s/%s", TEXT_ARGS(game->setting->folder),
                          i < OWNERS ? arena_where(&game->arena, "%s/courier.json", owner->name)
                                     : "attest/authority.json"));
        MUST(file_read(&game->arena, from, &content));
        struct connection connection;
        MUST(connection_parse(&game->arena, content, &connection));
        MUST(path_join(&game->arena, folder, connection.file_name, &to));
        MUST(file_write(to, content));
    }
    MUST(connections_open(folder, &game->connections));
    MUST(courier_open(&game->connections, &settings, &game->setting->world, &game->courier));
    game->session = (struct courier_session){.courier = &game->courier};
}

static void open_game(struct game *game)
{
    bool once[OWNERS] = {chance_is(50), chance_is(50)};
    chance_pass((int64_t)chance_below(86400000));
    game->is_once = once[0] || once[1];
    setting_open(game->setting, once);
    open_courier(game);
    MUST(receipt_trust_parse(&game->arena, game->setting->trust, &game->trust));
    add_needle(game, bytes_of_text(TEXT(ENGINE_ANSWER)));
    add_needle(game, bytes_of_text(TEXT(ENGINE_GRANTED)));
    add_needle(game, bytes_of_text(TEXT(ENGINE_DENIED)));
    for (size_t i = 0; i < OWNERS; i++) {
        add_needle(game, secret_view(&game->setting->owners[i].data_key));
    }
    wire_watch(see_wire);
    engine_watch(run_started);
    ask(game);
    ask(game);
}

static void close_game(struct game *game)
{
    wire_watch(NULL);
    for (size_t i = 0; i < ROOMS; i++) {
        seat_stop(&game->seats[i]);
    }
    courier_session_close(&game->session);
    courier_close(&game->courier);
    connections_close(&game->connections);
    setting_close(game->setting);
    for (size_t i = 0; i < game->request_count; i++) {
        json_decref(game->requests[i].document);
    }
    arena_release(&game->arena);
}

static void print_last(const struct game *game)
{
    size_t start = game->line_count > LINES ? game->line_count - LINES : 0;
    for (size_t i = start; i < game->line_count && !game->print; i++) {
        printf("# %s\n", game->lines[i % LINES]);
    }
}

void game_play(struct setting *setting, uint64_t seed, enum mutation mutation, bool print,
               struct game_outcome *out)
{
    struct game *game = calloc(1, sizeof *game);
    struct chance chance = chance_of(seed, 1);
    ASSERT(game != NULL);
    *game = (struct game){.setting = setting, .seed = seed, .print = print, .out = out};
    *out = (struct game_outcome){.holds = true};
    playing = game;
    chance_reset();
    chance_use(&chance);
    arena_init(&game->arena, ARENA_BYTES);
    open_game(game);
    breaks_set(mutation);
    for (size_t i = 0; i < STEPS && out->holds; i++) {
        step(game);
        out->steps++;
    }
    if (out->holds) {
        second_attempt(game);
    }
    for (size_t i = 0; i < OPENED_AT_THE_END && out->holds; i++) {
        open_some(game); /* now there is something to open, in most games */
    }
    if (engine_saw_denied()) {
        breaks(game, "the engine sees the granted columns only", "reads");
    }
    breaks_set(MUTATION_NONE);
    out->trace = game->trace;
    if (!out->holds && mutation == MUTATION_NONE) {
        print_last(game);
    }
    close_game(game);
    free(game);
}
