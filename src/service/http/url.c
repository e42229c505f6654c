#include "service/http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>

static void url_handle_release(CURLU **handle)
{
    curl_url_cleanup(*handle);
}

static void curl_text_release(char **text)
{
    curl_free(*text);
}

static fallible take_part(struct arena *arena, CURLU *handle, CURLUPart part, unsigned flags,
                          struct text *out)
{
    defer(curl_text_release) char *value = NULL;
    CURLUcode code = curl_url_get(handle, part, &value, flags);
    *out = (struct text){0};
    if (code != CURLUE_OK) {
        return OK;
    }
    return arena_copy_text(arena, text_of(value), out);
}

static struct text without_brackets(struct text host)
{
    bool bracketed = host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    return bracketed ? (struct text){host.data + 1, host.size - 2} : host;
}

static fallible read_host_and_port(struct arena *arena, CURLU *handle, struct url *url)
{
    struct text port;
    struct text written;
    TRY(take_part(arena, handle, CURLUPART_HOST, 0, &url->host));
    TRY(take_part(arena, handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port));
    TRY(take_part(arena, handle, CURLUPART_PORT, 0, &written));
    url->host = without_brackets(url->host);
    char *lower;
    TRY(arena_take(arena, url->host.size, (void **)&lower));
    for (size_t i = 0; i < url->host.size; i++) {
        char c = url->host.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    url->host.data = lower;
    url->has_port = written.size > 0;
    unsigned value = 0;
    for (size_t i = 0; i < port.size; i++) {
        value = value * 10 + (unsigned)(port.data[i] - '0');
    }
    url->port = (uint16_t)value;
    REQUIRE(url->host.size > 0 && value > 0 && value <= UINT16_MAX, INVALID, "url.form");
    return OK;
}

/* libcurl also takes "https:/host", "https:///host" and "HTTPS://host": one URL has one text here. */
static bool has_two_slashes(struct text url)
{
    size_t size = text_starts_with(url, TEXT("https://"))  ? 8
                  : text_starts_with(url, TEXT("http://")) ? 7
                                                           : 0;
    return size > 0 && url.size > size && url.data[size] != '/';
}

fallible url_parse(struct arena *arena, struct text untrusted_url, struct url *out)
{
    const char *cstring;
    TRY(arena_cstring(arena, untrusted_url, &cstring));
    defer(url_handle_release) CURLU *handle = curl_url();
    REQUIRE(handle != NULL, NO_MEMORY, "url.memory");
    REQUIRE(curl_url_set(handle, CURLUPART_URL, cstring, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK, INVALID,
            "url.form");
    struct url url = {0};
    struct text user;
    struct text fragment;
    TRY(take_part(arena, handle, CURLUPART_SCHEME, 0, &url.scheme));
    REQUIRE(text_is(url.scheme, "https") || text_is(url.scheme, "http"), INVALID, "url.scheme");
    REQUIRE(has_two_slashes(untrusted_url), INVALID, "url.form");
    TRY(take_part(arena, handle, CURLUPART_USER, 0, &user));
    REQUIRE(user.size == 0 && memchr(cstring, '@', strcspn(cstring, "?#")) == NULL, INVALID, "url.user");
    TRY(take_part(arena, handle, CURLUPART_FRAGMENT, 0, &fragment));
    REQUIRE(fragment.size == 0, INVALID, "url.fragment");
    TRY(read_host_and_port(arena, handle, &url));
    TRY(take_part(arena, handle, CURLUPART_PATH, 0, &url.path));
    TRY(take_part(arena, handle, CURLUPART_QUERY, 0, &url.query));
    *out = url;
    return OK;
}

bool url_host_is_loopback(struct text host)
{
    char name[64] = {0};
    struct in_addr v4;
    if (text_is(host, "localhost") || text_is(host, "::1") || text_ends_with(host, TEXT(".localhost"))) {
        return true;
    }
    if (host.size >= sizeof name) {
        return false;
    }
    memcpy(name, host.data, host.size);
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

struct text url_without_slash(struct text url)
{
    bool ends = url.size > 0 && url.data[url.size - 1] == '/';
    return ends ? (struct text){url.data, url.size - 1} : url;
}

bool url_equal_without_slash(struct text left, struct text right)
{
    return text_equal(url_without_slash(left), url_without_slash(right));
}
