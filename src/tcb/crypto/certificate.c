#include "crypto/certificate.h"

#include "base/encode.h"
#include "crypto/adapter.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum { CERTIFICATE_SIZE_MAX = 64 * 1024, PEM_SIZE_MAX = 4 * 1024 * 1024 };

void certificate_release(struct certificate *certificate)
{
    X509_free(certificate->x509);
    certificate->x509 = NULL;
}

fallible certificate_to_der(const struct certificate *certificate, struct buffer *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(certificate->x509 != NULL, INVALID, "certificate.empty");
    uint8_t *der = NULL;
    int size = i2d_X509(certificate->x509, &der);
    REQUIRE(size > 0, INTERNAL, "certificate.encode");
    struct result result = buffer_add(out, (struct bytes){der, (size_t)size});
    OPENSSL_free(der);
    return result;
}

fallible certificate_from_der(struct bytes untrusted_der, struct certificate *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(untrusted_der.size > 0, INVALID, "certificate.form");
    REQUIRE(untrusted_der.size <= CERTIFICATE_SIZE_MAX, LIMIT, "certificate.size");
    const uint8_t *at = untrusted_der.data;
    scoped_certificate certificate = {d2i_X509(NULL, &at, (long)untrusted_der.size)};
    REQUIRE(certificate.x509 != NULL, INVALID, "certificate.form");
    /* Its digest pins it, so it must have one encoding: this also refuses trailing octets. */
    scoped_buffer again;
    buffer_init(&again, 2 * CERTIFICATE_SIZE_MAX);
    TRY(certificate_to_der(&certificate, &again));
    REQUIRE(bytes_equal(buffer_view(&again), untrusted_der), INVALID, "certificate.form");
    /* Makes OpenSSL parse the extensions now, while only one thread has it. */
    REQUIRE((X509_get_extension_flags(certificate.x509) & EXFLAG_INVALID) == 0, INVALID,
            "certificate.extensions");
    *out = certificate;
    certificate.x509 = NULL;
    return OK;
}

fallible certificate_to_pem(const struct certificate *certificate, struct buffer *out)
{
    scoped_buffer der;
    buffer_init(&der, 2 * CERTIFICATE_SIZE_MAX);
    TRY(certificate_to_der(certificate, &der));
    scoped_arena arena;
    arena_init(&arena, 4 * CERTIFICATE_SIZE_MAX);
    struct text text;
    TRY(encode_base64(&arena, buffer_view(&der), &text));
    TRY(buffer_add_text(out, TEXT("-----BEGIN CERTIFICATE-----\n")));
    for (size_t at = 0; at < text.size; at += 64) {
        TRY(buffer_add(out, bytes_slice(bytes_of_text(text), at, 64)));
        TRY(buffer_add_byte(out, '\n'));
    }
    return buffer_add_text(out, TEXT("-----END CERTIFICATE-----\n"));
}

/* --- PEM ----------------------------------------------------------------------------------------- */

/* Takes one line without its end from `rest`; false when nothing is left. */
static bool take_line(struct text *rest, struct text *out)
{
    if (rest->size == 0) {
        return false;
    }
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    size_t taken = end == NULL ? size : size + 1;
    *out = (struct text){rest->data, size};
    *rest = (struct text){rest->data + taken, rest->size - taken};
    while (out->size > 0 && strchr(" \t\r", out->data[out->size - 1]) != NULL &&
           out->data[out->size - 1] != 0) {
        out->size--;
    }
    return true;
}

/* Reads the lines up to END and makes the certificate. */
static fallible take_block(struct text *rest, struct certificate *out)
{
    scoped_buffer base64;
    buffer_init(&base64, 2 * CERTIFICATE_SIZE_MAX);
    struct text line;
    for (;;) {
        REQUIRE(take_line(rest, &line), INVALID, "certificate.pem.unfinished");
        if (text_is(line, "-----END CERTIFICATE-----")) {
            break;
        }
        TRY(buffer_add_text(&base64, line));
    }
    scoped_arena arena;
    arena_init(&arena, 4 * CERTIFICATE_SIZE_MAX);
    struct bytes der;
    TRY(decode_base64(&arena, buffer_text(&base64), &der));
    return certificate_from_der(der, out);
}

