// The peer: plain DuckDB on the plaintext, running the very same rewritten SQL. Its result goes to OUT as DuckDB itself writes
// CSV; the seconds of the query alone go to standard output.
//   node plain.mjs DATA_FOLDER CLAIMS_SQL EXECUTED_SQL OUT
import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';

const [data, claims, executed, out] = process.argv.slice(2);
process.chdir(data);
const connection = await (await DuckDBInstance.create(':memory:')).connect();
await connection.run("CREATE VIEW flights AS SELECT * FROM 'flights-3m.parquet'");
await connection.run("CREATE VIEW airports AS SELECT * FROM read_csv('airports.csv')");
await connection.run(`CREATE TABLE claims AS ${readFileSync(claims, 'utf8')}`);
const start = process.hrtime.bigint();
await connection.run(`COPY (${readFileSync(executed, 'utf8')}) TO '${out}' (FORMAT csv, HEADER)`);
console.log((Number(process.hrtime.bigint() - start) / 1e9).toFixed(3));
