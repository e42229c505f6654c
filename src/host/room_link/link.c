#include "host/room_link/link.h"

#include "base/encode.h"
#include "crypto/key.h"
#include "host/room_link/data.h"
#include "host/room_link/frame.h"
#include "jose/jws.h"

#include <stdio.h>

enum { ARENA_BYTES = 1024 * 1024, PAYLOAD_KEPT_BYTES = 8 * 1024 * 1024, MEASUREMENT_CHARS_MAX = 128 };

static fallible receive(struct link *link, struct message_header *out)
{
    const struct link_host *host = link->host;
    TRY(frame_receive(link->socket, host->world, host->patience_ms, out, &link->payload));
    return turn_receive(&link->turn, out->kind, out->exchange);
}

static void trace(const struct link *link, enum message_kind kind, size_t size, struct text request)
{
    bool from_room = message_sender(kind) == MESSAGE_FROM_ROOM;
    trace_frame(link->host->trace, from_room ? "room" : "host", message_name(kind), size, request);
}

static fallible send(struct link *link, enum message_kind kind, uint64_t exchange, struct bytes payload)
{
    trace(link, kind, payload.size, (struct text){0});
    return frame_send(link->socket, link->host->world, link->host->patience_ms, kind, exchange, payload);
}

/* ---- Connecting ---- */

/* The key id of the one key in the instance's runtime data. */
static fallible find_instance(struct arena *arena, const json_t *ready, struct text *out)
{
    struct bytes octets;
    TRY(json_get_base64url(arena, ready, "runtime_data", &octets));
    scoped_json *runtime_data = NULL;
    TRY(json_decode(octets, &runtime_data));
    json_t *keys;
    TRY(json_get_array(runtime_data, "keys", &keys));
    scoped_key key = {0};
    TRY(key_from_jwk(json_array_get(keys, 0), &key));
    return jws_kid(arena, &key, out);
}

static fallible read_identity(struct bytes untrusted_payload, struct link_identity *out)
{
    static const char *const members[] = {"measurement", "type", "runtime_data", "evidence", NULL};
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_json *ready = NULL;
    TRY(json_decode(untrusted_payload, &ready));
    TRY(json_only(&arena, ready, members));
    struct text type;
    struct text measurement;
    struct text instance;
    json_t *evidence;
    TRY(json_get_text(ready, "type", &type));
    TRY(json_get_text(ready, "measurement", &measurement));
    TRY(json_get_object(ready, "evidence", &evidence));
    bool is_well_formed = text_is_name(type) && measurement.size <= MEASUREMENT_CHARS_MAX &&
                          storage_is_hex(measurement, measurement.size);
    REQUIRE(is_well_formed, INVALID, "room.ready");
    TRY(find_instance(&arena, ready, &instance));
    REQUIRE(instance.size <= QUEUE_NAME_CHARS, INVALID, "room.ready");
    snprintf(out->tee, sizeof out->tee, "%.*s:%.*s", TEXT_ARGS(type), TEXT_ARGS(measurement));
    snprintf(out->instance, sizeof out->instance, "%.*s", TEXT_ARGS(instance));
    out->ready = json_incref(ready);
    return OK;
}

static fallible greet(struct link *link, uint64_t number)
{
    snprintf(link->identity.id, sizeof link->identity.id, "room-%llu", (unsigned long long)number);
    struct message_header header;
    TRY(receive(link, &header));
    trace(link, header.kind, header.size, (struct text){0});
    struct result result = read_identity(buffer_view(&link->payload), &link->identity);
    REQUIRE(result_is_ok(result), INVALID, "room.ready");
    return OK;
}

fallible link_open(const struct link_host *host, int socket, uint64_t number, bool (*is_stopping)(void *self),
                   void *self, struct link *out)
{
    *out = (struct link){.host = host, .socket = socket};
    out->courier =
        (struct courier_session){.courier = host->courier, .is_stopping = is_stopping, .self = self};
    buffer_init(&out->payload, LINK_PAYLOAD_BYTES_MAX);
    buffer_init(&out->result, LINK_PAYLOAD_BYTES_MAX);
    struct result result = greet(out, number);
    if (!result_is_ok(result)) {
        link_close(out);
    }
    return result;
}

void link_close(struct link *link)
{
    courier_session_close(&link->courier);
    json_release(&link->identity.ready);
    buffer_release(&link->payload);
    buffer_release(&link->result);
    *link = (struct link){.socket = -1};
}

/* ---- Requests ---- */

