/* contract/contract.h: the agreement: who brings what, which questions may be asked, where they may run.
 *
 * A contract is what its payload says and nothing else; it binds when every party has signed the same octets.
 * Here is its form, its plain-language text and the judgement of its signatures. Whether its datasets'
 * manifests, policies and grants are the ones it pins is judged in bundle.h. Formats §1.4. One arena per
 * parse; any thread.
 */
#pragma once

#include "column/column_type.h"
#include "privacy/policy.h"

enum {
    CONTRACT_PARTIES_MAX = 32,
    CONTRACT_DATASETS_MAX = POLICY_DATASETS_MAX,
    CONTRACT_QUERIES_MAX = 64,
    CONTRACT_PARAMETERS_MAX = 32,
    CONTRACT_VALUES_MAX = 256, /* of a parameter's domain */
    CONTRACT_OUTPUT_MAX = 256,
    CONTRACT_TEES_MAX = 16,
    CONTRACT_AUTHORITIES_MAX = 64,
    CONTRACT_AUTHORITY_KEYS_MAX = 16,
    CONTRACT_RESIDENCY_MAX = 16,
    CONTRACT_TITLE_BYTES_MAX = 256,
    CONTRACT_SQL_BYTES_MAX = 65536,
    CONTRACT_SALT_BYTES = 16,
    CONTRACT_MEASUREMENT_BYTES = 48,
    CONTRACT_SECONDS_MAX = 86400,
    CONTRACT_MEMORY_MB_MAX = 4 * 1024 * 1024,
};
#define CONTRACT_RESULT_BYTES_MAX ((uint64_t)256 * 1024 * 1024)
#define CONTRACT_TYP "truce-contract+jws"

struct contract_party {
    struct text name;
    struct key signing;
    struct key result;
    struct digest fingerprint; /* thumbprint of `signing` */
    bool is_owner;             /* brings a dataset */
    bool is_signed;            /* there is a signature with its kid; not yet verified */
    size_t signature;          /* its index in the document */
    bool has_grant;            /* its signature's header names a grant */
    struct digest grant;
    struct digest explain; /* what its signature's header names */
};

struct contract_dataset {
    struct text table;
    struct text dataset;
    size_t owner;           /* index of the party */
    bool is_refreshed;      /* else `manifest` pins the very data */
    struct digest manifest; /* or {0} */
    struct digest schema;   /* of data that is refreshed: names and types of its columns */
    uint64_t version;       /* and the least version */
    struct digest policy;
    struct policy_entity entity; /* repeated from the policy so that the explain text can say it */
};

struct contract_read {
    size_t dataset;       /* index */
    struct text *columns; /* ascending */
    size_t column_count;
};

struct contract_parameter {
    struct text name;
    struct column_type type;
    bool is_public;
    bool has_min;
    bool has_max;
    struct text min;
    struct text max;
    struct text *values; /* the only ones allowed, ascending by value, or none */
    size_t value_count;
};

struct contract_query {
    struct text name;
    struct text sql;
    struct digest canonical;     /* SHA-256 of `sql` */
    struct contract_read *reads; /* ascending by table */
    size_t read_count;
    struct contract_parameter *parameters;
    size_t parameter_count;
    struct column *output;
    size_t output_count;
    uint64_t max_rows;
    uint64_t max_bytes;
    uint64_t seconds;
    uint64_t memory_mb;
};

enum contract_family {
    CONTRACT_FAMILY_NONE = 0,
    CONTRACT_FAMILY_SIM,
    CONTRACT_FAMILY_SNP,
    CONTRACT_FAMILY_TDX,
    CONTRACT_FAMILY_AZURE,
    CONTRACT_FAMILY_SGX
};

struct contract_tee {
    struct text type; /* as MAA names it: sim, sevsnpvm, tdxvm, azurevm */
    enum contract_family family;
    struct bytes measurement;
    bool has_root;
    struct digest root; /* pin of the family's root key, for sim */
};

struct contract_authority {
    size_t party; /* index: whose authority this is */
    struct text issuer;
    struct digest *keys; /* pins of its token-signing keys, ascending */
    size_t key_count;
    struct digest policy_hash;
};

