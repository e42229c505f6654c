#include "service/attest/request.h"

#include "base/encode.h"
#include "crypto/certificate.h"

#include <strings.h>

enum { NONCE_BYTES_MAX = 1024, DATA_BYTES_MAX = 256 * 1024 };

void attest_request_release(struct attest_request *request)
{
    json_decref(request->runtime);
    json_decref(request->init_time);
    *request = (struct attest_request){0};
}

/* Two members that differ only in case would let two readers see two requests. */
static fallible find_member(const json_t *object, const char *name, const json_t **out)
{
    const char *key;
    json_t *value;
    const json_t *found = NULL;
    json_object_foreach ((json_t *)object, key, value) {
        if (strcasecmp(key, name) == 0) {
            if (found != NULL) {
                return FAIL_AT(INVALID, "attest.request.member_twice", name);
            }
            found = value;
        }
    }
    *out = json_is_null(found) ? NULL : found;
    return OK;
}

static fallible lenient_base64(struct arena *arena, const json_t *value, const char *name, struct bytes *out)
{
    struct text text;
    if (!result_is_ok(json_text(value, &text))) {
        return FAIL_AT(INVALID, "attest.request.member", name);
    }
    char *url;
    TRY(arena_take(arena, text.size, (void **)&url));
    for (size_t i = 0; i < text.size; i++) {
        char character = text.data[i];
        url[i] = (char)(character == '+' ? '-' : character == '/' ? '_' : character);
    }
    size_t size = text.size;
    while (size > 0 && url[size - 1] == '=') {
        size--;
    }
    struct result result = decode_base64url(arena, (struct text){url, size}, out);
    return result.code == RESULT_INVALID ? FAIL_AT(INVALID, "attest.request.base64", name) : result;
}

static fallible required_base64(struct arena *arena, const json_t *object, const char *name,
                                struct bytes *out)
{
    const json_t *value;
    TRY(find_member(object, name, &value));
    if (value == NULL) {
        return FAIL_AT(INVALID, "attest.request.member", name);
    }
    return lenient_base64(arena, value, name, out);
}

/* {"data":b64u,"dataType":"JSON"|"Binary"} */
static fallible read_data(struct arena *arena, const json_t *value, const char *name,
                          struct bytes *out_octets, json_t **out_parsed)
{
    const json_t *type;
    struct text type_text;
    TRY(required_base64(arena, value, "data", out_octets));
    REQUIRE(out_octets->size <= DATA_BYTES_MAX, LIMIT, "attest.request.data_size");
    TRY(find_member(value, "dataType", &type));
    if (type == NULL || !result_is_ok(json_text(type, &type_text))) {
        return FAIL_AT(INVALID, "attest.request.data_type", name);
    }
    if (type_text.size == 6 && strncasecmp(type_text.data, "Binary", 6) == 0) {
        return OK;
    }
    if (type_text.size != 4 || strncasecmp(type_text.data, "JSON", 4) != 0) {
        return FAIL_AT(UNSUPPORTED, "attest.request.data_type", name);
    }
    scoped_json *parsed = NULL;
    if (!result_is_ok(json_decode(*out_octets, &parsed)) || !json_is_object(parsed)) {
        return FAIL_AT(INVALID, "attest.request.data_json", name);
    }
    *out_parsed = json_incref(parsed);
    return OK;
}

static fallible read_chain(struct arena *arena, struct bytes pem, struct evidence *out)
{
    struct certificate chain[EVIDENCE_CERTIFICATES_MAX] = {0};
    size_t count;
    struct result result = certificates_from_pem(pem, EVIDENCE_CERTIFICATES_MAX, chain, &count);
    if (!result_is_ok(result)) {
        return FAIL_AT(INVALID, "attest.request.chain", "VcekCertChain");
    }
    for (size_t i = 0; i < count; i++) {
        scoped_buffer der;
        buffer_init(&der, EVIDENCE_SIZE_MAX);
        if (result_is_ok(result)) {
            result = certificate_to_der(&chain[i], &der);
        }
        if (result_is_ok(result)) {
            result = arena_copy(arena, buffer_view(&der), &out->certificates[i]);
        }
        certificate_release(&chain[i]);
    }
    TRY(result);
    REQUIRE(count > 0, INVALID, "attest.request.chain");
    out->certificate_count = count;
    return OK;
}

static fallible read_report(struct arena *arena, const json_t *body, struct evidence *out)
{
    struct bytes octets, pem;
    scoped_json *report = NULL;
    TRY(required_base64(arena, body, "report", &octets));
    if (!result_is_ok(json_decode(octets, &report)) || !json_is_object(report)) {
        return FAIL_AT(INVALID, "attest.request.report", "report");
    }
    TRY(required_base64(arena, report, "SnpReport", &out->report));
    TRY(required_base64(arena, report, "VcekCertChain", &pem));
    out->family = TEXT("sim");
    return read_chain(arena, pem, out);
}

static fallible read_nonce(struct arena *arena, const json_t *body, struct text *out)
{
    const json_t *value;
    struct text nonce;
    TRY(find_member(body, "nonce", &value));
    if (value == NULL) {
        return OK;
    }
    if (!result_is_ok(json_text(value, &nonce)) || nonce.size > NONCE_BYTES_MAX ||
        !text_is_printable_utf8(nonce)) {
        return FAIL_AT(INVALID, "attest.request.member", "nonce");
    }
    return arena_copy_text(arena, nonce, out);
}

static fallible read_body(struct arena *arena, const json_t *body, struct attest_request *out)
{
    const json_t *runtime, *init_time, *draft;
    REQUIRE(json_is_object(body), INVALID, "attest.request.form");
    TRY(find_member(body, "draftPolicyForAttestation", &draft));
    REQUIRE(draft == NULL, UNSUPPORTED, "attest.request.draft_policy");
    TRY(read_report(arena, body, &out->evidence));
    TRY(find_member(body, "runtimeData", &runtime));
    if (!json_is_object(runtime)) {
        return FAIL_AT(INVALID, "attest.request.member", "runtimeData");
    }
    TRY(read_data(arena, runtime, "runtimeData", &out->runtime_data, &out->runtime));
    TRY(find_member(body, "initTimeData", &init_time));
    if (init_time != NULL) {
        TRY(read_data(arena, init_time, "initTimeData", &out->init_time_data, &out->init_time));
        out->has_init_time_data = true;
    }
    return read_nonce(arena, body, &out->nonce);
}

fallible attest_request_parse(struct arena *arena, const json_t *untrusted_body, struct attest_request *out)
{
    scoped_attest_request request = {0};
    TRY(read_body(arena, untrusted_body, &request));
    *out = request;
    request = (struct attest_request){0};
    return OK;
}
