#include "contract/quote.h"

/* Ascending ranges of characters that are not shown as they are: controls, format characters, spaces other
 * than the ordinary one, combining marks, right-to-left scripts, private use and specials (Unicode 16). */
static const struct {
    uint32_t first;
    uint32_t last;
} hidden[] = {
    {0x0000, 0x001f},   {0x007f, 0x00a0},    {0x00ad, 0x00ad},   {0x0300, 0x036f},   {0x0483, 0x0489},
    {0x0590, 0x08ff},   {0x115f, 0x1160},    {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},    {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},
    {0x20d0, 0x20ff},   {0x2800, 0x2800},    {0x3000, 0x3000},   {0x302a, 0x302f},   {0x3164, 0x3164},
    {0xd800, 0xf8ff},   {0xfb1d, 0xfdff},    {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},   {0xfe70, 0xfeff},
    {0xffa0, 0xffa0},   {0xfff0, 0xffff},    {0x10800, 0x10fff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0x1e800, 0x1efff}, {0xe0000, 0x10ffff},
};

static bool is_hidden(uint32_t character)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (character >= hidden[i].first && character <= hidden[i].last) {
            return true;
        }
    }
    return false;
}

/* The character at `at` and its size; size 0 where the octets are not UTF-8. */
static size_t take_character(struct text text, size_t at, uint32_t *out)
{
    uint8_t lead = (uint8_t)text.data[at];
    size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > text.size - at || !text_is_printable_utf8((struct text){text.data + at, size})) {
        *out = lead;
        return lead < 0x80 ? 1 : 0; /* a control character is a character */
    }
    uint32_t character = size == 1 ? lead : lead & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        character = character << 6 | ((uint8_t)text.data[at + i] & 0x3f);
    }
    *out = character;
    return size;
}

static fallible start_line(struct buffer *out, unsigned indent, char mark, unsigned *out_column)
{
    *out_column = 0;
    return buffer_printf(out, "%*s%c ", (int)indent, "", mark);
}

static fallible add_character(struct buffer *out, struct text text, size_t at, size_t *out_size,
                              unsigned *column)
{
    uint32_t character;
    size_t size = take_character(text, at, &character);
    *out_size = size == 0 ? 1 : size;
    size_t before = out->size;
    if (size == 0) {
        TRY(buffer_printf(out, "\\x{%02X}", (unsigned)character));
    } else if (is_hidden(character)) {
        TRY(buffer_printf(out, "\\u{%04X}", (unsigned)character));
    } else if (character == '\\') {
        TRY(buffer_add_text(out, TEXT("\\\\")));
    } else {
        TRY(buffer_add_text(out, (struct text){text.data + at, size}));
        *column += character >= 0x1100 ? 2 : 1; /* wide scripts take two columns */
        return OK;
    }
    *column += (unsigned)(out->size - before);
    return OK;
}

fallible quote_block(struct buffer *out, unsigned indent, struct text untrusted_text)
{
    unsigned column;
    TRY(start_line(out, indent, '|', &column));
    size_t at = 0;
    while (at < untrusted_text.size) {
        size_t size = 1;
        if (untrusted_text.data[at] == '\n') {
            TRY(buffer_add_byte(out, '\n'));
            TRY(start_line(out, indent, '|', &column));
        } else {
            if (column >= QUOTE_WIDTH) {
                TRY(buffer_add_byte(out, '\n'));
                TRY(start_line(out, indent, ':', &column));
            }
            TRY(add_character(out, untrusted_text, at, &size, &column));
        }
        at += size;
    }
    return buffer_add_byte(out, '\n');
}
