#include "crypto/test_support.h"
#include "seal/part.h"

enum { TEST_BYTES_MAX = 400 * 1024 };

/* A world whose randomness is given, so that a stream can be made again octet for octet. */
struct scripted {
    struct bytes next;
};

static fallible scripted_random(void *self, uint8_t *out, size_t size)
{
    struct scripted *scripted = self;
    assert_true(size <= scripted->next.size);
    memcpy(out, scripted->next.data, size);
    scripted->next = bytes_slice(scripted->next, size, SIZE_MAX);
    return OK;
}

static struct world world_of_script(struct scripted *scripted)
{
    struct world world = world_of_system();
    world.self = scripted;
    world.random = scripted_random;
    return world;
}

static struct bytes make_plain(struct arena *arena, size_t size)
{
    void *data;
    assert_ok(arena_take(arena, size, &data));
    uint8_t *octets = data;
    for (size_t i = 0; i < size; i++) {
        octets[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
    }
    return (struct bytes){octets, size};
}

static void seal_all(const struct stream_key *key, struct bytes plain, struct buffer *out)
{
    scoped_stream stream = {0};
    assert_ok(stream_open_for_sealing(key, &stream));
    for (uint64_t i = 0; i < stream_segment_count(plain.size); i++) {
        struct stream_segment at;
        assert_ok(stream_segment_at(plain.size, i, &at));
        uint8_t segment[STREAM_SEGMENT_BYTES];
        size_t size;
        assert_int_equal(out->size, at.offset);
        assert_ok(stream_seal_segment(&stream, i, at.is_last,
                                      bytes_slice(plain, at.plain_offset, at.plain_size), segment, &size));
        assert_int_equal(size, at.size);
        assert_ok(buffer_add(out, (struct bytes){segment, size}));
    }
}

static fallible open_all(const struct secret *data_key, struct bytes associated, struct bytes sealed,
                         struct buffer *out)
{
    uint64_t plain_size;
    TRY(stream_plain_size(sealed.size, &plain_size));
    scoped_stream_key key = {0};
    TRY(stream_key_of(data_key, associated, bytes_slice(sealed, 0, STREAM_HEADER_BYTES), &key));
    scoped_stream stream = {0};
    TRY(stream_open_for_opening(&key, &stream));
    for (uint64_t i = 0; i < stream_segment_count(plain_size); i++) {
        struct stream_segment at;
        TRY(stream_segment_at(plain_size, i, &at));
        uint8_t plain[STREAM_NEXT_PLAIN_BYTES];
        TRY(stream_open_segment(&stream, plain_size, i, bytes_slice(sealed, at.offset, at.size), plain));
        TRY(buffer_add(out, (struct bytes){plain, at.plain_size}));
    }
    return OK;
}

static struct bytes read_vector_file(struct arena *arena, const char *name)
{
    const char *source = getenv("TRUCE_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/test/vectors/tink/%s", source ? source : ".", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be read", path);
    }
    void *data;
    assert_ok(arena_take(arena, TEST_BYTES_MAX, &data));
    size_t size = fread(data, 1, TEST_BYTES_MAX, file);
    fclose(file);
    return (struct bytes){data, size};
}

/* Sealing with Tink's header gives Tink's octets; they open to the plaintext. */
static void check_vector(struct arena *arena, const json_t *document, const json_t *vector)
{
    struct text hex, header_hex, sha256, associated;
    uint64_t size, sealed_size;
    assert_ok(json_get_text(document, "key", &hex));
    assert_ok(json_get_text(document, "associated_data", &associated));
    assert_ok(json_get_text(vector, "header", &header_hex));
    assert_ok(json_get_text(vector, "sha256", &sha256));
    assert_ok(json_get_u64(vector, "size", TEST_BYTES_MAX, &size));
    assert_ok(json_get_u64(vector, "sealed_size", TEST_BYTES_MAX, &sealed_size));
    struct bytes raw, header, want;
    assert_ok(decode_hex(arena, hex, &raw));
    assert_ok(decode_hex(arena, header_hex, &header));
    assert_ok(decode_hex(arena, sha256, &want));
    scoped_secret data_key = {0};
    assert_ok(secret_from(raw, &data_key));

    struct scripted scripted = {bytes_slice(header, 1, SIZE_MAX)};
    struct world world = world_of_script(&scripted);
    scoped_stream_key key = {0};
    assert_ok(stream_key_new(&world, &data_key, bytes_of_text(associated), &key));
    struct bytes plain = make_plain(arena, size);
    scoped_buffer sealed, opened;
    buffer_init(&sealed, TEST_BYTES_MAX);
    buffer_init(&opened, TEST_BYTES_MAX);
    seal_all(&key, plain, &sealed);
    assert_int_equal(sealed.size, sealed_size);
    struct digest got = digest_of(buffer_view(&sealed));
    assert_true(bytes_equal(digest_view(&got), want));
    assert_ok(open_all(&data_key, bytes_of_text(associated), buffer_view(&sealed), &opened));
    assert_true(bytes_equal(buffer_view(&opened), plain));
}

static void tinks_vectors_hold(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 8 * 1024 * 1024);
    scoped_json *document = NULL;
    assert_ok(json_decode(read_vector_file(&arena, "vectors.json"), &document));
    json_t *vectors;
    assert_ok(json_get_array(document, "vectors", &vectors));
    assert_int_equal(json_array_size(vectors), 7);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        check_vector(&arena, document, json_array_get(vectors, i));
    }
}

