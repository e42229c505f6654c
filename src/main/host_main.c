/* truce-host: the workflow, storage and courier of a zone's host. Untrusted. Wiring only: host/instance does
 * the work. */
#include "host/check/check.h"
#include "host/instance/instance.h"
#include "service/setup/program.h"

#include "main/identity.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, USAGE_STATUS = 2, GRACE_MS = 3000, FILES_MAX = 64 };

static const char program[] = "truce-host";

static int refuse(const char *missing)
{
    program_fail(program, FAIL_AT(INVALID, "setting.option.missing", missing));
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

static fallible connect_files(struct arena *arena, const struct program_call *call)
{
    for (size_t i = 2; i < FILES_MAX + 2; i++) {
        struct text file = program_argument(call->count, call->words, call->names.valued, i);
        if (file.size == 0) {
            return OK;
        }
        struct result result = host_connect(arena, call->folder, file);
        result.where = result_is_ok(result) || result.where != NULL ? result.where : file.data;
        TRY(result);
    }
    return FAIL(LIMIT, "host.connect.files");
}

static fallible serve(const struct world *world, struct arena *arena, const struct program_call *call)
{
    struct host *host;
    scoped_event_log log = {0};
    program_block_signals();
    TRY(event_log_open(program_option(call->count, call->words, "log"), program, world, &log));
    TRY(connect_options(arena, call->count, call->words, call->folder));
    struct host_options options = {.folder = call->folder, .call = call, .log = &log};
    struct result opened = host_open(world, arena, &options, &host);
    if (!result_is_ok(opened)) {
        event_service_failed(&log, opened.why);
        return opened;
    }
    struct text port_file = program_option(call->count, call->words, "port-file");
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
    struct program_call call;
    int status;
    if (!program_start(&arena, &setting_host, identity_text, count, arguments, &call, &status)) {
        return status;
    }
    if (text_is(call.verb, "init")) {
        bool has_url = program_option(call.count, call.words, "url").size > 0;
        return has_url ? status_of(init(&world, &arena, call.count, call.words, call.folder))
                       : refuse("--url");
    }
    if (text_is(call.verb, "connect")) {
        bool has_file = program_argument(call.count, call.words, call.names.valued, 2).size > 0;
        return has_file ? status_of(connect_files(&arena, &call)) : refuse("FILE");
    }
    if (text_is(call.verb, "check")) {
        return status_of(check(&arena, call.folder));
    }
    return status_of(serve(&world, &arena, &call));
}
