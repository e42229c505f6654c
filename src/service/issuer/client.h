/* issuer/client.h: registered clients; private to this module. */
#pragma once

#include "service/issuer/issuer.h"

struct client_record {
    json_t *json; /* owned */
    struct text object;
    json_t *roles; /* array of texts, borrowed from json */
};
void client_record_release(struct client_record *record);
#define scoped_client_record defer(client_record_release) struct client_record

/* NOT_FOUND "issuer.client.unknown". */
fallible client_find(struct state *state, struct text id, struct client_record *out);
/* ALLOW when the secret is the client's. */
enum verdict client_check_secret(const struct client_record *record, struct text id,
                                 struct text untrusted_secret);
