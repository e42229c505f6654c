#include "host/workflow/content_range.h"

#include "base/encode.h"

static fallible take_number(struct text *rest, char end, uint64_t *out)
{
    const char *at = rest->size == 0 ? NULL : memchr(rest->data, end, rest->size);
    REQUIRE(at != NULL, INVALID, "http.content_range");
    size_t size = (size_t)(at - rest->data);
    TRY(decode_u64((struct text){rest->data, size}, INT64_MAX, out));
    *rest = (struct text){at + 1, rest->size - size - 1};
    return OK;
}

static fallible parse(struct text rest, struct content_range *out)
{
    uint64_t first;
    uint64_t last;
    uint64_t total;
    TRY(take_number(&rest, '-', &first));
    TRY(take_number(&rest, '/', &last));
    TRY(decode_u64(rest, INT64_MAX, &total));
    REQUIRE(first <= last && last < total, INVALID, "http.content_range");
    *out = (struct content_range){first, last - first + 1, total};
    return OK;
}

fallible content_range_parse(struct text untrusted_value, struct content_range *out)
{
    struct text unit = TEXT("bytes ");
    REQUIRE(text_starts_with(untrusted_value, unit), INVALID, "http.content_range");
    struct text rest = {untrusted_value.data + unit.size, untrusted_value.size - unit.size};
    struct result result = parse(rest, out);
    REQUIRE(result_is_ok(result), INVALID, "http.content_range");
    return OK;
}
