/* tee/sim_init.h: makes a simulated TEE: a random root, a chip key and their certificates.
 *
 * The root's private key is dropped as soon as the chip's certificate is signed, so one simulation has one
 * chip. Reads and writes X.509 and is therefore a library of its own (tee_sim_init), used by
 * truce-simulation-init, which `truce-room-sim init` starts: the room that serves contains no X.509. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "base/world.h"
#include "crypto/digest.h"
#include "tee/sim_files.h"

/* Writes the three files of tee/sim_files.h into `folder` (which exists). CONFLICT "simulation.exists" when
 * there is a chip key already. `out_root_pem` is appended to, `out_pin` is the digest of the root's
 * SubjectPublicKeyInfo. */
fallible simulation_make(const struct world *world, const char *folder, struct buffer *out_root_pem,
                         struct digest *out_pin);

/* Writes simulation.json whole or not at all: it comes last, and a folder without it holds no simulation. */
fallible simulation_finish(const char *folder, struct bytes connection);
/* Removes what an interrupted making left behind; nothing where there is a simulation.json. */
fallible simulation_begin(const char *folder);

/* simulation.json: {"type":"connection/simulation/1","root":PEM,"pin":digest,"measurement":hex}. */
fallible simulation_connection(struct text root_pem, const struct digest *pin, struct bytes measurement,
                               json_t **out);
