#include "room/data.h"
#include "room/reads.h"

#include "edge/query_wire.h"
#include "seal/part.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { COLUMNS = 3, GROUPS = 2, CHUNK_BYTES = 90001, SECTION_BYTES = GROUPS * 5 + 4 };

/* A sealed part of three columns and two row groups whose octets say which column they are of. */
struct sealed {
    struct world world;
    struct arena arena;
    struct secret key;
    struct manifest manifest;
    struct manifest_part part;
    struct buffer plain;
    struct buffer ciphertext;
    struct buffer leaves;
    struct window window;
    struct data_reader reader;
};

static void ok(struct result result)
{
    assert_string_equal(result.why, "ok");
}

static void refused(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

static void add_chunk(struct sealed *sealed, size_t column, size_t group)
{
    sealed->part.columns[column].chunks[group] = (struct manifest_range){sealed->plain.size, CHUNK_BYTES};
    uint8_t *at;
    ok(buffer_extend(&sealed->plain, CHUNK_BYTES, &at));
    memset(at, 'a' + (int)column, CHUNK_BYTES);
}

/* An empty Thrift struct is a well-formed ColumnChunk as far as the footer's writer looks. */
static void add_section(struct sealed *sealed, size_t column)
{
    sealed->part.columns[column].meta = (struct manifest_range){sealed->plain.size, SECTION_BYTES};
    for (size_t group = 0; group < GROUPS; group++) {
        ok(buffer_add_u32le(&sealed->plain, 1));
        ok(buffer_add_byte(&sealed->plain, 0));
    }
    ok(buffer_add_u32le(&sealed->plain, 0));
}

static void make_plaintext(struct sealed *sealed)
{
    buffer_init(&sealed->plain, 1 << 22);
    ok(buffer_add_text(&sealed->plain, TEXT("PAR1")));
    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t column = 0; column < COLUMNS; column++) {
            add_chunk(sealed, column, group);
        }
    }
    sealed->part.data_end = sealed->plain.size;
    for (size_t column = 0; column < COLUMNS; column++) {
        add_section(sealed, column);
    }
}

static void seal_plaintext(struct sealed *sealed)
{
    buffer_init(&sealed->ciphertext, 1 << 22);
    buffer_init(&sealed->leaves, 1 << 16);
    struct bytes associated;
    ok(part_associated_data(&sealed->arena, sealed->manifest.dataset, 1, 0, &associated));
    scoped_stream_key key = {0};
    ok(stream_key_new(&sealed->world, &sealed->key, associated, &key));
    scoped_stream stream = {0};
    ok(stream_open_for_sealing(&key, &stream));
    uint64_t count = stream_segment_count(sealed->plain.size);
    struct digest leaves[64];
    for (uint64_t i = 0; i < count; i++) {
        struct stream_segment segment;
        ok(stream_segment_at(sealed->plain.size, i, &segment));
        uint8_t out[STREAM_SEGMENT_BYTES];
        size_t size;
        struct bytes plain = {sealed->plain.data + segment.plain_offset, segment.plain_size};
        ok(stream_seal_segment(&stream, i, segment.is_last, plain, out, &size));
        leaves[i] = merkle_leaf((struct bytes){out, size});
        ok(buffer_add(&sealed->ciphertext, (struct bytes){out, size}));
        ok(buffer_add(&sealed->leaves, digest_view(&leaves[i])));
    }
    ok(merkle_root(&sealed->arena, leaves, count, &sealed->part.root));
    sealed->part.plain_size = sealed->plain.size;
    sealed->part.size = sealed->ciphertext.size;
    sealed->part.segment_count = count;
}

static int set_up(void **state)
{
    static struct manifest_column columns[COLUMNS];
    static struct manifest_part_column part_columns[COLUMNS];
    static struct manifest_range chunks[COLUMNS][GROUPS];
    static uint64_t rows[GROUPS] = {10, 10};
    static const uint8_t element[] = {0};
    struct sealed *sealed = calloc(1, sizeof *sealed);
    assert_non_null(sealed);
    sealed->world = world_of_system();
    arena_init(&sealed->arena, 1 << 24);
    ok(secret_random(&sealed->world, 32, &sealed->key));
    static const char *const names[COLUMNS] = {"first", "second", "third"};
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] = (struct manifest_column){text_of(names[i]), {COLUMN_BIGINT, 0, 0}, BYTES_OF(element)};
        part_columns[i].chunks = chunks[i];
    }
    sealed->part = (struct manifest_part){
        .rows = 20, .group_rows = rows, .group_count = GROUPS, .columns = part_columns};
    sealed->manifest = (struct manifest){.dataset = TEXT("acme/data"),
                                         .version = 1,
                                         .columns = columns,
                                         .column_count = COLUMNS,
                                         .parts = &sealed->part,
                                         .part_count = 1};
    make_plaintext(sealed);
    seal_plaintext(sealed);
    ok(window_open(&sealed->window));
    *state = sealed;
    return 0;
}

