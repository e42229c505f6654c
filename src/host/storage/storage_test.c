#include "host/storage/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A disk that takes `octets_left` more octets, at most `piece` at a time, and then fails with `number`. */
struct weak_disk {
    size_t octets_left;
    size_t piece;
    int number;
    int sync_number;
};

static ssize_t weak_write(void *self, int file, const void *data, size_t size)
{
    struct weak_disk *disk = self;
    if (disk->octets_left == 0) {
        errno = disk->number;
        return disk->number == 0 ? 0 : -1;
    }
    size_t taken = size < disk->piece ? size : disk->piece;
    taken = taken < disk->octets_left ? taken : disk->octets_left;
    disk->octets_left -= taken;
    return write(file, data, taken);
}

static int weak_sync(void *self, int file)
{
    struct weak_disk *disk = self;
    errno = disk->sync_number;
    return disk->sync_number == 0 ? fsync(file) : -1;
}

struct fixture {
    char folder[64];
    struct weak_disk disk;
    struct storage storage;
    struct storage_path contract;
    struct storage_path sealed;
};

static void assert_ok(struct result result)
{
    if (!result_is_ok(result)) {
        fail_msg("%s: %s", result_code_name(result.code), result.why);
    }
}

static void assert_why(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/truce-storage-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->disk = (struct weak_disk){.octets_left = SIZE_MAX, .piece = 7};
    struct storage_disk disk = {&fixture->disk, weak_write, weak_sync};
    assert_ok(storage_open(fixture->folder, 1000, disk, &fixture->storage));
    assert_ok(storage_path_contract(TEXT(HEX64), &fixture->contract));
    struct storage_dataset dataset;
    assert_ok(storage_dataset_of(TEXT("bureau"), TEXT("flights"), TEXT("1"), &dataset));
    assert_ok(storage_path_sealed(&dataset, 3, &fixture->sealed));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    storage_close(&fixture->storage);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void assert_content(struct storage *storage, const struct storage_path *path, const char *want)
{
    scoped_buffer buffer;
    buffer_init(&buffer, 4096);
    assert_ok(storage_get(storage, path, &buffer));
    assert_true(text_is(buffer_text(&buffer), want));
}

static void names_are_judged(void **state)
{
    (void)state;
    static const struct {
        struct text owner;
        struct text name;
        struct text version;
        const char *want_why;
    } rows[] = {
        {TEXT("bureau"), TEXT("flights"), TEXT("1"), "ok"},
        {TEXT("bureau"), TEXT("flights"), TEXT("9223372036854775807"), "ok"},
        {TEXT(".."), TEXT("flights"), TEXT("1"), "storage.name.owner"},
        {TEXT(""), TEXT("flights"), TEXT("1"), "storage.name.owner"},
        {TEXT("a/b"), TEXT("flights"), TEXT("1"), "storage.name.owner"},
        {TEXT("Bureau"), TEXT("flights"), TEXT("1"), "storage.name.owner"},
        {TEXT("bureau"), TEXT(".hidden"), TEXT("1"), "storage.name.dataset"},
        {TEXT("bureau"), TEXT("../../etc"), TEXT("1"), "storage.name.dataset"},
        {TEXT("bureau"), TEXT("fli\0ghts"), TEXT("1"), "storage.name.dataset"},
        {TEXT("bureau"), TEXT("flights"), TEXT("0"), "storage.name.version"},
        {TEXT("bureau"), TEXT("flights"), TEXT("01"), "storage.name.version"},
        {TEXT("bureau"), TEXT("flights"), TEXT("-1"), "storage.name.version"},
        {TEXT("bureau"), TEXT("flights"), TEXT("9223372036854775808"), "storage.name.version"},
        {TEXT("bureau"), TEXT("flights"), TEXT("1/.."), "storage.name.version"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct storage_dataset dataset;
        struct result result = storage_dataset_of(rows[i].owner, rows[i].name, rows[i].version, &dataset);
        assert_string_equal(result.why, rows[i].want_why);
    }
    struct storage_dataset dataset;
    assert_why(storage_dataset_named(TEXT("bureau"), 1, &dataset), RESULT_INVALID, "storage.name.dataset");
    assert_why(storage_dataset_named(TEXT("a/b/c"), 1, &dataset), RESULT_INVALID, "storage.name.dataset");
    assert_why(storage_dataset_named(TEXT("/b"), 1, &dataset), RESULT_INVALID, "storage.name.owner");
    assert_why(storage_dataset_named(TEXT("a/b"), 0, &dataset), RESULT_INVALID, "storage.name.version");
    assert_ok(storage_dataset_named(TEXT("a/b"), 12, &dataset));
    struct storage_path path;
    assert_string_equal(storage_path_manifest(&dataset).text, "datasets/a/b/12/manifest.json");
    assert_ok(storage_path_leaves(&dataset, 65535, &path));
    assert_string_equal(path.text, "datasets/a/b/12/parts/065535.leaves");
    assert_why(storage_path_sealed(&dataset, 65536, &path), RESULT_INVALID, "storage.name.part");
}

static void digests_and_runs_are_judged(void **state)
{
    (void)state;
    struct storage_path path;
    assert_ok(storage_path_contract(TEXT(HEX64), &path));
    assert_string_equal(path.text, "contracts/" HEX64 "/contract.json");
    assert_ok(storage_path_grant(TEXT(HEX64), TEXT("bureau"), &path));
    assert_why(storage_path_grant(TEXT(HEX64), TEXT("../x"), &path), RESULT_INVALID, "storage.name.owner");
    static const struct text strange[] = {TEXT(""), TEXT(HEX64 "0"), TEXT("../" HEX64), TEXT("0123")};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        assert_why(storage_path_contract(strange[i], &path), RESULT_INVALID, "storage.name.digest");
        assert_why(storage_path_grant(strange[i], TEXT("a"), &path), RESULT_INVALID, "storage.name.digest");
        assert_why(storage_path_document(strange[i], &path), RESULT_INVALID, "storage.name.digest");
        assert_why(storage_path_revocation(strange[i], &path), RESULT_INVALID, "storage.name.digest");
        assert_why(storage_path_result(strange[i], &path), RESULT_INVALID, "storage.name.run");
        assert_why(storage_path_receipt(strange[i], &path), RESULT_INVALID, "storage.name.run");
        assert_why(storage_path_request(strange[i], &path), RESULT_INVALID, "storage.name.run");
    }
    assert_false(storage_is_hex(TEXT("ABCD"), 4));
}

static void an_object_is_written_once_or_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage = &fixture->storage;
    bool is_new;
    assert_false(storage_has(storage, &fixture->contract));
    assert_ok(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("first octets")), STORAGE_ONCE, &is_new));
    assert_true(is_new);
    assert_ok(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("first octets")), STORAGE_ONCE, &is_new));
    assert_false(is_new);
    assert_why(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("other octets")), STORAGE_ONCE, &is_new),
        RESULT_CONFLICT, "storage.object.exists");
    assert_content(storage, &fixture->contract, "first octets");
    assert_ok(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("more")), STORAGE_REPLACE, &is_new));
    assert_true(is_new);
    assert_content(storage, &fixture->contract, "more");
    assert_int_equal(storage->bytes, 4);
}

