/* state/state.h: the store of a service: rows of name and sealed value, in SQLite.
 *
 * A row is (table, name) → value with a version that counts its writes. Values are sealed under the service's
 * master key with table, name and version as associated data, so that a value cannot be moved to another row
 * or set back alone inside the file; a copy of the whole file can be set back, which only the file's keeper
 * could do. Names and table names are in clear. No SQL outside this module.
 *
 * Everything happens in a transaction; one at a time, others wait. What is not committed is rolled back:
 *
 *     scoped_state_transaction transaction = {0};
 *     TRY(state_begin(state, &transaction));
 *     TRY(state_put_json(&transaction, "key", name, value));
 *     TRY(state_commit(&transaction));
 *
 * Any thread; a transaction belongs to one. */
#pragma once

#include "base/json.h"
#include "crypto/secret.h"

enum { STATE_NAME_BYTES_MAX = 512, STATE_VALUE_BYTES_MAX = 512 * 1024 };

struct state;

struct state_transaction {
    struct state *state; /* NULL: not begun, or ended */
};

/* Opens or creates the file (mode 0600). `master_key` (32 octets) is taken over. CORRUPT "state.master_key"
 * when the file was made under another key. */
fallible state_open(struct text path, struct secret *master_key, const struct world *world,
                    struct state **out);
void state_close(struct state *state);

/* TIMEOUT "state.busy" when another process holds the file. */
fallible state_begin(struct state *state, struct state_transaction *out);
fallible state_commit(struct state_transaction *transaction);
void state_rollback(struct state_transaction *transaction);
#define scoped_state_transaction defer(state_rollback) struct state_transaction

/* NOT_FOUND "state.row.missing"; CORRUPT "state.row.sealed" when the row does not open. */
fallible state_get(struct state_transaction *transaction, const char *table, struct text name,
                   struct secret *out);
fallible state_get_json(struct state_transaction *transaction, const char *table, struct text name,
                        json_t **out);

/* Writes a row, new or not. `state_add` refuses one that exists: CONFLICT "state.row.exists". */
fallible state_put(struct state_transaction *transaction, const char *table, struct text name,
                   const struct secret *value);
fallible state_put_json(struct state_transaction *transaction, const char *table, struct text name,
                        const json_t *value);
fallible state_add_json(struct state_transaction *transaction, const char *table, struct text name,
                        const json_t *value);
fallible state_remove(struct state_transaction *transaction, const char *table, struct text name);

/* Names of a table that start with `prefix` and come after `after` (empty: from the start), in order of
 * octets, at most `max`. */
fallible state_list(struct state_transaction *transaction, struct arena *arena, const char *table,
                    struct text prefix, struct text after, size_t max, struct text out[], size_t *out_count);

/* Whether the file is whole and every row opens under the master key: CORRUPT "state.file",
 * "state.row.sealed" with the row's name in `where`. `*out_rows` counts them. */
fallible state_verify(struct state_transaction *transaction, struct arena *arena, size_t *out_rows);
