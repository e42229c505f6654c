#include "room/data.h"

#include "edge/query_wire.h"
#include "seal/part.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int compare_index(const void *left, const void *right)
{
    size_t a = *(const size_t *)left;
    size_t b = *(const size_t *)right;
    return a < b ? -1 : a > b;
}

/* Segment 0 carries the stream's header: it is always pulled, with the metadata. */
static fallible plan_segments(struct arena *arena, const struct data_table *table, size_t index,
                              enum manifest_cover cover, uint64_t **out, size_t *out_count)
{
    struct manifest_range *ranges;
    struct manifest_range *with_header;
    size_t count;
    TRY(manifest_ranges(arena, table->manifest, index, table->columns, table->column_count, cover, &ranges,
                        &count));
    TRY(ARENA_ARRAY(arena, struct manifest_range, count + 1, &with_header));
    size_t shift = count > 0 && ranges[0].offset == 0 ? 0 : 1;
    with_header[0] = (struct manifest_range){0, 1};
    if (count > 0) {
        memcpy(with_header + shift, ranges, count * sizeof *ranges);
    }
    return manifest_segments(arena, &table->manifest->parts[index], with_header, count + shift, out,
                             out_count);
}

static fallible plan_part(struct arena *arena, const struct data_table *table, size_t index,
                          struct data_part *part)
{
    const struct manifest *manifest = table->manifest;
    uint64_t *heads;
    size_t head_count;
    part->part = &manifest->parts[index];
    TRY(manifest_ranges(arena, manifest, index, table->columns, table->column_count, MANIFEST_PAGES,
                        &part->granted, &part->granted_count));
    TRY(plan_segments(arena, table, index, MANIFEST_PAGES_AND_META, &part->segments, &part->segment_count));
    TRY(plan_segments(arena, table, index, MANIFEST_META, &heads, &head_count));
    TRY(ARENA_ARRAY(arena, _Atomic uint8_t, part->segment_count, &part->states));
    for (size_t i = 0, head = 0; head < head_count; i++) {
        if (part->segments[i] == heads[head]) {
            part->states[i] = DATA_WANTED;
            head++;
        }
    }
    return OK;
}

fallible data_add_table(struct arena *arena, struct data *data, struct text name,
                        const struct manifest *manifest, const struct text columns[], size_t column_count)
{
    struct data_table table = {.name = name, .manifest = manifest, .column_count = column_count};
    TRY(ARENA_ARRAY(arena, size_t, column_count, &table.columns));
    for (size_t i = 0; i < column_count; i++) {
        TRY(manifest_find_column(manifest, columns[i], &table.columns[i]));
    }
    qsort(table.columns, column_count, sizeof *table.columns, compare_index);
    TRY(ARENA_ARRAY(arena, struct data_part, manifest->part_count, &table.parts));
    for (size_t i = 0; i < manifest->part_count; i++) {
        TRY(plan_part(arena, &table, i, &table.parts[i]));
    }
    table.part_count = manifest->part_count;
    struct data_table *tables;
    TRY(ARENA_ARRAY(arena, struct data_table, data->table_count + 1, &tables));
    if (data->table_count > 0) {
        memcpy(tables, data->tables, data->table_count * sizeof *tables);
    }
    tables[data->table_count] = table;
    data->tables = tables;
    data->table_count++;
    return OK;
}

static struct stream_segment segment_of(const struct data_part *part, uint64_t number)
{
    struct stream_segment segment;
    struct result result = stream_segment_at(part->part->plain_size, number, &segment);
    ASSERT(result_is_ok(result)); /* the manifest's parser has checked the sizes */
    return segment;
}