static void ranges_are_exact(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage = &fixture->storage;
    scoped_buffer buffer;
    buffer_init(&buffer, 100);
    assert_why(storage_get(storage, &fixture->contract, &buffer), RESULT_NOT_FOUND, "storage.object.missing");
    bool is_new;
    assert_ok(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("0123456789")), STORAGE_ONCE, &is_new));
    assert_ok(storage_get_range(storage, &fixture->contract, 2, 3, &buffer));
    assert_true(text_is(buffer_text(&buffer), "234"));
    assert_why(storage_get_range(storage, &fixture->contract, 8, 3, &buffer), RESULT_INVALID,
               "storage.object.range");
    assert_why(storage_get_range(storage, &fixture->contract, UINT64_MAX, 3, &buffer), RESULT_INVALID,
               "storage.object.range");
    assert_why(storage_get_range(storage, &fixture->contract, 3, UINT64_MAX, &buffer), RESULT_INVALID,
               "storage.object.range");
    assert_int_equal(buffer.size, 3);
}

static void a_failing_disk_leaves_what_was_there(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage = &fixture->storage;
    static const struct {
        size_t octets_left;
        int number;
        int sync_number;
        const char *want_why;
    } rows[] = {
        {0, ENOSPC, 0, "storage.disk.full"},   {5, ENOSPC, 0, "storage.disk.full"},
        {5, EDQUOT, 0, "storage.disk.full"},   {5, 0, 0, "storage.disk.full"},
        {5, EIO, 0, "storage.disk.write"},     {100, 0, EIO, "storage.disk.write"},
        {100, 0, ENOSPC, "storage.disk.full"},
    };
    bool is_new;
    assert_ok(storage_put(storage, &fixture->contract, bytes_of_text(TEXT("first")), STORAGE_ONCE, &is_new));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture->disk = (struct weak_disk){rows[i].octets_left, 3, rows[i].number, rows[i].sync_number};
        struct bytes other = bytes_of_text(TEXT("other octets"));
        assert_why(storage_put(storage, &fixture->contract, other, STORAGE_REPLACE, &is_new),
                   RESULT_UNAVAILABLE, rows[i].want_why);
        assert_content(storage, &fixture->contract, "first");
        assert_int_equal(storage->bytes, 5);
    }
    fixture->disk = (struct weak_disk){.octets_left = SIZE_MAX, .piece = 1};
    assert_ok(
        storage_put(storage, &fixture->contract, bytes_of_text(TEXT("second")), STORAGE_REPLACE, &is_new));
    assert_content(storage, &fixture->contract, "second");
}

