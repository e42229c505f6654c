#include "main/room_family.h"
#include "tee/sim.h"

#include <sys/wait.h>
#include <unistd.h>

const struct tee_family *const room_family = &tee_sim;

fallible room_family_prepare(const struct tee_place *place, const char *command, int *out_exit_status)
{
    int socket;
    int status;
    pid_t chip;
    TRY(sim_start(place, command, &socket, &chip));
    bool ended = waitpid(chip, &status, 0) == chip && WIFEXITED(status);
    close(socket);
    REQUIRE(ended, UNAVAILABLE, "room.family.chip");
    *out_exit_status = WEXITSTATUS(status);
    return OK;
}
