#include "attest/report.h"

#include "crypto/test_support.h"

static void real_reports_parse(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t version;
    } rows[] = {
        {"genoa-v3-tsm", 3},           {"genoa-v5", 5},      {"milan-v2-azure", 2},
        {"milan-v2-debugpolicy", 2},   {"milan-v3-caci", 3}, {"milan-v3-caci-cleanroom-enc", 3},
        {"milan-v3-vlek-aws-use2", 3}, {"turin-v5-caci", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_buffer file;
        buffer_init(&file, 65536);
        char name[256];
        snprintf(name, sizeof name, "evidence/snp/reports/%s.bin", rows[i].name);
        read_shared(name, &file);
        assert_true(file.size > 0);
        struct report report;
        uint8_t signature[96];
        assert_ok(report_parse(buffer_view(&file), &report));
        assert_int_equal(report.version, rows[i].version);
        assert_int_equal(report.signature_algorithm, REPORT_SIGNATURE_ECDSA_P384);
        assert_true(report.reserved_is_zero);
        assert_true(report.signature_tail_is_zero);
        assert_true((report.policy & REPORT_POLICY_MUST_BE_ONE) != 0);
        assert_int_equal(report.cpuid_family != 0, rows[i].version >= 3);
        assert_int_equal((report.policy & REPORT_POLICY_DEBUG) != 0, strstr(rows[i].name, "debug") != NULL);
        assert_ok(report_signature(&report, signature));
    }
}

int main(void)
{
    scoped_buffer file;
    buffer_init(&file, 65536);
    read_shared("evidence/snp/reports/genoa-v5.bin", &file);
    if (file.size == 0) {
        printf("1..0 # SKIP no ../shared/evidence beside the checkout\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_reports_parse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