static void a_stream_of_tink_opens(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 8 * 1024 * 1024);
    scoped_json *document = NULL;
    assert_ok(json_decode(read_vector_file(&arena, "vectors.json"), &document));
    struct text hex, associated;
    assert_ok(json_get_text(document, "key", &hex));
    assert_ok(json_get_text(document, "associated_data", &associated));
    struct bytes raw;
    assert_ok(decode_hex(&arena, hex, &raw));
    scoped_secret data_key = {0};
    assert_ok(secret_from(raw, &data_key));
    scoped_buffer opened;
    buffer_init(&opened, TEST_BYTES_MAX);
    assert_ok(
        open_all(&data_key, bytes_of_text(associated), read_vector_file(&arena, "65481.sealed"), &opened));
    assert_true(bytes_equal(buffer_view(&opened), make_plain(&arena, 65481)));
}

static void sizes_and_offsets_agree(void **state)
{
    (void)state;
    static const struct {
        uint64_t plain, want_count, want_sealed;
    } sizes[] = {
        {0, 1, 56},        {1, 1, 57},          {65479, 1, 65535},   {65480, 1, 65536},
        {65481, 2, 65553}, {131000, 2, 131072}, {131001, 3, 131089}, {200000, 4, 200104},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(stream_segment_count(sizes[i].plain), sizes[i].want_count);
        assert_int_equal(stream_sealed_size(sizes[i].plain), sizes[i].want_sealed);
        uint64_t plain;
        assert_ok(stream_plain_size(sizes[i].want_sealed, &plain));
        assert_int_equal(plain, sizes[i].plain);
        uint64_t offset = 0;
        for (uint64_t s = 0; s < sizes[i].want_count; s++) {
            struct stream_segment at;
            assert_ok(stream_segment_at(sizes[i].plain, s, &at));
            assert_int_equal(at.plain_offset, offset);
            if (at.plain_size > 0) {
                assert_int_equal(stream_segment_holding(offset), s);
                assert_int_equal(stream_segment_holding(offset + at.plain_size - 1), s);
            }
            offset += at.plain_size;
        }
        assert_int_equal(offset, sizes[i].plain);
    }
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {
        0, 39, 55, 65537, 65536 + 16, 2 * 65536 + 1, UINT64_MAX, UINT64_C(1) << 41};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t plain;
        assert_why(stream_plain_size(sizes[i], &plain), UNTRUSTED, "stream.size");
    }
    struct stream_segment at;
    assert_why(stream_segment_at(0, 1, &at), INVALID, "stream.segment.number");
    assert_why(stream_segment_at(65481, 2, &at), INVALID, "stream.segment.number");
    assert_why(stream_segment_at(STREAM_PLAIN_BYTES_MAX + 1, 0, &at), LIMIT, "stream.size");
}

