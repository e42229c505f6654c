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

static fallible read_file(const char *folder, const char *name, uint8_t out[static FILE_BYTES_MAX],
                          size_t *out_size)
{
    scoped_arena arena;
    arena_init(&arena, 8192);
    struct text path;
    TRY(arena_printf(&arena, &path, "%s/%s", folder, name));
    defer(close_file) int file = open(path.data, O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0, UNAVAILABLE, "tee.sim.file_missing");
    ssize_t size = read(file, out, FILE_BYTES_MAX);
    REQUIRE(size > 0 && size < FILE_BYTES_MAX, UNAVAILABLE, "tee.sim.file_unreadable");
    *out_size = (size_t)size;
    return OK;
}

static fallible read_chip_key(const char *folder, struct key *out)
{
    uint8_t octets[FILE_BYTES_MAX];
    size_t size = 0;
    scoped_secret pkcs8 = {0};
    TRY(read_file(folder, SIMULATION_CHIP_KEY, octets, &size));
    struct result taken = secret_from((struct bytes){octets, size}, &pkcs8);
    wipe(octets, sizeof octets);
    TRY(taken);
    TRY(key_from_pkcs8(&pkcs8, out));
    REQUIRE(out->kind == KEY_EC_P384, INVALID, "tee.sim.chip_key");
    return OK;
}

static fallible read_simulation(const char *folder, struct simulation *out)
{
    static const char *const names[] = {SIMULATION_CHIP_DER, SIMULATION_ROOT_DER};
    TRY(read_chip_key(folder, &out->chip_key));
    for (size_t i = 0; i < 2; i++) {
        uint8_t octets[FILE_BYTES_MAX];
        size_t size = 0;
        TRY(read_file(folder, names[i], octets, &size));
        TRY(buffer_add(&out->certificates[i], (struct bytes){octets, size}));
    }
    return OK;
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
    store_little_endian(report + 0x000, 2, 4);
    store_little_endian(report + 0x008, REPORT_POLICY_SMT | REPORT_POLICY_MUST_BE_ONE, 4);
    store_little_endian(report + 0x034, REPORT_SIGNATURE_ECDSA_P384, 4);
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
