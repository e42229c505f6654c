#include "room/window.h"

#include "edge/query_wire.h"
#include "seal/stream.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert((int)QUERY_SEGMENT_BYTES == (int)STREAM_NEXT_PLAIN_BYTES &&
                   (int)QUERY_SEGMENT_SHIFT == (int)STREAM_HEADER_BYTES,
               "the child counts segments as the stream does");

fallible window_open(struct window *out)
{
    struct window window = {.file = memfd_create("window", MFD_CLOEXEC)};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", window.file);
    window.read_only = open(path, O_RDONLY | O_CLOEXEC);
    bool made =
        window.file >= 0 && window.read_only >= 0 && ftruncate(window.file, (off_t)QUERY_WINDOW_BYTES) == 0;
    void *states = made ? mmap(NULL, QUERY_STATES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, window.file, 0)
                        : MAP_FAILED;
    if (states == MAP_FAILED) {
        close(window.file);
        close(window.read_only);
        return FAIL(UNAVAILABLE, "room.window");
    }
    window.states = states;
    *out = window;
    return OK;
}

void window_close(struct window *window)
{
    if (window->states != NULL) {
        window_clear(window);
        munmap(window->states, QUERY_STATES_BYTES);
        close(window->file);
        close(window->read_only);
        window->states = NULL;
    }
}

fallible window_write(const struct window *window, uint64_t at, struct bytes octets)
{
    ssize_t written = pwrite(window->file, octets.data, octets.size, (off_t)at);
    REQUIRE(written == (ssize_t)octets.size, NO_MEMORY, "room.window.write");
    return OK;
}

void window_show(const struct window *window, uint64_t segment, uint32_t state)
{
    atomic_store(&window->states[segment], state);
    syscall(SYS_futex, &window->states[segment], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void give_back(const struct window *window, uint64_t at, uint64_t size)
{
    int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    ASSERT(fallocate(window->file, how, (off_t)at, (off_t)size) == 0);
}

void window_wipe(const struct window *window, uint64_t at, size_t size)
{
    static const uint8_t zeros[QUERY_SEGMENT_BYTES];
    ASSERT(size <= sizeof zeros && result_is_ok(window_write(window, at, (struct bytes){zeros, size})));
    give_back(window, at, size);
}

void window_clear(const struct window *window)
{
    give_back(window, 0, QUERY_WINDOW_BYTES);
}
