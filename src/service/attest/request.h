/* attest/request.h: the body of POST /attest/SevSnpVm, as clients of Azure Attestation really write it.
 *
 * Member names are read without regard to case and base64 in either alphabet with or without padding, because
 * real clients differ in both. Everything in it is untrusted. Pure. Any thread. */
#pragma once

#include "attest/evidence.h"

struct attest_request {
    struct evidence evidence;  /* family `sim`: the one that is judged so far */
    struct bytes runtime_data; /* the octets that report data must bind */
    json_t *runtime;           /* parsed where dataType is JSON, owned; else NULL */
    bool has_init_time_data;
    struct bytes init_time_data; /* the octets whose digest host data must be */
    json_t *init_time;
    struct text nonce; /* empty: none */
};

void attest_request_release(struct attest_request *request);
#define scoped_attest_request defer(attest_request_release) struct attest_request

/* INVALID "attest.request.…" with the member in `where`; UNSUPPORTED "attest.request.draft_policy" and
 * "attest.request.data_type". Texts live in the arena. */
fallible attest_request_parse(struct arena *arena, const json_t *untrusted_body, struct attest_request *out);
