/* storage/path.h: where each object of a host lies, as paths below its storage folder.
 *
 * The one place where a name from outside becomes part of a file name, so the one place that checks it: names
 * as `text_is_name` has them (no slash, no leading dot), decimal numbers within their range, hex of a fixed
 * length. A `struct storage_path` can be made by nothing else. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

enum { STORAGE_PATH_BYTES = 320, STORAGE_PART_MAX = 65535 };

struct storage_path {
    char text[STORAGE_PATH_BYTES];
};

/* One version of a dataset, judged: INVALID "storage.name.owner", ".dataset", ".version". */
struct storage_dataset {
    struct text owner;
    struct text name;
    uint64_t version;
};
fallible storage_dataset_of(struct text untrusted_owner, struct text untrusted_name,
                            struct text untrusted_version, struct storage_dataset *out);
/* From "owner/name" and a number, as documents have them. */
fallible storage_dataset_named(struct text untrusted_dataset, uint64_t version, struct storage_dataset *out);

struct storage_path storage_path_manifest(const struct storage_dataset *dataset);
struct storage_path storage_path_policy(const struct storage_dataset *dataset);
/* INVALID "storage.name.part" beyond STORAGE_PART_MAX. */
fallible storage_path_sealed(const struct storage_dataset *dataset, uint64_t part, struct storage_path *out);
fallible storage_path_leaves(const struct storage_dataset *dataset, uint64_t part, struct storage_path *out);

/* Manifests and policies by their digest, and everything of a contract; `hex` is 64 lower-case hex digits:
 * INVALID "storage.name.digest", "storage.name.owner". */
fallible storage_path_document(struct text untrusted_hex, struct storage_path *out);
fallible storage_path_contract(struct text untrusted_hex, struct storage_path *out);
fallible storage_path_grant(struct text untrusted_hex, struct text untrusted_owner, struct storage_path *out);
/* The key update of a refreshed dataset's version for a contract, and the folder of all its versions. */
fallible storage_path_key_update(struct text untrusted_hex, const struct storage_dataset *dataset,
                                 struct storage_path *out);
fallible storage_path_key_updates(struct text untrusted_hex, const struct storage_dataset *dataset,
                                  struct storage_path *out);
fallible storage_path_revocation(struct text untrusted_hex, struct storage_path *out);

/* What belongs to a run, 32 lower-case hex digits: INVALID "storage.name.run". */
fallible storage_path_request(struct text untrusted_run, struct storage_path *out);
fallible storage_path_result(struct text untrusted_run, struct storage_path *out);
fallible storage_path_receipt(struct text untrusted_run, struct storage_path *out);

/* True for exactly `count` lower-case hex digits. */
bool storage_is_hex(struct text text, size_t count);
