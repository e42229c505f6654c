/* party/trust/trust_file.h: the trust that a party's own address book and connections amount to.
 *
 * A receipt is judged by a trust file (doc/formats.md §3). This writes one from what the party has decided to
 * trust: fingerprints that it compared, the authority and the simulation that it is connected to. Nothing
 * comes from a bundle. */
#pragma once

#include "base/json.h"

/* The document {"type":"trust/1",…} for the party in `folder`. Connections that are missing leave their list
 * empty. */
fallible trust_file_build(struct arena *arena, const char *folder, json_t **out);
