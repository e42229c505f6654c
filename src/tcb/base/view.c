#include "base/view.h"

/* The length of the well-formed UTF-8 character at `at` (RFC 3629 §4), or 0. */
static size_t character_size(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    size_t size = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
    if (size == 0 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool outside = (lead == 0xed && at[1] >= 0xa0) || (lead == 0xf4 && at[1] >= 0x90);
    return overlong || outside ? 0 : size;
}

bool text_is_printable_utf8(struct text text)
{
    size_t at = 0;
    while (at < text.size) {
        uint8_t lead = (uint8_t)text.data[at];
        bool control = (lead < 0x20 && lead != '\t' && lead != '\n' && lead != '\r') || lead == 0x7f;
        size_t size = character_size((const uint8_t *)text.data + at, text.size - at);
        if (control || size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool text_is_name(struct text text)
{
    if (text.size < 1 || text.size > 64 || !is_name_start(text.data[0])) {
        return false;
    }
    for (size_t i = 1; i < text.size; i++) {
        char c = text.data[i];
        if (!is_name_start(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

int text_compare(struct text left, struct text right)
{
    size_t shorter = left.size < right.size ? left.size : right.size;
    int order = shorter == 0 ? 0 : memcmp(left.data, right.data, shorter);
    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}
