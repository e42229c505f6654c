#include "privacy/policy.h"

fallible policy_combine(const struct policy *const policies[], size_t count, struct policy_combined *out)
{
    REQUIRE(count >= 1 && count <= POLICY_DATASETS_MAX, LIMIT, "policy.combine.count");
    struct policy_combined combined = {
        .max_rows = UINT64_MAX, .valid_from = INT64_MIN, .valid_until = INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct policy *policy = policies[i];
        for (size_t j = 0; j < i; j++) {
            REQUIRE(!text_equal(policies[j]->dataset, policy->dataset), CONFLICT, "policy.combine.duplicate");
        }
        if (policy->mode > combined.mode) {
            combined.mode = policy->mode;
        }
        if (policy->max_rows < combined.max_rows) {
            combined.max_rows = policy->max_rows;
        }
        if (policy->has_valid && policy->valid_from > combined.valid_from) {
            combined.valid_from = policy->valid_from;
        }
        if (policy->has_valid && policy->valid_until < combined.valid_until) {
            combined.valid_until = policy->valid_until;
        }
        if (!policy_entity_is_none(&policy->entity)) {
            combined.thresholds[combined.threshold_count++] =
                (struct policy_threshold){policy->dataset, policy->entity};
        }
    }
    *out = combined;
    return OK;
}

enum verdict policy_combined_permits(const struct policy_combined *combined, int64_t unix_seconds,
                                     uint64_t rows, const uint64_t entities[])
{
    bool within = combined->mode != POLICY_MODE_NONE && rows <= combined->max_rows &&
                  unix_seconds >= combined->valid_from && unix_seconds < combined->valid_until;
    for (size_t i = 0; within && i < combined->threshold_count; i++) {
        within = entities[i] >= combined->thresholds[i].entity.min_entities;
    }
    return within ? VERDICT_ALLOW : VERDICT_DENY;
}
