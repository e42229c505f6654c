/* party/seal_engine/seal_engine.h: `truce-seal-engine`, a party's reader of its own local files.
 *
 * `truce dataset seal` starts it with a stream socket on descriptor 3 and talks in the frames of
 * edge/query_wire.h (u32 size, u8 kind, payload). Requests are JSON in frames of kind `J`; it serves one at a
 * time until the socket ends. It has no sandbox, because it reads what its own user may read, but no network
 * and no extensions; and it writes no file: Parquet octets go over the socket, nothing spills to disk.
 *
 *   {"op":"open","source":{"sql":TEXT} | {"files":[PATH,…],"format":"parquet"|"csv"|"json"},
 *    "threads"?:n,"memory_mb"?:n}
 *      -> S {"columns":[{"name","type"},…],"rows":n}
 *      Reads the source. An SQL query, CSV and JSON are materialised in memory, in the order in which they
 *      give their rows; Parquet files are read where they lie, in the order given. Types are those of
 *      doc/formats.md §1.3: HUGEINT becomes DECIMAL(38,0), which Parquet can hold, an ENUM becomes VARCHAR,
 *      other precisions of TIMESTAMP become TIMESTAMP. A nested or other type is refused by the column's
 * name.
 *   {"op":"part","first":row,"count":rows,"row_group_rows":n,"compression":"zstd"|"snappy"|"uncompressed"}
 *      -> D … D, E {"rows":n,"hash":TEXT,"size":octets}
 *      Writes these rows, in order, as one Parquet file; D frames are its octets in order.
 *   {"op":"check","first":row,"count":rows}
 *      -> E {"rows":n,"hash":TEXT}
 *      The same hash without writing: 16 hex digits that depend on every value and on the order of the rows.
 * It tells an interrupted sealing whether the source is still the same; it is no protection against malice.
 *
 * Any of them may answer R {"why","message"} instead; after a refused `part`, D frames already sent are void.
 * `message` may hold the engine's own words: it stays on the party's machine. While `open` and `part`
 * compute, P {"percent":n} frames may come before any other. */
#pragma once

enum unsealed_frame {
    SEAL_ENGINE_FRAME_REQUEST = 'J',
    SEAL_ENGINE_FRAME_SCHEMA = 'S',
    SEAL_ENGINE_FRAME_DATA = 'D',
    SEAL_ENGINE_FRAME_END = 'E',
    SEAL_ENGINE_FRAME_REFUSED = 'R',
    SEAL_ENGINE_FRAME_PROGRESS = 'P',
};

/* Serves `stream` until its end; gives the exit status of the program. */
int seal_engine_serve(int stream);
