/* http/url.h: URLs of services. Absolute, http or https, no user information, no fragment. Any thread. */
#pragma once

#include "base/arena.h"

struct url {
    struct text scheme; /* "https" or "http" */
    struct text host;   /* lower case; IPv6 without brackets */
    uint16_t port;      /* 443 or 80 where none is written */
    bool has_port;      /* it was written */
    struct text path;   /* starts with '/', "/" where there is none */
    struct text query;  /* without '?', may be empty */
};

/* INVALID "url.form", "url.scheme", "url.user", "url.fragment". Results live in the arena. */
fallible url_parse(struct arena *arena, struct text untrusted_url, struct url *out);

/* "localhost", "*.localhost", 127.0.0.0/8 and ::1. */
bool url_host_is_loopback(struct text host);

/* Two URLs of services (an issuer, an authority) that differ only by a slash at the end are equal. */
bool url_equal_without_slash(struct text left, struct text right);
struct text url_without_slash(struct text url);
