#include "query/query_test_harness.h"

#include "party/seal_engine/seal_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_path(const char *variable)
{
    const char *path = getenv(variable);
    assert_non_null(path);
    return path;
}

#define harness_ok(call)                                                                                     \
    do {                                                                                                     \
        struct result harness_result_ = (call);                                                              \
        if (!result_is_ok(harness_result_)) {                                                                \
            fail_msg("%s:%d: %s", __FILE__, __LINE__, harness_result_.why);                                  \
        }                                                                                                    \
    } while (0)

/* A program of a party, with a stream on its descriptor 3. */
static void program_start(const char *variable, const char *name, struct harness_party *party)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    party->pid = fork();
    if (party->pid == 0) {
        char *const arguments[] = {(char *)(uintptr_t)name, NULL};
        char *const environment[] = {NULL};
        if (pair[1] == 3) {
            pair[1] = dup(pair[1]);
        }
        dup2(pair[1], 3);
        execve(program_path(variable), arguments, environment);
        _exit(126);
    }
    close(pair[1]);
    party->stream = pair[0];
}

void harness_party_start(struct harness_party *party)
{
    program_start("TRUCE_SEAL_ENGINE", "truce-seal-engine", party);
}

void harness_party_stop(struct harness_party *party)
{
    int status;
    close(party->stream);
    assert_int_equal(waitpid(party->pid, &status, 0), party->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

uint8_t harness_party_ask(struct harness_party *party, const char *request, struct buffer *data,
                          json_t **out_answer)
{
    scoped_buffer payload;
    buffer_init(&payload, 8 << 20);
    uint8_t kind = 0;
    harness_ok(query_frame_send(party->stream, SEAL_ENGINE_FRAME_REQUEST, bytes_of_text(text_of(request))));
    for (;;) {
        harness_ok(query_frame_receive(party->stream, &payload, &kind));
        if (kind == SEAL_ENGINE_FRAME_DATA) {
            if (data != NULL) {
                harness_ok(buffer_add(data, buffer_view(&payload)));
            }
        } else if (kind != SEAL_ENGINE_FRAME_PROGRESS) {
            break;
        }
    }
    harness_ok(json_decode(buffer_view(&payload), out_answer));
    return kind;
}

void harness_dataset_make(struct harness_dataset *dataset, const char *source, uint64_t part_rows)
{
    struct harness_party party;
    char request[16384];
    scoped_json *answer = NULL;
    uint64_t rows = 0;
    memset(dataset, 0, sizeof *dataset);
    harness_party_start(&party);
    snprintf(request, sizeof request, "{\"op\":\"open\",\"source\":%s,\"threads\":2}", source);
    uint8_t kind = harness_party_ask(&party, request, NULL, &answer);
    if (kind != SEAL_ENGINE_FRAME_SCHEMA) {
        fail_msg("%s", json_string_value(json_object_get(answer, "message")));
    }
    harness_ok(json_get_u64(answer, "rows", INT64_MAX, &rows));
    for (uint64_t first = 0; first < rows; first += part_rows) {
        scoped_json *end = NULL;
        struct buffer *part = &dataset->parts[dataset->part_count++];
        assert_true(dataset->part_count <= HARNESS_PARTS_MAX);
        buffer_init(part, 256 << 20);
        snprintf(request, sizeof request,
                 "{\"op\":\"part\",\"first\":%llu,\"count\":%llu,\"row_group_rows\":122880,"
                 "\"compression\":\"zstd\"}",
                 (unsigned long long)first, (unsigned long long)part_rows);
        kind = harness_party_ask(&party, request, part, &end);
        if (kind != SEAL_ENGINE_FRAME_END) {
            fail_msg("%s", json_string_value(json_object_get(end, "message")));
        }
        uint64_t size = 0;
        harness_ok(json_get_u64(end, "size", INT64_MAX, &size));
        assert_int_equal(size, part->size);
    }
    harness_party_stop(&party);
}

void harness_dataset_release(struct harness_dataset *dataset)
{
    for (uint32_t i = 0; i < dataset->part_count; i++) {
        buffer_release(&dataset->parts[i]);
    }
}

/* Each dataset's parts begin at segments of their own, as the requests of the tests say. */
uint64_t harness_part_first(size_t dataset, size_t part)
{
    return (dataset * HARNESS_PARTS_MAX + part) * HARNESS_PART_SEGMENTS;
}

/* Serves wishes until the socket ends. */
static void *room_serve(void *argument)
{
    struct harness_room *room = argument;
    uint8_t message[QUERY_READ_BYTES + 1];
    ssize_t got;
    while ((got = recv(room->read_socket, message, sizeof message, 0)) > 0) {
        struct query_read wish;
        if (!result_is_ok(query_read_decode((struct bytes){message, (size_t)got}, &wish)) ||
            wish.dataset >= HARNESS_DATASETS_MAX || room->datasets[wish.dataset] == NULL ||
            wish.length > QUERY_READ_LENGTH_MAX || wish.part >= room->datasets[wish.dataset]->part_count) {
            break;
        }
        struct bytes file = buffer_view(&room->datasets[wish.dataset]->parts[wish.part]);
        uint64_t first = harness_part_first(wish.dataset, wish.part);
        room->reads_served++;
        bool refuses = room->refuse_from != 0 && room->reads_served >= room->refuse_from;
        uint64_t last = query_segment_of(wish.offset + wish.length - 1);
        for (uint64_t i = query_segment_of(wish.offset); i <= last; i++) {
            uint64_t from = i == 0 ? 0 : i * QUERY_SEGMENT_BYTES - QUERY_SEGMENT_SHIFT;
            struct bytes given = bytes_slice(file, from, QUERY_SEGMENT_BYTES);
            if (!refuses && room->states[first + i] == QUERY_STATE_ABSENT) {
                assert_int_equal(
                    pwrite(room->window, given.data, given.size, (off_t)query_window_at(first, from)),
                    given.size);
                room->octets_served += given.size;
            }
            room->states[first + i] = refuses ? QUERY_STATE_REFUSED : 1;
            syscall(SYS_futex, &room->states[first + i], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
        }
    }
    close(room->read_socket);
    return NULL;
}

void harness_room_start(struct harness_room *room)
{
    harness_ok(spawner_start(program_path("TRUCE_QUERY"), &room->spawner));
}

void harness_room_stop(struct harness_room *room)
{
    spawner_close(&room->spawner);
}

static void until_end(int stream, int deadline_ms, struct harness_room *room, pid_t pid,
                      struct harness_run *out)
{
    scoped_buffer payload;
    buffer_init(&payload, 64 << 20);
    uint8_t kind = 0;
    struct pollfd wait = {.fd = stream, .events = POLLIN};
    if (poll(&wait, 1, deadline_ms) == 0) {
        harness_ok(spawner_kill(&room->spawner, pid));
    }
    while (result_is_ok(query_frame_receive(stream, &payload, &kind))) {
        out->last = kind;
        if (kind == QUERY_FRAME_CELLS) {
            harness_ok(buffer_add(&out->cells, buffer_view(&payload)));
        }
    }
}

void harness_run(struct harness_room *room, const char *request, int deadline_ms, struct harness_run *out)
{
    int stream[2];
    int reads[2];
    pid_t pid = 0;
    memset(out, 0, sizeof *out);
    buffer_init(&out->cells, 256 << 20);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reads), 0);
    room->window = memfd_create("window", MFD_CLOEXEC);
    assert_int_equal(ftruncate(room->window, (off_t)QUERY_WINDOW_BYTES), 0);
    void *states = mmap(NULL, QUERY_STATES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, room->window, 0);
    assert_ptr_not_equal(states, MAP_FAILED);
    room->states = states;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", room->window);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(memory >= 0);
    room->read_socket = reads[0];
    room->octets_served = room->reads_served = 0;
    assert_int_equal(pthread_create(&room->server, NULL, room_serve, room), 0);
    struct spawner_descriptors given = {stream[1], reads[1], memory};
    harness_ok(spawner_spawn(&room->spawner, SPAWNER_RUN, &given, &pid));
    close(stream[1]);
    close(reads[1]);
    close(memory);
    harness_ok(query_frame_send(stream[0], QUERY_FRAME_RUN, bytes_of_text(text_of(request))));
    until_end(stream[0], deadline_ms, room, pid, out);
    close(stream[0]);
    pthread_join(room->server, NULL);
    harness_ok(spawner_wait_exit(&room->spawner, pid, 10000, &out->status));
    munmap(states, QUERY_STATES_BYTES);
    close(room->window);
}

uint8_t harness_vet(struct harness_room *room, const char *request, json_t **out_answer)
{
    int stream[2];
    int status;
    pid_t pid = 0;
    uint8_t kind = 0;
    scoped_buffer payload;
    buffer_init(&payload, 16 << 20);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
    struct spawner_descriptors given = {.stream = stream[1]};
    harness_ok(spawner_spawn(&room->spawner, SPAWNER_VET, &given, &pid));
    close(stream[1]);
    harness_ok(query_frame_send(stream[0], QUERY_FRAME_VET, bytes_of_text(text_of(request))));
    *out_answer = NULL;
    if (result_is_ok(query_frame_receive(stream[0], &payload, &kind))) {
        harness_ok(json_decode(buffer_view(&payload), out_answer));
    }
    close(stream[0]);
    harness_ok(spawner_wait_exit(&room->spawner, pid, 30000, &status));
    return kind;
}

uint8_t harness_complete(const char *request, json_t **out_answer)
{
    struct harness_party engine;
    scoped_buffer payload;
    uint8_t kind = 0;
    buffer_init(&payload, 16 << 20);
    program_start("TRUCE_TEMPLATE_ENGINE", "truce-template-engine", &engine);
    harness_ok(query_frame_send(engine.stream, QUERY_FRAME_VET, bytes_of_text(text_of(request))));
    harness_ok(query_frame_receive(engine.stream, &payload, &kind));
    harness_ok(json_decode(buffer_view(&payload), out_answer));
    harness_party_stop(&engine);
    return kind;
}

static void number_text(__int128 number, char *out)
{
    char digits[64];
    size_t count = 0;
    unsigned __int128 left = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
    do {
        digits[count++] = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        *out++ = '-';
    }
    while (count > 0) {
        *out++ = digits[--count];
    }
    *out = '\0';
}

char *harness_cells_text(const struct harness_run *run, size_t columns)
{
    struct reader reader = reader_of(buffer_view(&run->cells));
    scoped_buffer text;
    buffer_init(&text, 64 << 20);
    for (size_t i = 0; reader_left(&reader) > 0; i++) {
        struct cell cell;
        char number[64];
        harness_ok(query_cell_decode(&reader, &cell));
        number_text(cell.number, number);
        if (cell.kind == CELL_NUMBER) {
            harness_ok(buffer_add_text(&text, text_of(number)));
        } else if (cell.kind == CELL_DATE) {
            harness_ok(buffer_printf(&text, "@%d", (int)cell.number));
        } else if (cell.kind == CELL_TEXT) {
            harness_ok(buffer_add_text(&text, cell.text));
        } else {
            harness_ok(buffer_add_text(&text, TEXT("NULL")));
        }
        harness_ok(buffer_add_byte(&text, (i + 1) % columns == 0 ? '\n' : '|'));
    }
    harness_ok(buffer_add_byte(&text, 0));
    return strdup((const char *)text.data);
}
