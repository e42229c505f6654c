#include "crypto/adapter.h"
#include "crypto/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { SERIAL_BYTES = 16, NAME_MAX_OCTETS = 253 };

static fallible set_serial(const struct world *world, X509 *certificate)
{
    uint8_t serial[SERIAL_BYTES];
    TRY(world_random(world, serial, sizeof serial));
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and never shorter */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    ASN1_INTEGER *integer = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
    bool done = integer != NULL && X509_set_serialNumber(certificate, integer) == 1;
    ASN1_INTEGER_free(integer);
    BN_free(number);
    REQUIRE(done, NO_MEMORY, "certificate.memory");
    return OK;
}

static fallible set_names(const struct certificate_request *request, const struct certificate *issuer,
                          X509 *certificate)
{
    struct text name = request->common_name;
    REQUIRE(name.size > 0 && name.size <= 64 && text_is_printable_utf8(name), INVALID,
            "certificate.common_name");
    X509_NAME *subject = X509_get_subject_name(certificate);
    REQUIRE(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (const uint8_t *)name.data,
                                       (int)name.size, -1, 0) == 1,
            INVALID, "certificate.common_name");
    X509_NAME *issuing = issuer == NULL ? subject : X509_get_subject_name(issuer->x509);
    REQUIRE(X509_set_issuer_name(certificate, issuing) == 1, NO_MEMORY, "certificate.memory");
    return OK;
}

static fallible set_validity(const struct certificate_request *request, X509 *certificate)
{
    REQUIRE(request->not_before < request->not_after, INVALID, "certificate.validity");
    bool done = ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)request->not_before) != NULL &&
                ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)request->not_after) != NULL;
    REQUIRE(done, INVALID, "certificate.validity");
    return OK;
}

static fallible set_key(const struct key *key, X509 *certificate)
{
    REQUIRE(key != NULL && key->pkey != NULL, INVALID, "key.empty");
    REQUIRE(X509_set_pubkey(certificate, key->pkey) == 1, INTERNAL, "certificate.key");
    return OK;
}

/* One extension in OpenSSL's own notation. */
static fallible add_standard(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX scope;
    X509V3_set_ctx(&scope, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &scope, nid, value);
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    REQUIRE(done, INTERNAL, "certificate.extension");
    return OK;
}

static fallible add_name(GENERAL_NAMES *names, int type, struct text text)
{
    char cstring[NAME_MAX_OCTETS + 1];
    REQUIRE(text.size <= NAME_MAX_OCTETS && memchr(text.data, 0, text.size) == NULL, INVALID,
            "certificate.alternative_name");
    memcpy(cstring, text.data, text.size);
    cstring[text.size] = 0;
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, type, cstring, 0);
    REQUIRE(name != NULL, INVALID, "certificate.alternative_name");
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return FAIL(NO_MEMORY, "certificate.memory");
    }
    return OK;
}

static void names_free(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}
#define scoped_names defer(names_free) GENERAL_NAMES

static fallible add_alternative_names(const struct certificate_request *request, X509 *certificate)
{
    scoped_names *names = sk_GENERAL_NAME_new_null();
    REQUIRE(names != NULL, NO_MEMORY, "certificate.memory");
    for (size_t i = 0; i < 8 && request->dns_names[i].size > 0; i++) {
        TRY(add_name(names, GEN_DNS, request->dns_names[i]));
    }
    for (size_t i = 0; i < 4 && request->ip_names[i].size > 0; i++) {
        TRY(add_name(names, GEN_IPADD, request->ip_names[i]));
    }
    if (sk_GENERAL_NAME_num(names) == 0) {
        return OK;
    }
    REQUIRE(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1, INTERNAL,
            "certificate.extension");
    return add_standard(certificate, certificate, NID_ext_key_usage, "serverAuth");
}

static fallible add_own_extension(const struct certificate_request *request, X509 *certificate)
{
    if (request->extension_oid == NULL) {
        return OK;
    }
    ASN1_OBJECT *object = OBJ_txt2obj(request->extension_oid, 1);
    REQUIRE(object != NULL, INVALID, "certificate.oid");
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    bool set = value != NULL && ASN1_OCTET_STRING_set(value, request->extension_value.data,
                                                      (int)request->extension_value.size) == 1;
    X509_EXTENSION *extension = set ? X509_EXTENSION_create_by_OBJ(NULL, object, 0, value) : NULL;
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    REQUIRE(done, NO_MEMORY, "certificate.memory");
    return OK;
}

static fallible add_extensions(const struct certificate_request *request, const struct certificate *issuer,
                               X509 *certificate)
{
    X509 *issuing = issuer == NULL ? certificate : issuer->x509;
    bool authority = request->is_authority;
    TRY(add_standard(certificate, issuing, NID_basic_constraints,
                     authority ? "critical,CA:TRUE" : "critical,CA:FALSE"));
    TRY(add_standard(certificate, issuing, NID_key_usage,
                     authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"));
    TRY(add_standard(certificate, issuing, NID_subject_key_identifier, "hash"));
    TRY(add_standard(certificate, issuing, NID_authority_key_identifier, "keyid"));
    TRY(add_alternative_names(request, certificate));
    return add_own_extension(request, certificate);
}

/* An issuer without a subject key identifier would give an unusable authority key identifier, and one that
 * is not of this key a certificate that nobody can verify. */
static fallible check_issuer(const struct certificate_request *request, const struct certificate *issuer,
                             const struct key *issuer_key)
{
    REQUIRE(issuer_key->pkey != NULL && issuer_key->is_private, INVALID, "key.not_private");
    struct digest pin;
    struct digest want;
    TRY(key_pin(issuer_key, &pin));
    if (issuer == NULL) {
        TRY(key_pin(request->subject_key, &want));
    } else {
        scoped_key key = {0};
        TRY(certificate_key(issuer, &key));
        TRY(key_pin(&key, &want));
    }
    REQUIRE(digest_equal(&pin, &want), INVALID, "certificate.issuer_key");
    return OK;
}

fallible certificate_issue(const struct world *world, const struct certificate_request *request,
                           const struct certificate *issuer, const struct key *issuer_key,
                           struct certificate *out)
{
    LEAVE_NO_ERROR_QUEUE;
    TRY(check_issuer(request, issuer, issuer_key));
    scoped_certificate certificate = {X509_new()};
    REQUIRE(certificate.x509 != NULL, NO_MEMORY, "certificate.memory");
    REQUIRE(X509_set_version(certificate.x509, X509_VERSION_3) == 1, NO_MEMORY, "certificate.memory");
    TRY(set_serial(world, certificate.x509));
    TRY(set_names(request, issuer, certificate.x509));
    TRY(set_validity(request, certificate.x509));
    TRY(set_key(request->subject_key, certificate.x509));
    TRY(add_extensions(request, issuer, certificate.x509));
    const EVP_MD *hash = issuer_key->kind == KEY_EC_P384 ? EVP_sha384() : EVP_sha256();
    REQUIRE(X509_sign(certificate.x509, issuer_key->pkey, hash) > 0, INTERNAL, "certificate.sign");
    *out = certificate;
    certificate.x509 = NULL;
    return OK;
}
