#include "party/dataset/seal_state.h"

#include "base/encode.h"
#include "base/json.h"
#include "crypto/aead.h"
#include "seal/part.h"

#include <stdio.h>
#include <unistd.h>

enum { STATE_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- The envelope: nonce ‖ AES-256-GCM under a key of its own. ---- */

static fallible derive_key(const struct secret *data_key, struct secret *out)
{
    return digest_hkdf(data_key, (struct bytes){0}, bytes_of_text(TEXT("truce-seal-state/1")), AEAD_KEY_BYTES,
                       out);
}

static fallible bind(struct arena *arena, const struct seal_state *state, const char *name, struct bytes *out)
{
    struct text text;
    TRY(arena_printf(arena, &text, "truce-seal-state/1\n%.*s\n%llu\n%s", TEXT_ARGS(state->dataset),
                     (unsigned long long)state->version, name));
    *out = bytes_of_text(text);
    return OK;
}

static fallible put(const struct seal_state *state, const char *name, const json_t *value)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct bytes associated;
    TRY(bind(&arena, state, name, &associated));
    scoped_buffer text, sealed;
    buffer_init(&text, STATE_BYTES_MAX);
    buffer_init(&sealed, STATE_BYTES_MAX + AEAD_NONCE_BYTES + AEAD_TAG_BYTES);
    TRY(json_encode(value, &text));
    scoped_secret key = {0};
    scoped_aead aead = {0};
    TRY(derive_key(state->data_key, &key));
    TRY(aead_open_for_sealing(&key, &aead));
    uint8_t *out;
    TRY(buffer_extend(&sealed, AEAD_NONCE_BYTES + text.size + AEAD_TAG_BYTES, &out));
    TRY(world_random(state->world, out, AEAD_NONCE_BYTES));
    TRY(aead_seal(&aead, out, associated, buffer_view(&text), out + AEAD_NONCE_BYTES));
    return folder_write(state->folder, name, FOLDER_PRIVATE, buffer_view(&sealed));
}

static fallible get(struct arena *arena, const struct seal_state *state, const char *name, json_t **out)
{
    struct bytes associated, sealed;
    TRY(bind(arena, state, name, &associated));
    TRY(folder_read(arena, state->folder, name, STATE_BYTES_MAX, &sealed));
    REQUIRE(sealed.size >= AEAD_NONCE_BYTES + AEAD_TAG_BYTES, CORRUPT, "dataset.resume.state");
    scoped_secret key = {0};
    scoped_aead aead = {0};
    TRY(derive_key(state->data_key, &key));
    TRY(aead_open_for_opening(&key, &aead));
    void *text;
    size_t size = sealed.size - AEAD_NONCE_BYTES - AEAD_TAG_BYTES;
    TRY(arena_take(arena, size, &text));
    TRY(aead_open(&aead, sealed.data, associated, bytes_slice(sealed, AEAD_NONCE_BYTES, SIZE_MAX), text));
    return json_decode((struct bytes){text, size}, out);
}

/* ---- The plan. ---- */

fallible seal_state_begin(const struct seal_state *state, const struct seal_plan *plan)
{
    scoped_json *object = json_object();
    TRY(json_set_base64url(object, "source", digest_view(&plan->source)));
    TRY(json_set_i64(object, "rows_per_part", (int64_t)plan->rows_per_part));
    return put(state, SEAL_STATE_FILE, object);
}

fallible seal_state_check(const struct seal_state *state, const struct seal_plan *plan)
{
    scoped_arena arena;
    arena_init(&arena, 65536);
    scoped_json *object = NULL;
    struct bytes source;
    uint64_t rows_per_part;
    TRY(get(&arena, state, SEAL_STATE_FILE, &object));
    TRY(json_get_base64url(&arena, object, "source", &source));
    TRY(json_get_u64(object, "rows_per_part", INT64_MAX, &rows_per_part));
    REQUIRE(bytes_equal(source, digest_view(&plan->source)), CONFLICT, "dataset.source.changed");
    REQUIRE(rows_per_part == plan->rows_per_part, CONFLICT, "dataset.resume.rows_per_part");
    return OK;
}

