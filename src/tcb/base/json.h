/* base/json.h: JSON for documents that are signed, hashed or come from strangers.
 *
 * A thin strict layer over jansson. Decoding takes the whole input, refuses duplicate names, NUL,
 * invalid UTF-8, trailing bytes and anything over `JSON_SIZE_MAX`. The getters name the member that is
 * wrong in `where`. Texts they give are borrowed from the tree: they live as long as it does.
 *
 * Encoding is canonical: members sorted by octets, no white space, integers only (no reals), so one
 * value has one text and one digest. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

#include <jansson.h>

enum { JSON_SIZE_MAX = 64 * 1024 * 1024 };

static inline void json_release(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}
#define scoped_json defer(json_release) json_t

/* The caller owns `*out` (json_decref, or declare it `scoped_json`). INVALID "json.syntax" and friends. */
fallible json_decode(struct bytes untrusted_bytes, json_t **out);

/* Canonical text, appended to `out`. UNSUPPORTED where the value holds a real number. */
fallible json_encode(const json_t *value, struct buffer *out);
/* The same, as text in the arena. */
fallible json_encode_text(struct arena *arena, const json_t *value, struct text *out);

/* Getters of object members. INVALID with `where` = the member's name when it is missing or of another
 * type. `object` may be any JSON value; a value that is not an object is INVALID too. */
fallible json_get(const json_t *object, const char *name, json_t **out);
fallible json_get_text(const json_t *object, const char *name, struct text *out);
fallible json_get_i64(const json_t *object, const char *name, int64_t *out);
fallible json_get_u64(const json_t *object, const char *name, uint64_t max, uint64_t *out);
fallible json_get_bool(const json_t *object, const char *name, bool *out);
fallible json_get_object(const json_t *object, const char *name, json_t **out);
fallible json_get_array(const json_t *object, const char *name, json_t **out);
fallible json_get_base64url(struct arena *arena, const json_t *object, const char *name, struct bytes *out);
/* RFC 3339 text as unix seconds. */
fallible json_get_time(const json_t *object, const char *name, int64_t *out);

/* The text of a JSON string value. */
fallible json_text(const json_t *value, struct text *out);

static inline bool json_has(const json_t *object, const char *name)
{
    return json_is_object(object) && json_object_get(object, name) != NULL;
}

/* Refuses a member that is not in `names` (NULL-terminated), naming it (copied to the arena):
 * "json.member.unknown". Every document of ours has fixed members. */
fallible json_only(struct arena *arena, const json_t *object, const char *const names[]);

/* For `s%` in jansson's json_pack: json_pack("{s:s%}", "name", TEXT_SIZED(name)) */
#define TEXT_SIZED(text_) ((text_).data ? (text_).data : ""), ((text_).size)

/* Construction that does not hide a failed allocation: jansson reports it as NULL. NO_MEMORY. The value
 * is taken over, also on failure. */
fallible json_set(json_t *object, const char *name, json_t *value);
fallible json_set_text(json_t *object, const char *name, struct text text);
fallible json_set_i64(json_t *object, const char *name, int64_t value);
fallible json_set_base64url(json_t *object, const char *name, struct bytes bytes);
fallible json_set_time(json_t *object, const char *name, int64_t unix_seconds);
fallible json_add(json_t *array, json_t *value);
fallible json_add_text(json_t *array, struct text text);
