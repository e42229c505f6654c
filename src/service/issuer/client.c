#include "service/issuer/client.h"

#include "base/encode.h"
#include "service/setup/program.h"

enum { SECRET_OCTETS = 32, SALT_OCTETS = 32 };

static const char client_table[] = "client";

void client_record_release(struct client_record *record)
{
    json_release(&record->json);
}

/* HMAC-SHA-256 keyed by the secret over salt and client id. The secret has 256 random bits, so nothing slower
 * adds to it. */
static fallible verifier_of(struct text id, struct text secret_text, struct bytes salt, struct digest *out)
{
    scoped_secret secret = {0};
    scoped_buffer message;
    buffer_init(&message, 4096);
    TRY(secret_from(bytes_of_text(secret_text), &secret));
    TRY(buffer_add_text(&message, TEXT("truce-client-secret/1\n")));
    TRY(buffer_add(&message, salt));
    TRY(buffer_add_text(&message, id));
    return digest_hmac(&secret, buffer_view(&message), out);
}

static fallible make_record(const struct world *world, const struct issuer_client *client, struct text name,
                            const struct text roles[], size_t role_count, json_t *record)
{
    uint8_t salt[SALT_OCTETS];
    struct digest verifier;
    TRY(world_random(world, salt, sizeof salt));
    TRY(verifier_of(client->id, client->secret, BYTES_OF(salt), &verifier));
    TRY(json_set_text(record, "name", name));
    TRY(json_set_text(record, "oid", client->object));
    TRY(json_set_base64url(record, "salt", BYTES_OF(salt)));
    TRY(json_set_base64url(record, "verifier", digest_view(&verifier)));
    json_t *list = json_array();
    TRY(json_set(record, "roles", list));
    for (size_t i = 0; i < role_count; i++) {
        TRY(json_add_text(list, roles[i]));
    }
    return OK;
}

fallible issuer_add_client(struct state_transaction *transaction, const struct world *world,
                           struct arena *arena, struct text name, const struct text roles[],
                           size_t role_count, struct issuer_client *out)
{
    uint8_t octets[SECRET_OCTETS];
    struct issuer_client client;
    scoped_json *record = json_object();
    ASSERT(role_count <= ISSUER_ROLES_MAX);
    TRY(program_uuid(world, arena, &client.id));
    TRY(program_uuid(world, arena, &client.object));
    TRY(world_random(world, octets, sizeof octets));
    struct result result = encode_base64url(arena, BYTES_OF(octets), &client.secret);
    wipe(octets, sizeof octets);
    TRY(result);
    TRY(make_record(world, &client, name, roles, role_count, record));
    TRY(state_add_json(transaction, client_table, client.id, record));
    *out = client;
    return OK;
}

fallible client_find(struct state *state, struct text id, struct client_record *out)
{
    scoped_state_transaction transaction = {0};
    scoped_client_record record = {0};
    REQUIRE(id.size > 0 && id.size <= 64, NOT_FOUND, "issuer.client.unknown");
    TRY(state_begin(state, &transaction));
    struct result result = state_get_json(&transaction, client_table, id, &record.json);
    REQUIRE(result.code != RESULT_NOT_FOUND, NOT_FOUND, "issuer.client.unknown");
    TRY(result);
    TRY(json_get_text(record.json, "oid", &record.object));
    TRY(json_get_array(record.json, "roles", &record.roles));
    *out = record;
    record.json = NULL;
    return OK;
}

enum verdict client_check_secret(const struct client_record *record, struct text id,
                                 struct text untrusted_secret)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct bytes salt;
    struct bytes stored;
    struct digest wanted;
    struct digest given;
    if (untrusted_secret.size == 0 || untrusted_secret.size > 256 ||
        !result_is_ok(json_get_base64url(&arena, record->json, "salt", &salt)) ||
        !result_is_ok(json_get_base64url(&arena, record->json, "verifier", &stored)) ||
        stored.size != DIGEST_BYTES || !result_is_ok(verifier_of(id, untrusted_secret, salt, &given))) {
        return VERDICT_DENY;
    }
    memcpy(wanted.octets, stored.data, DIGEST_BYTES);
    return digest_equal(&wanted, &given) ? VERDICT_ALLOW : VERDICT_DENY;
}
