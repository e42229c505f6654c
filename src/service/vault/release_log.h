/* vault/release_log.h: the owner's record of releases: who had which key released, for which contract and
 * run, when. Kept in the store, written in the transaction that reads the key, before the answer leaves;
 * private to this module. */
#pragma once

#include "service/vault/record.h"

/* `verified_claims` are the attestation token's. What it says of contract and run request is noted where it
 * has the form of a digest. */
fallible release_log_add(struct state_transaction *transaction, struct arena *arena,
                         const struct vault *vault, const struct http_request *request,
                         const struct key_record *record, struct text issuer, const json_t *verified_claims);
