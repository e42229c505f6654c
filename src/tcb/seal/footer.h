/* seal/footer.h: a Parquet footer for a subset of a part's columns.
 *
 * The room gives its query child a virtual file: the part's plaintext octets [0, data_end) with zeros
 * wherever a column is not granted, then this footer. The child never sees the owner's own footer, whose
 * statistics and metadata describe every column. What describes a granted column comes from its metadata
 * section, which the sealer stored apart: per row group a u32 little-endian length and a Thrift-compact
 * ColumnChunk, copied here verbatim after a check that it is exactly one Thrift struct; then a u32 zero.
 * Whether its offsets fit is not checked: they can only point into what the child is given anyway. Any
 * thread. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/reader.h"

enum {
    FOOTER_COLUMNS_MAX = 4096,
    FOOTER_GROUPS_MAX = 65536,
    FOOTER_ELEMENT_BYTES_MAX = 4096,
    FOOTER_CHUNK_BYTES_MAX = 64 * 1024,
    FOOTER_BYTES_MAX = 64 * 1024 * 1024,
};

struct footer_column {
    struct bytes element;            /* Thrift-compact SchemaElement, from the manifest */
    struct bytes untrusted_metadata; /* the decrypted metadata section */
};

/* Takes the next ColumnChunk from a metadata section: CORRUPT "footer.metadata" when it is not well formed.
 */
fallible footer_take_chunk(struct reader *section, struct bytes *out);
/* That only the section's end is left: CORRUPT "footer.metadata". */
fallible footer_end_section(const struct reader *section);

/* Appends the footer: FileMetaData, its u32 size, "PAR1". Columns appear in the order given; at least one
 * (INVALID "footer.columns"). `group_rows` are the rows of each row group, in order; none is an empty file.
 * CORRUPT "footer.metadata" or "footer.element" when a section does not have exactly one chunk per group or
 * an element is not one struct; LIMIT beyond the maxima above or that of `out`. `scratch` gives 32 octets per
 * column. On failure `out` may have grown. */
fallible footer_compose(const struct footer_column columns[], size_t column_count,
                        const uint64_t group_rows[], size_t group_count, struct arena *scratch,
                        struct buffer *out);
