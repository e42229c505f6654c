/* setup/address.h: the address of a service, settled once when its folder is made.
 *
 * The URL stands in everybody's files, so a port that the system chooses is chosen here, once, and written
 * down. */
#pragma once

#include "base/arena.h"

struct service_address {
    struct text url;    /* https://HOST[:PORT], without a slash at the end */
    struct text listen; /* ADDRESS:PORT */
};

/* `url` is https with a host and, perhaps, a port; `listen` is ADDRESS:PORT, or empty for 127.0.0.1 and the
 * port of the URL. Port 0 is chosen now. A URL without a port gets the listening one. INVALID
 * "setup.address.url" or what http_listen_parse gives. */
fallible service_address_settle(struct arena *arena, struct text url, struct text listen,
                                struct service_address *out);