static fallible answer(struct link *link, const struct message_header *request, enum message_kind reply,
                       struct result result, struct bytes payload)
{
    if (result_is_ok(result)) {
        return send(link, reply, request->exchange, payload);
    }
    scoped_arena arena;
    arena_init(&arena, 4096);
    link->unavailable = result.why;
    scoped_json *reason = json_object();
    TRY(json_set_text(reason, "reason", text_of(result.why)));
    struct text text;
    TRY(json_encode_text(&arena, reason, &text));
    return send(link, MESSAGE_unavailable, request->exchange, bytes_of_text(text));
}

/* Calls outside are the steps that an operator looks for in the log. */
static fallible serve_courier(struct link *link, const struct queue_job *job,
                              const struct message_header *header)
{
    trace(link, header->kind, header->size, (struct text){0});
    int64_t started = world_monotonic_ms(link->host->world);
    bool is_token = header->kind == MESSAGE_token_request;
    enum message_kind reply = is_token ? MESSAGE_token : MESSAGE_release;
    scoped_buffer out;
    buffer_init(&out, message_size_max(reply));
    struct bytes payload = buffer_view(&link->payload);
    struct result result = is_token ? courier_fetch_token(&link->courier, payload, &out)
                                    : courier_release(&link->courier, payload, &out);
    (is_token ? event_courier_token : event_courier_release)(link->host->log, text_of(job->run), result.why,
                                                             link->courier.calls,
                                                             world_monotonic_ms(link->host->world) - started);
    return answer(link, header, reply, result, buffer_view(&out));
}

static fallible serve_data(struct link *link, const struct message_header *header)
{
    bool segments = header->kind == MESSAGE_segments_request;
    scoped_data_request request = {0};
    TRY(data_request_parse(buffer_view(&link->payload), segments, &request));
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct text text;
    TRY(data_request_text(&arena, &request, &text));
    trace(link, header->kind, header->size, text);
    enum message_kind reply = segments ? MESSAGE_segments : MESSAGE_leaves;
    scoped_buffer out;
    buffer_init(&out, message_size_max(reply));
    struct result result = segments ? data_segments(link->host->storage, &request, &out)
                                    : data_leaves(link->host->storage, &request, &out);
    return answer(link, header, reply, result, buffer_view(&out));
}

/* ---- Reports ---- */

/* When each step was reported, for whoever looks for what a job waits for. */
static void log_step(const struct link *link, const struct queue_job *job, struct text step)
{
    event_job_step(link->host->log, text_of(job->run), step,
                   world_monotonic_ms(link->host->world) - link->started_ms);
}

static fallible parse_report(struct link *link, const struct queue_job *job, const char *const members[],
                             bool may_be_empty, json_t **out)
{
    scoped_arena arena;
    arena_init(&arena, 16384);
    scoped_json *report = NULL;
    struct text run;
    TRY(json_decode(buffer_view(&link->payload), &report));
    TRY(json_only(&arena, report, members));
    TRY(json_get_text(report, "run", &run));
    /* A room that could not read the documents knows no run. */
    REQUIRE(text_is(run, job->run) || (may_be_empty && run.size == 0), INVALID, "room.run");
    *out = json_incref(report);
    return OK;
}

static fallible take_progress(struct link *link, const struct queue_job *job)
{
    static const char *const members[] = {"run", "step", "done", "total", NULL};
    scoped_json *report = NULL;
    TRY(parse_report(link, job, members, false, &report));
    struct text step;
    uint64_t done;
    uint64_t total;
    TRY(json_get_text(report, "step", &step));
    REQUIRE(text_is_name(step), INVALID, "room.progress.step");
    TRY(json_get_u64(report, "done", INT64_MAX, &done));
    TRY(json_get_u64(report, "total", INT64_MAX, &total));
    if (done == total) {
        log_step(link, job, step);
    }
    char name[QUEUE_NAME_CHARS + 1];
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(step));
    return queue_progress(link->host->queue, job->run, link->identity.id, name, (int64_t)done,
                          (int64_t)total);
}

static fallible finish(struct link *link, const struct queue_job *job, enum queue_state state,
                       const char *reason)
{
    int64_t now_ms = world_now(link->host->world) * 1000;
    TRY(queue_finish(link->host->queue, job->run, link->identity.id, state, reason, now_ms));
    event_job_finished(link->host->log, text_of(job->run), text_of(link->identity.id),
                       queue_state_name(state), reason);
    return OK;
}

