#include "crypto/test_support.h"
#include "service/issuer/client.h"
#include "service/issuer/throttle.h"

#include <unistd.h>

static void guessing_slows_down(void **state)
{
    (void)state;
    struct throttle throttle;
    throttle_init(&throttle);
    struct digest subject = digest_of(bytes_of_text(TEXT("a")));
    struct digest other = subject;
    other.octets[0] ^= 1;
    int64_t now = 1000;
    for (int i = 0; i < THROTTLE_FREE; i++) {
        assert_int_equal(throttle_wait_ms(&throttle, &subject, now), 0);
        throttle_note(&throttle, &subject, now, false);
    }
    static const int64_t want_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < sizeof want_ms / sizeof *want_ms; i++) {
        assert_int_equal(throttle_wait_ms(&throttle, &subject, now), want_ms[i]);
        assert_int_equal(throttle_wait_ms(&throttle, &other, now), 0);
        now += want_ms[i];
        assert_int_equal(throttle_wait_ms(&throttle, &subject, now), 0);
        throttle_note(&throttle, &subject, now, false);
    }
    throttle_note(&throttle, &subject, now, true);
    assert_int_equal(throttle_wait_ms(&throttle, &subject, now), 0);
    throttle_release(&throttle);
}

static void a_secret_is_known_by_its_verifier(void **state)
{
    (void)state;
    char folder[] = "/tmp/truce-issuer-XXXXXX";
    assert_non_null(mkdtemp(folder));
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct world world = world_of_system();
    scoped_secret master = {0};
    struct text path;
    struct state *store;
    assert_ok(secret_random(&world, 32, &master));
    assert_ok(arena_printf(&arena, &path, "%s/state.db", folder));
    assert_ok(state_open(path, &master, &world, &store));
    struct text role = TEXT("Key Vault Reader");
    struct issuer_client made;
    {
        scoped_state_transaction transaction = {0};
        assert_ok(state_begin(store, &transaction));
        assert_ok(issuer_add_client(&transaction, &world, &arena, TEXT("officer"), &role, 1, &made));
        assert_ok(state_commit(&transaction));
    }
    scoped_client_record record = {0};
    assert_ok(client_find(store, made.id, &record));
    assert_true(text_equal(record.object, made.object));
    assert_int_equal(client_check_secret(&record, made.id, made.secret), VERDICT_ALLOW);
    assert_int_equal(client_check_secret(&record, made.object, made.secret), VERDICT_DENY);
    assert_int_equal(client_check_secret(&record, made.id, TEXT("")), VERDICT_DENY);
    struct text cut = {made.secret.data, made.secret.size - 1};
    assert_int_equal(client_check_secret(&record, made.id, cut), VERDICT_DENY);
    char *text = json_dumps(record.json, 0);
    assert_null(strstr(text, arena_where(&arena, "%.*s", TEXT_ARGS(made.secret))));
    free(text);
    struct client_record none = {0};
    assert_why(client_find(store, TEXT("nobody"), &none), NOT_FOUND, "issuer.client.unknown");
    state_close(store);
    static const char *const suffixes[] = {"state.db", "state.db-wal", "state.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        unlink(arena_where(&arena, "%s/%s", folder, suffixes[i]));
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guessing_slows_down),
        cmocka_unit_test(a_secret_is_known_by_its_verifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
