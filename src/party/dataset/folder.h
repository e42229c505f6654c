/* dataset/folder.h: the files of one sealed dataset.
 *
 * Names are relative to an open folder and are our own, never from a document. A file appears whole or not at
 * all: it is written as NAME.partial, synced, and renamed. One thread at a time per name. */
#pragma once

#include "base/arena.h"

enum { FOLDER_NAME_BYTES = 64, FOLDER_PRIVATE = 0600, FOLDER_PUBLIC = 0644 };

struct folder {
    int descriptor; /* -1 when closed */
};

#define FOLDER_CLOSED ((struct folder){-1})

/* NOT_FOUND "dataset.folder" (where = path); `make` creates it, but not those above it. */
fallible folder_open(const char *path, bool make, struct folder *out);
void folder_close(struct folder *folder);
#define scoped_folder defer(folder_close) struct folder

/* Makes a folder inside; one that exists is left as it is. */
fallible folder_make(const struct folder *folder, const char *name);

bool folder_has(const struct folder *folder, const char *name);
/* The whole file. NOT_FOUND "dataset.file.missing", LIMIT "dataset.file.size". */
fallible folder_read(struct arena *arena, const struct folder *folder, const char *name, size_t max,
                     struct bytes *out);
fallible folder_write(const struct folder *folder, const char *name, unsigned mode, struct bytes octets);
/* A file that is not there is no error. */
fallible folder_remove(const struct folder *folder, const char *name);

/* For files that are written bit by bit: opens NAME.partial, empty; `folder_commit` makes it NAME. */
fallible folder_begin(const struct folder *folder, const char *name, unsigned mode, int *out_descriptor);
fallible folder_commit(const struct folder *folder, const char *name, int descriptor);
/* Opens for reading and tells the size. */
fallible folder_open_file(const struct folder *folder, const char *name, int *out_descriptor,
                          uint64_t *out_size);

/* "parts/000007.sealed" for suffix "sealed". */
void folder_part_name(uint64_t number, const char *suffix, char out[FOLDER_NAME_BYTES]);

/* All of it, at an offset. UNAVAILABLE "dataset.write"; reading past the end is CORRUPT
 * "dataset.file.truncated". */
fallible folder_write_at(int descriptor, struct bytes octets, uint64_t offset);
fallible folder_read_at(int descriptor, uint64_t offset, size_t size, uint8_t *out);
