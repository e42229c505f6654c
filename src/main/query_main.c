/* truce-query: the engine's program. The room starts it as the spawner of sandboxed tasks (query/tasks.h). */
#include "edge/child.h"
#include "query/tasks.h"

int main(int count, char **arguments)
{
    (void)arguments;
    return count == 1 ? tasks_serve(CHILD_DESCRIPTOR) : 2;
}
