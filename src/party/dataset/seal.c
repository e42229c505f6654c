#include "party/dataset/seal.h"

#include "party/dataset/data_key.h"
#include "party/dataset/part_writer.h"
#include "party/dataset/publish.h"
#include "party/dataset/seal_state.h"

#include <unistd.h>

/* Everything that the manifest needs of all parts is kept until it is written. */
#define SEALING_BYTES_MAX ((size_t)2 << 30)

enum { ROW_GROUP_ROWS = 122880, ROWS_PER_PART_MAX = 64 * 1024 * 1024, PART_BYTES_WANTED = 256 * 1024 * 1024 };

struct sealing {
    const struct dataset_seal_options *options;
    struct source *source;
    struct arena arena;
    struct folder folder;
    struct secret data_key;
    struct seal_state state;
    uint64_t rows_per_part;
    unsigned threads;
    struct part_sealed *parts;
    size_t part_count;
    size_t kept_count;
    struct dataset_progress progress;
};

static void sealing_release(struct sealing *sealing)
{
    arena_release(&sealing->arena);
    folder_close(&sealing->folder);
    secret_release(&sealing->data_key);
}

/* ---- What to seal. ---- */

static unsigned row_bytes(const struct source *source)
{
    unsigned bytes = 0;
    for (size_t i = 0; i < source->column_count; i++) {
        /* Fixed widths are at most 16; texts are guessed. Compression makes up for a bad guess. */
        bool is_long =
            text_is(source->columns[i].type, "VARCHAR") || text_is(source->columns[i].type, "BLOB");
        bytes += is_long ? 24 : 8;
    }
    return bytes > 0 ? bytes : 1;
}

static uint64_t choose_rows_per_part(const struct source *source)
{
    uint64_t rows = (uint64_t)PART_BYTES_WANTED / row_bytes(source);
    rows = rows < ROWS_PER_PART_MAX ? rows : (uint64_t)ROWS_PER_PART_MAX;
    return rows > ROW_GROUP_ROWS ? rows / ROW_GROUP_ROWS * ROW_GROUP_ROWS : (uint64_t)ROW_GROUP_ROWS;
}

static unsigned choose_threads(unsigned wanted)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = wanted > 0 ? wanted : cores > 0 ? (unsigned)cores : 1;
    return threads < PART_WRITER_THREADS_MAX ? threads : PART_WRITER_THREADS_MAX;
}

static fallible make_plan(struct sealing *sealing)
{
    const struct source *source = sealing->source;
    uint64_t wanted = sealing->options->rows_per_part;
    sealing->rows_per_part = wanted > 0 ? wanted : choose_rows_per_part(source);
    sealing->threads = choose_threads(sealing->options->threads);
    uint64_t parts = source->rows / sealing->rows_per_part + (source->rows % sealing->rows_per_part > 0);
    sealing->part_count = parts > 0 ? (size_t)parts : 1; /* an empty dataset is one part without rows */
    REQUIRE(sealing->part_count <= MANIFEST_PARTS_MAX, LIMIT, "dataset.parts");
    return ARENA_ARRAY(&sealing->arena, struct part_sealed, sealing->part_count, &sealing->parts);
}

static fallible hash_source(const struct source *source, struct digest *out)
{
    scoped_buffer text;
    buffer_init(&text, 1024 * 1024);
    TRY(buffer_printf(&text, "%llu\n", (unsigned long long)source->rows));
    for (size_t i = 0; i < source->column_count; i++) {
        TRY(buffer_printf(&text, "%.*s\n%.*s\n", TEXT_ARGS(source->columns[i].name),
                          TEXT_ARGS(source->columns[i].type)));
    }
    *out = digest_of(buffer_view(&text));
    return OK;
}

/* ---- The folder, new or of an interrupted sealing. ---- */

/* Parts before the plan: the order makes sure that no state survives its key. */
static fallible forget_states(const struct folder *folder)
{
    for (uint64_t i = 0;; i++) {
        char name[FOLDER_NAME_BYTES];
        folder_part_name(i, "state", name);
        if (!folder_has(folder, name)) {
            break;
        }
        TRY(folder_remove(folder, name));
    }
    return folder_remove(folder, SEAL_STATE_FILE);
}

static fallible open_folder(struct sealing *sealing)
{
    TRY(folder_open(sealing->options->folder, true, &sealing->folder));
    if (folder_has(&sealing->folder, DATASET_MANIFEST_FILE)) {
        TRY(forget_states(&sealing->folder)); /* of a sealing that was interrupted after its last step */
        return FAIL(CONFLICT, "dataset.folder.sealed");
    }
    return folder_make(&sealing->folder, "parts");
}

static fallible begin_anew(struct sealing *sealing, const struct seal_plan *plan)
{
    const struct dataset_seal_options *options = sealing->options;
    TRY(forget_states(&sealing->folder)); /* without its state a part is sealed again */
    TRY(data_key_make(options->world, &sealing->folder, options->dataset, options->version,
                      options->storage_key, &sealing->data_key));
    return seal_state_begin(&sealing->state, plan);
}

