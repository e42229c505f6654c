#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 16 };

void wipe(void *data, size_t size)
{
    if (size > 0) {
        OPENSSL_cleanse(data, size);
    }
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The pages between the guards. Octets start in the first of them, so the start can be found again. */
static uint8_t *first_page(const struct secret *secret)
{
    return secret->data - (uintptr_t)secret->data % page_bytes();
}

static void protect(uint8_t *pages, size_t size)
{
    /* Each of these is a second line: a small RLIMIT_MEMLOCK or an old kernel must not stop the program. */
    (void)mlock(pages, size);
    (void)madvise(pages, size, MADV_DONTDUMP);
    if (madvise(pages, size, MADV_WIPEONFORK) != 0) {
        (void)madvise(pages, size, MADV_DONTFORK);
    }
}

fallible secret_new(size_t size, struct secret *out)
{
    REQUIRE(size <= SECRET_SIZE_MAX, LIMIT, "secret.size");
    if (size == 0) {
        *out = (struct secret){0};
        return OK;
    }
    size_t page = page_bytes();
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t usable = (rounded + page - 1) / page * page;
    size_t mapped = usable + 2 * page;
    uint8_t *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(base != MAP_FAILED, NO_MEMORY, "secret.map");
    if (mprotect(base + page, usable, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, mapped);
        return FAIL(NO_MEMORY, "secret.map");
    }
    protect(base + page, usable);
    *out = (struct secret){base + page + usable - rounded, size, mapped};
    return OK;
}

fallible secret_random(const struct world *world, size_t size, struct secret *out)
{
    scoped_secret secret = {0};
    TRY(secret_new(size, &secret));
    if (size > 0) {
        TRY(world_random(world, secret.data, size));
    }
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}

fallible secret_from(struct bytes bytes, struct secret *out)
{
    TRY(secret_new(bytes.size, out));
    if (bytes.size > 0) {
        memcpy(out->data, bytes.data, bytes.size);
    }
    return OK;
}

void secret_release(struct secret *secret)
{
    if (secret == NULL || secret->data == NULL) {
        return;
    }
    size_t page = page_bytes();
    uint8_t *pages = first_page(secret);
    wipe(pages, secret->mapped - 2 * page);
    munmap(pages - page, secret->mapped);
    *secret = (struct secret){0};
}

void secret_move(struct secret *from, struct secret *to)
{
    ASSERT(to->data == NULL);
    *to = *from;
    *from = (struct secret){0};
}

bool secret_equal(const struct secret *left, const struct secret *right)
{
    if (left->size != right->size) {
        return false;
    }
    return left->size == 0 || CRYPTO_memcmp(left->data, right->data, left->size) == 0;
}

void secret_shorten(struct secret *secret, size_t size)
{
    ASSERT(size <= secret->size);
    wipe(secret->data + size, secret->size - size);
    secret->size = size;
}
