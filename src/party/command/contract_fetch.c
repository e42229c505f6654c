#include "party/command/contract.h"
#include "party/home/file.h"
#include "party/link/host_link.h"

enum { FETCH_VERSIONS_MAX = 64 };

static fallible keep(struct invocation *invocation, const char *folder, const char *name,
                     struct bytes document)
{
    const char *path;
    TRY(file_make_folder(folder));
    TRY(file_path(invocation->arena, folder, name, &path));
    return file_write(path, document, FILE_PRIVATE);
}

/* True when the host's documents of this version are the ones that the contract pins; then they are kept. */
static fallible take_version(struct invocation *invocation, struct host_link *link,
                             const struct contract_dataset *dataset, const char *base, const char *folder,
                             bool *out)
{
    struct bytes manifest_document;
    struct bytes policy_document;
    scoped_manifest manifest = {0};
    scoped_policy policy = {0};
    *out = false;
    TRY(host_link_get(link, invocation->arena, arena_where(invocation->arena, "%s/manifest", base),
                      &manifest_document));
    TRY(manifest_parse(invocation->arena, manifest_document, &manifest));
    if (!agreement_is_pinned(dataset, &manifest)) {
        return OK;
    }
    TRY(host_link_get(link, invocation->arena, arena_where(invocation->arena, "%s/policy", base),
                      &policy_document));
    TRY(policy_parse(invocation->arena, policy_document, &policy));
    REQUIRE(digest_equal(&policy.document.digest, &dataset->policy), UNTRUSTED, "bundle.policy.digest");
    TRY(keep(invocation, folder, "manifest.json", manifest_document));
    *out = true;
    return keep(invocation, folder, "policy.json", policy_document);
}

/* A contract may name a digest and not a version, so versions are tried until the host has no more. */
static fallible fetch_dataset(struct invocation *invocation, struct host_link *link,
                              const struct contract_dataset *dataset, const struct own_party *party)
{
    for (unsigned version = 1; version <= FETCH_VERSIONS_MAX; version++) {
        bool found;
        const char *folder;
        const char *base =
            arena_where(invocation->arena, "/v1/datasets/%.*s/%u", TEXT_ARGS(dataset->dataset), version);
        const char *name =
            arena_where(invocation->arena, "known/%.*s/%u", TEXT_ARGS(dataset->dataset), version);
        TRY(file_path(invocation->arena, party->folder, name, &folder));
        TRY(take_version(invocation, link, dataset, base, folder, &found));
        if (found) {
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "bundle.manifest.missing");
}

fallible contract_fetch_documents(struct invocation *invocation, const struct contract *contract,
                                  const struct own_party *party)
{
    const char *folders[CONTRACT_FOLDERS_MAX];
    size_t count = contract_folders(invocation, folders);
    scoped_host_link link = {0};
    if (!result_is_ok(host_link_open(invocation->arena, party->folder, &link))) {
        return OK;
    }
    for (size_t i = 0; i < contract->dataset_count; i++) {
        defer(agreement_documents_release) struct agreement_documents documents = {0};
        TRY(agreement_find_documents(invocation->arena, party->folder, folders, count, contract, i,
                                     &documents));
        if (!documents.found) {
            struct result result = fetch_dataset(invocation, &link, &contract->datasets[i], party);
            if (result.code == RESULT_UNAVAILABLE || result.code == RESULT_TIMEOUT) {
                return OK; /* the host does not answer: do not ask for the others */
            }
        }
    }
    return OK;
}
