/* crypto/signature_der.h: ECDSA P-256 signatures as DER (RFC 3279 §2.2.3), for formats that are not JOSE.
 *
 * Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }. Reading takes the one DER form of a pair and nothing
 * else: shortest lengths, shortest positive integers, no trailing octets. Any thread. */
#pragma once

#include "base/buffer.h"

enum { SIGNATURE_RAW_BYTES = 64, SIGNATURE_DER_BYTES_MAX = 72 };

fallible signature_to_der(const uint8_t raw[static SIGNATURE_RAW_BYTES], struct buffer *out);
/* INVALID "signature.der". */
fallible signature_from_der(struct bytes untrusted_der, uint8_t out[static SIGNATURE_RAW_BYTES]);
