#include "base/json.h"
#include "host/workflow/content_range.h"
#include "host/workflow/workflow.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void ranges_are_judged(void **state)
{
    (void)state;
    static const struct {
        struct text value;
        uint64_t first;
        uint64_t count; /* 0: refused */
        uint64_t total;
    } rows[] = {
        {TEXT("bytes 0-0/1"), 0, 1, 1},
        {TEXT("bytes 0-65535/1000000"), 0, 65536, 1000000},
        {TEXT("bytes 999999-999999/1000000"), 999999, 1, 1000000},
        {TEXT(""), 0, 0, 0},
        {TEXT("bytes"), 0, 0, 0},
        {TEXT("bytes */10"), 0, 0, 0},
        {TEXT("bytes 0-9/*"), 0, 0, 0},
        {TEXT("bytes 0-10/10"), 0, 0, 0},
        {TEXT("bytes 5-4/10"), 0, 0, 0},
        {TEXT("bytes 00-4/10"), 0, 0, 0},
        {TEXT("bytes 0-4/10 "), 0, 0, 0},
        {TEXT("bytes  0-4/10"), 0, 0, 0},
        {TEXT("octets 0-4/10"), 0, 0, 0},
        {TEXT("bytes -4/10"), 0, 0, 0},
        {TEXT("bytes 0-4"), 0, 0, 0},
        {TEXT("bytes 0-18446744073709551615/18446744073709551616"), 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct content_range range;
        struct result result = content_range_parse(rows[i].value, &range);
        assert_string_equal(result.why, rows[i].count > 0 ? "ok" : "http.content_range");
        if (rows[i].count > 0) {
            assert_int_equal(range.first, rows[i].first);
            assert_int_equal(range.count, rows[i].count);
            assert_int_equal(range.total, rows[i].total);
        }
    }
}

static json_t *description(void)
{
    json_t *value = NULL;
    struct result result = json_decode(workflow_description(), &value);
    assert_string_equal(result.why, "ok");
    return value;
}

static const json_t *operation_of(const json_t *document, const struct http_route *route)
{
    char method[8] = {0};
    const char *name = http_method_name(route->method);
    for (size_t i = 0; name[i] != '\0' && i < sizeof method - 1; i++) {
        method[i] = (char)tolower(name[i]);
    }
    return json_object_get(json_object_get(json_object_get(document, "paths"), route->pattern), method);
}

static void every_route_is_described(void **state)
{
    (void)state;
    scoped_json *document = description();
    size_t count;
    const struct http_route *routes = workflow_routes(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        const json_t *operation = operation_of(document, &routes[i]);
        if (operation == NULL) {
            fail_msg("not described: %s %s", http_method_name(routes[i].method), routes[i].pattern);
        }
        bool is_open = json_array_size(json_object_get(operation, "security")) == 0 &&
                       json_object_get(operation, "security") != NULL;
        assert_int_equal(routes[i].admit == NULL, is_open);
        assert_int_equal(routes[i].body_bytes_max > 0, json_object_get(operation, "requestBody") != NULL);
        assert_int_equal(routes[i].admit != NULL,
                         json_object_get(json_object_get(operation, "responses"), "401") != NULL);
    }
}

static bool is_served(const char *path, const char *method)
{
    size_t count;
    const struct http_route *routes = workflow_routes(&count);
    for (size_t i = 0; i < count; i++) {
        char name[8] = {0};
        snprintf(name, sizeof name, "%s", http_method_name(routes[i].method));
        bool is_method =
            strcasecmp(name, method) == 0 || (strcmp(method, "head") == 0 && routes[i].method == HTTP_GET);
        if (is_method && strcmp(routes[i].pattern, path) == 0) {
            return true;
        }
    }
    return false;
}

static void every_description_is_served(void **state)
{
    (void)state;
    scoped_json *document = description();
    const char *path;
    json_t *item;
    size_t operations = 0;
    json_object_foreach (json_object_get(document, "paths"), path, item) {
        const char *method;
        json_t *operation;
        json_object_foreach (item, method, operation) {
            operations++;
            if (!is_served(path, method)) {
                fail_msg("not served: %s %s", method, path);
            }
        }
    }
    assert_true(operations > 20);
}

/* A HEAD row behind a GET row of the same path would never be reached. */
static void heads_come_before_gets(void **state)
{
    (void)state;
    size_t count;
    const struct http_route *routes = workflow_routes(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t earlier = 0; earlier < i; earlier++) {
            bool hides = routes[i].method == HTTP_HEAD && routes[earlier].method == HTTP_GET &&
                         strcmp(routes[i].pattern, routes[earlier].pattern) == 0;
            assert_false(hides);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_judged),
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_is_served),
        cmocka_unit_test(heads_come_before_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
