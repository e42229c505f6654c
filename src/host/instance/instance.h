/* instance/instance.h: one host in its folder: made, connected, served.
 *
 * The folder (mode 0700): config.json, host.json (what parties get: URL, token, certificate authority), the
 * TLS authority, connections/ (courier and authority files), storage/, queue.sqlite, room.sock. */
#pragma once

#include "base/arena.h"
#include "base/world.h"
#include "service/event/event.h"
#include "service/setup/program.h"

struct host_init_options {
    struct text folder;
    struct text url;
    struct text listen; /* may be empty */
};

/* Makes the folder. INVALID "host.init.url", CONFLICT "setup.folder.used". host.json is written last: a
 * folder without it is not a host. */
fallible host_init(const struct world *world, const struct host_init_options *options);

/* Judges a courier or authority file and copies it into the folder; a running host finds it when it is first
 * needed. The reasons of connection_parse. */
fallible host_connect(struct arena *arena, struct text folder, struct text file);

struct host;

/* What the command line or the configuration file says of a serving host; it counts before what init wrote.
 */
struct host_options {
    struct text folder;
    const struct program_call *call;
    struct event_log *log; /* or NULL; must outlive the host */
};

/* Starts everything in a folder that host_init made. CONFLICT "host.folder.in_use"
 * while another process serves it; `where` of a failure lives in the arena. Jobs that the former process left
 * are queued again. */
fallible host_open(const struct world *world, struct arena *arena, const struct host_options *options,
                   struct host **out);

struct text host_url(const struct host *host);
uint16_t host_port(const struct host *host);

/* Stops taking calls, gives rooms that work `grace_ms`, then ends. NULL does nothing. */
void host_close(struct host *host, int64_t grace_ms);
