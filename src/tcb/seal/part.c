#include "seal/part.h"

fallible part_associated_data(struct arena *arena, struct text dataset, uint64_t version, uint64_t number,
                              struct bytes *out)
{
    struct text text;
    TRY(arena_printf(arena, &text, "truce-part/1\n%.*s\n%llu\n%llu", TEXT_ARGS(dataset),
                     (unsigned long long)version, (unsigned long long)number));
    *out = bytes_of_text(text);
    return OK;
}

fallible part_key_commitment(struct arena *arena, const struct secret *data_key, struct text dataset,
                             uint64_t version, struct digest *out)
{
    REQUIRE(data_key->size == AEAD_KEY_BYTES, INVALID, "stream.data_key.size");
    struct text info;
    TRY(arena_printf(arena, &info, "truce-key-commitment/1\n%.*s\n%llu", TEXT_ARGS(dataset),
                     (unsigned long long)version));
    scoped_secret commitment = {0};
    TRY(digest_hkdf(data_key, (struct bytes){0}, bytes_of_text(info), PART_COMMITMENT_BYTES, &commitment));
    memcpy(out->octets, secret_view(&commitment).data, DIGEST_BYTES);
    return OK;
}

fallible part_check_key(struct arena *arena, const struct secret *data_key, struct text dataset,
                        uint64_t version, const struct digest *want)
{
    struct digest got;
    TRY(part_key_commitment(arena, data_key, dataset, version, &got));
    REQUIRE(digest_equal(&got, want), UNTRUSTED, "part.key_commitment");
    return OK;
}

fallible part_data_root(struct arena *arena, const struct digest *roots, size_t count, struct digest *out)
{
    struct digest *leaves;
    TRY(ARENA_ARRAY(arena, struct digest, count, &leaves));
    for (size_t i = 0; i < count; i++) {
        leaves[i] = merkle_leaf(digest_view(&roots[i]));
    }
    return merkle_root(arena, leaves, count, out);
}

fallible part_take_leaves(struct arena *arena, struct bytes untrusted_leaves, uint64_t plain_size,
                          const struct digest *root, const struct digest **out)
{
    REQUIRE(plain_size <= STREAM_PLAIN_BYTES_MAX, LIMIT, "stream.size");
    uint64_t count = stream_segment_count(plain_size);
    REQUIRE(untrusted_leaves.size % DIGEST_BYTES == 0 && untrusted_leaves.size / DIGEST_BYTES == count,
            UNTRUSTED, "part.leaves.size");
    struct digest *leaves;
    TRY(ARENA_ARRAY(arena, struct digest, (size_t)count, &leaves));
    memcpy(leaves, untrusted_leaves.data, untrusted_leaves.size);
    struct digest got;
    TRY(merkle_root(arena, leaves, (size_t)count, &got));
    REQUIRE(digest_equal(&got, root), UNTRUSTED, "part.leaves.root");
    *out = leaves;
    return OK;
}

fallible part_check_segment(const struct digest *leaf, struct bytes untrusted_segment)
{
    struct digest got = merkle_leaf(untrusted_segment);
    REQUIRE(digest_equal(&got, leaf), UNTRUSTED, "part.segment");
    return OK;
}
