/* truce-simulation-init FOLDER MEASUREMENT: makes the simulated TEE of a room. `truce-room-sim init` has
 * truce-sim-chip measure it and become this program, because making certificates needs X.509 and the room
 * that serves must not contain it. */
#include "base/encode.h"
#include "tee/sim_init.h"

#include "main/identity.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { USAGE_STATUS = 2, MEASUREMENT_BYTES = 48 };

static fallible make(const char *folder, const char *measurement_hex)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct world world = world_of_system();
    scoped_buffer pem;
    buffer_init(&pem, 64 * 1024);
    scoped_json *connection = NULL;
    struct bytes measurement;
    struct digest pin;
    TRY(decode_hex(&arena, text_of(measurement_hex), &measurement));
    REQUIRE(measurement.size == MEASUREMENT_BYTES, INVALID, "simulation.measurement");
    REQUIRE(mkdir(folder, 0700) == 0 || errno == EEXIST, UNAVAILABLE, "simulation.folder");
    TRY(simulation_begin(folder));
    TRY(simulation_make(&world, folder, &pem, &pin));
    TRY(simulation_connection(buffer_text(&pem), &pin, measurement, &connection));
    struct text text;
    TRY(json_encode_text(&arena, connection, &text));
    return simulation_finish(folder, bytes_of_text(text));
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        printf("truce-simulation-init %s", identity_text);
        return 0;
    }
    if (count != 3 || arguments[1][0] == '-') {
        bool asked = count == 2 && strcmp(arguments[1], "--help") == 0;
        fputs("Usage: truce-simulation-init FOLDER MEASUREMENT\n"
              "Makes chip.key, chip.der, root.der and simulation.json. Started by `truce-room-sim init`.\n",
              asked ? stdout : stderr);
        return asked ? 0 : USAGE_STATUS;
    }
    struct result result = make(arguments[1], arguments[2]);
    if (!result_is_ok(result)) {
        fprintf(stderr, "truce-simulation-init: %s: %s\n", result.why, result_code_advice(result.code));
    }
    return result_is_ok(result) ? 0 : result_code_exit_status(result.code);
}