struct contract {
    struct jws document; /* no signatures in a draft */
    struct text title;
    struct bytes salt;
    struct contract_party *parties;
    size_t party_count;
    struct contract_dataset *datasets;
    size_t dataset_count;
    struct contract_query *queries;
    size_t query_count;
    size_t *queriers; /* indexes of parties */
    size_t querier_count;
    size_t *recipients;
    size_t recipient_count;
    struct contract_tee *tees;
    size_t tee_count;
    struct contract_authority *authorities;
    size_t authority_count;
    struct text *residency;
    size_t residency_count;
    int64_t valid_from;
    int64_t valid_until; /* not included */
};

/* Parses a contract with any number of signatures, or a draft's payload without any (`document.digest` is set
 * in both). A contract that parses is well-formed in itself: names unique and known, types, domains and
 * limits sound, `sim` alone, no `sgx`, every owner with an authority. Texts live as long as the contract. */
fallible contract_parse(struct arena *arena, struct bytes untrusted_bytes, struct contract *out);
fallible contract_parse_payload(struct arena *arena, struct bytes untrusted_payload, struct contract *out);
void contract_release(struct contract *contract);
#define scoped_contract defer(contract_release) struct contract

/* The payload. `document`, fingerprints, `canonical` and everything about signatures is not looked at. */
fallible contract_build(const struct contract *contract, json_t **out);

/* What the contract means, in plain words: a function of the payload alone, so that everybody computes the
 * same text. Whatever a party wrote (title, SQL, names of columns, residency) appears quoted and escaped and
 * cannot pass for our words. LF line ends. */
fallible contract_explain(struct arena *arena, const struct contract *contract, struct text *out);
fallible contract_explain_digest(struct arena *arena, const struct contract *contract, struct digest *out);

/* The protected header members that a party's signature needs; `grant` is NULL for a party that owns nothing.
 * For `jws_sign` and `jws_add_signature` with CONTRACT_TYP. */
fallible contract_build_header(struct arena *arena, const struct contract *contract,
                               const struct digest *grant, json_t **out);

/* One row of an address book or trust file. */
struct contract_known_party {
    struct text name;
    struct digest fingerprint;
};

/* That every party signed exactly once and nobody else did, by the key in the payload, over the explain text
 * that the payload gives, owners with a grant and others without. `where` names the party. Where `known` is
 * not NULL every party must be in it with this name and key. NOT_FOUND "contract.signature.missing",
 * UNTRUSTED
 * ".stranger", ".explain", ".grant_missing", ".grant_unexpected", "contract.party.not_known",
 * "contract.party.fingerprint", or the reason of `jws_verify`. Time is apart: `contract_check_time`. */
fallible contract_verify(struct arena *arena, const struct contract *contract,
                         const struct contract_known_party known[], size_t known_count);
/* The same without an address book and without the explain text: that all signatures name one digest of it,
 * not which. For the room, where nobody reads. */
fallible contract_verify_unexplained(struct arena *arena, const struct contract *contract);
/* The part about the address book alone: before signing. */
fallible contract_check_known(const struct contract *contract, const struct contract_known_party known[],
                              size_t known_count);
/* That one party's signature, if there, holds: for a half-signed contract. NOT_FOUND
 * "contract.signature.missing". */
fallible contract_verify_signature(struct arena *arena, const struct contract *contract, size_t party);

/* EXPIRED "contract.not_yet_valid" or "contract.expired". */
fallible contract_check_time(const struct contract *contract, int64_t unix_seconds);

/* NOT_FOUND "contract.party.unknown" and so on. Datasets are found by their owner/name or by their table. */
fallible contract_find_party(const struct contract *contract, struct text name, size_t *out_index);
fallible contract_find_dataset(const struct contract *contract, struct text dataset, size_t *out_index);
/* Whether the host may know every parameter of the query. */
bool contract_query_is_public(const struct contract_query *query);
fallible contract_find_table(const struct contract *contract, struct text table, size_t *out_index);
fallible contract_find_query(const struct contract *contract, struct text name, size_t *out_index);
bool contract_is_querier(const struct contract *contract, size_t party);
bool contract_is_recipient(const struct contract *contract, size_t party);
static inline bool contract_is_simulated(const struct contract *contract)
{
    return contract->tees[0].family == CONTRACT_FAMILY_SIM;
}

/* That `untrusted_value` is a value of the parameter's type and domain. DENIED "contract.parameter.below",
 * ".above", ".not_listed"; INVALID as `cell_from_text`. */
fallible contract_check_parameter(const struct contract_parameter *parameter, struct text untrusted_value);
