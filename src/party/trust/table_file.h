/* party/trust/table_file.h: an opened result in the form that its recipient wants.
 *
 * csv is what the room wrote; jsonl is made here; parquet by truce-seal-engine, which is handed the text in
 * memory, so that no plaintext lands in a temporary file. UNSUPPORTED "result.format.arrow": pyarrow and
 * DuckDB read the CSV or Parquet. */
#pragma once

#include "privacy/result_frame.h"

fallible table_file_convert(struct arena *arena, const struct result_frame *frame, const char *format,
                            const char *seal_engine, struct buffer *out);

/* One JSON object per row; numbers and texts by the schema. For tests. INVALID "result.csv". */
fallible table_file_json_lines(struct arena *arena, const struct result_frame *frame, struct buffer *out);
