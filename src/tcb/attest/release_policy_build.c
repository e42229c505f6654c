/* Making the policy of an owner, and judging what a policy demands. */
#include "attest/release_condition.h"
#include "attest/release_policy.h"

/* What a node demands whatever else holds: a bit per row of `demands`. */
enum demand {
    DEMAND_SIM = 1 << 0,
    DEMAND_SNP = 1 << 1,
    DEMAND_SGX = 1 << 2,
    DEMAND_MEASUREMENT = 1 << 3,
    DEMAND_SIMULATION_ROOT = 1 << 4,
    DEMAND_HOST_DATA = 1 << 5,
    DEMAND_COMPLIANCE = 1 << 6,
    DEMAND_MRENCLAVE = 1 << 7,
};

/* Top-level claims only: the same names inside `x-ms-isolation-tee` describe the firmware of a confidential
 * VM, which any program inside of any such VM can show. */
static const struct {
    const char *claim;
    const char *value; /* NULL: any that is not empty */
    unsigned demand;
} demands[] = {
    {"x-ms-attestation-type", "sim", DEMAND_SIM},
    {"x-ms-attestation-type", "sevsnpvm", DEMAND_SNP},
    {"x-ms-attestation-type", "sgx", DEMAND_SGX},
    {"x-ms-sevsnpvm-launchmeasurement", NULL, DEMAND_MEASUREMENT},
    {"x-truce-simulation-root", NULL, DEMAND_SIMULATION_ROOT},
    {"x-ms-sevsnpvm-hostdata", NULL, DEMAND_HOST_DATA},
    {"x-ms-compliance-status", "azure-compliant-uvm", DEMAND_COMPLIANCE},
    {"x-ms-sgx-mrenclave", NULL, DEMAND_MRENCLAVE},
};

/* Any one of these sets identifies code. */
static const unsigned identities[] = {
    DEMAND_SIM | DEMAND_MEASUREMENT | DEMAND_SIMULATION_ROOT,
    DEMAND_SNP | DEMAND_HOST_DATA | DEMAND_MEASUREMENT,
    DEMAND_SNP | DEMAND_HOST_DATA | DEMAND_COMPLIANCE,
    DEMAND_SGX | DEMAND_MRENCLAVE,
};

static unsigned condition_demands(const json_t *condition)
{
    unsigned mask = 0;
    for (size_t i = 0; i < sizeof demands / sizeof *demands; i++) {
        struct text value = release_condition_demands(condition, demands[i].claim);
        if (value.size > 0 && (demands[i].value == NULL || text_is(value, demands[i].value))) {
            mask |= demands[i].demand;
        }
    }
    return mask;
}

/* allOf demands what any member demands; anyOf only what every member demands. */
static unsigned node_demands(const json_t *node)
{
    if (json_has(node, "claim")) {
        return condition_demands(node);
    }
    const json_t *all = json_object_get(node, "allOf");
    const json_t *list = all != NULL ? all : json_object_get(node, "anyOf");
    unsigned mask = all != NULL ? 0 : ~0u;
    const json_t *child;
    size_t index;
    json_array_foreach (list, index, child) {
        unsigned childs = node_demands(child);
        mask = all != NULL ? mask | childs : mask & childs;
    }
    return mask;
}

static bool is_identity(unsigned mask)
{
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        if ((mask & identities[i]) == identities[i]) {
            return true;
        }
    }
    return false;
}

bool release_policy_names_code_identity(const struct release_policy *policy)
{
    const json_t *entry;
    size_t index;
    json_array_foreach (json_object_get(policy->json, "anyOf"), index, entry) {
        if (!is_identity(node_demands(entry))) {
            return false;
        }
    }
    return policy->authority_count > 0;
}

static bool node_names(const json_t *node, const char *path, struct text value)
{
    if (json_has(node, "claim")) {
        return text_equal(release_condition_demands(node, path), value);
    }
    const json_t *all = json_object_get(node, "allOf");
    const json_t *list = all != NULL ? all : json_object_get(node, "anyOf");
    const json_t *child;
    size_t index;
    json_array_foreach (list, index, child) {
        bool names = node_names(child, path, value);
        if (names == (all != NULL)) {
            return names;
        }
    }
    return all == NULL;
}

bool release_policy_names_contract(const struct release_policy *policy, const struct digest *contract)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text text;
    if (!result_is_ok(digest_to_text(&arena, contract, &text))) {
        return false;
    }
    const json_t *entry;
    size_t index;
    json_array_foreach (json_object_get(policy->json, "anyOf"), index, entry) {
        if (!node_names(entry, "x-ms-runtime.contract", text)) {
            return false;
        }
    }
    return policy->authority_count > 0;
}

static fallible add_condition(json_t *list, const char *claim, struct text value)
{
    json_t *condition = json_object();
    TRY(json_add(list, condition));
    TRY(json_set_text(condition, "claim", text_of(claim)));
    return json_set_text(condition, "equals", value);
}

static fallible add_entry(struct arena *arena, json_t *entries,
                          const struct release_policy_authority *authority,
                          const struct release_policy_tee *tee, struct text contract)
{
    REQUIRE(text_is(tee->type, "sim"), UNSUPPORTED, "release_policy.tee");
    REQUIRE(tee->measurement.size == 96, INVALID, "release_policy.measurement");
    REQUIRE(authority->issuer.size > 0, INVALID, "release_policy.authority.form");
    json_t *entry = json_object();
    TRY(json_add(entries, entry));
    TRY(json_set_text(entry, "authority", authority->issuer));
    TRY(json_set(entry, "allOf", json_array()));
    json_t *list = json_object_get(entry, "allOf");
    struct text root;
    TRY(digest_to_text(arena, &tee->root, &root));
    TRY(add_condition(list, "x-ms-attestation-type", tee->type));
    TRY(add_condition(list, "x-ms-sevsnpvm-launchmeasurement", tee->measurement));
    TRY(add_condition(list, "x-ms-sevsnpvm-is-debuggable", TEXT("false")));
    if (authority->policy_hash.size > 0) {
        TRY(add_condition(list, "x-ms-policy-hash", authority->policy_hash));
    }
    TRY(add_condition(list, "x-ms-runtime.purpose", TEXT("run")));
    TRY(add_condition(list, "x-ms-runtime.contract", contract));
    return add_condition(list, "x-truce-simulation-root", root);
}

fallible release_policy_build(struct arena *arena, const struct release_policy_authority authorities[],
                              size_t authority_count, const struct release_policy_tee tees[],
                              size_t tee_count, const struct digest *contract, struct bytes *out)
{
    REQUIRE(authority_count > 0, INVALID, "release_policy.authority.none");
    REQUIRE(tee_count > 0, INVALID, "release_policy.tee.none");
    REQUIRE(authority_count * tee_count <= RELEASE_POLICY_AUTHORITIES_MAX, LIMIT,
            "release_policy.authorities");
    scoped_json *policy = json_object();
    struct text contract_text, text;
    TRY(digest_to_text(arena, contract, &contract_text));
    TRY(json_set_text(policy, "version", TEXT("1.0.0")));
    TRY(json_set(policy, "anyOf", json_array()));
    json_t *entries = json_object_get(policy, "anyOf");
    for (size_t i = 0; i < authority_count; i++) {
        for (size_t j = 0; j < tee_count; j++) {
            TRY(add_entry(arena, entries, &authorities[i], &tees[j], contract_text));
        }
    }
    TRY(json_encode_text(arena, policy, &text));
    *out = bytes_of_text(text);
    return OK;
}
