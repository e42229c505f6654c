/* Sealed parts and their leaves: as large as the manifest says, in one piece or several, judged by the
 * manifest's root. */
#include "base/encode.h"
#include "contract/manifest.h"
#include "host/storage/upload.h"
#include "host/workflow/content_range.h"
#include "host/workflow/handlers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { LEAVES_BYTES_MAX = 64 * 1024 * 1024 }; /* the largest `leaves` message */

/* A part's object, by the path of the call. */
struct part_place {
    struct storage_dataset dataset;
    uint64_t number;
    struct storage_path path;
};

static fallible place_of(const struct http_request *request, struct part_place *out)
{
    const struct text *captures = request->captures.rows;
    struct part_place place;
    TRY(storage_dataset_of(captures[0], captures[1], captures[2], &place.dataset));
    struct result result = decode_u64(captures[3], STORAGE_PART_MAX, &place.number);
    REQUIRE(result_is_ok(result), INVALID, "storage.name.part");
    bool is_sealed = request->route->tag == PART_SEALED;
    TRY(is_sealed ? storage_path_sealed(&place.dataset, place.number, &place.path)
                  : storage_path_leaves(&place.dataset, place.number, &place.path));
    *out = place;
    return OK;
}

/* What the manifest says about the object. */
struct part_expected {
    uint64_t bytes;
    struct digest root;
};

static fallible find_part(const struct manifest *manifest, uint64_t number, int tag,
                          struct part_expected *out)
{
    for (size_t i = 0; i < manifest->part_count; i++) {
        const struct manifest_part *part = &manifest->parts[i];
        if (part->number != number) {
            continue;
        }
        uint64_t leaves_bytes = part->segment_count * DIGEST_BYTES;
        REQUIRE(leaves_bytes <= LEAVES_BYTES_MAX, LIMIT, "workflow.part.too_large");
        *out = (struct part_expected){tag == PART_SEALED ? part->size : leaves_bytes, part->root};
        return OK;
    }
    return FAIL(NOT_FOUND, "workflow.part.not_in_manifest");
}

static fallible expect(struct workflow *workflow, struct http_request *request,
                       const struct part_place *place, struct part_expected *out)
{
    struct storage_path path = storage_path_manifest(&place->dataset);
    scoped_buffer octets;
    buffer_init(&octets, JWS_SIZE_MAX);
    struct result result = storage_get(workflow->storage, &path, &octets);
    REQUIRE(result.code != RESULT_NOT_FOUND, NOT_FOUND, "workflow.manifest.missing");
    TRY(result);
    scoped_manifest manifest = {0};
    TRY(manifest_parse(request->arena, buffer_view(&octets), &manifest));
    return find_part(&manifest, place->number, request->route->tag, out);
}

/* ---- PUT ---- */

struct arrival {
    struct upload upload;
    struct digest root;
    bool is_sealed;
    bool was_complete;
};

static void arrival_free(void *local)
{
    struct arrival *arrival = local;
    if (arrival != NULL) {
        upload_close(&arrival->upload);
        free(arrival);
    }
}

static fallible range_of(const struct http_request *request, uint64_t total, struct content_range *out)
{
    struct text header = http_header(request, "Content-Range");
    if (header.size == 0) {
        *out = (struct content_range){0, total, total};
        return OK;
    }
    TRY(content_range_parse(header, out));
    REQUIRE(out->total == total, INVALID, "workflow.part.size");
    return OK;
}

HANDLER(workflow_admit_part)
{
    (void)reply;
    struct workflow *workflow = self;
    struct part_place place;
    struct part_expected expected;
    struct content_range range;
    TRY(place_of(request, &place));
    TRY(expect(workflow, request, &place, &expected));
    TRY(range_of(request, expected.bytes, &range));
    uint64_t announced;
    struct text length = http_header(request, "Content-Length");
    bool is_announced = length.size > 0 && result_is_ok(decode_u64(length, INT64_MAX, &announced));
    REQUIRE(!is_announced || announced == range.count, INVALID, "workflow.part.size");
    struct arrival *arrival = calloc(1, sizeof *arrival);
    REQUIRE(arrival != NULL, NO_MEMORY, "workflow.memory");
    request->local = arrival;
    request->local_release = arrival_free;
    arrival->root = expected.root;
    arrival->is_sealed = request->route->tag == PART_SEALED;
    arrival->was_complete = storage_has(workflow->storage, &place.path);
    return upload_open(workflow->storage, &place.path, expected.bytes, range.first, range.count,
                       &arrival->upload);
}

