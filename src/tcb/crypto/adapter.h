/* crypto/adapter.h: what the files of this module share. Nobody else includes it. */
#pragma once

#include "crypto/key.h"

/* Takes over an OpenSSL key (also on failure) after checking that it is one that we use: P-256 or P-384 as
 * a named curve with a valid point, or RSA in our range with a sane exponent. UNSUPPORTED or INVALID. */
struct evp_pkey_st;
fallible key_adopt(struct evp_pkey_st *pkey, bool is_private, struct key *out);

/* OpenSSL leaves a queue of errors per thread, which its TLS code would later take for its own. A function
 * that starts with this line leaves the queue empty. */
void error_queue_clear(const int *unused);
#define LEAVE_NO_ERROR_QUEUE defer(error_queue_clear) __attribute__((unused)) const int error_queue_guard_ = 0
