#include "attest/report.h"

static uint32_t u32_at(struct bytes all, size_t offset)
{
    const uint8_t *p = all.data + offset;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t u64_at(struct bytes all, size_t offset)
{
    return u32_at(all, offset) | (uint64_t)u32_at(all, offset + 4) << 32;
}

static bool is_zero(struct bytes all, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++) {
        if (all.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The reserved ranges, which shrink as versions grow: the CPUID octets came with version 3 and the mitigation
 * vectors with version 5. */
static bool reserved_is_zero(struct bytes all, uint32_t version)
{
    return is_zero(all, 0x4C, 0x50) && is_zero(all, version >= 3 ? 0x18B : 0x188, 0x1A0) &&
           is_zero(all, 0x1EB, 0x1EC) && is_zero(all, 0x1EF, 0x1F0) &&
           is_zero(all, version >= 5 ? 0x208 : 0x1F8, REPORT_SIGNED_BYTES);
}

static void read_identity(struct bytes all, struct report *out)
{
    out->version = u32_at(all, 0x000);
    out->guest_svn = u32_at(all, 0x004);
    out->policy = u64_at(all, 0x008);
    out->family_id = bytes_slice(all, 0x010, 16);
    out->image_id = bytes_slice(all, 0x020, 16);
    out->vmpl = u32_at(all, 0x030);
    out->signature_algorithm = u32_at(all, 0x034);
    out->current_tcb = u64_at(all, 0x038);
    out->platform_info = u64_at(all, 0x040);
    out->key_info = u32_at(all, 0x048);
    out->report_data = bytes_slice(all, 0x050, REPORT_DATA_BYTES);
    out->measurement = bytes_slice(all, 0x090, REPORT_MEASUREMENT_BYTES);
    out->host_data = bytes_slice(all, 0x0C0, 32);
    out->id_key_digest = bytes_slice(all, 0x0E0, 48);
    out->author_key_digest = bytes_slice(all, 0x110, 48);
    out->report_id = bytes_slice(all, 0x140, 32);
    out->report_id_migration_agent = bytes_slice(all, 0x160, 32);
}

static void read_platform(struct bytes all, struct report *out)
{
    out->reported_tcb = bytes_slice(all, 0x180, 8);
    out->cpuid_family = all.data[0x188];
    out->cpuid_model = all.data[0x189];
    out->cpuid_stepping = all.data[0x18A];
    out->chip_id = bytes_slice(all, 0x1A0, 64);
    out->committed_tcb = u64_at(all, 0x1E0);
    out->current_build = all.data[0x1E8];
    out->current_minor = all.data[0x1E9];
    out->current_major = all.data[0x1EA];
    out->committed_build = all.data[0x1EC];
    out->committed_minor = all.data[0x1ED];
    out->committed_major = all.data[0x1EE];
    out->launch_tcb = u64_at(all, 0x1F0);
    out->launch_mitigation = u64_at(all, 0x1F8);
    out->current_mitigation = u64_at(all, 0x200);
}

fallible report_parse(struct bytes untrusted_bytes, struct report *out)
{
    REQUIRE(untrusted_bytes.size == REPORT_BYTES, INVALID, "report.size");
    uint32_t version = u32_at(untrusted_bytes, 0);
    REQUIRE(version >= 1 && version <= 5, INVALID, "report.version");
    struct report report = {0};
    report.signed_part = bytes_slice(untrusted_bytes, 0, REPORT_SIGNED_BYTES);
    read_identity(untrusted_bytes, &report);
    read_platform(untrusted_bytes, &report);
    size_t s = REPORT_SIGNED_BYTES + REPORT_SCALAR_BYTES;
    report.signature_r = bytes_slice(untrusted_bytes, REPORT_SIGNED_BYTES, REPORT_SCALAR_BYTES);
    report.signature_s = bytes_slice(untrusted_bytes, s, REPORT_SCALAR_BYTES);
    report.reserved_is_zero = reserved_is_zero(untrusted_bytes, version);
    report.signature_tail_is_zero = is_zero(untrusted_bytes, s + REPORT_SCALAR_BYTES, REPORT_BYTES);
    *out = report;
    return OK;
}

enum { SCALAR_BYTES = 48 };

static fallible scalar_big_endian(struct bytes little_endian, uint8_t out[static SCALAR_BYTES])
{
    REQUIRE(is_zero(little_endian, SCALAR_BYTES, REPORT_SCALAR_BYTES), INVALID, "report.signature.form");
    for (size_t i = 0; i < SCALAR_BYTES; i++) {
        out[i] = little_endian.data[SCALAR_BYTES - 1 - i];
    }
    return OK;
}

fallible report_signature(const struct report *report, uint8_t out[static 96])
{
    uint8_t signature[2 * SCALAR_BYTES];
    TRY(scalar_big_endian(report->signature_r, signature));
    TRY(scalar_big_endian(report->signature_s, signature + SCALAR_BYTES));
    memcpy(out, signature, sizeof signature);
    return OK;
}
