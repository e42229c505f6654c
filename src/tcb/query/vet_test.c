/* Replays test/corpus-sql through the real programs: every accepted text with what it reads and gives, every
 * hostile text with its code. A text goes the way of `truce contract draft`: the party's template engine
 * completes it, the measured vetter vets what comes out. The vetter alone must refuse whatever that way
 * refuses. An upgrade of the engine must reproduce all of it. */
#include "query/query_test_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *corpus_load(const char *name)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/test/corpus-sql/%s", getenv("TRUCE_SOURCE"), name);
    json_t *corpus = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (corpus == NULL) {
        fail_msg("%s: %s", path, error.text);
    }
    return corpus;
}

static json_t *request_make(json_t *corpus, json_t *one, const char *sql)
{
    return json_pack("{s:O,s:s,s:O}", "tables", json_object_get(corpus, "tables"), "sql", sql, "parameters",
                     json_object_get(one, "parameters"));
}

static const char *sql_of(const json_t *one)
{
    return json_string_value(json_object_get(one, "sql"));
}

/* What the vetter says to a text as it is. */
static uint8_t vet_case(struct harness_room *room, json_t *corpus, json_t *one, const char *sql,
                        json_t **out_answer)
{
    scoped_json *request = request_make(corpus, one, sql);
    char *text = json_dumps(request, 0);
    uint8_t kind = harness_vet(room, text, out_answer);
    free(text);
    return kind;
}

/* What comes of a text that a person writes: the template engine's refusal, or what the vetter says then. */
static uint8_t draft_case(struct harness_room *room, json_t *corpus, json_t *one, const char *sql,
                          json_t **out_answer)
{
    scoped_json *request = request_make(corpus, one, sql);
    scoped_json *completed = NULL;
    char *text = json_dumps(request, 0);
    uint8_t kind = harness_complete(text, &completed);
    free(text);
    if (kind == QUERY_FRAME_REFUSED) {
        *out_answer = json_incref(completed);
        return kind;
    }
    assert_int_equal(kind, QUERY_FRAME_ACCEPTED);
    return vet_case(room, corpus, one, sql_of(completed), out_answer);
}

static bool show(const json_t *one, const json_t *answer)
{
    char *text = json_dumps(answer, JSON_INDENT(1));
    printf("# %s:\n", json_string_value(json_object_get(one, "name")));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        printf("#   %s\n", line);
    }
    free(text);
    return true;
}

/* Equal, or both absent. */
static bool same(const json_t *left, const json_t *right)
{
    return left == right || json_equal(left, right);
}

static void accepted_texts_are_accepted(void **state)
{
    struct harness_room *room = *state;
    scoped_json *corpus = corpus_load("accepted.json");
    bool wrong = false;
    size_t index;
    json_t *one;
    json_array_foreach (json_object_get(corpus, "cases"), index, one) {
        scoped_json *answer = NULL;
        scoped_json *again = NULL;
        uint8_t kind = draft_case(room, corpus, one, sql_of(one), &answer);
        bool good = kind == QUERY_FRAME_ACCEPTED &&
                    json_equal(json_object_get(answer, "reads"), json_object_get(one, "reads")) &&
                    json_equal(json_object_get(answer, "output"), json_object_get(one, "output")) &&
                    same(json_object_get(answer, "canonical"), json_object_get(one, "canonical")) &&
                    same(json_object_get(answer, "executed"), json_object_get(one, "executed"));
        if (good) {
            const char *canonical = json_string_value(json_object_get(answer, "canonical"));
            scoped_json *drafted = NULL;
            assert_int_equal(vet_case(room, corpus, one, canonical, &again), QUERY_FRAME_ACCEPTED);
            assert_int_equal(draft_case(room, corpus, one, canonical, &drafted), QUERY_FRAME_ACCEPTED);
            /* canonical text is its own canonical text, and complete */
            good = json_equal(answer, again) && json_equal(answer, drafted);
        }
        wrong = (!good && show(one, answer)) || wrong;
    }
    assert_true(index >= 5);
    assert_false(wrong);
}

/* Whether an answer refuses with the case's code, and at the place that the case may name. */
static bool refuses(const json_t *one, uint8_t kind, const json_t *answer)
{
    const char *at = json_string_value(json_object_get(one, "at"));
    json_t *offset = json_object_get(answer, "offset");
    bool placed =
        at == NULL || (json_is_integer(offset) && (size_t)json_integer_value(offset) < strlen(sql_of(one)) &&
                       strncmp(sql_of(one) + json_integer_value(offset), at, strlen(at)) == 0);
    return kind == QUERY_FRAME_REFUSED && placed &&
           json_equal(json_object_get(answer, "code"), json_object_get(one, "code"));
}

static void hostile_texts_are_refused(void **state)
{
    struct harness_room *room = *state;
    scoped_json *corpus = corpus_load("refused.json");
    bool wrong = false;
    size_t index;
    json_t *one;
    json_array_foreach (json_object_get(corpus, "cases"), index, one) {
        scoped_json *alone = NULL;
        scoped_json *drafted = NULL;
        json_t *answer = NULL;
        uint8_t kind = vet_case(room, corpus, one, sql_of(one), &alone);
        assert_int_equal(kind, QUERY_FRAME_REFUSED);
        answer = alone;
        if (!refuses(one, kind, alone)) { /* it is incomplete first of all */
            kind = draft_case(room, corpus, one, sql_of(one), &drafted);
            answer = drafted;
        }
        bool good = refuses(one, kind, answer);
        wrong = (!good && show(one, answer)) || wrong;
    }
    assert_true(index >= 74);
    assert_false(wrong);
}

static void the_vetter_relies_on_nobody(void **state)
{
    struct harness_room *room = *state;
    scoped_json *corpus = corpus_load("vetter.json");
    bool wrong = false;
    size_t index;
    json_t *one;
    json_array_foreach (json_object_get(corpus, "cases"), index, one) {
        scoped_json *answer = NULL;
        uint8_t kind = vet_case(room, corpus, one, sql_of(one), &answer);
        bool good = refuses(one, kind, answer);
        wrong = (!good && show(one, answer)) || wrong;
    }
    assert_true(index >= 30);
    assert_false(wrong);
}

static int room_make(void **state)
{
    struct harness_room *room = calloc(1, sizeof *room);
    harness_room_start(room);
    *state = room;
    return 0;
}

static int room_drop(void **state)
{
    harness_room_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_texts_are_accepted),
        cmocka_unit_test(hostile_texts_are_refused),
        cmocka_unit_test(the_vetter_relies_on_nobody),
    };
    return cmocka_run_group_tests(tests, room_make, room_drop);
}
