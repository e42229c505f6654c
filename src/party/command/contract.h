/* party/command/contract.h: what the files of the noun `contract` share. */
#pragma once

#include "party/agreement/agreement.h"
#include "party/command/invocation.h"

enum { CONTRACT_FOLDERS_MAX = CONTRACT_DATASETS_MAX };

/* contract.c */
/* Reads the contract named by an argument, and the acting party's address book. */
fallible contract_open(struct invocation *invocation, size_t argument, struct contract *out);
/* The folders given with --dataset. */
size_t contract_folders(const struct invocation *invocation, const char *out[CONTRACT_FOLDERS_MAX]);
/* Prints the explain text, the datasets' policies and whether each fingerprint is in the address book. */
fallible contract_print(struct invocation *invocation, const struct contract *contract,
                        const struct own_party *party);

/* contract_fetch.c */
/* Gets manifest and policy of the datasets that are not at hand from the host, if the party has one, and
 * keeps them below `known/`. What does not have the digests that the contract pins is dropped; failures of
 * the host are silent. */
fallible contract_fetch_documents(struct invocation *invocation, const struct contract *contract,
                                  const struct own_party *party);

/* contract_sign.c, contract_publish.c */
fallible contract_run_sign(struct invocation *invocation);
fallible contract_run_merge(struct invocation *invocation);
fallible contract_run_publish(struct invocation *invocation);
fallible contract_run_revoke(struct invocation *invocation);
/* contract_draft.c */
fallible contract_run_draft(struct invocation *invocation);
fallible contract_run_executed(struct invocation *invocation);
/* contract_refresh.c: truce contract refresh, and sending a key update to the host. */
struct host_link;
fallible contract_run_refresh(struct invocation *invocation);
fallible contract_put_update(struct invocation *invocation, struct host_link *link, const char *hex,
                             struct bytes document);
