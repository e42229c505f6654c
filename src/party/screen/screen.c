#include "party/screen/screen.h"

#include <fcntl.h>
#include <stdarg.h>
#include <termios.h>
#include <unistd.h>

void screen_line(const struct screen *screen, const char *format, ...)
{
    if (screen->json) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(screen->results, format, arguments);
    va_end(arguments);
    fputc('\n', screen->results);
}

void screen_note(const struct screen *screen, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(screen->messages, format, arguments);
    va_end(arguments);
    fputc('\n', screen->messages);
    fflush(screen->messages);
}

static bool is_control(unsigned char octet)
{
    return (octet < 0x20 && octet != '\n' && octet != '\t') || octet == 0x7f;
}

/* U+0080 to U+009F are C2 80 to C2 9F; U+202A..202E and U+2066..2069 reorder text. */
static size_t hostile_sequence(const char *data, size_t left)
{
    const unsigned char *at = (const unsigned char *)data;
    if (is_control(at[0])) {
        return 1;
    }
    if (left >= 2 && at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
        return 2;
    }
    bool reorders = left >= 3 && at[0] == 0xe2 &&
                    ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
                     (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
    return reorders ? 3 : 0;
}

static void replace_hostile(struct text untrusted_text, char *out)
{
    for (size_t i = 0; i < untrusted_text.size;) {
        size_t hostile = hostile_sequence(untrusted_text.data + i, untrusted_text.size - i);
        if (hostile > 0) {
            *out++ = '?';
            i += hostile;
        } else {
            *out++ = untrusted_text.data[i++];
        }
    }
    *out = '\0';
}

const char *screen_safe(struct arena *arena, struct text untrusted_text)
{
    void *copy;
    if (!result_is_ok(arena_take(arena, untrusted_text.size + 1, &copy))) {
        return "";
    }
    replace_hostile(untrusted_text, copy);
    return copy;
}

void screen_text(const struct screen *screen, struct text untrusted_text)
{
    scoped_arena arena;
    arena_init(&arena, untrusted_text.size + 4096);
    const char *safe = screen_safe(&arena, untrusted_text);
    size_t size = strlen(safe);
    while (size > 0 && safe[size - 1] == '\n') {
        size--;
    }
    screen_line(screen, "%.*s", (int)size, safe);
}

fallible screen_json(struct screen *screen, const json_t *value)
{
    if (!screen->json) {
        return OK;
    }
    screen->answered = true;
    REQUIRE(json_dumpf(value, screen->results, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0, INTERNAL,
            "screen.json");
    fputc('\n', screen->results);
    return OK;
}

const char *screen_size(struct arena *arena, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    return arena_where(arena, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void draw(const struct progress *progress, const char *end)
{
    enum { CELLS = 28 };
    scoped_arena arena;
    arena_init(&arena, 4096);
    char bar[CELLS + 1];
    uint64_t filled = progress->total > 0 ? progress->done * CELLS / progress->total : 0;
    for (uint64_t i = 0; i < CELLS; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[CELLS] = '\0';
    const char *done = progress->bytes ? screen_size(&arena, progress->done)
                                       : arena_where(&arena, "%llu", (unsigned long long)progress->done);
    const char *total = progress->bytes ? screen_size(&arena, progress->total)
                                        : arena_where(&arena, "%llu", (unsigned long long)progress->total);
    double seconds = (double)(world_monotonic_ms(progress->world) - progress->started_ms) / 1000;
    fprintf(progress->screen->messages, "\r%-28.28s [%s] %s / %s  %.1f s\033[K%s", progress->label, bar, done,
            total, seconds, end);
    fflush(progress->screen->messages);
}

void progress_begin(struct progress *progress, const struct screen *screen, const struct world *world,
                    const char *label, uint64_t total, bool bytes)
{
    int64_t now = world_monotonic_ms(world);
    *progress = (struct progress){screen, world, label, total, 0, now, now - 1000, bytes};
}

void progress_set(struct progress *progress, uint64_t done)
{
    progress->done = done < progress->total || progress->total == 0 ? done : progress->total;
    int64_t now = world_monotonic_ms(progress->world);
    if (progress->screen->interactive && progress->total > 0 && now - progress->drawn_ms >= 100) {
        progress->drawn_ms = now;
        draw(progress, "");
    }
}

void progress_end(struct progress *progress, bool succeeded)
{
    double seconds = (double)(world_monotonic_ms(progress->world) - progress->started_ms) / 1000;
    if (progress->screen->interactive && progress->total > 0) {
        draw(progress, "\n");
    } else {
        screen_note(progress->screen, "%s: %s (%.1f s)", progress->label, succeeded ? "done" : "not finished",
                    seconds);
    }
}

static void close_terminal(FILE **terminal)
{
    if (*terminal != NULL) {
        fclose(*terminal);
    }
}

enum verdict screen_confirm(const struct screen *screen, const char *question)
{
    defer(close_terminal) FILE *terminal = fopen("/dev/tty", "r+");
    if (terminal == NULL) {
        screen_note(screen, "%s There is no terminal to ask; --yes answers it.", question);
        return VERDICT_DENY;
    }
    fprintf(terminal, "%s [yes/no] ", question);
    fflush(terminal);
    char answer[16];
    if (fgets(answer, sizeof(answer), terminal) == NULL) {
        return VERDICT_DENY;
    }
    return strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0 ? VERDICT_ALLOW : VERDICT_DENY;
}

static fallible read_hidden_line(int terminal, const char *question, struct secret *out)
{
    enum { LINE_MAX_BYTES = 1024 };
    scoped_secret line = {0};
    TRY(secret_new(LINE_MAX_BYTES, &line));
    struct termios shown;
    REQUIRE(tcgetattr(terminal, &shown) == 0, UNAVAILABLE, "passphrase.no_terminal");
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    REQUIRE(tcsetattr(terminal, TCSAFLUSH, &hidden) == 0, UNAVAILABLE, "passphrase.no_terminal");
    (void)!write(terminal, question, strlen(question));
    ssize_t size = read(terminal, line.data, line.size);
    (void)!write(terminal, "\n", 1);
    tcsetattr(terminal, TCSAFLUSH, &shown);
    while (size > 0 && (line.data[size - 1] == '\n' || line.data[size - 1] == '\r')) {
        size--;
    }
    REQUIRE(size > 0, INVALID, "passphrase.empty");
    return secret_from((struct bytes){line.data, (size_t)size}, out);
}

static void close_number(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

fallible screen_ask_secret(const struct screen *screen, const char *question, bool twice, struct secret *out)
{
    (void)screen;
    defer(close_number) int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    REQUIRE(terminal >= 0, UNAVAILABLE, "passphrase.no_terminal");
    scoped_secret first = {0};
    TRY(read_hidden_line(terminal, question, &first));
    if (twice) {
        scoped_secret second = {0};
        TRY(read_hidden_line(terminal, "Once more: ", &second));
        REQUIRE(secret_equal(&first, &second), INVALID, "passphrase.mismatch");
    }
    secret_move(&first, out);
    return OK;
}
