/* The room for hardware. Its collectors are not part of this version, so it says so and does nothing. */
#include "main/room_family.h"

const struct tee_family *const room_family = &tee_skeleton;

fallible room_family_init(const char *helper, const char *folder, const char *measurement)
{
    (void)helper;
    (void)folder;
    (void)measurement;
    return FAIL(UNSUPPORTED, "room.family.none");
}
