/* party/agreement/agreement.h: contracts as a party's files, and the records that it keeps.
 *
 *   contracts/HEX/contract.json, grant.json   what this party signed
 *   runs/RUN/request.json                     run requests that it signed
 *
 * HEX is the digest of the contract. The records let the party recognise later what is its own: a result is
 * shown only for a contract or a request that is here. Any thread; one process at a time writes. */
#pragma once

#include "contract/bundle.h"
#include "party/home/address_book.h"

/* Reads a draft (its payload) or a contract with any number of signatures. */
fallible agreement_read(struct arena *arena, const char *path, struct contract *out);
/* "9f…" of a digest: 64 hex digits. */
fallible agreement_hex(struct arena *arena, const struct digest *digest, const char **out);

/* The address book as contract_verify wants it; in the arena. */
fallible agreement_known(struct arena *arena, const struct address_book *book,
                         struct contract_known_party **out, size_t *out_count);
/* That every party's result key is the one on its card: whoever could put another into a draft would read
 * that party's results, under everybody's signature. For parties whose signing keys contract_check_known has
 * found in the book. UNTRUSTED "contract.party.result_key", `where` = the party. */
fallible agreement_check_result_keys(struct arena *arena, const struct contract *contract,
                                     const struct address_book *book);
/* The index of the party with this signing key. DENIED "agreement.not_a_party". */
fallible agreement_find_self(const struct contract *contract, const struct digest *fingerprint,
                             size_t *out_index);

fallible agreement_keep_contract(struct arena *arena, const char *folder, const struct digest *contract,
                                 struct bytes document, struct bytes grant);
/* NOT_FOUND "file.not_found". */
fallible agreement_kept_grant(struct arena *arena, const char *folder, const struct digest *contract,
                              struct bytes *out);
bool agreement_is_kept(struct arena *arena, const char *folder, const struct digest *contract);

fallible agreement_keep_request(struct arena *arena, const char *folder, struct text run,
                                struct bytes document);
fallible agreement_kept_request(struct arena *arena, const char *folder, struct text run, struct bytes *out);

/* Manifest and policy of a contract's dataset, found by digest in folders with manifest.json and policy.json.
 */
struct agreement_documents {
    struct manifest manifest;
    struct policy policy;
    struct bytes manifest_document;
    struct bytes policy_document;
    const char *folder;
    bool found;
};
void agreement_documents_release(struct agreement_documents *documents);

/* That a manifest may be what the contract pins: the very one, or for data that is refreshed one of a version
 * that is late enough, under the agreed policy. Its schema is `bundle_check_dataset`'s business. */
bool agreement_is_pinned(const struct contract_dataset *dataset, const struct manifest *manifest);

/* Looks in `folders` (and below the party's own datasets/ and known/) for the dataset's documents, and
 * judges what it finds by `bundle_check_dataset`. `out->found` is false where there is none. */
fallible agreement_find_documents(struct arena *arena, const char *party_folder, const char *const folders[],
                                  size_t folder_count, const struct contract *contract, size_t dataset,
                                  struct agreement_documents *out);
