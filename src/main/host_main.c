/* truce-host: the workflow, storage and courier of a zone's host. Untrusted. Wiring only: host/instance does
 * the work. */
#include "host/check/check.h"
#include "host/instance/instance.h"
#include "service/setup/program.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, USAGE_STATUS = 2, GRACE_MS = 3000, FILES_MAX = 64 };

static const char program[] = "truce-host";

static const char help[] =
    "truce-host: workflow, storage and courier for rooms; trusted with nothing\n"
    "\n"
    "  truce-host init DIR --url https://HOST[:PORT] [--listen ADDR:PORT] [--courier FILE] [--authority "
    "FILE]\n"
    "      Makes keys, certificate, token and configuration in DIR (mode 700), and host.json to hand out to\n"
    "      every party. Without a port in the URL it gets that of --listen; port 0 is chosen once and kept.\n"
    "  truce-host connect DIR FILE...\n"
    "      Lets the courier speak to the vault of a courier.json or to the service of an authority.json, "
    "and\n"
    "      to nobody else. A running host finds new files by itself; a changed one counts from the next "
    "start.\n"
    "  truce-host check DIR\n"
    "      With no host running: judges the queue, every job against its objects, every document against "
    "its\n"
    "      name and every part against its manifest, and says what it found.\n"
    "  truce-host serve DIR [--port-file FILE] [--trace FILE] [--courier FILE] [--authority FILE]\n"
    "      Serves the API until SIGINT or SIGTERM; rooms connect to DIR/room.sock. Prints one line "
    "`listening URL`\n"
    "      when it is ready. --trace writes one line per frame that crosses between host and room.\n"
    "\n"
    "Exit status: 0 done; 2 wrong usage; 10 and more: what went wrong, one number per kind of failure.\n";

static const char *const valued_options[] = {"url",       "listen", "courier", "authority",
                                             "port-file", "trace",  NULL};
static const char *const flags[] = {"help", NULL};

static int usage(void)
{
    fprintf(stderr, "%s", help);
    return USAGE_STATUS;
}

static int status_of(struct result result)
{
    return result_is_ok(result) ? 0 : program_fail(program, result);
}

/* The files of --courier and --authority. */
static fallible connect_options(struct arena *arena, int count, char *arguments[], struct text folder)
{
    static const char *const names[] = {"courier", "authority"};
    for (size_t i = 0; i < 2; i++) {
        struct text file = program_option(count, arguments, names[i]);
        if (file.size > 0) {
            TRY(host_connect(arena, folder, file));
        }
    }
    return OK;
}

static fallible init(const struct world *world, struct arena *arena, int count, char *arguments[],
                     struct text folder)
{
    struct host_init_options options = {.folder = folder,
                                        .url = program_option(count, arguments, "url"),
                                        .listen = program_option(count, arguments, "listen")};
    TRY(host_init(world, &options));
    return connect_options(arena, count, arguments, folder);
}

static fallible connect_files(struct arena *arena, int count, char *arguments[], struct text folder)
{
    for (size_t i = 2; i < FILES_MAX + 2; i++) {
        struct text file = program_argument(count, arguments, valued_options, i);
        if (file.size == 0) {
            return OK;
        }
        struct result result = host_connect(arena, folder, file);
        result.where = result_is_ok(result) || result.where != NULL ? result.where : file.data;
        TRY(result);
    }
    return FAIL(LIMIT, "host.connect.files");
}

static fallible serve(const struct world *world, struct arena *arena, int count, char *arguments[],
                      struct text folder)
{
    struct host *host;
    program_block_signals();
    TRY(connect_options(arena, count, arguments, folder));
    TRY(host_open(world, arena, folder, program_option(count, arguments, "trace"), &host));
    struct text port_file = program_option(count, arguments, "port-file");
    struct result result = program_announce(host_url(host), host_port(host), port_file);
    if (result_is_ok(result)) {
        program_wait_for_signal();
    }
    host_close(host, GRACE_MS);
    return result;
}

static fallible check(struct arena *arena, struct text folder)
{
    struct host_check found;
    TRY(host_check(arena, folder, &found));
    printf("%zu jobs, %zu documents, %zu parts: whole\n", found.job_count, found.document_count,
           found.part_count);
    return OK;
}

int main(int count, char *arguments[])
{
    struct world world = world_of_system();
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    int left = count - 1;
    char **options = arguments + 1;
    if (program_flag(left, options, "help")) {
        printf("%s", help);
        return 0;
    }
    struct result checked = program_check_options(left, options, valued_options, flags);
    if (!result_is_ok(checked)) {
        program_fail(program, checked);
        return USAGE_STATUS;
    }
    struct text verb = program_argument(left, options, valued_options, 0);
    struct text folder = program_argument(left, options, valued_options, 1);
    if (folder.size == 0) {
        return usage();
    }
    if (text_is(verb, "init")) {
        bool has_url = program_option(left, options, "url").size > 0;
        return has_url ? status_of(init(&world, &arena, left, options, folder)) : usage();
    }
    if (text_is(verb, "connect")) {
        bool has_file = program_argument(left, options, valued_options, 2).size > 0;
        return has_file ? status_of(connect_files(&arena, left, options, folder)) : usage();
    }
    if (text_is(verb, "check")) {
        return status_of(check(&arena, folder));
    }
    return text_is(verb, "serve") ? status_of(serve(&world, &arena, left, options, folder)) : usage();
}
