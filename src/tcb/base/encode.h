/* base/encode.h: base64, base64url, hex and times, strict in both directions.
 *
 * Base64url is without padding (RFC 4648 §5) and decoding refuses other alphabets, padding, white space
 * and spare bits that are not zero, so that one value has one text. Where a standard demands padded
 * base64 (DSSE, x5c, PEM) use the `base64` pair. Results live in the arena. */
#pragma once

#include "base/arena.h"

fallible encode_base64url(struct arena *arena, struct bytes from, struct text *out);
fallible decode_base64url(struct arena *arena, struct text untrusted_text, struct bytes *out);
fallible encode_base64(struct arena *arena, struct bytes from, struct text *out);
fallible decode_base64(struct arena *arena, struct text untrusted_text, struct bytes *out);

/* Lower-case hex. Decoding refuses upper case: one value, one text. */
fallible encode_hex(struct arena *arena, struct bytes from, struct text *out);
fallible decode_hex(struct arena *arena, struct text untrusted_text, struct bytes *out);

/* RFC 3339 in UTC to the second: "2026-11-23T21:00:00Z", years 1970 to 9999. */
fallible encode_time(struct arena *arena, int64_t unix_seconds, struct text *out);
fallible decode_time(struct text untrusted_text, int64_t *out_unix_seconds);

/* A date "2001-02-28" of the proleptic Gregorian calendar as days since 1970-01-01, years 0001 to 9999. */
fallible encode_date(struct arena *arena, int64_t days, struct text *out);
fallible decode_date(struct text untrusted_text, int64_t *out_days);

/* A decimal integer without sign, leading zeros or spaces. INVALID, or LIMIT beyond `max`. */
fallible decode_u64(struct text untrusted_text, uint64_t max, uint64_t *out);
