/* access/access.h: which role may do what: data actions of Azure role-based access control.
 *
 * One table of roles with the names and meanings of Azure's built-in roles. One rule is stricter than Azure:
 * who holds "Key Vault Crypto Service Release User" is a courier and can do `release` and nothing more,
 * whatever other roles are beside it, so a careless second assignment does not turn a courier into a reader.
 * Pure. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

enum access_action {
    ACCESS_NONE = 0,
    ACCESS_KEY_READ, /* get, list, list versions */
    ACCESS_KEY_CREATE,
    ACCESS_KEY_UPDATE,
    ACCESS_KEY_WRAP,
    ACCESS_KEY_UNWRAP,
    ACCESS_KEY_SIGN,
    ACCESS_KEY_RELEASE,
    ACCESS_RELEASES_READ, /* ours: the record of releases */
    ACCESS_ACTION_COUNT
};

enum { ACCESS_ROLES_MAX = 8 };

#define ACCESS_ROLE_OFFICER "Key Vault Crypto Officer"
#define ACCESS_ROLE_USER "Key Vault Crypto User"
#define ACCESS_ROLE_RELEASE "Key Vault Crypto Service Release User"
#define ACCESS_ROLE_READER "Key Vault Reader"

/* Zero denies: unknown roles and unknown actions allow nothing. */
enum verdict access_decide(const struct text roles[], size_t role_count, enum access_action action);

bool access_role_is_known(struct text role);
/* "Microsoft.KeyVault/vaults/keys/release/action", for refusals and logs. */
const char *access_action_name(enum access_action action);
