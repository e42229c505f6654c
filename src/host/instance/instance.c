#include "host/instance/instance.h"

#include "base/encode.h"
#include "host/workflow/workflow.h"
#include "service/setup/file.h"
#include "service/setup/tls.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { ARENA_BYTES = 16 * 1024 * 1024, HTTP_THREADS = 6, CONFIG_NUMBER_MAX = INT32_MAX };
#define PAUSE_MS_MAX 5000

struct config {
    struct text url;
    struct text listen;
    uint64_t storage_bytes_max;
    uint64_t open_jobs_max;
    uint64_t attempts_max;
    uint64_t lease_ms;
    uint64_t job_extra_ms;
    uint64_t room_patience_ms;
    uint64_t courier_attempts_max;
    uint64_t courier_pause_ms;
    uint64_t courier_timeout_ms;
};

struct host {
    const struct world *world;
    struct arena arena;
    const struct program_call *call;
    struct text folder;
    struct config config;
    int lock;
    struct connections connections;
    struct courier courier;
    struct storage storage;
    struct queue queue;
    struct event_log *log;
    struct trace trace;
    struct link_host link_host;
    struct workflow workflow;
    struct scheduler *scheduler;
    struct http_server *server;
    bool is_started;
};

/* ---- Configuration ---- */

static fallible take_numbers(const json_t *json, struct config *out)
{
    TRY(json_get_u64(json, "storage_bytes_max", INT64_MAX, &out->storage_bytes_max));
    TRY(json_get_u64(json, "open_jobs_max", CONFIG_NUMBER_MAX, &out->open_jobs_max));
    TRY(json_get_u64(json, "attempts_max", CONFIG_NUMBER_MAX, &out->attempts_max));
    TRY(json_get_u64(json, "lease_ms", CONFIG_NUMBER_MAX, &out->lease_ms));
    TRY(json_get_u64(json, "job_extra_ms", CONFIG_NUMBER_MAX, &out->job_extra_ms));
    TRY(json_get_u64(json, "room_patience_ms", CONFIG_NUMBER_MAX, &out->room_patience_ms));
    TRY(json_get_u64(json, "courier_attempts_max", CONFIG_NUMBER_MAX, &out->courier_attempts_max));
    TRY(json_get_u64(json, "courier_pause_ms", CONFIG_NUMBER_MAX, &out->courier_pause_ms));
    TRY(json_get_u64(json, "courier_timeout_ms", CONFIG_NUMBER_MAX, &out->courier_timeout_ms));
    bool is_sound = out->storage_bytes_max > 0 && out->attempts_max > 0 && out->courier_attempts_max > 0 &&
                    out->lease_ms >= 4000 && out->room_patience_ms > 0 && out->courier_timeout_ms > 0;
    REQUIRE(is_sound, INVALID, "host.config.number");
    return OK;
}

struct override {
    const char *name;
    uint64_t *number;
};

/* What was said to the program counts before what init wrote; the table of settings has judged it. */
static fallible override_config(struct host *host)
{
    struct config *config = &host->config;
    const struct program_call *call = host->call;
    const struct override rows[] = {
        {"storage-bytes-max", &config->storage_bytes_max},
        {"open-jobs-max", &config->open_jobs_max},
        {"attempts-max", &config->attempts_max},
        {"lease-ms", &config->lease_ms},
        {"job-extra-ms", &config->job_extra_ms},
        {"room-patience-ms", &config->room_patience_ms},
        {"courier-attempts-max", &config->courier_attempts_max},
        {"courier-pause-ms", &config->courier_pause_ms},
        {"courier-timeout-ms", &config->courier_timeout_ms},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text value = program_option(call->count, call->words, rows[i].name);
        if (value.size > 0) {
            TRY(decode_u64(value, INT64_MAX, rows[i].number));
        }
    }
    struct text listen = program_option(call->count, call->words, "listen");
    config->listen = listen.size > 0 ? listen : config->listen;
    return program_check_url(config->url, program_option(call->count, call->words, "url"));
}

