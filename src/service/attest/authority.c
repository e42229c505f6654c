#include "service/attest/authority.h"

#include "base/encode.h"
#include "crypto/certificate.h"
#include "service/http/server.h"
#include "service/http/url.h"
#include "service/setup/address.h"
#include "service/setup/file.h"
#include "service/setup/tls.h"

static const char configuration_file[] = "attest.json";
static const char key_file[] = "signing-key.pem";
static const char certificate_file[] = "signing.der";
static const char connection_file[] = "authority.json";
static const int64_t certificate_seconds = INT64_C(10) * 365 * 86400;

struct text authority_policy(void)
{
    return TEXT("version= 1.0;\n"
                "authorizationrules\n"
                "{\n"
                "    [type==\"x-ms-sevsnpvm-is-debuggable\", value==false] => permit();\n"
                "};\n"
                "issuancerules\n"
                "{\n"
                "};\n");
}

void authority_release(struct authority *authority)
{
    key_release(&authority->signing_key);
}

/* As the service computes it for policies given as text: SHA-256 of the base64url of the text. */
static fallible policy_hash(struct arena *arena, struct text *out)
{
    struct text encoded;
    TRY(encode_base64url(arena, bytes_of_text(authority_policy()), &encoded));
    struct digest digest = digest_of(bytes_of_text(encoded));
    return encode_base64url(arena, digest_view(&digest), out);
}

static fallible file_in(struct arena *arena, struct text folder, const char *name, struct bytes content)
{
    struct text path;
    TRY(path_join(arena, folder, name, &path));
    return file_write(path, content);
}

static fallible json_in(struct arena *arena, struct text folder, const char *name, const json_t *value)
{
    struct text path;
    TRY(path_join(arena, folder, name, &path));
    return file_write_json(path, value);
}

/* The key that signs tokens and its certificate by itself. */
static fallible create_signing_key(const struct world *world, struct arena *arena, struct text folder,
                                   struct text url, struct digest *out_pin)
{
    scoped_key key = {0};
    scoped_certificate certificate = {0};
    scoped_buffer pem, der;
    buffer_init(&pem, SETUP_FILE_BYTES_MAX);
    buffer_init(&der, SETUP_FILE_BYTES_MAX);
    TRY(key_generate(KEY_RSA, 2048, &key));
    struct certificate_request request = {
        .subject_key = &key,
        .common_name = {url.data, url.size < 64 ? url.size : 64},
        .not_before = world_now(world) - 3600,
        .not_after = world_now(world) + certificate_seconds,
    };
    TRY(certificate_issue(world, &request, NULL, &key, &certificate));
    TRY(certificate_to_der(&certificate, &der));
    TRY(key_to_pem(&key, &pem));
    struct result result = file_in(arena, folder, key_file, buffer_view(&pem));
    wipe(pem.data, pem.size);
    TRY(result);
    TRY(file_in(arena, folder, certificate_file, buffer_view(&der)));
    return key_pin(&key, out_pin);
}

/* The pin of a connection file, which must be the pin of the certificate beside it. */
static fallible read_simulation(struct arena *arena, struct text path, struct text *out_pin)
{
    scoped_json *json = NULL;
    scoped_certificate root = {0};
    scoped_key key = {0};
    struct text type, pem, pin;
    struct digest stated, actual;
    size_t count;
    TRY(file_read_json(arena, path, &json));
    TRY(json_get_text(json, "type", &type));
    TRY(json_get_text(json, "root", &pem));
    TRY(json_get_text(json, "pin", &pin));
    REQUIRE(text_is(type, "connection/simulation/1"), INVALID, "attest.simulation.type");
    TRY(digest_from_text(pin, &stated));
    TRY(certificates_from_pem(bytes_of_text(pem), 1, &root, &count));
    TRY(certificate_key(&root, &key));
    TRY(key_pin(&key, &actual));
    REQUIRE(count == 1 && digest_equal(&stated, &actual), INVALID, "attest.simulation.pin");
    return arena_copy_text(arena, pin, out_pin);
}

static fallible write_configuration(struct arena *arena, const struct authority_options *options,
                                    struct text url, struct text listen)
{
    scoped_json *json = json_object();
    TRY(json_set_text(json, "type", TEXT("attest/1")));
    TRY(json_set_text(json, "url", url));
    TRY(json_set_text(json, "listen", listen));
    TRY(json_set(json, "simulations", json_array()));
    for (size_t i = 0; i < options->simulation_count; i++) {
        struct text pin;
        TRY(read_simulation(arena, options->simulations[i], &pin));
        TRY(json_add_text(json_object_get(json, "simulations"), pin));
    }
    return json_in(arena, options->folder, configuration_file, json);
}

