/* privacy/policy_mode.h: the table of modes. Only policy.c looks at it.
 *
 * A mode that is enforced has a row with its functions, from its own file; the names of the language that
 * are not enforced yet are known here so that the refusal can say so. */
#pragma once

#include "privacy/policy.h"

struct policy_mode_row {
    const char *name;
    enum policy_mode mode;
    /* That the policy has what the mode needs. */
    fallible (*check)(const struct policy *policy);
    enum verdict (*permits_column)(const struct policy *policy, const struct policy_column *column);
};

/* UNSUPPORTED "policy.mode.unsupported" for a mode that is not enforced, or unknown. */
fallible policy_mode_find(struct text name, const struct policy_mode_row **out);
/* The row of a mode, NULL where it is not enforced. */
const struct policy_mode_row *policy_mode_of(enum policy_mode mode);

/* UNSUPPORTED "policy.use.unsupported". */
fallible policy_use_find(struct text name, enum policy_use *out);
const char *policy_use_name(enum policy_use use);

fallible mode_approved_check(const struct policy *policy);
enum verdict mode_approved_permits_column(const struct policy *policy, const struct policy_column *column);