/* ---- Finished parts. The JSON is ours and authenticated, so reading it back needs no second thoughts about
 * sizes beyond what the getters check. ---- */

static fallible add_numbers(json_t *array, const uint64_t numbers[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        TRY(json_add(array, json_integer((json_int_t)numbers[i])));
    }
    return OK;
}

static fallible build_column(const struct part_sealed *sealed, size_t index, json_t *columns)
{
    const struct manifest_column *column = &sealed->columns[index];
    const struct manifest_part_column *ranges = &sealed->part.columns[index];
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text type;
    TRY(column_type_to_text(&arena, column->type, &type));
    json_t *row = json_object();
    TRY(json_add(columns, row));
    TRY(json_set_text(row, "name", column->name));
    TRY(json_set_text(row, "type", type));
    TRY(json_set_base64url(row, "element", column->element));
    json_t *numbers = json_array();
    TRY(json_set(row, "ranges", numbers));
    TRY(add_numbers(numbers, (const uint64_t[]){ranges->meta.offset, ranges->meta.size}, 2));
    for (size_t group = 0; group < sealed->part.group_count; group++) {
        TRY(add_numbers(numbers, (const uint64_t[]){ranges->chunks[group].offset, ranges->chunks[group].size},
                        2));
    }
    return OK;
}

static fallible build_part(const struct part_sealed *sealed, json_t *object)
{
    const struct manifest_part *part = &sealed->part;
    const uint64_t numbers[] = {
        part->number,   part->size,        part->plain_size,        part->rows,
        part->data_end, sealed->seen.rows, sealed->seen.hash >> 32, sealed->seen.hash & UINT32_MAX};
    json_t *array = json_array(), *groups = json_array(), *columns = json_array();
    TRY(json_set(object, "numbers", array));
    TRY(json_set(object, "groups", groups));
    TRY(json_set(object, "columns", columns));
    TRY(add_numbers(array, numbers, sizeof numbers / sizeof *numbers));
    TRY(add_numbers(groups, part->group_rows, part->group_count));
    TRY(json_set_base64url(object, "root", digest_view(&part->root)));
    for (size_t i = 0; i < sealed->column_count; i++) {
        TRY(build_column(sealed, i, columns));
    }
    return OK;
}

fallible seal_state_put_part(const struct seal_state *state, const struct part_sealed *part)
{
    char name[FOLDER_NAME_BYTES];
    folder_part_name(part->part.number, "state", name);
    scoped_json *object = json_object();
    TRY(build_part(part, object));
    return put(state, name, object);
}

static fallible read_numbers(struct arena *arena, const json_t *object, const char *member, uint64_t **out,
                             size_t *out_count)
{
    json_t *array;
    TRY(json_get_array(object, member, &array));
    size_t count = json_array_size(array);
    uint64_t *numbers;
    TRY(ARENA_ARRAY(arena, uint64_t, count, &numbers));
    for (size_t i = 0; i < count; i++) {
        json_int_t value = json_integer_value(json_array_get(array, i));
        REQUIRE(json_is_integer(json_array_get(array, i)) && value >= 0, CORRUPT, "dataset.resume.state");
        numbers[i] = (uint64_t)value;
    }
    *out = numbers;
    *out_count = count;
    return OK;
}

static fallible read_column(struct arena *arena, const json_t *row, size_t group_count,
                            struct manifest_column *column, struct manifest_part_column *ranges)
{
    struct text type, name;
    uint64_t *numbers;
    size_t count;
    TRY(json_get_text(row, "name", &name));
    TRY(arena_copy_text(arena, name, &column->name));
    TRY(json_get_text(row, "type", &type));
    TRY(column_type_parse(type, &column->type));
    TRY(json_get_base64url(arena, row, "element", &column->element));
    TRY(read_numbers(arena, row, "ranges", &numbers, &count));
    REQUIRE(count == 2 + 2 * group_count, CORRUPT, "dataset.resume.state");
    ranges->meta = (struct manifest_range){numbers[0], numbers[1]};
    TRY(ARENA_ARRAY(arena, struct manifest_range, group_count, &ranges->chunks));
    for (size_t group = 0; group < group_count; group++) {
        ranges->chunks[group] = (struct manifest_range){numbers[2 + 2 * group], numbers[3 + 2 * group]};
    }
    return OK;
}

