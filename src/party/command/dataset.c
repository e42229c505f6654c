#include "base/encode.h"
#include "party/command/table.h"
#include "party/dataset/query_source.h"
#include "party/dataset/seal.h"
#include "party/dataset/verify.h"
#include "party/home/address_book.h"
#include "party/home/file.h"
#include "party/link/host_link.h"
#include "party/process/process.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { VERSION_MAX = 1000000000, THREADS_MAX = 256 };

/* Draws what sealing and verifying tell. */
struct bar {
    struct progress progress;
    const struct invocation *invocation;
    enum dataset_step step;
    bool begun;
};

static void hear(void *self, const struct dataset_progress *told)
{
    static const char *const labels[] = {"checking finished parts", "sealing rows", "verifying"};
    struct bar *bar = self;
    if (bar->begun && bar->step != told->step) {
        progress_end(&bar->progress, true);
        bar->begun = false;
    }
    if (!bar->begun) {
        progress_begin(&bar->progress, &bar->invocation->screen, &bar->invocation->world, labels[told->step],
                       told->total, told->step == DATASET_VERIFYING);
        bar->begun = true;
        bar->step = told->step;
    }
    progress_set(&bar->progress, told->done);
}

static void bar_end(struct bar *bar, bool succeeded)
{
    if (bar->begun) {
        progress_end(&bar->progress, succeeded);
        bar->begun = false;
    }
}

/* "owner/name" and the folder of a version. */
struct place {
    struct own_party party;
    struct text dataset;
    const char *name;
    uint64_t version;
    const char *folder;
};

static fallible find_place(struct invocation *invocation, const char *name, struct place *out)
{
    struct place place = {.name = name};
    TRY(invocation_party(invocation, &place.party));
    if (!text_is_name(text_of(name))) {
        return invocation_usage(
            invocation,
            "A dataset's name has 1 to 64 of the characters a-z 0-9 . _ -, not \"%s\"; your own "
            "name is put before it.",
            name);
    }
    TRY(invocation_number(invocation, "version", VERSION_MAX, 1, &place.version));
    TRY(arena_printf(invocation->arena, &place.dataset, "%s/%s", place.party.name, name));
    place.folder = option_value(&invocation->options, "folder");
    if (place.folder == NULL) {
        const char *own =
            arena_where(invocation->arena, "datasets/%s/%llu", name, (unsigned long long)place.version);
        TRY(file_path(invocation->arena, place.party.folder, own, &place.folder));
    }
    *out = place;
    return OK;
}

/* A folder that is named, or a dataset of one's own by name. */
static fallible find_sealed(struct invocation *invocation, const char **out)
{
    const char *word = invocation_argument(invocation, 0);
    const char *manifest;
    struct place place;
    TRY(file_path(invocation->arena, word, "manifest.json", &manifest));
    if (file_exists(manifest)) {
        *out = word;
        return OK;
    }
    TRY(find_place(invocation, word, &place));
    TRY(file_path(invocation->arena, place.folder, "manifest.json", &manifest));
    if (!file_exists(manifest)) {
        return invocation_advise(invocation, FAIL_AT(NOT_FOUND, "dataset.unknown", word),
                                 "There is no sealed dataset in %s nor in %s.", word, place.folder);
    }
    *out = place.folder;
    return OK;
}

static fallible upload(struct invocation *invocation, const char *party_folder, const char *folder);

static fallible take_rules(struct invocation *invocation, struct dataset_rules *out)
{
    const struct options *options = &invocation->options;
    const char *entity = option_value(options, "entity");
    const char *namespace = option_value(options, "namespace");
    struct text *columns;
    uint64_t min_entities;
    uint64_t max_rows;
    TRY(invocation_number(invocation, "max-rows", POLICY_MAX_ROWS_MAX, DATASET_MAX_ROWS_DEFAULT, &max_rows));
    TRY(invocation_number(invocation, "min-entities", POLICY_MIN_ENTITIES_MAX, 0, &min_entities));
    *out = (struct dataset_rules){.max_rows = max_rows, .is_refreshed = option_given(options, "refreshed")};
    if (entity == NULL) {
        return invocation_usage(
            invocation, "--entity says whom the data is about: the column that names a person, claim or the "
                        "like, or none.");
    }
    if (strcmp(entity, "none") != 0) {
        if (min_entities < POLICY_MIN_ENTITIES_MIN) {
            return invocation_usage(
                invocation,
                "--min-entities N (2 or more) says how many of %s must stand behind every released "
                "cell.",
                entity);
        }
        out->entity = (struct policy_entity){text_of(entity), text_of(namespace != NULL ? namespace : entity),
                                             min_entities};
    } else if (min_entities != 0 || namespace != NULL) {
        return invocation_usage(invocation, "--entity none goes without --min-entities and --namespace.");
    }
    TRY(ARENA_ARRAY(invocation->arena, struct text, OPTION_VALUES_MAX, &columns));
    const char *name;
    while ((name = option_value_at(options, "column", out->readable_count)) != NULL) {
        columns[out->readable_count++] = text_of(name);
    }
    out->readable = columns;
    return OK;
}

