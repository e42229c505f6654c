#include "room/data.h"
#include "room/reads.h"

#include "edge/query_wire.h"
#include "seal/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
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
    *state = sealed;
    return 0;
}

static int tear_down(void **state)
{
    struct sealed *sealed = *state;
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
    data->memory_max = 1 << 24;
    ok(data_add_table(&sealed->arena, data, TEXT("data"), &sealed->manifest, columns, count));
    return &data->tables[0].parts[0];
}

static struct bytes segments_at(const struct sealed *sealed, uint64_t first, size_t size)
{
    return (struct bytes){sealed->ciphertext.data + first * STREAM_SEGMENT_BYTES, size};
}

static void pull(struct sealed *sealed, struct data *data, struct data_part *part)
{
    ok(data_part_take_leaves(&sealed->arena, data, part, buffer_view(&sealed->leaves)));
    for (;;) {
        uint64_t first;
        uint64_t count;
        size_t size;
        data_part_next(part, &first, &count, &size);
        if (count == 0) {
            break;
        }
        ok(data_part_keep(part, segments_at(sealed, first, size)));
    }
    ok(data_part_ready(&sealed->arena, &data->tables[0], part, &sealed->key));
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
        struct data_reader *reader = calloc(1, sizeof *reader);
        static uint8_t out[1 << 20];
        size_t given;
        ok(data_read(part, reader, 0, sizeof out, out, &given));
        assert_int_equal(given, data_part_file_size(part));
        for (uint64_t at = 0; at < sealed->part.data_end; at++) {
            if (out[at] != want_octet(sealed, at, granted)) {
                fail_msg("columns %x: octet %llu", set, (unsigned long long)at);
            }
        }
        assert_memory_equal(out + given - 4, "PAR1", 4);
        static uint8_t piece[1000];
        for (uint64_t at = 0; at < given; at += 777) {
            size_t size;
            ok(data_read(part, reader, at, sizeof piece, piece, &size));
            assert_int_equal(size, given - at < sizeof piece ? given - at : sizeof piece);
            assert_memory_equal(piece, out + at, size);
        }
        ok(data_read(part, reader, given, 1, piece, &given));
        assert_int_equal(given, 0);
        ok(data_read(part, reader, UINT64_MAX - 1, sizeof piece, piece, &given));
        assert_int_equal(given, 0);
        data_reader_release(reader);
        free(reader);
        data_release(&data);
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
    uint64_t first;
    uint64_t count;
    size_t size;
    data_part_next(part, &first, &count, &size);
    sealed->ciphertext.data[first * STREAM_SEGMENT_BYTES + 50] ^= 1;
    refused(data_part_keep(part, segments_at(sealed, first, size)), RESULT_UNTRUSTED, "part.segment");
    sealed->ciphertext.data[first * STREAM_SEGMENT_BYTES + 50] ^= 1;
    refused(data_part_keep(part, segments_at(sealed, first, size - 1)), RESULT_UNTRUSTED,
            "data.segments.size");
    refused(data_part_keep(part, segments_at(sealed, first + 1, size)), RESULT_UNTRUSTED, "part.segment");
    assert_int_equal(part->kept_count, 0);
    data_release(&data);
}

