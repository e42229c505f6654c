#include "service/state/state.h"

#include "crypto/aead.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_MS = 10 * 1000, PATH_BYTES_MAX = 4000 };

struct state {
    sqlite3 *database;
    struct secret master_key;
    struct world world;
    pthread_mutex_t turn;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS row (area TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY (area, name)) STRICT, WITHOUT ROWID";

static fallible failure_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FAIL(TIMEOUT, "state.busy");
    case SQLITE_FULL:
        return FAIL(UNAVAILABLE, "state.disk_full");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return FAIL(CORRUPT, "state.file");
    case SQLITE_NOMEM:
        return FAIL(NO_MEMORY, "state.memory");
    default:
        return FAIL(UNAVAILABLE, "state.io");
    }
}

static fallible run(struct state *state, const char *sql)
{
    int code = sqlite3_exec(state->database, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : failure_of(code);
}

static void statement_release(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}
#define scoped_statement defer(statement_release) sqlite3_stmt

static fallible prepare(struct state *state, const char *sql, const char *table, struct text name,
                        sqlite3_stmt **out)
{
    REQUIRE(name.size <= STATE_NAME_BYTES_MAX, LIMIT, "state.name.size");
    int code = sqlite3_prepare_v2(state->database, sql, -1, out, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_text(*out, 1, table, -1, SQLITE_STATIC);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_bind_text(*out, 2, name.data != NULL ? name.data : "", (int)name.size, SQLITE_STATIC);
    }
    return code == SQLITE_OK ? OK : failure_of(code);
}

/* ---- Opening ---- */

/* The file is made here with its mode; SQLite gives its companions the mode of the file. */
static fallible make_file(const char *path)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(descriptor >= 0, UNAVAILABLE, "state.create");
    struct stat status;
    bool fine = fstat(descriptor, &status) == 0 && (status.st_mode & 077) == 0;
    close(descriptor);
    REQUIRE(fine, DENIED, "state.mode");
    return OK;
}

/* One known row shows that the file belongs to this master key. */
static fallible check_master_key(struct state *state)
{
    scoped_state_transaction transaction = {0};
    TRY(state_begin(state, &transaction));
    scoped_secret mark = {0};
    struct result result = state_get(&transaction, "state", TEXT("mark"), &mark);
    REQUIRE(result.code != RESULT_CORRUPT, CORRUPT, "state.master_key");
    if (result.code != RESULT_NOT_FOUND) {
        return result;
    }
    scoped_json *fresh = json_object();
    TRY(json_set_text(fresh, "type", TEXT("state/1")));
    TRY(state_add_json(&transaction, "state", TEXT("mark"), fresh));
    return state_commit(&transaction);
}

static fallible open_database(struct state *state, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &state->database, flags, NULL);
    if (code != SQLITE_OK) {
        return failure_of(code);
    }
    sqlite3_busy_timeout(state->database, BUSY_MS);
    TRY(run(state, "PRAGMA journal_mode = WAL"));
    TRY(run(state, "PRAGMA synchronous = FULL"));
    TRY(run(state, "PRAGMA trusted_schema = OFF"));
    TRY(run(state, "PRAGMA secure_delete = ON"));
    TRY(run(state, schema));
    return check_master_key(state);
}

fallible state_open(struct text path, struct secret *master_key, const struct world *world,
                    struct state **out)
{
    char name[PATH_BYTES_MAX + 1] = "";
    REQUIRE(path.size > 0 && path.size <= PATH_BYTES_MAX, INVALID, "state.path");
    REQUIRE(master_key->size == AEAD_KEY_BYTES, INVALID, "state.master_key.size");
    memcpy(name, path.data, path.size);
    TRY(make_file(name));
    struct state *state = calloc(1, sizeof *state);
    REQUIRE(state != NULL, NO_MEMORY, "state.memory");
    state->world = *world;
    ASSERT(pthread_mutex_init(&state->turn, NULL) == 0);
    secret_move(master_key, &state->master_key);
    struct result result = open_database(state, name);
    if (!result_is_ok(result)) {
        state_close(state);
        return result;
    }
    *out = state;
    return OK;
}

void state_close(struct state *state)
{
    if (state == NULL) {
        return;
    }
    sqlite3_close(state->database);
    secret_release(&state->master_key);
    pthread_mutex_destroy(&state->turn);
    free(state);
}

