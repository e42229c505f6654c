#include "host/check/check.h"

#include "contract/contract.h"
#include "contract/manifest.h"
#include "contract/run_request.h"
#include "crypto/digest.h"
#include "host/queue/queue.h"
#include "host/storage/dossier.h"
#include "host/storage/storage.h"
#include "privacy/policy.h"
#include "service/setup/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { DOCUMENT_BYTES_MAX = 64 * 1024 * 1024, NAMES_MAX = 65536, PIECE_BYTES = 65536 };

struct checking {
    struct arena *arena;
    struct storage storage;
    struct queue queue;
    int lock;
    struct host_check found;
};

static void checking_release(struct checking *checking)
{
    queue_close(&checking->queue);
    storage_close(&checking->storage);
    if (checking->lock >= 0) {
        close(checking->lock);
    }
}

static fallible corrupt(struct checking *checking, const char *why, const char *where)
{
    return (struct result){RESULT_CORRUPT, why, arena_where(checking->arena, "%s", where)};
}

/* ---- Jobs ---- */

/* Done has a result and a receipt that names the run; nothing else that has ended has either. */
static fallible check_job(struct checking *checking, const struct queue_job *job)
{
    struct storage_path result;
    struct storage_path receipt;
    TRY(storage_path_result(text_of(job->run), &result));
    TRY(storage_path_receipt(text_of(job->run), &receipt));
    bool has_both = storage_has(&checking->storage, &result) && storage_has(&checking->storage, &receipt);
    bool has_receipt = storage_has(&checking->storage, &receipt);
    bool fits = job->state == QUEUE_DONE ? has_both : job->state == QUEUE_RUNNING || !has_receipt;
    if (!fits) {
        return corrupt(checking, "check.job.receipt", job->run);
    }
    scoped_arena arena;
    scoped_buffer dossier;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    buffer_init(&dossier, DOCUMENT_BYTES_MAX);
    struct result built =
        dossier_build(&arena, &checking->storage, text_of(job->contract), text_of(job->run), &dossier);
    return result_is_ok(built) ? OK : corrupt(checking, "check.job.documents", job->run);
}

static fallible check_jobs(struct checking *checking)
{
    struct queue_job *jobs;
    TRY(queue_verify(&checking->queue));
    TRY(ARENA_ARRAY(checking->arena, struct queue_job, QUEUE_LIST_MAX, &jobs));
    TRY(queue_list(&checking->queue, "", QUEUE_LIST_MAX, jobs, &checking->found.job_count));
    for (size_t i = 0; i < checking->found.job_count; i++) {
        TRY(check_job(checking, &jobs[i]));
    }
    return OK;
}

/* ---- Documents ---- */

static fallible read_object(struct checking *checking, const struct storage_path *path, struct buffer *out)
{
    buffer_init(out, DOCUMENT_BYTES_MAX);
    struct result result = storage_get(&checking->storage, path, out);
    return result_is_ok(result) ? OK : corrupt(checking, "check.document", path->text);
}

/* The name is the digest of the payload. */
static bool is_named_by(const struct digest *digest, const char *name)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct text text;
    return result_is_ok(digest_to_text(&arena, digest, &text)) &&
           strncmp(text.data + sizeof "sha256:" - 1, name, 64) == 0;
}

static fallible check_part(struct checking *checking, const struct storage_dataset *dataset,
                           const struct manifest_part *part)
{
    struct storage_path path;
    int file;
    uint64_t size;
    TRY(storage_path_sealed(dataset, part->number, &path));
    if (!storage_has(&checking->storage, &path)) {
        return OK; /* not sent yet */
    }
    TRY(storage_read(&checking->storage, &path, &file, &size));
    scoped_arena arena;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    size_t leaf_count = (size_t)((part->size + PIECE_BYTES - 1) / PIECE_BYTES);
    struct digest *leaves;
    uint8_t piece[PIECE_BYTES];
    bool fits = size == part->size && result_is_ok(ARENA_ARRAY(&arena, struct digest, leaf_count, &leaves));
    for (size_t i = 0; fits && i < leaf_count; i++) {
        uint64_t offset = (uint64_t)i * PIECE_BYTES;
        size_t wanted = size - offset < PIECE_BYTES ? (size_t)(size - offset) : PIECE_BYTES;
        fits = pread(file, piece, wanted, (off_t)offset) == (ssize_t)wanted;
        leaves[i] = merkle_leaf((struct bytes){piece, wanted});
    }
    close(file);
    struct digest root;
    fits = fits && result_is_ok(merkle_root(&arena, leaves, leaf_count, &root)) &&
           digest_equal(&root, &part->root);
    if (!fits) {
        return corrupt(checking, "check.part", path.text);
    }
    checking->found.part_count++;
    return OK;
}