static int tear_down(void **state)
{
    struct sealed *sealed = *state;
    data_reader_release(&sealed->reader);
    window_close(&sealed->window);
    secret_release(&sealed->key);
    buffer_release(&sealed->plain);
    buffer_release(&sealed->ciphertext);
    buffer_release(&sealed->leaves);
    arena_release(&sealed->arena);
    free(sealed);
    return 0;
}

static struct data_part *plan(struct sealed *sealed, struct data *data, const struct text columns[],
                              size_t count)
{
    data->window = &sealed->window;
    data->memory_max = 1 << 24;
    ok(data_add_table(&sealed->arena, data, TEXT("data"), &sealed->manifest, columns, count));
    return &data->tables[0].parts[0];
}

static struct result bring(struct sealed *sealed, struct data *data, struct data_part *part,
                           const struct data_run *run)
{
    struct buffer place = data_part_place(part, run);
    ok(buffer_add(&place,
                  (struct bytes){sealed->ciphertext.data + run->first * STREAM_SEGMENT_BYTES, run->size}));
    return data_part_keep(data, part, run, place.size, &sealed->reader);
}

static void bring_all(struct sealed *sealed, struct data *data, struct data_part *part, bool only_wanted)
{
    struct data_run run = {0};
    for (;;) {
        data_part_next(part, run.index + run.count, only_wanted, &run);
        if (run.count == 0) {
            return;
        }
        ok(bring(sealed, data, part, &run));
    }
}

static void prepare(struct sealed *sealed, struct data *data, struct data_part *part)
{
    ok(data_part_take_leaves(&sealed->arena, data, part, buffer_view(&sealed->leaves)));
    bring_all(sealed, data, part, true);
    ok(data_part_ready(&sealed->arena, data, &data->tables[0], part, &sealed->key));
}

static void pull(struct sealed *sealed, struct data *data, struct data_part *part)
{
    prepare(sealed, data, part);
    bring_all(sealed, data, part, false);
}

static uint32_t state_of(const struct sealed *sealed, const struct data_part *part, uint64_t offset)
{
    return sealed->window.states[part->first + query_segment_of(offset)];
}

/* As the child reads. */
static void look(const struct sealed *sealed, const struct data_part *part, uint64_t offset, size_t size,
                 uint8_t *out)
{
    for (uint64_t at = offset; at < offset + size; at++) {
        assert_true(state_of(sealed, part, at) != QUERY_STATE_ABSENT);
    }
    assert_int_equal(pread(sealed->window.read_only, out, size, (off_t)query_window_at(part->first, offset)),
                     size);
}

static uint8_t want_octet(const struct sealed *sealed, uint64_t offset, const bool granted[COLUMNS])
{
    if (offset < 4) {
        return sealed->plain.data[offset];
    }
    uint8_t octet = sealed->plain.data[offset];
    return granted[octet - 'a'] ? octet : 0;
}

