#include "room/room.h"

#include "attest/runtime_data.h"
#include "base/encode.h"
#include "room/job.h"

enum { ANNOUNCE_BYTES_MAX = 1024 * 1024, IDLE_WAIT_MS = 1000 };

fallible room_init(struct room *room)
{
    TRY(key_generate(KEY_EC_P256, 0, &room->instance_key));
    TRY(key_thumbprint(&room->instance_key, &room->instance_digest));
    TRY(window_open(&room->window));
    TRY(deadline_start(&room->deadline));
    return reads_start(&room->reads, room->limits.threads);
}

void room_release(struct room *room)
{
    reads_stop(&room->reads);
    deadline_stop(&room->deadline);
    wrapping_keys_release(&room->wrapping_keys);
    key_release(&room->instance_key);
    window_close(&room->window);
    data_store_release(&room->store);
}

fallible room_announce(struct room *room)
{
    scoped_arena arena;
    arena_init(&arena, ANNOUNCE_BYTES_MAX);
    scoped_runtime_data runtime = {.purpose = RUNTIME_INSTANCE};
    TRY(world_random(&room->world, runtime.nonce, sizeof runtime.nonce));
    TRY(key_share(&room->instance_key, &runtime.encryption_key));
    struct bytes octets;
    TRY(runtime_data_build(&arena, &runtime, &octets));
    uint8_t report_data[RUNTIME_REPORT_DATA_BYTES];
    runtime_data_bind(octets, report_data);
    struct evidence evidence;
    TRY(room->tee->family->collect(room->tee, &arena, report_data, &evidence));
    json_t *evidence_json;
    TRY(evidence_to_json(&evidence, &evidence_json));
    struct text measurement;
    TRY(encode_hex(&arena, room->measurement, &measurement));
    scoped_json *message = json_pack("{s:o,s:s%,s:s}", "evidence", evidence_json, "measurement",
                                     TEXT_SIZED(measurement), "type", room->tee->family->name);
    TRY(json_set_base64url(message, "runtime_data", octets));
    return link_send_json(&room->link, MESSAGE_ready, json_incref(message));
}

static bool is_idle(void *self)
{
    struct room *room = self;
    bool readable;
    return result_is_ok(link_wait(&room->link, 0, &readable)) && !readable;
}

/* Idle work until a job comes. */
static fallible wait_for_job(struct room *room)
{
    for (;;) {
        bool readable;
        bool has_idle_work = !wrapping_keys_is_full(&room->wrapping_keys);
        TRY(link_wait(&room->link, has_idle_work ? 0 : IDLE_WAIT_MS, &readable));
        if (readable) {
            return OK;
        }
        if (has_idle_work) {
            TRY(wrapping_keys_make_one(&room->wrapping_keys, is_idle, room));
        }
    }
}

fallible room_serve(struct room *room)
{
    for (;;) {
        TRY(wait_for_job(room));
        scoped_buffer untrusted_documents;
        buffer_init(&untrusted_documents, message_size_max(MESSAGE_job));
        struct result result = link_next_job(&room->link, &untrusted_documents);
        if (result.code == RESULT_NOT_FOUND) {
            return OK; /* the host has ended the stream */
        }
        TRY(result);
        TRY(job_run(room, buffer_view(&untrusted_documents)));
    }
}
