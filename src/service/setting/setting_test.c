#include "crypto/test_support.h"
#include "room/room.h"
#include "service/setting/setting.h"

#include <sys/stat.h>
#include <unistd.h>

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 8 * 1024 * 1024);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct result parse(const struct setting_program *program, const char *text, struct setting_file *out)
{
    return setting_file_parse(&arena, program, "x.conf", bytes_of_text(text_of(text)), out);
}

static void reads_a_file(void **state)
{
    (void)state;
    struct setting_file file;
    assert_ok(parse(&setting_attest,
                    "# a comment\n\n  program = truce-attest\nfolder=/var/lib/a b \n"
                    "url\t=\thttps://a.example:8443\nsimulation = /s/1.json\nsimulation = /s/#2=x.json",
                    &file));
    assert_ptr_equal(file.program, &setting_attest);
    assert_int_equal(file.count, 4);
    assert_true(text_is(setting_file_value(&file, "folder"), "/var/lib/a b"));
    assert_true(text_is(setting_file_value(&file, "url"), "https://a.example:8443"));
    assert_true(text_is(file.values[3].text, "/s/#2=x.json"));
    assert_int_equal(file.values[3].line, 7);
    assert_null(setting_file_value(&file, "listen").data);
    assert_ok(parse(NULL, "program = truce-room\nfolder = /r\nhost = /h.sock\nthreads = 16\n", &file));
    assert_ptr_equal(file.program, &setting_room);
}

