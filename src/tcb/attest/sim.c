/* Family `sim`: the layout of an SEV-SNP report of version 2, signed by a chip key under a root that
 * `truce-room-sim init` made at random. What AMD's chain demands beyond that (TCB extensions, chip id,
 * revocation) has no meaning here: the claims say `sim` and name the root. */
#include "attest/families.h"

#include "attest/report.h"
#include "attest/runtime_data.h"
#include "base/encode.h"
#include "crypto/certificate.h"

static bool root_is_trusted(const struct evidence_trust *trust, const struct digest *pin)
{
    for (size_t i = 0; i < trust->root_count; i++) {
        if (text_is(trust->roots[i].family, "sim") && digest_equal(&trust->roots[i].pin, pin)) {
            return true;
        }
    }
    return false;
}

struct chain {
    struct certificate certificates[EVIDENCE_CERTIFICATES_MAX];
    size_t count;
};

static void chain_release(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        certificate_release(&chain->certificates[i]);
    }
    chain->count = 0;
}

static fallible read_chain(const struct evidence *evidence, struct chain *out)
{
    for (size_t i = 0; i < evidence->certificate_count; i++) {
        TRY(certificate_from_der(evidence->certificates[i], &out->certificates[i]));
        out->count = i + 1;
    }
    return OK;
}

static const char *chain_reason(struct result result)
{
    return result.code == RESULT_EXPIRED ? "sim.chain.validity" : "sim.chain";
}

/* The chain must end in a certificate whose key is pinned; then that certificate is the anchor. */
static fallible check_chain(const struct family_case *question, struct evidence_judgement *judgement,
                            struct key *out_chip_key)
{
    defer(chain_release) struct chain chain = {0};
    struct result read = read_chain(question->evidence, &chain);
    TRY(judgement_absorb(judgement, read, "sim.chain.form"));
    if (!result_is_ok(read)) {
        return OK;
    }
    const struct certificate *root = &chain.certificates[chain.count - 1];
    scoped_key root_key = {0};
    struct result keyed = certificate_key(root, &root_key);
    if (result_is_ok(keyed)) {
        TRY(key_pin(&root_key, &judgement->root));
    }
    judgement_require(judgement, result_is_ok(keyed) && root_is_trusted(question->trust, &judgement->root),
                      "sim.root.untrusted");
    struct result verified =
        certificate_verify_chain(chain.certificates, chain.count, root, 1, question->unix_seconds);
    TRY(judgement_absorb(judgement, verified, chain_reason(verified)));
    struct result leaf = certificate_key(&chain.certificates[0], out_chip_key);
    judgement_require(judgement, result_is_ok(leaf) && out_chip_key->kind == KEY_EC_P384, "sim.chip_key");
    return OK;
}

static void check_fields(const struct report *report, const struct evidence_trust *trust,
                         struct evidence_judgement *judgement)
{
    judgement_require(judgement, report->version == 2, "sim.version");
    judgement_require(judgement, report->signature_algorithm == REPORT_SIGNATURE_ECDSA_P384,
                      "sim.signature_algorithm");
    judgement_require(judgement, report->reserved_is_zero && report->signature_tail_is_zero, "sim.reserved");
    judgement_require(judgement,
                      (report->policy & REPORT_POLICY_MUST_BE_ONE) != 0 &&
                          (report->policy & ~REPORT_POLICY_DEFINED) == 0,
                      "sim.policy.form");
    judgement_require(judgement, (report->policy & REPORT_POLICY_DEBUG) == 0 || trust->insecure_allow_debug,
                      "sim.debug");
    judgement_require(judgement, (report->policy & REPORT_POLICY_MIGRATION_AGENT) == 0,
                      "sim.migration_agent");
    judgement_require(judgement, report->vmpl == 0, "sim.vmpl");
    judgement_require(judgement, report->key_info == 0, "sim.key_info");
}

