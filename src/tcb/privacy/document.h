/* privacy/document.h: what all signed documents of Truce have in common, on top of jose/jws.h.
 *
 * A document's payload is canonical JSON with a `type` and fixed members (formats, introduction and §1). The
 * getters refuse what does not have the form that the member needs, and name the member in `where`. Nothing
 * here checks a signature except `document_verify_only`. One arena per parse. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "jose/jws.h"

enum { DOCUMENT_URL_BYTES_MAX = 512, DOCUMENT_DATASET_BYTES_MAX = 129 };

/* Parses the envelope, and demands that the payload is canonical ("document.not_canonical"), that its
 * `type` is `type` ("document.type") and that it has no other members than `members` (NULL-terminated). */
fallible document_parse(struct arena *arena, struct bytes untrusted_bytes, const char *typ,
                        const char *const header_members[], const char *type, const char *const members[],
                        struct jws *out);
/* The same checks of a payload that nobody has signed yet: a document without signatures, whose `payload` is
 * the caller's view. */
fallible document_parse_payload(struct arena *arena, struct bytes untrusted_payload, const char *type,
                                const char *const members[], struct jws *out);

/* That the document has exactly one signature and that it is by `key`: UNTRUSTED "document.signatures" or
 * the reason of `jws_verify`. */
fallible document_verify_only(const struct jws *document, const struct key *key);

/* Getters in the manner of json.h. */
fallible document_get_name(const json_t *object, const char *member, struct text *out);
fallible document_get_dataset(const json_t *object, const char *member, struct text *out); /* owner/name */
/* `dataset` and `owner`, which must fit each other ("document.dataset_owner"). */
fallible document_get_owned(const json_t *object, struct text *out_dataset, struct text *out_owner);
fallible document_get_digest(const json_t *object, const char *member, struct digest *out);
/* Base64url of exactly `size` octets. */
fallible document_get_fixed(struct arena *arena, const json_t *object, const char *member, size_t size,
                            struct bytes *out);
fallible document_get_url(const json_t *object, const char *member, struct text *out); /* https, ASCII */
fallible document_get_count(const json_t *object, const char *member, uint64_t min, uint64_t max,
                            uint64_t *out);
/* A public P-256 key: exactly kty, crv, x, y. */
fallible document_get_key(struct arena *arena, const json_t *object, const char *member, struct key *out);
/* An array of `min` to `max` items. */
fallible document_get_array(const json_t *object, const char *member, size_t min, size_t max, json_t **out,
                            size_t *out_count);
/* An array of `min` to `max` rows: takes zeroed memory for them, sets `rows` and `count`, and calls `read`
 * for each with `self`, which holds the rows, and the row's index. A failure's `where` begins with
 * "member[index]". */
typedef struct result document_read_row(struct arena *arena, const json_t *value, void *self, size_t index);
fallible document_get_rows(struct arena *arena, const json_t *object, const char *member, size_t min,
                           size_t max, size_t row_bytes, document_read_row *read, void *self, void **out_rows,
                           size_t *out_count);
#define DOCUMENT_ROWS(arena, object, member, min, max, read, self, out_rows, out_count)                      \
    document_get_rows(arena, object, member, min, max, sizeof **(out_rows), read, self, (void **)(out_rows), \
                      out_count)
/* Texts that are each `is_valid`, in strictly ascending order of octets, so that a set has one form; and the
 * same of names. */
fallible document_get_set(struct arena *arena, const json_t *object, const char *member, size_t min,
                          size_t max, bool (*is_valid)(struct text), struct text **out, size_t *out_count);
fallible document_get_names(struct arena *arena, const json_t *object, const char *member, size_t min,
                            size_t max, struct text **out, size_t *out_count);

/* The names of an object's members, ascending. Each is NUL-terminated. */
fallible document_member_names(struct arena *arena, const json_t *object, size_t min, size_t max,
                               struct text **out, size_t *out_count);

/* The owner in a dataset's name "owner/name"; empty where the name has another form. */
struct text document_dataset_owner(struct text dataset);
static inline bool document_is_dataset(struct text name)
{
    return document_dataset_owner(name).size > 0;
}

/* Replaces a borrowed text by a copy in the arena with a NUL behind it, for names that messages carry in
 * `where`: they outlive the document. */
fallible document_keep(struct arena *arena, struct text *text);

/* The same failure with `prefix` in front of its `where`, so that a message reads
 * "queries[1].output[0].type". */
struct result document_within(struct arena *arena, struct result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Construction, beside the setters of json.h. A new object begins with its `type`; what `set` and `add` give
 * belongs to its container. */
fallible document_begin(const char *type, json_t **out);
fallible document_set_digest(json_t *object, const char *member, const struct digest *digest);
fallible document_set_key(json_t *object, const char *member, const struct key *key);
fallible document_set_names(json_t *object, const char *member, const struct text names[], size_t count);
fallible document_set_array(json_t *object, const char *member, json_t **out);
fallible document_set_object(json_t *object, const char *member, json_t **out);
fallible document_add_object(json_t *array, json_t **out);
