#include "party/stack/stack.h"

#include "base/encode.h"
#include "party/home/connection.h"
#include "party/home/file.h"
#include "party/process/process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static fallible path_in(const struct stack *stack, const char *name, const char **out)
{
    return file_path(stack->arena, stack->folder, name, out);
}

static fallible program_path(const struct stack *stack, const char *name, const char **out)
{
    return process_find(stack->arena, stack->programs, name, out);
}

fallible stack_open(struct arena *arena, const struct world *world, const struct screen *screen,
                    const char *home, const char *programs, struct stack *out)
{
    struct stack stack = {arena, world, screen, home, programs, NULL};
    if (home[0] != '/') {
        char here[4096];
        REQUIRE(getcwd(here, sizeof(here)) != NULL, INTERNAL, "stack.folder");
        TRY(file_path(arena, here, home, &stack.home));
        TRY(arena_cstring(arena, text_of(stack.home), &stack.home));
    }
    TRY(file_path(arena, stack.home, "stack", &stack.folder));
    *out = stack;
    return OK;
}

/* A port that nobody listens on now. The service remembers it in its configuration. */
static fallible free_port(uint16_t *out)
{
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    bool found = probe >= 0 && bind(probe, (struct sockaddr *)&address, size) == 0 &&
                 getsockname(probe, (struct sockaddr *)&address, &size) == 0;
    if (probe >= 0) {
        close(probe);
    }
    REQUIRE(found, UNAVAILABLE, "stack.port");
    *out = ntohs(address.sin_port);
    return OK;
}

static fallible fresh_url(const struct stack *stack, const char **out)
{
    uint16_t port;
    TRY(free_port(&port));
    *out = arena_where(stack->arena, "https://localhost:%u", port);
    return OK;
}

static fallible run(const struct stack *stack, const char *const words[])
{
    struct text output;
    return process_output(stack->arena, words, &output);
}

/* `made` is the file that the program's init writes last. */
static fallible is_made(const struct stack *stack, const char *made, bool *out)
{
    const char *path;
    TRY(path_in(stack, made, &path));
    *out = file_exists(path);
    return OK;
}

/* A simulation names what was measured when it was made; rebuilt programs are other code, which contracts do
 * not name. */
static fallible check_measurement(const struct stack *stack)
{
    const char *program;
    const char *path;
    struct text output;
    struct bytes file;
    struct text made;
    struct text now;
    scoped_json *simulation = NULL;
    scoped_json *measured = NULL;
    TRY(program_path(stack, "truce-room-sim", &program));
    TRY(path_in(stack, "room/simulation.json", &path));
    const char *const words[] = {program, "measure", NULL};
    TRY(process_output(stack->arena, words, &output));
    TRY(file_read(stack->arena, path, &file));
    TRY(json_decode(bytes_of_text(output), &measured));
    TRY(json_decode(file, &simulation));
    TRY(json_get_text(measured, "measurement", &now));
    TRY(json_get_text(simulation, "measurement", &made));
    REQUIRE(text_equal(now, made), CONFLICT, "stack.room.changed");
    return OK;
}

static fallible make_room(const struct stack *stack)
{
    bool made;
    const char *program;
    const char *folder;
    TRY(is_made(stack, "room/simulation.json", &made));
    if (made) {
        return check_measurement(stack);
    }
    TRY(program_path(stack, "truce-room-sim", &program));
    TRY(path_in(stack, "room", &folder));
    TRY(file_make_folder(folder));
    screen_note(stack->screen, "making a simulated TEE with a random root");
    const char *const words[] = {program, "init", folder, NULL};
    return run(stack, words);
}

static fallible make_attest(const struct stack *stack)
{
    bool made;
    const char *program;
    const char *folder;
    const char *simulation;
    const char *url;
    TRY(is_made(stack, "attest/attest.json", &made));
    if (made) {
        return OK;
    }
    TRY(program_path(stack, "truce-attest", &program));
    TRY(path_in(stack, "attest", &folder));
    TRY(path_in(stack, "room/simulation.json", &simulation));
    TRY(fresh_url(stack, &url));
    screen_note(stack->screen, "making an attestation authority at %s", url);
    const char *const words[] = {program, "init", folder, "--url", url, "--simulation", simulation, NULL};
    return run(stack, words);
}

static fallible connect_files(const struct stack *stack, const char *program, const char *folder,
                              const char *file)
{
    const char *path;
    TRY(path_in(stack, file, &path));
    const char *const words[] = {program, "connect", folder, path, NULL};
    return run(stack, words);
}

static fallible make_vault(const struct stack *stack, const char *party)
{
    bool made;
    const char *program;
    const char *folder;
    const char *url;
    TRY(is_made(stack, arena_where(stack->arena, "vault-%s/config.json", party), &made));
    TRY(program_path(stack, "truce-vault", &program));
    TRY(path_in(stack, arena_where(stack->arena, "vault-%s", party), &folder));
    if (!made) {
        TRY(fresh_url(stack, &url));
        screen_note(stack->screen, "making a vault for %s at %s", party, url);
        const char *const words[] = {program, "init", folder, "--party", party, "--url", url, NULL};
        TRY(run(stack, words));
    }
    return connect_files(stack, program, folder, "attest/authority.json");
}