static fallible write_connection(struct arena *arena, struct text folder, struct text url,
                                 const struct digest *pin)
{
    scoped_json *json = json_object();
    struct text path, pin_text, hash;
    struct bytes ca;
    TRY(path_join(arena, folder, "ca.pem", &path));
    TRY(file_read(arena, path, &ca));
    TRY(digest_to_text(arena, pin, &pin_text));
    TRY(policy_hash(arena, &hash));
    TRY(json_set_text(json, "type", TEXT("connection/authority/1")));
    TRY(json_set_text(json, "issuer", url));
    TRY(json_set(json, "keys", json_array()));
    TRY(json_add_text(json_object_get(json, "keys"), pin_text));
    TRY(json_set_text(json, "policy_hash", hash));
    TRY(json_set_text(json, "ca", text_of_bytes(ca)));
    return json_in(arena, folder, connection_file, json);
}

fallible authority_create(const struct world *world, struct arena *arena,
                          const struct authority_options *options)
{
    struct service_address address;
    struct digest pin;
    TRY(service_address_settle(arena, options->url, options->listen, &address));
    REQUIRE(options->simulation_count <= EVIDENCE_ROOTS_MAX, LIMIT, "attest.simulations");
    TRY(folder_create(options->folder));
    TRY(folder_is_unused(arena, options->folder, configuration_file));
    TRY(tls_create(world, arena, options->folder, TEXT("attestation")));
    TRY(create_signing_key(world, arena, options->folder, address.url, &pin));
    TRY(write_connection(arena, options->folder, address.url, &pin));
    return write_configuration(arena, options, address.url, address.listen);
}

static fallible open_configuration(struct arena *arena, struct text folder, struct authority *out)
{
    scoped_json *json = NULL;
    struct text path, type, url, listen;
    json_t *pins;
    TRY(path_join(arena, folder, configuration_file, &path));
    TRY(file_read_json(arena, path, &json));
    TRY(json_get_text(json, "type", &type));
    REQUIRE(text_is(type, "attest/1"), INVALID, "attest.configuration");
    TRY(json_get_text(json, "url", &url));
    TRY(json_get_text(json, "listen", &listen));
    TRY(arena_copy_text(arena, url, &out->url));
    TRY(arena_copy_text(arena, listen, &out->listen));
    TRY(json_get_array(json, "simulations", &pins));
    REQUIRE(json_array_size(pins) <= EVIDENCE_ROOTS_MAX, LIMIT, "attest.simulations");
    for (size_t i = 0; i < json_array_size(pins); i++) {
        struct text pin;
        TRY(json_text(json_array_get(pins, i), &pin));
        out->trust.roots[i].family = TEXT("sim");
        TRY(digest_from_text(pin, &out->trust.roots[i].pin));
    }
    out->trust.root_count = json_array_size(pins);
    return OK;
}

static fallible open_key(struct arena *arena, struct text folder, struct key *out)
{
    struct text path;
    scoped_secret pem = {0};
    TRY(path_join(arena, folder, key_file, &path));
    TRY(file_read_secret(path, &pem));
    return key_from_pem(secret_view(&pem), out);
}

/* kid, x5c and, beside what Azure shows, n and e, so that a room can read the key without X.509. */
static fallible make_jwks(struct arena *arena, struct text folder, struct authority *authority)
{
    scoped_json *set = json_object();
    struct digest thumbprint;
    struct text path, x5c, encoded;
    struct bytes der;
    json_t *jwk;
    TRY(path_join(arena, folder, certificate_file, &path));
    TRY(file_read(arena, path, &der));
    TRY(encode_base64(arena, der, &x5c));
    TRY(key_thumbprint(&authority->signing_key, &thumbprint));
    TRY(encode_base64url(arena, digest_view(&thumbprint), &authority->kid));
    TRY(json_set(set, "keys", json_array()));
    TRY(key_to_jwk(&authority->signing_key, &jwk));
    TRY(json_add(json_object_get(set, "keys"), jwk));
    TRY(json_set_text(jwk, "kid", authority->kid));
    TRY(json_set_text(jwk, "use", TEXT("sig")));
    TRY(json_set_text(jwk, "alg", TEXT("RS256")));
    TRY(json_set(jwk, "x5c", json_array()));
    TRY(json_add_text(json_object_get(jwk, "x5c"), x5c));
    TRY(json_encode_text(arena, set, &encoded));
    authority->jwks = bytes_of_text(encoded);
    return OK;
}

fallible authority_open(struct arena *arena, struct text folder, struct authority *out)
{
    scoped_authority authority = {0};
    TRY(open_configuration(arena, folder, &authority));
    TRY(open_key(arena, folder, &authority.signing_key));
    TRY(make_jwks(arena, folder, &authority));
    TRY(policy_hash(arena, &authority.policy_hash));
    *out = authority;
    authority = (struct authority){0};
    return OK;
}
