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

/* A document's form is a table: its members, each with the place in the record where its value goes. Nothing
 * else may be there ("json.member.unknown"), and nothing may be missing that is not optional. */
enum document_form {
    DOCUMENT_OTHER = 0, /* known, and read by whoever reads the record */
    DOCUMENT_TEXT,      /* struct text, borrowed from the document */
    DOCUMENT_NAME,      /* struct text, these three in the arena with a NUL behind, for `where` */
    DOCUMENT_DATASET,   /* owner/name */
    DOCUMENT_URL,       /* https, ASCII */
    DOCUMENT_TIME,      /* int64_t */
    DOCUMENT_COUNT,     /* uint64_t from min to max */
    DOCUMENT_BOOL,
    DOCUMENT_DIGEST, /* struct digest, as "sha256:…" */
    DOCUMENT_HASH,   /* struct digest, as base64url */
    DOCUMENT_OCTETS, /* struct bytes, base64url of min to max octets */
    DOCUMENT_KEY,    /* struct key, P-256 */
    DOCUMENT_ROWS,   /* an array of min to max rows, its count beside it, each row read by `read` */
};
enum { MEMBER_OTHERS_MAX = 12 };
typedef struct result document_read_row(struct arena *arena, const json_t *value, void *self, size_t index);
struct document_member {
    const char *name;
    enum document_form form;
    size_t at;
    uint64_t min, max;
    bool optional; /* a value that is absent stays zero */
    size_t count_at, row_bytes;
    document_read_row *read;
    const char *others[MEMBER_OTHERS_MAX + 1]; /* further names of DOCUMENT_OTHER */
};
#define MEMBER_OTHERS(first, ...)                                                                            \
    {                                                                                                        \
        .name = (first), .others = { __VA_ARGS__ }                                                           \
    }
#define MEMBER(record, form_, field) MEMBER_WITHIN(record, form_, field, 0, 0)
#define MEMBER_WITHIN(record, form_, field, min_, max_)                                                      \
    {                                                                                                        \
        .name = #field, .form = DOCUMENT_##form_, .at = offsetof(struct record, field), .min = (min_),       \
        .max = (max_)                                                                                        \
    }
#define MEMBER_ROWS(record, name_, field, count, min_, max_, read_)                                          \
    {                                                                                                        \
        .name = (name_), .form = DOCUMENT_ROWS, .at = offsetof(struct record, field), .min = (min_),         \
        .max = (max_), .count_at = offsetof(struct record, count),                                           \
        .row_bytes = sizeof *((struct record *)0)->field, .read = (read_)                                    \
    }

/* Reads an object into a zeroed record by its table, which ends with a row of zeros. */
fallible document_read(struct arena *arena, const json_t *object, const struct document_member members[],
                       void *record);

/* A kind of document. Its record begins with a `struct jws`; `complete` judges what the table has read, and
 * `release`, where it is not NULL, releases a record that holds more than its document. */
struct document_kind {
    const char *typ, *type;
    const char *const *header_members;
    const struct document_member *members;
    size_t record_bytes;
    fallible (*complete)(struct arena *arena, void *record);
    void (*release)(void *record);
};

/* Parses the envelope and the payload, which must be canonical ("document.not_canonical") and of the kind's
 * `type` ("document.type"). */
fallible document_parse(struct arena *arena, struct bytes untrusted_bytes, const struct document_kind *kind,
                        void *out);
/* The same checks of a payload that nobody has signed yet: a document without signatures, whose `payload` is
 * the caller's view. */
fallible document_parse_payload(struct arena *arena, struct bytes untrusted_payload,
                                const struct document_kind *kind, void *out);

/* The release function of a record that holds nothing but its document. */
#define DOCUMENT_RECORD(name)                                                                                \
    static inline void name##_release(struct name *record)                                                   \
    {                                                                                                        \
        jws_release(&record->document);                                                                      \
        *record = (struct name){0};                                                                          \
    }

/* That the document has exactly one signature and that it is by `key`: UNTRUSTED "document.signatures" or
 * the reason of `jws_verify`. */
fallible document_verify_only(const struct jws *document, const struct key *key);

/* Getters in the manner of json.h. */
fallible document_get_digest(const json_t *object, const char *member, struct digest *out);
fallible document_get_count(const json_t *object, const char *member, uint64_t min, uint64_t max,
                            uint64_t *out);
/* An array of `min` to `max` items. */
fallible document_get_array(const json_t *object, const char *member, size_t min, size_t max, json_t **out,
                            size_t *out_count);
/* An array of `min` to `max` rows: takes zeroed memory for them, sets `rows` and `count`, and calls `read`
 * for each with `self`, which holds the rows, and the row's index. A failure's `where` begins with
 * "member[index]". */
fallible document_get_rows(struct arena *arena, const json_t *object, const char *member, size_t min,
                           size_t max, size_t row_bytes, document_read_row *read, void *self, void **out_rows,
                           size_t *out_count);
/* That a dataset "owner/name" is its owner's: INVALID "document.dataset_owner". */
fallible document_check_owner(struct text dataset, struct text owner);
/* Texts that are each `is_valid`, in strictly ascending order of octets, so that a set has one form; and the
 * same of names. All are in the arena with a NUL behind. */
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
