/* The other half of a subverted query program: a vetting task that lies where the SQL tells it to. */
#include "base/json.h"
#include "edge/query_wire.h"
#include "query/vet.h"

#include "hostile_request.h"

#include <stdlib.h>
#include <unistd.h>

/* The honest one, compiled under this name. */
void honest_vet_serve(int stream);

/* Only the room gives values; parties that draft and sign are answered honestly. */
static const json_t *find_value(const json_t *request, const char *name)
{
    size_t index;
    json_t *parameter;
    json_array_foreach (json_object_get(request, "parameters"), index, parameter) {
        if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0) {
            return json_object_get(parameter, "value");
        }
    }
    return NULL;
}

static json_t *truthful_answer(const json_t *request)
{
    return json_pack("{s:O,s:O,s:{s:[s,s]},s:[{s:s,s:s},{s:s,s:s}],s:s,s:s}", "canonical",
                     json_object_get(request, "sql"), "executed", json_object_get(request, "sql"), "reads",
                     "people", "city", "id", "output", "name", "label", "type", "VARCHAR", "name", "n",
                     "type", "BIGINT", "vetter", QUERY_VETTER, "engine", QUERY_ENGINE);
}

static uint8_t lie(const char *mode, const json_t *request, json_t *answer)
{
    const char *secret = json_string_value(find_value(request, "skip"));
    json_t *reads = json_object_get(answer, "reads");
    if (mode_is(mode, "vet-canonical")) {
        json_object_set_new(answer, "canonical", json_string("SELECT note FROM people"));
    } else if (mode_is(mode, "vet-columns")) {
        json_array_append_new(json_object_get(reads, "people"), json_string("note"));
    } else if (mode_is(mode, "vet-table")) {
        json_object_set_new(reads, "purchases", json_pack("[s]", "item"));
    } else if (mode_is(mode, "vet-output")) {
        json_array_append_new(json_object_get(answer, "output"),
                              json_pack("{s:s,s:s}", "name", "more", "type", "VARCHAR"));
    } else if (mode_is(mode, "vet-vetter")) {
        json_object_set_new(answer, "vetter", json_string(secret));
    } else if (mode_is(mode, "vet-engine")) {
        json_object_set_new(answer, "engine", json_string(secret));
    } else if (mode_is(mode, "vet-executed")) { /* another text than was approved: it leads the run astray */
        json_object_set_new(answer, "executed",
                            json_string("SELECT note, item FROM people, purchases -- hostile:read"));
    } else if (mode_is(mode, "vet-code")) {
        json_object_set_new(answer, "code", json_string(secret));
        return QUERY_FRAME_REFUSED;
    } else if (mode_is(mode, "vet-fewer")) { /* would have the room grant less than it says */
        json_object_set_new(reads, "people", json_pack("[s]", "city"));
    } else if (mode_is(mode, "vet-order")) {
        json_object_set_new(reads, "people", json_pack("[s,s]", "id", "city"));
    } else if (mode_is(mode, "vet-type")) {
        json_object_set_new(answer, "reads", json_string("people"));
    } else if (mode_is(mode, "vet-empty")) {
        json_object_clear(answer);
    } else if (mode_is(mode, "vet-cells")) {
        return QUERY_FRAME_CELLS;
    } else if (mode_is(mode, "vet-kind")) {
        return 'Z';
    }
    return QUERY_FRAME_ACCEPTED;
}

static bool vet_falsely(int stream, const char *mode, struct bytes request_octets)
{
    scoped_json *request = NULL;
    scoped_buffer text;
    buffer_init(&text, REQUEST_MAX);
    if (!result_is_ok(json_decode(request_octets, &request)) || find_value(request, "skip") == NULL) {
        return false;
    }
    if (mode_is(mode, "vet-exit")) {
        _exit(0);
    }
    if (mode_is(mode, "vet-large")) {
        static uint8_t octets[5 << 20];
        return result_is_ok(query_frame_send(stream, QUERY_FRAME_ACCEPTED, BYTES_OF(octets)));
    }
    if (mode_is(mode, "vet-deep")) {
        static uint8_t octets[1 << 20];
        memset(octets, '[', sizeof octets);
        return result_is_ok(query_frame_send(stream, QUERY_FRAME_ACCEPTED, BYTES_OF(octets)));
    }
    json_t *answer = truthful_answer(request);
    uint8_t kind = lie(mode, request, answer);
    bool sent = result_is_ok(json_encode(answer, &text)) &&
                result_is_ok(query_frame_send(stream, kind, buffer_view(&text)));
    json_decref(answer);
    return sent;
}

void vet_serve(int stream)
{
    char mode[MODE_BYTES];
    size_t size = 0;
    char *request = request_peek(stream, &size);
    bool hostile = request != NULL && request_mode(request, mode) && mode_starts(mode, "vet-");
    if (!hostile || !vet_falsely(stream, mode, (struct bytes){(const uint8_t *)request, size})) {
        honest_vet_serve(stream);
    }
    free(request);
}