static void another_key_opens_nothing(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    struct data_part *part = plan(sealed, &data, &column, 1);
    ok(data_part_take_leaves(&sealed->arena, &data, part, buffer_view(&sealed->leaves)));
    for (;;) {
        uint64_t first;
        uint64_t count;
        size_t size;
        data_part_next(part, &first, &count, &size);
        if (count == 0) {
            break;
        }
        ok(data_part_keep(part, segments_at(sealed, first, size)));
    }
    scoped_secret other = {0};
    ok(secret_random(&sealed->world, 32, &other));
    refused(data_part_ready(&sealed->arena, &data.tables[0], part, &other), RESULT_UNTRUSTED, "aead.tag");
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

static size_t ask(struct reads *reads, struct data_reader *reader, struct query_read wish)
{
    uint8_t message[QUERY_READ_BYTES];
    query_read_encode(&wish, message);
    uint32_t slot;
    size_t given = reads_answer(reads, reader, BYTES_OF(message), &slot);
    assert_int_equal(slot, wish.slot);
    return given;
}

static void a_hostile_child_gets_nothing(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("first");
    pull(sealed, &data, plan(sealed, &data, &column, 1));
    uint8_t *slots = calloc(READS_SLOTS, QUERY_SLOT_BYTES);
    struct reads reads = {.data = &data, .slots = slots};
    struct data_reader *reader = calloc(1, sizeof *reader);
    static const struct query_read wishes[] = {
        {.slot = READS_SLOTS, .length = 10}, {.slot = UINT32_MAX, .length = 10},
        {.dataset = 1, .length = 10},        {.dataset = UINT32_MAX, .length = 10},
        {.part = 1, .length = 10},           {.part = UINT32_MAX, .length = 10},
        {.length = QUERY_SLOT_BYTES + 1},    {.length = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        assert_int_equal(ask(&reads, reader, wishes[i]), 0);
        assert_int_equal(reads.wishes_refused, i + 1);
    }
    assert_int_equal(ask(&reads, reader, (struct query_read){.length = 10, .offset = UINT64_MAX}), 0);
    uint32_t slot;
    assert_int_equal(reads_answer(&reads, reader, bytes_of_text(TEXT("short")), &slot), 0);
    atomic_store(&reads.slot_busy[3], true);
    assert_int_equal(ask(&reads, reader, (struct query_read){.slot = 3, .length = 10}), 0);
    for (size_t i = 0; i < (size_t)READS_SLOTS * QUERY_SLOT_BYTES; i++) {
        assert_int_equal(slots[i], 0);
    }
    uint64_t second = sealed->part.columns[1].chunks[0].offset;
    assert_int_equal(ask(&reads, reader, (struct query_read){.slot = 1, .length = 64, .offset = second}), 64);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(slots[QUERY_SLOT_BYTES + i], 0);
    }
    assert_int_equal(ask(&reads, reader, (struct query_read){.slot = 1, .length = 64, .offset = 4}), 64);
    assert_int_equal(slots[QUERY_SLOT_BYTES], 'a');
    data_reader_release(reader);
    free(reader);
    free(slots);
    data_release(&data);
}

static void threads_serve_until_the_socket_ends(void **state)
{
    struct sealed *sealed = *state;
    struct data data = {0};
    struct text column = TEXT("third");
    pull(sealed, &data, plan(sealed, &data, &column, 1));
    uint8_t *slots = calloc(READS_SLOTS, QUERY_SLOT_BYTES);
    struct reads reads;
    ok(reads_start(&reads, 2));
    for (int round = 0; round < 3; round++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        reads_begin(&reads, &data, pair[0], slots);
        uint64_t third = sealed->part.columns[2].chunks[1].offset;
        for (uint32_t i = 0; i < 100; i++) {
            struct query_read wish = {.slot = i % READS_SLOTS, .length = 100, .offset = third + i};
            uint8_t message[QUERY_READ_BYTES];
            uint8_t answer[QUERY_GIVEN_BYTES];
            query_read_encode(&wish, message);
            assert_int_equal(send(pair[1], message, sizeof message, 0), sizeof message);
            assert_int_equal(recv(pair[1], answer, sizeof answer, 0), sizeof answer);
            struct query_given given;
            ok(query_given_decode(BYTES_OF(answer), &given));
            assert_int_equal(given.given, 100);
            assert_int_equal(slots[(size_t)given.slot * QUERY_SLOT_BYTES], 'c');
        }
        shutdown(pair[0], SHUT_RDWR);
        reads_finish(&reads);
        close(pair[0]);
        close(pair[1]);
    }
    reads_stop(&reads);
    free(slots);
    data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(octets_outside_the_grant_are_zeros, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_granted_segments_are_pulled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_host_changed_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hostile_child_gets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_serve_until_the_socket_ends, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
