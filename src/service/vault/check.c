/* Whether what a vault keeps fits together, with its program down. */
#include "service/setup/file.h"
#include "service/vault/record.h"
#include "service/vault/vault.h"

enum { CHECK_NAMES_MAX = 65536, CHECK_ARENA_BYTES_MAX = 256 * 1024 * 1024 };

static fallible open_state(const struct world *world, struct arena *arena, struct text folder,
                           struct state **out)
{
    scoped_secret master_key = {0};
    struct bytes ignored;
    struct text path;
    TRY(path_join(arena, folder, "config.json", &path));
    TRY(file_read(arena, path, &ignored)); /* a folder without it is not a vault */
    TRY(path_join(arena, folder, "master.key", &path));
    TRY(file_read_secret(path, &master_key));
    TRY(path_join(arena, folder, "state.db", &path));
    return state_open(path, &master_key, world, out);
}

/* A version has its material, and a key's latest version is there. */
static fallible check_keys(struct state_transaction *transaction, struct arena *arena, size_t *out_count)
{
    struct text *names;
    size_t count;
    TRY(ARENA_ARRAY(arena, struct text, CHECK_NAMES_MAX, &names));
    TRY(state_list(transaction, arena, "version", (struct text){0}, (struct text){0}, CHECK_NAMES_MAX, names,
                   &count));
    *out_count = count;
    for (size_t i = 0; i < count; i++) {
        scoped_secret material = {0};
        if (!result_is_ok(state_get(transaction, "material", names[i], &material))) {
            return FAIL_AT(CORRUPT, "check.key.material", arena_where(arena, "%.*s", TEXT_ARGS(names[i])));
        }
    }
    TRY(state_list(transaction, arena, "key", (struct text){0}, (struct text){0}, CHECK_NAMES_MAX, names,
                   &count));
    for (size_t i = 0; i < count; i++) {
        scoped_key_record record = {0};
        if (!result_is_ok(key_record_load(transaction, arena, names[i], (struct text){0}, &record))) {
            return FAIL_AT(CORRUPT, "check.key.latest", arena_where(arena, "%.*s", TEXT_ARGS(names[i])));
        }
    }
    return OK;
}

/* Releases are numbered without a gap, and the counter is the next number. */
static fallible check_releases(struct state_transaction *transaction, struct arena *arena, size_t *out_count)
{
    struct text *names;
    size_t count;
    scoped_json *counter = NULL;
    uint64_t next = 0;
    TRY(ARENA_ARRAY(arena, struct text, CHECK_NAMES_MAX, &names));
    TRY(state_list(transaction, arena, "release", (struct text){0}, (struct text){0}, CHECK_NAMES_MAX, names,
                   &count));
    struct result result = state_get_json(transaction, "counter", TEXT("release"), &counter);
    if (result_is_ok(result)) {
        TRY(json_get_u64(counter, "next", INT64_MAX, &next));
    } else if (result.code != RESULT_NOT_FOUND) {
        return result;
    }
    REQUIRE(count == CHECK_NAMES_MAX || next == count, CORRUPT, "check.releases");
    *out_count = count;
    return OK;
}

fallible vault_check(const struct world *world, struct arena *out_arena, struct text folder,
                     struct vault_check *out)
{
    scoped_arena arena;
    struct state *state;
    struct vault_check found;
    arena_init(&arena, CHECK_ARENA_BYTES_MAX);
    TRY(open_state(world, &arena, folder, &state));
    struct state_transaction transaction = {0};
    struct result result = state_begin(state, &transaction);
    if (result_is_ok(result)) {
        result = state_verify(&transaction, &arena, &found.row_count);
    }
    if (result_is_ok(result)) {
        result = check_keys(&transaction, &arena, &found.version_count);
    }
    if (result_is_ok(result)) {
        result = check_releases(&transaction, &arena, &found.release_count);
    }
    state_rollback(&transaction);
    state_close(state);
    if (!result_is_ok(result)) {
        result.where = result.where == NULL ? NULL : arena_where(out_arena, "%s", result.where);
        return result;
    }
    *out = found;
    return OK;
}
