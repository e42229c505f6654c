/* tee/sim.h: starting the chip of family `sim`, which is the program truce-sim-chip beside the room's. */
#pragma once

#include "tee/tee.h"

#include <sys/types.h>

/* `command` is "serve", which the family uses itself, or "init" or "measure", which end by themselves. The
 * chip measures the process that starts it and the query program. */
fallible sim_start(const struct tee_place *place, const char *command, int *out_socket, pid_t *out_pid);
