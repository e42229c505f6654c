/* dataset/parquet.h: reads the footer of a Parquet file, to take it apart.
 *
 * The sealer must know where each column's octets lie, so that a grant can be enforced by range, and it must
 * store what describes a column apart from the others. This parser takes a footer (Thrift compact
 * FileMetaData) as untrusted input and gives the columns, the row groups and, per column and row group, the
 * byte range and a normalised ColumnChunk: page offsets, sizes, encodings and statistics stay; bloom filters,
 * page indexes, key-value metadata and size statistics, which would point to octets that the room does not
 * keep or say more than needed, go. Flat schemas only; every range lies inside the file, none overlaps
 * another, and those of a column ascend. It reads no pages. Any thread. */
#pragma once

#include "base/arena.h"
#include "column/column_type.h"

enum {
    PARQUET_MAGIC_BYTES = 4,
    PARQUET_TAIL_BYTES = 8, /* u32 footer size, "PAR1" */
    PARQUET_FOOTER_BYTES_MAX = 16 * 1024 * 1024,
    PARQUET_COLUMNS_MAX = 1024,
    PARQUET_GROUPS_MAX = 65536,
};

struct parquet_column {
    struct text name;
    struct column_type type; /* as DuckDB reads it back */
    struct bytes element;    /* Thrift-compact SchemaElement */
};

struct parquet_chunk {
    uint64_t offset;
    uint64_t size;
    struct bytes octets; /* Thrift-compact ColumnChunk, normalised */
};

struct parquet_file {
    struct parquet_column *columns;
    size_t column_count;
    uint64_t *group_rows;
    size_t group_count;
    struct parquet_chunk *chunks; /* [group * column_count + column] */
    uint64_t rows;
    uint64_t data_end; /* where the last chunk ends, at least PARQUET_MAGIC_BYTES */
};

/* The size of the footer from the last eight octets of a file. INVALID "parquet.magic" for another file,
 * UNSUPPORTED "parquet.encrypted", LIMIT "parquet.footer.size" above PARQUET_FOOTER_BYTES_MAX. */
fallible parquet_footer_size(struct bytes untrusted_tail, uint64_t *out);

/* Takes the FileMetaData octets of a file whose footer begins at `footer_offset`. Texts and octets are in the
 * arena or views of `untrusted_footer`. INVALID "parquet.…" for inconsistent and CORRUPT "thrift.…" for
 * malformed input; UNSUPPORTED "parquet.nested", "parquet.encrypted", "parquet.column.type" (where = the
 * column), "parquet.chunk.elsewhere". */
fallible parquet_read(struct arena *arena, struct bytes untrusted_footer, uint64_t footer_offset,
                      struct parquet_file *out);

/* One normalised ColumnChunk again: where its pages lie and how many values it claims. For verification
 * against the manifest's ranges. `untrusted_chunk` must be exactly one struct. */
struct parquet_chunk_claim {
    struct text column;
    uint64_t offset;
    uint64_t size;
    uint64_t values;
};
fallible parquet_read_chunk(struct bytes untrusted_chunk, struct parquet_chunk_claim *out);
