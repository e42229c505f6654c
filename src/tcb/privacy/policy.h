/* privacy/policy.h: the owner's rules for one dataset, and what holds for several datasets together.
 *
 * The language is closed: a column that is not listed may not be read, a mode or use that is not enforced
 * yet is refused as unsupported and never ignored. Mode `approved` is enforced: only the templates that the
 * contract lists run, and where the dataset is about entities, every released cell stands for at least
 * `min_entities` of them. Another mode is one file and one row in policy_mode.c. The policy is decided here;
 * the thresholds are applied by the query's rewriting. One arena per parse; any thread. */
#pragma once

#include "privacy/document.h"

enum {
    POLICY_COLUMNS_MAX = 1024,
    POLICY_MIN_ENTITIES_MIN = 2,
    POLICY_MIN_ENTITIES_MAX = 1000000000,
    POLICY_DATASETS_MAX = 32
};
#define POLICY_MAX_ROWS_MAX ((uint64_t)1000000000)
#define POLICY_TYP "truce-policy+jws"

/* In the order of strictness, the strictest last. */
enum policy_mode {
    POLICY_MODE_NONE = 0,
    POLICY_MODE_LIST,
    POLICY_MODE_AGGREGATE,
    POLICY_MODE_DP,
    POLICY_MODE_APPROVED
};

enum policy_use { POLICY_USE_NONE = 0, POLICY_USE_APPROVED = 1 }; /* a set: bits */

struct policy_column {
    struct text name;
    unsigned uses;
};

/* Whom a dataset is about. `{0}` says nobody ("none" in documents). */
struct policy_entity {
    struct text column;
    struct text namespace;
    uint64_t min_entities; /* 0 when about nobody */
};

static inline bool policy_entity_is_none(const struct policy_entity *entity)
{
    return entity->column.size == 0;
}

/* The member `entity` of `object` with `min_entities` of `threshold`, as policies and contracts have them. */
fallible policy_entity_read(struct arena *arena, const json_t *object, const json_t *threshold,
                            struct policy_entity *out);
fallible policy_entity_build(const struct policy_entity *entity, json_t *object, json_t *threshold);
bool policy_entity_equal(const struct policy_entity *left, const struct policy_entity *right);

struct policy {
    struct jws document; /* empty in one that is being built */
    struct text dataset;
    struct text owner;
    bool has_data; /* else the policy holds for every version of a dataset that is refreshed */
    struct digest data;
    enum policy_mode mode;
    struct policy_entity entity;
    struct policy_column *columns; /* ascending by name */
    size_t column_count;
    uint64_t max_rows;
    bool has_valid;
    int64_t valid_from;
    int64_t valid_until; /* not included */
};

/* Parses; texts live as long as the policy. UNSUPPORTED "policy.mode.unsupported", "policy.use.unsupported",
 * "policy.member.unsupported" for parts of the language that are not enforced; INVALID for all else. */
extern const struct document_kind policy_kind;
fallible policy_parse(struct arena *arena, struct bytes untrusted_bytes, struct policy *out);
/* The same of a payload without signature: `document.content` holds it, `document.digest` its digest. */
fallible policy_parse_payload(struct arena *arena, struct bytes untrusted_payload, struct policy *out);
DOCUMENT_RECORD(policy)
#define scoped_policy defer(policy_release) struct policy

/* The payload for `jws_sign` with POLICY_TYP. `document` is not looked at. */
fallible policy_build(const struct policy *policy, json_t **out);

/* That the owner's key alone signed it. */
fallible policy_verify(const struct policy *policy, const struct key *owner_key);

/* ALLOW when the column is listed with a use that the mode enforces. */
enum verdict policy_permits_column(const struct policy *policy, struct text column);

/* EXPIRED "policy.validity", where = the dataset. */
fallible policy_check_time(const struct policy *policy, int64_t unix_seconds);

/* What holds for a query over several datasets (conjunction): the strictest mode, every threshold, the
 * smallest max_rows, the intersection of the validities. Adding a policy only shrinks what is allowed. */
struct policy_threshold {
    struct text dataset;
    struct policy_entity entity;
};

struct policy_combined {
    enum policy_mode mode;
    struct policy_threshold thresholds[POLICY_DATASETS_MAX];
    size_t threshold_count;
    uint64_t max_rows;
    int64_t valid_from;  /* INT64_MIN when unbounded */
    int64_t valid_until; /* INT64_MAX when unbounded */
};

/* LIMIT "policy.combine.count" unless 1 to POLICY_DATASETS_MAX, CONFLICT "policy.combine.duplicate" for two
 * policies of one dataset. Views of the policies' texts. */
fallible policy_combine(const struct policy *const policies[], size_t count, struct policy_combined *out);

/* ALLOW when `unix_seconds` and `rows` are within and, for every threshold, `entities[i]` (the distinct
 * entities of thresholds[i].dataset behind the smallest cell) suffices. */
enum verdict policy_combined_permits(const struct policy_combined *combined, int64_t unix_seconds,
                                     uint64_t rows, const uint64_t entities[]);
