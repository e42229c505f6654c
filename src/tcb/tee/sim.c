/* Family `sim`: asks the simulated chip, over a socket in place of a device. The chip first says what it has
 * measured; then each 64 octets of report data are answered with report, chip's and root's certificate, each
 * behind its u32 size. */
#include "tee/sim.h"

#include "base/reader.h"
#include "edge/child.h"
#include "edge/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct device {
    int socket;
    uint8_t measurement[TEE_MEASUREMENT_BYTES];
};

fallible sim_start(const struct tee_place *place, const char *command, int *out_socket, pid_t *out_pid)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024);
    char query[16];
    struct text program;
    TRY(arena_printf(&arena, &program, "%s/truce-sim-chip", place->programs));
    snprintf(query, sizeof query, "%d", (int)place->query);
    char *const arguments[] = {(char *)"truce-sim-chip", (char *)(uintptr_t)command, query,
                               (char *)(uintptr_t)place->folder, NULL};
    return child_start(program.data, arguments, SOCK_STREAM, out_socket, out_pid);
}

static fallible receive(int socket, uint8_t *out, size_t size)
{
    size_t got = 0;
    TRY(socket_receive(socket, out, size, &got));
    REQUIRE(got == size, UNAVAILABLE, "tee.sim.chip");
    return OK;
}

static fallible sim_open(const struct tee_place *place, struct tee *out)
{
    struct device *device = calloc(1, sizeof *device);
    REQUIRE(device != NULL, NO_MEMORY, "tee.memory");
    pid_t pid;
    struct result result = sim_start(place, "serve", &device->socket, &pid);
    if (result_is_ok(result)) {
        *out = (struct tee){&tee_sim, device}; /* the caller closes it */
        return receive(device->socket, device->measurement, sizeof device->measurement);
    }
    free(device);
    return result;
}

static fallible receive_part(int socket, struct arena *arena, struct bytes *out)
{
    uint8_t head[4];
    uint32_t size;
    uint8_t *octets;
    TRY(receive(socket, head, sizeof head));
    struct reader reader = reader_of(BYTES_OF(head));
    TRY(reader_u32le(&reader, &size));
    REQUIRE(size <= EVIDENCE_SIZE_MAX, LIMIT, "tee.sim.chip");
    TRY(ARENA_ARRAY(arena, uint8_t, size, &octets));
    *out = (struct bytes){octets, size};
    return receive(socket, octets, size);
}

static fallible sim_collect(struct tee *tee, struct arena *arena,
                            const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out)
{
    const struct device *device = tee->self;
    struct evidence evidence = {.family = TEXT("sim"), .certificate_count = 2};
    TRY(socket_send(device->socket, (struct bytes){report_data, TEE_REPORT_DATA_BYTES}, 0));
    TRY(receive_part(device->socket, arena, &evidence.report));
    TRY(receive_part(device->socket, arena, &evidence.certificates[0]));
    TRY(receive_part(device->socket, arena, &evidence.certificates[1]));
    *out = evidence;
    return OK;
}

static struct bytes sim_measurement(const struct tee *tee)
{
    const struct device *device = tee->self;
    return BYTES_OF(device->measurement);
}

static void sim_close(struct tee *tee)
{
    struct device *device = tee->self;
    close(device->socket);
    free(device);
}

const struct tee_family tee_sim = {"sim", sim_open, sim_collect, sim_measurement, sim_close};