/* The first granted range that ends after `offset`. */
static size_t first_range_after(const struct data_part *part, uint64_t offset)
{
    size_t low = 0;
    size_t high = part->granted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->granted[middle].offset + part->granted[middle].size <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The granted octets of a segment into the window, from private memory; or out of it, where `plain` is NULL.
 */
static fallible copy_granted(const struct data *data, const struct data_part *part, size_t index,
                             const uint8_t *plain)
{
    struct stream_segment segment = segment_of(part, part->segments[index]);
    uint64_t end = segment.plain_offset + segment.plain_size;
    for (size_t i = first_range_after(part, segment.plain_offset);
         i < part->granted_count && part->granted[i].offset < end; i++) {
        struct manifest_range range = part->granted[i];
        uint64_t from = range.offset > segment.plain_offset ? range.offset : segment.plain_offset;
        uint64_t to = range.offset + range.size < end ? range.offset + range.size : end;
        uint64_t at = query_window_at(part->first, from);
        if (plain == NULL) {
            window_wipe(data->window, at, (size_t)(to - from));
        } else {
            struct bytes octets = {plain + (from - segment.plain_offset), (size_t)(to - from)};
            TRY(window_write(data->window, at, octets));
        }
    }
    return OK;
}

static void hide(const struct data *data, const struct data_part *part, size_t index)
{
    struct result result = copy_granted(data, part, index, NULL);
    ASSERT(result_is_ok(result)); /* wiping cannot fail */
}

static void part_release(const struct data *data, struct data_part *part)
{
    for (size_t i = 0; i < part->segment_count; i++) {
        if (part->states[i] == DATA_TAKEN) {
            hide(data, part, i);
        }
    }
    stream_key_release(&part->key);
    buffer_release(&part->footer);
    if (part->ciphertext != NULL) {
        munmap(part->ciphertext, part->ciphertext_mapped);
        part->ciphertext = NULL;
    }
}

void data_release(struct data *data)
{
    for (size_t t = 0; t < data->table_count; t++) {
        for (size_t p = 0; p < data->tables[t].part_count; p++) {
            part_release(data, &data->tables[t].parts[p]);
        }
    }
    if (data->table_count > 0) {
        window_clear(data->window);
    }
    *data = (struct data){0};
}

void data_store_release(struct data_store *store)
{
    for (size_t i = 0; i < store->part_count; i++) {
        if (store->parts[i].ciphertext != NULL) {
            munmap(store->parts[i].ciphertext, store->parts[i].ciphertext_mapped);
        }
    }
    free(store->parts);
    *store = (struct data_store){0};
}

static struct digest plan_of(const struct data_part *part)
{
    struct bytes numbers = {(const uint8_t *)part->segments, part->segment_count * sizeof *part->segments};
    return digest_of(numbers);
}

void data_keep(struct data *data)
{
    struct data_store kept = {0};
    for (size_t t = 0; t < data->table_count; t++) {
        kept.part_count += data->tables[t].part_count;
    }
    kept.parts = calloc(kept.part_count + 1, sizeof *kept.parts);
    data_store_release(data->store);
    if (kept.parts == NULL) {
        return;
    }
    struct data_kept *next = kept.parts;
    for (size_t t = 0; t < data->table_count; t++) {
        for (size_t p = 0; p < data->tables[t].part_count; p++) {
            struct data_part *part = &data->tables[t].parts[p];
            *next++ = (struct data_kept){part->part->root, plan_of(part), part->ciphertext,
                                         part->ciphertext_mapped};
            part->ciphertext = NULL;
        }
    }
    *data->store = kept;
}

/* Whatever is not found again has no place beside what is pulled anew. */
static bool take_kept(struct data *data, struct data_part *part)
{
    struct digest plan = plan_of(part);
    for (size_t i = 0; data->store != NULL && i < data->store->part_count; i++) {
        struct data_kept *kept = &data->store->parts[i];
        if (kept->ciphertext != NULL && digest_equal(&kept->root, &part->part->root) &&
            digest_equal(&kept->plan, &plan)) {
            part->ciphertext = kept->ciphertext;
            part->ciphertext_mapped = kept->ciphertext_mapped;
            part->is_checked = true;
            memset((void *)part->states, DATA_HERE, part->segment_count);
            kept->ciphertext = NULL;
            return true;
        }
    }
    if (data->store != NULL) {
        data_store_release(data->store);
    }
    return false;
}

fallible data_part_take_leaves(struct arena *arena, struct data *data, struct data_part *part,
                               struct bytes untrusted_leaves)
{
    TRY(part_take_leaves(arena, untrusted_leaves, part->part->plain_size, &part->part->root, &part->leaves));
    uint64_t size = (uint64_t)part->segment_count * STREAM_SEGMENT_BYTES;
    uint64_t used = data->on_demand ? 0 : size; /* what is loaded on demand goes as soon as it is shown */
    REQUIRE(used <= data->memory_max - data->memory_used, LIMIT, "data.memory");
    if (take_kept(data, part)) {
        data->memory_used += used;
        return OK;
    }
    void *mapped =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(mapped != MAP_FAILED, NO_MEMORY, "data.memory");
    if (!data->on_demand) {
        madvise(mapped, size, MADV_HUGEPAGE); /* where the kernel can */
    }
    part->ciphertext = mapped;
    part->ciphertext_mapped = size;
    data->memory_used += used;
    return OK;
}

void data_part_next(const struct data_part *part, size_t from, bool only_wanted, struct data_run *out)
{
    struct data_run run = {0};
    for (size_t i = from; i < part->segment_count && run.count < DATA_SEGMENTS_PER_PULL_MAX; i++) {
        uint8_t state = part->states[i];
        bool fits = state == DATA_WANTED || (state == DATA_ABSENT && !only_wanted);
        if (run.count == 0 && fits) {
            run.index = i;
            run.first = part->segments[i];
        } else if (run.count > 0 && (!fits || part->segments[i] != run.first + run.count)) {
            break;
        }
        if (fits) {
            run.size += segment_of(part, part->segments[i]).size;
            run.count++;
        }
    }
    *out = run;
}

struct buffer data_part_place(const struct data_part *part, const struct data_run *run)
{
    uint8_t *place = part->ciphertext + run->index * STREAM_SEGMENT_BYTES;
    return (struct buffer){.data = place, .capacity = run->size, .max = run->size};
}

/* The index of a segment, or of the first after it; `out_granted` says which. */
static size_t find_segment(const struct data_part *part, uint64_t number, bool *out_granted)
{
    size_t low = 0;
    size_t high = part->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->segments[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out_granted = low < part->segment_count && part->segments[low] == number;
    return low;
}

static fallible reader_open_part(struct data_reader *reader, const struct data_part *part)
{
    if (reader->part == part) {
        return OK;
    }
    if (reader->part != NULL) {
        stream_close(&reader->stream);
        reader->part = NULL;
    }
    TRY(stream_open_for_opening(&part->key, &reader->stream));
    reader->part = part;
    return OK;
}

/* Checks and decrypts a segment, whose ciphertext must be here, into the reader's private memory. */
static fallible reader_open_segment(struct data_reader *reader, const struct data_part *part, size_t index)
{
    TRY(reader_open_part(reader, part));
    uint64_t number = part->segments[index];
    struct bytes sealed = {part->ciphertext + index * STREAM_SEGMENT_BYTES, segment_of(part, number).size};
    if (!part->is_checked) {
        TRY(part_check_segment(&part->leaves[number], sealed));
    }
    return stream_open_segment(&reader->stream, part->part->plain_size, number, sealed, reader->plain);
}

void data_reader_release(struct data_reader *reader)
{
    if (reader->part != NULL) {
        stream_close(&reader->stream);
    }
    wipe(reader, sizeof *reader);
}

/* Plaintext [offset, offset + size) of the part, whose segments are here. */
static fallible read_plain(const struct data_part *part, struct data_reader *reader, uint64_t offset,
                           size_t size, uint8_t *out)
{
    for (size_t done = 0; done < size;) {
        bool granted;
        size_t index = find_segment(part, stream_segment_holding(offset + done), &granted);
        ASSERT(granted);
        TRY(reader_open_segment(reader, part, index));
        struct stream_segment segment = segment_of(part, part->segments[index]);
        size_t inside = (size_t)(offset + done - segment.plain_offset);
        size_t left = segment.plain_size - inside;
        size_t step = left < size - done ? left : size - done;
        memcpy(out + done, reader->plain + inside, step);
        done += step;
    }
    return OK;
}

/* The footer, and the magic at the start of every Parquet file, which is public. */
static fallible show_frame(struct data *data, struct data_part *part)
{
    uint64_t segments = query_segment_of(data_part_file_size(part)) + 1;
    segments = segments > part->part->segment_count ? segments : part->part->segment_count;
    REQUIRE(segments <= QUERY_SEGMENTS_MAX - data->segments_used, LIMIT, "data.window");
    part->first = data->segments_used;
    data->segments_used += segments;
    TRY(window_write(data->window, query_window_at(part->first, 0), bytes_of_text(TEXT("PAR1"))));
    return window_write(data->window, query_window_at(part->first, part->part->data_end),
                        buffer_view(&part->footer));
}

fallible data_part_ready(struct arena *arena, struct data *data, const struct data_table *table,
                         struct data_part *part, const struct secret *data_key)
{
    const struct manifest *manifest = table->manifest;
    struct bytes associated;
    TRY(part_associated_data(arena, manifest->dataset, manifest->version, part->part->number, &associated));
    struct bytes first = {part->ciphertext, segment_of(part, 0).size};
    TRY(part_check_segment(&part->leaves[0], first)); /* before the key is made of its header */
    struct bytes header = {part->ciphertext, STREAM_HEADER_BYTES};
    TRY(stream_key_of(data_key, associated, header, &part->key));

    struct data_reader *reader;
    TRY(ARENA_NEW(arena, struct data_reader, &reader));
    struct footer_column *columns;
    TRY(ARENA_ARRAY(arena, struct footer_column, table->column_count, &columns));
    struct result result = OK;
    for (size_t i = 0; i < table->column_count && result_is_ok(result); i++) {
        struct manifest_range meta = part->part->columns[table->columns[i]].meta;
        uint8_t *section = NULL;
        result = ARENA_ARRAY(arena, uint8_t, meta.size, &section);
        if (result_is_ok(result)) {
            result = read_plain(part, reader, meta.offset, meta.size, section);
        }
        columns[i].element = manifest->columns[table->columns[i]].element;
        columns[i].untrusted_metadata = (struct bytes){section, meta.size};
    }
    data_reader_release(reader);
    TRY(result);
    buffer_init(&part->footer, FOOTER_BYTES_MAX);
    TRY(footer_compose(columns, table->column_count, part->part->group_rows, part->part->group_count, arena,
                       &part->footer));
    part->is_ready = true;
    return show_frame(data, part);
}

uint64_t data_part_file_size(const struct data_part *part)
{
    return part->part->data_end + part->footer.size;
}

/* `state` is the one to give the segment, where it can be shown. */
static fallible show(struct data *data, struct data_part *part, size_t index, uint32_t state,
                     struct data_reader *reader)
{
    uint8_t here = DATA_HERE;
    if (!atomic_compare_exchange_strong(&part->states[index], &here, DATA_TAKEN)) {
        return OK;
    }
    struct result result = reader_open_segment(reader, part, index);
    if (result_is_ok(result)) {
        result = copy_granted(data, part, index, reader->plain);
    }
    if (!result_is_ok(result)) {
        atomic_store(&data->untrusted_part, part);
        state = QUERY_STATE_REFUSED;
    }
    window_show(data->window, part->first + part->segments[index], state);
    return result;
}

/* What was shown longest ago makes place: first its state, then its octets. */
static void make_place(struct data *data, struct data_part *part, size_t index)
{
    struct data_shown *place = &data->shown[data->shown_count % DATA_ON_DEMAND_SEGMENTS_MAX];
    if (data->shown_count >= DATA_ON_DEMAND_SEGMENTS_MAX) {
        uint64_t number = place->part->segments[place->index];
        place->part->states[place->index] = DATA_ABSENT;
        window_show(data->window, place->part->first + number, QUERY_STATE_ABSENT);
        hide(data, place->part, place->index);
    }
    *place = (struct data_shown){part, index};
    data->shown_count++;
}

fallible data_part_keep(struct data *data, struct data_part *part, const struct data_run *run, size_t got,
                        struct data_reader *reader)
{
    REQUIRE(got == run->size, UNTRUSTED, "data.segments.size");
    for (size_t i = run->index; i < run->index + run->count; i++) {
        bool waited_for = atomic_exchange(&part->states[i], DATA_HERE) == DATA_WANTED && part->is_ready;
        if (waited_for && data->on_demand) {
            make_place(data, part, i);
        }
        if (waited_for) {
            uint32_t state = (uint32_t)(data->shown_count % (QUERY_STATE_REFUSED - 1)) + 1;
            /* A changed segment must not end the pull: the host would learn that it was waited for. */
            struct result shown = show(data, part, i, state, reader);
            (void)shown; /* untrusted_part ends the run when all is pulled */
        }
        if (waited_for && data->on_demand) {
            madvise(part->ciphertext + i * STREAM_SEGMENT_BYTES, STREAM_SEGMENT_BYTES, MADV_DONTNEED);
        }
    }
    return OK;
}

fallible data_show(struct data *data, struct data_part *part, size_t index, struct data_reader *reader)
{
    return show(data, part, index, 1, reader);
}

fallible data_show_all(struct data *data, struct data_part *part, struct data_reader *reader)
{
    for (size_t i = 0; i < part->segment_count; i++) {
        TRY(data_show(data, part, i, reader));
    }
    return OK;
}

bool data_answer(struct data *data, struct data_part *part, struct data_reader *reader, uint64_t offset,
                 uint64_t size)
{
    uint64_t file_size = data_part_file_size(part);
    if (offset >= file_size || size == 0 || size > file_size - offset) {
        return false;
    }
    bool absent = false;
    uint64_t last = query_segment_of(offset + size - 1);
    for (uint64_t number = query_segment_of(offset); number <= last; number++) {
        bool granted;
        size_t index = find_segment(part, number, &granted);
        if (!granted) { /* the window has zeros there, or the footer */
            window_show(data->window, part->first + number, 1);
            continue;
        }
        struct result result = data_show(data, part, index, reader);
        (void)result; /* the child is told by the state, the room by untrusted_part */
        uint8_t state = DATA_ABSENT;
        atomic_compare_exchange_strong(&part->states[index], &state, DATA_WANTED);
        absent = absent || state == DATA_ABSENT || state == DATA_WANTED;
    }
    if (absent && data->on_demand) {
        struct data_load load = {part, offset, size};
        ssize_t sent = send(data->load_socket, &load, sizeof load, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* the child wishes again */
    }
    return true;
}
