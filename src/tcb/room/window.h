/* room/window.h: the memory object through which the engine's child sees granted octets (edge/query_wire.h).
 *
 * The child gets a descriptor that is open for reading only; what the room never wrote is a hole and reads as
 * zeros. A segment's state is written after its octets and taken back before they go, so that a child that
 * finds the same state before and after its read has read what was shown. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct window {
    int file;      /* -1 when closed */
    int read_only; /* for the child */
    _Atomic uint32_t *states;
};

/* Before the room locks itself in: the second descriptor is opened by path. */
fallible window_open(struct window *out);
void window_close(struct window *window);

fallible window_write(const struct window *window, uint64_t at, struct bytes octets);
/* `state` is for whoever waits for the segment: QUERY_STATE_…, or a time that has not been before. */
void window_show(const struct window *window, uint64_t segment, uint32_t state);
/* Overwrites the octets and gives their memory back. */
void window_wipe(const struct window *window, uint64_t at, size_t size);
/* Gives all memory back. */
void window_clear(const struct window *window);
