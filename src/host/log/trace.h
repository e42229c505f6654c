/* log/trace.h: what crosses between host and room, one line per frame, for whoever wants to compare.
 *
 *     room segments_request 71 dataset=bureau/flights version=1 part=0 first=0 count=64
 *     host segments 4194304
 *
 * Sender, kind, payload size and, for requests of data, what is asked. No times, exchange numbers or run ids:
 * two runs over data of equal shape must leave equal traces. `{0}` traces nothing. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

#include <pthread.h>
#include <stdio.h>

struct trace {
    FILE *file;
    pthread_mutex_t mutex;
};

/* Appends to the file, made with mode 0600. UNAVAILABLE "trace.open". */
fallible trace_open(const char *path, struct trace *out);
void trace_close(struct trace *trace);

/* `request` is the text after the size, or empty. Written through at once. */
void trace_frame(struct trace *trace, const char *sender, const char *kind, size_t size, struct text request);
