/* query/run.h: the run task: one vetted text over sealed datasets, its result as typed cells.
 *
 * The text and the schema come from the room. Whatever goes wrong, the answer is the one frame `F` without
 * a word: an error's kind or time would tell about rows. Nothing is sent before the whole result is known to
 * keep to the declared types and limits. */
#pragma once

/* Serves the one request on `stream`, reading datasets through `read_socket` and the shared `memory`. Enters
 * the sandbox. The process must end afterwards. */
void run_serve(int stream, int read_socket, int memory);