static fallible take_sql(struct invocation *invocation, struct query_source_options *out)
{
    const char *sql = option_value(&invocation->options, "sql");
    const char *path = option_value(&invocation->options, "sql-file");
    if (sql != NULL && path != NULL) {
        return invocation_usage(invocation, "--sql and --sql-file exclude each other.");
    }
    out->sql = text_of(sql != NULL ? sql : "");
    if (path != NULL) {
        struct bytes bytes;
        TRY(file_read(invocation->arena, path, &bytes));
        out->sql = text_of_bytes(bytes);
    }
    return OK;
}

static fallible take_files(struct invocation *invocation, struct query_source_options *out)
{
    size_t count = invocation->options.argument_count - 1;
    struct text *files;
    if ((count == 0) == (out->sql.size == 0)) {
        return invocation_usage(invocation,
                                "Give the files to seal, or a query over local files with --sql.");
    }
    TRY(ARENA_ARRAY(invocation->arena, struct text, count, &files));
    for (size_t i = 0; i < count; i++) {
        enum query_source_format format;
        files[i] = text_of(invocation->options.arguments[i + 1]);
        if (!file_exists(invocation->options.arguments[i + 1])) {
            return FAIL_AT(NOT_FOUND, "file.not_found", invocation->options.arguments[i + 1]);
        }
        TRY(query_source_format_of(files[i], &format));
        if (i > 0 && format != out->format) {
            return invocation_usage(invocation, "All files have one format; %.*s has another.",
                                    TEXT_ARGS(files[i]));
        }
        out->format = format;
    }
    out->files = files;
    out->file_count = count;
    return OK;
}

static fallible open_source(struct invocation *invocation, struct query_source *out)
{
    struct query_source_options options = {0};
    uint64_t threads;
    TRY(take_sql(invocation, &options));
    TRY(take_files(invocation, &options));
    TRY(invocation_number(invocation, "threads", THREADS_MAX, 0, &threads));
    options.threads = (unsigned)threads;
    TRY(process_find(invocation->arena, invocation->surroundings.programs, "truce-seal-engine",
                     &options.program));
    struct result result = query_source_open(invocation->arena, &options, out);
    if (!result_is_ok(result) && out->message[0] != '\0') {
        return invocation_advise(invocation, result, "%s",
                                 screen_safe(invocation->arena, text_of(out->message)));
    }
    return result;
}

static fallible set_digest(struct invocation *invocation, json_t *json, const char *name,
                           const struct digest *digest)
{
    struct text text;
    TRY(digest_to_text(invocation->arena, digest, &text));
    TRY(json_set_text(json, name, text));
    screen_line(&invocation->screen, "%-9s %.*s", name, TEXT_ARGS(text));
    return OK;
}

static fallible report_sealed(struct invocation *invocation, const struct place *place,
                              const struct dataset_sealed *sealed)
{
    scoped_json *json = json_object();
    TRY(json_set_text(json, "dataset", place->dataset));
    TRY(json_set_i64(json, "version", (int64_t)place->version));
    TRY(json_set_text(json, "folder", text_of(place->folder)));
    TRY(json_set_i64(json, "rows", (int64_t)sealed->rows));
    TRY(json_set_i64(json, "parts", (int64_t)sealed->part_count));
    TRY(json_set_i64(json, "size", (int64_t)sealed->size));
    screen_line(&invocation->screen, "%.*s version %llu: %llu rows in %zu parts, %s%s",
                TEXT_ARGS(place->dataset), (unsigned long long)place->version,
                (unsigned long long)sealed->rows, sealed->part_count,
                screen_size(invocation->arena, sealed->size), sealed->kept_count > 0 ? ", resumed" : "");
    TRY(set_digest(invocation, json, "manifest", &sealed->manifest));
    TRY(set_digest(invocation, json, "policy", &sealed->policy));
    TRY(set_digest(invocation, json, "data", &sealed->data));
    screen_line(&invocation->screen, "folder    %s", place->folder);
    return screen_json(&invocation->screen, json);
}