struct sealed_fixture {
    struct arena arena;
    struct secret data_key;
    struct stream_key key;
    struct bytes associated;
    struct bytes plain;
    struct buffer sealed;
};

static void fixture_make(struct sealed_fixture *fixture, size_t plain_size)
{
    struct world world = world_of_system();
    *fixture = (struct sealed_fixture){0};
    arena_init(&fixture->arena, 4 * 1024 * 1024);
    buffer_init(&fixture->sealed, TEST_BYTES_MAX);
    assert_ok(secret_random(&world, AEAD_KEY_BYTES, &fixture->data_key));
    assert_ok(part_associated_data(&fixture->arena, TEXT("bureau/flights"), 3, 7, &fixture->associated));
    assert_ok(stream_key_new(&world, &fixture->data_key, fixture->associated, &fixture->key));
    fixture->plain = make_plain(&fixture->arena, plain_size);
    seal_all(&fixture->key, fixture->plain, &fixture->sealed);
}

static void fixture_release(struct sealed_fixture *fixture)
{
    secret_release(&fixture->data_key);
    stream_key_release(&fixture->key);
    buffer_release(&fixture->sealed);
    arena_release(&fixture->arena);
}

static struct result open_fixture(struct sealed_fixture *fixture)
{
    scoped_buffer opened;
    buffer_init(&opened, TEST_BYTES_MAX);
    return open_all(&fixture->data_key, fixture->associated, buffer_view(&fixture->sealed), &opened);
}

static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    struct sealed_fixture fixture;
    fixture_make(&fixture, 131100);
    assert_ok(open_fixture(&fixture));
    static const struct {
        size_t at;
        const char *want_why;
    } flips[] = {
        {0, "stream.header"}, {1, "aead.tag"},     {32, "aead.tag"},     {33, "aead.tag"},
        {39, "aead.tag"},     {40, "aead.tag"},    {65519, "aead.tag"},  {65520, "aead.tag"},
        {65535, "aead.tag"},  {65536, "aead.tag"}, {100000, "aead.tag"}, {131071, "aead.tag"},
        {131072, "aead.tag"},
    };
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            fixture.sealed.data[flips[i].at] ^= (uint8_t)(1u << bit);
            assert_why(open_fixture(&fixture), UNTRUSTED, flips[i].want_why);
            fixture.sealed.data[flips[i].at] ^= (uint8_t)(1u << bit);
        }
    }
    fixture.sealed.data[fixture.sealed.size - 1] ^= 1;
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture.sealed.data[fixture.sealed.size - 1] ^= 1;
    assert_ok(open_fixture(&fixture));
    fixture_release(&fixture);
}

static void moved_segments_are_refused(void **state)
{
    (void)state;
    struct sealed_fixture fixture;
    uint8_t *second, *third, copy[STREAM_SEGMENT_BYTES];
    /* Swapped: the second and the third of four. */
    fixture_make(&fixture, 200000);
    second = fixture.sealed.data + STREAM_SEGMENT_BYTES;
    third = second + STREAM_SEGMENT_BYTES;
    memcpy(copy, second, sizeof copy);
    memcpy(second, third, sizeof copy);
    memcpy(third, copy, sizeof copy);
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture_release(&fixture);
    /* Repeated: the second stands where the third was. */
    fixture_make(&fixture, 200000);
    second = fixture.sealed.data + STREAM_SEGMENT_BYTES;
    memcpy(second + STREAM_SEGMENT_BYTES, second, STREAM_SEGMENT_BYTES);
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture_release(&fixture);
    /* Dropped: the second of four. */
    fixture_make(&fixture, 200000);
    second = fixture.sealed.data + STREAM_SEGMENT_BYTES;
    memmove(second, second + STREAM_SEGMENT_BYTES, fixture.sealed.size - 2 * STREAM_SEGMENT_BYTES);
    fixture.sealed.size -= STREAM_SEGMENT_BYTES;
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture_release(&fixture);
}

