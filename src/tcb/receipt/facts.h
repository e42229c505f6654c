/* receipt/facts.h: what the documents of a job determine of its receipt.
 *
 * The room fills a receipt with this and the verifier recomputes it with this, so a statement that says
 * something else than its documents cannot pass. Left to the room: result, salt, room, runtime_data,
 * query_executed, vetter, engine, size_class, tokens, code and time. Pure. Any thread. */
#pragma once

#include "contract/bundle.h"
#include "receipt/receipt.h"

/* Of a bundle with a run request that `bundle_verify` has accepted. Lists and texts live in the arena and in the bundle.
 * Inputs are the datasets that the query reads, in the order of its `reads`; for each there is one rule,
 * "DATASET:/output/min_entities=N" or "DATASET:/entity=none"; `encrypted_to` are the kids of the recipients' result keys in
 * the order of the run request. */
fallible receipt_facts_from_bundle(struct arena *arena, const struct bundle *bundle,
                                   struct receipt_facts *out);
