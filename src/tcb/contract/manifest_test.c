#include "contract/contract_test_set.h"

#include "crypto/test_support.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, FIRST_PLAIN = 65536 - 40 - 16, NEXT_PLAIN = 65536 - 16 };

/* The sizes that Tink's AES256-GCM-HKDF streaming gives for 64 KiB segments. */
static void segments_follow_tink(void **state)
{
    (void)state;
    static const struct {
        uint64_t plain;
        uint64_t want_segments;
        uint64_t want_size;
    } rows[] = {
        {0, 1, 56},
        {1, 1, 57},
        {FIRST_PLAIN, 1, 65536},
        {FIRST_PLAIN + 1, 2, 65536 + 17},
        {FIRST_PLAIN + NEXT_PLAIN, 2, 2 * 65536},
        {FIRST_PLAIN + NEXT_PLAIN + 1, 3, 2 * 65536 + 17},
        {(uint64_t)1 << 40, 16781314, ((uint64_t)1 << 40) + 40 + 16 * 16781314ULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(manifest_segments_of(rows[i].plain), rows[i].want_segments);
        assert_int_equal(manifest_sealed_size(rows[i].plain), rows[i].want_size);
    }
}

static int make_keys(void **state)
{
    struct test_keys *keys = malloc(sizeof *keys);
    assert_non_null(keys);
    test_keys_make(keys);
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    test_keys_release(*state);
    free(*state);
    return 0;
}

static void ranges_cover_the_grant_and_no_more(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, *state, &none);
    scoped_bundle bundle = {0};
    assert_ok(bundle_parse(&arena, set, &bundle));
    const struct manifest *flights = &bundle.manifests[TEST_FLIGHTS];
    size_t origin;
    assert_ok(manifest_find_column(flights, TEXT("origin"), &origin));
    assert_int_equal(origin, 2);
    assert_why(manifest_find_column(flights, TEXT("tail"), &origin), NOT_FOUND, "manifest.column.unknown");
    /* Columns 2 and 0: the end of group 0 and the start of group 1 are neighbours. */
    static const size_t granted[] = {2, 0, 2};
    struct manifest_range *ranges;
    size_t count;
    assert_ok(manifest_ranges(&arena, flights, 1, granted, 3, MANIFEST_PAGES, &ranges, &count));
    static const struct manifest_range want[] = {{4, 50000}, {100004, 100000}, {250004, 50000}};
    assert_int_equal(count, 3);
    assert_memory_equal(ranges, want, sizeof want);
    assert_ok(manifest_ranges(&arena, flights, 1, granted, 3, MANIFEST_PAGES_AND_META, &ranges, &count));
    static const struct manifest_range want_meta[] = {
        {4, 50000}, {100004, 100000}, {250004, 50100}, {300204, 100}};
    assert_int_equal(count, 4);
    assert_memory_equal(ranges, want_meta, sizeof want_meta);
    assert_ok(manifest_ranges(&arena, flights, 1, granted, 0, MANIFEST_PAGES_AND_META, &ranges, &count));
    assert_int_equal(count, 0);
    static const size_t unknown[] = {3};
    assert_why(manifest_ranges(&arena, flights, 1, unknown, 1, MANIFEST_META, &ranges, &count), NOT_FOUND,
               "manifest.column.unknown");
    assert_why(manifest_ranges(&arena, flights, 2, granted, 1, MANIFEST_META, &ranges, &count), NOT_FOUND,
               "manifest.part.unknown");
}

static void segments_cover_the_ranges(void **state)
{
    (void)state;
    static const struct {
        struct manifest_range ranges[3];
        size_t range_count;
        uint64_t want[6];
        size_t want_count;
    } rows[] = {
        {{{0, 1}}, 1, {0}, 1},
        {{{FIRST_PLAIN - 1, 1}}, 1, {0}, 1},
        {{{FIRST_PLAIN - 1, 2}}, 1, {0, 1}, 2},
        {{{FIRST_PLAIN, 1}}, 1, {1}, 1},
        {{{FIRST_PLAIN, NEXT_PLAIN}}, 1, {1}, 1},
        {{{FIRST_PLAIN, NEXT_PLAIN + 1}}, 1, {1, 2}, 2},
        {{{0, 10}, {20, 10}, {FIRST_PLAIN - 1, 2}}, 3, {0, 1}, 2},
        {{{0, 1}, {FIRST_PLAIN + NEXT_PLAIN, 2 * NEXT_PLAIN}}, 2, {0, 2, 3}, 3},
        {{{0}}, 0, {0}, 0},
    };
    static const struct manifest_part part = {.plain_size = 1000000};
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    uint64_t *segments;
    size_t count;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_ok(manifest_segments(&arena, &part, rows[i].ranges, rows[i].range_count, &segments, &count));
        assert_int_equal(count, rows[i].want_count);
        assert_memory_equal(segments, rows[i].want, count * sizeof *segments);
    }
    static const struct manifest_range outside[] = {{999999, 2}, {0, 0}, {UINT64_MAX, 1}};
    for (size_t i = 0; i < 3; i++) {
        assert_why(manifest_segments(&arena, &part, &outside[i], 1, &segments, &count), INVALID,
                   "manifest.range.outside");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_follow_tink),
        cmocka_unit_test(ranges_cover_the_grant_and_no_more),
        cmocka_unit_test(segments_cover_the_ranges),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
