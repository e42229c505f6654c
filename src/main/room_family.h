/* main/room_family.h: what a build of the room says about its family of TEE. One file room_family_*.c per
 * build.
 */
#pragma once

#include "tee/tee.h"

extern const struct tee_family *const room_family;

/* What the commands `init` and `measure` do, which is no business of a room that serves. */
fallible room_family_prepare(const struct tee_place *place, const char *command, int *out_exit_status);
