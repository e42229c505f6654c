/* attest/report.h: the AMD SEV-SNP attestation report (ABI specification, table "ATTESTATION_REPORT").
 *
 * Reads the 1184 octets of versions 1 to 5 into a struct with every field by its name. Reading is not
 * judging: a report that parses may come from anywhere. Family `sim` has the same layout (version 2). The
 * layout of the TCB word and what the fields must be are the business of the family's judge. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "crypto/digest.h"

enum {
    REPORT_BYTES = 1184,
    REPORT_SIGNED_BYTES = 0x2A0,
    REPORT_DATA_BYTES = 64,
    REPORT_MEASUREMENT_BYTES = 48,
    REPORT_SCALAR_BYTES = 72, /* R and S, little-endian */
    REPORT_SIGNATURE_ECDSA_P384 = 1,
};

/* Bits of `policy`. */
#define REPORT_POLICY_SMT (UINT64_C(1) << 16)
#define REPORT_POLICY_MUST_BE_ONE (UINT64_C(1) << 17)
#define REPORT_POLICY_MIGRATION_AGENT (UINT64_C(1) << 18)
#define REPORT_POLICY_DEBUG (UINT64_C(1) << 19)
#define REPORT_POLICY_DEFINED ((UINT64_C(1) << 26) - 1)

struct report {
    struct bytes signed_part; /* octets 0 to 0x29F: what the chip signs */
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    struct bytes family_id; /* 16 */
    struct bytes image_id;  /* 16 */
    uint32_t vmpl;
    uint32_t signature_algorithm;
    uint64_t current_tcb;
    uint64_t platform_info;
    uint32_t key_info;                      /* bit 0 author key, 1 masked chip key, 2 to 4 signing key */
    struct bytes report_data;               /* 64 */
    struct bytes measurement;               /* 48 */
    struct bytes host_data;                 /* 32 */
    struct bytes id_key_digest;             /* 48 */
    struct bytes author_key_digest;         /* 48 */
    struct bytes report_id;                 /* 32 */
    struct bytes report_id_migration_agent; /* 32 */
    struct bytes reported_tcb;              /* 8: its layout depends on the product */
    uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* version 3 and later, else zero */
    struct bytes chip_id;                              /* 64 */
    uint64_t committed_tcb;
    uint8_t current_build, current_minor, current_major;
    uint8_t committed_build, committed_minor, committed_major;
    uint64_t launch_tcb;
    uint64_t launch_mitigation, current_mitigation; /* version 5 */
    struct bytes signature_r, signature_s;          /* 72 each, little-endian */
    bool reserved_is_zero;       /* every reserved octet of the signed part, as the version defines them */
    bool signature_tail_is_zero; /* the octets after S, which no signature covers */
};

/* Views into `untrusted_bytes`. INVALID "report.size" or "report.version". */
fallible report_parse(struct bytes untrusted_bytes, struct report *out);

/* R and S as the 96 octets r ‖ s, big-endian, that crypto/key.h takes. INVALID "report.signature.form" where
 * a scalar is longer than 48 octets. */
fallible report_signature(const struct report *report, uint8_t out[static 96]);
