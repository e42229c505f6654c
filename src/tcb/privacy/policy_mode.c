#include "privacy/policy_mode.h"

/* `aggregate`, `dp` and `list` come with their own issue: a file and a row each. */
static const struct policy_mode_row modes[] = {
    {"approved", POLICY_MODE_APPROVED, mode_approved_check, mode_approved_permits_column},
};

static const struct {
    const char *name;
    enum policy_use use;
} uses[] = {
    {"approved", POLICY_USE_APPROVED},
};

fallible policy_mode_find(struct text name, const struct policy_mode_row **out)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (text_is(name, modes[i].name)) {
            *out = &modes[i];
            return OK;
        }
    }
    return FAIL_AT(UNSUPPORTED, "policy.mode.unsupported", "mode");
}

const struct policy_mode_row *policy_mode_of(enum policy_mode mode)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (modes[i].mode == mode) {
            return &modes[i];
        }
    }
    return NULL;
}

fallible policy_use_find(struct text name, enum policy_use *out)
{
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (text_is(name, uses[i].name)) {
            *out = uses[i].use;
            return OK;
        }
    }
    return FAIL_AT(UNSUPPORTED, "policy.use.unsupported", "use");
}

const char *policy_use_name(enum policy_use use)
{
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (uses[i].use == use) {
            return uses[i].name;
        }
    }
    return NULL;
}
