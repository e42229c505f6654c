#include "privacy/policy_mode.h"

fallible mode_approved_check(const struct policy *policy)
{
    for (size_t i = 0; i < policy->column_count; i++) {
        REQUIRE(policy->columns[i].uses == POLICY_USE_APPROVED, UNSUPPORTED, "policy.use.unsupported");
    }
    return OK;
}

enum verdict mode_approved_permits_column(const struct policy *policy, const struct policy_column *column)
{
    (void)policy;
    return (column->uses & POLICY_USE_APPROVED) != 0 ? VERDICT_ALLOW : VERDICT_DENY;
}
