/* attest/evidence.h: hardware evidence as it travels (doc/formats.md §2).
 *
 * {"family":"sim","report":b64u,"certificates":[b64u DER, leaf first]}. This is the form only: attest/judge.h
 * judges it. The certificates go up to and include the root, which is recognised by the pin of its key, so a
 * verifier needs pins and no files. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"

enum { EVIDENCE_CERTIFICATES_MAX = 8, EVIDENCE_SIZE_MAX = 256 * 1024 };

struct evidence {
    struct text family;
    struct bytes report;
    struct bytes certificates[EVIDENCE_CERTIFICATES_MAX]; /* DER, leaf first, root last */
    size_t certificate_count;
};

/* Reads the form; all in it is untrusted. Octets are copied to the arena. INVALID "evidence.…". */
fallible evidence_from_json(struct arena *arena, const json_t *untrusted_json, struct evidence *out);
fallible evidence_to_json(const struct evidence *evidence, json_t **out);
