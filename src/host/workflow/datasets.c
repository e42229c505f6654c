#include "contract/manifest.h"
#include "host/workflow/handlers.h"
#include "privacy/policy.h"

/* The dataset of the path; that a document names the same one is checked by each. */
static fallible dataset_of(const struct http_request *request, struct storage_dataset *out)
{
    return storage_dataset_of(request->captures.rows[0], request->captures.rows[1], request->captures.rows[2],
                              out);
}

static bool is_named(const struct storage_dataset *dataset, struct text document_dataset)
{
    struct storage_dataset named;
    return result_is_ok(storage_dataset_named(document_dataset, 1, &named)) &&
           text_equal(named.owner, dataset->owner) && text_equal(named.name, dataset->name);
}

/* Under its place first: there a second, different document is refused. */
static fallible store(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                      const struct storage_path *path, const struct digest *digest)
{
    bool is_new;
    TRY(storage_put(workflow->storage, path, request->body, STORAGE_ONCE, &is_new));
    TRY(workflow_keep_document(workflow, request->arena, digest, request->body));
    return workflow_reply_stored(request, reply, digest, is_new);
}

static fallible put_manifest(struct workflow *workflow, struct http_request *request,
                             struct http_reply *reply, struct workflow_documents *documents)
{
    struct storage_dataset dataset;
    TRY(dataset_of(request, &dataset));
    struct manifest *manifest = &documents->manifest;
    TRY(manifest_parse(request->arena, request->body, manifest));
    bool is_this = is_named(&dataset, manifest->dataset) && manifest->version == dataset.version;
    REQUIRE(is_this, INVALID, "workflow.manifest.other_dataset");
    struct storage_path path = storage_path_manifest(&dataset);
    return store(workflow, request, reply, &path, &manifest->document.digest);
}
DOCUMENT_HANDLER(workflow_put_manifest, put_manifest)

HANDLER(workflow_get_manifest)
{
    struct storage_dataset dataset;
    TRY(dataset_of(request, &dataset));
    struct storage_path path = storage_path_manifest(&dataset);
    return workflow_send_object(self, request, reply, &path, "application/json");
}

static fallible put_policy(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                           struct workflow_documents *documents)
{
    struct storage_dataset dataset;
    TRY(dataset_of(request, &dataset));
    struct policy *policy = &documents->policy;
    TRY(policy_parse(request->arena, request->body, policy));
    REQUIRE(is_named(&dataset, policy->dataset), INVALID, "workflow.policy.other_dataset");
    struct storage_path path = storage_path_policy(&dataset);
    return store(workflow, request, reply, &path, &policy->document.digest);
}
DOCUMENT_HANDLER(workflow_put_policy, put_policy)

HANDLER(workflow_get_policy)
{
    struct storage_dataset dataset;
    TRY(dataset_of(request, &dataset));
    struct storage_path path = storage_path_policy(&dataset);
    return workflow_send_object(self, request, reply, &path, "application/json");
}
