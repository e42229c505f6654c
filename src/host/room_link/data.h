/* room_link/data.h: what a room asks of storage: leaves and segments of a sealed part. */
#pragma once

#include "base/json.h"
#include "host/storage/storage.h"

enum { DATA_SEGMENT_BYTES = 65536, DATA_SEGMENTS_MAX = 64 };

/* A judged request. Texts are borrowed from `object`, which it owns. */
struct data_request {
    json_t *object;
    struct storage_dataset dataset;
    uint64_t part;
    uint64_t first; /* segments only */
    uint64_t count;
};

void data_request_release(struct data_request *request);
#define scoped_data_request defer(data_request_release) struct data_request

/* The payload of `leaves_request` or, with `segments`, of `segments_request`. INVALID for any other form:
 * then the room breaks the protocol. */
fallible data_request_parse(struct bytes untrusted_payload, bool segments, struct data_request *out);

/* Appends the octets. NOT_FOUND "storage.object.missing", INVALID "storage.object.range" behind the end. The
 * last segments may be fewer than asked for; the last one may be short. */
fallible data_leaves(const struct storage *storage, const struct data_request *request, struct buffer *out);
fallible data_segments(const struct storage *storage, const struct data_request *request, struct buffer *out);

/* "dataset=bureau/flights version=1 part=0 first=0 count=64", for the trace. */
fallible data_request_text(struct arena *arena, const struct data_request *request, struct text *out);
