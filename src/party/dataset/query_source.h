/* dataset/query_source.h: local files and SQL over them as a source, through `truce-seal-engine`.
 *
 * DuckDB reads Parquet, CSV and JSON in a child process; this end speaks its protocol
 * (party/seal_engine/seal_engine.h) over a socket. The child ends when the source is closed or this process
 * dies. It writes no files. One thread at a time. */
#pragma once

#include "base/arena.h"
#include "party/dataset/source.h"

enum { QUERY_SOURCE_MESSAGE_BYTES = 4096, QUERY_SOURCE_ROW_GROUP_ROWS = 122880 };

enum query_source_format { QUERY_SOURCE_PARQUET, QUERY_SOURCE_CSV, QUERY_SOURCE_JSON };

struct query_source_options {
    const char *program; /* path of truce-seal-engine */
    struct text sql;     /* a query over local files, or empty: then files of one format, in this order */
    const struct text *files;
    size_t file_count;
    enum query_source_format format;
    unsigned threads;        /* 0: all cores */
    uint64_t memory_mb;      /* 0: three quarters of the machine */
    const char *compression; /* NULL: "zstd"; also "snappy", "uncompressed" */
    uint64_t row_group_rows; /* 0: QUERY_SOURCE_ROW_GROUP_ROWS */
    struct source_listener listener;
};

struct query_source {
    struct source source; /* what `dataset_seal` takes */
    int socket;
    int process;
    const char *compression;
    uint64_t row_group_rows;
    /* After INVALID or UNSUPPORTED "dataset.source.refused": what the child says, in the engine's words. It
     * may quote the owner's data: for the owner's own screen, never for a log. */
    char message[QUERY_SOURCE_MESSAGE_BYTES];
};

/* Starts the child and opens the data; reading CSV, JSON or SQL happens here. The columns live in the arena.
 * UNAVAILABLE "dataset.source.program" when it cannot be started, "dataset.source.ended" when it died. The
 * source must not be moved afterwards. On failure `out->message` may be set; everything else is closed. */
fallible query_source_open(struct arena *arena, const struct query_source_options *options,
                           struct query_source *out);
void query_source_close(struct query_source *source);
#define scoped_query_source defer(query_source_close) struct query_source

/* "parquet", "csv", "json" from a file's name: .parquet .pq .csv .tsv .json .jsonl .ndjson, each also with
 * .gz except Parquet. INVALID "dataset.source.format" otherwise. */
fallible query_source_format_of(struct text file, enum query_source_format *out);
