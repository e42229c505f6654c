/* attest/runtime_data.h: what a room binds into its evidence (doc/formats.md §2).
 *
 * Runtime data is canonical JSON made by the room: the purpose, a nonce and the public halves of keys that
 * live in the room only. Its SHA-256 is the first half of the report data and the rest is zero, as Azure
 * Attestation defines it, so whoever trusts the evidence trusts these octets. Exactly one key has `use:enc`;
 * a vault wraps to that one and to nothing else. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

enum { RUNTIME_NONCE_BYTES = 32, RUNTIME_DATA_SIZE_MAX = 16 * 1024, RUNTIME_REPORT_DATA_BYTES = 64 };

enum runtime_purpose {
    RUNTIME_NONE = 0,
    RUNTIME_RUN,      /* RSA wrapping key and EC receipt key, for one run of one contract */
    RUNTIME_INSTANCE, /* EC P-256 key of the room, for sealed parameters */
};

struct runtime_data {
    enum runtime_purpose purpose;
    struct digest contract;    /* run */
    struct digest run_request; /* run */
    uint8_t nonce[RUNTIME_NONCE_BYTES];
    struct key encryption_key; /* "truce-wrap" (RSA) or "truce-instance" (EC P-256) */
    struct key receipt_key;    /* run: "truce-receipt" (EC P-256) */
};

void runtime_data_release(struct runtime_data *runtime_data); /* releases the keys */
#define scoped_runtime_data defer(runtime_data_release) struct runtime_data

/* The octets of `from`, whose keys may be private: only public halves are written. INVALID
 * "runtime.key.kind" for keys that do not fit the purpose. */
fallible runtime_data_build(struct arena *arena, const struct runtime_data *from, struct bytes *out);

/* Reads what `runtime_data_build` makes and nothing else: fixed members, canonical octets, keys in order with
 * their kid and use, RSA of 2048 bits or more. INVALID "runtime.…". */
fallible runtime_data_parse(struct arena *arena, struct bytes untrusted_bytes, struct runtime_data *out);

/* Report data: SHA-256 of the octets, then 32 zeros. */
void runtime_data_bind(struct bytes runtime_data, uint8_t out[static RUNTIME_REPORT_DATA_BYTES]);

/* The one RSA key with `use:enc` (or `key_ops` with "encrypt") of an `x-ms-runtime` object, whoever made it:
 * what a release is wrapped to. INVALID "runtime.key.none", "runtime.key.several", "runtime.key.kind" (not
 * RSA of 2048 to 4096 bits). `out_kid` is borrowed from the object, empty if it has none. */
fallible runtime_wrapping_key(const json_t *untrusted_runtime, struct key *out, struct text *out_kid);
