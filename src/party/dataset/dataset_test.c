#include "crypto/test_support.h"
#include "party/dataset/data_key.h"
#include "party/dataset/part_check.h"
#include "party/dataset/part_writer.h"
#include "party/dataset/publish.h"
#include "party/dataset/seal_state.h"
#include "party/dataset/test_file.h"
#include "party/dataset/verify.h"
#include "seal/part.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

/* A source that gives the same Parquet file of 5000 rows for every part of 5000 rows. */
enum { FIXTURE_ROWS = 5000, PIECE_BYTES = 7001 };

struct fake_source {
    struct source source;
    struct bytes file;
    uint64_t hash;       /* of every part */
    uint64_t rows_given; /* instead of what was asked for, if not 0 */
    size_t fail_at_part; /* from this one on; SIZE_MAX: never */
    size_t given, checked;
};

static const struct source_column fixture_columns[] = {
    {TEXT("id"), TEXT("INTEGER")},
    {TEXT("city"), TEXT("VARCHAR")},
    {TEXT("paid"), TEXT("DECIMAL(9,2)")},
    {TEXT("note"), TEXT("VARCHAR")},
};

static fallible fake_part(void *self, struct source_rows rows, const struct source_sink *sink,
                          struct source_seen *out)
{
    struct fake_source *fake = self;
    REQUIRE(rows.first / FIXTURE_ROWS < fake->fail_at_part, UNAVAILABLE, "test.source.stopped");
    /* An uneven piece size, so that nothing depends on how the octets come. */
    for (size_t at = 0; at < fake->file.size; at += PIECE_BYTES) {
        TRY(sink->add(sink->self, bytes_slice(fake->file, at, PIECE_BYTES)));
    }
    fake->given++;
    *out = (struct source_seen){fake->rows_given > 0 ? fake->rows_given : rows.count, fake->hash};
    return OK;
}

static fallible fake_check(void *self, struct source_rows rows, struct source_seen *out)
{
    struct fake_source *fake = self;
    fake->checked++;
    *out = (struct source_seen){rows.count, fake->hash};
    return OK;
}

struct world_of_test {
    struct arena arena;
    struct world world;
    struct key key;
    struct secret storage_key;
    struct fake_source fake;
    char folder[64];
    struct dataset_seal_options options;
};

