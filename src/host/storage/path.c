#include "host/storage/path.h"

#include "base/encode.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Every component is bounded, so a path always fits: a defect otherwise. */
static struct storage_path path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct storage_path path_of(const char *format, ...)
{
    struct storage_path path;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(path.text, sizeof path.text, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && (size_t)size < sizeof path.text);
    return path;
}

bool storage_is_hex(struct text text, size_t count)
{
    for (size_t i = 0; i < text.size; i++) {
        bool is_digit =
            (text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f');
        if (!is_digit) {
            return false;
        }
    }
    return text.size == count;
}

fallible storage_dataset_of(struct text untrusted_owner, struct text untrusted_name,
                            struct text untrusted_version, struct storage_dataset *out)
{
    REQUIRE(text_is_name(untrusted_owner), INVALID, "storage.name.owner");
    REQUIRE(text_is_name(untrusted_name), INVALID, "storage.name.dataset");
    uint64_t version;
    struct result result = decode_u64(untrusted_version, INT64_MAX, &version);
    REQUIRE(result_is_ok(result) && version > 0, INVALID, "storage.name.version");
    *out = (struct storage_dataset){untrusted_owner, untrusted_name, version};
    return OK;
}

fallible storage_dataset_named(struct text untrusted_dataset, uint64_t version, struct storage_dataset *out)
{
    const char *slash =
        untrusted_dataset.size == 0 ? NULL : memchr(untrusted_dataset.data, '/', untrusted_dataset.size);
    REQUIRE(slash != NULL, INVALID, "storage.name.dataset");
    size_t owner_size = (size_t)(slash - untrusted_dataset.data);
    struct text owner = {untrusted_dataset.data, owner_size};
    struct text name = {slash + 1, untrusted_dataset.size - owner_size - 1};
    REQUIRE(text_is_name(owner), INVALID, "storage.name.owner");
    REQUIRE(text_is_name(name), INVALID, "storage.name.dataset");
    REQUIRE(version > 0 && version <= INT64_MAX, INVALID, "storage.name.version");
    *out = (struct storage_dataset){owner, name, version};
    return OK;
}

static struct storage_path dataset_path(const struct storage_dataset *dataset, const char *leaf)
{
    return path_of("datasets/%.*s/%.*s/%" PRIu64 "/%s", TEXT_ARGS(dataset->owner), TEXT_ARGS(dataset->name),
                   dataset->version, leaf);
}

struct storage_path storage_path_manifest(const struct storage_dataset *dataset)
{
    return dataset_path(dataset, "manifest.json");
}

struct storage_path storage_path_policy(const struct storage_dataset *dataset)
{
    return dataset_path(dataset, "policy.json");
}

static fallible part_path(const struct storage_dataset *dataset, uint64_t part, const char *ending,
                          struct storage_path *out)
{
    REQUIRE(part <= STORAGE_PART_MAX, INVALID, "storage.name.part");
    char leaf[32];
    snprintf(leaf, sizeof leaf, "parts/%06" PRIu64 ".%s", part, ending);
    *out = dataset_path(dataset, leaf);
    return OK;
}

fallible storage_path_sealed(const struct storage_dataset *dataset, uint64_t part, struct storage_path *out)
{
    return part_path(dataset, part, "sealed", out);
}

fallible storage_path_leaves(const struct storage_dataset *dataset, uint64_t part, struct storage_path *out)
{
    return part_path(dataset, part, "leaves", out);
}

fallible storage_path_document(struct text untrusted_hex, struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    *out = path_of("documents/%.*s.json", TEXT_ARGS(untrusted_hex));
    return OK;
}

fallible storage_path_contract(struct text untrusted_hex, struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    *out = path_of("contracts/%.*s/contract.json", TEXT_ARGS(untrusted_hex));
    return OK;
}

fallible storage_path_grant(struct text untrusted_hex, struct text untrusted_owner, struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    REQUIRE(text_is_name(untrusted_owner), INVALID, "storage.name.owner");
    *out = path_of("contracts/%.*s/grants/%.*s.json", TEXT_ARGS(untrusted_hex), TEXT_ARGS(untrusted_owner));
    return OK;
}

fallible storage_path_key_updates(struct text untrusted_hex, const struct storage_dataset *dataset,
                                  struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    *out = path_of("contracts/%.*s/keys/%.*s/%.*s", TEXT_ARGS(untrusted_hex), TEXT_ARGS(dataset->owner),
                   TEXT_ARGS(dataset->name));
    return OK;
}

fallible storage_path_key_update(struct text untrusted_hex, const struct storage_dataset *dataset,
                                 struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    *out = path_of("contracts/%.*s/keys/%.*s/%.*s/%" PRIu64 ".json", TEXT_ARGS(untrusted_hex),
                   TEXT_ARGS(dataset->owner), TEXT_ARGS(dataset->name), dataset->version);
    return OK;
}

fallible storage_path_revocation(struct text untrusted_hex, struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_hex, 64), INVALID, "storage.name.digest");
    *out = path_of("contracts/%.*s/revocation.json", TEXT_ARGS(untrusted_hex));
    return OK;
}

static fallible run_path(struct text untrusted_run, const char *leaf, struct storage_path *out)
{
    REQUIRE(storage_is_hex(untrusted_run, 32), INVALID, "storage.name.run");
    *out = path_of("runs/%.*s/%s", TEXT_ARGS(untrusted_run), leaf);
    return OK;
}

fallible storage_path_request(struct text untrusted_run, struct storage_path *out)
{
    return run_path(untrusted_run, "request.json", out);
}

fallible storage_path_result(struct text untrusted_run, struct storage_path *out)
{
    return run_path(untrusted_run, "result.jwe", out);
}

fallible storage_path_receipt(struct text untrusted_run, struct storage_path *out)
{
    return run_path(untrusted_run, "receipt.json", out);
}