static void octets_outside_the_grant_are_zeros(void **state)
{
    struct sealed *sealed = *state;
    for (unsigned set = 1; set < 8; set++) {
        bool granted[COLUMNS] = {set & 1, set & 2, set & 4};
        struct text columns[COLUMNS];
        size_t count = 0;
        for (size_t i = 0; i < COLUMNS; i++) {
            if (granted[i]) {
                columns[count++] = sealed->manifest.columns[i].name;
            }
        }
        struct data data = {0};
        struct data_part *part = plan(sealed, &data, columns, count);
        pull(sealed, &data, part);
        static uint8_t out[1 << 20];
        size_t size = (size_t)data_part_file_size(part);
        if (set % 2 == 0) { /* all ahead of the child, or what it wishes for */
            ok(data_show_all(&data, part, &sealed->reader));
        }
        assert_true(data_answer(&data, part, &sealed->reader, 0, size));
        look(sealed, part, 0, size, out);
        for (uint64_t at = 0; at < sealed->part.data_end; at++) {
            if (out[at] != want_octet(sealed, at, granted)) {
                fail_msg("columns %x: octet %llu", set, (unsigned long long)at);
            }
        }
        assert_memory_equal(out + size - 4, "PAR1", 4);
        assert_memory_equal(out + sealed->part.data_end, part->footer.data, part->footer.size);
        assert_false(data_answer(&data, part, &sealed->reader, size, 1));
        assert_false(data_answer(&data, part, &sealed->reader, size - 1, 2));
        assert_false(data_answer(&data, part, &sealed->reader, 0, 0));
        assert_false(data_answer(&data, part, &sealed->reader, UINT64_MAX - 1, 1000));
        data_reader_release(&sealed->reader);
        data_release(&data);
        static const uint8_t zeros[sizeof out];
        assert_int_equal(pread(sealed->window.read_only, out, size, QUERY_STATES_BYTES), size);
        assert_memory_equal(out, zeros, size);
        assert_int_equal(sealed->window.states[0], QUERY_STATE_ABSENT);
    }
}

/* What is pulled is a function of the manifest and the columns. */
static void only_granted_segments_are_pulled(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("second");
    struct data_part *part = plan(sealed, &data, &column, 1);
    assert_true(part->segment_count < sealed->part.segment_count);
    assert_int_equal(part->segments[0], 0);
    for (size_t i = 1; i < part->segment_count; i++) {
        assert_true(part->segments[i - 1] < part->segments[i]);
    }
    data_release(&data);
}

static void what_the_host_changed_is_refused(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    struct bytes leaves = buffer_view(&sealed->leaves);
    sealed->leaves.data[40] ^= 1;
    refused(data_part_take_leaves(&sealed->arena, &data, part, leaves), RESULT_UNTRUSTED, "part.leaves.root");
    sealed->leaves.data[40] ^= 1;
    leaves.size -= 32;
    refused(data_part_take_leaves(&sealed->arena, &data, part, leaves), RESULT_UNTRUSTED, "part.leaves.size");
    ok(data_part_take_leaves(&sealed->arena, &data, part, buffer_view(&sealed->leaves)));
    bring_all(sealed, &data, part, true);
    ok(data_part_ready(&sealed->arena, &data, &data.tables[0], part, &sealed->key));
    struct data_run run;
    data_part_next(part, 0, false, &run);
    refused(data_part_keep(&data, part, &run, run.size - 1, &sealed->reader), RESULT_UNTRUSTED,
            "data.segments.size");
    /* A changed segment is refused when it is shown: to the child, and by name to the room. */
    uint64_t offset = run.first * STREAM_SEGMENT_BYTES;
    sealed->ciphertext.data[offset + 50] ^= 1;
    ok(bring(sealed, &data, part, &run));
    sealed->ciphertext.data[offset + 50] ^= 1;
    assert_null(data.untrusted_part);
    refused(data_show(&data, part, run.index, &sealed->reader), RESULT_UNTRUSTED, "part.segment");
    assert_ptr_equal(data.untrusted_part, part);
    assert_int_equal(sealed->window.states[part->first + run.first], QUERY_STATE_REFUSED);
    data_reader_release(&sealed->reader);
    data_release(&data);
}

/* Where the child waits already, a changed segment does not end the pull: that would show what it waits for.
 */
static void what_is_waited_for_is_shown_as_it_comes(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    prepare(sealed, &data, part);
    struct data_run run;
    data_part_next(part, 0, true, &run);
    assert_int_equal(run.count, 0);
    data_part_next(part, 0, false, &run);
    uint64_t from = run.first * STREAM_NEXT_PLAIN_BYTES;
    assert_true(data_answer(&data, part, &sealed->reader, from, 10));
    assert_int_equal(state_of(sealed, part, from), QUERY_STATE_ABSENT);
    sealed->ciphertext.data[run.first * STREAM_SEGMENT_BYTES + 50] ^= 1;
    data_part_next(part, 0, true, &run);
    ok(bring(sealed, &data, part, &run));
    assert_ptr_equal(data.untrusted_part, part);
    sealed->ciphertext.data[run.first * STREAM_SEGMENT_BYTES + 50] ^= 1;
    assert_int_equal(state_of(sealed, part, from), QUERY_STATE_REFUSED);
    data_reader_release(&sealed->reader);
    data_release(&data);
}

