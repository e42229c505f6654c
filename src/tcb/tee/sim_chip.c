#include "tee/sim_chip.h"

#include "attest/report.h"
#include "tee/sim_files.h"

#include <fcntl.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 16 * 1024 };

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

static fallible read_simulation(const char *folder, struct sim_chip *out)
{
    static const char *const names[] = {SIMULATION_CHIP_DER, SIMULATION_ROOT_DER};
    TRY(read_chip_key(folder, &out->key));
    for (size_t i = 0; i < 2; i++) {
        uint8_t octets[FILE_BYTES_MAX];
        size_t size = 0;
        TRY(read_file(folder, names[i], octets, &size));
        TRY(buffer_add(&out->certificates[i], (struct bytes){octets, size}));
    }
    return OK;
}

void sim_chip_release(struct sim_chip *chip)
{
    key_release(&chip->key);
    buffer_release(&chip->certificates[0]);
    buffer_release(&chip->certificates[1]);
}

fallible sim_chip_open(const char *folder, struct bytes measurement, struct sim_chip *out)
{
    REQUIRE(measurement.size == TEE_MEASUREMENT_BYTES, INVALID, "tee.measurement");
    scoped_sim_chip chip = {0};
    buffer_init(&chip.certificates[0], FILE_BYTES_MAX);
    buffer_init(&chip.certificates[1], FILE_BYTES_MAX);
    memcpy(chip.measurement, measurement.data, measurement.size);
    TRY(read_simulation(folder, &chip));
    *out = chip;
    chip = (struct sim_chip){0};
    return OK;
}

/* R and S: big-endian 48 octets to little-endian 72. */
static void put_scalar(uint8_t *report, size_t offset, const uint8_t *scalar)
{
    for (size_t i = 0; i < 48; i++) {
        report[offset + i] = scalar[47 - i];
    }
}

static fallible make_report(const struct sim_chip *chip, const uint8_t *report_data,
                            uint8_t report[static REPORT_BYTES])
{
    memset(report, 0, REPORT_BYTES);
    store_little_endian(report + 0x000, 2, 4);
    store_little_endian(report + 0x008, REPORT_POLICY_SMT | REPORT_POLICY_MUST_BE_ONE, 4);
    store_little_endian(report + 0x034, REPORT_SIGNATURE_ECDSA_P384, 4);
    memcpy(report + 0x050, report_data, TEE_REPORT_DATA_BYTES);
    memcpy(report + 0x090, chip->measurement, TEE_MEASUREMENT_BYTES);
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(key_sign(&chip->key, KEY_ES384, (struct bytes){report, REPORT_SIGNED_BYTES}, signature, &size));
    ASSERT(size == 96);
    put_scalar(report, REPORT_SIGNED_BYTES, signature);
    put_scalar(report, REPORT_SIGNED_BYTES + REPORT_SCALAR_BYTES, signature + 48);
    return OK;
}

fallible sim_chip_collect(const struct sim_chip *chip, struct arena *arena,
                          const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out)
{
    uint8_t report[REPORT_BYTES];
    TRY(make_report(chip, report_data, report));
    struct evidence evidence = {.family = TEXT("sim"), .certificate_count = 2};
    TRY(arena_copy(arena, BYTES_OF(report), &evidence.report));
    for (size_t i = 0; i < 2; i++) {
        TRY(arena_copy(arena, buffer_view(&chip->certificates[i]), &evidence.certificates[i]));
    }
    *out = evidence;
    return OK;
}
