/* truce-room: the program that is measured and attested. Built once per family of TEE; this build's family
 * is linked in from room_family_*.c, so that a room for simulation cannot become one for hardware by an
 * argument.
 *
 * The tour: start the query program's spawner, open the collector of evidence, connect the one stream to
 * the host, make keys and threads, lock ourselves in, announce ourselves, serve. Nothing is opened after
 * that. */
#include "base/encode.h"
#include "crypto/library.h"
#include "room/room.h"
#include "room/sandbox.h"

#include "main/room_family.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAIN_ARENA_BYTES_MAX = 16 * 1024 * 1024, USAGE_STATUS = 2 };

struct options {
    const char *command;
    const char *folder;
    const char *host_socket;
    const char *query_program;
    uint64_t threads;
    uint64_t ciphertext_mb;
    uint64_t engine_memory_mb;
};

static void print_help(FILE *to, const char *program)
{
    fprintf(to,
            "Usage: %s init DIR                  make what a room of this kind needs\n"
            "       %s serve DIR --host SOCKET   connect to truce-host and run its jobs\n"
            "       %s measure                   print what this room measures of itself, as JSON\n"
            "\n"
            "Options of serve:\n"
            "  --host SOCKET          the Unix socket of truce-host (DIR/room.sock of the host)\n"
            "  --threads N            threads of the engine and of decryption (default: all cores)\n"
            "  --ciphertext-mb N      granted ciphertext of one job in memory (default 4096)\n"
            "  --engine-memory-mb N   no query gets more (default 4096)\n"
            "Options of serve and measure:\n"
            "  --query PATH           the query program (default: truce-query beside this program)\n",
            program, program, program);
}

/* The value of an option, or of a number from 1 to `max` where `number` is not NULL. */
struct known_option {
    const char *name;
    const char **text;
    uint64_t *number;
    uint64_t max;
};

static fallible take_option(const struct known_option known[], const char *name, const char *value)
{
    for (; known->name != NULL; known++) {
        if (strcmp(known->name, name) != 0) {
            continue;
        }
        if (known->text != NULL) {
            *known->text = value;
            return OK;
        }
        TRY(decode_u64(text_of(value), known->max, known->number));
        REQUIRE(*known->number > 0, INVALID, "options.number");
        return OK;
    }
    return FAIL(INVALID, "options.unknown");
}

static fallible parse_options(int count, char **arguments, struct options *out)
{
    const struct known_option known[] = {{"--host", .text = &out->host_socket},
                                         {"--query", .text = &out->query_program},
                                         {"--threads", NULL, &out->threads, ROOM_THREADS_MAX},
                                         {"--ciphertext-mb", NULL, &out->ciphertext_mb, 1024 * 1024},
                                         {"--engine-memory-mb", NULL, &out->engine_memory_mb, 1024 * 1024},
                                         {0}};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (struct options){.threads = cores < 1                  ? 1
                                       : cores > ROOM_THREADS_MAX ? ROOM_THREADS_MAX
                                                                  : (uint64_t)cores,
                            .ciphertext_mb = 4096,
                            .engine_memory_mb = 4096};
    REQUIRE(count >= 2, INVALID, "options.command");
    out->command = arguments[1];
    int at = 2;
    if (strcmp(out->command, "measure") != 0) {
        REQUIRE(count > at, INVALID, "options.arguments");
        out->folder = arguments[at++];
    }
    for (; at < count; at += 2) {
        REQUIRE(at + 1 < count, INVALID, "options.arguments");
        TRY(take_option(known, arguments[at], arguments[at + 1]));
    }
    return OK;
}

/* The folder of this program and of those that are installed beside it. */
static fallible find_programs(struct arena *arena, const char **out)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    REQUIRE(size > 0, UNAVAILABLE, "room.own_path");
    path[size] = 0;
    return arena_cstring(arena, text_of(dirname(path)), out);
}

static fallible start_spawner(struct arena *arena, const struct options *options, const char *programs,
                              struct spawner *out)
{
    struct text program = text_of(options->query_program);
    if (program.size == 0) {
        TRY(arena_printf(arena, &program, "%s/truce-query", programs));
    }
    return spawner_start(program.data, out);
}

static fallible connect_host(const char *path, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    REQUIRE(strlen(path) < sizeof address.sun_path, INVALID, "room.host_socket.path");
    strcpy(address.sun_path, path);
    int host = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(host >= 0, UNAVAILABLE, "room.host_socket");
    if (connect(host, (struct sockaddr *)&address, sizeof address) != 0) {
        close(host);
        return FAIL(UNAVAILABLE, "room.host_socket.connect");
    }
    *out = host;
    return OK;
}

static fallible run_room(struct room *room)
{
    TRY(room_init(room));
    TRY(sandbox_enter());
    TRY(room_announce(room));
    return room_serve(room);
}

static fallible run_serve(const struct options *options, const struct tee_place *place,
                          struct spawner *spawner)
{
    REQUIRE(options->host_socket != NULL, INVALID, "options.host");
    struct room room = {.world = world_of_system(),
                        .spawner = spawner,
                        .limits = {.ciphertext_bytes_max = options->ciphertext_mb << 20,
                                   .engine_memory_mb_max = options->engine_memory_mb,
                                   .threads = (size_t)options->threads}};
    scoped_tee tee = {0};
    TRY(room_family->open(place, &tee));
    room.tee = &tee;
    room.measurement = room_family->measurement(&tee);
    TRY(connect_host(options->host_socket, &room.link.socket));
    struct result result = run_room(&room);
    room_release(&room);
    return result;
}

static fallible run_command(struct arena *arena, const struct options *options, int *out_exit_status)
{
    scoped_spawner spawner = {0};
    struct tee_place place = {.folder = options->folder};
    TRY(find_programs(arena, &place.programs));
    TRY(start_spawner(arena, options, place.programs, &spawner));
    place.query = spawner.pid;
    if (strcmp(options->command, "serve") == 0) {
        return run_serve(options, &place, &spawner);
    }
    bool known = strcmp(options->command, "init") == 0 || strcmp(options->command, "measure") == 0;
    REQUIRE(known, INVALID, "options.command");
    return room_family_prepare(&place, options->command, out_exit_status);
}

int main(int count, char **arguments)
{
    const char *program = count > 0 ? basename(arguments[0]) : "truce-room";
    if (count >= 2 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "help") == 0)) {
        print_help(stdout, program);
        return 0;
    }
    clearenv();
    crypto_library_start();
    struct options options;
    scoped_arena arena;
    arena_init(&arena, MAIN_ARENA_BYTES_MAX);
    struct result result = parse_options(count, arguments, &options);
    if (!result_is_ok(result)) {
        print_help(stderr, program);
        return USAGE_STATUS;
    }
    int exit_status = 0;
    result = run_command(&arena, &options, &exit_status);
    if (!result_is_ok(result)) {
        fprintf(stderr, "%s: %s%s%s. %s\n", program, result.why, result.where ? ": " : "",
                result.where ? result.where : "", result_code_advice(result.code));
    }
    return result_is_ok(result) ? exit_status : result_code_exit_status(result.code);
}
