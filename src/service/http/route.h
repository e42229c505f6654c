/* http/route.h: request targets and the table of routes, without any I/O.
 *
 * A target is split at every `/` *before* it is decoded, so an encoded slash stays inside its segment. Empty
 * segments are kept: `/keys/k//release` has the segments "keys", "k", "", "release", and `/keys/k/` has
 * "keys", "k",
 * "". A handler that makes file names from segments must check them (text_is_name). Any thread. */
#pragma once

#include "service/http/percent.h"

enum { HTTP_SEGMENTS_MAX = 16, HTTP_TARGET_BYTES_MAX = 16 * 1024 };

enum http_method { HTTP_NONE = 0, HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_PATCH, HTTP_DELETE };

struct http_target {
    struct text segments[HTTP_SEGMENTS_MAX]; /* decoded */
    size_t segment_count;
    struct http_pairs query; /* decoded */
};

enum http_method http_method_of(const char *name); /* HTTP_NONE for what no service of ours uses */
const char *http_method_name(enum http_method method);

/* `/a/b?c=d`. INVALID for another form, LIMIT beyond the maxima. */
fallible http_target_parse(struct arena *arena, struct text untrusted_target, struct http_target *out);

/* A pattern is a path whose segments in braces match any one segment, empty ones too:
 * "/keys/{name}/{version}/release". The texts of those go to `out` in order. Other segments are compared
 * octet by octet, or without regard to ASCII case. */
struct http_captures {
    struct text rows[HTTP_SEGMENTS_MAX];
    size_t count;
};
bool http_pattern_matches(const char *pattern, const struct http_target *target, bool case_blind,
                          struct http_captures *out);
