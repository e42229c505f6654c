/* receipt/receipt.h: the receipt a room signs (doc/formats.md §3).
 *
 * An in-toto Statement (v1) about the result document in a DSSE envelope, signed with the receipt key that
 * the hardware evidence vouches for. This part makes it; receipt/verify.h judges it. Pure. Any thread. */
#pragma once

#include "contract/bundle.h"

#define RECEIPT_PAYLOAD_TYPE "application/vnd.in-toto+json"
#define RECEIPT_STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define RECEIPT_PREDICATE_TYPE "urn:truce:receipt:1"
#define RECEIPT_TIME_SOURCE "attestation tokens"

/* One attestation token and the keys that verify it. */
struct receipt_token {
    struct text party, issuer, token;
    json_t *jwks;
};

/* What a statement says beyond what the documents determine. All borrowed. */
struct receipt_facts {
    const struct bundle *documents; /* with a run request, as `bundle_verify` has accepted them */
    struct digest result;           /* SHA-256 of the result document */
    struct digest salt;             /* 32 random octets */
    struct digest room, runtime_data;
    struct digest
        query_executed; /* not shown where a parameter is sealed: then the canonical text's stands there */
    struct text vetter, engine;
    uint64_t size_class;
    const struct receipt_token *tokens;
    size_t token_count;
    struct text code_type, code_measurement;
    int64_t released; /* unix seconds */
};

/* The statement as JSON (the caller owns it). The room makes it with this and the verifier makes it again
 * with this, so a statement that says something else than its documents cannot pass. Inputs are the datasets
 * that the query reads, in the order of its `reads`; for each there is one rule,
 * "DATASET:/output/min_entities=N" or "DATASET:/entity=none"; `encrypted_to` are the kids of the recipients'
 * result keys in the order of the run request. Then the DSSE envelope {"payload","payloadType","signatures":
 * [{"keyid","sig"}]} over its canonical octets: ES256 in DER, standard base64 as DSSE demands; keyid is the
 * RFC 7638 thumbprint. INVALID unless the key is a private P-256 key. */
fallible receipt_statement(struct arena *arena, const struct receipt_facts *facts, json_t **out);
fallible receipt_sign(struct arena *arena, const json_t *statement, const struct key *receipt_key,
                      json_t **out);

/* The octets that a DSSE signature covers: "DSSEv1" SP size SP type SP size SP payload. */
fallible receipt_dsse_encoding(struct text payload_type, struct bytes payload, struct buffer *out);

/* What receipt.json is made of, all borrowed. */
struct receipt_bundle {
    const json_t *receipt; /* DSSE envelope */
    const json_t
        *documents; /* members contract, grants, manifests, policies, run_request as the room received them */
    struct bytes runtime_data;
    const json_t *evidence;
    const struct receipt_token *tokens;
    size_t token_count;
};

fallible receipt_bundle_encode(const struct receipt_bundle *bundle, struct buffer *out);