static fallible read_columns(struct arena *arena, const json_t *object, struct part_sealed *sealed)
{
    json_t *columns;
    TRY(json_get_array(object, "columns", &columns));
    sealed->column_count = json_array_size(columns);
    TRY(ARENA_ARRAY(arena, struct manifest_column, sealed->column_count, &sealed->columns));
    TRY(ARENA_ARRAY(arena, struct manifest_part_column, sealed->column_count, &sealed->part.columns));
    for (size_t i = 0; i < sealed->column_count; i++) {
        TRY(read_column(arena, json_array_get(columns, i), sealed->part.group_count, &sealed->columns[i],
                        &sealed->part.columns[i]));
    }
    return OK;
}

static fallible read_part(struct arena *arena, const json_t *object, struct part_sealed *sealed)
{
    uint64_t *numbers;
    size_t count;
    struct bytes root;
    TRY(read_numbers(arena, object, "numbers", &numbers, &count));
    TRY(json_get_base64url(arena, object, "root", &root));
    REQUIRE(count == 8 && root.size == DIGEST_BYTES, CORRUPT, "dataset.resume.state");
    struct manifest_part *part = &sealed->part;
    part->number = numbers[0];
    part->size = numbers[1];
    part->plain_size = numbers[2];
    part->segment_count = stream_segment_count(part->plain_size);
    part->rows = numbers[3];
    part->data_end = numbers[4];
    sealed->seen = (struct source_seen){numbers[5], numbers[6] << 32 | numbers[7]};
    memcpy(part->root.octets, root.data, DIGEST_BYTES);
    TRY(read_numbers(arena, object, "groups", &part->group_rows, &part->group_count));
    return read_columns(arena, object, sealed);
}

static fallible check_files(const struct seal_state *state, const struct manifest_part *part)
{
    scoped_arena arena;
    arena_init(&arena, (size_t)part->segment_count * 4 * DIGEST_BYTES + 65536);
    char name[FOLDER_NAME_BYTES];
    int descriptor;
    uint64_t size;
    folder_part_name(part->number, "sealed", name);
    TRY(folder_open_file(state->folder, name, &descriptor, &size));
    close(descriptor);
    REQUIRE(size == part->size, CORRUPT, "dataset.resume.part");
    struct bytes leaves;
    const struct digest *checked;
    folder_part_name(part->number, "leaves", name);
    TRY(folder_read(&arena, state->folder, name, (size_t)part->segment_count * DIGEST_BYTES, &leaves));
    REQUIRE(result_is_ok(part_take_leaves(&arena, leaves, part->plain_size, &part->root, &checked)), CORRUPT,
            "dataset.resume.part");
    return OK;
}

fallible seal_state_get_part(struct arena *arena, const struct seal_state *state, uint64_t number,
                             struct part_sealed *out)
{
    char name[FOLDER_NAME_BYTES];
    folder_part_name(number, "state", name);
    scoped_json *object = NULL;
    struct part_sealed sealed = {0};
    TRY(get(arena, state, name, &object));
    TRY(read_part(arena, object, &sealed));
    REQUIRE(sealed.part.number == number, CORRUPT, "dataset.resume.state");
    TRY(check_files(state, &sealed.part));
    *out = sealed;
    return OK;
}

fallible seal_state_end(const struct seal_state *state, uint64_t count)
{
    char name[FOLDER_NAME_BYTES];
    for (uint64_t i = 0; i < count; i++) {
        folder_part_name(i, "state", name);
        TRY(folder_remove(state->folder, name));
    }
    return folder_remove(state->folder, SEAL_STATE_FILE);
}
