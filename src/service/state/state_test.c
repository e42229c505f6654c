#include "crypto/test_support.h"
#include "service/state/state.h"

#include <sqlite3.h>
#include <unistd.h>

struct fixture {
    struct world world;
    struct arena arena;
    char folder[64];
    char path[128];
    struct state *state;
};

static fallible open_state(struct fixture *fixture, uint8_t key_octet)
{
    uint8_t octets[32];
    memset(octets, key_octet, sizeof octets);
    scoped_secret key = {0};
    TRY(secret_from(BYTES_OF(octets), &key));
    return state_open(text_of(fixture->path), &key, &fixture->world, &fixture->state);
}

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_of_system();
    arena_init(&fixture->arena, 16 * 1024 * 1024);
    strcpy(fixture->folder, "/tmp/truce-state-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/state.db", fixture->folder);
    assert_ok(open_state(fixture, 1));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    char name[160];
    state_close(fixture->state);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", fixture->path, suffixes[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, struct text name, const char *value)
{
    scoped_state_transaction transaction = {0};
    scoped_json *json = json_object();
    assert_ok(state_begin(fixture->state, &transaction));
    assert_ok(json_set_text(json, "v", text_of(value)));
    assert_ok(state_put_json(&transaction, "t", name, json));
    assert_ok(state_commit(&transaction));
}

static fallible get(struct fixture *fixture, struct text name, char out[static 32])
{
    scoped_state_transaction transaction = {0};
    scoped_json *json = NULL;
    struct text text;
    TRY(state_begin(fixture->state, &transaction));
    TRY(state_get_json(&transaction, "t", name, &json));
    TRY(json_get_text(json, "v", &text));
    snprintf(out, 32, "%.*s", TEXT_ARGS(text));
    return OK;
}

static void rows_keep_values(void **state)
{
    struct fixture *fixture = *state;
    char value[32];
    assert_why(get(fixture, TEXT("a"), value), NOT_FOUND, "state.row.missing");
    put(fixture, TEXT("a"), "one");
    put(fixture, TEXT("a"), "two");
    state_close(fixture->state);
    assert_ok(open_state(fixture, 1));
    assert_ok(get(fixture, TEXT("a"), value));
    assert_string_equal(value, "two");
    scoped_state_transaction transaction = {0};
    scoped_json *json = json_object();
    assert_ok(state_begin(fixture->state, &transaction));
    assert_why(state_add_json(&transaction, "t", TEXT("a"), json), CONFLICT, "state.row.exists");
    assert_ok(state_remove(&transaction, "t", TEXT("a")));
    assert_why(state_remove(&transaction, "t", TEXT("a")), NOT_FOUND, "state.row.missing");
    char long_name[STATE_NAME_BYTES_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    assert_why(state_put_json(&transaction, "t", (struct text){long_name, sizeof long_name}, json), LIMIT,
               "state.name.size");
    char *long_value = malloc(STATE_VALUE_BYTES_MAX + 1);
    assert_non_null(long_value);
    memset(long_value, 'a', STATE_VALUE_BYTES_MAX + 1);
    assert_ok(json_set_text(json, "v", (struct text){long_value, STATE_VALUE_BYTES_MAX + 1}));
    free(long_value);
    assert_int_equal(state_put_json(&transaction, "t", TEXT("b"), json).code, RESULT_LIMIT);
    scoped_secret large = {0};
    assert_ok(secret_new(STATE_VALUE_BYTES_MAX + 1, &large));
    assert_why(state_put(&transaction, "t", TEXT("b"), &large), LIMIT, "state.value.size");
}

static void what_is_not_committed_is_gone(void **state)
{
    struct fixture *fixture = *state;
    char value[32];
    {
        scoped_state_transaction transaction = {0};
        scoped_json *json = json_object();
        assert_ok(state_begin(fixture->state, &transaction));
        assert_ok(state_put_json(&transaction, "t", TEXT("a"), json));
    }
    assert_why(get(fixture, TEXT("a"), value), NOT_FOUND, "state.row.missing");
}

static void names_are_listed_in_pages(void **state)
{
    struct fixture *fixture = *state;
    static const struct text names[] = {TEXT("k/1"), TEXT("k/2"), TEXT("k/3"), TEXT("k2/1"), TEXT("j")};
    for (size_t i = 0; i < 5; i++) {
        put(fixture, names[i], "x");
    }
    struct text out[5];
    size_t count;
    scoped_state_transaction transaction = {0};
    assert_ok(state_begin(fixture->state, &transaction));
    assert_ok(state_list(&transaction, &fixture->arena, "t", TEXT("k/"), (struct text){0}, 2, out, &count));
    assert_int_equal(count, 2);
    assert_true(text_is(out[1], "k/2"));
    assert_ok(state_list(&transaction, &fixture->arena, "t", TEXT("k/"), out[1], 5, out, &count));
    assert_int_equal(count, 1);
    assert_true(text_is(out[0], "k/3"));
    assert_ok(state_list(&transaction, &fixture->arena, "other", (struct text){0}, (struct text){0}, 5, out,
                         &count));
    assert_int_equal(count, 0);
}

static void change_file(struct fixture *fixture, const char *sql)
{
    sqlite3 *database;
    state_close(fixture->state);
    fixture->state = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_ok(open_state(fixture, 1));
}

static void moved_values_do_not_open(void **state)
{
    static const char *const changes[] = {
        "UPDATE row SET sealed = (SELECT sealed FROM row WHERE name = 'b') WHERE name = 'a'",
        "UPDATE row SET version = version + 1 WHERE name = 'a'",
        "UPDATE row SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE name = 'a'",
        "UPDATE row SET sealed = x'' WHERE name = 'a'",
    };
    struct fixture *fixture = *state;
    char value[32];
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        put(fixture, TEXT("a"), "one");
        put(fixture, TEXT("b"), "two");
        change_file(fixture, changes[i]);
        assert_why(get(fixture, TEXT("a"), value), CORRUPT, "state.row.sealed");
        assert_ok(get(fixture, TEXT("b"), value));
    }
}

static void another_master_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    state_close(fixture->state);
    fixture->state = NULL;
    assert_why(open_state(fixture, 2), CORRUPT, "state.master_key");
    scoped_secret small = {0};
    assert_ok(secret_from(bytes_of_text(TEXT("small")), &small));
    assert_why(state_open(text_of(fixture->path), &small, &fixture->world, &fixture->state), INVALID,
               "state.master_key.size");
}

static void plaintext_is_not_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, TEXT("a"), "canary-7c1f");
    char name[160];
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", fixture->path, suffixes[i]);
        FILE *file = fopen(name, "rb");
        assert_non_null(file);
        static char content[1 << 20];
        size_t size = fread(content, 1, sizeof content, file);
        fclose(file);
        assert_true(size > 0);
        assert_null(memmem(content, size, "canary-7c1f", 11));
    }
}

#define STORED(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORED(rows_keep_values),
        STORED(what_is_not_committed_is_gone),
        STORED(names_are_listed_in_pages),
        STORED(moved_values_do_not_open),
        STORED(another_master_key_is_refused),
        STORED(plaintext_is_not_in_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