static fallible seal(struct invocation *invocation, const struct place *place,
                     const struct keystore *keystore, const struct dataset_rules *rules,
                     struct dataset_sealed *out)
{
    struct bar bar = {.invocation = invocation};
    scoped_query_source source = {.socket = -1};
    uint64_t rows_per_part;
    uint64_t threads;
    TRY(invocation_number(invocation, "rows-per-part", MANIFEST_ROWS_MAX, 0, &rows_per_part));
    TRY(invocation_number(invocation, "threads", THREADS_MAX, 0, &threads));
    TRY(open_source(invocation, &source));
    TRY(file_make_folder(place->folder));
    struct dataset_seal_options options = {
        .world = &invocation->world,
        .folder = place->folder,
        .dataset = place->dataset,
        .version = place->version,
        .signing_key = &keystore->signing,
        .storage_key = &keystore->storage,
        .rules = *rules,
        .rows_per_part = rows_per_part,
        .threads = (unsigned)threads,
        .restart = option_given(&invocation->options, "restart"),
        .listener = {&bar, hear},
    };
    struct result result = dataset_seal(invocation->arena, &options, &source.source, out);
    bar_end(&bar, result_is_ok(result));
    if (!result_is_ok(result) && source.message[0] != '\0') {
        return invocation_advise(invocation, result, "%s",
                                 screen_safe(invocation->arena, text_of(source.message)));
    }
    return result;
}

static fallible run_seal(struct invocation *invocation)
{
    struct place place;
    struct dataset_rules rules;
    struct dataset_sealed sealed;
    scoped_keystore keystore = {0};
    TRY(find_place(invocation, invocation_argument(invocation, 0), &place));
    TRY(take_rules(invocation, &rules));
    TRY(invocation_unlock(invocation, &place.party, &keystore));
    struct result result = seal(invocation, &place, &keystore, &rules, &sealed);
    if (strcmp(result.why, "dataset.folder.sealed") == 0) {
        return invocation_advise(invocation, result,
                                 "%s is sealed already. A new version is another folder: --version %llu",
                                 place.folder, (unsigned long long)place.version + 1);
    }
    TRY(result);
    if (option_given(&invocation->options, "upload")) {
        TRY(upload(invocation, place.party.folder, place.folder));
    }
    return report_sealed(invocation, &place, &sealed);
}

static fallible print_columns(struct invocation *invocation, const struct dataset_documents *documents,
                              json_t *json)
{
    json_t *columns = json_array();
    TRY(json_set(json, "columns", columns));
    for (size_t i = 0; i < documents->manifest.column_count; i++) {
        const struct manifest_column *column = &documents->manifest.columns[i];
        bool permitted = policy_permits_column(&documents->policy, column->name) == VERDICT_ALLOW;
        struct text type;
        json_t *row = json_object();
        TRY(json_add(columns, row));
        TRY(column_type_to_text(invocation->arena, column->type, &type));
        TRY(json_set_text(row, "name", column->name));
        TRY(json_set_text(row, "type", type));
        TRY(json_set(row, "readable", json_boolean(permitted)));
        screen_line(&invocation->screen, "  %-28s %-14.*s %s", screen_safe(invocation->arena, column->name),
                    TEXT_ARGS(type), permitted ? "approved queries may read it" : "nobody may read it");
    }
    return OK;
}

static fallible run_show(struct invocation *invocation)
{
    const char *folder;
    scoped_dataset_documents documents = {0};
    scoped_json *json = json_object();
    TRY(find_sealed(invocation, &folder));
    TRY(dataset_load(invocation->arena, folder, &documents));
    const struct policy_entity *entity = &documents.policy.entity;
    TRY(json_set_text(json, "dataset", documents.manifest.dataset));
    TRY(json_set_i64(json, "version", (int64_t)documents.manifest.version));
    TRY(json_set_i64(json, "rows", (int64_t)documents.manifest.rows));
    TRY(json_set_i64(json, "parts", (int64_t)documents.manifest.part_count));
    screen_line(&invocation->screen, "%s version %llu: %llu rows in %zu parts",
                screen_safe(invocation->arena, documents.manifest.dataset),
                (unsigned long long)documents.manifest.version, (unsigned long long)documents.manifest.rows,
                documents.manifest.part_count);
    TRY(set_digest(invocation, json, "manifest", &documents.manifest.document.digest));
    TRY(set_digest(invocation, json, "policy", &documents.policy.document.digest));
    TRY(json_set_text(json, "entity", policy_entity_is_none(entity) ? TEXT("none") : entity->column));
    if (policy_entity_is_none(entity)) {
        screen_line(&invocation->screen, "about     nobody (no entity)");
    } else {
        TRY(json_set_i64(json, "min_entities", (int64_t)entity->min_entities));
        screen_line(&invocation->screen, "about     %s; every released cell stands for at least %llu of them",
                    screen_safe(invocation->arena, entity->column), (unsigned long long)entity->min_entities);
    }
    TRY(print_columns(invocation, &documents, json));
    return screen_json(&invocation->screen, json);
}

