/* room/job.h: one run of one query, from the documents to the receipt.
 *
 * The steps, each in a file of its own, in the order in which they happen:
 *   admission    judges contract, grants, manifests, policies and run request, and whether this room is
 * accepted vet          the query program refuses or derives the grant again, which must be the contract's
 *   attestation  binds fresh keys to evidence and gets a token from an authority of each owner
 *   release      asks each owner's vault for its release key and unwraps the data keys
 *   pull         fetches every granted column once
 *   execution    the sandboxed child runs beside the pull; the gate lets declared values out
 *   outcome      encrypts to the recipients and signs the receipt
 * A job is refused by name for what does not depend on its data: everything before `execution`, and
 * ciphertext that the host did not bring or that is not the owner's, all of which is pulled and checked
 * whatever the child does. Beside that there is one constant failure, at a quantised time. */
#pragma once

#include "attest/token.h"
#include "privacy/gate.h"
#include "receipt/receipt.h"
#include "room/data.h"
#include "room/room.h"

enum {
    JOB_ARENA_BYTES_MAX = 1 << 30,
    JOB_FAILURE_QUANTUM_MS = 1000, /* a failed run ends at a multiple of this after its start */
};

struct job {
    struct room *room;
    struct arena arena;
    json_t *documents; /* owned: as the host sent them, for the receipt bundle */
    struct bundle *bundle;
    const struct contract_query *query;
    struct text *values; /* of the query's parameters, in order */

    /* vet */
    struct text executed;
    struct text vetter;
    struct text engine;

    /* attestation */
    struct key wrapping_key;
    struct key receipt_key;
    uint8_t nonce[32];
    struct bytes runtime_data;
    json_t *evidence;                                  /* owned */
    struct receipt_token tokens[CONTRACT_PARTIES_MAX]; /* one per owner that is needed */
    size_t token_count;
    int64_t now; /* newest iat of the owners' authorities: the room's only time */

    /* release: by index of the contract's dataset; empty for those that the query does not read */
    struct secret data_keys[CONTRACT_DATASETS_MAX];

    struct data data;
    int loads[2];              /* on demand: wishes from the reading threads to the one that pulls; else 0 */
    struct data_reader reader; /* of the thread that pulls */
    struct result pulled;      /* a failure of the pull beside the run */
    struct gate gate;
    struct bytes csv; /* in the gate, after `execution` */
    struct buffer result;
};

/* Runs a job and tells the host how it ended. An error is one of the stream or of the room itself and ends
 * the room; whatever the documents or the data do is an outcome. */
fallible job_run(struct room *room, struct bytes untrusted_documents);

/* The steps. */
fallible job_admit(struct job *job, struct bytes untrusted_documents);
fallible job_vet(struct job *job);
fallible job_attest(struct job *job);
fallible job_release_keys(struct job *job);
fallible job_prepare_data(struct job *job); /* up to the footers */
/* The pages: all of them, and shows them; or, on demand, what the child behind `stream` wishes for until it
 * speaks. */
fallible job_pull(struct job *job, int stream);
fallible job_execute(struct job *job);
fallible job_finish(struct job *job); /* sends result and receipt */

/* Tells the host how far a step is: a function of the contract only. */
fallible job_progress(struct job *job, const char *step, uint64_t done, uint64_t total);

/* The dataset of contract.datasets that `read` is about is read by this query, and so its owner's key is
 * needed. */
bool job_reads_dataset(const struct job *job, size_t dataset);
bool job_needs_owner(const struct job *job, size_t party);
