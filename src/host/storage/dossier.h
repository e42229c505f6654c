/* storage/dossier.h: the documents of one run, as the room gets them.
 *
 * {"contract":JWS,"grants":[JWS],"manifests":[JWS],"policies":[JWS],"run_request":JWS} (formats §6). What is
 * in it is what the contract names; whether it holds is for the room to judge. Any thread. */
#pragma once

#include "contract/run_request.h"
#include "host/storage/storage.h"

enum { DOSSIER_BYTES_MAX = 32 * 1024 * 1024 };

/* Appends the dossier of a run to `out`. NOT_FOUND "dossier.contract.missing", "dossier.grant.missing"
 * (`where` the owner), "dossier.manifest.missing", "dossier.policy.missing" (`where` the dataset),
 * "dossier.key_update.missing",
 * "dossier.request.missing"; `where` lives in the arena. */
fallible dossier_build(struct arena *arena, const struct storage *storage, struct text contract_hex,
                       struct text run, struct buffer *out);

/* That all documents but the run request are here, and every part of every manifest in full: NOT_FOUND as
 * above and "dossier.part.missing". So that a job is not queued in vain. */
fallible dossier_check(struct arena *arena, const struct storage *storage, struct text contract_hex,
                       const struct contract *contract, const struct run_request *run);
