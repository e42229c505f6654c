#include "base/encode.h"
#include "service/http/server.h"

#include <microhttpd.h>
#include <strings.h>
#include <unistd.h>

struct text http_header(const struct http_request *request, const char *name)
{
    return text_of(MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name));
}

struct text http_bearer(const struct http_request *request)
{
    struct text header = http_header(request, "Authorization");
    if (header.size <= 7 || strncasecmp(header.data, "Bearer ", 7) != 0) {
        return (struct text){0};
    }
    return (struct text){header.data + 7, header.size - 7};
}

struct text http_query(const struct http_request *request, const char *name)
{
    return pairs_get(&request->target.query, name);
}

fallible http_body_json(const struct http_request *request, json_t **out)
{
    json_t *value;
    TRY(json_decode(request->body, &value));
    if (!json_is_object(value)) {
        json_decref(value);
        return FAIL(INVALID, "http.body.not_object");
    }
    *out = value;
    return OK;
}

static bool is_header_value(struct text value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < 0x20 || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

fallible reply_header(struct http_request *request, struct http_reply *reply, const char *name,
                      struct text value)
{
    REQUIRE(is_header_value(value), INTERNAL, "http.reply.header");
    REQUIRE(reply->header_count < HTTP_REPLY_HEADERS_MAX, LIMIT, "http.reply.headers");
    const char *copy;
    TRY(arena_cstring(request->arena, value, &copy));
    reply->headers[reply->header_count++] = (struct http_reply_header){name, copy};
    return OK;
}

fallible reply_bytes(struct http_request *request, struct http_reply *reply, int status,
                     const char *content_type, struct bytes body)
{
    TRY(reply_header(request, reply, "Content-Type", text_of(content_type)));
    reply->body = body;
    reply->status = status;
    return OK;
}

fallible reply_json(struct http_request *request, struct http_reply *reply, int status, const json_t *value)
{
    struct text text;
    TRY(json_encode_text(request->arena, value, &text));
    return reply_bytes(request, reply, status, "application/json; charset=utf-8", bytes_of_text(text));
}

fallible reply_empty(struct http_request *request, struct http_reply *reply, int status)
{
    (void)request;
    reply->body = (struct bytes){0};
    reply->status = status;
    return OK;
}

fallible reply_file(struct http_request *request, struct http_reply *reply, int status,
                    const char *content_type, int file, uint64_t offset, uint64_t size)
{
    if (reply->file >= 0) {
        close(reply->file);
    }
    reply->file = file;
    reply->file_offset = offset;
    reply->file_size = size;
    TRY(reply_header(request, reply, "Content-Type", text_of(content_type)));
    reply->status = status;
    return OK;
}

/* RFC 9110 §14.1.2: `bytes=a-b`, `bytes=a-` and `bytes=-n`. */
fallible http_range(const struct http_request *request, uint64_t size, bool *out_is_range,
                    uint64_t *out_first, uint64_t *out_count)
{
    *out_is_range = false;
    struct text header = http_header(request, "Range");
    if (!text_starts_with(header, TEXT("bytes="))) {
        return OK;
    }
    struct text range = {header.data + 6, header.size - 6};
    const char *dash = memchr(range.data, '-', range.size);
    if (dash == NULL) {
        return OK;
    }
    struct text first_text = {range.data, (size_t)(dash - range.data)};
    struct text last_text = {dash + 1, range.size - first_text.size - 1};
    uint64_t first = 0;
    uint64_t last = size - 1;
    bool has_first = first_text.size > 0;
    bool has_last = last_text.size > 0;
    if ((!has_first && !has_last) ||
        (has_first && !result_is_ok(decode_u64(first_text, INT64_MAX, &first))) ||
        (has_last && !result_is_ok(decode_u64(last_text, INT64_MAX, &last)))) {
        return OK;
    }
    if (!has_first) {
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    REQUIRE(size > 0 && first < size && last >= first, LIMIT, "http.range.unsatisfiable");
    *out_is_range = true;
    *out_first = first;
    *out_count = (last < size ? last + 1 : size) - first;
    return OK;
}
