/* party/link/host_link.h: a party's calls to its host (doc/formats.md §9).
 *
 * The host is not trusted: everything it gives is a document to be verified by whoever asked. Paths are
 * "/v1/…". An error of the host becomes the result's code, with the host's own code and message in `where`.
 * One thread. */
#pragma once

#include "party/home/connection.h"
#include "party/screen/screen.h"
#include "service/http/client.h"

struct host_link {
    struct http_client client;
    struct connection_host connection;
    struct text authorization;
};

/* Connects with the party's host.json. NOT_FOUND "connection.host.missing". */
fallible host_link_open(struct arena *arena, const char *folder, struct host_link *out);
/* With a connection that is at hand: the texts of `connection` must outlive the link. */
fallible host_link_open_connection(struct arena *arena, const struct connection_host *connection,
                                   struct host_link *out);
void host_link_close(struct host_link *link);
#define scoped_host_link defer(host_link_close) struct host_link

/* The octets of a document or result, at most 512 MiB. */
fallible host_link_get(struct host_link *link, struct arena *arena, const char *path, struct bytes *out);
fallible host_link_get_json(struct host_link *link, struct arena *arena, const char *path, json_t **out);
fallible host_link_put(struct host_link *link, struct arena *arena, const char *path, struct bytes document);
/* `out_answer` may be NULL. */
fallible host_link_post(struct host_link *link, struct arena *arena, const char *path, struct bytes document,
                        json_t **out_answer);
/* Sends a file, going on where an earlier call was interrupted. Progress adds to what `progress` shows, if
 * given. */
fallible host_link_put_file(struct host_link *link, struct arena *arena, const char *path, const char *file,
                            struct progress *progress);
