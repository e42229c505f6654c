#include "service/http/percent.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static fallible decode_escape(struct text from, size_t at, char *out)
{
    REQUIRE(from.size - at >= 3, INVALID, "http.percent.form");
    int high = hex_value(from.data[at + 1]);
    int low = hex_value(from.data[at + 2]);
    REQUIRE(high >= 0 && low >= 0, INVALID, "http.percent.form");
    REQUIRE(high != 0 || low != 0, INVALID, "http.percent.nul");
    *out = (char)(unsigned char)(high * 16 + low);
    return OK;
}

fallible percent_decode(struct arena *arena, struct text untrusted_text, bool plus_is_space, struct text *out)
{
    char *decoded;
    TRY(arena_take(arena, untrusted_text.size, (void **)&decoded));
    size_t size = 0;
    for (size_t at = 0; at < untrusted_text.size; at++) {
        char c = untrusted_text.data[at];
        REQUIRE(c != 0, INVALID, "http.percent.nul");
        if (c == '%') {
            TRY(decode_escape(untrusted_text, at, &c));
            at += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        decoded[size++] = c;
    }
    struct text text = {decoded, size};
    REQUIRE(text_is_printable_utf8(text), INVALID, "http.percent.utf8");
    *out = text;
    return OK;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

fallible percent_encode(struct arena *arena, struct text from, struct text *out)
{
    static const char digits[] = "0123456789ABCDEF";
    REQUIRE(from.size <= SIZE_MAX / 3, LIMIT, "http.percent.size");
    char *encoded;
    TRY(arena_take(arena, from.size * 3, (void **)&encoded));
    size_t size = 0;
    for (size_t at = 0; at < from.size; at++) {
        unsigned char c = (unsigned char)from.data[at];
        if (is_unreserved((char)c)) {
            encoded[size++] = (char)c;
        } else {
            encoded[size++] = '%';
            encoded[size++] = digits[c >> 4];
            encoded[size++] = digits[c & 15];
        }
    }
    *out = (struct text){encoded, size};
    return OK;
}

static size_t find(struct text text, char wanted)
{
    const char *at = text.size > 0 ? memchr(text.data, wanted, text.size) : NULL;
    return at != NULL ? (size_t)(at - text.data) : text.size;
}

static fallible decode_pair(struct arena *arena, struct text piece, struct http_pairs *pairs)
{
    size_t equals = find(piece, '=');
    struct text value = {0};
    if (equals < piece.size) {
        value = (struct text){piece.data + equals + 1, piece.size - equals - 1};
    }
    REQUIRE(pairs->count < HTTP_PAIRS_MAX, LIMIT, "http.form.too_many");
    struct http_pair *pair = &pairs->rows[pairs->count];
    TRY(percent_decode(arena, (struct text){piece.data, equals}, true, &pair->name));
    TRY(percent_decode(arena, value, true, &pair->value));
    for (size_t i = 0; i < pairs->count; i++) {
        REQUIRE(!text_equal(pairs->rows[i].name, pair->name), INVALID, "http.form.repeated");
    }
    pairs->count++;
    return OK;
}

fallible form_decode(struct arena *arena, struct text untrusted_text, struct http_pairs *out)
{
    out->count = 0;
    struct text left = untrusted_text;
    while (left.size > 0) {
        size_t end = find(left, '&');
        if (end > 0) {
            TRY(decode_pair(arena, (struct text){left.data, end}, out));
        }
        size_t step = end < left.size ? end + 1 : end;
        left = (struct text){left.data + step, left.size - step};
    }
    return OK;
}

struct text pairs_get(const struct http_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (text_is(pairs->rows[i].name, name)) {
            return pairs->rows[i].value;
        }
    }
    return (struct text){0};
}