/* The result first: where there is a receipt there is its result. */
static fallible take_receipt(struct link *link, const struct queue_job *job)
{
    scoped_json *receipt = NULL;
    TRY(json_decode(buffer_view(&link->payload), &receipt));
    REQUIRE(json_is_object(receipt), INVALID, "room.receipt");
    struct storage_path result_path;
    struct storage_path receipt_path;
    TRY(storage_path_result(text_of(job->run), &result_path));
    TRY(storage_path_receipt(text_of(job->run), &receipt_path));
    struct storage *storage = link->host->storage;
    bool is_new;
    TRY(storage_put(storage, &result_path, buffer_view(&link->result), STORAGE_REPLACE, &is_new));
    TRY(storage_put(storage, &receipt_path, buffer_view(&link->payload), STORAGE_REPLACE, &is_new));
    return finish(link, job, QUEUE_DONE, "");
}

/* "why (where)", and what the courier could not get, in printable ASCII. */
static fallible build_reason(struct arena *arena, const json_t *report, const char *unavailable,
                             struct text *out)
{
    struct text why;
    TRY(json_get_text(report, "why", &why));
    TRY(arena_copy_text(arena, why, out));
    struct text where = {0};
    if (json_is_string(json_object_get(report, "where"))) {
        TRY(json_get_text(report, "where", &where));
    }
    if (where.size > 0) {
        TRY(arena_printf(arena, out, "%.*s (%.*s)", TEXT_ARGS(why), TEXT_ARGS(where)));
    }
    struct text code;
    TRY(json_get_text(report, "code", &code));
    if (text_is(code, "unavailable") && unavailable != NULL) {
        TRY(arena_printf(arena, out, "%.*s: %s", TEXT_ARGS(*out), unavailable));
    }
    return OK;
}

static void write_reason(struct text text, char out[static QUEUE_REASON_CHARS + 1])
{
    size_t size = text.size < QUEUE_REASON_CHARS ? text.size : QUEUE_REASON_CHARS;
    for (size_t i = 0; i < size; i++) {
        out[i] = text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : '?';
    }
    out[size] = '\0';
}

static fallible take_refusal(struct link *link, const struct queue_job *job)
{
    static const char *const members[] = {"run", "code", "why", "where", NULL};
    scoped_json *report = NULL;
    TRY(parse_report(link, job, members, true, &report));
    scoped_arena arena;
    arena_init(&arena, 64 * 1024);
    struct text text;
    TRY(build_reason(&arena, report, link->unavailable, &text));
    char reason[QUEUE_REASON_CHARS + 1];
    write_reason(text, reason);
    return finish(link, job, QUEUE_REFUSED, reason);
}

static fallible take_failure(struct link *link, const struct queue_job *job)
{
    static const char *const members[] = {"run", NULL};
    scoped_json *report = NULL;
    TRY(parse_report(link, job, members, true, &report));
    return finish(link, job, QUEUE_FAILED, "query.failed");
}

static fallible take_report(struct link *link, const struct queue_job *job,
                            const struct message_header *header)
{
    trace(link, header->kind, header->size, (struct text){0});
    switch (header->kind) {
    case MESSAGE_progress:
        return take_progress(link, job);
    case MESSAGE_result:
        log_step(link, job, TEXT("result"));
        buffer_clear(&link->result);
        return buffer_add(&link->result, buffer_view(&link->payload));
    case MESSAGE_receipt:
        log_step(link, job, TEXT("receipt"));
        return take_receipt(link, job);
    case MESSAGE_refused:
        return take_refusal(link, job);
    case MESSAGE_failed:
        return take_failure(link, job);
    default:
        return FAIL(INTERNAL, "room.turn.unhandled");
    }
}

static fallible serve_frame(struct link *link, const struct queue_job *job,
                            const struct message_header *header)
{
    switch (header->kind) {
    case MESSAGE_token_request:
    case MESSAGE_release_request:
        return serve_courier(link, job, header);
    case MESSAGE_leaves_request:
    case MESSAGE_segments_request:
        return serve_data(link, header);
    default:
        return take_report(link, job, header);
    }
}

static void shrink(struct buffer *buffer)
{
    size_t max = buffer->max;
    if (buffer->capacity > PAYLOAD_KEPT_BYTES) {
        buffer_release(buffer);
        buffer_init(buffer, max);
    }
    buffer_clear(buffer);
}

fallible link_run(struct link *link, const struct queue_job *job, struct bytes dossier)
{
    turn_send_job(&link->turn);
    link->started_ms = world_monotonic_ms(link->host->world);
    link->unavailable = NULL;
    TRY(send(link, MESSAGE_job, 0, dossier));
    while (link->turn.state != TURN_IDLE) {
        struct message_header header;
        TRY(receive(link, &header));
        TRY(serve_frame(link, job, &header));
    }
    shrink(&link->payload);
    shrink(&link->result);
    return OK;
}