static fallible begin_or_resume(struct sealing *sealing)
{
    const struct dataset_seal_options *options = sealing->options;
    struct seal_plan plan = {.rows_per_part = sealing->rows_per_part};
    TRY(hash_source(sealing->source, &plan.source));
    sealing->state = (struct seal_state){&sealing->folder, options->world, &sealing->data_key,
                                         options->dataset, options->version};
    if (options->restart || !folder_has(&sealing->folder, SEAL_STATE_FILE)) {
        return begin_anew(sealing, &plan);
    }
    TRY(data_key_open(&sealing->folder, options->dataset, options->version, options->storage_key,
                      &sealing->data_key));
    return seal_state_check(&sealing->state, &plan);
}

/* ---- Parts. ---- */

static struct source_rows rows_of_part(const struct sealing *sealing, size_t number)
{
    uint64_t first = number * sealing->rows_per_part;
    uint64_t left = sealing->source->rows - first;
    return (struct source_rows){first, left < sealing->rows_per_part ? left : sealing->rows_per_part};
}

static void hear_percent(void *self, unsigned percent)
{
    struct sealing *sealing = self;
    struct dataset_progress progress = sealing->progress;
    progress.done += rows_of_part(sealing, progress.part).count * percent / 100;
    dataset_tell(&sealing->options->listener, progress);
}

static void tell(struct sealing *sealing, enum dataset_step step, size_t part, uint64_t done)
{
    sealing->progress =
        (struct dataset_progress){step, done, sealing->source->rows, part, sealing->part_count};
    dataset_tell(&sealing->options->listener, sealing->progress);
}

static fallible keep_part(struct sealing *sealing, size_t number)
{
    struct part_sealed *part = &sealing->parts[number];
    struct source_rows rows = rows_of_part(sealing, number);
    tell(sealing, DATASET_CHECKING, number, rows.first);
    TRY(seal_state_get_part(&sealing->arena, &sealing->state, number, part));
    struct source_seen seen;
    TRY(sealing->source->check(sealing->source->self, rows, &seen));
    REQUIRE(seen.rows == part->seen.rows && seen.hash == part->seen.hash && part->part.rows == rows.count,
            CONFLICT, "dataset.source.changed");
    sealing->kept_count++;
    return OK;
}

static fallible seal_part(struct sealing *sealing, size_t number)
{
    const struct dataset_seal_options *options = sealing->options;
    struct part_order order = {
        .folder = &sealing->folder,
        .world = options->world,
        .data_key = &sealing->data_key,
        .dataset = options->dataset,
        .version = options->version,
        .number = number,
        .rows = rows_of_part(sealing, number),
        .threads = sealing->threads,
    };
    tell(sealing, DATASET_SEALING, number, order.rows.first);
    TRY(part_seal(&sealing->arena, &order, sealing->source, &sealing->parts[number]));
    return seal_state_put_part(&sealing->state, &sealing->parts[number]);
}

/* A part's columns are those that the source announced and those of the first part. */
static fallible check_columns(const struct sealing *sealing, size_t number)
{
    const struct part_sealed *part = &sealing->parts[number], *first = &sealing->parts[0];
    const struct source *source = sealing->source;
    REQUIRE(part->column_count == source->column_count, INVALID, "dataset.column.count");
    for (size_t i = 0; i < part->column_count; i++) {
        const struct manifest_column *column = &part->columns[i];
        struct column_type announced;
        REQUIRE(text_equal(column->name, source->columns[i].name), INVALID, "dataset.column.name");
        TRY(column_type_parse(source->columns[i].type, &announced));
        REQUIRE(column_type_equal(column->type, announced), INVALID, "dataset.column.type");
        REQUIRE(bytes_equal(column->element, first->columns[i].element), INVALID, "dataset.column.differs");
    }
    return OK;
}

static fallible seal_parts(struct sealing *sealing)
{
    sealing->source->listener = (struct source_listener){sealing, hear_percent};
    for (size_t i = 0; i < sealing->part_count; i++) {
        char name[FOLDER_NAME_BYTES];
        folder_part_name(i, "state", name);
        TRY(folder_has(&sealing->folder, name) ? keep_part(sealing, i) : seal_part(sealing, i));
        TRY(check_columns(sealing, i));
    }
    tell(sealing, DATASET_SEALING, sealing->part_count, sealing->source->rows);
    return OK;
}

static fallible seal(struct sealing *sealing, struct dataset_sealed *out)
{
    const struct dataset_seal_options *options = sealing->options;
    TRY(publish_check_rules(&sealing->arena, options->dataset, &options->rules, sealing->source));
    TRY(make_plan(sealing));
    TRY(open_folder(sealing));
    TRY(begin_or_resume(sealing));
    TRY(seal_parts(sealing));
    struct dataset_sealed sealed = {
        .part_count = sealing->part_count, .kept_count = sealing->kept_count, .rows = sealing->source->rows};
    struct publication publication = {options, &sealing->folder, &sealing->data_key, sealing->parts,
                                      sealing->part_count};
    TRY(publish(&sealing->arena, &publication, &sealed));
    TRY(seal_state_end(&sealing->state, sealing->part_count));
    *out = sealed;
    return OK;
}

fallible dataset_seal(struct arena *arena, const struct dataset_seal_options *options, struct source *source,
                      struct dataset_sealed *out)
{
    defer(sealing_release) struct sealing sealing = {
        .options = options, .source = source, .folder = FOLDER_CLOSED};
    arena_init(&sealing.arena, SEALING_BYTES_MAX);
    struct source_listener before = source->listener;
    struct result result = seal(&sealing, out);
    source->listener = before;
    if (result.where != NULL) {
        result.where = arena_where(arena, "%s", result.where);
    }
    return result;
}
