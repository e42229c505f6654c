/* jose/compact.h: what the files of this module share. Nobody else includes it. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

/* A base64url text that holds a JSON object. INVALID with `name` as `where`. */
fallible jose_object(struct arena *arena, struct text untrusted_text, const char *name, json_t **out);

/* base64url of the canonical text of `value`. */
fallible jose_encode(struct arena *arena, const json_t *value, struct text *out);

/* The SHA-256 of `left` "." `right`, the signing input of RFC 7515 §5.1 without building it. */
fallible jose_signing_digest(struct text left, struct text right, struct digest *out);
