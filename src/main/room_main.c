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

#include "main/identity_exec.h"
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
    uint64_t keeps_ciphertext;
};