static void truncation_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t keep;
        const char *want_why;
    } cuts[] = {
        {0, "stream.size"},   {40, "stream.size"},  {55, "stream.size"},
        {56, "aead.tag"},     {65536, "aead.tag"},  {65540, "stream.size"},
        {131072, "aead.tag"}, {196608, "aead.tag"}, {200104 - 1, "aead.tag"},
    };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct sealed_fixture fixture;
        fixture_make(&fixture, 200000);
        assert_int_equal(fixture.sealed.size, 200104);
        fixture.sealed.size = cuts[i].keep;
        assert_why(open_fixture(&fixture), UNTRUSTED, cuts[i].want_why);
        fixture_release(&fixture);
    }
    /* Grown by one octet. */
    struct sealed_fixture fixture;
    fixture_make(&fixture, 100);
    assert_ok(buffer_add_byte(&fixture.sealed, 0));
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture_release(&fixture);
}

static void another_part_version_or_key_is_refused(void **state)
{
    (void)state;
    struct sealed_fixture fixture;
    fixture_make(&fixture, 100);
    struct bytes right = fixture.associated;
    static const struct {
        struct text dataset;
        uint64_t version, number;
    } others[] = {
        {TEXT("bureau/flights"), 3, 8}, {TEXT("bureau/flights"), 4, 7}, {TEXT("other/flights"), 3, 7}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_ok(part_associated_data(&fixture.arena, others[i].dataset, others[i].version, others[i].number,
                                       &fixture.associated));
        assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    }
    fixture.associated = right;
    assert_ok(open_fixture(&fixture));
    fixture.data_key.data[0] ^= 1;
    assert_why(open_fixture(&fixture), UNTRUSTED, "aead.tag");
    fixture_release(&fixture);
}

static void single_segments_keep_their_form(void **state)
{
    (void)state;
    struct sealed_fixture fixture;
    fixture_make(&fixture, 65481);
    scoped_stream sealing = {0}, opening = {0};
    assert_ok(stream_open_for_sealing(&fixture.key, &sealing));
    assert_ok(stream_open_for_opening(&fixture.key, &opening));
    uint8_t out[STREAM_SEGMENT_BYTES];
    size_t size;
    struct bytes plain = fixture.plain;
    assert_why(stream_seal_segment(&sealing, 0, false, bytes_slice(plain, 0, 65479), out, &size), INVALID,
               "stream.segment.size");
    assert_why(stream_seal_segment(&sealing, 0, true, plain, out, &size), INVALID, "stream.segment.size");
    assert_why(stream_seal_segment(&sealing, 1, true, (struct bytes){0}, out, &size), INVALID,
               "stream.segment.size");
    assert_why(stream_seal_segment(&sealing, UINT32_MAX, true, plain, out, &size), LIMIT, "stream.size");
    struct bytes sealed = buffer_view(&fixture.sealed);
    assert_why(stream_open_segment(&opening, 65481, 1, bytes_slice(sealed, 65536, 16), out), UNTRUSTED,
               "stream.segment.size");
    fixture.sealed.data[5] ^= 1;
    assert_why(stream_open_segment(&opening, 65481, 0, bytes_slice(sealed, 0, 65536), out), UNTRUSTED,
               "stream.header");
    /* Random access: the second segment needs no other. */
    assert_ok(stream_open_segment(&opening, 65481, 1, bytes_slice(sealed, 65536, 17), out));
    assert_int_equal(out[0], plain.data[65480]);
    scoped_secret short_key = {0};
    assert_ok(secret_new(16, &short_key));
    struct stream_key key;
    struct world world = world_of_system();
    assert_why(stream_key_new(&world, &short_key, (struct bytes){0}, &key), INVALID, "stream.data_key.size");
    fixture_release(&fixture);
}

static void take_fixture_leaves(struct sealed_fixture *fixture, struct buffer *leaves, struct digest *root)
{
    struct bytes sealed = buffer_view(&fixture->sealed);
    for (size_t at = 0; at < sealed.size; at += STREAM_SEGMENT_BYTES) {
        struct digest leaf = merkle_leaf(bytes_slice(sealed, at, STREAM_SEGMENT_BYTES));
        assert_ok(buffer_add(leaves, digest_view(&leaf)));
    }
    assert_ok(
        merkle_root(&fixture->arena, (const struct digest *)leaves->data, leaves->size / DIGEST_BYTES, root));
}