static void what_may_not_last_is_not_called_there(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage = &fixture->storage;
    struct bytes content = bytes_of_text(TEXT("first"));
    bool is_new;
    assert_ok(storage_put(storage, &fixture->contract, content, STORAGE_ONCE, &is_new));
    fixture->disk = (struct weak_disk){.octets_left = SIZE_MAX, .piece = 7, .sync_number = EIO};
    assert_why(storage_put(storage, &fixture->contract, content, STORAGE_ONCE, &is_new), RESULT_UNAVAILABLE,
               "storage.disk.write");
    fixture->disk = (struct weak_disk){.octets_left = SIZE_MAX, .piece = 7};
    assert_ok(storage_put(storage, &fixture->contract, content, STORAGE_ONCE, &is_new));
    assert_false(is_new);
}

static fallible count_names(void *self, const char *name)
{
    (void)name;
    ++*(int *)self;
    return OK;
}

static void the_total_is_bounded_and_found_again(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t zeros[900];
    bool is_new;
    assert_ok(storage_put(&fixture->storage, &fixture->contract, BYTES_OF(zeros), STORAGE_ONCE, &is_new));
    struct storage_path other;
    assert_ok(storage_path_revocation(TEXT(HEX64), &other));
    assert_why(storage_put(&fixture->storage, &other, (struct bytes){zeros, 101}, STORAGE_ONCE, &is_new),
               RESULT_LIMIT, "storage.full");
    struct upload upload;
    assert_ok(upload_open(&fixture->storage, &fixture->sealed, 200, 0, 200, &upload));
    assert_ok(upload_write(&upload, (struct bytes){zeros, 60}));
    assert_why(upload_write(&upload, (struct bytes){zeros, 60}), RESULT_LIMIT, "storage.full");
    upload_close(&upload);
    char path[128];
    snprintf(path, sizeof path, "%s/contracts/left.tmp", fixture->folder);
    int left = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(left, zeros, 100), 100);
    close(left);
    storage_close(&fixture->storage);
    assert_ok(storage_open(fixture->folder, 1000, storage_disk_of_system(), &fixture->storage));
    assert_int_equal(fixture->storage.bytes, 960);
    assert_int_equal(access(path, F_OK), -1);
    int count = 0;
    assert_ok(storage_list(&fixture->storage, "contracts", 10, count_names, &count));
    assert_int_equal(count, 1);
    assert_ok(storage_list(&fixture->storage, "nothing", 10, count_names, &count));
    assert_int_equal(count, 1);
    struct storage nowhere;
    assert_why(storage_open("/nonexistent/folder", 1, storage_disk_of_system(), &nowhere), RESULT_UNAVAILABLE,
               "storage.folder.open");
}

static void send(struct fixture *fixture, uint64_t total, uint64_t first, const char *octets,
                 bool want_complete)
{
    struct upload upload;
    assert_ok(upload_open(&fixture->storage, &fixture->sealed, total, first, strlen(octets), &upload));
    assert_ok(upload_write(&upload, bytes_of_text(text_of(octets))));
    bool is_complete = !want_complete;
    assert_ok(upload_finish(&upload, NULL, NULL, &is_complete));
    assert_int_equal(is_complete, want_complete);
    upload_close(&upload);
}

static void assert_stored(struct fixture *fixture, uint64_t want_bytes, bool want_complete)
{
    uint64_t bytes = 0;
    bool is_complete = !want_complete;
    assert_ok(upload_state(&fixture->storage, &fixture->sealed, &bytes, &is_complete));
    assert_int_equal(bytes, want_bytes);
    assert_int_equal(is_complete, want_complete);
}

static void an_upload_is_resumed(void **state)
{
    struct fixture *fixture = *state;
    uint64_t bytes;
    bool is_complete;
    assert_why(upload_state(&fixture->storage, &fixture->sealed, &bytes, &is_complete), RESULT_NOT_FOUND,
               "storage.object.missing");
    send(fixture, 10, 0, "0123", false);
    assert_stored(fixture, 4, false);
    assert_false(storage_has(&fixture->storage, &fixture->sealed));
    struct upload upload;
    assert_why(upload_open(&fixture->storage, &fixture->sealed, 10, 5, 5, &upload), RESULT_CONFLICT,
               "storage.upload.gap");
    send(fixture, 10, 2, "xx45", false); /* overlaps: replaces what is behind its start */
    assert_stored(fixture, 6, false);
    send(fixture, 10, 2, "23456789", true);
    assert_stored(fixture, 10, true);
    assert_content(&fixture->storage, &fixture->sealed, "0123456789");
    assert_int_equal(fixture->storage.bytes, 10);
}

