/* crypto/test_support.h: short ways to say things in the tests of crypto and jose. Not part of a program. */
#pragma once

#include "base/encode.h"
#include "base/json.h"
#include "crypto/key.h"
#include "crypto/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_ok(result_) assert_ok_at((result_), __FILE__, __LINE__)
#define assert_why(result_, code_, why_) assert_why_at((result_), RESULT_##code_, (why_), __FILE__, __LINE__)

static inline void assert_ok_at(struct result result, const char *file, int line)
{
    if (!result_is_ok(result)) {
        print_error("%s: %s (%s)\n", result_code_name(result.code), result.why,
                    result.where ? result.where : "");
        _fail(file, line);
    }
}

static inline void assert_why_at(struct result result, enum result_code code, const char *why,
                                 const char *file, int line)
{
    if (result.code != code || strcmp(result.why, why) != 0) {
        print_error("got %s %s, want %s %s\n", result_code_name(result.code), result.why,
                    result_code_name(code), why);
        _fail(file, line);
    }
}

static inline struct bytes from_hex(struct arena *arena, const char *hex)
{
    struct bytes out = {0};
    assert_ok(decode_hex(arena, text_of(hex), &out));
    return out;
}

static inline struct bytes from_base64url(struct arena *arena, const char *text)
{
    struct bytes out = {0};
    assert_ok(decode_base64url(arena, text_of(text), &out));
    return out;
}

static inline struct secret secret_of_hex(struct arena *arena, const char *hex)
{
    struct secret out = {0};
    assert_ok(secret_from(from_hex(arena, hex), &out));
    return out;
}

static inline void assert_hex(struct bytes got, const char *want)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct text text;
    assert_ok(encode_hex(&arena, got, &text));
    const char *cstring;
    assert_ok(arena_cstring(&arena, text, &cstring));
    assert_string_equal(cstring, want);
}

/* A P-256 private key from its `d`. */
static inline struct key key_of_scalar(struct arena *arena, const char *d_base64url)
{
    struct bytes head =
        from_hex(arena, "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420");
    struct bytes d = from_base64url(arena, d_base64url);
    assert_int_equal(d.size, 32);
    scoped_secret der = {0};
    assert_ok(secret_new(head.size + d.size, &der));
    memcpy(der.data, head.data, head.size);
    memcpy(der.data + head.size, d.data, d.size);
    struct key key = {0};
    assert_ok(key_from_pkcs8(&der, &key));
    return key;
}

static inline struct result key_of_jwk_text(const char *text, struct key *out)
{
    scoped_json *jwk = NULL;
    assert_ok(json_decode(bytes_of_text(text_of(text)), &jwk));
    return key_from_jwk(jwk, out);
}

/* A file of the reference material beside the checkout, or of size 0 where it is not there. */
static inline void read_shared(const char *name, struct buffer *out)
{
    const char *shared = getenv("TRUCE_SHARED");
    const char *source = getenv("TRUCE_SOURCE");
    char path[4096];
    if (shared != NULL) {
        snprintf(path, sizeof path, "%s/%s", shared, name);
    } else {
        snprintf(path, sizeof path, "%s/../shared/%s", source ? source : ".", name);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return;
    }
    uint8_t chunk[4096];
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0) {
        assert_ok(buffer_add(out, (struct bytes){chunk, size}));
    }
    fclose(file);
}
