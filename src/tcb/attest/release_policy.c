#include "attest/release_policy.h"

#include "attest/release_condition.h"
#include "attest/token.h"

void release_policy_release(struct release_policy *policy)
{
    json_decref(policy->json);
    *policy = (struct release_policy){0};
}

/* The list of a node and its kind. */
static const json_t *node_list(const json_t *node, bool *out_all)
{
    const json_t *all = json_object_get(node, "allOf");
    *out_all = all != NULL;
    return all != NULL ? all : json_object_get(node, "anyOf");
}

static bool is_condition(const json_t *node)
{
    return json_has(node, "claim");
}

static fallible check_list(const json_t *node, size_t members_beside, size_t depth, size_t *nodes);

static fallible check_node(const json_t *node, size_t depth, size_t *nodes)
{
    REQUIRE(++*nodes <= RELEASE_POLICY_NODES_MAX, LIMIT, "release_policy.nodes");
    REQUIRE(json_is_object(node), INVALID, "release_policy.node.form");
    return is_condition(node) ? release_condition_check(node) : check_list(node, 0, depth, nodes);
}

/* Exactly one of allOf and anyOf, not empty, and `members_beside` further members. */
static fallible check_list(const json_t *node, size_t members_beside, size_t depth, size_t *nodes)
{
    REQUIRE(depth <= RELEASE_POLICY_DEPTH_MAX, LIMIT, "release_policy.depth");
    bool all;
    const json_t *list = node_list(node, &all);
    REQUIRE(list != NULL && json_object_size(node) == 1 + members_beside, INVALID,
            "release_policy.node.members");
    REQUIRE(json_is_array(list), INVALID, "release_policy.list.form");
    REQUIRE(json_array_size(list) > 0, INVALID, "release_policy.list.empty");
    const json_t *child;
    size_t index;
    json_array_foreach (list, index, child) {
        TRY(check_node(child, depth + 1, nodes));
    }
    return OK;
}

static fallible check_entry(const json_t *entry, size_t *nodes, struct text *out_authority)
{
    struct text authority;
    REQUIRE(json_is_object(entry), INVALID, "release_policy.entry.form");
    if (!result_is_ok(json_get_text(entry, "authority", &authority)) || authority.size == 0 ||
        !text_is_printable_utf8(authority)) {
        return FAIL(INVALID, "release_policy.authority.form");
    }
    TRY(check_list(entry, 1, 1, nodes));
    *out_authority = authority;
    return OK;
}

static fallible check_policy(struct release_policy *policy)
{
    struct text version;
    REQUIRE(json_is_object(policy->json), INVALID, "release_policy.form");
    REQUIRE(json_object_size(policy->json) == 2 && json_has(policy->json, "anyOf") &&
                json_has(policy->json, "version"),
            INVALID, "release_policy.members");
    REQUIRE(result_is_ok(json_get_text(policy->json, "version", &version)) &&
                (text_is(version, "1.0.0") || text_is(version, "1.0") || text_is(version, "0.2")),
            UNSUPPORTED, "release_policy.version");
    const json_t *entries = json_object_get(policy->json, "anyOf");
    REQUIRE(json_is_array(entries) && json_array_size(entries) > 0, INVALID, "release_policy.list.empty");
    REQUIRE(json_array_size(entries) <= RELEASE_POLICY_AUTHORITIES_MAX, LIMIT, "release_policy.authorities");
    size_t nodes = 0;
    const json_t *entry;
    size_t index;
    json_array_foreach (entries, index, entry) {
        TRY(check_entry(entry, &nodes, &policy->authorities[index]));
    }
    policy->authority_count = json_array_size(entries);
    return OK;
}

fallible release_policy_parse(struct bytes untrusted_bytes, struct release_policy *out)
{
    REQUIRE(untrusted_bytes.size <= RELEASE_POLICY_SIZE_MAX, LIMIT, "release_policy.size");
    scoped_release_policy policy = {0};
    TRY(json_decode(untrusted_bytes, &policy.json));
    TRY(check_policy(&policy));
    *out = policy;
    policy = (struct release_policy){0};
    return OK;
}

static bool node_holds(const json_t *node, const json_t *claims, struct release_decision *failed)
{
    if (is_condition(node)) {
        const char *why = release_condition_evaluate(node, claims);
        if (why != NULL && failed->why == NULL) {
            failed->why = why;
            failed->claim = release_condition_claim(node);
        }
        return why == NULL;
    }
    bool all;
    const json_t *list = node_list(node, &all);
    const json_t *child;
    size_t index;
    json_array_foreach (list, index, child) {
        bool holds = node_holds(child, claims, failed);
        if (holds != all) {
            return holds;
        }
    }
    return all;
}

struct release_decision release_policy_evaluate(const struct release_policy *policy, struct text issuer,
                                                const json_t *verified_claims)
{
    struct release_decision failed = {0};
    const json_t *entries = json_object_get(policy->json, "anyOf");
    for (size_t i = 0; i < policy->authority_count; i++) {
        if (!token_issuer_equal(policy->authorities[i], issuer)) {
            continue;
        }
        if (node_holds(json_array_get(entries, i), verified_claims, &failed)) {
            return (struct release_decision){VERDICT_ALLOW, "ok", {0}};
        }
    }
    if (failed.why == NULL) {
        failed.why = "release_policy.authority.none";
    }
    return failed;
}
