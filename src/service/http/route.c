#include "service/http/route.h"

#include <strings.h>

static const char *const method_names[] = {
    [HTTP_NONE] = "-",    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_PUT] = "PUT",
    [HTTP_POST] = "POST", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
};

enum http_method http_method_of(const char *name)
{
    for (int i = HTTP_GET; i <= HTTP_DELETE; i++) {
        if (strcmp(method_names[i], name) == 0) {
            return (enum http_method)i;
        }
    }
    return HTTP_NONE;
}

const char *http_method_name(enum http_method method)
{
    return method_names[method];
}

static fallible parse_path(struct arena *arena, struct text path, struct http_target *out)
{
    size_t start = 1;
    out->segment_count = 0;
    for (size_t at = 1; at <= path.size; at++) {
        if (at < path.size && path.data[at] != '/') {
            continue;
        }
        REQUIRE(out->segment_count < HTTP_SEGMENTS_MAX, LIMIT, "http.path.too_deep");
        struct text segment = {path.data + start, at - start};
        TRY(percent_decode(arena, segment, false, &out->segments[out->segment_count]));
        out->segment_count++;
        start = at + 1;
    }
    return OK;
}

fallible http_target_parse(struct arena *arena, struct text untrusted_target, struct http_target *out)
{
    REQUIRE(untrusted_target.size <= HTTP_TARGET_BYTES_MAX, LIMIT, "http.target.size");
    REQUIRE(untrusted_target.size > 0 && untrusted_target.data[0] == '/', INVALID, "http.target.form");
    const char *mark = memchr(untrusted_target.data, '?', untrusted_target.size);
    struct text path = untrusted_target;
    struct text query = {0};
    if (mark != NULL) {
        path.size = (size_t)(mark - untrusted_target.data);
        query = (struct text){mark + 1, untrusted_target.size - path.size - 1};
    }
    TRY(parse_path(arena, path, out));
    return form_decode(arena, query, &out->query);
}

static bool segment_matches(struct text wanted, struct text segment, bool case_blind)
{
    if (!case_blind) {
        return text_equal(wanted, segment);
    }
    return wanted.size == segment.size &&
           (wanted.size == 0 || strncasecmp(wanted.data, segment.data, wanted.size) == 0);
}

bool http_pattern_matches(const char *pattern, const struct http_target *target, bool case_blind,
                          struct http_captures *out)
{
    ASSERT(pattern[0] == '/');
    out->count = 0;
    const char *at = pattern + 1;
    for (size_t i = 0; i < target->segment_count; i++) {
        const char *end = strchrnul(at, '/');
        struct text wanted = {at, (size_t)(end - at)};
        if (wanted.size >= 2 && wanted.data[0] == '{') {
            out->rows[out->count++] = target->segments[i];
        } else if (!segment_matches(wanted, target->segments[i], case_blind)) {
            return false;
        }
        bool last = i + 1 == target->segment_count;
        if (*end == 0) {
            return last;
        }
        if (last) {
            return false;
        }
        at = end + 1;
    }
    return false;
}
