#include "party/dataset/data_key.h"

enum { DATA_KEY_FILE_BYTES_MAX = 256 };

static fallible bind(struct arena *arena, struct text dataset, uint64_t version, struct bytes *out)
{
    struct text text;
    TRY(arena_printf(arena, &text, "truce-data-key/1\n%.*s\n%llu", TEXT_ARGS(dataset),
                     (unsigned long long)version));
    *out = bytes_of_text(text);
    return OK;
}

fallible data_key_make(const struct world *world, const struct folder *folder, struct text dataset,
                       uint64_t version, const struct secret *storage_key, struct secret *out)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct bytes associated;
    TRY(bind(&arena, dataset, version, &associated));
    scoped_secret key = {0};
    TRY(secret_random(world, AEAD_KEY_BYTES, &key));
    scoped_buffer box;
    buffer_init(&box, DATA_KEY_FILE_BYTES_MAX);
    TRY(box_seal(world, storage_key, associated, &key, &box));
    TRY(folder_write(folder, DATA_KEY_FILE, FOLDER_PRIVATE, buffer_view(&box)));
    secret_move(&key, out);
    return OK;
}

fallible data_key_open(const struct folder *folder, struct text dataset, uint64_t version,
                       const struct secret *storage_key, struct secret *out)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct bytes associated, box;
    TRY(bind(&arena, dataset, version, &associated));
    TRY(folder_read(&arena, folder, DATA_KEY_FILE, DATA_KEY_FILE_BYTES_MAX, &box));
    scoped_secret key = {0};
    struct result opened = box_open(storage_key, associated, box, &key);
    REQUIRE(opened.code != RESULT_UNTRUSTED, UNTRUSTED,
            "dataset.data_key"); /* of another dataset, version or owner */
    TRY(opened);
    REQUIRE(key.size == AEAD_KEY_BYTES, CORRUPT, "dataset.data_key.size");
    secret_move(&key, out);
    return OK;
}
