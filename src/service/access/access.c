#include "service/access/access.h"

#define MAY(action) (1u << (action))

struct role {
    const char *name;
    unsigned actions;
};

static const struct role roles_known[] = {
    {ACCESS_ROLE_OFFICER, MAY(ACCESS_KEY_READ) | MAY(ACCESS_KEY_CREATE) | MAY(ACCESS_KEY_UPDATE) |
                              MAY(ACCESS_KEY_WRAP) | MAY(ACCESS_KEY_UNWRAP) | MAY(ACCESS_KEY_SIGN) |
                              MAY(ACCESS_KEY_RELEASE) | MAY(ACCESS_RELEASES_READ)},
    {ACCESS_ROLE_USER, MAY(ACCESS_KEY_READ) | MAY(ACCESS_KEY_UPDATE) | MAY(ACCESS_KEY_WRAP) |
                           MAY(ACCESS_KEY_UNWRAP) | MAY(ACCESS_KEY_SIGN)},
    {ACCESS_ROLE_RELEASE, MAY(ACCESS_KEY_RELEASE)},
    {ACCESS_ROLE_READER, MAY(ACCESS_KEY_READ)},
};

static const char *const action_names[ACCESS_ACTION_COUNT] = {
    [ACCESS_NONE] = "none",
    [ACCESS_KEY_READ] = "Microsoft.KeyVault/vaults/keys/read",
    [ACCESS_KEY_CREATE] = "Microsoft.KeyVault/vaults/keys/create/action",
    [ACCESS_KEY_UPDATE] = "Microsoft.KeyVault/vaults/keys/update/action",
    [ACCESS_KEY_WRAP] = "Microsoft.KeyVault/vaults/keys/wrap/action",
    [ACCESS_KEY_UNWRAP] = "Microsoft.KeyVault/vaults/keys/unwrap/action",
    [ACCESS_KEY_SIGN] = "Microsoft.KeyVault/vaults/keys/sign/action",
    [ACCESS_KEY_RELEASE] = "Microsoft.KeyVault/vaults/keys/release/action",
    [ACCESS_RELEASES_READ] = "Truce/vaults/releases/read",
};

static const struct role *role_of(struct text name)
{
    for (size_t i = 0; i < sizeof roles_known / sizeof *roles_known; i++) {
        if (text_is(name, roles_known[i].name)) {
            return &roles_known[i];
        }
    }
    return NULL;
}

enum verdict access_decide(const struct text roles[], size_t role_count, enum access_action action)
{
    unsigned allowed = 0;
    bool is_courier = false;
    if ((int)action <= ACCESS_NONE || action >= ACCESS_ACTION_COUNT) {
        return VERDICT_DENY;
    }
    for (size_t i = 0; i < role_count; i++) {
        const struct role *role = role_of(roles[i]);
        allowed |= role != NULL ? role->actions : 0;
        is_courier |= text_is(roles[i], ACCESS_ROLE_RELEASE);
    }
    if (is_courier) {
        allowed &= MAY(ACCESS_KEY_RELEASE);
    }
    return (allowed & MAY(action)) != 0 ? VERDICT_ALLOW : VERDICT_DENY;
}

bool access_role_is_known(struct text role)
{
    return role_of(role) != NULL;
}

const char *access_action_name(enum access_action action)
{
    bool known = (int)action >= 0 && action < ACCESS_ACTION_COUNT;
    return action_names[known ? action : ACCESS_NONE];
}
