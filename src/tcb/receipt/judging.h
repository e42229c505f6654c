/* receipt/judging.h: inside of the verifier: one receipt on the bench, and the steps that judge it in order.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/runtime_data.h"
#include "contract/bundle.h"
#include "receipt/receipt.h"
#include "receipt/verify.h"

enum { JUDGING_TOKENS_MAX = CONTRACT_AUTHORITIES_MAX };

struct judging {
    struct arena *arena;
    const struct receipt_trust *trust;
    const struct receipt_verification *how;

    json_t *json;      /* the bundle, owned */
    json_t *statement; /* owned; untrusted until its signature holds */
    struct bytes payload;
    struct bytes signature_der;
    struct text key_id;

    struct bundle documents;
    struct bytes runtime_octets;
    struct runtime_data runtime;
    struct evidence evidence;
    struct evidence_judgement judgement;
    struct receipt_token tokens[JUDGING_TOKENS_MAX];
    json_t *claims[JUDGING_TOKENS_MAX]; /* of the tokens, verified, owned */
    size_t token_count;
    int64_t released; /* the newest `iat` of the tokens */
};

/* verify_tokens.c: every token against contract and trust, one at least per owner of what the query reads,
 * and the time they give; then that they speak of the evidence. */
fallible judging_check_tokens(struct judging *judging);
fallible judging_check_claims(const struct judging *judging);
/* verify_statement.c: the statement against everything it speaks of. */
fallible judging_check_statement(struct judging *judging);
