/* contract/run_request.h: a querier asks for one run of one query. Formats §1.6.
 *
 * Parameters that the contract calls public are in the clear; the others are sealed to the room's instance
 * key. The request's digest goes into the room's evidence and the receipt. One arena per parse. */
#pragma once

#include "contract/contract.h"

enum { RUN_ID_CHARACTERS = 32, RUN_SEALED_BYTES_MAX = 1024 * 1024 };
#define RUN_REQUEST_TYP "truce-run+jws"
#define RUN_PARAMETERS_TYP "truce-parameters+jwe"

struct run_parameter {
    struct text name;
    struct text value;
};

struct run_request {
    struct jws document;
    struct digest contract;
    struct text query;
    struct text run; /* 32 hex digits, chosen at random by the querier */
    struct text querier;
    struct text *recipients; /* ascending */
    size_t recipient_count;
    struct run_parameter *parameters; /* those in the clear, ascending by name */
    size_t parameter_count;
    struct run_parameter
        *manifests; /* of refreshed tables that the query reads: digests, ascending by table */
    size_t manifest_count;
    struct text sealed_parameters; /* the JWE as JSON text, empty when there is none */
    int64_t not_after;
};

extern const struct document_kind run_request_kind;
fallible run_request_parse(struct arena *arena, struct bytes untrusted_bytes, struct run_request *out);
DOCUMENT_RECORD(run_request)
#define scoped_run_request defer(run_request_release) struct run_request

/* The payload for `jws_sign` with RUN_REQUEST_TYP. */
fallible run_request_build(const struct run_request *request, json_t **out);

/* That it is of this contract, by a querier of it, for one of its queries and recipients, with exactly the
 * public parameters in the clear, each in its domain, and sealed ones present exactly if the query has any.
 * `where` names the parameter or party. UNTRUSTED "run.contract", DENIED "run.querier", "run.recipient",
 * NOT_FOUND "contract.query.unknown", INVALID "run.parameter.missing", ".unknown", ".must_be_sealed",
 * "run.sealed.missing", "run.sealed.unexpected". `out_query` is the index of the query. */
fallible run_request_verify(struct arena *arena, const struct run_request *request,
                            const struct contract *contract, size_t *out_query);

/* The digest of the manifest that the request names for a refreshed table. INVALID "run.manifest.missing". */
fallible run_request_find_manifest(const struct run_request *request, struct text table, struct digest *out);

/* EXPIRED "run.expired" when `unix_seconds` is after not_after. */
fallible run_request_check_time(const struct run_request *request, int64_t unix_seconds);

/* All values in the order of the query's parameters, after `run_request_verify`. `untrusted_sealed` is the
 * decrypted plaintext of the sealed parameters, empty when there are none: a JSON object with exactly the
 * parameters that are not public, in their domains. `out_values` has `parameter_count` items, in the arena.
 */
fallible run_request_values(struct arena *arena, const struct run_request *request,
                            const struct contract_query *query, struct bytes untrusted_sealed,
                            struct text **out_values);
