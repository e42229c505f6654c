#include "attest/evidence.h"

#include "base/encode.h"

static const char *const members[] = {"family", "report", "certificates", NULL};

static fallible certificate_at(struct arena *arena, const json_t *certificates, size_t index,
                               struct bytes *out)
{
    struct text text;
    REQUIRE_AT(result_is_ok(json_text(json_array_get(certificates, index), &text)), INVALID,
               "evidence.certificate.form", "certificates");
    struct result result = decode_base64url(arena, text, out);
    return result.code == RESULT_INVALID ? FAIL_AT(INVALID, "evidence.certificate.form", "certificates")
                                         : result;
}

fallible evidence_from_json(struct arena *arena, const json_t *untrusted_json, struct evidence *out)
{
    TRY(json_only(arena, untrusted_json, members));
    struct evidence evidence = {0};
    struct text family;
    TRY(json_get_text(untrusted_json, "family", &family));
    REQUIRE(text_is_name(family), INVALID, "evidence.family");
    TRY(arena_copy_text(arena, family, &evidence.family));
    TRY(json_get_base64url(arena, untrusted_json, "report", &evidence.report));
    json_t *certificates;
    TRY(json_get_array(untrusted_json, "certificates", &certificates));
    evidence.certificate_count = json_array_size(certificates);
    REQUIRE(evidence.certificate_count >= 1, INVALID, "evidence.certificate.none");
    REQUIRE(evidence.certificate_count <= EVIDENCE_CERTIFICATES_MAX, LIMIT, "evidence.certificate.count");
    size_t size = evidence.report.size;
    for (size_t i = 0; i < evidence.certificate_count; i++) {
        TRY(certificate_at(arena, certificates, i, &evidence.certificates[i]));
        size += evidence.certificates[i].size;
    }
    REQUIRE(size <= EVIDENCE_SIZE_MAX, LIMIT, "evidence.size");
    *out = evidence;
    return OK;
}

fallible evidence_to_json(const struct evidence *evidence, json_t **out)
{
    scoped_arena arena;
    arena_init(&arena, 2 * EVIDENCE_SIZE_MAX);
    scoped_json *object = json_object();
    TRY(json_set_text(object, "family", evidence->family));
    TRY(json_set_base64url(object, "report", evidence->report));
    TRY(json_set(object, "certificates", json_array()));
    json_t *certificates = json_object_get(object, "certificates");
    for (size_t i = 0; i < evidence->certificate_count; i++) {
        struct text text;
        TRY(encode_base64url(&arena, evidence->certificates[i], &text));
        TRY(json_add_text(certificates, text));
    }
    *out = json_incref(object);
    return OK;
}