static void another_key_opens_nothing(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    ok(data_part_take_leaves(&sealed->arena, &data, part, buffer_view(&sealed->leaves)));
    bring_all(sealed, &data, part, true);
    scoped_secret other = {0};
    ok(secret_random(&sealed->world, 32, &other));
    refused(data_part_ready(&sealed->arena, &data, &data.tables[0], part, &other), RESULT_UNTRUSTED,
            "aead.tag");
    data_release(&data);
}

static void memory_is_bounded(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    data.memory_max = (uint64_t)part->segment_count * STREAM_SEGMENT_BYTES - 1;
    refused(data_part_take_leaves(&sealed->arena, &data, part, buffer_view(&sealed->leaves)), RESULT_LIMIT,
            "data.memory");
    data_release(&data);
}

static bool ask(struct data *data, struct data_reader *reader, struct query_read wish)
{
    uint8_t message[QUERY_READ_BYTES];
    query_read_encode(&wish, message);
    return reads_answer(data, reader, BYTES_OF(message));
}

static void a_hostile_child_gets_nothing(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    pull(sealed, &data, part);
    static const struct query_read wishes[] = {
        {.length = 0},
        {.dataset = 1, .length = 10},
        {.dataset = UINT32_MAX, .length = 10},
        {.part = 1, .length = 10},
        {.part = UINT32_MAX, .length = 10},
        {.length = QUERY_READ_LENGTH_MAX + 1},
        {.length = UINT32_MAX},
        {.length = 10, .offset = UINT64_MAX},
        {.length = 10, .offset = UINT64_MAX - 9},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        assert_false(ask(&data, &sealed->reader, wishes[i]));
    }
    assert_false(reads_answer(&data, &sealed->reader, bytes_of_text(TEXT("short"))));
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(sealed->window.states[i], QUERY_STATE_ABSENT);
    }
    uint8_t out[64];
    uint64_t second = sealed->part.columns[1].chunks[0].offset;
    assert_true(ask(&data, &sealed->reader, (struct query_read){.length = 64, .offset = second}));
    look(sealed, part, second, sizeof out, out);
    for (size_t i = 0; i < sizeof out; i++) {
        assert_int_equal(out[i], 0);
    }
    assert_true(ask(&data, &sealed->reader, (struct query_read){.length = 64, .offset = 4}));
    look(sealed, part, 4, sizeof out, out);
    assert_int_equal(out[0], 'a');
    assert_int_equal(
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sealed->window.read_only, 0) == MAP_FAILED, 1);
    assert_int_equal(pwrite(sealed->window.read_only, out, 1, 0), -1);
    data_reader_release(&sealed->reader);
    data_release(&data);
}

static void threads_serve_until_the_socket_ends(void **state)
{
    struct sealed *sealed = *state;
    struct reads reads;
    ok(reads_start(&reads, 2));
    for (int round = 0; round < 3; round++) {
        struct data data = {0};
        struct text column = TEXT("third");
        struct data_part *part = plan(sealed, &data, &column, 1);
        pull(sealed, &data, part);
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        reads_begin(&reads, &data, pair[0]);
        uint64_t third = sealed->part.columns[2].chunks[1].offset;
        for (uint32_t i = 0; i < 100; i++) {
            struct query_read wish = {.length = 100, .offset = third + 700 * i};
            uint8_t message[QUERY_READ_BYTES];
            uint8_t out[100];
            query_read_encode(&wish, message);
            assert_int_equal(send(pair[1], message, sizeof message, 0), sizeof message);
            while (state_of(sealed, part, wish.offset) == QUERY_STATE_ABSENT ||
                   state_of(sealed, part, wish.offset + 99) == QUERY_STATE_ABSENT) {
                sched_yield();
            }
            look(sealed, part, wish.offset, sizeof out, out);
            assert_int_equal(out[0], 'c');
            assert_int_equal(out[99], 'c');
        }
        shutdown(pair[0], SHUT_RDWR);
        reads_finish(&reads);
        close(pair[0]);
        close(pair[1]);
        data_release(&data);
    }
    reads_stop(&reads);
}

