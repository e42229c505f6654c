/* dataset/parquet_schema.h: the columns of a flat Parquet schema and their types as DuckDB reads them. */
#pragma once

#include "base/arena.h"
#include "party/dataset/parquet.h"
#include "seal/thrift.h"

/* Takes the schema list of a footer: its root, then the columns. UNSUPPORTED "parquet.nested",
 * "parquet.column.type"; INVALID "parquet.schema", "parquet.column.name" (also for names that differ only in
 * case, as SQL sees them), LIMIT "parquet.columns". */
fallible parquet_take_schema(struct arena *arena, struct reader *list, uint32_t count,
                             struct parquet_column **out, size_t *out_count);