static fallible take_blocks(struct text rest, size_t max, struct certificate out[], size_t *count)
{
    struct text line;
    while (take_line(&rest, &line)) {
        if (line.size == 0 || line.data[0] == '#') {
            continue;
        }
        REQUIRE(text_is(line, "-----BEGIN CERTIFICATE-----"), INVALID, "certificate.pem.form");
        REQUIRE(*count < max, LIMIT, "certificate.pem.count");
        struct certificate certificate = {0};
        TRY(take_block(&rest, &certificate));
        out[(*count)++] = certificate;
    }
    return OK;
}

fallible certificates_from_pem(struct bytes untrusted_pem, size_t max, struct certificate out[],
                               size_t *out_count)
{
    REQUIRE(untrusted_pem.size <= PEM_SIZE_MAX, LIMIT, "certificate.pem.size");
    size_t count = 0;
    struct result result = take_blocks(text_of_bytes(untrusted_pem), max, out, &count);
    if (result_is_ok(result) && count == 0) {
        result = FAIL(INVALID, "certificate.pem.empty");
    }
    if (!result_is_ok(result)) {
        while (count > 0) {
            certificate_release(&out[--count]);
        }
        return result;
    }
    *out_count = count;
    return OK;
}

/* --- what a certificate says ---------------------------------------------------------------------- */

fallible certificate_key(const struct certificate *certificate, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(certificate->x509 != NULL, INVALID, "certificate.empty");
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate->x509), &der);
    REQUIRE(size > 0, INVALID, "certificate.key");
    struct result result = key_from_spki((struct bytes){der, (size_t)size}, out);
    OPENSSL_free(der);
    return result;
}

fallible certificate_digest(const struct certificate *certificate, struct digest *out)
{
    scoped_buffer der;
    buffer_init(&der, 2 * CERTIFICATE_SIZE_MAX);
    TRY(certificate_to_der(certificate, &der));
    *out = digest_of(buffer_view(&der));
    return OK;
}

fallible certificate_common_name(const struct certificate *certificate, struct arena *arena, struct text *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(certificate->x509 != NULL, INVALID, "certificate.empty");
    const X509_NAME *name = X509_get_subject_name(certificate->x509);
    int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    REQUIRE(index >= 0, NOT_FOUND, "certificate.common_name");
    REQUIRE(X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0, INVALID,
            "certificate.common_name.twice");
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    uint8_t *utf8 = NULL;
    int size = ASN1_STRING_to_UTF8(&utf8, value);
    REQUIRE(size >= 0, INVALID, "certificate.common_name.form");
    struct text text = {(const char *)utf8, (size_t)size};
    struct result result = text_is_printable_utf8(text) ? arena_copy_text(arena, text, out)
                                                        : FAIL(INVALID, "certificate.common_name.form");
    OPENSSL_free(utf8);
    return result;
}

fallible certificate_extension(const struct certificate *certificate, const char *oid, struct arena *arena,
                               struct bytes *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(certificate->x509 != NULL, INVALID, "certificate.empty");
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    REQUIRE(object != NULL, INVALID, "certificate.oid");
    int index = X509_get_ext_by_OBJ(certificate->x509, object, -1);
    int second = index < 0 ? -1 : X509_get_ext_by_OBJ(certificate->x509, object, index);
    ASN1_OBJECT_free(object);
    REQUIRE(index >= 0, NOT_FOUND, "certificate.extension");
    REQUIRE(second < 0, INVALID, "certificate.extension.twice");
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate->x509, index));
    struct bytes view = {ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    return arena_copy(arena, view, out);
}

