/* engine.h: the query program of the simulation: a thread behind the wire of doc/formats.md §7.
 *
 * It replaces `truce-query` with DuckDB: vetting says what the one template reads and gives, and running it
 * counts the canaries in everything that the room serves. The room's side (task, reads, grant, gate, footers,
 * decryption) is real.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>

#define ENGINE_ANSWER "ANSWER-CANARY-7f3a"   /* a cell of every result */
#define ENGINE_GRANTED "GRANTED-CANARY-51c9" /* in the rows that a query may read */
#define ENGINE_DENIED "DENIED-CANARY-e08b"   /* in a column that it may not */
#define ENGINE_SQL "SELECT answer, hits FROM both_tables"

enum { ENGINE_HITS = 2 * 40 }; /* what an honest run counts */

void engine_fail_next(bool fail);
/* Called in the room's thread when a run task starts. */
void engine_watch(void (*started)(void));
/* True once a run saw octets outside its grant. */
bool engine_saw_denied(void);
