#include "tee/sim_init.h"

#include "base/encode.h"
#include "crypto/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const int64_t life_seconds = INT64_C(20) * 365 * 86400;
static const int64_t early_seconds = 86400; /* clocks differ */

static const char connection_file[] = "simulation.json";
static const char partial_file[] = "simulation.json.partial";

static void close_file(const int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

static fallible write_new(const char *folder, const char *name, mode_t mode, struct bytes octets)
{
    scoped_arena arena;
    arena_init(&arena, 8192);
    struct text path;
    TRY(arena_printf(&arena, &path, "%s/%s", folder, name));
    defer(close_file) int file = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    REQUIRE(file >= 0 || errno != EEXIST, CONFLICT, "simulation.exists");
    REQUIRE(file >= 0, UNAVAILABLE, "simulation.write");
    while (octets.size > 0) {
        ssize_t written = write(file, octets.data, octets.size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(written > 0, UNAVAILABLE, "simulation.write");
        octets = bytes_slice(octets, (size_t)written, octets.size);
    }
    REQUIRE(fsync(file) == 0, UNAVAILABLE, "simulation.write");
    return OK;
}

static fallible path_in(struct arena *arena, const char *folder, const char *name, const char **out)
{
    struct text path;
    TRY(arena_printf(arena, &path, "%s/%s", folder, name));
    *out = path.data;
    return OK;
}

fallible simulation_begin(const char *folder)
{
    static const char *const left[] = {SIMULATION_CHIP_KEY, SIMULATION_CHIP_DER, SIMULATION_ROOT_DER,
                                       partial_file};
    scoped_arena arena;
    arena_init(&arena, 16384);
    const char *path;
    TRY(path_in(&arena, folder, connection_file, &path));
    if (access(path, F_OK) == 0) {
        return OK;
    }
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        TRY(path_in(&arena, folder, left[i], &path));
        REQUIRE(unlink(path) == 0 || errno == ENOENT, UNAVAILABLE, "simulation.write");
    }
    return OK;
}

fallible simulation_finish(const char *folder, struct bytes connection)
{
    scoped_arena arena;
    arena_init(&arena, 16384);
    const char *from;
    const char *to;
    TRY(path_in(&arena, folder, partial_file, &from));
    TRY(path_in(&arena, folder, connection_file, &to));
    TRY(write_new(folder, partial_file, 0600, connection));
    REQUIRE(rename(from, to) == 0, UNAVAILABLE, "simulation.write");
    defer(close_file) int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(directory >= 0 && fsync(directory) == 0, UNAVAILABLE, "simulation.write");
    return OK;
}

struct simulation {
    struct key root_key, chip_key;
    struct certificate root, chip;
};

static void simulation_release(struct simulation *simulation)
{
    key_release(&simulation->root_key);
    key_release(&simulation->chip_key);
    certificate_release(&simulation->root);
    certificate_release(&simulation->chip);
}

static fallible issue(const struct world *world, struct simulation *simulation)
{
    int64_t now = world_now(world);
    struct certificate_request request = {
        .subject_key = &simulation->root_key,
        .common_name = TEXT("Truce simulation root (protects nothing)"),
        .not_before = now - early_seconds,
        .not_after = now + life_seconds,
        .is_authority = true,
    };
    TRY(certificate_issue(world, &request, NULL, &simulation->root_key, &simulation->root));
    request.subject_key = &simulation->chip_key;
    request.common_name = TEXT("Truce simulation chip");
    request.is_authority = false;
    return certificate_issue(world, &request, &simulation->root, &simulation->root_key, &simulation->chip);
}

static fallible write_certificate(const char *folder, const char *name, const struct certificate *certificate)
{
    scoped_buffer der;
    buffer_init(&der, 64 * 1024);
    TRY(certificate_to_der(certificate, &der));
    return write_new(folder, name, 0644, buffer_view(&der));
}

fallible simulation_make(const struct world *world, const char *folder, struct buffer *out_root_pem,
                         struct digest *out_pin)
{
    defer(simulation_release) struct simulation simulation = {0};
    TRY(key_generate(KEY_EC_P384, 0, &simulation.root_key));
    TRY(key_generate(KEY_EC_P384, 0, &simulation.chip_key));
    TRY(issue(world, &simulation));
    scoped_secret pkcs8 = {0};
    TRY(key_to_pkcs8(&simulation.chip_key, &pkcs8));
    TRY(write_new(folder, SIMULATION_CHIP_KEY, 0600, secret_view(&pkcs8)));
    TRY(write_certificate(folder, SIMULATION_CHIP_DER, &simulation.chip));
    TRY(write_certificate(folder, SIMULATION_ROOT_DER, &simulation.root));
    TRY(certificate_to_pem(&simulation.root, out_root_pem));
    return key_pin(&simulation.root_key, out_pin);
}

fallible simulation_connection(struct text root_pem, const struct digest *pin, struct bytes measurement,
                               json_t **out)
{
    scoped_arena arena;
    arena_init(&arena, 4096);
    scoped_json *object = json_object();
    struct text pin_text, hex;
    TRY(digest_to_text(&arena, pin, &pin_text));
    TRY(encode_hex(&arena, measurement, &hex));
    TRY(json_set_text(object, "type", TEXT("connection/simulation/1")));
    TRY(json_set_text(object, "root", root_pem));
    TRY(json_set_text(object, "pin", pin_text));
    TRY(json_set_text(object, "measurement", hex));
    *out = json_incref(object);
    return OK;
}
