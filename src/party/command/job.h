/* party/command/job.h: waiting for a run, which `run --wait` and `job show --wait` share. */
#pragma once

#include "party/command/invocation.h"
#include "party/link/host_link.h"

/* Polls the host until the run has ended, with a progress bar, and gives the host's last answer. DENIED
 * "job.refused" with the room's reason in `where`, UNAVAILABLE "job.failed", TIMEOUT "job.timeout" after
 * `seconds`. */
fallible job_wait(struct invocation *invocation, struct host_link *link, const char *run, uint64_t seconds,
                  json_t **out);
