#include "crypto/signature_der.h"

#include "base/reader.h"

enum { TAG_INTEGER = 0x02, TAG_SEQUENCE = 0x30, SCALAR_BYTES = 32 };

/* Drops leading zeros, all but the last octet. */
static struct bytes shortest(const uint8_t *scalar)
{
    struct bytes bytes = {scalar, SCALAR_BYTES};
    while (bytes.size > 1 && bytes.data[0] == 0) {
        bytes = bytes_slice(bytes, 1, bytes.size);
    }
    return bytes;
}

static fallible add_integer(struct buffer *out, struct bytes magnitude)
{
    bool needs_zero = (magnitude.data[0] & 0x80) != 0;
    TRY(buffer_add_byte(out, TAG_INTEGER));
    TRY(buffer_add_byte(out, (uint8_t)(magnitude.size + needs_zero)));
    if (needs_zero) {
        TRY(buffer_add_byte(out, 0));
    }
    return buffer_add(out, magnitude);
}

fallible signature_to_der(const uint8_t raw[static SIGNATURE_RAW_BYTES], struct buffer *out)
{
    scoped_buffer inner;
    buffer_init(&inner, SIGNATURE_DER_BYTES_MAX);
    TRY(add_integer(&inner, shortest(raw)));
    TRY(add_integer(&inner, shortest(raw + SCALAR_BYTES)));
    TRY(buffer_add_byte(out, TAG_SEQUENCE));
    TRY(buffer_add_byte(out, (uint8_t)inner.size));
    return buffer_add(out, buffer_view(&inner));
}

static fallible take_integer(struct reader *reader, uint8_t out[static SCALAR_BYTES])
{
    uint8_t tag, size;
    struct bytes content;
    TRY(reader_u8(reader, &tag));
    TRY(reader_u8(reader, &size));
    TRY(reader_take(reader, size, &content));
    REQUIRE(tag == TAG_INTEGER && size > 0 && (content.data[0] & 0x80) == 0, INVALID, "signature.der");
    if (size > 1 && content.data[0] == 0) {
        REQUIRE((content.data[1] & 0x80) != 0, INVALID, "signature.der");
        content = bytes_slice(content, 1, content.size);
    }
    REQUIRE(content.size <= SCALAR_BYTES, INVALID, "signature.der");
    memset(out, 0, SCALAR_BYTES);
    memcpy(out + SCALAR_BYTES - content.size, content.data, content.size);
    return OK;
}

static fallible read_pair(struct bytes der, uint8_t out[static SIGNATURE_RAW_BYTES])
{
    struct reader reader = reader_of(der);
    uint8_t tag, size;
    TRY(reader_u8(&reader, &tag));
    TRY(reader_u8(&reader, &size));
    REQUIRE(tag == TAG_SEQUENCE && size == reader_left(&reader), INVALID, "signature.der");
    TRY(take_integer(&reader, out));
    TRY(take_integer(&reader, out + SCALAR_BYTES));
    return reader_end(&reader);
}

fallible signature_from_der(struct bytes untrusted_der, uint8_t out[static SIGNATURE_RAW_BYTES])
{
    uint8_t raw[SIGNATURE_RAW_BYTES];
    REQUIRE(result_is_ok(read_pair(untrusted_der, raw)), INVALID, "signature.der");
    memcpy(out, raw, sizeof raw);
    return OK;
}
