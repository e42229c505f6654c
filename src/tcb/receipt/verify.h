/* receipt/verify.h: judging a receipt again, offline, by nothing but its bundle and the verifier's own trust.
 *
 * Pure: no clock, no network, no files. The time of judgement is the time of release that the statement
 * names, which the attestation tokens bear out. What the bundle says about itself is never trusted: party
 * keys, authorities, measurements and roots come from the trust file. It reads X.509, so the room does not
 * link it. Any thread. */
#pragma once

#include "attest/judge.h"
#include "attest/token.h"
#include "base/arena.h"
#include "base/json.h"

enum {
    RECEIPT_BUNDLE_SIZE_MAX = 32 * 1024 * 1024,
    RECEIPT_TRUST_PARTIES_MAX = 64,
    RECEIPT_TRUST_AUTHORITIES_MAX = 32,
    RECEIPT_TRUST_MEASUREMENTS_MAX = 64,
};

/* The verifier's trust file (doc/formats.md §3). */
struct receipt_trust {
    struct {
        struct text name;
        struct digest fingerprint;
    } parties[RECEIPT_TRUST_PARTIES_MAX];
    size_t party_count;
    struct token_authority authorities[RECEIPT_TRUST_AUTHORITIES_MAX];
    size_t authority_count;
    struct {
        struct text type;
        struct text measurement; /* hex */
    } measurements[RECEIPT_TRUST_MEASUREMENTS_MAX];
    size_t measurement_count;
    struct evidence_trust evidence;
};

/* Reads {"type":"trust/1",…}, which is the verifier's own file. INVALID "trust.…". */
fallible receipt_trust_parse(struct arena *arena, struct bytes bytes, struct receipt_trust *out);

struct receipt_verification {
    bool accept_simulated;       /* `sim` is refused without it: "receipt.simulated" */
    const struct digest *result; /* the result document's digest, or NULL where only the receipt is at hand */
    const struct digest *run_request; /* the reader's own run request, or NULL */
};

/* Refuses with the code, reason and place of the first thing that fails: "receipt.…" or what the part that
 * failed says ("token.issuer", `where` = the party). On success `out_report` (the caller owns it) is
 * {"statement":…, "relied_on":[text,…]}: the statement, and every piece of trust that the verdict rests on,
 * in words. */
fallible receipt_verify(struct arena *arena, struct bytes untrusted_bundle, const struct receipt_trust *trust,
                        const struct receipt_verification *how, json_t **out_report);
