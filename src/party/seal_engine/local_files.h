/* party/seal_engine/local_files.h: the files that a party's DuckDB sees: its user's own, and one that is not
 * there.
 *
 * local_files.c defines some of the C library's file functions for libduckdb.so, as query/vfs.h does for the
 * sealed engine: what is written to `/sealed/out/…` goes to a sink, in order, so that plaintext is in no
 * temporary file. Everything else is the kernel's. Process-wide state: those functions have no argument to
 * carry it. */
#pragma once

#include "base/result.h"
#include "base/view.h"

/* Receives what is written. A failure makes the engine's write fail. */
struct local_files_sink {
    void *self;
    fallible (*write)(void *self, struct bytes octets);
};

/* Call it before the engine opens. The sink must live as long as the process. */
void local_files_set_sink(const struct local_files_sink *sink);
