/* workflow/content_range.h: the header Content-Range of an upload (RFC 9110 §14.4, as in "bytes
 * 0-65535/1000000"). */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct content_range {
    uint64_t first;
    uint64_t count; /* at least 1 */
    uint64_t total;
};

/* Strict: one range of bytes with a known total that it lies in. INVALID "http.content_range". */
fallible content_range_parse(struct text untrusted_value, struct content_range *out);
