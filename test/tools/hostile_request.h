/* The request of a task, read without taking it, and what its SQL tells a subverted program to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAX = 256 * 1024, MODE_BYTES = 32 };

/* The whole next frame's payload, left in the socket, for the caller to free; NULL when there is none. */
char *request_peek(int stream, size_t *out_size);
bool request_mode(const char *request, char out[MODE_BYTES]);
bool mode_is(const char *mode, const char *name);
bool mode_starts(const char *mode, const char *prefix);