fallible workflow_receive_part(void *self, struct http_request *request, struct bytes untrusted_piece)
{
    (void)self;
    struct arrival *arrival = request->local;
    return upload_write(&arrival->upload, untrusted_piece);
}

static fallible hash_segments(int file, uint64_t size, struct digest *leaves)
{
    uint8_t segment[MANIFEST_SEGMENT_BYTES];
    for (uint64_t offset = 0; offset < size; offset += sizeof segment) {
        size_t wanted = size - offset < sizeof segment ? (size_t)(size - offset) : sizeof segment;
        size_t done = 0;
        while (done < wanted) {
            ssize_t got = pread(file, segment + done, wanted - done, (off_t)(offset + done));
            REQUIRE(got > 0, UNAVAILABLE, "storage.disk.read");
            done += (size_t)got;
        }
        leaves[offset / sizeof segment] = merkle_leaf((struct bytes){segment, wanted});
    }
    return OK;
}

/* Says at once what the room would say later: the octets are not those that the owner signed. */
static fallible check_root(void *self, int file, uint64_t size)
{
    const struct arrival *arrival = self;
    size_t count = (size_t)(arrival->is_sealed ? (size + MANIFEST_SEGMENT_BYTES - 1) / MANIFEST_SEGMENT_BYTES
                                               : size / DIGEST_BYTES);
    scoped_arena arena;
    arena_init(&arena, 4 * (uint64_t)LEAVES_BYTES_MAX);
    struct digest *leaves;
    TRY(ARENA_ARRAY(&arena, struct digest, count, &leaves));
    if (arrival->is_sealed) {
        TRY(hash_segments(file, size, leaves));
    } else {
        REQUIRE(pread(file, leaves, size, 0) == (ssize_t)size, UNAVAILABLE, "storage.disk.read");
    }
    struct digest root;
    TRY(merkle_root(&arena, leaves, count, &root));
    REQUIRE(digest_equal(&root, &arrival->root), INVALID, "workflow.part.root");
    return OK;
}

static fallible reply_progress(struct http_request *request, struct http_reply *reply, int status,
                               uint64_t stored, uint64_t total)
{
    scoped_json *value = json_object();
    TRY(json_set_i64(value, "stored", (int64_t)stored));
    TRY(json_set_i64(value, "size", (int64_t)total));
    return reply_json(request, reply, status, value);
}

HANDLER(workflow_put_part)
{
    struct workflow *workflow = self;
    struct arrival *arrival = request->local;
    uint64_t at = arrival->upload.at;
    uint64_t total = arrival->upload.total;
    bool is_complete;
    TRY(upload_finish(&arrival->upload, check_root, arrival, &is_complete));
    if (!is_complete) {
        return reply_progress(request, reply, 202, at, total);
    }
    if (!arrival->was_complete) {
        event_part_stored(workflow->log, text_of(arrival->upload.path.text), (int64_t)total);
    }
    return reply_progress(request, reply, arrival->was_complete ? 200 : 201, total, total);
}

/* ---- GET and HEAD ---- */

static fallible add_number(struct http_request *request, struct http_reply *reply, const char *name,
                           uint64_t number)
{
    struct text text;
    TRY(arena_printf(request->arena, &text, "%" PRIu64, number));
    return reply_header(request, reply, name, text);
}

HANDLER(workflow_get_part)
{
    struct workflow *workflow = self;
    struct part_place place;
    TRY(place_of(request, &place));
    int file;
    uint64_t size;
    TRY(storage_read(workflow->storage, &place.path, &file, &size));
    bool is_range = false;
    uint64_t first = 0;
    uint64_t count = size;
    struct result result = http_range(request, size, &is_range, &first, &count);
    if (!result_is_ok(result)) {
        close(file);
        return result;
    }
    if (is_range) {
        struct text range;
        result = arena_printf(request->arena, &range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
                              first + count - 1, size);
        result = result_is_ok(result) ? reply_header(request, reply, "Content-Range", range) : result;
    }
    if (!result_is_ok(result)) {
        close(file);
        return result;
    }
    return reply_file(request, reply, is_range ? 206 : 200, "application/octet-stream", file, first, count);
}

HANDLER(workflow_head_part)
{
    struct workflow *workflow = self;
    struct part_place place;
    struct part_expected expected;
    TRY(place_of(request, &place));
    uint64_t stored;
    bool is_complete;
    TRY(upload_state(workflow->storage, &place.path, &stored, &is_complete));
    TRY(expect(workflow, request, &place, &expected));
    TRY(add_number(request, reply, "Upload-Offset", stored));
    TRY(add_number(request, reply, "Upload-Length", expected.bytes));
    return is_complete ? workflow_get_part(self, request, reply) : reply_empty(request, reply, 202);
}
