/* truce-identity PROGRAM --version|--help: what a measured program says of itself, its help and the build
 * that this installation comes from, and the SHA-256 of each measured file beside this program, to compare
 * with those of somebody else's build (doc/reproducible.md). */
#include "base/encode.h"
#include "crypto/digest.h"
#include "service/setting/setting.h"

#include "main/identity.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { USAGE_STATUS = 2, READ_BYTES = 65536, ARENA_BYTES_MAX = 64 * 1024 };

static const char *const measured[] = {"truce-room", "truce-room-sim", "truce-query", "libduckdb.so"};

static void close_stream(FILE **file)
{
    if (*file != NULL) {
        fclose(*file);
    }
}

static fallible hash_file(const char *path, struct digest *out)
{
    uint8_t octets[READ_BYTES];
    size_t size;
    scoped_hasher hasher = {0};
    defer(close_stream) FILE *file = fopen(path, "re");
    REQUIRE(file != NULL, NOT_FOUND, "identity.file");
    TRY(hasher_init(&hasher));
    while ((size = fread(octets, 1, sizeof octets, file)) > 0) {
        TRY(hasher_add(&hasher, (struct bytes){octets, size}));
    }
    REQUIRE(ferror(file) == 0, UNAVAILABLE, "identity.file");
    return hasher_finish(&hasher, out);
}

static fallible print_digest(const char *folder, const char *name)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct digest digest;
    struct text hex;
    struct result result = hash_file(arena_where(&arena, "%s/%s", folder, name), &digest);
    if (result.code == RESULT_NOT_FOUND) {
        return OK; /* not every installation has every one */
    }
    TRY(result);
    TRY(encode_hex(&arena, digest_view(&digest), &hex));
    printf("sha256 %.*s  %s\n", TEXT_ARGS(hex), name);
    return OK;
}

static fallible print_digests(void)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    REQUIRE(size > 0, UNAVAILABLE, "identity.own_path");
    path[size] = 0;
    const char *folder = dirname(path);
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) {
        TRY(print_digest(folder, measured[i]));
    }
    return OK;
}

/* The help of a room, from the table that its launcher judges files by. */
static fallible print_help(void)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct text text;
    TRY(setting_help(&arena, &setting_room, &text));
    printf("%.*s", TEXT_ARGS(text));
    return OK;
}

int main(int count, char *arguments[])
{
    static const char usage[] = "Usage: truce-identity PROGRAM --version|--help\n"
                                "Started by PROGRAM --version and, for the room, PROGRAM --help.";
    const char *name = count > 1 ? arguments[1] : "";
    bool is_own = count == 2 && strncmp(name, "--", 2) == 0;
    const char *asked = is_own ? name : count == 3 ? arguments[2] : "";
    bool is_help = strcmp(asked, "--help") == 0;
    if (!is_help && strcmp(asked, "--version") != 0) {
        fprintf(stderr, "%s\n", usage);
        return USAGE_STATUS;
    }
    if (is_help && is_own) {
        puts(usage);
        return 0;
    }
    if (!is_help) {
        printf("%s %s", is_own ? "truce-identity" : name, identity_text);
    }
    struct result result = is_help ? print_help() : print_digests();
    return result_is_ok(result) ? 0 : result_code_exit_status(result.code);
}
