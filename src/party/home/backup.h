/* party/home/backup.h: a party in one encrypted file.
 *
 * {"type":"party-backup/1","name","key":PEM,"content":JWE}: the JWE holds the party's small files and is
 * encrypted to a key made for this backup, whose private half is `key`, encrypted under the passphrase
 * (scrypt). Sealed parts are not in it: they can be sealed again or fetched from the host, keys cannot. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/world.h"
#include "crypto/secret.h"

enum { BACKUP_FILES_MAX = 4096, BACKUP_FILE_BYTES_MAX = 1024 * 1024, BACKUP_DEPTH_MAX = 4 };

/* Appends the backup of the party in `folder` to `out`. */
fallible backup_make(struct arena *arena, const struct world *world, const char *folder, struct text name,
                     const struct secret *passphrase, struct buffer *out);
/* Opens a backup and gives the party's name and the number of files; where `folder` is not NULL, writes the
 * files there. UNAUTHENTICATED "key.passphrase", UNTRUSTED "jwe.content", INVALID "backup.…". */
fallible backup_name(struct arena *arena, struct bytes untrusted_backup, struct text *out_name);
fallible backup_open(struct arena *arena, struct bytes untrusted_backup, const struct secret *passphrase,
                     const char *folder, size_t *out_count);