/* ---- Transactions ---- */

fallible state_begin(struct state *state, struct state_transaction *out)
{
    ASSERT(out->state == NULL);
    ASSERT(pthread_mutex_lock(&state->turn) == 0);
    struct result result = run(state, "BEGIN IMMEDIATE");
    if (!result_is_ok(result)) {
        pthread_mutex_unlock(&state->turn);
        return result;
    }
    out->state = state;
    return OK;
}

fallible state_commit(struct state_transaction *transaction)
{
    struct state *state = transaction->state;
    ASSERT(state != NULL);
    TRY(run(state, "COMMIT"));
    transaction->state = NULL;
    pthread_mutex_unlock(&state->turn);
    return OK;
}

void state_rollback(struct state_transaction *transaction)
{
    if (transaction->state != NULL) {
        sqlite3_exec(transaction->state->database, "ROLLBACK", NULL, NULL, NULL);
        pthread_mutex_unlock(&transaction->state->turn);
        transaction->state = NULL;
    }
}

/* ---- Rows ---- */

static fallible associated_data(struct arena *arena, const char *table, struct text name, int64_t version,
                                struct bytes *out)
{
    struct text text;
    TRY(arena_printf(arena, &text, "truce-state/1\n%s\n%.*s\n%lld", table, TEXT_ARGS(name),
                     (long long)version));
    *out = bytes_of_text(text);
    return OK;
}

static fallible step_to_row(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    REQUIRE(code != SQLITE_DONE, NOT_FOUND, "state.row.missing");
    return code == SQLITE_ROW ? OK : failure_of(code);
}

static fallible find(struct state *state, const char *table, struct text name, int64_t *out_version)
{
    scoped_statement *statement = NULL;
    TRY(prepare(state, "SELECT version FROM row WHERE area = ? AND name = ?", table, name, &statement));
    TRY(step_to_row(statement));
    *out_version = sqlite3_column_int64(statement, 0);
    return OK;
}

fallible state_get(struct state_transaction *transaction, const char *table, struct text name,
                   struct secret *out)
{
    struct state *state = transaction->state;
    scoped_arena arena;
    arena_init(&arena, 4096);
    scoped_statement *statement = NULL;
    TRY(prepare(state, "SELECT version, sealed FROM row WHERE area = ? AND name = ?", table, name,
                &statement));
    TRY(step_to_row(statement));
    struct bytes associated;
    TRY(associated_data(&arena, table, name, sqlite3_column_int64(statement, 0), &associated));
    struct bytes sealed = {sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1)};
    REQUIRE(sealed.data != NULL || sqlite3_errcode(state->database) != SQLITE_NOMEM, NO_MEMORY,
            "state.memory");
    struct result opened = box_open(&state->master_key, associated, sealed, out);
    REQUIRE(opened.code != RESULT_UNTRUSTED, CORRUPT, "state.row.sealed");
    return opened;
}

fallible state_get_json(struct state_transaction *transaction, const char *table, struct text name,
                        json_t **out)
{
    scoped_secret value = {0};
    TRY(state_get(transaction, table, name, &value));
    struct result decoded = json_decode(secret_view(&value), out);
    REQUIRE(decoded.code != RESULT_INVALID, CORRUPT, "state.row.json");
    return decoded;
}

static fallible write_row(struct state *state, const char *table, struct text name, int64_t version,
                          struct bytes sealed)
{
    scoped_statement *statement = NULL;
    TRY(prepare(state, "INSERT OR REPLACE INTO row (area, name, version, sealed) VALUES (?, ?, ?, ?)", table,
                name, &statement));
    int code = sqlite3_bind_int64(statement, 3, version);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_blob64(statement, 4, sealed.data, sealed.size, SQLITE_STATIC);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    return code == SQLITE_DONE ? OK : failure_of(code);
}