static int setup(void **state)
{
    static struct world_of_test test;
    test = (struct world_of_test){.world = world_of_system(), .folder = "/tmp/truce-dataset-XXXXXX"};
    arena_init(&test.arena, 256 * 1024 * 1024);
    assert_non_null(mkdtemp(test.folder));
    assert_ok(key_generate(KEY_EC_P256, 0, &test.key));
    assert_ok(secret_random(&test.world, AEAD_KEY_BYTES, &test.storage_key));
    test.fake = (struct fake_source){
        .source = {.self = &test.fake,
                   .columns = fixture_columns,
                   .column_count = 4,
                   .rows = 3 * FIXTURE_ROWS,
                   .part = fake_part,
                   .check = fake_check},
        .file = read_test_file(&test.arena, "vectors/parquet/groups.parquet"),
        .hash = 0x123456789abcdef0,
        .fail_at_part = SIZE_MAX,
    };
    assert_true(test.fake.file.size > 0);
    test.options = (struct dataset_seal_options){.world = &test.world,
                                                 .folder = test.folder,
                                                 .dataset = TEXT("owner/data"),
                                                 .version = 3,
                                                 .signing_key = &test.key,
                                                 .storage_key = &test.storage_key,
                                                 .rows_per_part = FIXTURE_ROWS,
                                                 .threads = 2};
    *state = &test;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

static int teardown(void **state)
{
    struct world_of_test *test = *state;
    nftw(test->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    key_release(&test->key);
    secret_release(&test->storage_key);
    arena_release(&test->arena);
    return 0;
}

static struct dataset_sealed seal(struct world_of_test *test)
{
    struct dataset_sealed sealed;
    assert_ok(dataset_seal(&test->arena, &test->options, &test->fake.source, &sealed));
    return sealed;
}

static struct result try_seal(struct world_of_test *test)
{
    struct dataset_sealed sealed;
    return dataset_seal(&test->arena, &test->options, &test->fake.source, &sealed);
}

static struct result verify(struct world_of_test *test, bool with_key, struct dataset_verified *out)
{
    scoped_dataset_documents documents = {0};
    scoped_secret data_key = {0};
    TRY(dataset_load(&test->arena, test->folder, &documents));
    TRY(dataset_open_key(test->folder, &documents.manifest, &test->storage_key, &data_key));
    struct dataset_verify_options options = {.folder = test->folder,
                                             .owner_key = &test->key,
                                             .data_key = with_key ? &data_key : NULL,
                                             .threads = 2};
    return dataset_verify(&test->arena, &options, out);
}

static struct result verify_why(struct world_of_test *test, bool with_key)
{
    struct dataset_verified verified;
    return verify(test, with_key, &verified);
}

static const char *path_of(struct world_of_test *test, const char *name)
{
    return arena_where(&test->arena, "%s/%s", test->folder, name);
}

static void change_file(struct world_of_test *test, const char *name, long offset, const void *octets,
                        size_t size)
{
    FILE *file = fopen(path_of(test, name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_equal(fwrite(octets, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void flip(struct world_of_test *test, const char *name, long offset)
{
    FILE *file = fopen(path_of(test, name), "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    uint8_t octet = (uint8_t)fgetc(file);
    fclose(file);
    octet ^= 1;
    change_file(test, name, offset, &octet, 1);
}

static void copy_file(struct world_of_test *test, const char *from, const char *to)
{
    struct folder folder;
    struct bytes octets;
    assert_ok(folder_open(test->folder, false, &folder));
    assert_ok(folder_read(&test->arena, &folder, from, TEST_FILE_BYTES_MAX, &octets));
    assert_ok(folder_write(&folder, to, FOLDER_PUBLIC, octets));
    folder_close(&folder);
}

static void parts_are_sealed_and_verify(void **state)
{
    struct world_of_test *test = *state;
    struct dataset_sealed sealed = seal(test);
    assert_int_equal(sealed.part_count, 3);
    assert_int_equal(sealed.rows, 3 * FIXTURE_ROWS);
    struct dataset_verified verified;
    assert_ok(verify(test, true, &verified));
    assert_true(verified.signatures_checked && verified.contents_checked);
    assert_int_equal(verified.size, sealed.size);
    assert_true(digest_equal(&verified.manifest, &sealed.manifest));
    assert_true(digest_equal(&verified.data, &sealed.data));
    assert_ok(verify(test, false, &verified));
    assert_false(verified.contents_checked);
    /* Nothing of the work is left. */
    assert_int_not_equal(access(path_of(test, SEAL_STATE_FILE), F_OK), 0);
    assert_int_not_equal(access(path_of(test, "parts/000000.state"), F_OK), 0);
    assert_int_not_equal(access(path_of(test, "parts/000000.sealed.partial"), F_OK), 0);
    /* A folder is sealed once. */
    assert_why(try_seal(test), CONFLICT, "dataset.folder.sealed");
}

static void the_documents_say_what_was_sealed(void **state)
{
    struct world_of_test *test = *state;
    static const struct text readable[] = {TEXT("paid"), TEXT("id")};
    test->options.rules = (struct dataset_rules){
        .entity = {.column = TEXT("id"), .namespace = TEXT("person"), .min_entities = 10},
        .readable = readable,
        .readable_count = 2,
        .max_rows = 50};
    struct dataset_sealed sealed = seal(test);
    scoped_dataset_documents documents = {0};
    assert_ok(dataset_load(&test->arena, test->folder, &documents));
    const struct manifest *manifest = &documents.manifest;
    assert_true(text_is(manifest->dataset, "owner/data") && text_is(manifest->owner, "owner"));
    assert_int_equal(manifest->version, 3);
    assert_int_equal(manifest->column_count, 4);
    assert_int_equal(manifest->parts[2].group_count, 3);
    assert_true(digest_equal(&manifest->policy, &sealed.policy));
    assert_int_equal(documents.policy.column_count, 2);
    assert_true(text_is(documents.policy.columns[0].name, "id"));
    assert_int_equal(documents.policy.max_rows, 50);
    assert_int_equal(documents.policy.entity.min_entities, 10);
}

static void sizes_do_not_depend_on_threads(void **state)
{
    struct world_of_test *test = *state;
    uint64_t sizes[2];
    for (unsigned i = 0; i < 2; i++) {
        const char *folder = arena_where(&test->arena, "%s/t%u", test->folder, i);
        test->options.folder = folder;
        test->options.threads = i == 0 ? 1 : 7;
        sizes[i] = seal(test).size;
    }
    assert_int_equal(sizes[0], sizes[1]);
}

/* Every segment that the writer makes with many threads opens, whatever the size and the pieces. */
static void check_written(struct world_of_test *test, size_t size, unsigned threads)
{
    scoped_stream_key key = {0};
    assert_ok(stream_key_new(&test->world, &test->storage_key, (struct bytes){0}, &key));
    const char *path = path_of(test, "written");
    int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    void *plain, *sealed;
    assert_ok(arena_take(&test->arena, size, &plain));
    memset(plain, (int)size & 0xff, size);
    scoped_part_writer *writer = NULL;
    assert_ok(part_writer_open(&key, descriptor, threads, &writer));
    for (size_t at = 0; at < size; at += 100003) {
        assert_ok(part_writer_add(writer, bytes_slice((struct bytes){plain, size}, at, 100003)));
    }
    struct part_written written;
    assert_ok(part_writer_finish(writer, &test->arena, &written));
    assert_int_equal(written.plain_size, size);
    assert_int_equal(written.size, stream_sealed_size(size));
    assert_int_equal(written.leaf_count, stream_segment_count(size));
    assert_int_equal(lseek(descriptor, 0, SEEK_END), written.size);
    assert_ok(arena_take(&test->arena, written.size, &sealed));
    assert_ok(folder_read_at(descriptor, 0, written.size, sealed));
    close(descriptor);
    scoped_stream stream = {0};
    assert_ok(stream_open_for_opening(&key, &stream));
    for (uint64_t i = 0; i < written.leaf_count; i++) {
        struct stream_segment at;
        uint8_t out[STREAM_NEXT_PLAIN_BYTES];
        assert_ok(stream_segment_at(size, i, &at));
        struct bytes segment = {(uint8_t *)sealed + at.offset, at.size};
        assert_ok(part_check_segment(&written.leaves[i], segment));
        assert_ok(stream_open_segment(&stream, size, i, segment, out));
        assert_memory_equal(out, (uint8_t *)plain + at.plain_offset, at.plain_size);
    }
}

static void the_writer_keeps_order(void **state)
{
    struct world_of_test *test = *state;
    static const size_t sizes[] = {0,      1, 65480, 65481, 16 * 65520 - 40, 16 * 65520 - 39, 32 * 65520 - 40,
                                   5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_written(test, sizes[i], 1);
        check_written(test, sizes[i], 5);
    }
}

static void the_writer_tells_of_a_full_disk(void **state)
{
    struct world_of_test *test = *state;
    scoped_stream_key key = {0};
    assert_ok(stream_key_new(&test->world, &test->storage_key, (struct bytes){0}, &key));
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    scoped_part_writer *writer = NULL;
    assert_ok(part_writer_open(&key, full, 2, &writer));
    assert_ok(part_writer_add(writer, bytes_of_text(TEXT("some octets"))));
    struct part_written written;
    assert_why(part_writer_finish(writer, &test->arena, &written), UNAVAILABLE, "dataset.write");
    close(full);
    struct part_writer *none = NULL;
    assert_why(part_writer_open(&key, -1, 0, &none), INVALID, "dataset.threads");
    assert_why(part_writer_open(&key, -1, PART_WRITER_THREADS_MAX + 1, &none), INVALID, "dataset.threads");
}

static void an_interrupted_sealing_is_resumed(void **state)
{
    struct world_of_test *test = *state;
    test->fake.fail_at_part = 2;
    assert_why(try_seal(test), UNAVAILABLE, "test.source.stopped");
    assert_int_equal(access(path_of(test, "manifest.json"), F_OK), -1);
    test->fake.fail_at_part = SIZE_MAX;
    test->fake.given = 0;
    struct dataset_sealed sealed = seal(test);
    assert_int_equal(sealed.kept_count, 2);
    assert_int_equal(test->fake.given, 1);
    assert_int_equal(test->fake.checked, 2);
    assert_ok(verify_why(test, true));
}

static void a_changed_source_is_noticed(void **state)
{
    struct world_of_test *test = *state;
    test->fake.fail_at_part = 2;
    assert_why(try_seal(test), UNAVAILABLE, "test.source.stopped");
    test->fake.fail_at_part = SIZE_MAX;
    test->fake.hash ^= 1;
    assert_why(try_seal(test), CONFLICT, "dataset.source.changed");
    test->fake.hash ^= 1;
    test->fake.source.rows += FIXTURE_ROWS;
    assert_why(try_seal(test), CONFLICT, "dataset.source.changed");
    test->fake.source.rows -= FIXTURE_ROWS;
    test->options.rows_per_part = 2 * FIXTURE_ROWS;
    assert_why(try_seal(test), CONFLICT, "dataset.resume.rows_per_part");
    /* Starting again forgets all that. */
    test->options.rows_per_part = FIXTURE_ROWS;
    test->fake.hash ^= 1;
    test->options.restart = true;
    assert_int_equal(seal(test).kept_count, 0);
    assert_ok(verify_why(test, true));
}

static void changed_work_is_noticed(void **state)
{
    struct world_of_test *test = *state;
    test->fake.fail_at_part = 1;
    assert_why(try_seal(test), UNAVAILABLE, "test.source.stopped");
    test->fake.fail_at_part = SIZE_MAX;
    flip(test, "parts/000000.leaves", 5);
    assert_why(try_seal(test), CORRUPT, "dataset.resume.part");
    flip(test, "parts/000000.leaves", 5);
    flip(test, "parts/000000.state", 40);
    assert_why(try_seal(test), UNTRUSTED, "aead.tag");
    flip(test, "parts/000000.state", 40);
    flip(test, "seal.state", 20);
    assert_why(try_seal(test), UNTRUSTED, "aead.tag");
    flip(test, "seal.state", 20);
    flip(test, "data.key", 20);
    assert_why(try_seal(test), UNTRUSTED, "dataset.data_key");
    flip(test, "data.key", 20);
    test->options.version = 4;
    assert_why(try_seal(test), UNTRUSTED, "dataset.data_key");
    test->options.version = 3;
    assert_int_equal(truncate(path_of(test, "parts/000000.sealed"), 1000), 0);
    assert_why(try_seal(test), CORRUPT, "dataset.resume.part");
}

static void bad_sources_are_refused(void **state)
{
    struct world_of_test *test = *state;
    test->fake.rows_given = 4999;
    assert_why(try_seal(test), CONFLICT, "dataset.source.changed");
    test->fake.rows_given = 0;
    test->fake.source.rows = 4000; /* the file has 5000 */
    test->options.restart = true;
    assert_why(try_seal(test), CONFLICT, "dataset.source.changed");
    test->fake.source.rows = FIXTURE_ROWS;
    struct bytes whole = test->fake.file;
    test->fake.file = bytes_slice(whole, 0, whole.size - 1);
    assert_why(try_seal(test), INVALID, "parquet.magic");
    test->fake.file = (struct bytes){0};
    assert_why(try_seal(test), INVALID, "parquet.magic");
    test->fake.file = bytes_of_text(TEXT("PAR1\xff\0\0\0PAR1"));
    assert_why(try_seal(test), INVALID, "parquet.footer.size");
    test->fake.file = whole;
    struct source_column columns[4];
    memcpy(columns, fixture_columns, sizeof columns);
    test->fake.source.columns = columns;
    columns[0].type = TEXT("HUGEINT");
    assert_why(try_seal(test), INVALID, "dataset.column.type");
    columns[0] = (struct source_column){TEXT("ID"), TEXT("INTEGER")};
    assert_why(try_seal(test), INVALID, "dataset.column.name");
    test->fake.source.column_count = 3;
    columns[0] = fixture_columns[0];
    assert_why(try_seal(test), INVALID, "dataset.column.count");
}

static void rules_are_checked_first(void **state)
{
    struct world_of_test *test = *state;
    static const struct text unknown[] = {TEXT("nothing")};
    test->options.rules.readable = unknown;
    test->options.rules.readable_count = 1;
    struct result result = try_seal(test);
    assert_why(result, INVALID, "dataset.rules.column");
    assert_string_equal(result.where, "nothing");
    test->options.rules = (struct dataset_rules){
        .entity = {.column = TEXT("person"), .namespace = TEXT("person"), .min_entities = 10}};
    assert_why(try_seal(test), INVALID, "dataset.rules.column");
    test->options.rules.entity.column = TEXT("id");
    test->options.rules.entity.min_entities = 1;
    assert_false(result_is_ok(try_seal(test)));
    static const struct text without_entity[] = {TEXT("paid")};
    test->options.rules.entity.min_entities = 10;
    test->options.rules.readable = without_entity;
    test->options.rules.readable_count = 1;
    assert_why(try_seal(test), INVALID, "policy.entity.column_unlisted");
    test->options.rules = (struct dataset_rules){0};
    test->options.dataset = TEXT("data");
    assert_why(try_seal(test), INVALID, "dataset.name");
    assert_int_equal(test->fake.given, 0);
}

static void changed_ciphertext_is_found(void **state)
{
    static const long offsets[] = {0, 1, 39, 40, 30000};
    struct world_of_test *test = *state;
    seal(test);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        flip(test, "parts/000001.sealed", offsets[i]);
        struct result result = verify_why(test, false);
        assert_why(result, UNTRUSTED, "part.segment");
        assert_string_equal(result.where, "part 1");
        flip(test, "parts/000001.sealed", offsets[i]);
    }
    assert_ok(verify_why(test, true));
    flip(test, "parts/000002.leaves", 3);
    assert_why(verify_why(test, false), UNTRUSTED, "part.leaves.root");
    flip(test, "parts/000002.leaves", 3);
    change_file(test, "parts/000002.leaves", 32, "x", 1);
    assert_why(verify_why(test, false), UNTRUSTED, "part.leaves.size");
    assert_int_equal(truncate(path_of(test, "parts/000002.leaves"), 32), 0);
    assert_ok(verify_why(test, false));
    assert_int_equal(truncate(path_of(test, "parts/000002.sealed"), 100), 0);
    assert_why(verify_why(test, false), UNTRUSTED, "dataset.part.size");
    assert_int_equal(unlink(path_of(test, "parts/000002.sealed")), 0);
    assert_why(verify_why(test, false), NOT_FOUND, "dataset.file.missing");
}

static void exchanged_parts_are_found(void **state)
{
    struct world_of_test *test = *state;
    seal(test);
    /* With its leaves: the root in the manifest is another. */
    copy_file(test, "parts/000000.sealed", "parts/000001.sealed");
    copy_file(test, "parts/000000.leaves", "parts/000001.leaves");
    assert_why(verify_why(test, false), UNTRUSTED, "part.leaves.root");
}

static void documents_must_fit(void **state)
{
    struct world_of_test *test = *state;
    seal(test);
    copy_file(test, "policy.json", "policy.kept");
    nftw(path_of(test, "parts"), remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(unlink(path_of(test, "manifest.json")), 0);
    seal(test);
    assert_ok(verify_why(test, true));
    copy_file(test, "policy.kept", "policy.json");
    assert_why(verify_why(test, true), UNTRUSTED, "dataset.policy.other");
}

static void keys_must_fit(void **state)
{
    struct world_of_test *test = *state;
    seal(test);
    scoped_key stranger = {0};
    assert_ok(key_generate(KEY_EC_P256, 0, &stranger));
    struct dataset_verified verified;
    struct dataset_verify_options options = {.folder = test->folder, .owner_key = &stranger};
    assert_false(result_is_ok(dataset_verify(&test->arena, &options, &verified)));
    scoped_secret other = {0};
    assert_ok(secret_random(&test->world, AEAD_KEY_BYTES, &other));
    options.owner_key = &test->key;
    options.data_key = &other;
    assert_why(dataset_verify(&test->arena, &options, &verified), UNTRUSTED, "part.key_commitment");
    scoped_dataset_documents documents = {0};
    scoped_secret key = {0};
    assert_ok(dataset_load(&test->arena, test->folder, &documents));
    assert_why(dataset_open_key(test->folder, &documents.manifest, &other, &key), UNTRUSTED,
               "dataset.data_key");
    options.folder = "/nowhere/at/all";
    assert_why(dataset_verify(&test->arena, &options, &verified), NOT_FOUND, "dataset.folder");
}

/* An owner who signs a manifest whose ranges are not those of the data: the columns' sections tell. */
static void false_ranges_are_found(void **state)
{
    struct world_of_test *test = *state;
    seal(test);
    scoped_dataset_documents documents = {0};
    scoped_secret data_key = {0};
    assert_ok(dataset_load(&test->arena, test->folder, &documents));
    assert_ok(dataset_open_key(test->folder, &documents.manifest, &test->storage_key, &data_key));
    struct manifest *manifest = &documents.manifest;
    struct folder folder;
    assert_ok(folder_open(test->folder, false, &folder));
    struct dataset_listener nobody = {0};
    struct part_check check = {.folder = &folder,
                               .manifest = manifest,
                               .part = &manifest->parts[0],
                               .data_key = &data_key,
                               .threads = 1,
                               .listener = &nobody};
    assert_ok(part_check(&check));
    struct manifest_range *chunk = &manifest->parts[0].columns[1].chunks[0];
    struct manifest_range kept = *chunk;
    chunk->size--;
    assert_why(part_check(&check), UNTRUSTED, "dataset.part.metadata");
    *chunk = kept;
    chunk->offset++;
    assert_why(part_check(&check), UNTRUSTED, "dataset.part.metadata");
    *chunk = kept;
    manifest->parts[0].group_rows[0]++;
    assert_why(part_check(&check), UNTRUSTED, "dataset.part.metadata");
    manifest->parts[0].group_rows[0]--;
    struct manifest_column *columns = manifest->columns, first = columns[0];
    columns[0] = columns[1];
    assert_why(part_check(&check), UNTRUSTED, "dataset.part.metadata");
    columns[0] = first;
    manifest->version = 4;
    assert_why(part_check(&check), UNTRUSTED, "aead.tag");
    folder_close(&folder);
}

static void an_empty_dataset_is_one_part(void **state)
{
    static const struct source_column columns[] = {{TEXT("id"), TEXT("INTEGER")},
                                                   {TEXT("name"), TEXT("VARCHAR")}};
    struct world_of_test *test = *state;
    test->fake.source.columns = columns;
    test->fake.source.column_count = 2;
    test->fake.source.rows = 0;
    test->fake.file = read_test_file(&test->arena, "vectors/parquet/empty.parquet");
    struct dataset_sealed sealed = seal(test);
    assert_int_equal(sealed.part_count, 1);
    assert_int_equal(sealed.rows, 0);
    assert_ok(verify_why(test, true));
}

struct heard {
    size_t count;
    struct dataset_progress last;
};

static void hear(void *self, const struct dataset_progress *progress)
{
    struct heard *heard = self;
    assert_true(progress->done <= progress->total);
    heard->count++;
    heard->last = *progress;
}

static void progress_reaches_the_end(void **state)
{
    struct world_of_test *test = *state;
    struct heard heard = {0};
    test->options.listener = (struct dataset_listener){&heard, hear};
    seal(test);
    assert_true(heard.count >= 4);
    assert_int_equal(heard.last.step, DATASET_SEALING);
    assert_int_equal(heard.last.done, 3 * FIXTURE_ROWS);
    heard = (struct heard){0};
    struct dataset_verified verified;
    struct dataset_verify_options options = {.folder = test->folder, .listener = {&heard, hear}};
    assert_ok(dataset_verify(&test->arena, &options, &verified));
    assert_int_equal(heard.last.done, verified.size);
    assert_false(verified.signatures_checked);
}

static int find_canary(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)place;
    if (type != FTW_F) {
        return 0;
    }
    void *data = malloc((size_t)status->st_size + 1);
    FILE *file = fopen(path, "rb");
    assert_true(data != NULL && file != NULL);
    size_t size = fread(data, 1, (size_t)status->st_size, file);
    fclose(file);
    bool found = memmem(data, size, "secret ", 7) != NULL || memmem(data, size, "city 3", 6) != NULL;
    free(data);
    return found ? 1 : 0;
}

static void no_file_has_plaintext(void **state)
{
    struct world_of_test *test = *state;
    assert_non_null(memmem(test->fake.file.data, test->fake.file.size, "secret ", 7));
    test->fake.fail_at_part = 2;
    assert_why(try_seal(test), UNAVAILABLE, "test.source.stopped");
    assert_int_equal(nftw(test->folder, find_canary, 8, FTW_PHYS), 0);
    test->fake.fail_at_part = SIZE_MAX;
    seal(test);
    assert_int_equal(nftw(test->folder, find_canary, 8, FTW_PHYS), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_are_sealed_and_verify),
        TEST(the_documents_say_what_was_sealed),
        TEST(sizes_do_not_depend_on_threads),
        TEST(the_writer_keeps_order),
        TEST(the_writer_tells_of_a_full_disk),
        TEST(an_interrupted_sealing_is_resumed),
        TEST(a_changed_source_is_noticed),
        TEST(changed_work_is_noticed),
        TEST(bad_sources_are_refused),
        TEST(rules_are_checked_first),
        TEST(changed_ciphertext_is_found),
        TEST(exchanged_parts_are_found),
        TEST(documents_must_fit),
        TEST(keys_must_fit),
        TEST(false_ranges_are_found),
        TEST(an_empty_dataset_is_one_part),
        TEST(progress_reaches_the_end),
        TEST(no_file_has_plaintext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