/* The owner's key from the address book, where this party knows the owner. */
static fallible find_owner_key(struct invocation *invocation, const struct own_party *party,
                               const char *folder, struct key *out)
{
    scoped_dataset_documents documents = {0};
    scoped_address_book book = {0};
    TRY(dataset_load(invocation->arena, folder, &documents));
    TRY(address_book_open(invocation->arena, party->folder, &book));
    const struct acquaintance *owner = address_book_by_name(&book, documents.manifest.owner);
    if (owner == NULL) {
        const char *name = screen_safe(invocation->arena, documents.manifest.owner);
        return FAIL_AT(UNTRUSTED, "contract.party.unknown", name);
    }
    return key_share(&owner->card.signing, out);
}

static fallible open_own_key(struct invocation *invocation, const char *folder, struct secret *out)
{
    scoped_dataset_documents documents = {0};
    scoped_keystore keystore = {0};
    struct own_party party;
    TRY(dataset_load(invocation->arena, folder, &documents));
    TRY(invocation_unlock(invocation, &party, &keystore));
    return dataset_open_key(folder, &documents.manifest, &keystore.storage, out);
}

static fallible run_verify(struct invocation *invocation)
{
    const char *folder;
    struct own_party party;
    struct bar bar = {.invocation = invocation};
    scoped_key owner = {0};
    scoped_secret data_key = {0};
    struct dataset_verified verified;
    scoped_json *json = json_object();
    TRY(invocation_party(invocation, &party));
    TRY(find_sealed(invocation, &folder));
    TRY(find_owner_key(invocation, &party, folder, &owner));
    bool with_key = option_given(&invocation->options, "contents");
    if (with_key) {
        TRY(open_own_key(invocation, folder, &data_key));
    }
    struct dataset_verify_options options = {folder, &owner, with_key ? &data_key : NULL, 0, {&bar, hear}};
    struct result result = dataset_verify(invocation->arena, &options, &verified);
    bar_end(&bar, result_is_ok(result));
    TRY(result);
    screen_line(&invocation->screen,
                "%zu parts, %s: sizes, ranges and roots recomputed%s; the owner's signatures hold",
                verified.part_count, screen_size(invocation->arena, verified.size),
                verified.contents_checked ? ", contents opened" : "");
    TRY(set_digest(invocation, json, "manifest", &verified.manifest));
    TRY(set_digest(invocation, json, "data", &verified.data));
    TRY(json_set(json, "signatures", json_boolean(verified.signatures_checked)));
    TRY(json_set(json, "contents", json_boolean(verified.contents_checked)));
    TRY(json_set_i64(json, "parts", (int64_t)verified.part_count));
    return screen_json(&invocation->screen, json);
}

static fallible put_document(struct invocation *invocation, struct host_link *link, const char *base,
                             const char *folder, const char *file, const char *name)
{
    const char *path;
    struct bytes document;
    TRY(file_path(invocation->arena, folder, file, &path));
    TRY(file_read(invocation->arena, path, &document));
    return host_link_put(link, invocation->arena, arena_where(invocation->arena, "%s/%s", base, name),
                         document);
}

static fallible put_parts(struct invocation *invocation, struct host_link *link, const char *base,
                          const char *folder, const struct manifest *manifest)
{
    struct progress progress;
    uint64_t total = 0;
    struct result result = OK;
    for (size_t i = 0; i < manifest->part_count; i++) {
        total += manifest->parts[i].size + manifest->parts[i].segment_count * DIGEST_BYTES;
    }
    progress_begin(&progress, &invocation->screen, &invocation->world, "uploading", total, true);
    for (size_t i = 0; i < manifest->part_count && result_is_ok(result); i++) {
        static const char *const kinds[] = {"leaves", "sealed"};
        for (size_t k = 0; k < 2 && result_is_ok(result); k++) {
            const char *file;
            unsigned long long number = (unsigned long long)manifest->parts[i].number;
            TRY(file_path(invocation->arena, folder,
                          arena_where(invocation->arena, "parts/%06llu.%s", number, kinds[k]), &file));
            result = host_link_put_file(
                link, invocation->arena,
                arena_where(invocation->arena, "%s/parts/%llu/%s", base, number, kinds[k]), file, &progress);
        }
    }
    progress_end(&progress, result_is_ok(result));
    return result;
}

