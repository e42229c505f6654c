#include "party/home/address_book.h"
#include "party/home/backup.h"
#include "party/home/connection.h"
#include "party/home/file.h"
#include "party/home/keystore.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    struct arena arena;
    struct world world;
    struct secret passphrase;
};

static void assert_ok(struct result result)
{
    if (!result_is_ok(result)) {
        fail_msg("%s: %s (%s)", result_code_name(result.code), result.why,
                 result.where != NULL ? result.where : "");
    }
}

static void assert_why(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    (void)kind;
    (void)at;
    return remove(path);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    strcpy(place->folder, "/tmp/truce-home-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    arena_init(&place->arena, 64 * 1024 * 1024);
    place->world = world_of_system();
    assert_ok(secret_from(bytes_of_text(TEXT("correct horse")), &place->passphrase));
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    nftw(place->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    arena_release(&place->arena);
    secret_release(&place->passphrase);
    free(place);
    return 0;
}

static const char *in(struct place *place, const char *name)
{
    const char *path;
    assert_ok(file_path(&place->arena, place->folder, name, &path));
    return path;
}

static void make(struct place *place, const char *name)
{
    const char *folder = in(place, name);
    assert_ok(file_make_folder(folder));
    assert_ok(keystore_create(&place->world, folder, text_of(name), &place->passphrase));
}

static struct bytes card_of(struct place *place, const char *name)
{
    struct bytes card;
    assert_ok(file_read(&place->arena, in(place, arena_where(&place->arena, "%s/card.json", name)), &card));
    return card;
}

static struct digest fingerprint_of(struct place *place, const char *name)
{
    scoped_card card = {0};
    assert_ok(card_read(&place->arena, card_of(place, name), &card));
    return card.fingerprint;
}

static void files_appear_whole_and_private(void **state)
{
    struct place *place = *state;
    const char *path = in(place, "a/b/c.json");
    struct bytes read;
    struct stat facts;
    assert_why(file_read(&place->arena, path, &read), RESULT_NOT_FOUND, "file.not_found");
    assert_ok(file_make_folder(in(place, "a/b")));
    assert_ok(file_write(path, bytes_of_text(TEXT("one")), FILE_PRIVATE));
    assert_ok(file_write(path, bytes_of_text(TEXT("two")), FILE_PRIVATE));
    assert_ok(file_read(&place->arena, path, &read));
    assert_true(bytes_equal(read, bytes_of_text(TEXT("two"))));
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(stat(in(place, "a/b"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    const char **names;
    size_t count;
    assert_ok(file_list(&place->arena, in(place, "a/b"), &names, &count));
    assert_int_equal(count, 1);
    assert_why(file_make_folder(path), RESULT_CONFLICT, "file.not_a_folder");
    struct secret secret = {0};
    assert_ok(file_write(path, bytes_of_text(TEXT("\n")), FILE_PRIVATE));
    assert_why(file_read_secret(path, &secret), RESULT_INVALID, "file.empty");
    assert_ok(file_write(path, bytes_of_text(TEXT("pass word\r\nrest")), FILE_PRIVATE));
    assert_ok(file_read_secret(path, &secret));
    assert_true(bytes_equal(secret_view(&secret), bytes_of_text(TEXT("pass word"))));
    secret_release(&secret);
}

static void keys_open_with_the_passphrase_only(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    scoped_keystore keystore = {0};
    scoped_secret wrong = {0};
    struct stat facts;
    assert_ok(secret_from(bytes_of_text(TEXT("wrong horse")), &wrong));
    assert_why(keystore_open(&place->arena, in(place, "alpha"), &wrong, &keystore), RESULT_UNAUTHENTICATED,
               "key.passphrase");
    assert_null(keystore.signing.pkey);
    assert_ok(keystore_open(&place->arena, in(place, "alpha"), &place->passphrase, &keystore));
    assert_true(text_is(keystore.card.name, "alpha"));
    assert_int_equal(keystore.storage.size, 32);
    assert_int_equal(stat(in(place, "alpha/signing.pem"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_why(keystore_create(&place->world, in(place, "alpha"), TEXT("alpha"), &place->passphrase),
               RESULT_CONFLICT, "keystore.exists");
    assert_why(keystore_create(&place->world, in(place, "beta"), TEXT("No/Name"), &place->passphrase),
               RESULT_INVALID, "card.name");
}

static void keys_of_another_party_are_noticed(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    make(place, "beta");
    struct bytes other;
    scoped_keystore keystore = {0};
    assert_ok(file_read(&place->arena, in(place, "beta/signing.pem"), &other));
    assert_ok(file_write(in(place, "alpha/signing.pem"), other, FILE_PRIVATE));
    assert_why(keystore_open(&place->arena, in(place, "alpha"), &place->passphrase, &keystore),
               RESULT_CORRUPT, "keystore.mismatch");
}

static void rotation_keeps_the_storage_key_and_former_keys(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    scoped_keystore before = {0};
    scoped_keystore after = {0};
    assert_ok(keystore_open(&place->arena, in(place, "alpha"), &place->passphrase, &before));
    assert_ok(keystore_rotate(&place->world, in(place, "alpha"), &place->passphrase));
    assert_ok(keystore_open(&place->arena, in(place, "alpha"), &place->passphrase, &after));
    assert_false(digest_equal(&before.card.fingerprint, &after.card.fingerprint));
    assert_true(digest_equal(&before.card.fingerprint, &after.card.previous));
    assert_true(secret_equal(&before.storage, &after.storage));
    assert_ok(card_follows(&place->arena, &after.card, &before.card));
    assert_why(card_follows(&place->arena, &before.card, &after.card), RESULT_UNTRUSTED,
               "card.not_signed_by_known_key");
    struct key former[KEYSTORE_FORMER_MAX] = {0};
    size_t count;
    assert_ok(
        keystore_former_result_keys(&place->arena, in(place, "alpha"), &place->passphrase, former, &count));
    assert_int_equal(count, 1);
    struct digest kept;
    struct digest want;
    assert_ok(key_thumbprint(&former[0], &kept));
    assert_ok(key_thumbprint(&before.result, &want));
    assert_true(digest_equal(&kept, &want));
    key_release(&former[0]);
}

static void interrupted_rotation_is_finished(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    make(place, "beta");
    static const char *const names[] = {"signing.pem", "result.pem", "storage.jwe", "card.json"};
    for (size_t i = 0; i < 4; i++) {
        struct bytes content;
        assert_ok(
            file_read(&place->arena, in(place, arena_where(&place->arena, "beta/%s", names[i])), &content));
        const char *suffix = i == 0 ? "" : ".next"; /* as if the first had been renamed already */
        assert_ok(file_write(in(place, arena_where(&place->arena, "alpha/%s%s", names[i], suffix)), content,
                             FILE_PRIVATE));
    }
    scoped_keystore keystore = {0};
    assert_ok(keystore_open(&place->arena, in(place, "alpha"), &place->passphrase, &keystore));
    assert_true(text_is(keystore.card.name, "beta"));
    assert_false(file_exists(in(place, "alpha/card.json.next")));
}

static void address_book_wants_the_fingerprint(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    make(place, "beta");
    struct digest right = fingerprint_of(place, "beta");
    struct digest wrong = fingerprint_of(place, "alpha");
    struct text name;
    const char *folder = in(place, "alpha");
    assert_why(address_book_add(&place->arena, &place->world, folder, card_of(place, "beta"), &wrong, &name),
               RESULT_UNTRUSTED, "trust.fingerprint.mismatch");
    assert_why(address_book_add(&place->arena, &place->world, folder, card_of(place, "beta"), NULL, &name),
               RESULT_UNTRUSTED, "trust.fingerprint.missing");
    assert_why(address_book_add(&place->arena, &place->world, folder, card_of(place, "alpha"), &wrong, &name),
               RESULT_CONFLICT, "trust.self");
    assert_ok(address_book_add(&place->arena, &place->world, folder, card_of(place, "beta"), &right, &name));
    scoped_address_book book = {0};
    assert_ok(address_book_open(&place->arena, folder, &book));
    assert_int_equal(book.count, 2);
    assert_true(book.rows[0].is_self);
    assert_non_null(address_book_by_name(&book, TEXT("beta")));
    assert_non_null(address_book_by_fingerprint(&book, &right));
    assert_null(address_book_by_name(&book, TEXT("gamma")));
}

static void address_book_follows_a_rotation_only(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    make(place, "beta");
    const char *folder = in(place, "alpha");
    struct digest first = fingerprint_of(place, "beta");
    struct text name;
    assert_ok(address_book_add(&place->arena, &place->world, folder, card_of(place, "beta"), &first, &name));
    assert_ok(keystore_rotate(&place->world, in(place, "beta"), &place->passphrase));
    assert_ok(address_book_add(&place->arena, &place->world, folder, card_of(place, "beta"), NULL, &name));
    /* A stranger who takes the name is refused, even with the right fingerprint of the stranger's key. */
    assert_ok(file_make_folder(in(place, "stranger")));
    assert_ok(keystore_create(&place->world, in(place, "stranger"), TEXT("beta"), &place->passphrase));
    struct digest strange = fingerprint_of(place, "stranger");
    assert_why(
        address_book_add(&place->arena, &place->world, folder, card_of(place, "stranger"), &strange, &name),
        RESULT_UNTRUSTED, "card.not_signed_by_known_key");
}

static void tampered_cards_are_refused(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    make(place, "beta");
    struct bytes card = card_of(place, "beta");
    struct digest fingerprint = fingerprint_of(place, "beta");
    struct text name;
    size_t refused = 0;
    for (size_t at = 0; at < card.size; at += 7) {
        struct bytes copy;
        assert_ok(arena_copy(&place->arena, card, &copy));
        ((uint8_t *)copy.data)[at] = copy.data[at] == 'A' ? 'B' : 'A';
        struct result result =
            address_book_add(&place->arena, &place->world, in(place, "alpha"), copy, &fingerprint, &name);
        assert_false(result_is_ok(result));
        refused++;
    }
    assert_true(refused > 50);
    assert_ok(file_write(in(place, "alpha/trusted/beta.json"), card, FILE_PRIVATE));
    struct address_book book;
    assert_why(address_book_open(&place->arena, in(place, "alpha"), &book), RESULT_CORRUPT, "trust.entry");
}

static void backups_open_with_the_passphrase_only(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    scoped_buffer backup;
    scoped_secret wrong = {0};
    size_t count;
    buffer_init(&backup, FILE_SIZE_MAX);
    assert_ok(secret_from(bytes_of_text(TEXT("wrong horse")), &wrong));
    assert_ok(backup_make(&place->arena, &place->world, in(place, "alpha"), TEXT("alpha"), &place->passphrase,
                          &backup));
    assert_why(backup_open(&place->arena, buffer_view(&backup), &wrong, NULL, &count), RESULT_UNAUTHENTICATED,
               "key.passphrase");
    assert_ok(
        backup_open(&place->arena, buffer_view(&backup), &place->passphrase, in(place, "again"), &count));
    assert_int_equal(count, 4);
    scoped_keystore keystore = {0};
    assert_ok(keystore_open(&place->arena, in(place, "again"), &place->passphrase, &keystore));
    assert_true(text_is(keystore.card.name, "alpha"));
}

/* BACKUP_DEPTH_MAX folders are taken, one more is not; a file that is too large is not read. */
static void backups_and_files_have_limits(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    scoped_buffer backup;
    buffer_init(&backup, FILE_SIZE_MAX);
    const char *folder = in(place, "alpha");
    for (size_t i = 0; i <= BACKUP_DEPTH_MAX; i++) {
        if (i == BACKUP_DEPTH_MAX) {
            assert_ok(backup_make(&place->arena, &place->world, in(place, "alpha"), TEXT("alpha"),
                                  &place->passphrase, &backup));
            buffer_clear(&backup);
        }
        assert_ok(file_path(&place->arena, folder, "deeper", &folder));
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    assert_why(backup_make(&place->arena, &place->world, in(place, "alpha"), TEXT("alpha"),
                           &place->passphrase, &backup),
               RESULT_LIMIT, "backup.depth");
    const char *path = in(place, "large");
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)FILE_SIZE_MAX + 1), 0);
    close(file);
    scoped_arena arena;
    arena_init(&arena, 256 * 1024 * 1024);
    struct bytes content;
    assert_why(file_read(&arena, path, &content), RESULT_LIMIT, "file.size");
}

static void connections_are_checked(void **state)
{
    struct place *place = *state;
    make(place, "alpha");
    static const struct {
        const char *file;
        enum result_code want_code;
        const char *want_why;
    } rows[] = {
        {"{\"type\":\"connection/host/1\",\"host\":\"https://h:1\",\"token\":\"t\",\"ca\":\"\"}", RESULT_OK,
         "ok"},
        {"{\"type\":\"connection/host/1\",\"host\":\"http://h:1\",\"token\":\"t\",\"ca\":\"\"}",
         RESULT_INVALID, "connection.url"},
        {"{\"type\":\"connection/host/1\",\"host\":\"https://h/\",\"token\":\"t\",\"ca\":\"\"}",
         RESULT_INVALID, "connection.url"},
        {"{\"type\":\"connection/host/1\",\"host\":\"https://h\",\"token\":\"t\",\"ca\":\"\",\"x\":1}",
         RESULT_INVALID, "json.member.unknown"},
        {"{\"type\":\"connection/other/1\"}", RESULT_INVALID, "connection.type"},
        {"{\"type\":\"connection/courier/1\"}", RESULT_DENIED, "connection.courier"},
        {"{\"type\":\"connection/vault/1\",\"party\":\"beta\",\"vault\":\"https://v\",\"authority\":\"https:/"
         "/a\","
         "\"tenant\":\"t\",\"client_id\":\"c\",\"client_secret\":\"s\",\"ca\":\"\"}",
         RESULT_DENIED, "connection.vault.other_party"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://"
         "a\",\"keys\":[],\"policy_hash\":\"x\",\"ca\":\"\"}",
         RESULT_INVALID, "connection.keys"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text kind;
        assert_why(connection_keep(&place->arena, in(place, "alpha"), TEXT("alpha"),
                                   bytes_of_text(text_of(rows[i].file)), &kind),
                   rows[i].want_code, rows[i].want_why);
    }
    struct connection_host host;
    struct connection_vault vault;
    assert_ok(connection_host_open(&place->arena, in(place, "alpha"), &host));
    assert_true(text_is(host.host, "https://h:1"));
    assert_why(connection_vault_open(&place->arena, in(place, "alpha"), &vault), RESULT_NOT_FOUND,
               "connection.vault.missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_appear_whole_and_private, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_open_with_the_passphrase_only, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_another_party_are_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(rotation_keeps_the_storage_key_and_former_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupted_rotation_is_finished, setup, teardown),
        cmocka_unit_test_setup_teardown(address_book_wants_the_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(address_book_follows_a_rotation_only, setup, teardown),
        cmocka_unit_test_setup_teardown(tampered_cards_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(backups_open_with_the_passphrase_only, setup, teardown),
        cmocka_unit_test_setup_teardown(backups_and_files_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_checked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
