#include "crypto/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT_MAX = 4 };

static void look_at(const struct certificate *certificate)
{
    scoped_arena arena;
    arena_init(&arena, 256 * 1024);
    scoped_buffer pem;
    buffer_init(&pem, 256 * 1024);
    ASSERT(result_is_ok(certificate_to_pem(certificate, &pem)));
    struct certificate again[1] = {0};
    size_t count = 0;
    struct digest one;
    struct digest other;
    ASSERT(result_is_ok(certificates_from_pem(buffer_view(&pem), 1, again, &count)) && count == 1);
    ASSERT(result_is_ok(certificate_digest(certificate, &one)));
    ASSERT(result_is_ok(certificate_digest(&again[0], &other)) && digest_equal(&one, &other));
    certificate_release(&again[0]);
    scoped_key key = {0};
    struct text name;
    struct bytes value;
    bool read = result_is_ok(certificate_key(certificate, &key)) &&
                result_is_ok(certificate_common_name(certificate, &arena, &name)) &&
                result_is_ok(certificate_extension(certificate, "2.5.29.19", &arena, &value));
    (void)read;
}

/* Either form; what is read is written and read again alike, and is a chain of its own or not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_certificate single = {0};
    if (result_is_ok(certificate_from_der((struct bytes){data, size}, &single))) {
        look_at(&single);
    }
    struct certificate all[COUNT_MAX] = {0};
    size_t count = 0;
    if (!result_is_ok(certificates_from_pem((struct bytes){data, size}, COUNT_MAX, all, &count))) {
        return 0;
    }
    struct result result = certificate_verify_chain(all, count, &all[count - 1], 1, 1800000000);
    ASSERT(result.code == RESULT_OK || result.code == RESULT_UNTRUSTED || result.code == RESULT_EXPIRED);
    for (size_t i = 0; i < count; i++) {
        look_at(&all[i]);
        certificate_release(&all[i]);
    }
    return 0;
}