/* --- chains --------------------------------------------------------------------------------------- */

static void store_free(X509_STORE **store)
{
    X509_STORE_free(*store);
}
#define scoped_store defer(store_free) X509_STORE

static void context_free(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}
#define scoped_context defer(context_free) X509_STORE_CTX

static void stack_free(STACK_OF(X509) * *stack)
{
    sk_X509_free(*stack);
}
#define scoped_stack defer(stack_free) STACK_OF(X509)

static bool same(const X509 *left, const X509 *right)
{
    return X509_cmp(left, right) == 0;
}

/* A last certificate that is an anchor is the only one trusted, so that the path ends exactly there. */
static fallible fill_store(X509_STORE *store, const struct certificate *last,
                           const struct certificate anchors[], size_t anchor_count)
{
    for (size_t i = 0; i < anchor_count; i++) {
        if (same(anchors[i].x509, last->x509)) {
            REQUIRE(X509_STORE_add_cert(store, anchors[i].x509) == 1, NO_MEMORY, "certificate.memory");
            return OK;
        }
    }
    for (size_t i = 0; i < anchor_count; i++) {
        REQUIRE(X509_STORE_add_cert(store, anchors[i].x509) == 1, NO_MEMORY, "certificate.memory");
    }
    return OK;
}

/* OpenSSL accepts some issuers that say nothing about being one; we do not. */
static bool may_issue(X509 *issuer)
{
    uint32_t flags = X509_get_extension_flags(issuer);
    bool authority = (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
    return authority && (flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN) != 0;
}

/* The path that was found is the chain that was given, in its order, and at most one anchor more. */
static fallible check_path(const STACK_OF(X509) * path, const struct certificate chain[], size_t count)
{
    size_t found = (size_t)sk_X509_num(path);
    REQUIRE(found == count || found == count + 1, UNTRUSTED, "certificate.chain");
    for (size_t i = 0; i < found; i++) {
        X509 *at = sk_X509_value(path, (int)i);
        REQUIRE(i >= count || same(at, chain[i].x509), UNTRUSTED, "certificate.chain");
        REQUIRE(i == 0 || may_issue(at), UNTRUSTED, "certificate.chain");
    }
    return OK;
}

fallible certificate_verify_chain(const struct certificate chain[], size_t count,
                                  const struct certificate anchors[], size_t anchor_count,
                                  int64_t unix_seconds)
{
    LEAVE_NO_ERROR_QUEUE;
    enum { CHAIN_MAX = 10, SECURITY_LEVEL = 2 /* 112 bits: RSA 2048, no SHA-1 */ };
    REQUIRE(count > 0 && count <= CHAIN_MAX && anchor_count > 0, UNTRUSTED, "certificate.chain");
    scoped_store *store = X509_STORE_new();
    scoped_context *context = X509_STORE_CTX_new();
    scoped_stack *between = sk_X509_new_null();
    REQUIRE(store != NULL && context != NULL && between != NULL, NO_MEMORY, "certificate.memory");
    TRY(fill_store(store, &chain[count - 1], anchors, anchor_count));
    for (size_t i = 1; i < count; i++) {
        REQUIRE(sk_X509_push(between, chain[i].x509) > 0, NO_MEMORY, "certificate.memory");
    }
    REQUIRE(X509_STORE_CTX_init(context, store, chain[0].x509, between) == 1, NO_MEMORY,
            "certificate.memory");
    X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(rules, (time_t)unix_seconds);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(rules, SECURITY_LEVEL);
    if (X509_verify_cert(context) != 1) {
        int error = X509_STORE_CTX_get_error(context);
        bool outside = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
        return outside ? FAIL(EXPIRED, "certificate.validity") : FAIL(UNTRUSTED, "certificate.chain");
    }
    return check_path(X509_STORE_CTX_get0_chain(context), chain, count);
}
