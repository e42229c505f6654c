/* contract/grant.h: how the room gets an owner's data keys for one contract. Formats §1.5.
 *
 * A grant names the release key in the owner's vault and holds the data keys wrapped to it; it is useless
 * without that vault's release. Its digest stands in the owner's signature under the contract, so it cannot
 * be exchanged. The keys of refreshed datasets are not in it: the key of each version, wrapped to the same
 * release key, comes in a key update that the owner signs beside the version's manifest. One arena per
 * parse. */
#pragma once

#include "contract/contract.h"

enum { GRANT_WRAPPED_BYTES_MAX = 512 };
#define GRANT_TYP "truce-grant+jws"
#define KEY_UPDATE_TYP "truce-key-update+jws"

struct grant_key {
    struct text dataset;
    uint64_t version;
    struct bytes wrapped; /* RSA-OAEP-256 of the data key: 256, 384 or 512 octets */
};

struct grant {
    struct jws document;
    struct digest contract;
    struct text owner;
    struct text vault;
    struct text key;
    struct text version;
    struct digest release_policy; /* of the policy octets as the vault stores them */
    struct grant_key *keys;       /* ascending by dataset */
    size_t key_count;
};

extern const struct document_kind grant_kind;
fallible grant_parse(struct arena *arena, struct bytes untrusted_bytes, struct grant *out);
DOCUMENT_RECORD(grant)
#define scoped_grant defer(grant_release) struct grant

/* The payload for `jws_sign` with GRANT_TYP. */
fallible grant_build(const struct grant *grant, json_t **out);

/* That it is of this contract, signed by its owner, the very one that the owner's signature under the
 * contract names, and has a key for each of the owner's datasets whose data is pinned and no other. `where`
 * is the owner. UNTRUSTED "grant.contract", "grant.digest", DENIED "grant.owner", "grant.keys". The versions
 * are compared with the manifests in bundle.h. */
fallible grant_verify(const struct grant *grant, const struct contract *contract);

/* One version of a refreshed dataset for one contract: which manifest, and its data key. */
struct key_update {
    struct jws document;
    struct digest contract;
    struct text dataset;
    uint64_t version;
    struct digest manifest;
    struct bytes wrapped; /* to the release key that the owner's grant names */
};

extern const struct document_kind key_update_kind;
fallible key_update_parse(struct arena *arena, struct bytes untrusted_bytes, struct key_update *out);
DOCUMENT_RECORD(key_update)
#define scoped_key_update defer(key_update_release) struct key_update

/* The payload for `jws_sign` with KEY_UPDATE_TYP. */
fallible key_update_build(const struct key_update *update, json_t **out);

/* That it is of this contract and its dataset `dataset`, signed by that one's owner. UNTRUSTED
 * "key_update.contract", ".dataset" and the reasons of `jws_verify`. Manifest and version are compared in
 * bundle.h. */
fallible key_update_verify(const struct key_update *update, const struct contract *contract, size_t dataset);
