/* truce-query: the engine's program. Started by the room it is the spawner of sandboxed tasks
 * (query/tasks.h); with `--unsealed` it is a party's own tool for reading local files (query/unsealed.h). */
#include "query/spawner_wire.h"
#include "query/tasks.h"
#include "query/unsealed.h"

#include <string.h>

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--unsealed") == 0) {
        return unsealed_serve(SPAWNER_CONTROL_DESCRIPTOR);
    }
    return count == 1 ? tasks_serve(SPAWNER_CONTROL_DESCRIPTOR) : 2;
}
