/* vault/release_once.h: a run request opens a key once.
 *
 * A room keeps nothing from one job to the next, and a hostile host may start several: it can give one run
 * request to each. The owner's vault is the one place that remembers. It notes for which runtime data (the
 * wrapping key and nonce of one attempt of one room) it released a key under a run request, and releases to
 * no other: the repeated call of a courier that lost the answer is the same attempt and is served, a second
 * attempt is not. What is released without a run request in its token is not counted. Private to this module.
 */
#pragma once

#include "service/vault/record.h"

/* In the transaction of the release. CONFLICT "vault.release.run_used". */
fallible release_once(struct state_transaction *transaction, struct arena *arena,
                      const struct key_record *record, const json_t *verified_claims);