static void leaves_are_pinned_by_the_root(void **state)
{
    (void)state;
    struct sealed_fixture fixture;
    fixture_make(&fixture, 200000);
    scoped_buffer leaves;
    buffer_init(&leaves, 4096);
    struct digest root;
    take_fixture_leaves(&fixture, &leaves, &root);
    const struct digest *checked;
    assert_ok(part_take_leaves(&fixture.arena, buffer_view(&leaves), 200000, &root, &checked));
    struct bytes sealed = buffer_view(&fixture.sealed);
    assert_ok(part_check_segment(&checked[3], bytes_slice(sealed, 3 * 65536, 65536)));
    assert_why(part_check_segment(&checked[2], bytes_slice(sealed, 3 * 65536, 65536)), UNTRUSTED,
               "part.segment");
    assert_why(part_check_segment(&checked[0], bytes_slice(sealed, 0, 65535)), UNTRUSTED, "part.segment");

    static const size_t wrong_sizes[] = {0, 31, 96, 127};
    for (size_t i = 0; i < sizeof wrong_sizes / sizeof *wrong_sizes; i++) {
        assert_why(part_take_leaves(&fixture.arena, bytes_slice(buffer_view(&leaves), 0, wrong_sizes[i]),
                                    200000, &root, &checked),
                   UNTRUSTED, "part.leaves.size");
    }
    leaves.data[127] ^= 1;
    assert_why(part_take_leaves(&fixture.arena, buffer_view(&leaves), 200000, &root, &checked), UNTRUSTED,
               "part.leaves.root");
    assert_why(part_take_leaves(&fixture.arena, buffer_view(&leaves), UINT64_MAX, &root, &checked), LIMIT,
               "stream.size");
    fixture_release(&fixture);
}

static void commitment_and_data_root_have_known_values(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 65536);
    scoped_secret key =
        secret_of_hex(&arena, "c38d796e4544b0feaec1231be8de659fa3b156e7b821f64f3badc434866358ce");
    struct digest commitment;
    assert_ok(part_key_commitment(&arena, &key, TEXT("bureau/flights"), 1, &commitment));
    assert_hex(digest_view(&commitment), "297937fbf84b42a80f616aec0b5319484f0d276ced21eab4d6b3edaa65cd9058");
    assert_ok(part_check_key(&arena, &key, TEXT("bureau/flights"), 1, &commitment));
    assert_why(part_check_key(&arena, &key, TEXT("bureau/flights"), 2, &commitment), UNTRUSTED,
               "part.key_commitment");
    assert_why(part_check_key(&arena, &key, TEXT("bureau/other"), 1, &commitment), UNTRUSTED,
               "part.key_commitment");
    key.data[31] ^= 1;
    assert_why(part_check_key(&arena, &key, TEXT("bureau/flights"), 1, &commitment), UNTRUSTED,
               "part.key_commitment");

    struct digest roots[3] = {digest_of(bytes_of_text(TEXT("a"))), digest_of(bytes_of_text(TEXT("b"))),
                              digest_of(bytes_of_text(TEXT("c")))};
    struct digest root;
    assert_ok(part_data_root(&arena, roots, 3, &root));
    assert_hex(digest_view(&root), "cac3d448d4e20a2ad5eae1f500e63c2a7f9217cd14572ba7fd22e26dc1ec2648");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tinks_vectors_hold),
        cmocka_unit_test(a_stream_of_tink_opens),
        cmocka_unit_test(sizes_and_offsets_agree),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(moved_segments_are_refused),
        cmocka_unit_test(truncation_is_refused),
        cmocka_unit_test(another_part_version_or_key_is_refused),
        cmocka_unit_test(single_segments_keep_their_form),
        cmocka_unit_test(leaves_are_pinned_by_the_root),
        cmocka_unit_test(commitment_and_data_root_have_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
