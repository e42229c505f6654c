/* The room for hardware. Its collectors are not part of this version, so it says so and does nothing. */
#include "main/room_family.h"

const struct tee_family *const room_family = &tee_skeleton;

fallible room_family_prepare(const struct tee_place *place, const char *command, int *out_exit_status)
{
    (void)place;
    (void)command;
    (void)out_exit_status;
    return FAIL(UNSUPPORTED, "room.family.none");
}
