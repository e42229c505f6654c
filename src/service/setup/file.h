/* setup/file.h: the files of a service, in a folder that only its user may enter.
 *
 * Folders are made with mode 0700, files with 0600, written to a temporary name, flushed and renamed, so that
 * a reader or a crash never meets half a file. Paths are plain text; `where` of a failure is the path. Any
 * thread. */
#pragma once

#include "base/json.h"
#include "crypto/secret.h"

enum { SETUP_FILE_BYTES_MAX = 1024 * 1024 };

/* Makes the folder (its parent must exist). One that exists is fine; DENIED "setup.folder.mode" if others may
 * enter it. */
fallible folder_create(struct text path);
/* CONFLICT "setup.folder.used" when `name` exists in it: this folder was initialised before. */
fallible folder_is_unused(struct arena *arena, struct text folder, const char *name);

/* "folder/name" */
fallible path_join(struct arena *arena, struct text folder, const char *name, struct text *out);

fallible file_write(struct text path, struct bytes content);
fallible file_write_json(struct text path, const json_t *value);
fallible file_write_secret(struct text path, const struct secret *content);

/* One that is not there is fine. */
fallible file_remove(struct text path);

/* NOT_FOUND "setup.file.missing", LIMIT "setup.file.too_large" beyond SETUP_FILE_BYTES_MAX. */
fallible file_read(struct arena *arena, struct text path, struct bytes *out);
fallible file_read_json(struct arena *arena, struct text path, json_t **out);
/* Refuses a file that others may read: DENIED "setup.file.mode". */
fallible file_read_secret(struct text path, struct secret *out);

/* Names in a folder that end in `suffix`, sorted by octets, without "." ones. At most `max`. */
fallible folder_list(struct arena *arena, struct text folder, const char *suffix, size_t max,
                     struct text out[], size_t *out_count);