/* What a run leaves is found again by root and segments, once, and is not asked of the host. */
static void kept_ciphertext_is_found_again(void **state)
{
    struct sealed *sealed = *state;
    struct data_store store = {0};
    struct text column = TEXT("first");
    struct text other = TEXT("third");
    for (int round = 0; round < 4; round++) {
        struct data data = {.store = &store};
        struct text *columns = round == 2 ? &other : &column;
        struct data_part *part = plan(sealed, &data, columns, 1);
        ok(data_part_take_leaves(&sealed->arena, &data, part, buffer_view(&sealed->leaves)));
        struct data_run run;
        data_part_next(part, 0, false, &run);
        assert_int_equal(run.count == 0, round == 1);
        assert_int_equal(part->is_checked, round == 1);
        bring_all(sealed, &data, part, false);
        ok(data_part_ready(&sealed->arena, &data, &data.tables[0], part, &sealed->key));
        ok(data_show_all(&data, part, &sealed->reader));
        uint8_t out;
        uint64_t at = sealed->part.columns[round == 2 ? 2 : 0].chunks[0].offset;
        look(sealed, part, at, 1, &out);
        assert_int_equal(out, round == 2 ? 'c' : 'a');
        data_reader_release(&sealed->reader);
        data_keep(&data);
        assert_int_equal(store.part_count, 1);
        assert_non_null(store.parts[0].ciphertext);
        data_release(&data);
    }
    data_store_release(&store);
    assert_null(store.parts);
}

/* On demand nothing is pulled but what is wished for, its ciphertext goes, and what is old makes place. */
static void on_demand_what_is_old_makes_place(void **state)
{
    struct sealed *sealed = *state;
    int loads[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, loads), 0);
    struct data data = {.on_demand = true, .load_socket = loads[1]};
    struct text column = TEXT("second");
    struct data_part *part = plan(sealed, &data, &column, 1);
    data.memory_max = 0;
    ok(ARENA_ARRAY(&sealed->arena, struct data_shown, DATA_ON_DEMAND_SEGMENTS_MAX, &data.shown));
    prepare(sealed, &data, part);
    struct data_run run;
    data_part_next(part, 0, false, &run);
    uint64_t at = run.first * STREAM_NEXT_PLAIN_BYTES;
    uint32_t before = 0;
    for (int round = 0; round < 3; round++) {
        assert_true(data_answer(&data, part, &sealed->reader, at, 1));
        struct data_load load;
        assert_int_equal(recv(loads[0], &load, sizeof load, MSG_DONTWAIT), sizeof load);
        assert_true(load.part == part && load.offset == at && load.size == 1);
        data_part_next(part, 0, true, &run);
        assert_int_equal(run.count, 1);
        ok(bring(sealed, &data, part, &run));
        uint8_t out;
        look(sealed, part, at, 1, &out);
        assert_int_equal(out, want_octet(sealed, at, (bool[]){false, true, false}));
        assert_int_equal(part->ciphertext[run.index * STREAM_SEGMENT_BYTES], 0);
        assert_true(state_of(sealed, part, at) > before);
        before = state_of(sealed, part, at);
        /* As if all other places had been taken since: the next one is this segment's. */
        data.shown_count += DATA_ON_DEMAND_SEGMENTS_MAX - 1;
        struct data_run other;
        data_part_next(part, run.index + 1, false, &other);
        other.count = 1;
        other.size = STREAM_SEGMENT_BYTES;
        assert_true(data_answer(&data, part, &sealed->reader, other.first * STREAM_NEXT_PLAIN_BYTES, 1));
        ok(bring(sealed, &data, part, &other));
        assert_int_equal(state_of(sealed, part, at), QUERY_STATE_ABSENT);
        assert_int_equal(part->states[run.index], DATA_ABSENT);
        assert_int_equal(pread(sealed->window.read_only, &out, 1, (off_t)query_window_at(part->first, at)),
                         1);
        assert_int_equal(out, 0);
        assert_int_equal(recv(loads[0], &load, sizeof load, MSG_DONTWAIT), sizeof load);
        data_reader_release(&sealed->reader);
        if (round < 2) { /* the other one goes too */
            data.shown_count = 0;
            part->states[other.index] = DATA_ABSENT;
            window_show(&sealed->window, part->first + other.first, QUERY_STATE_ABSENT);
            data.shown_count = before + 1;
        }
    }
    close(loads[0]);
    close(loads[1]);
    data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(octets_outside_the_grant_are_zeros, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_granted_segments_are_pulled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_host_changed_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_waited_for_is_shown_as_it_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hostile_child_gets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_serve_until_the_socket_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_ciphertext_is_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_demand_what_is_old_makes_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
