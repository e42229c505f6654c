/* game.h: one run of the simulation: a hostile host between rooms, services and parties, and what must hold.
 */
#pragma once

#include "setting.h"

/* A guarantee that is broken on purpose, so that it is seen that its loss is found. */
enum mutation {
    MUTATION_NONE = 0,
    MUTATION_PLAIN_RESULT,   /* the room encrypts nothing */
    MUTATION_SECOND_RELEASE, /* a vault forgets that it has released */
    MUTATION_ANY_CODE,       /* a vault's release policy allows everything */
    MUTATION_ANY_QUERIER,    /* nobody looks who signed a run request */
    MUTATION_ANY_RECEIPT,    /* a party opens a result under any receipt */
    MUTATION_WIDE_GRANT,     /* the room serves what is not granted */
    MUTATIONS
};
extern const char *const mutation_names[MUTATIONS];

struct game_outcome {
    bool holds;
    char broken[256];
    uint64_t trace; /* of every step, all octets of the wire included */
    size_t steps, runs, executions, opened, refused_releases;
};

void game_play(struct setting *setting, uint64_t seed, enum mutation mutation, bool print,
               struct game_outcome *out);