static void a_complete_object_does_not_change(void **state)
{
    struct fixture *fixture = *state;
    send(fixture, 10, 0, "0123456789", true);
    send(fixture, 10, 0, "0123456789", true);
    send(fixture, 10, 4, "45", true);
    struct upload upload;
    assert_ok(upload_open(&fixture->storage, &fixture->sealed, 10, 0, 10, &upload));
    assert_why(upload_write(&upload, bytes_of_text(TEXT("012345678x"))), RESULT_CONFLICT,
               "storage.object.exists");
    upload_close(&upload);
    assert_why(upload_open(&fixture->storage, &fixture->sealed, 11, 0, 11, &upload), RESULT_CONFLICT,
               "storage.object.exists");
    assert_content(&fixture->storage, &fixture->sealed, "0123456789");
}

static void ranges_of_an_upload_are_exact(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage = &fixture->storage;
    struct upload upload;
    assert_why(upload_open(storage, &fixture->sealed, 10, 0, 0, &upload), RESULT_INVALID,
               "storage.upload.range");
    assert_why(upload_open(storage, &fixture->sealed, 10, 4, 7, &upload), RESULT_INVALID,
               "storage.upload.range");
    assert_why(upload_open(storage, &fixture->sealed, 10, UINT64_MAX, 2, &upload), RESULT_INVALID,
               "storage.upload.range");
    assert_ok(upload_open(storage, &fixture->sealed, 10, 0, 4, &upload));
    struct upload second;
    assert_why(upload_open(storage, &fixture->sealed, 10, 0, 4, &second), RESULT_CONFLICT,
               "storage.upload.busy");
    assert_ok(upload_write(&upload, bytes_of_text(TEXT("012"))));
    assert_why(upload_write(&upload, bytes_of_text(TEXT("34"))), RESULT_INVALID, "storage.upload.too_long");
    bool is_complete;
    assert_why(upload_finish(&upload, NULL, NULL, &is_complete), RESULT_INVALID, "storage.upload.too_short");
    upload_close(&upload);
    assert_stored(fixture, 3, false);
}

static void a_failing_disk_keeps_an_upload_resumable(void **state)
{
    struct fixture *fixture = *state;
    struct upload upload;
    assert_ok(upload_open(&fixture->storage, &fixture->sealed, 10, 0, 10, &upload));
    fixture->disk = (struct weak_disk){.octets_left = 6, .piece = 4, .number = ENOSPC};
    assert_why(upload_write(&upload, bytes_of_text(TEXT("0123456789"))), RESULT_UNAVAILABLE,
               "storage.disk.full");
    upload_close(&upload);
    assert_stored(fixture, 6, false);
    assert_int_equal(fixture->storage.bytes, 6);
    fixture->disk = (struct weak_disk){.octets_left = SIZE_MAX, .piece = 4};
    send(fixture, 10, 6, "6789", true);
    assert_content(&fixture->storage, &fixture->sealed, "0123456789");
}

static fallible refuse(void *self, int file, uint64_t size)
{
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    assert_int_equal(status.st_size, size);
    ++*(int *)self;
    return FAIL(INVALID, "test.refused");
}

static void octets_that_fail_the_check_are_thrown_away(void **state)
{
    struct fixture *fixture = *state;
    int calls = 0;
    struct upload upload;
    assert_ok(upload_open(&fixture->storage, &fixture->sealed, 4, 0, 4, &upload));
    assert_ok(upload_write(&upload, bytes_of_text(TEXT("0123"))));
    bool is_complete;
    assert_why(upload_finish(&upload, refuse, &calls, &is_complete), RESULT_INVALID, "test.refused");
    upload_close(&upload);
    assert_int_equal(calls, 1);
    assert_int_equal(fixture->storage.bytes, 0);
    uint64_t bytes;
    assert_why(upload_state(&fixture->storage, &fixture->sealed, &bytes, &is_complete), RESULT_NOT_FOUND,
               "storage.object.missing");
}

#define WITH_STORAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_judged),
        cmocka_unit_test(digests_and_runs_are_judged),
        WITH_STORAGE(an_object_is_written_once_or_replaced),
        WITH_STORAGE(ranges_are_exact),
        WITH_STORAGE(a_failing_disk_leaves_what_was_there),
        WITH_STORAGE(what_may_not_last_is_not_called_there),
        WITH_STORAGE(the_total_is_bounded_and_found_again),
        WITH_STORAGE(an_upload_is_resumed),
        WITH_STORAGE(a_complete_object_does_not_change),
        WITH_STORAGE(ranges_of_an_upload_are_exact),
        WITH_STORAGE(a_failing_disk_keeps_an_upload_resumable),
        WITH_STORAGE(octets_that_fail_the_check_are_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
