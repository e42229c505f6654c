#include "nth.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

enum { SAMPLE = 40 };

/* One thread does the work of a test. */
static struct {
    bool is_on;
    enum nth_request request;
    uint64_t passages;
    uint64_t failing; /* 0: none */
    uint64_t failed;
} now;

static bool fails(enum nth_request request)
{
    if (!now.is_on || now.request != request) {
        return false;
    }
    bool is_it = ++now.passages == now.failing;
    now.failed += is_it;
    return is_it;
}

/* ---- Memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails(NTH_ALLOCATION) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(NTH_ALLOCATION) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(NTH_ALLOCATION) ? NULL : __real_realloc(old, size);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *crypto_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_realloc(old, size);
}

static void crypto_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

/* SQLite wants sizes back. */
enum { SIZE_BYTES = 16 };

static void *store_malloc(int size)
{
    uint8_t *block = __wrap_malloc((size_t)size + SIZE_BYTES);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    return block + SIZE_BYTES;
}

static void store_free(void *old)
{
    if (old != NULL) {
        free((uint8_t *)old - SIZE_BYTES);
    }
}

static void *store_realloc(void *old, int size)
{
    uint8_t *block =
        __wrap_realloc(old == NULL ? NULL : (uint8_t *)old - SIZE_BYTES, (size_t)size + SIZE_BYTES);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    return block + SIZE_BYTES;
}

static int store_size(void *block)
{
    int size = 0;
    if (block != NULL) {
        memcpy(&size, (uint8_t *)block - SIZE_BYTES, sizeof size);
    }
    return size;
}

static int store_round(int size)
{
    return (size + 7) & ~7;
}

static int store_init(void *self)
{
    (void)self;
    return SQLITE_OK;
}

static void store_shutdown(void *self)
{
    (void)self;
}

/* ---- Files ---- */

#define FAIL_FILE(number)                                                                                    \
    do {                                                                                                     \
        if (fails(NTH_FILE)) {                                                                               \
            errno = (number);                                                                                \
            return -1;                                                                                       \
        }                                                                                                    \
    } while (0)

#define WRAP(type, name, parameters, arguments, number)                                                      \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        FAIL_FILE(number);                                                                                   \
        return __real_##name arguments;                                                                      \
    }

WRAP(ssize_t, read, (int file, void *out, size_t size), (file, out, size), EIO)
WRAP(ssize_t, write, (int file, const void *data, size_t size), (file, data, size), ENOSPC)
WRAP(ssize_t, pread, (int file, void *out, size_t size, off_t offset), (file, out, size, offset), EIO)
WRAP(ssize_t, pwrite, (int file, const void *data, size_t size, off_t offset), (file, data, size, offset),
     ENOSPC)
WRAP(int, fsync, (int file), (file), EIO)
WRAP(int, rename, (const char *from, const char *to), (from, to), EIO)
WRAP(int, renameat, (int from_at, const char *from, int to_at, const char *to), (from_at, from, to_at, to),
     EIO)

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode)
{
    FAIL_FILE(EMFILE);
    return __real_open(path, flags, mode);
}

int __real_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, mode_t mode)
{
    FAIL_FILE(EMFILE);
    return __real_openat(at, path, flags, mode);
}

void nth_install(void)
{
    static const sqlite3_mem_methods methods = {store_malloc, store_free, store_realloc,  store_size,
                                                store_round,  store_init, store_shutdown, NULL};
    assert_int_equal(CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free), 1);
    json_set_alloc_funcs(__wrap_malloc, free);
    /* Lookaside memory is SQLite's own pool: without it every allocation is one of ours. */
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    static const struct {
        const char *name;
        void (*call)(void);
    } calls[] = {{"open", (void (*)(void))__wrap_open},      {"read", (void (*)(void))__wrap_read},
                 {"pread", (void (*)(void))__wrap_pread},    {"pread64", (void (*)(void))__wrap_pread},
                 {"write", (void (*)(void))__wrap_write},    {"pwrite", (void (*)(void))__wrap_pwrite},
                 {"pwrite64", (void (*)(void))__wrap_pwrite}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        files->xSetSystemCall(files, calls[i].name, (sqlite3_syscall_ptr)calls[i].call);
    }
}

/* ---- The loop ---- */

static struct result run(const struct nth_body *body, uint64_t failing, struct digest *out)
{
    now.request = body->request;
    now.passages = now.failed = 0;
    now.failing = failing;
    now.is_on = true;
    struct result result = body->run(body->self, out);
    now.is_on = false;
    return result;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct tally {
    uint64_t tried;
    uint64_t succeeded;
    uint64_t codes[RESULT_CODE_COUNT];
};

static void try_one(const struct nth_body *body, uint64_t number, const struct digest *want,
                    struct tally *tally)
{
    struct digest got = {{0}};
    struct result result = run(body, number, &got);
    tally->tried++;
    tally->codes[result.code]++;
    if (!result_is_ok(result)) {
        assert_true(result.why != NULL && strchr(result.why, '.') != NULL);
        if (now.failed == 0) {
            fail_msg("%s: fails at %llu with %s, and nothing was made to fail", body->name,
                     (unsigned long long)number, result.why);
        }
        return;
    }
    tally->succeeded++;
    if (!body->is_random && !digest_equal(&got, want)) {
        fail_msg("%s: succeeds with other outputs when request %llu fails", body->name,
                 (unsigned long long)number);
    }
}

void nth_exhaust(const struct nth_body *body)
{
    struct digest warm;
    struct digest want;
    struct tally tally = {0};
    struct result first = run(body, 0, &warm); /* what the libraries keep for good is asked for here */
    struct result second = run(body, 0, &want);
    if (!result_is_ok(first) || !result_is_ok(second)) {
        fail_msg("%s: %s", body->name, result_is_ok(first) ? second.why : first.why);
    }
    assert_true(body->is_random || digest_equal(&warm, &want));
    uint64_t count = now.passages;
    assert_true(count > 0);
    const char *seed = getenv("TRUCE_SEED");
    uint64_t state = seed == NULL ? 1 : strtoull(seed, NULL, 10) * 2 + 1;
    bool is_long = getenv("TRUCE_LONG") != NULL && getenv("TRUCE_LONG")[0] != '\0';
    if (is_long || count <= SAMPLE) {
        for (uint64_t number = 1; number <= count; number++) {
            try_one(body, number, &want, &tally);
        }
    } else {
        for (size_t i = 0; i < SAMPLE; i++) {
            try_one(body, next_random(&state) % count + 1, &want, &tally);
        }
    }
    print_message("# %-24s %s: %llu of %llu tried, %llu did without;", body->name,
                  body->request == NTH_FILE ? "files" : "memory", (unsigned long long)tally.tried,
                  (unsigned long long)count, (unsigned long long)tally.succeeded);
    for (int code = 1; code < RESULT_CODE_COUNT; code++) {
        if (tally.codes[code] > 0) {
            print_message(" %s %llu", result_code_name((enum result_code)code),
                          (unsigned long long)tally.codes[code]);
        }
    }
    print_message("\n");
    struct result after = run(body, 0, &warm);
    if (!result_is_ok(after) || (!body->is_random && !digest_equal(&warm, &want))) {
        fail_msg("%s: after the failures it gives %s", body->name, after.why);
    }
}
