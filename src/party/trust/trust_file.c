#include "party/trust/trust_file.h"

#include "party/home/address_book.h"
#include "party/home/connection.h"

static fallible set_digest(struct arena *arena, json_t *row, const char *name, const struct digest *digest)
{
    struct text text;
    TRY(digest_to_text(arena, digest, &text));
    return json_set_text(row, name, text);
}

static fallible add_parties(struct arena *arena, const char *folder, json_t *trust)
{
    scoped_address_book book = {0};
    json_t *parties = json_array();
    TRY(json_set(trust, "parties", parties));
    TRY(address_book_open(arena, folder, &book));
    for (size_t i = 0; i < book.count; i++) {
        json_t *row = json_object();
        TRY(json_add(parties, row));
        TRY(json_set_text(row, "name", book.rows[i].card.name));
        TRY(set_digest(arena, row, "fingerprint", &book.rows[i].card.fingerprint));
    }
    return OK;
}

static fallible add_authority(struct arena *arena, const char *folder, json_t *trust)
{
    struct connection_authority authority;
    json_t *authorities = json_array();
    TRY(json_set(trust, "authorities", authorities));
    struct result result = connection_authority_open(arena, folder, &authority);
    if (result.code == RESULT_NOT_FOUND) {
        return OK;
    }
    TRY(result);
    json_t *row = json_object();
    json_t *keys = json_array();
    TRY(json_add(authorities, row));
    TRY(json_set(row, "keys", keys));
    TRY(json_set_text(row, "issuer", authority.issuer));
    TRY(json_set_text(row, "policy_hash", authority.policy_hash));
    for (size_t i = 0; i < authority.key_count; i++) {
        struct text text;
        TRY(digest_to_text(arena, &authority.keys[i], &text));
        TRY(json_add_text(keys, text));
    }
    return OK;
}

static fallible add_simulation(struct arena *arena, const char *folder, json_t *trust)
{
    struct connection_simulation simulation;
    json_t *measurements = json_array();
    json_t *roots = json_array();
    TRY(json_set(trust, "measurements", measurements));
    TRY(json_set(trust, "roots", roots));
    struct result result = connection_simulation_open(arena, folder, &simulation);
    if (result.code == RESULT_NOT_FOUND) {
        return OK;
    }
    TRY(result);
    json_t *measurement = json_object();
    json_t *root = json_object();
    TRY(json_add(measurements, measurement));
    TRY(json_add(roots, root));
    TRY(json_set_text(measurement, "type", TEXT("sim")));
    TRY(json_set_text(measurement, "measurement", simulation.measurement));
    TRY(json_set_text(root, "type", TEXT("sim")));
    return set_digest(arena, root, "pin", &simulation.pin);
}

fallible trust_file_build(struct arena *arena, const char *folder, json_t **out)
{
    scoped_json *trust = json_object();
    TRY(json_set_text(trust, "type", TEXT("trust/1")));
    TRY(add_parties(arena, folder, trust));
    TRY(add_authority(arena, folder, trust));
    TRY(add_simulation(arena, folder, trust));
    *out = trust;
    trust = NULL;
    return OK;
}