static void refuses_everything_else_and_says_where(void **state)
{
    (void)state;
#define HOST "program = truce-host\nfolder = /f\n"
    static const struct {
        const char *text;
        enum result_code want_code;
        const char *want_why;
        const char *want_where;
    } rows[] = {
        {"", RESULT_INVALID, "setting.program", "x.conf"},
        {"folder = /f\n", RESULT_INVALID, "setting.program", "x.conf:1: folder"},
        {"program = truce-vault\n", RESULT_INVALID, "setting.program", "x.conf:1: program"},
        {"program = truce\n", RESULT_INVALID, "setting.program", "x.conf:1: program"},
        {"program = truce-host\n", RESULT_INVALID, "setting.key_missing", "x.conf: folder"},
        {HOST "leases = 5\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: leases"},
        {HOST "program = truce-host\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: program"},
        {HOST "Listen = 127.0.0.1:1\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: Listen"},
        {HOST "port-file = /p\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: port-file"},
        {HOST "help = yes\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: help"},
        {HOST "config = /x\n", RESULT_INVALID, "setting.key_unknown", "x.conf:3: config"},
        {HOST "\nfolder = /g\n", RESULT_INVALID, "setting.key_repeated", "x.conf:4: folder"},
        {HOST "listen\n", RESULT_INVALID, "setting.line", "x.conf:3: listen"},
        {HOST "= 5\n", RESULT_INVALID, "setting.line", "x.conf:3"},
        {HOST "[host]\n", RESULT_INVALID, "setting.line", "x.conf:3"},
        {HOST "listen = 127.0.0.1:1\r\n", RESULT_INVALID, "setting.line", "x.conf:3"},
        {HOST "lease-ms =\n", RESULT_INVALID, "setting.value",
         "x.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"},
        {HOST "lease-ms = 20s\n", RESULT_INVALID, "setting.value",
         "x.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"},
        {HOST "lease-ms = -1\n", RESULT_INVALID, "setting.value",
         "x.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"},
        {HOST "lease-ms = 3999\n", RESULT_INVALID, "setting.range",
         "x.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"},
        {HOST "lease-ms = 2147483648\n", RESULT_INVALID, "setting.range",
         "x.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"},
        {HOST "attempts-max = 0\n", RESULT_INVALID, "setting.range",
         "x.conf:3: attempts-max: has to be a whole number from 1 to 2147483647"},
        {HOST "url = http://h\n", RESULT_INVALID, "setting.value",
         "x.conf:3: url: has to be https://HOST or https://HOST:PORT"},
        {HOST "listen = localhost\n", RESULT_INVALID, "setting.value",
         "x.conf:3: listen: has to be ADDRESS:PORT"},
        {HOST "listen = :80\n", RESULT_INVALID, "setting.value", "x.conf:3: listen: has to be ADDRESS:PORT"},
        {HOST "listen = h:65536\n", RESULT_INVALID, "setting.value",
         "x.conf:3: listen: has to be ADDRESS:PORT"},
        {HOST "trace = trace.log\n", RESULT_INVALID, "setting.value",
         "x.conf:3: trace: has to be a path that begins with a slash"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct setting_file file = {.count = 77};
        struct result result = parse(&setting_host, rows[i].text, &file);
        assert_int_equal(result.code, rows[i].want_code);
        assert_string_equal(result.why, rows[i].want_why);
        assert_string_equal(result.where, rows[i].want_where);
        assert_int_equal(file.count, 77);
    }
    struct setting_file file;
    struct result result =
        parse(&setting_vault, "program = truce-vault\nfolder = /f\nparty = Big Bank\n", &file);
    assert_string_equal(result.where, "x.conf:3: party: has to be a party's name");
}

static void keeps_its_limits(void **state)
{
    (void)state;
    struct setting_file file;
    struct bytes content;
    char *text = calloc(1, SETTING_FILE_BYTES_MAX + 2);
    strcpy(text, "program = truce-attest\nfolder = /f\n");
    for (size_t i = 0; i < SETTING_VALUES_MAX; i++) {
        strcat(text, "simulation = /s\n");
    }
    assert_why(parse(&setting_attest, text, &file), LIMIT, "setting.file.values");
    memset(text, '#', SETTING_LINE_BYTES_MAX + 1);
    text[SETTING_LINE_BYTES_MAX + 1] = '\0';
    assert_why(parse(&setting_attest, text, &file), LIMIT, "setting.line_long");
    char path[] = "/tmp/truce-setting-XXXXXX";
    int made = mkstemp(path);
    memset(text, '\n', SETTING_FILE_BYTES_MAX + 1);
    assert_int_equal(write(made, text, SETTING_FILE_BYTES_MAX), SETTING_FILE_BYTES_MAX);
    assert_ok(setting_file_read(&arena, path, &content));
    assert_int_equal(content.size, SETTING_FILE_BYTES_MAX);
    assert_int_equal(write(made, "\n", 1), 1);
    assert_why(setting_file_read(&arena, path, &content), LIMIT, "setting.file.size");
    assert_int_equal(unlink(path), 0);
    assert_why(setting_file_read(&arena, path, &content), NOT_FOUND, "setting.file.missing");
    assert_why(setting_file_read(&arena, "/tmp", &content), DENIED, "setting.file.open");
    close(made);
    free(text);
}

static void write_config(char path[static 64], const char *text)
{
    strcpy(path, "/tmp/truce-setting-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
}

static void the_command_line_counts_before_the_file(void **state)
{
    (void)state;
    char path[64];
    write_config(path, "program = truce-host\nfolder = /var/lib/h\nurl = https://h\nlisten = 127.0.0.1:1\n"
                       "lease-ms = 5000\n");
    char *words[] = {"serve", "--config", path, "--lease-ms=6000"};
    const char *want_words[] = {"serve",           "/var/lib/h",          "--config", path, "--lease-ms=6000",
                                "--url=https://h", "--listen=127.0.0.1:1"};
    struct setting_words out;
    assert_ok(setting_expand(&arena, &setting_host, 4, words, &out));
    assert_int_equal(out.count, sizeof want_words / sizeof want_words[0]);
    for (int i = 0; i < out.count; i++) {
        assert_string_equal(out.words[i], want_words[i]);
    }
    char *connecting[] = {"connect", "--config", path, "courier.json"};
    assert_ok(setting_expand(&arena, &setting_host, 4, connecting, &out));
    assert_int_equal(out.count, 5); /* nothing of the file belongs to connect but the folder */
    assert_string_equal(out.words[1], "/var/lib/h");
    assert_string_equal(out.words[4], "courier.json");
    assert_int_equal(unlink(path), 0);
    assert_why(setting_expand(&arena, &setting_host, 4, words, &out), NOT_FOUND, "setting.file.missing");
}

static void the_command_line_is_as_strict(void **state)
{
    (void)state;
    static const struct {
        char *words[4];
        const char *want_why;
        const char *want_where;
    } rows[] = {
        {{"start", "DIR"}, "setting.command", "start"},
        {{"serve", "DIR", "--no"}, "setting.option.unknown", "--no"},
        {{"serve", "DIR", "--folder=/x"}, "setting.option.unknown", "--folder=/x"},
        {{"connect", "DIR", "--url", "https://h"}, "setting.option.unknown", "--url"},
        {{"serve", "DIR", "--help=1"}, "setting.option.unknown", "--help=1"},
        {{"serve", "DIR", "--listen"}, "setting.option.value_missing", "--listen"},
        {{"serve", "DIR", "--listen="}, "setting.option.value_missing", "--listen="},
        {{"serve", "DIR", "--listen=h"}, "setting.value", "--listen: has to be ADDRESS:PORT"},
        {{"serve", "DIR", "--lease-ms", "1"},
         "setting.range",
         "--lease-ms: has to be a whole number from 4000 to 2147483647"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int count = 0;
        while (count < 4 && rows[i].words[count] != NULL) {
            count++;
        }
        struct setting_words out = {.count = 77};
        struct result result = setting_expand(&arena, &setting_host, count, rows[i].words, &out);
        assert_int_equal(result.code, RESULT_INVALID);
        assert_string_equal(result.why, rows[i].want_why);
        assert_string_equal(result.where, rows[i].want_where);
        assert_int_equal(out.count, 77);
    }
    struct setting_words out;
    assert_why(setting_expand(&arena, &setting_host, 0, NULL, &out), INVALID, "setting.command");
}

static void every_table_is_sound(void **state)
{
    (void)state;
    for (size_t p = 0; setting_programs[p] != NULL; p++) {
        const struct setting_program *program = setting_programs[p];
        struct text help;
        struct setting_names names;
        assert_ok(setting_help(&arena, program, &help));
        setting_names_of(program, -1, &names);
        for (const struct setting *row = program->settings; row->name != NULL; row++) {
            assert_true(text_is_name(text_of(row->name)));
            assert_ptr_equal(setting_find(program, text_of(row->name), row->places), row);
            assert_true(row->kind == SETTING_FLAG || row->value != NULL);
            assert_true(row->kind != SETTING_NUMBER || row->max >= row->min);
            assert_non_null(row->help);
        }
    }
    const struct setting *threads = setting_find(&setting_room, TEXT("threads"), SETTING_FILE);
    assert_int_equal(threads->max, ROOM_THREADS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_file),
        cmocka_unit_test(refuses_everything_else_and_says_where),
        cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(the_command_line_counts_before_the_file),
        cmocka_unit_test(the_command_line_is_as_strict),
        cmocka_unit_test(every_table_is_sound),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
