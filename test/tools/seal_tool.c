/* For the tests of sealing: seals, verifies and opens without the truce command.
 *
 *     seal-tool seal   KEYS FOLDER QUERY-PROGRAM ROWS-PER-PART THREADS FILE|SQL...
 *     seal-tool verify KEYS FOLDER
 *     seal-tool key    KEYS FOLDER        prints the data key in hex
 *
 * KEYS is a file of 32 octets for the storage key; the signing key (PEM) lies beside it as KEYS.pem and is
 * made where missing. The dataset is owner/data version 1. */
#include "base/encode.h"
#include "party/dataset/data_key.h"
#include "party/dataset/query_source.h"
#include "party/dataset/seal.h"
#include "party/dataset/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_BYTES_MAX = 256 * 1024 * 1024 };

static fallible read_file(struct arena *arena, const char *path, struct bytes *out)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL, NOT_FOUND, "tool.file");
    void *data;
    TRY(arena_take(arena, 65536, &data));
    size_t size = fread(data, 1, 65536, file);
    fclose(file);
    *out = (struct bytes){data, size};
    return OK;
}

static fallible load_keys(struct arena *arena, const char *path, struct secret *storage_key,
                          struct key *signing)
{
    struct bytes raw, pem;
    struct text pem_path;
    TRY(read_file(arena, path, &raw));
    TRY(secret_from(raw, storage_key));
    TRY(arena_printf(arena, &pem_path, "%s.pem", path));
    if (result_is_ok(read_file(arena, pem_path.data, &pem))) {
        return key_from_pem(pem, signing);
    }
    scoped_buffer made;
    buffer_init(&made, 65536);
    TRY(key_generate(KEY_EC_P256, 0, signing));
    TRY(key_to_pem(signing, &made));
    FILE *file = fopen(pem_path.data, "wb");
    REQUIRE(file != NULL && fwrite(made.data, 1, made.size, file) == made.size && fclose(file) == 0,
            UNAVAILABLE, "tool.file");
    return OK;
}

static void hear(void *self, const struct dataset_progress *progress)
{
    (void)self;
    printf("step %d part %zu/%zu %llu/%llu\n", (int)progress->step, progress->part, progress->part_count,
           (unsigned long long)progress->done, (unsigned long long)progress->total);
    fflush(stdout);
}

static fallible seal(struct arena *arena, char **arguments, int count, const struct secret *storage_key,
                     const struct key *signing)
{
    struct world world = world_of_system();
    struct text files[16];
    struct query_source_options source_options = {.program = arguments[4], .files = files};
    for (int i = 7; i < count && i - 7 < 16; i++) {
        files[source_options.file_count++] = text_of(arguments[i]);
    }
    if (!result_is_ok(query_source_format_of(files[0], &source_options.format))) {
        source_options.sql = files[0];
    }
    scoped_query_source source = {0};
    struct result opened = query_source_open(arena, &source_options, &source);
    if (!result_is_ok(opened)) {
        fprintf(stderr, "%s\n", source.message);
        return opened;
    }
    struct dataset_seal_options options = {.world = &world,
                                           .folder = arguments[3],
                                           .dataset = TEXT("owner/data"),
                                           .version = 1,
                                           .signing_key = signing,
                                           .storage_key = storage_key,
                                           .rows_per_part = (uint64_t)atoll(arguments[5]),
                                           .threads = (unsigned)atoi(arguments[6]),
                                           .listener = {NULL, hear}};
    struct dataset_sealed sealed;
    TRY(dataset_seal(arena, &options, &source.source, &sealed));
    printf("sealed parts %zu kept %zu rows %llu size %llu\n", sealed.part_count, sealed.kept_count,
           (unsigned long long)sealed.rows, (unsigned long long)sealed.size);
    return OK;
}

static fallible verify(struct arena *arena, const char *folder, const struct secret *storage_key,
                       const struct key *signing)
{
    scoped_dataset_documents documents = {0};
    scoped_secret data_key = {0};
    TRY(dataset_load(arena, folder, &documents));
    TRY(dataset_open_key(folder, &documents.manifest, storage_key, &data_key));
    struct dataset_verify_options options = {.folder = folder, .owner_key = signing, .data_key = &data_key};
    struct dataset_verified verified;
    TRY(dataset_verify(arena, &options, &verified));
    printf("verified parts %zu rows %llu size %llu\n", verified.part_count, (unsigned long long)verified.rows,
           (unsigned long long)verified.size);
    return OK;
}

static fallible print_key(struct arena *arena, const char *folder, const struct secret *storage_key)
{
    struct folder open = FOLDER_CLOSED;
    scoped_secret data_key = {0};
    struct text hex;
    TRY(folder_open(folder, false, &open));
    TRY(data_key_open(&open, TEXT("owner/data"), 1, storage_key, &data_key));
    TRY(encode_hex(arena, secret_view(&data_key), &hex));
    printf("%.*s\n", TEXT_ARGS(hex));
    folder_close(&open);
    return OK;
}

static fallible run(int count, char **arguments, struct arena *arena)
{
    scoped_secret storage_key = {0};
    scoped_key signing = {0};
    TRY(load_keys(arena, arguments[2], &storage_key, &signing));
    if (strcmp(arguments[1], "seal") == 0 && count >= 8) {
        return seal(arena, arguments, count, &storage_key, &signing);
    }
    if (strcmp(arguments[1], "verify") == 0) {
        return verify(arena, arguments[3], &storage_key, &signing);
    }
    return print_key(arena, arguments[3], &storage_key);
}

int main(int count, char **arguments)
{
    if (count < 4) {
        fprintf(stderr, "usage: seal-tool seal|verify|key KEYS FOLDER …\n");
        return 2;
    }
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct result result = run(count, arguments, &arena);
    if (!result_is_ok(result)) {
        fprintf(stderr, "%s %s\n", result.why, result.where != NULL ? result.where : "");
    }
    return result_code_exit_status(result.code);
}