static fallible upload(struct invocation *invocation, const char *party_folder, const char *folder)
{
    scoped_dataset_documents documents = {0};
    scoped_host_link link = {0};
    TRY(dataset_load(invocation->arena, folder, &documents));
    TRY(host_link_open(invocation->arena, party_folder, &link));
    const char *base =
        arena_where(invocation->arena, "/v1/datasets/%.*s/%llu", TEXT_ARGS(documents.manifest.dataset),
                    (unsigned long long)documents.manifest.version);
    TRY(put_document(invocation, &link, base, folder, "manifest.json", "manifest"));
    TRY(put_document(invocation, &link, base, folder, "policy.json", "policy"));
    TRY(put_parts(invocation, &link, base, folder, &documents.manifest));
    screen_line(&invocation->screen, "%s version %llu is at the host, sealed",
                screen_safe(invocation->arena, documents.manifest.dataset),
                (unsigned long long)documents.manifest.version);
    return OK;
}

static fallible run_upload(struct invocation *invocation)
{
    const char *folder;
    struct own_party party;
    scoped_json *json = json_object();
    TRY(invocation_party(invocation, &party));
    TRY(find_sealed(invocation, &folder));
    TRY(upload(invocation, party.folder, folder));
    TRY(json_set_text(json, "uploaded", text_of(folder)));
    return screen_json(&invocation->screen, json);
}

#define VERSION_OPTION                                                                                       \
    {                                                                                                        \
        "version", 'v', "N", "the version (default 1)", false                                                \
    }
#define FOLDER_OPTION                                                                                        \
    {                                                                                                        \
        "folder", 'o', "FOLDER", "the dataset's folder (default in the party's home)", false                 \
    }

static const struct option seal_options[] = {
    {"entity", 'e', "COLUMN", "whom the data is about: the column that names them, or none", false},
    {"min-entities", 'm', "N", "so many entities stand behind every released cell", false},
    {"namespace", 0, "NAME", "what the entity's values are names of (default the column's name)", false},
    {"column", 'c', "NAME", "a column that approved queries may read (default all)", true},
    {"max-rows", 0, "N", "no result has more rows (default 10000)", false},
    {"refreshed", 0, NULL, "the rules hold for later versions too, for contracts over data that is refreshed",
     false},
    {"sql", 0, "TEXT", "seal the result of a query over local files", false},
    {"sql-file", 0, "FILE", "the same, from a file", false},
    VERSION_OPTION,
    FOLDER_OPTION,
    {"rows-per-part", 0, "N", "rows in a part (default: about 256 MB)", false},
    {"threads", 0, "N", "threads (default all cores)", false},
    {"restart", 0, NULL, "forget an interrupted sealing instead of resuming it", false},
    {"upload", 'u', NULL, "send it to the host afterwards", false},
    {0}};
static const struct option place_options[] = {VERSION_OPTION, FOLDER_OPTION, {0}};
static const struct option verify_options[] = {
    {"contents", 0, NULL, "also open every segment with the data key (owner only)", false},
    VERSION_OPTION,
    FOLDER_OPTION,
    {0}};

const struct command command_dataset[] = {
    {"dataset", "seal", "encrypt a dataset and sign its manifest and policy", "NAME [FILE...]",
     "Takes Parquet, CSV or JSON files, or a query over local files. Plaintext stays in memory. An "
     "interrupted sealing is\n"
     "resumed by the same command. --entity must be said: it is the owner's decision whom the data is about.",
     seal_options, 1, OPTION_ARGUMENTS_MAX, run_seal},
    {"dataset", "show", "print a sealed dataset's schema, rules and digests", "NAME|FOLDER", NULL,
     place_options, 1, 1, run_show},
    {"dataset", "verify", "recompute a sealed dataset's ranges and roots", "NAME|FOLDER", NULL,
     verify_options, 1, 1, run_verify},
    {"dataset", "upload", "send a sealed dataset to the host", "NAME|FOLDER",
     "Goes on where an earlier upload was interrupted. The host sees ciphertext only.", place_options, 1, 1,
     run_upload},
    {0},
};
