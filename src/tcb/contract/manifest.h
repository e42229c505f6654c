/* contract/manifest.h: what a sealed dataset is: schema, parts, byte ranges, roots. Formats §1.3.
 *
 * Parsing checks everything that can be checked without the data: a manifest that parses is consistent in
 * itself. It says nothing about who signed it (`manifest_verify`) or whether the parts exist. The functions
 * for ranges and segments decide which octets a grant covers; the room serves those and pulls these. One
 * arena per parse; any thread. */
#pragma once

#include "column/column_type.h"
#include "privacy/document.h"
#include "seal/stream.h"

enum {
    MANIFEST_COLUMNS_MAX = 1024,
    MANIFEST_PARTS_MAX = 65536,
    MANIFEST_GROUPS_MAX = 65536, /* in one part */
    MANIFEST_ELEMENT_BYTES_MAX = 4096,
    MANIFEST_SEGMENT_BYTES = STREAM_SEGMENT_BYTES,
    MANIFEST_MAGIC_BYTES = 4, /* PAR1 */
};
#define MANIFEST_ROWS_MAX ((uint64_t)1 << 48)
#define MANIFEST_BYTES_MAX STREAM_PLAIN_BYTES_MAX
#define MANIFEST_TYP "truce-manifest+jws"

struct manifest_range {
    uint64_t offset; /* in the plaintext of a part */
    uint64_t size;
};

struct manifest_column {
    struct text name;
    struct column_type type;
    struct bytes element; /* Thrift-compact SchemaElement */
};

struct manifest_part_column {
    struct manifest_range *chunks; /* one per row group, ascending */
    struct manifest_range meta;
};

struct manifest_part {
    uint64_t number;
    uint64_t size;
    uint64_t plain_size;
    uint64_t segment_count;
    struct digest root;
    uint64_t rows;
    uint64_t data_end;
    uint64_t *group_rows;
    size_t group_count;
    struct manifest_part_column *columns;
    size_t column_count; /* the manifest's */
};

struct manifest {
    struct jws document;
    struct text dataset;
    uint64_t version;
    struct text owner;
    int64_t created;
    struct digest key_commitment;
    struct digest policy;
    struct digest data;
    uint64_t rows;
    struct manifest_column *columns;
    size_t column_count;
    struct manifest_part *parts;
    size_t part_count;
};

/* Texts live as long as the manifest. INVALID with the member in `where`; the inconsistencies are
 * "manifest.part.size", "manifest.range.outside", "manifest.range.overlap", "manifest.range.order",
 * "manifest.rows", "manifest.data" and so on. */
extern const struct document_kind manifest_kind;
fallible manifest_parse(struct arena *arena, struct bytes untrusted_bytes, struct manifest *out);
DOCUMENT_RECORD(manifest)
#define scoped_manifest defer(manifest_release) struct manifest

/* The payload for `jws_sign` with MANIFEST_TYP. `data` is computed from the parts' roots here, the member of
 * the struct is not looked at. */
fallible manifest_build(const struct manifest *manifest, json_t **out);

/* That the owner's key alone signed it. */
fallible manifest_verify(const struct manifest *manifest, const struct key *owner_key);

/* The ciphertext's segments and size for a plaintext: seal/stream.h's arithmetic. */
uint64_t manifest_segments_of(uint64_t plain_size);
uint64_t manifest_sealed_size(uint64_t plain_size);
/* The root that pins the data: over RFC 6962's leaf hash of each part's root. */
fallible manifest_data_root(struct arena *arena, const struct manifest_part parts[], size_t count,
                            struct digest *out);

/* What a contract pins of data that is refreshed: SHA-256 of the canonical [{"name","type"},…]. */
fallible manifest_schema_digest(struct arena *arena, const struct manifest *manifest, struct digest *out);

/* The index of a column: NOT_FOUND "manifest.column.unknown". */
fallible manifest_find_column(const struct manifest *manifest, struct text name, size_t *out_index);

/* What of a column to cover: the pages of its row groups, its metadata section, or both. */
enum manifest_cover { MANIFEST_PAGES = 1, MANIFEST_META = 2, MANIFEST_PAGES_AND_META = 3 };

/* The plaintext ranges of the columns `granted[0..granted_count)` (indexes, any order, repeats harmless) in
 * one part: ascending, disjoint, neighbours joined. */
fallible manifest_ranges(struct arena *arena, const struct manifest *manifest, size_t part,
                         const size_t granted[], size_t granted_count, enum manifest_cover cover,
                         struct manifest_range **out, size_t *out_count);

/* The numbers of the ciphertext segments that cover the ranges, ascending, each once. `ranges` as
 * `manifest_ranges` gives them. A function of the manifest and the columns alone. */
fallible manifest_segments(struct arena *arena, const struct manifest_part *part,
                           const struct manifest_range ranges[], size_t range_count, uint64_t **out,
                           size_t *out_count);
