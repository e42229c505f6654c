/* truce-query: the engine's program. The room starts it as the spawner of sandboxed tasks (query/tasks.h). */
#include "edge/child.h"
#include "query/tasks.h"

#include "main/identity_exec.h"

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        return identity_exec("truce-query", arguments[1]);
    }
    return count == 1 ? tasks_serve(CHILD_DESCRIPTOR) : 2;
}
