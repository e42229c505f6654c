/* attest/release_condition.h: inside of the release policy: one condition, {"claim":path, operator:value}. */
#pragma once

#include "base/json.h"

/* The form of a condition: one known operator with a value it can have, or the older {"claim","condition",
 * "value"}. INVALID "release_policy.condition.…". */
fallible release_condition_check(const json_t *condition);

/* NULL when a checked condition holds for the claims, else the static reason why not. */
const char *release_condition_evaluate(const json_t *condition, const json_t *claims);

struct text release_condition_claim(const json_t *condition);

/* The value that `equals` demands of this claim path, as text; empty where the condition demands something
 * else. */
struct text release_condition_demands(const json_t *condition, const char *path);
