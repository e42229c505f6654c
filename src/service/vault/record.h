/* vault/record.h: key versions in the store and on the wire; private to this module.
 *
 * Rows: "key" name → {"name","latest"}; "version" name/version → the record; "material" name/version →
 * PKCS#8. Names are compared without regard to case, as Azure does: rows are under the lower-case name. */
#pragma once

#include "service/vault/parts.h"

struct key_record {
    json_t *json; /* owned:
                     {"name","version","kty","public","key_ops","attributes":{…},"tags","release_policy"?} */
    struct text name;
    struct text version;
    struct text kty;
    bool enabled;
    bool exportable;
    int64_t not_before; /* 0: none */
    int64_t expires;    /* INT64_MAX: none */
};
void key_record_release(struct key_record *record);
#define scoped_key_record defer(key_record_release) struct key_record

/* Takes its own reference on `json`. CORRUPT "vault.record.form". */
fallible key_record_read(json_t *json, struct key_record *out);

/* Loads a version, the latest where `version` is empty. NOT_FOUND "vault.key.missing" with the name in
 * `where`. */
fallible key_record_load(struct state_transaction *transaction, struct arena *arena, struct text name,
                         struct text version, struct key_record *out);
/* Writes the record back, and with `material` a new version that becomes the latest. */
fallible key_record_store(struct state_transaction *transaction, struct arena *arena,
                          const struct key_record *record, const struct secret *material);
fallible key_record_material(struct state_transaction *transaction, struct arena *arena,
                             const struct key_record *record, struct secret *out);

/* DENIED "vault.key.disabled", and with `in_time` "vault.key.not_yet_valid" and "vault.key.expired". */
fallible key_record_check_usable(const struct key_record *record, bool in_time, int64_t now);
/* DENIED "vault.key.operation" unless `operation` is among key_ops. `operation` is static. */
fallible key_record_check_operation(const struct key_record *record, const char *operation);

/* "https://vault/keys/name/version" */
fallible key_record_kid(const struct vault *vault, struct arena *arena, const struct key_record *record,
                        struct text *out);
/* The key bundle of the wire, and the shorter item of lists (`with_version` false: kid without version). */
fallible key_record_bundle(const struct vault *vault, struct arena *arena, const struct key_record *record,
                           json_t **out);
fallible key_record_item(const struct vault *vault, struct arena *arena, const struct key_record *record,
                         bool with_version, json_t **out);

/* Lower-case row names. `version` may be empty: then the row of the key. */
fallible key_row_name(struct arena *arena, struct text name, struct text version, struct text *out);
