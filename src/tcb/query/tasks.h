/* query/tasks.h: what `truce-query` is when the room starts it: a process that forks one child per task, one
 * task at a time.
 *
 * Single thread, no engine. It serves the control socket until the room closes it, then ends with all its
 * tasks. Each child keeps its task's descriptors and nothing else. */
#pragma once

/* Serves `control` until its end; gives the exit status of the program. */
int tasks_serve(int control);
