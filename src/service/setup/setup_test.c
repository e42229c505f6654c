#include "crypto/test_support.h"
#include "service/setup/file.h"
#include "service/setup/notify.h"
#include "service/setup/program.h"
#include "service/setup/tls.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    struct world world;
    struct arena arena;
    char folder[64];
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_of_system();
    arena_init(&fixture->arena, 16 * 1024 * 1024);
    strcpy(fixture->folder, "/tmp/truce-setup-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    struct text names[32];
    size_t count;
    assert_ok(folder_list(&fixture->arena, text_of(fixture->folder), "", 32, names, &count));
    for (size_t i = 0; i < count; i++) {
        struct text path;
        const char *cstring;
        assert_ok(path_join(&fixture->arena, text_of(fixture->folder),
                            arena_where(&fixture->arena, "%.*s", TEXT_ARGS(names[i])), &path));
        assert_ok(arena_cstring(&fixture->arena, path, &cstring));
        assert_int_equal(unlink(cstring), 0);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static struct text in_folder(struct fixture *fixture, const char *name)
{
    struct text path = {0};
    assert_ok(path_join(&fixture->arena, text_of(fixture->folder), name, &path));
    return path;
}

static void files_are_private_and_whole(void **state)
{
    struct fixture *fixture = *state;
    struct text path = in_folder(fixture, "a.json");
    struct bytes content;
    struct stat status;
    assert_why(file_read(&fixture->arena, path, &content), NOT_FOUND, "setup.file.missing");
    assert_ok(folder_is_unused(&fixture->arena, text_of(fixture->folder), "a.json"));
    assert_ok(file_write(path, bytes_of_text(TEXT("one"))));
    assert_ok(file_write(path, bytes_of_text(TEXT("two"))));
    assert_ok(file_read(&fixture->arena, path, &content));
    assert_true(text_is(text_of_bytes(content), "two"));
    const char *cstring;
    assert_ok(arena_cstring(&fixture->arena, path, &cstring));
    assert_int_equal(stat(cstring, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_why(folder_is_unused(&fixture->arena, text_of(fixture->folder), "a.json"), CONFLICT,
               "setup.folder.used");
    scoped_secret secret = {0};
    assert_ok(file_read_secret(path, &secret));
    assert_int_equal(secret.size, 3);
    assert_int_equal(chmod(cstring, 0640), 0);
    scoped_secret refused = {0};
    assert_why(file_read_secret(path, &refused), DENIED, "setup.file.mode");
    assert_why(file_write(TEXT("/nonexistent/x"), (struct bytes){0}), UNAVAILABLE, "setup.file.create");
}

static void folders_are_private(void **state)
{
    struct fixture *fixture = *state;
    assert_ok(folder_create(text_of(fixture->folder)));
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    assert_why(folder_create(text_of(fixture->folder)), DENIED, "setup.folder.mode");
    assert_int_equal(chmod(fixture->folder, 0700), 0);
    assert_ok(file_write(in_folder(fixture, "file"), (struct bytes){0}));
    assert_why(folder_create(in_folder(fixture, "file")), CONFLICT, "setup.folder.not_a_folder");
    assert_why(folder_create(TEXT("/nonexistent/x")), UNAVAILABLE, "setup.folder.create");
}

static void certificates_chain_to_the_authority(void **state)
{
    struct fixture *fixture = *state;
    struct text folder = text_of(fixture->folder);
    assert_ok(tls_create(&fixture->world, &fixture->arena, folder, TEXT("bureau")));
    struct tls_names names;
    struct tls_identity identity;
    tls_names_init(&names, TEXT("vault.example"));
    tls_names_add(&names, TEXT("*.vault.localhost"));
    tls_names_add(&names, TEXT("localhost"));
    assert_int_equal(names.rows[3].size, 0);
    assert_ok(tls_load(&fixture->world, &fixture->arena, folder, &names, &identity));
    struct certificate chain[2] = {{0}};
    scoped_certificate anchor = {0};
    size_t count;
    assert_ok(certificates_from_pem(identity.certificate_pem, 2, chain, &count));
    assert_int_equal(count, 2);
    assert_ok(certificates_from_pem(identity.ca_pem, 1, &anchor, &count));
    assert_ok(certificate_verify_chain(chain, 1, &anchor, 1, world_now(&fixture->world)));
    scoped_key leaf_key = {0};
    scoped_key file_key = {0};
    struct digest leaf_pin;
    struct digest file_pin;
    assert_ok(certificate_key(&chain[0], &leaf_key));
    assert_ok(key_from_pem(identity.key_pem, &file_key));
    assert_ok(key_pin(&leaf_key, &leaf_pin));
    assert_ok(key_pin(&file_key, &file_pin));
    assert_true(digest_equal(&leaf_pin, &file_pin));
    certificate_release(&chain[0]);
    certificate_release(&chain[1]);
}

static void options_are_found(void **state)
{
    (void)state;
    static const char *const valued[] = {"party", "url", NULL};
    char *arguments[] = {"--party", "bureau", "DIR", "--url=https://h", "--help"};
    assert_true(text_is(program_option(5, arguments, "party"), "bureau"));
    assert_true(text_is(program_option(5, arguments, "url"), "https://h"));
    assert_null(program_option(5, arguments, "listen").data);
    assert_true(program_flag(5, arguments, "help"));
    assert_true(text_is(program_argument(5, arguments, valued, 0), "DIR"));
    assert_int_equal(program_argument(5, arguments, valued, 1).size, 0);
}

static void a_settled_url_stays(void **state)
{
    (void)state;
    struct text settled = TEXT("https://a.example:8443");
    assert_ok(program_check_url(settled, (struct text){0}));
    assert_ok(program_check_url(settled, TEXT("https://a.example:8443")));
    assert_ok(program_check_url(settled, TEXT("https://a.example")));
    assert_why(program_check_url(settled, TEXT("https://a.example:844")), CONFLICT, "program.url.other");
    assert_why(program_check_url(settled, TEXT("https://a.exampl")), CONFLICT, "program.url.other");
    assert_why(program_check_url(settled, TEXT("https://a.example:8443/")), CONFLICT, "program.url.other");
}

static void readiness_is_one_datagram(void **state)
{
    struct fixture *fixture = *state;
    struct text path = in_folder(fixture, "notify");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[64] = {0};
    memcpy(address.sun_path, path.data, path.size);
    int taker = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(taker, (struct sockaddr *)&address, sizeof address), 0);
    assert_ok(notify_send(address.sun_path, TEXT("READY=1")));
    assert_int_equal(recv(taker, got, sizeof got, 0), 7);
    assert_string_equal(got, "READY=1");
    close(taker);
    assert_why(notify_send(address.sun_path, TEXT("READY=1")), UNAVAILABLE, "notify.socket");
    assert_why(notify_send("relative", TEXT("READY=1")), INVALID, "notify.name");
    assert_ok(notify_send("", TEXT("READY=1")));
    assert_ok(notify_send(NULL, TEXT("READY=1")));
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(files_are_private_and_whole),         IN_FOLDER(folders_are_private),
        IN_FOLDER(certificates_chain_to_the_authority), cmocka_unit_test(options_are_found),
        cmocka_unit_test(a_settled_url_stays),          IN_FOLDER(readiness_is_one_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
