#include "contract/manifest.h"

#include "seal/part.h"

#include <stdlib.h>

uint64_t manifest_segments_of(uint64_t plain_size)
{
    return stream_segment_count(plain_size);
}

uint64_t manifest_sealed_size(uint64_t plain_size)
{
    return stream_sealed_size(plain_size);
}

fallible manifest_data_root(struct arena *arena, const struct manifest_part parts[], size_t count,
                            struct digest *out)
{
    struct digest *roots;
    TRY(ARENA_ARRAY(arena, struct digest, count, &roots));
    for (size_t i = 0; i < count; i++) {
        roots[i] = parts[i].root;
    }
    return part_data_root(arena, roots, count, out);
}

static int compare_offsets(const void *left, const void *right)
{
    uint64_t a = ((const struct manifest_range *)left)->offset;
    uint64_t b = ((const struct manifest_range *)right)->offset;
    return a < b ? -1 : a > b;
}

/* Sorts and joins ranges that touch or, because a column was named twice, coincide. */
static size_t join(struct manifest_range *ranges, size_t count)
{
    if (count == 0) {
        return 0;
    }
    qsort(ranges, count, sizeof *ranges, compare_offsets);
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        uint64_t end = ranges[last].offset + ranges[last].size;
        uint64_t until = ranges[i].offset + ranges[i].size;
        if (ranges[i].offset > end) {
            ranges[++last] = ranges[i];
        } else if (until > end) {
            ranges[last].size = until - ranges[last].offset;
        }
    }
    return last + 1;
}

fallible manifest_ranges(struct arena *arena, const struct manifest *manifest, size_t part,
                         const size_t granted[], size_t granted_count, enum manifest_cover cover,
                         struct manifest_range **out, size_t *out_count)
{
    REQUIRE(part < manifest->part_count, NOT_FOUND, "manifest.part.unknown");
    const struct manifest_part *from = &manifest->parts[part];
    REQUIRE(granted_count <= MANIFEST_COLUMNS_MAX, LIMIT, "manifest.columns.count");
    struct manifest_range *ranges;
    TRY(ARENA_ARRAY(arena, struct manifest_range, granted_count * (from->group_count + 1), &ranges));
    size_t count = 0;
    for (size_t i = 0; i < granted_count; i++) {
        REQUIRE(granted[i] < manifest->column_count, NOT_FOUND, "manifest.column.unknown");
        const struct manifest_part_column *column = &from->columns[granted[i]];
        for (size_t g = 0; (cover & MANIFEST_PAGES) != 0 && g < from->group_count; g++) {
            ranges[count++] = column->chunks[g];
        }
        if ((cover & MANIFEST_META) != 0) {
            ranges[count++] = column->meta;
        }
    }
    *out_count = join(ranges, count);
    *out = ranges;
    return OK;
}

/* Counts the segments and, where `out` is not NULL, writes them. Ranges ascend, so segments do. */
static size_t cover_segments(const struct manifest_range ranges[], size_t range_count, uint64_t *out)
{
    size_t count = 0;
    uint64_t next = 0; /* the lowest segment not yet taken */
    for (size_t i = 0; i < range_count; i++) {
        uint64_t first = stream_segment_holding(ranges[i].offset);
        uint64_t last = stream_segment_holding(ranges[i].offset + ranges[i].size - 1);
        for (uint64_t segment = first > next ? first : next; segment <= last; segment++) {
            if (out != NULL) {
                out[count] = segment;
            }
            count++;
        }
        next = last + 1 > next ? last + 1 : next;
    }
    return count;
}

fallible manifest_segments(struct arena *arena, const struct manifest_part *part,
                           const struct manifest_range ranges[], size_t range_count, uint64_t **out,
                           size_t *out_count)
{
    for (size_t i = 0; i < range_count; i++) {
        REQUIRE(ranges[i].size >= 1 && ranges[i].offset < part->plain_size &&
                    ranges[i].size <= part->plain_size - ranges[i].offset,
                INVALID, "manifest.range.outside");
    }
    size_t count = cover_segments(ranges, range_count, NULL);
    uint64_t *segments;
    TRY(ARENA_ARRAY(arena, uint64_t, count, &segments));
    *out_count = cover_segments(ranges, range_count, segments);
    *out = segments;
    return OK;
}
