/* attest/judge.h: judging hardware evidence: bytes, trust and time in, verdict and claims out.
 *
 * Pure: no clock, no network, no files, no globals. One table (judge.c) has a row per family; a family is one
 * file with one function. The same code runs in truce-attest, in truce-vault and in `truce`. It reads X.509
 * and is therefore a library of its own (attest_judge) that the room never links.
 *
 * Who the code is, is not judged here: the claims name the measurement, and release policies and trust files
 * decide about it. */
#pragma once

#include "attest/evidence.h"
#include "base/arena.h"
#include "base/json.h"
#include "crypto/digest.h"

enum { EVIDENCE_FAILURES_MAX = 16, EVIDENCE_ROOTS_MAX = 16 };

struct evidence_root {
    struct text family;
    struct digest pin; /* SHA-256 of the root's SubjectPublicKeyInfo */
};

struct evidence_trust {
    struct evidence_root roots[EVIDENCE_ROOTS_MAX];
    size_t root_count;
    bool insecure_allow_debug;
};

struct evidence_judgement {
    enum verdict verdict;
    /* Stable reasons of all checks that failed ("sim.signature"), static; empty when allowed. */
    const char *failures[EVIDENCE_FAILURES_MAX];
    size_t failure_count;
    json_t *claims;           /* the family's claims as Azure Attestation names them; NULL when denied */
    struct digest root;       /* the pin that the chain ended in; zero when denied */
    struct bytes measurement; /* in the arena; empty when denied */
};

void evidence_judgement_release(struct evidence_judgement *judgement);
#define scoped_evidence_judgement defer(evidence_judgement_release) struct evidence_judgement

/* Judges `evidence` and that its report data binds `runtime_data`. A refusal is a verdict and not an error:
 * errors are NO_MEMORY and LIMIT. `unix_seconds` is the time at which certificates must be valid. */
fallible evidence_judge(struct arena *arena, const struct evidence *untrusted_evidence,
                        struct bytes runtime_data, const struct evidence_trust *trust, int64_t unix_seconds,
                        struct evidence_judgement *out);