static fallible make_host(const struct stack *stack, const char *const parties[], size_t party_count)
{
    bool made;
    const char *program;
    const char *folder;
    const char *url;
    TRY(is_made(stack, "host/host.json", &made));
    TRY(program_path(stack, "truce-host", &program));
    TRY(path_in(stack, "host", &folder));
    if (!made) {
        TRY(fresh_url(stack, &url));
        screen_note(stack->screen, "making a host at %s", url);
        const char *const words[] = {program, "init", folder, "--url", url, NULL};
        TRY(run(stack, words));
    }
    TRY(connect_files(stack, program, folder, "attest/authority.json"));
    for (size_t i = 0; i < party_count; i++) {
        TRY(connect_files(stack, program, folder,
                          arena_where(stack->arena, "vault-%s/courier.json", parties[i])));
    }
    return OK;
}

static fallible pid_path(const struct stack *stack, const char *name, const char *ending, const char **out)
{
    return path_in(stack, arena_where(stack->arena, "run/%s.%s", name, ending), out);
}

static pid_t read_pid(const struct stack *stack, const char *name, const char *program)
{
    const char *path;
    struct bytes bytes;
    uint64_t pid;
    if (!result_is_ok(pid_path(stack, name, "pid", &path)) || !file_exists(path) ||
        !result_is_ok(file_read(stack->arena, path, &bytes)) || bytes.size < 2 ||
        !result_is_ok(decode_u64((struct text){(const char *)bytes.data, bytes.size - 1}, INT32_MAX, &pid))) {
        return 0;
    }
    return process_is_alive((pid_t)pid, program) ? (pid_t)pid : 0;
}

static fallible wait_ready(const struct stack *stack, const struct stack_service *service, pid_t pid,
                           const char *port_path, const char *log_path)
{
    struct timespec pause = {.tv_nsec = 20 * 1000000L};
    int64_t deadline_ms = world_monotonic_ms(stack->world) + STACK_READY_MS;
    while (world_monotonic_ms(stack->world) < deadline_ms) {
        if (!process_is_alive(pid, service->program)) {
            return FAIL_AT(INTERNAL, "stack.service.ended", log_path);
        }
        if (port_path == NULL || file_exists(port_path)) {
            return OK;
        }
        nanosleep(&pause, NULL);
    }
    return FAIL_AT(TIMEOUT, "stack.service.not_ready", log_path);
}

struct pid_file {
    struct arena *arena;
    const char *path;
};

static fallible keep_pid(void *self, pid_t pid)
{
    const struct pid_file *file = self;
    const char *line = arena_where(file->arena, "%ld\n", (long)pid);
    return file_write(file->path, bytes_of_text(text_of(line)), FILE_PRIVATE);
}

static fallible start(const struct stack *stack, const struct stack_service *service)
{
    const char *log_path;
    const char *pid_file;
    const char *port_path;
    const char *host_socket;
    pid_t pid;
    if (read_pid(stack, service->name, service->program) != 0) {
        return OK;
    }
    TRY(pid_path(stack, service->name, "log", &log_path));
    TRY(pid_path(stack, service->name, "pid", &pid_file));
    TRY(pid_path(stack, service->name, "port", &port_path));
    TRY(path_in(stack, "host/room.sock", &host_socket));
    bool is_room = strcmp(service->name, "room") == 0;
    unlink(port_path);
    const char *const room_words[] = {service->program, "serve",     service->folder,
                                      "--host",         host_socket, NULL};
    const char *const words[] = {service->program, "serve", service->folder, "--port-file", port_path, NULL};
    struct pid_file kept = {stack->arena, pid_file};
    TRY(process_start_daemon(is_room ? room_words : words, log_path, keep_pid, &kept, &pid));
    TRY(wait_ready(stack, service, pid, is_room ? NULL : port_path, log_path));
    screen_note(stack->screen, "%s is ready%s%s", service->name, service->url[0] != '\0' ? " at " : "",
                service->url);
    return OK;
}

fallible stack_up(const struct stack *stack, const char *const parties[], size_t party_count)
{
    struct stack_service services[STACK_SERVICES_MAX];
    size_t count;
    const char *folder;
    TRY(path_in(stack, "run", &folder));
    TRY(file_make_folder(folder));
    TRY(make_room(stack));
    TRY(make_attest(stack));
    for (size_t i = 0; i < party_count; i++) {
        TRY(make_vault(stack, parties[i]));
    }
    TRY(make_host(stack, parties, party_count));
    TRY(stack_services(stack, services, &count));
    for (size_t i = 0; i < count; i++) {
        TRY(start(stack, &services[i]));
    }
    const char *bundle;
    return stack_ca_bundle(stack, &bundle);
}