static fallible read_config(struct host *host)
{
    static const char *const members[] = {"type",
                                          "url",
                                          "listen",
                                          "storage_bytes_max",
                                          "open_jobs_max",
                                          "attempts_max",
                                          "lease_ms",
                                          "job_extra_ms",
                                          "room_patience_ms",
                                          "courier_attempts_max",
                                          "courier_pause_ms",
                                          "courier_timeout_ms",
                                          NULL};
    struct text path;
    scoped_json *json = NULL;
    TRY(path_join(&host->arena, host->folder, "config.json", &path));
    TRY(file_read_json(&host->arena, path, &json));
    TRY(json_only(&host->arena, json, members));
    struct text text;
    TRY(json_get_text(json, "type", &text));
    REQUIRE(text_is(text, "host-config/1"), INVALID, "host.config.type");
    TRY(json_get_text(json, "url", &text));
    TRY(arena_copy_text(&host->arena, text, &host->config.url));
    TRY(json_get_text(json, "listen", &text));
    TRY(arena_copy_text(&host->arena, text, &host->config.listen));
    return take_numbers(json, &host->config);
}

/* ---- Opening ---- */

static fallible path_of(struct host *host, const char *name, const char **out)
{
    struct text path;
    TRY(path_join(&host->arena, host->folder, name, &path));
    return arena_cstring(&host->arena, path, out);
}

static fallible lock_folder(struct host *host)
{
    const char *path;
    TRY(path_of(host, "host.lock", &path));
    host->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    REQUIRE(host->lock >= 0, UNAVAILABLE, "host.folder.lock");
    REQUIRE(flock(host->lock, LOCK_EX | LOCK_NB) == 0, CONFLICT, "host.folder.in_use");
    return OK;
}

static fallible open_trace(struct host *host)
{
    struct text trace_file = program_option(host->call->count, host->call->words, "trace");
    if (trace_file.size > 0) {
        const char *path;
        TRY(arena_cstring(&host->arena, trace_file, &path));
        TRY(trace_open(path, &host->trace));
    }
    return OK;
}

/* A process that died after storing a receipt and before saying so left a job that is done. */
static fallible recover_jobs(struct host *host)
{
    struct queue_job *jobs;
    TRY(ARENA_ARRAY(&host->arena, struct queue_job, QUEUE_LIST_MAX, &jobs));
    size_t count;
    TRY(queue_list(&host->queue, "", QUEUE_LIST_MAX, jobs, &count));
    for (size_t i = 0; i < count; i++) {
        struct storage_path receipt;
        TRY(storage_path_receipt(text_of(jobs[i].run), &receipt));
        if (jobs[i].state == QUEUE_RUNNING && storage_has(&host->storage, &receipt)) {
            TRY(queue_finish(&host->queue, jobs[i].run, jobs[i].room, QUEUE_DONE, "",
                             world_now(host->world) * 1000));
        }
    }
    return queue_return_all(&host->queue);
}

static fallible open_stores(struct host *host)
{
    const struct config *config = &host->config;
    const char *path;
    TRY(path_of(host, "storage", &path));
    TRY(storage_open(path, config->storage_bytes_max, storage_disk_of_system(), &host->storage));
    struct queue_settings settings = {.lease_ms = (int64_t)config->lease_ms,
                                      .attempts_max = (int64_t)config->attempts_max,
                                      .open_max = (int64_t)config->open_jobs_max};
    TRY(path_of(host, "queue.sqlite", &path));
    TRY(queue_open(path, &settings, &host->queue));
    return recover_jobs(host);
}

static fallible open_courier(struct host *host)
{
    const struct config *config = &host->config;
    struct text folder;
    TRY(path_join(&host->arena, host->folder, "connections", &folder));
    TRY(connections_open(folder, &host->connections));
    struct courier_settings settings = {.attempts_max = (int64_t)config->courier_attempts_max,
                                        .pause_ms = (int64_t)config->courier_pause_ms,
                                        .pause_ms_max = PAUSE_MS_MAX,
                                        .call_timeout_ms = (int64_t)config->courier_timeout_ms};
    return courier_open(&host->connections, &settings, host->world, &host->courier);
}

