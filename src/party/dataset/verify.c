#include "party/dataset/verify.h"

#include "party/dataset/data_key.h"
#include "party/dataset/part_check.h"
#include "party/dataset/part_writer.h"
#include "party/dataset/publish.h"
#include "seal/part.h"

#include <unistd.h>

/* Policy and manifest name each other: the policy's digest, the data's root, the dataset. */
static fallible check_pair(const struct dataset_documents *documents)
{
    const struct manifest *manifest = &documents->manifest;
    const struct policy *policy = &documents->policy;
    bool same = digest_equal(&manifest->policy, &policy->document.digest) &&
                (!policy->has_data || digest_equal(&manifest->data, &policy->data)) &&
                text_equal(manifest->dataset, policy->dataset) && text_equal(manifest->owner, policy->owner);
    REQUIRE(same, UNTRUSTED, "dataset.policy.other");
    return OK;
}

static fallible load(struct arena *arena, const struct folder *folder, struct dataset_documents *out)
{
    struct bytes manifest, policy;
    TRY(folder_read(arena, folder, DATASET_MANIFEST_FILE, JWS_SIZE_MAX, &manifest));
    TRY(folder_read(arena, folder, DATASET_POLICY_FILE, JWS_SIZE_MAX, &policy));
    scoped_dataset_documents documents = {0};
    TRY(manifest_parse(arena, manifest, &documents.manifest));
    TRY(policy_parse(arena, policy, &documents.policy));
    TRY(check_pair(&documents));
    *out = documents;
    documents = (struct dataset_documents){0};
    return OK;
}

void dataset_documents_release(struct dataset_documents *documents)
{
    manifest_release(&documents->manifest);
    policy_release(&documents->policy);
}

fallible dataset_load(struct arena *arena, const char *path, struct dataset_documents *out)
{
    scoped_folder folder = FOLDER_CLOSED;
    TRY(folder_open(path, false, &folder));
    return load(arena, &folder, out);
}

fallible dataset_open_key(const char *path, const struct manifest *manifest, const struct secret *storage_key,
                          struct secret *out)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    scoped_folder folder = FOLDER_CLOSED;
    scoped_secret key = {0};
    TRY(folder_open(path, false, &folder));
    TRY(data_key_open(&folder, manifest->dataset, manifest->version, storage_key, &key));
    TRY(part_check_key(&arena, &key, manifest->dataset, manifest->version, &manifest->key_commitment));
    secret_move(&key, out);
    return OK;
}

static uint64_t size_of_all(const struct manifest *manifest)
{
    uint64_t size = 0;
    for (size_t i = 0; i < manifest->part_count; i++) {
        size += manifest->parts[i].size;
    }
    return size;
}

static unsigned choose_threads(unsigned wanted)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = wanted > 0 ? wanted : cores > 0 ? (unsigned)cores : 1;
    return threads < PART_WRITER_THREADS_MAX ? threads : PART_WRITER_THREADS_MAX;
}

static fallible check_parts(struct arena *arena, const struct dataset_verify_options *options,
                            const struct folder *folder, const struct manifest *manifest)
{
    struct dataset_progress progress = {DATASET_VERIFYING, 0, size_of_all(manifest), 0, manifest->part_count};
    for (size_t i = 0; i < manifest->part_count; i++) {
        progress.part = i;
        struct part_check check = {.folder = folder,
                                   .manifest = manifest,
                                   .part = &manifest->parts[i],
                                   .data_key = options->data_key,
                                   .threads = choose_threads(options->threads),
                                   .listener = &options->listener,
                                   .progress = progress};
        struct result result = part_check(&check);
        if (!result_is_ok(result)) {
            result.where = arena_where(arena, "part %zu", i);
            return result;
        }
        progress.done += manifest->parts[i].size;
    }
    progress.part = manifest->part_count;
    dataset_tell(&options->listener, progress);
    return OK;
}

static fallible check_signatures(const struct key *owner_key, const struct dataset_documents *documents)
{
    TRY(manifest_verify(&documents->manifest, owner_key));
    return policy_verify(&documents->policy, owner_key);
}

fallible dataset_verify(struct arena *arena, const struct dataset_verify_options *options,
                        struct dataset_verified *out)
{
    scoped_folder folder = FOLDER_CLOSED;
    scoped_dataset_documents documents = {0};
    TRY(folder_open(options->folder, false, &folder));
    TRY(load(arena, &folder, &documents));
    const struct manifest *manifest = &documents.manifest;
    if (options->owner_key != NULL) {
        TRY(check_signatures(options->owner_key, &documents));
    }
    if (options->data_key != NULL) {
        TRY(part_check_key(arena, options->data_key, manifest->dataset, manifest->version,
                           &manifest->key_commitment));
    }
    TRY(check_parts(arena, options, &folder, manifest));
    *out = (struct dataset_verified){
        .manifest = manifest->document.digest,
        .policy = documents.policy.document.digest,
        .data = manifest->data,
        .signatures_checked = options->owner_key != NULL,
        .contents_checked = options->data_key != NULL,
        .part_count = manifest->part_count,
        .rows = manifest->rows,
        .size = size_of_all(manifest),
    };
    return OK;
}
