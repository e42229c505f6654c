/* Family `sim`: makes and signs a report in the layout of SEV-SNP with a chip key from a file. It names the
 * measurement that it is given. It protects nothing; it lets everything around a TEE run and be tested. */
#include "tee/tee.h"

#include "attest/report.h"
#include "crypto/key.h"
#include "tee/sim_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 16 * 1024 };

struct simulation {
    struct key chip_key;
    struct buffer certificates[2]; /* chip, root */
    uint8_t measurement[TEE_MEASUREMENT_BYTES];
};

static void close_file(const int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

static fallible read_file(const char *folder, const char *name, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, 8192);
    struct text path;
    TRY(arena_printf(&arena, &path, "%s/%s", folder, name));
    defer(close_file) int file = open(path.data, O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0, UNAVAILABLE, "tee.sim.file_missing");
    uint8_t octets[FILE_BYTES_MAX];
    ssize_t size;
    while ((size = read(file, octets, sizeof octets)) > 0) {
        TRY(buffer_add(out, (struct bytes){octets, (size_t)size}));
        wipe(octets, sizeof octets);
    }
    REQUIRE(size == 0 && out->size > 0, UNAVAILABLE, "tee.sim.file_unreadable");
    return OK;
}

static void wipe_buffer(struct buffer *buffer)
{
    wipe(buffer->data, buffer->capacity);
    buffer_release(buffer);
}

static fallible read_simulation(const char *folder, struct simulation *out)
{
    /* Its capacity is reserved at once, so that growing leaves no copy of the key behind. */
    defer(wipe_buffer) struct buffer pem;
    buffer_init(&pem, FILE_BYTES_MAX);
    uint8_t *reserved;
    TRY(buffer_extend(&pem, FILE_BYTES_MAX, &reserved));
    buffer_clear(&pem);
    TRY(read_file(folder, SIMULATION_CHIP_KEY, &pem));
    TRY(key_from_pem(buffer_view(&pem), &out->chip_key));
    REQUIRE(out->chip_key.kind == KEY_EC_P384 && out->chip_key.is_private, INVALID, "tee.sim.chip_key");
    TRY(read_file(folder, SIMULATION_CHIP_DER, &out->certificates[0]));
    return read_file(folder, SIMULATION_ROOT_DER, &out->certificates[1]);
}

static void simulation_release(struct simulation *simulation)
{
    key_release(&simulation->chip_key);
    buffer_release(&simulation->certificates[0]);
    buffer_release(&simulation->certificates[1]);
    free(simulation);
}

static fallible sim_open(const char *folder, struct bytes measurement, struct tee *out)
{
    REQUIRE(measurement.size == TEE_MEASUREMENT_BYTES, INVALID, "tee.measurement");
    struct simulation *simulation = calloc(1, sizeof *simulation);
    REQUIRE(simulation != NULL, NO_MEMORY, "tee.memory");
    buffer_init(&simulation->certificates[0], FILE_BYTES_MAX);
    buffer_init(&simulation->certificates[1], FILE_BYTES_MAX);
    memcpy(simulation->measurement, measurement.data, measurement.size);
    struct result result = read_simulation(folder, simulation);
    if (!result_is_ok(result)) {
        simulation_release(simulation);
        return result;
    }
    *out = (struct tee){&tee_sim, simulation};
    return OK;
}

static void put_u32(uint8_t *report, size_t offset, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        report[offset + i] = (uint8_t)(value >> (8 * i));
    }
}

/* R and S: big-endian 48 octets to little-endian 72. */
static void put_scalar(uint8_t *report, size_t offset, const uint8_t *scalar)
{
    for (size_t i = 0; i < 48; i++) {
        report[offset + i] = scalar[47 - i];
    }
}

static fallible make_report(const struct simulation *simulation, const uint8_t *report_data,
                            uint8_t report[static REPORT_BYTES])
{
    memset(report, 0, REPORT_BYTES);
    put_u32(report, 0x000, 2);
    put_u32(report, 0x008, (uint32_t)(REPORT_POLICY_SMT | REPORT_POLICY_MUST_BE_ONE));
    put_u32(report, 0x034, REPORT_SIGNATURE_ECDSA_P384);
    memcpy(report + 0x050, report_data, TEE_REPORT_DATA_BYTES);
    memcpy(report + 0x090, simulation->measurement, TEE_MEASUREMENT_BYTES);
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(key_sign(&simulation->chip_key, KEY_ES384, (struct bytes){report, REPORT_SIGNED_BYTES}, signature,
                 &size));
    ASSERT(size == 96);
    put_scalar(report, REPORT_SIGNED_BYTES, signature);
    put_scalar(report, REPORT_SIGNED_BYTES + REPORT_SCALAR_BYTES, signature + 48);
    return OK;
}

static fallible sim_collect(struct tee *tee, struct arena *arena,
                            const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out)
{
    const struct simulation *simulation = tee->self;
    uint8_t report[REPORT_BYTES];
    TRY(make_report(simulation, report_data, report));
    struct evidence evidence = {.family = TEXT("sim"), .certificate_count = 2};
    TRY(arena_copy(arena, BYTES_OF(report), &evidence.report));
    for (size_t i = 0; i < 2; i++) {
        TRY(arena_copy(arena, buffer_view(&simulation->certificates[i]), &evidence.certificates[i]));
    }
    *out = evidence;
    return OK;
}

static fallible sim_measurement(struct tee *tee, struct arena *arena, struct bytes *out)
{
    const struct simulation *simulation = tee->self;
    return arena_copy(arena, BYTES_OF(simulation->measurement), out);
}

static void sim_close(struct tee *tee)
{
    simulation_release(tee->self);
}

const struct tee_family tee_sim = {"sim", sim_open, sim_collect, sim_measurement, sim_close};
