"""Makes the Parquet files in this folder with DuckDB 1.5.6 for Python: python3 make.py FOLDER"""
import pathlib
import sys

import duckdb

TYPES = {
    "a_boolean": "BOOLEAN", "a_tinyint": "TINYINT", "a_smallint": "SMALLINT", "an_integer": "INTEGER",
    "a_bigint": "BIGINT", "a_utinyint": "UTINYINT", "a_usmallint": "USMALLINT", "a_uinteger": "UINTEGER",
    "a_ubigint": "UBIGINT", "a_float": "FLOAT", "a_double": "DOUBLE", "a_small_decimal": "DECIMAL(4,1)",
    "a_decimal": "DECIMAL(18,3)", "a_wide_decimal": "DECIMAL(38,10)", "a_date": "DATE", "a_time": "TIME",
    "a_timestamp": "TIMESTAMP", "a_varchar": "VARCHAR", "a_blob": "BLOB", "a_uuid": "UUID",
}


def main(folder):
    run = duckdb.connect().execute

    def copy(name, query, options=""):
        run(f"COPY ({query}) TO '{folder / name}' (FORMAT parquet{options})")

    copy("types.parquet", "SELECT " + ", ".join(f'NULL::{t} AS "{n}"' for n, t in TYPES.items()) + " FROM range(3)")
    copy("groups.parquet",
         "SELECT i::INTEGER AS id, 'city ' || (i % 7) AS city, (i * 1.25)::DECIMAL(9,2) AS paid, "
         "CASE WHEN i % 5 = 0 THEN NULL ELSE 'secret ' || i END AS note FROM range(5000) t(i)",
         ", ROW_GROUP_SIZE 2048")
    copy("empty.parquet", "SELECT 1::INTEGER AS id, 'x' AS name WHERE false")
    copy("nested.parquet", "SELECT [1, 2] AS list")
    copy("struct.parquet", "SELECT {'a': 1} AS pair")
    copy("zoned.parquet", "SELECT TIMESTAMPTZ '2001-01-01 00:00:00+00' AS at")
    copy("nanos.parquet", "SELECT NULL::TIMESTAMP_NS AS at")
    copy("json.parquet", "SELECT NULL::JSON AS document")
    run("SET force_mbedtls_unsafe = 'true'")
    run("PRAGMA add_parquet_key('key', '0123456789112345')")
    copy("encrypted.parquet", "SELECT 1 AS id", ", ENCRYPTION_CONFIG {footer_key: 'key'}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