static fallible check_parts(struct checking *checking, const struct manifest *manifest)
{
    struct storage_dataset dataset;
    TRY(storage_dataset_named(manifest->dataset, manifest->version, &dataset));
    for (size_t i = 0; i < manifest->part_count; i++) {
        TRY(check_part(checking, &dataset, &manifest->parts[i]));
    }
    return OK;
}

/* A manifest or a policy under its digest. */
static fallible check_document(void *self, const char *name)
{
    struct checking *checking = self;
    struct storage_path path;
    scoped_buffer octets;
    scoped_arena arena;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    if (text_ends_with(text_of(name), TEXT(".tmp"))) {
        return corrupt(checking, "check.temporary", name);
    }
    struct result named = storage_path_document((struct text){name, strlen(name) < 64 ? 0 : 64}, &path);
    if (!result_is_ok(named)) {
        return corrupt(checking, "check.document", name);
    }
    TRY(read_object(checking, &path, &octets));
    scoped_manifest manifest = {0};
    scoped_jws policy = {0};
    bool is_manifest = result_is_ok(manifest_parse(&arena, buffer_view(&octets), &manifest));
    bool fits =
        is_manifest || result_is_ok(jws_parse(&arena, buffer_view(&octets), POLICY_TYP, NULL, &policy));
    if (!fits || !is_named_by(is_manifest ? &manifest.document.digest : &policy.digest, name)) {
        return corrupt(checking, "check.document", name);
    }
    checking->found.document_count++;
    return is_manifest ? check_parts(checking, &manifest) : OK;
}

static fallible check_contract(void *self, const char *name)
{
    struct checking *checking = self;
    struct storage_path path;
    scoped_buffer octets;
    scoped_arena arena;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    TRY(storage_path_contract(text_of(name), &path));
    if (!storage_has(&checking->storage, &path)) {
        return OK; /* its folder was made, and the host died before the rest */
    }
    TRY(read_object(checking, &path, &octets));
    scoped_contract contract = {0};
    bool fits = result_is_ok(contract_parse(&arena, buffer_view(&octets), &contract)) &&
                is_named_by(&contract.document.digest, name);
    checking->found.document_count += fits;
    return fits ? OK : corrupt(checking, "check.document", path.text);
}

static fallible check_run(void *self, const char *name)
{
    struct checking *checking = self;
    struct storage_path path;
    scoped_buffer octets;
    scoped_arena arena;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    TRY(storage_path_request(text_of(name), &path));
    if (!storage_has(&checking->storage, &path)) {
        return OK;
    }
    TRY(read_object(checking, &path, &octets));
    scoped_run_request request = {0};
    bool fits =
        result_is_ok(run_request_parse(&arena, buffer_view(&octets), &request)) && text_is(request.run, name);
    checking->found.document_count += fits;
    return fits ? OK : corrupt(checking, "check.document", path.text);
}

/* ---- All ---- */

static fallible open_all(struct checking *checking, struct text folder)
{
    struct text path;
    const char *name;
    struct queue_settings settings = {.lease_ms = 1, .attempts_max = 1, .open_max = 1};
    TRY(path_join(checking->arena, folder, "host.lock", &path));
    TRY(arena_cstring(checking->arena, path, &name));
    checking->lock = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    REQUIRE(checking->lock >= 0, NOT_FOUND, "check.folder");
    REQUIRE(flock(checking->lock, LOCK_EX | LOCK_NB) == 0, CONFLICT, "host.folder.in_use");
    TRY(path_join(checking->arena, folder, "storage", &path));
    TRY(arena_cstring(checking->arena, path, &name));
    TRY(storage_open(name, INT64_MAX, storage_disk_of_system(), &checking->storage));
    TRY(path_join(checking->arena, folder, "queue.sqlite", &path));
    TRY(arena_cstring(checking->arena, path, &name));
    return queue_open(name, &settings, &checking->queue);
}

fallible host_check(struct arena *arena, struct text folder, struct host_check *out)
{
    defer(checking_release) struct checking checking = {.arena = arena, .lock = -1};
    TRY(open_all(&checking, folder));
    TRY(check_jobs(&checking));
    TRY(storage_list(&checking.storage, "documents", NAMES_MAX, check_document, &checking));
    TRY(storage_list(&checking.storage, "contracts", NAMES_MAX, check_contract, &checking));
    TRY(storage_list(&checking.storage, "runs", NAMES_MAX, check_run, &checking));
    *out = checking.found;
    return OK;
}
