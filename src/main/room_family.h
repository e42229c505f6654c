/* main/room_family.h: what a build of the room says about its family of TEE. One file room_family_*.c per
 * build. */
#pragma once

#include "tee/tee.h"

extern const struct tee_family *const room_family;

/* What `init` does: `helper` is truce-simulation-init beside this program, `measurement` lower-case hex. Does
 * not return on success where it becomes the helper. */
fallible room_family_init(const char *helper, const char *folder, const char *measurement);
