/* http/percent.h: percent-encoding (RFC 3986 §2.1) and web forms (application/x-www-form-urlencoded).
 *
 * Decoding is strict: a `%` without two hex digits, an encoded NUL and text that is not UTF-8 are INVALID.
 * Results live in the arena. Any thread. */
#pragma once

#include "base/arena.h"

enum { HTTP_PAIRS_MAX = 64 };

struct http_pair {
    struct text name;
    struct text value;
};

/* Names and values of a query string or a form, decoded, in order. */
struct http_pairs {
    struct http_pair rows[HTTP_PAIRS_MAX];
    size_t count;
};

/* One component: a path segment, a name or a value. `plus_is_space` is the rule of forms and queries. */
fallible percent_decode(struct arena *arena, struct text untrusted_text, bool plus_is_space,
                        struct text *out);

/* Leaves only the unreserved characters of RFC 3986 (letters, digits, `-._~`), so the result fits anywhere
 * in a path, a query or a form. */
fallible percent_encode(struct arena *arena, struct text from, struct text *out);

/* `a=1&b=2`. A name without `=` has an empty value; empty pieces (`&&`) are skipped. A name that occurs twice
 * is INVALID "http.form.repeated", so two readers cannot disagree on its value. LIMIT beyond HTTP_PAIRS_MAX.
 */
fallible form_decode(struct arena *arena, struct text untrusted_text, struct http_pairs *out);

/* The value of `name` (exact case), or NULL data when it is not there. */
struct text pairs_get(const struct http_pairs *pairs, const char *name);