/* The member of a connection file, "" where there is none. */
static const char *member_of(const struct stack *stack, const char *file, const char *member)
{
    const char *path;
    struct bytes bytes;
    scoped_json *json = NULL;
    struct text text;
    const char *out;
    bool read = result_is_ok(path_in(stack, file, &path)) && file_exists(path) &&
                result_is_ok(file_read(stack->arena, path, &bytes)) &&
                result_is_ok(json_decode(bytes, &json)) && result_is_ok(json_get_text(json, member, &text)) &&
                result_is_ok(arena_cstring(stack->arena, text, &out));
    return read ? out : "";
}

static bool accepts(const char *url)
{
    const char *colon = strrchr(url, ':');
    uint64_t port;
    if (colon == NULL || !result_is_ok(decode_u64(text_of(colon + 1), UINT16_MAX, &port))) {
        return false;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = probe >= 0 && connect(probe, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (probe >= 0) {
        close(probe);
    }
    return answers;
}

static fallible add_service(const struct stack *stack, const char *name, const char *program,
                            const char *file, const char *url_member, struct stack_service out[],
                            size_t *count)
{
    const char *path;
    struct stack_service *row = &out[*count];
    TRY(path_in(stack, arena_where(stack->arena, "%s/%s", name, file), &path));
    if (!file_exists(path)) {
        return OK;
    }
    REQUIRE(*count < STACK_SERVICES_MAX, LIMIT, "stack.services");
    row->name = name;
    TRY(program_path(stack, program, &row->program));
    TRY(path_in(stack, name, &row->folder));
    row->url = url_member != NULL
                   ? member_of(stack, arena_where(stack->arena, "%s/%s", name, file), url_member)
                   : "";
    row->pid = read_pid(stack, name, row->program);
    row->answers = row->pid != 0 && (url_member == NULL || accepts(row->url));
    (*count)++;
    return OK;
}

fallible stack_services(const struct stack *stack, struct stack_service out[STACK_SERVICES_MAX],
                        size_t *out_count)
{
    const char **names;
    size_t name_count;
    size_t count = 0;
    TRY(add_service(stack, "attest", "truce-attest", "authority.json", "issuer", out, &count));
    TRY(file_list(stack->arena, stack->folder, &names, &name_count));
    for (size_t i = 0; i < name_count; i++) {
        if (strncmp(names[i], "vault-", 6) == 0) {
            REQUIRE(count + 2 < STACK_SERVICES_MAX, LIMIT, "stack.services");
            TRY(add_service(stack, names[i], "truce-vault", "vault.json", "vault", out, &count));
        }
    }
    TRY(add_service(stack, "host", "truce-host", "host.json", "host", out, &count));
    TRY(add_service(stack, "room", "truce-room-sim", "simulation.json", NULL, out, &count));
    *out_count = count;
    return OK;
}

fallible stack_start_room(const struct stack *stack)
{
    struct stack_service services[STACK_SERVICES_MAX];
    size_t count;
    TRY(stack_services(stack, services, &count));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(services[i].name, "room") == 0) {
            TRY(start(stack, &services[i]));
        }
    }
    return OK;
}

fallible stack_down(const struct stack *stack, size_t *out_stopped)
{
    struct stack_service services[STACK_SERVICES_MAX];
    size_t count;
    size_t stopped = 0;
    TRY(stack_services(stack, services, &count));
    while (count-- > 0) {
        const struct stack_service *service = &services[count];
        const char *pid_file;
        if (service->pid == 0) {
            continue;
        }
        process_stop((pid_t)service->pid, service->program);
        TRY(pid_path(stack, service->name, "pid", &pid_file));
        unlink(pid_file);
        screen_note(stack->screen, "%s is stopped", service->name);
        stopped++;
    }
    *out_stopped = stopped;
    return OK;
}

fallible stack_ca_bundle(const struct stack *stack, const char **out)
{
    static const char *const files[] = {"attest/authority.json", "host/host.json"};
    struct stack_service services[STACK_SERVICES_MAX];
    size_t count;
    const char *path;
    scoped_buffer bundle;
    buffer_init(&bundle, 1024 * 1024);
    TRY(path_in(stack, "ca.pem", &path));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        TRY(buffer_add_text(&bundle, text_of(member_of(stack, files[i], "ca"))));
    }
    TRY(stack_services(stack, services, &count));
    for (size_t i = 0; i < count; i++) {
        if (strncmp(services[i].name, "vault-", 6) == 0) {
            const char *file = arena_where(stack->arena, "%s/vault.json", services[i].name);
            TRY(buffer_add_text(&bundle, text_of(member_of(stack, file, "ca"))));
        }
    }
    TRY(file_write(path, buffer_view(&bundle), FILE_PUBLIC));
    *out = path;
    return OK;
}
