/* privacy/result_frame.h: a result inside its encryption: header, CSV, zeros up to a size class (formats §4).
 *
 * The size class hides the exact size from who sees the ciphertext: the powers of two from 4 KiB over the
 * whole plaintext. Written in the room, read at the recipient after decryption and after the receipt has been
 * verified. Any thread. */
#pragma once

#include "base/json.h"
#include "column/column_type.h"
#include "crypto/digest.h"

#define RESULT_SIZE_CLASS_MIN ((uint64_t)4096)
#define RESULT_SIZE_MAX ((uint64_t)1 << 31)
#define RESULT_TYP "truce-result+jwe"

enum { RESULT_HEADER_BYTES_MAX = 65536, RESULT_RUN_CHARACTERS = 32 };

struct result_frame {
    const struct column *columns;
    size_t column_count;
    struct text run; /* 32 hex digits */
    struct digest run_request;
    struct digest contract;
    struct bytes csv;
};

/* The smallest class that holds `size` octets. LIMIT "result.size" beyond RESULT_SIZE_MAX. */
fallible result_size_class(uint64_t size, uint64_t *out);

/* The schema of an output as documents have it: [{"name","type"}], names unique, types that may leave. */
fallible column_schema_build(const struct column columns[], size_t count, json_t *array);
fallible column_schema_read(struct arena *arena, const json_t *object, const char *member, size_t max,
                            struct column **out, size_t *out_count);

/* Appends the padded plaintext to `out`. */
fallible result_frame_write(const struct result_frame *frame, struct buffer *out);

/* Strict: canonical header with fixed members, zeros to the end, exactly the size class that the size asks
 * for. INVALID "result.header", "result.padding", "result.size_class" and friends. Views of the input and
 * the arena. */
fallible result_frame_parse(struct arena *arena, struct bytes untrusted_plaintext, struct result_frame *out);