fallible state_put(struct state_transaction *transaction, const char *table, struct text name,
                   const struct secret *value)
{
    struct state *state = transaction->state;
    REQUIRE(value->size <= STATE_VALUE_BYTES_MAX, LIMIT, "state.value.size");
    int64_t version = 0;
    struct result found = find(state, table, name, &version);
    if (!result_is_ok(found) && found.code != RESULT_NOT_FOUND) {
        return found;
    }
    scoped_arena arena;
    scoped_buffer sealed;
    struct bytes associated;
    arena_init(&arena, 4096);
    buffer_init(&sealed, STATE_VALUE_BYTES_MAX + 1024);
    TRY(associated_data(&arena, table, name, version + 1, &associated));
    TRY(box_seal(&state->world, &state->master_key, associated, value, &sealed));
    return write_row(state, table, name, version + 1, buffer_view(&sealed));
}

fallible state_put_json(struct state_transaction *transaction, const char *table, struct text name,
                        const json_t *value)
{
    scoped_buffer text;
    scoped_secret secret = {0};
    buffer_init(&text, STATE_VALUE_BYTES_MAX);
    TRY(json_encode(value, &text));
    struct result result = secret_from(buffer_view(&text), &secret);
    wipe(text.data, text.size);
    TRY(result);
    return state_put(transaction, table, name, &secret);
}

fallible state_add_json(struct state_transaction *transaction, const char *table, struct text name,
                        const json_t *value)
{
    int64_t version;
    struct result found = find(transaction->state, table, name, &version);
    REQUIRE(!result_is_ok(found), CONFLICT, "state.row.exists");
    if (found.code != RESULT_NOT_FOUND) {
        return found;
    }
    return state_put_json(transaction, table, name, value);
}

fallible state_remove(struct state_transaction *transaction, const char *table, struct text name)
{
    scoped_statement *statement = NULL;
    struct state *state = transaction->state;
    TRY(prepare(state, "DELETE FROM row WHERE area = ? AND name = ?", table, name, &statement));
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE) {
        return failure_of(code);
    }
    REQUIRE(sqlite3_changes(state->database) == 1, NOT_FOUND, "state.row.missing");
    return OK;
}

fallible state_list(struct state_transaction *transaction, struct arena *arena, const char *table,
                    struct text prefix, struct text after, size_t max, struct text out[], size_t *out_count)
{
    struct text from = after.size > 0 ? after : prefix;
    size_t count = 0;
    scoped_statement *statement = NULL;
    const char *sql = after.size > 0 ? "SELECT name FROM row WHERE area = ? AND name > ? ORDER BY name"
                                     : "SELECT name FROM row WHERE area = ? AND name >= ? ORDER BY name";
    TRY(prepare(transaction->state, sql, table, from, &statement));
    int code = SQLITE_DONE;
    while (count < max && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct text name = {(const char *)sqlite3_column_text(statement, 0),
                            (size_t)sqlite3_column_bytes(statement, 0)};
        REQUIRE(name.data != NULL, NO_MEMORY, "state.memory");
        if (!text_starts_with(name, prefix)) {
            code = SQLITE_DONE;
            break;
        }
        TRY(arena_copy_text(arena, name, &out[count]));
        count++;
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        return failure_of(code);
    }
    *out_count = count;
    return OK;
}

static fallible verify_file(struct state *state)
{
    scoped_statement *statement = NULL;
    int code = sqlite3_prepare_v2(state->database, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code != SQLITE_ROW) {
        return failure_of(code);
    }
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    REQUIRE(text != NULL, NO_MEMORY, "state.memory");
    REQUIRE(strcmp(text, "ok") == 0, CORRUPT, "state.file");
    return OK;
}

fallible state_verify(struct state_transaction *transaction, struct arena *arena, size_t *out_rows)
{
    struct state *state = transaction->state;
    TRY(verify_file(state));
    scoped_statement *statement = NULL;
    int code = sqlite3_prepare_v2(state->database, "SELECT area, name FROM row ORDER BY area, name", -1,
                                  &statement, NULL);
    size_t rows = 0;
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW) {
            break;
        }
        const char *area = (const char *)sqlite3_column_text(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        REQUIRE(area != NULL && name != NULL, NO_MEMORY, "state.memory");
        scoped_secret value = {0};
        struct result result = state_get(transaction, area, text_of(name), &value);
        if (!result_is_ok(result)) {
            result.where = arena_where(arena, "%s/%s", area, name);
            return result;
        }
        rows++;
    }
    if (code != SQLITE_DONE) {
        return failure_of(code);
    }
    *out_rows = rows;
    return OK;
}
