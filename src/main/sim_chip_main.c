/* truce-sim-chip: what stands for the hardware beside a simulated room: it measures, and signs what it
 * measured.
 *
 * The room starts it (src/tcb/tee/sim.c) as a process of its own, because a real chip's key and the way it
 * measures are not in what it measures either. It protects nothing. */
#include "base/encode.h"
#include "crypto/library.h"
#include "edge/child.h"
#include "edge/socket.h"
#include "tee/measurement.h"
#include "tee/sim_chip.h"

#include "main/identity.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { USAGE_STATUS = 2, ARENA_BYTES_MAX = 16 * 1024 * 1024 };

/* Of the process that started this one, and of the query program. */
static fallible measure(struct arena *arena, pid_t query, struct bytes *out, struct text *out_lines)
{
    struct measurement_list *list;
    struct digest384 digest;
    TRY(ARENA_NEW(arena, struct measurement_list, &list));
    TRY(measurement_add_process(arena, getppid(), list));
    TRY(measurement_add_process(arena, query, list));
    TRY(measurement_compute(arena, list, &digest, out_lines));
    return arena_copy(arena, BYTES_OF(digest.octets), out);
}

static fallible print_measurement(struct arena *arena, struct bytes measurement, struct text lines)
{
    scoped_json *report = json_object();
    struct text hex;
    TRY(encode_hex(arena, measurement, &hex));
    TRY(json_set_text(report, "measurement", hex));
    TRY(json_set_text(report, "type", TEXT("sim")));
    scoped_json *files = json_array();
    while (lines.size > 0) {
        const char *end = memchr(lines.data, '\n', lines.size);
        size_t size = end == NULL ? lines.size : (size_t)(end - lines.data);
        TRY(json_add_text(files, (struct text){lines.data, size}));
        size_t step = size + (end == NULL ? 0 : 1);
        lines = (struct text){lines.data + step, lines.size - step};
    }
    TRY(json_set(report, "files", json_incref(files)));
    struct text text;
    TRY(json_encode_text(arena, report, &text));
    printf("%.*s\n", TEXT_ARGS(text));
    return OK;
}

/* Becomes the program that makes certificates. */
static fallible init(struct arena *arena, struct bytes measurement, const char *folder)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    REQUIRE(size > 0, UNAVAILABLE, "chip.own_path");
    path[size] = 0;
    struct text hex;
    struct text program;
    TRY(encode_hex(arena, measurement, &hex));
    TRY(arena_printf(arena, &program, "%s/truce-simulation-init", dirname(path)));
    execl(program.data, "truce-simulation-init", folder, hex.data, (char *)NULL);
    return FAIL(UNAVAILABLE, "chip.simulation_init");
}

static fallible send_part(struct bytes part)
{
    uint8_t head[4];
    store_little_endian(head, part.size, sizeof head);
    TRY(socket_send(CHILD_DESCRIPTOR, BYTES_OF(head), 0));
    return socket_send(CHILD_DESCRIPTOR, part, 0);
}

static fallible answer(const struct sim_chip *chip, const uint8_t report_data[static TEE_REPORT_DATA_BYTES])
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct evidence evidence;
    TRY(sim_chip_collect(chip, &arena, report_data, &evidence));
    TRY(send_part(evidence.report));
    TRY(send_part(evidence.certificates[0]));
    return send_part(evidence.certificates[1]);
}

static fallible serve(struct bytes measurement, const char *folder)
{
    scoped_sim_chip chip = {0};
    TRY(sim_chip_open(folder, measurement, &chip));
    TRY(socket_send(CHILD_DESCRIPTOR, measurement, 0));
    for (;;) {
        uint8_t report_data[TEE_REPORT_DATA_BYTES];
        size_t got = 0;
        TRY(socket_receive(CHILD_DESCRIPTOR, report_data, sizeof report_data, &got));
        if (got < sizeof report_data) {
            return OK;
        }
        TRY(answer(&chip, report_data));
    }
}

static fallible run(const char *command, const char *query, const char *folder)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    uint64_t pid;
    struct bytes measurement;
    struct text lines;
    TRY(decode_u64(text_of(query), INT32_MAX, &pid));
    TRY(measure(&arena, (pid_t)pid, &measurement, &lines));
    if (strcmp(command, "measure") == 0) {
        return print_measurement(&arena, measurement, lines);
    }
    return strcmp(command, "init") == 0 ? init(&arena, measurement, folder) : serve(measurement, folder);
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        printf("truce-sim-chip %s", identity_text);
        return 0;
    }
    if (count < 3 || (strcmp(arguments[1], "measure") != 0 && count != 4)) {
        fputs("truce-sim-chip is started by truce-room-sim.\n", stderr);
        return USAGE_STATUS;
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    crypto_library_start();
    struct result result = run(arguments[1], arguments[2], arguments[3]);
    if (!result_is_ok(result)) {
        fprintf(stderr, "truce-sim-chip: %s: %s\n", result.why, result_code_advice(result.code));
    }
    return result_code_exit_status(result.code);
}
