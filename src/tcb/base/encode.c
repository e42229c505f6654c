#include "base/encode.h"

static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alphabet_standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static fallible encode_64(struct arena *arena, const char *alphabet, bool padded, struct bytes from,
                          struct text *out)
{
    REQUIRE(from.size <= SIZE_MAX / 2, LIMIT, "encode.size");
    size_t size = (from.size * 4 + 2) / 3;
    size_t padded_size = (from.size + 2) / 3 * 4;
    char *text;
    TRY(ARENA_ARRAY(arena, char, padded_size + 1, &text));
    for (size_t i = 0, at = 0; i < from.size; i += 3) {
        uint32_t group = (uint32_t)from.data[i] << 16;
        group |= i + 1 < from.size ? (uint32_t)from.data[i + 1] << 8 : 0;
        group |= i + 2 < from.size ? from.data[i + 2] : 0;
        for (int shift = 18; shift >= 0 && at < size; shift -= 6) {
            text[at++] = alphabet[group >> shift & 63];
        }
    }
    for (size_t at = size; padded && at < padded_size; at++) {
        text[at] = '=';
    }
    *out = (struct text){text, padded ? padded_size : size};
    return OK;
}

static int digit_of(const char *alphabet, char c)
{
    const char *found = c == 0 ? NULL : strchr(alphabet, c);
    return found == NULL ? -1 : (int)(found - alphabet);
}

static fallible decode_64(struct arena *arena, const char *alphabet, struct text text, struct bytes *out)
{
    REQUIRE(text.size % 4 != 1, INVALID, "base64.length");
    size_t size = text.size / 4 * 3 + (text.size % 4 == 0 ? 0 : text.size % 4 - 1);
    uint8_t *data;
    TRY(ARENA_ARRAY(arena, uint8_t, size, &data));
    uint32_t group = 0;
    unsigned bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit = digit_of(alphabet, text.data[i]);
        REQUIRE(digit >= 0, INVALID, "base64.character");
        group = group << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            data[at++] = (uint8_t)(group >> bits);
        }
    }
    REQUIRE((group & ((1u << bits) - 1)) == 0, INVALID, "base64.spare_bits");
    ASSERT(at == size);
    *out = (struct bytes){data, size};
    return OK;
}

fallible encode_base64url(struct arena *arena, struct bytes from, struct text *out)
{
    return encode_64(arena, alphabet_url, false, from, out);
}

fallible decode_base64url(struct arena *arena, struct text untrusted_text, struct bytes *out)
{
    return decode_64(arena, alphabet_url, untrusted_text, out);
}

fallible encode_base64(struct arena *arena, struct bytes from, struct text *out)
{
    return encode_64(arena, alphabet_standard, true, from, out);
}

fallible decode_base64(struct arena *arena, struct text untrusted_text, struct bytes *out)
{
    struct text text = untrusted_text;
    REQUIRE(text.size % 4 == 0, INVALID, "base64.length");
    for (int padding = 0; padding < 2 && text_ends_with(text, TEXT("=")); padding++) {
        text.size--;
    }
    return decode_64(arena, alphabet_standard, text, out);
}

fallible encode_hex(struct arena *arena, struct bytes from, struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    REQUIRE(from.size <= SIZE_MAX / 4, LIMIT, "encode.size");
    char *text;
    TRY(ARENA_ARRAY(arena, char, from.size * 2 + 1, &text));
    for (size_t i = 0; i < from.size; i++) {
        text[2 * i] = digits[from.data[i] >> 4];
        text[2 * i + 1] = digits[from.data[i] & 15];
    }
    *out = (struct text){text, from.size * 2};
    return OK;
}

