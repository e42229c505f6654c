/* party/stack/stack.h: a whole local stack: host, attestation, a vault per party, and a room on the simulated
 * TEE.
 *
 *   TRUCE_HOME/stack/room, attest, vault-NAME, host   the services' own folders
 *                    run/NAME.pid, NAME.port, NAME.log  of each process
 *                    ca.pem                             the authorities of all, for Microsoft's SDKs
 *
 * It only calls the programs' own `init`, `connect` and `serve`. On one machine it shows the protocol and
 * isolates nothing. One process at a time. */
#pragma once

#include "base/world.h"
#include "party/screen/screen.h"

enum { STACK_PARTIES_MAX = 16, STACK_READY_MS = 30000 };

struct stack {
    struct arena *arena;
    const struct world *world;
    const struct screen *screen;
    const char *home;     /* TRUCE_HOME */
    const char *programs; /* folder of the programs */
    const char *folder;   /* TRUCE_HOME/stack */
};

fallible stack_open(struct arena *arena, const struct world *world, const struct screen *screen,
                    const char *home, const char *programs, struct stack *out);

/* Makes what is missing for these parties and starts what does not run. What runs is left alone. */
fallible stack_up(const struct stack *stack, const char *const parties[], size_t party_count);
/* Starts the room where it has ended: one that was leaving while its host came back. */
fallible stack_start_room(const struct stack *stack);
/* Stops everything and waits. What is stored stays. */
fallible stack_down(const struct stack *stack, size_t *out_stopped);

struct stack_service {
    const char *name;    /* "host", "attest", "room", "vault-NAME" */
    const char *program; /* path */
    const char *folder;
    const char *url; /* "" for the room */
    long pid;        /* 0 when it does not run */
    bool answers;    /* its address accepts connections; for the room: it runs */
};
enum { STACK_SERVICES_MAX = STACK_PARTIES_MAX + 3 };
/* All services that have been made, in the order in which they start. */
fallible stack_services(const struct stack *stack, struct stack_service out[STACK_SERVICES_MAX],
                        size_t *out_count);
/* The path of ca.pem, written anew from the services' certificates. */
fallible stack_ca_bundle(const struct stack *stack, const char **out);
