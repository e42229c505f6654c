/* query/query_test_harness.h: for tests: a small room and a small party around the real `truce-query`.
 *
 * The programs' paths come from TRUCE_QUERY, TRUCE_SEAL_ENGINE and TRUCE_TEMPLATE_ENGINE. Every failure of
 * the harness itself fails the test. */
#pragma once

#include "base/json.h"
#include "edge/query_wire.h"
#include "query/spawner.h"

#include <pthread.h>

/* A party's reader: `truce-seal-engine`, on a stream. */
struct harness_party {
    int stream;
    pid_t pid;
};

void harness_party_start(struct harness_party *party);
void harness_party_stop(struct harness_party *party);
/* Sends a request and gives the kind and JSON of the answer; D frames go to `data` (may be NULL). */
uint8_t harness_party_ask(struct harness_party *party, const char *request, struct buffer *data,
                          json_t **out_answer);

/* One dataset in memory: parts as plain Parquet. */
enum { HARNESS_PARTS_MAX = 8, HARNESS_DATASETS_MAX = 4, HARNESS_PART_SEGMENTS = 4096 };
struct harness_dataset {
    struct buffer parts[HARNESS_PARTS_MAX];
    uint32_t part_count;
};

/* Opens `source` (the JSON of an open request's source) and cuts it into parts of `part_rows`. */
void harness_dataset_make(struct harness_dataset *dataset, const char *source, uint64_t part_rows);
void harness_dataset_release(struct harness_dataset *dataset);

/* Where a part lies in the window: what a request's `first` must say. */
uint64_t harness_part_first(size_t dataset, size_t part);

struct harness_room {
    struct spawner spawner;
    struct harness_dataset *datasets[HARNESS_DATASETS_MAX];
    int read_socket;
    int window;
    _Atomic uint32_t *states;
    pthread_t server;
    uint64_t octets_served;
    uint64_t reads_served;
    uint64_t refuse_from; /* from this wish on its segments are refused; 0: never */
};

void harness_room_start(struct harness_room *room);
void harness_room_stop(struct harness_room *room);

/* A finished run: the kind of the last frame (0 if the stream ended without one) and the cells before it. */
struct harness_run {
    uint8_t last;
    struct buffer cells;
    int status;
};

/* Runs `request` (JSON of §7), kills after `deadline_ms`. */
void harness_run(struct harness_room *room, const char *request, int deadline_ms, struct harness_run *out);
/* The same for a vetting request; the answer's JSON is NULL where there was none. */
uint8_t harness_vet(struct harness_room *room, const char *request, json_t **out_answer);

/* Asks the party's template engine to complete the text of a vetting request: the kind and JSON of its
 * answer.
 */
uint8_t harness_complete(const char *request, json_t **out_answer);

/* The cells as CSV-like text, `columns` in a row, DECIMALs unscaled: for comparing. */
char *harness_cells_text(const struct harness_run *run, size_t columns);