fallible decode_hex(struct arena *arena, struct text untrusted_text, struct bytes *out)
{
    REQUIRE(untrusted_text.size % 2 == 0, INVALID, "hex.length");
    uint8_t *data;
    TRY(ARENA_ARRAY(arena, uint8_t, untrusted_text.size / 2, &data));
    for (size_t i = 0; i < untrusted_text.size; i++) {
        int digit = digit_of("0123456789abcdef", untrusted_text.data[i]);
        REQUIRE(digit >= 0, INVALID, "hex.character");
        data[i / 2] = (uint8_t)(data[i / 2] << 4 | digit);
    }
    *out = (struct bytes){data, untrusted_text.size / 2};
    return OK;
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back, by counting in 400-year eras that
 * start on the 1st of March. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

fallible encode_date(struct arena *arena, int64_t days, struct text *out)
{
    REQUIRE(days >= -719162 && days <= 2932896, LIMIT, "date.range");
    int64_t year;
    int64_t month;
    int64_t day;
    date_of_days(days, &year, &month, &day);
    return arena_printf(arena, out, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
}

fallible encode_time(struct arena *arena, int64_t unix_seconds, struct text *out)
{
    REQUIRE(unix_seconds >= 0 && unix_seconds <= 253402300799, LIMIT, "time.range");
    struct text date;
    TRY(encode_date(arena, unix_seconds / 86400, &date));
    int of_day = (int)(unix_seconds % 86400);
    return arena_printf(arena, out, "%.*sT%02d:%02d:%02dZ", TEXT_ARGS(date), of_day / 3600, of_day / 60 % 60,
                        of_day % 60);
}

static bool take_digits(struct text text, size_t at, size_t count, int64_t *out)
{
    *out = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        *out = *out * 10 + (text.data[i] - '0');
    }
    return true;
}

fallible decode_date(struct text text, int64_t *out_days)
{
    REQUIRE(text.size == 10 && text.data[4] == '-' && text.data[7] == '-', INVALID, "date.form");
    int64_t year;
    int64_t month;
    int64_t day;
    bool digits =
        take_digits(text, 0, 4, &year) && take_digits(text, 5, 2, &month) && take_digits(text, 8, 2, &day);
    REQUIRE(digits, INVALID, "date.form");
    REQUIRE(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31, INVALID, "date.range");
    int64_t days = days_of_date(year, month, day);
    int64_t same_year;
    int64_t same_month;
    int64_t same_day;
    date_of_days(days, &same_year, &same_month, &same_day);
    REQUIRE(same_month == month && same_day == day, INVALID, "date.range");
    *out_days = days;
    return OK;
}

fallible decode_time(struct text text, int64_t *out_unix_seconds)
{
    int64_t days;
    int64_t hour;
    int64_t minute;
    int64_t second;
    bool shaped = text.size == 20 && text.data[10] == 'T' && text.data[13] == ':' && text.data[16] == ':' &&
                  text.data[19] == 'Z' && take_digits(text, 11, 2, &hour) &&
                  take_digits(text, 14, 2, &minute) && take_digits(text, 17, 2, &second);
    REQUIRE(shaped, INVALID, "time.form");
    struct result date = decode_date((struct text){text.data, 10}, &days);
    REQUIRE(result_is_ok(date) || !text_is(text_of(date.why), "date.form"), INVALID, "time.form");
    REQUIRE(result_is_ok(date) && days >= 0 && hour < 24 && minute < 60 && second < 60, INVALID,
            "time.range");
    *out_unix_seconds = days * 86400 + hour * 3600 + minute * 60 + second;
    return OK;
}

fallible decode_u64(struct text untrusted_text, uint64_t max, uint64_t *out)
{
    struct text text = untrusted_text;
    REQUIRE(text.size > 0 && (text.size == 1 || text.data[0] != '0'), INVALID, "number.form");
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        REQUIRE(text.data[i] >= '0' && text.data[i] <= '9', INVALID, "number.form");
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        REQUIRE(value <= (max - (digit > max ? max : digit)) / 10 && digit <= max, LIMIT, "number.range");
        value = value * 10 + digit;
    }
    *out = value;
    return OK;
}
