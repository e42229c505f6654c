/* party/agreement/owner.h: what an owner does beside signing: a release key in its own vault, and the grant.
 *
 * The release key is made for one contract: its policy names the authorities that this owner chose, the code
 * and the contract, and it expires with the contract. The data keys are wrapped to it with its public part,
 * so the vault never sees them before a room does. One thread. */
#pragma once

#include "party/agreement/agreement.h"
#include "party/home/keystore.h"
#include "party/vault/vault.h"

/* The release policy's octets for the party at `index` of the contract. */
fallible owner_release_policy(struct arena *arena, const struct contract *contract, size_t index,
                              struct bytes *out);
/* The name of the release key for a contract: "truce-" and the first 32 hex digits of its digest. */
fallible owner_key_name(struct arena *arena, const struct digest *contract, struct text *out);

/* Makes the release key and the signed grant. `folders` are searched for the owner's sealed datasets.
 * NOT_FOUND "owner.dataset.missing", UNTRUSTED "part.key_commitment" (the data key is not the manifest's). */
fallible owner_make_grant(struct arena *arena, struct vault *vault, const char *party_folder,
                          const char *const folders[], size_t folder_count, const struct keystore *keystore,
                          const struct contract *contract, size_t index, struct buffer *out_grant);

/* The signed key update for one version of a refreshed dataset, whose sealed folder is `folder`: its data key
 * wrapped to the release key of the owner's grant. */
fallible owner_make_key_update(struct arena *arena, struct vault *vault, const char *folder,
                               const struct keystore *keystore, const struct contract *contract,
                               const struct grant *grant, const struct manifest *manifest,
                               struct buffer *out_update);
