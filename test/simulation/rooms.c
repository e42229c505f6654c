#include "rooms.h"

#include "chance.h"
#include "edge/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM_MEMORY_BYTES = 64 << 20, FRAME_BYTES_MAX = 64 << 20 };

static _Thread_local struct seat *own_seat;

struct seat *seat_of_thread(void)
{
    return own_seat;
}

/* ---- The collector: the simulated chip without its process ---- */

static fallible collect(struct tee *tee, struct arena *arena,
                        const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out)
{
    return sim_chip_collect(tee->self, arena, report_data, out);
}

static struct bytes measurement(const struct tee *tee)
{
    const struct sim_chip *chip = tee->self;
    return BYTES_OF(chip->measurement);
}

static const struct tee_family family = {.name = "sim", .collect = collect, .measurement = measurement};

/* ---- The room's thread ---- */

/* A wrapping key that was made ahead; after the last of them the room makes its own. */
static void stock_up(struct seat *seat)
{
    struct wrapping_keys *keys = &seat->room.wrapping_keys;
    if (keys->count > 0 || seat->spare >= SPARE_KEYS - 1) { /* the last one is the host's own */
        return;
    }
    MUST(key_from_pkcs8(&seat->setting->spare[seat->spare], &keys->ready[0]));
    seat->spare += ROOMS;
    keys->count = 1;
}

/* `room_serve` without its idle work. */
static fallible serve(struct seat *seat)
{
    struct room *room = &seat->room;
    TRY(room_init(room));
    TRY(room_announce(room));
    for (;;) {
        scoped_buffer documents;
        buffer_init(&documents, message_size_max(MESSAGE_job));
        TRY(link_next_job(&room->link, &documents));
        stock_up(seat);
        TRY(job_run(room, buffer_view(&documents)));
    }
}

static void *room_thread(void *self)
{
    struct seat *seat = self;
    own_seat = seat;
    chance_use(seat->chance);
    struct result result = serve(seat);
    (void)result;
    room_release(&seat->room);
    close(seat->room.link.socket);
    return NULL;
}

void seat_start(struct setting *setting, uint64_t seed, size_t number, struct seat *seat)
{
    int pair[2];
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    size_t spare = seat->spare;
    *seat = (struct seat){.setting = setting, .number = number, .socket = pair[0]};
    seat->spare = spare;
    seat->chance = calloc(1, sizeof *seat->chance);
    *seat->chance = chance_of(seed, 1000 + number);
    seat->tee = (struct tee){.family = &family, .self = &setting->chip};
    seat->room = (struct room){.world = chance_world(),
                               .link = {.socket = pair[1]},
                               .tee = &seat->tee,
                               .measurement = family.measurement(&seat->tee),
                               .limits = {ROOM_MEMORY_BYTES, 1024, 1}};
    buffer_init(&seat->payload, FRAME_BYTES_MAX);
    ASSERT(pthread_create(&seat->thread, NULL, room_thread, seat) == 0);
    seat->state = SEAT_IDLE;
}

void seat_stop(struct seat *seat)
{
    if (seat->state == SEAT_GONE) {
        return;
    }
    shutdown(seat->socket, SHUT_RDWR);
    pthread_join(seat->thread, NULL);
    close(seat->socket);
    buffer_release(&seat->payload);
    free(seat->chance);
    seat->state = SEAT_GONE;
}

bool seat_receive(struct seat *seat, struct message_header *out, struct buffer *payload)
{
    uint8_t octets[MESSAGE_HEADER_BYTES];
    uint8_t *at;
    size_t got;
    buffer_clear(payload);
    struct result result = socket_receive(seat->socket, octets, sizeof octets, &got);
    if (!result_is_ok(result) || got < sizeof octets) {
        return false;
    }
    MUST(message_decode_header(BYTES_OF(octets), MESSAGE_FROM_ROOM, out));
    MUST(buffer_extend(payload, out->size, &at));
    result = socket_receive(seat->socket, at, out->size, &got);
    return result_is_ok(result) && got == out->size;
}

void seat_send_raw(struct seat *seat, struct bytes octets)
{
    struct result result = socket_send(seat->socket, octets, 0);
    (void)result; /* a room that has ended is noticed when it is read */
}

void seat_send(struct seat *seat, enum message_kind kind, uint64_t exchange, struct bytes payload)
{
    scoped_buffer frame;
    buffer_init(&frame, FRAME_BYTES_MAX);
    MUST(message_encode(kind, exchange, payload, &frame));
    seat_send_raw(seat, buffer_view(&frame));
}