static fallible start_scheduler(struct host *host)
{
    host->link_host = (struct link_host){.storage = &host->storage,
                                         .queue = &host->queue,
                                         .courier = &host->courier,
                                         .log = host->log,
                                         .trace = &host->trace,
                                         .world = host->world,
                                         .patience_ms = (int64_t)host->config.room_patience_ms};
    struct text socket = program_option(host->call->count, host->call->words, "room-socket");
    struct scheduler_settings settings = {.job_extra_ms = (int64_t)host->config.job_extra_ms,
                                          .socket_mode = socket.size > 0 ? 0660 : 0600};
    const char *path;
    if (socket.size > 0) {
        TRY(arena_cstring(&host->arena, socket, &path));
    } else {
        TRY(path_of(host, "room.sock", &path));
    }
    return scheduler_start(path, &host->link_host, &settings, &host->scheduler);
}

static fallible read_token(struct host *host, struct text *out)
{
    struct text path;
    scoped_json *json = NULL;
    struct text token;
    TRY(path_join(&host->arena, host->folder, "host.json", &path));
    TRY(file_read_json(&host->arena, path, &json));
    TRY(json_get_text(json, "token", &token));
    REQUIRE(token.size >= 16, INVALID, "host.config.token");
    return arena_copy_text(&host->arena, token, out);
}

static fallible start_server(struct host *host)
{
    struct text token;
    struct url url;
    struct tls_names names;
    struct tls_identity identity;
    TRY(read_token(host, &token));
    workflow_init(&host->workflow, token);
    TRY(url_parse(&host->arena, host->config.url, &url));
    tls_names_init(&names, url.host);
    TRY(tls_load(host->world, &host->arena, host->folder, &names, &identity));
    struct http_server_options options = {.listen = host->config.listen,
                                          .certificate_pem = identity.certificate_pem,
                                          .key_pem = identity.key_pem,
                                          .self = &host->workflow,
                                          .done = workflow_done,
                                          .world = host->world,
                                          .threads = HTTP_THREADS,
                                          .arena_bytes_max = WORKFLOW_ARENA_BYTES};
    options.routes = workflow_routes(&options.route_count);
    return http_server_start(&options, &host->server);
}

static fallible open_parts(struct host *host, struct text folder)
{
    TRY(arena_copy_text(&host->arena, folder, &host->folder));
    TRY(folder_create(folder)); /* refuses one that others may enter */
    TRY(read_config(host));
    TRY(override_config(host));
    TRY(lock_folder(host));
    TRY(open_trace(host));
    TRY(open_stores(host));
    TRY(open_courier(host));
    TRY(start_scheduler(host));
    host->workflow = (struct workflow){.storage = &host->storage,
                                       .queue = &host->queue,
                                       .scheduler = host->scheduler,
                                       .log = host->log,
                                       .world = host->world};
    TRY(start_server(host));
    event_service_started(host->log, host->config.url);
    host->is_started = true;
    return OK;
}

fallible host_open(const struct world *world, struct arena *arena, const struct host_options *options,
                   struct host **out)
{
    struct host *host = calloc(1, sizeof *host);
    REQUIRE(host != NULL, NO_MEMORY, "host.memory");
    host->world = world;
    host->call = options->call;
    host->log = options->log;
    host->lock = -1;
    arena_init(&host->arena, ARENA_BYTES);
    struct result result = open_parts(host, options->folder);
    if (!result_is_ok(result)) {
        /* What `where` points to goes with the host's own arena. */
        result.where = result.where == NULL ? NULL : arena_where(arena, "%s", result.where);
        host_close(host, 0);
        return result;
    }
    *out = host;
    return OK;
}

struct text host_url(const struct host *host)
{
    return host->config.url;
}

uint16_t host_port(const struct host *host)
{
    return http_server_port(host->server);
}

void host_close(struct host *host, int64_t grace_ms)
{
    if (host == NULL) {
        return;
    }
    http_server_stop(host->server, grace_ms < 1000 ? grace_ms : 1000);
    scheduler_stop(host->scheduler, grace_ms);
    if (host->is_started) {
        event_service_stopped(host->log, host->config.url);
    }
    courier_close(&host->courier);
    connections_close(&host->connections);
    queue_close(&host->queue);
    storage_close(&host->storage);
    trace_close(&host->trace);
    if (host->lock >= 0) {
        close(host->lock);
    }
    arena_release(&host->arena);
    free(host);
}
