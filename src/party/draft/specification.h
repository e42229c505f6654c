/* party/draft/specification.h: the small file from which a contract is drafted.
 *
 * {"title","parties":[name],"datasets":[{"table","folder","refreshed"?} |
 * {"table","manifest","policy","refreshed"?}], "queries":[{"name","sql" |
 * "sql_file","parameters":[{"name","type","public"?,"min"?,"max"?,"values"?}],
 *              "max_rows"?,"max_bytes"?,"seconds"?,"memory_mb"?}],
 *  "queriers":[name],"recipients":[name],"days" | "valid":{"from","until"},"residency"?:[text],
 *  "authorities"?:[{"party","file"} | {"party","issuer","keys","policy_hash"}],
 *  "tee"?:[{"type","measurement","root"?}]}
 *
 * Names are of the address book, files are relative to the specification's folder. Strict like every
 * document: an unknown member is refused with its place ("queries[0].parameters[1].minimum"). Any thread. */
#pragma once

#include "contract/contract.h"

enum { SPECIFICATION_DAYS_MAX = 3660, SPECIFICATION_DAYS_DEFAULT = 30 };

struct specification_dataset {
    struct text table;
    const char *manifest; /* paths */
    const char *policy;
    bool is_refreshed; /* pinned by schema, policy and this version or later */
};

struct specification_query {
    struct text name;
    struct text sql;
    struct contract_parameter *parameters;
    size_t parameter_count;
    uint64_t max_rows; /* 0: what the policies allow */
    uint64_t max_bytes;
    uint64_t seconds;
    uint64_t memory_mb;
};

struct specification_authority {
    struct text party;
    const char *file; /* or NULL, and then the other three */
    struct text issuer;
    struct digest keys[CONTRACT_AUTHORITY_KEYS_MAX];
    size_t key_count;
    struct digest policy_hash;
};

struct specification {
    struct text title;
    struct text *parties;
    size_t party_count;
    struct specification_dataset *datasets;
    size_t dataset_count;
    struct specification_query *queries;
    size_t query_count;
    struct text *queriers;
    size_t querier_count;
    struct text *recipients;
    size_t recipient_count;
    struct specification_authority *authorities;
    size_t authority_count;
    struct contract_tee *tees;
    size_t tee_count;
    struct text *residency;
    size_t residency_count;
    int64_t valid_from;
    int64_t valid_until;
};

/* Reads the file's bytes; `folder` is where its paths start, `now` where its days start. All in the arena.
 * INVALID "spec.…" with the place in `where`, and what file_read gives for an SQL file. */
fallible specification_read(struct arena *arena, struct bytes untrusted_bytes, const char *folder,
                            int64_t now, struct specification *out);
