/* host/check/check.h: whether what a host keeps fits together, with its program down.
 *
 * For operators after a crash or a restored copy, and for tests of faults. It changes nothing but what
 * opening the stores does. Nothing here protects anybody: parties and rooms judge every document themselves.
 */
#pragma once

#include "base/arena.h"
#include "base/view.h"

struct host_check {
    size_t job_count;
    size_t document_count; /* manifests, policies, contracts, grants, requests, receipts */
    size_t part_count;
};

/* Judges the queue's file, every job against its objects, every stored document against its name, and every
 * part against its manifest. CONFLICT "host.folder.in_use" while a host serves the folder; CORRUPT with
 * `where` naming the object or run: "check.queue", "check.job.receipt", "check.job.documents",
 * "check.document", "check.part", "check.temporary". */
fallible host_check(struct arena *arena, struct text folder, struct host_check *out);
