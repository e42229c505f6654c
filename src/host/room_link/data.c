#include "host/room_link/data.h"

#include <inttypes.h>
#include <unistd.h>

void data_request_release(struct data_request *request)
{
    json_release(&request->object);
}

static fallible parse(struct bytes untrusted_payload, bool segments, struct data_request *out)
{
    static const char *const leaves_members[] = {"dataset", "version", "part", NULL};
    static const char *const segments_members[] = {"dataset", "version", "part", "first", "count", NULL};
    scoped_arena arena;
    arena_init(&arena, 4096);
    TRY(json_decode(untrusted_payload, &out->object));
    TRY(json_only(&arena, out->object, segments ? segments_members : leaves_members));
    struct text dataset;
    uint64_t version;
    TRY(json_get_text(out->object, "dataset", &dataset));
    TRY(json_get_u64(out->object, "version", INT64_MAX, &version));
    TRY(storage_dataset_named(dataset, version, &out->dataset));
    TRY(json_get_u64(out->object, "part", STORAGE_PART_MAX, &out->part));
    if (segments) {
        TRY(json_get_u64(out->object, "first", (uint64_t)1 << 40, &out->first));
        TRY(json_get_u64(out->object, "count", DATA_SEGMENTS_MAX, &out->count));
        REQUIRE(out->count > 0, INVALID, "room.request.count");
    }
    return OK;
}

fallible data_request_parse(struct bytes untrusted_payload, bool segments, struct data_request *out)
{
    struct data_request request = {0};
    struct result result = parse(untrusted_payload, segments, &request);
    if (!result_is_ok(result)) {
        data_request_release(&request);
        return (struct result){RESULT_INVALID, result.why, NULL};
    }
    *out = request;
    return OK;
}

fallible data_leaves(const struct storage *storage, const struct data_request *request, struct buffer *out)
{
    struct storage_path path;
    TRY(storage_path_leaves(&request->dataset, request->part, &path));
    return storage_get(storage, &path, out);
}

fallible data_segments(const struct storage *storage, const struct data_request *request, struct buffer *out)
{
    struct storage_path path;
    TRY(storage_path_sealed(&request->dataset, request->part, &path));
    int file;
    uint64_t size;
    TRY(storage_read(storage, &path, &file, &size));
    close(file);
    uint64_t offset = request->first * DATA_SEGMENT_BYTES;
    uint64_t wanted = request->count * DATA_SEGMENT_BYTES;
    REQUIRE(offset < size, INVALID, "storage.object.range");
    return storage_get_range(storage, &path, offset, wanted < size - offset ? wanted : size - offset, out);
}

fallible data_request_text(struct arena *arena, const struct data_request *request, struct text *out)
{
    struct text dataset;
    TRY(arena_printf(arena, &dataset, "dataset=%.*s/%.*s version=%" PRIu64 " part=%" PRIu64,
                     TEXT_ARGS(request->dataset.owner), TEXT_ARGS(request->dataset.name),
                     request->dataset.version, request->part));
    if (request->count == 0) {
        *out = dataset;
        return OK;
    }
    return arena_printf(arena, out, "%.*s first=%" PRIu64 " count=%" PRIu64, TEXT_ARGS(dataset),
                        request->first, request->count);
}
