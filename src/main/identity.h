/* main/identity.h: what --version says behind a program's name: version, commit, compiler and pinned DuckDB.
 *
 * Not part of the measured programs: their code alone decides their measurement, so that it stays the same
 * from commit to commit until they change. Asked for --version they become truce-identity
 * (main/identity_exec.h), which tells theirs and their files' digests. */
#pragma once

extern const char identity_text[]; /* "0.1.0\ncommit …\n…", with a line end */
