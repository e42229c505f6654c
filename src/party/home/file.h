/* party/home/file.h: the files of a party.
 *
 * Files appear whole or not at all (written beside, synced, renamed) with mode 0600 in folders of mode 0700,
 * unless the caller says that the file is to be handed out (0644). Paths are C strings: they come from the
 * command line and go to the system. One thread at a time per path. */
#pragma once

#include "base/arena.h"
#include "crypto/secret.h"

enum { FILE_SIZE_MAX = 64 * 1024 * 1024, FILE_SECRET_BYTES_MAX = 64 * 1024 };
enum file_mode { FILE_PRIVATE = 0600, FILE_PUBLIC = 0644 };

/* The whole file. NOT_FOUND "file.not_found", DENIED "file.access", LIMIT "file.size"; `where` is the path.
 * "-" is standard input. */
fallible file_read(struct arena *arena, const char *path, struct bytes *out);
/* The first line of a file as a secret, without its line end. INVALID "file.empty". */
fallible file_read_secret(const char *path, struct secret *out);
/* "-" is standard output. */
fallible file_write(const char *path, struct bytes bytes, enum file_mode mode);
fallible file_remove(const char *path);
fallible file_rename(const char *from, const char *to);
/* Makes a folder of mode 0700 and those above it. Existing folders are left as they are. */
fallible file_make_folder(const char *path);
bool file_exists(const char *path);
/* The names in a folder, sorted, without those that begin with a dot. A missing folder has none. */
fallible file_list(struct arena *arena, const char *path, const char ***out_names, size_t *out_count);

/* "folder/name" in the arena; `name` alone where it is absolute or `folder` is empty. */
fallible file_path(struct arena *arena, const char *folder, const char *name, const char **out);
/* The folder part of a path: "." if it has none. */
fallible file_folder_of(struct arena *arena, const char *path, const char **out);
