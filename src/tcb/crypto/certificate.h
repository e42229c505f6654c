/* crypto/certificate.h: X.509 certificates, for the verifiers and the services. Not linked into the room.
 *
 * Chains are judged against explicit anchors and an explicit time; there is no system store here, no
 * network and no clock. Any thread; a certificate is not changed after it is made. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "crypto/key.h"

struct certificate {
    void *x509;
};

void certificate_release(struct certificate *certificate);
#define scoped_certificate defer(certificate_release) struct certificate

/* INVALID "certificate.form" also for trailing octets and an encoding that is not DER. */
fallible certificate_from_der(struct bytes untrusted_der, struct certificate *out);
fallible certificate_to_der(const struct certificate *certificate, struct buffer *out);
fallible certificate_to_pem(const struct certificate *certificate, struct buffer *out);

/* All certificates of a PEM text in order; at least one, at most `max`. The caller releases each. INVALID
 * for anything else between them than empty lines and lines that start with '#'. On failure `out` holds
 * nothing to release. */
fallible certificates_from_pem(struct bytes untrusted_pem, size_t max, struct certificate out[],
                               size_t *out_count);

/* UNSUPPORTED for a key of a kind that key.h does not know. */
fallible certificate_key(const struct certificate *certificate, struct key *out);
fallible certificate_digest(const struct certificate *certificate, struct digest *out); /* SHA-256 of DER */
fallible certificate_common_name(const struct certificate *certificate, struct arena *arena,
                                 struct text *out);
/* The OCTET STRING content of an extension by dotted OID: NOT_FOUND if absent. */
fallible certificate_extension(const struct certificate *certificate, const char *oid, struct arena *arena,
                               struct bytes *out);

/* chain[0] is the leaf, each next the issuer of the one before; the last must be signed by, or be, a
 * certificate of `anchors`. Issuers need CA:TRUE and keyCertSign; the validity
 * of each, the anchor's too, is judged at `unix_seconds`; RSA keys under 2048 bits, SHA-1 and unknown
 * critical extensions are refused. At most 10. UNTRUSTED "certificate.chain", EXPIRED
 * "certificate.validity". */
fallible certificate_verify_chain(const struct certificate chain[], size_t count,
                                  const struct certificate anchors[], size_t anchor_count,
                                  int64_t unix_seconds);

/* Issues a certificate, signed with SHA-256 (P-384: SHA-384). `issuer` NULL makes it self-signed: then
 * `issuer_key` is the subject's. INVALID "certificate.issuer_key" when the key is not the issuer's. One
 * with DNS or IP names is for TLS servers (extended key usage serverAuth). */
struct certificate_request {
    const struct key *subject_key;
    struct text common_name;
    struct text dns_names[8]; /* subjectAltName DNS entries, up to the first empty one */
    struct text ip_names[4];  /* subjectAltName IP entries */
    int64_t not_before;
    int64_t not_after;
    bool is_authority;         /* CA:TRUE, keyCertSign */
    const char *extension_oid; /* one extra extension, or NULL */
    struct bytes extension_value;
};
fallible certificate_issue(const struct world *world, const struct certificate_request *request,
                           const struct certificate *issuer, const struct key *issuer_key,
                           struct certificate *out);
