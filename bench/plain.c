/* bench/plain: plain DuckDB 1.5.6, the peer of the room.
 *
 *   bench-plain THREADS MEMORY_MB
 *
 * Reads names of SQL files, one per line. Each file is run in a process of its own, forked from this one with
 * the library loaded, as the room's engine is: it opens an engine with the room's settings, runs the
 * statements (separated by lines of "--") and fetches every row of the last one. Prints one JSON object per
 * file: seconds from the fork to the last row, processor seconds of the process, rows. */
#include "query/duckdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench-plain: %s: %s\n", what, why == NULL ? "" : why);
    _exit(1);
}

static duckdb_connection engine_open(const char *threads, const char *memory)
{
    duckdb_config config = NULL;
    duckdb_database database;
    duckdb_connection connection;
    char limit[32];
    char *error = NULL;
    snprintf(limit, sizeof limit, "%sMB", memory);
    if (duckdb_create_config(&config) != DuckDBSuccess ||
        duckdb_set_config(config, "threads", threads) != DuckDBSuccess ||
        duckdb_set_config(config, "memory_limit", limit) != DuckDBSuccess ||
        duckdb_set_config(config, "preserve_insertion_order", "false") != DuckDBSuccess ||
        duckdb_open_ext(NULL, &database, config, &error) != DuckDBSuccess ||
        duckdb_connect(database, &connection) != DuckDBSuccess) {
        fail("open", error);
    }
    return connection;
}

static idx_t run_statement(duckdb_connection connection, const char *statement)
{
    duckdb_prepared_statement prepared = NULL;
    duckdb_result result;
    idx_t rows = 0;
    if (duckdb_prepare(connection, statement, &prepared) != DuckDBSuccess) {
        fail(statement, duckdb_prepare_error(prepared));
    }
    if (duckdb_execute_prepared(prepared, &result) != DuckDBSuccess) {
        fail(statement, duckdb_result_error(&result));
    }
    for (;;) {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL) {
            break;
        }
        rows += duckdb_data_chunk_get_size(chunk);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&prepared);
    return rows;
}

static char *file_text(const char *path)
{
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail(path, "cannot be read");
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static _Noreturn void run_file(char **arguments, char *text, int report)
{
    duckdb_connection connection = engine_open(arguments[1], arguments[2]);
    idx_t rows = 0;
    for (char *next = text; next != NULL;) {
        char *statement = next;
        next = strstr(statement, "\n--\n");
        if (next != NULL) {
            *next = '\0';
            next += 4;
        }
        rows = run_statement(connection, statement);
    }
    if (write(report, &rows, sizeof rows) != sizeof rows) {
        _exit(1);
    }
    _exit(0);
}

int main(int count, char **arguments)
{
    char path[4096];
    if (count != 3) {
        return 2;
    }
    while (fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        char *text = file_text(path);
        int pair[2];
        idx_t rows = 0;
        struct rusage usage;
        int status;
        if (pipe(pair) != 0) {
            return 1;
        }
        double start = now_s();
        pid_t pid = fork();
        if (pid == 0) {
            run_file(arguments, text, pair[1]);
        }
        close(pair[1]);
        ssize_t got = read(pair[0], &rows, sizeof rows);
        double seconds = now_s() - start;
        close(pair[0]);
        wait4(pid, &status, 0, &usage);
        if (got != sizeof rows || status != 0) {
            return 1;
        }
        printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"rows\":%llu,\"peak_kb\":%ld}\n", seconds,
               (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
               (unsigned long long)rows, usage.ru_maxrss);
        fflush(stdout);
    }
    return 0;
}