static void check_binding(const struct report *report, struct bytes runtime_data,
                          struct evidence_judgement *judgement)
{
    uint8_t want[RUNTIME_REPORT_DATA_BYTES];
    runtime_data_bind(runtime_data, want);
    judgement_require(judgement, bytes_equal(report->report_data, BYTES_OF(want)), "sim.report_data");
}

static fallible check_signature(const struct report *report, const struct key *chip_key,
                                struct evidence_judgement *judgement)
{
    uint8_t signature[96];
    struct result result = report_signature(report, signature);
    if (result_is_ok(result) && chip_key->kind == KEY_EC_P384) {
        result = key_verify(chip_key, KEY_ES384, report->signed_part, BYTES_OF(signature));
    } else {
        result = FAIL(UNTRUSTED, "sim.signature");
    }
    return judgement_absorb(judgement, result, "sim.signature");
}

static fallible set_hex(struct arena *arena, json_t *claims, const char *name, struct bytes octets)
{
    struct text text;
    TRY(encode_hex(arena, octets, &text));
    return json_set_text(claims, name, text);
}

static fallible set_measurements(struct arena *arena, json_t *claims, const struct report *report)
{
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-authorkeydigest", report->author_key_digest));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-familyId", report->family_id));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-hostdata", report->host_data));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-idkeydigest", report->id_key_digest));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-imageId", report->image_id));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-launchmeasurement", report->measurement));
    TRY(set_hex(arena, claims, "x-ms-sevsnpvm-reportdata", report->report_data));
    return set_hex(arena, claims, "x-ms-sevsnpvm-reportid", report->report_id);
}

static fallible set_flag(json_t *claims, const char *name, uint64_t policy, uint64_t bit)
{
    return json_set(claims, name, json_boolean((policy & bit) != 0));
}

static fallible make_claims(struct arena *arena, const struct report *report, const struct digest *root,
                            json_t **out)
{
    scoped_json *claims = json_object();
    struct text pin;
    TRY(digest_to_text(arena, root, &pin));
    TRY(json_set_text(claims, "x-ms-attestation-type", TEXT("sim")));
    TRY(json_set_text(claims, "x-truce-simulation-root", pin));
    TRY(set_measurements(arena, claims, report));
    /* Reported TCB as on Milan and Genoa. */
    const uint8_t *tcb = report->reported_tcb.data;
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-bootloader-svn", tcb[0]));
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-tee-svn", tcb[1]));
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-snpfw-svn", tcb[6]));
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-microcode-svn", tcb[7]));
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-guestsvn", report->guest_svn));
    TRY(json_set_i64(claims, "x-ms-sevsnpvm-vmpl", report->vmpl));
    TRY(set_flag(claims, "x-ms-sevsnpvm-is-debuggable", report->policy, REPORT_POLICY_DEBUG));
    TRY(set_flag(claims, "x-ms-sevsnpvm-migration-allowed", report->policy, REPORT_POLICY_MIGRATION_AGENT));
    TRY(set_flag(claims, "x-ms-sevsnpvm-smt-allowed", report->policy, REPORT_POLICY_SMT));
    *out = json_incref(claims);
    return OK;
}

fallible family_judge_sim(struct arena *arena, const struct family_case *question,
                          struct evidence_judgement *judgement)
{
    scoped_key chip_key = {0};
    TRY(check_chain(question, judgement, &chip_key));
    struct report report;
    struct result parsed = report_parse(question->evidence->report, &report);
    if (!result_is_ok(parsed)) {
        judgement_fail(judgement, parsed.why);
        return OK;
    }
    check_fields(&report, question->trust, judgement);
    check_binding(&report, question->runtime_data, judgement);
    TRY(check_signature(&report, &chip_key, judgement));
    if (judgement->failure_count != 0) {
        return OK;
    }
    TRY(make_claims(arena, &report, &judgement->root, &judgement->claims));
    TRY(arena_copy(arena, report.measurement, &judgement->measurement));
    judgement->verdict = VERDICT_ALLOW;
    return OK;
}
