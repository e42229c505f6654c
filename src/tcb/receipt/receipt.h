/* receipt/receipt.h: the receipt a room signs (doc/formats.md §3).
 *
 * An in-toto Statement (v1) about the result document in a DSSE envelope, signed with the receipt key that
 * the hardware evidence vouches for. This part makes it; receipt/verify.h judges it. Pure. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

#define RECEIPT_PAYLOAD_TYPE "application/vnd.in-toto+json"
#define RECEIPT_STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define RECEIPT_PREDICATE_TYPE "urn:truce:receipt:1"
#define RECEIPT_TIME_SOURCE "attestation tokens"

struct receipt_texts {
    const struct text *items;
    size_t count;
};

struct receipt_input {
    struct text dataset;
    uint64_t version;
    struct digest manifest, data, policy;
    struct receipt_texts columns; /* granted */
};

struct receipt_column {
    struct text name, type;
};

struct receipt_grant {
    struct text owner;
    struct digest digest;
};

struct receipt_token {
    struct text party, issuer;
    struct digest token; /* SHA-256 of the compact token */
};

/* Everything that a statement says. Lists are borrowed. */
struct receipt_facts {
    struct digest result; /* SHA-256 of the result document */
    struct digest salt;   /* 32 random octets */
    struct digest contract, run_request, room, runtime_data;
    struct text run; /* 32 hex digits */

    struct text query, querier;
    struct digest query_canonical, query_executed;
    struct receipt_texts recipients;

    const struct receipt_input *inputs;
    size_t input_count;

    struct text mode, vetter, engine;
    struct receipt_texts rules;

    const struct receipt_column *schema;
    size_t schema_count;
    struct text format;
    uint64_t size_class;
    struct receipt_texts encrypted_to;

    const struct receipt_grant *grants;
    size_t grant_count;
    const struct receipt_token *tokens;
    size_t token_count;

    struct text code_type, code_measurement;
    int64_t released; /* unix seconds */
};

/* The statement as JSON (the caller owns it), and the DSSE envelope {"payload","payloadType","signatures":
 * [{"keyid","sig"}]} over its canonical octets: ES256 in DER, standard base64 as DSSE demands; keyid is the
 * RFC 7638 thumbprint. INVALID unless the key is a private P-256 key. */
fallible receipt_statement(const struct receipt_facts *facts, json_t **out);
fallible receipt_sign(struct arena *arena, const json_t *statement, const struct key *receipt_key,
                      json_t **out);

/* The octets that a DSSE signature covers: "DSSEv1" SP size SP type SP size SP payload. */
fallible receipt_dsse_encoding(struct text payload_type, struct bytes payload, struct buffer *out);

/* One attestation token in the bundle. */
struct receipt_bundle_token {
    struct text party, issuer, token;
    const json_t *jwks;
};

/* The members of receipt.json, all borrowed. Documents are JWS objects as the room received them. */
struct receipt_bundle {
    const json_t *receipt; /* DSSE envelope */
    const json_t *contract;
    const json_t *grants; /* arrays of JWS */
    const json_t *manifests;
    const json_t *policies;
    const json_t *run_request;
    struct bytes runtime_data;
    const json_t *evidence;
    const struct receipt_bundle_token *tokens;
    size_t token_count;
};

fallible receipt_bundle_encode(const struct receipt_bundle *bundle, struct buffer *out);
