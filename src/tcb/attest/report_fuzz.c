#include "attest/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report report;
    uint8_t signature[96];
    if (!result_is_ok(report_parse((struct bytes){data, size}, &report))) {
        return 0;
    }
    ASSERT(report.measurement.data + 48 <= data + size && report.signature_s.data + 72 <= data + size);
    if (result_is_ok(report_signature(&report, signature))) {
        ASSERT(signature[0] == report.signature_r.data[47] && signature[95] == report.signature_s.data[0]);
    }
    return 0;
}
