/* The fortified headers define open, read and others inline, and the large-file option gives them other
 * names; here they are ours. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include "query/vfs.h"

#include "edge/query_wire.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

enum {
    SEALED_DESCRIPTORS = 1 << 24, /* first of our own numbers: dataset and part are in the number */
    OUTPUT_DESCRIPTOR = SEALED_DESCRIPTORS - 1,
    CLOCK_SECONDS = 1000000000, /* the moment at which the sealed clock stands: 2001-09-09 */
};

enum vfs_world { WORLD_CLOSED = 0, WORLD_SEALED, WORLD_UNSEALED };

/* The state that the C library's signatures have no room for; written once by vfs_enter_…. */
static enum vfs_world world;
static struct vfs_sealed room;
static const struct vfs_sink *output_sink;
static uint64_t output_size;
static pthread_mutex_t room_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room_slot_free = PTHREAD_COND_INITIALIZER;
static bool room_slot_used[QUERY_SLOTS_MAX];

void vfs_enter_sealed(const struct vfs_sealed *sealed)
{
    ASSERT(sealed->slot_count >= 1 && sealed->slot_count <= QUERY_SLOTS_MAX);
    room = *sealed;
    world = WORLD_SEALED;
}

void vfs_enter_unsealed(const struct vfs_sink *sink)
{
    output_sink = sink;
    world = WORLD_UNSEALED;
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* "/sealed/DATASET/PART" as one of our descriptors, or -1. */
static int sealed_descriptor(const char *path)
{
    unsigned dataset = 0;
    unsigned part = 0;
    int end = 0;
    if (world != WORLD_SEALED || path == NULL || strncmp(path, "/sealed/", 8) != 0 ||
        sscanf(path + 8, "%u/%u%n", &dataset, &part, &end) != 2 || path[8 + end] != '\0' ||
        dataset >= room.dataset_count || part >= room.datasets[dataset].part_count) {
        return -1;
    }
    return SEALED_DESCRIPTORS + (int)(dataset * QUERY_PARTS_MAX + part);
}

static bool is_sealed(int descriptor)
{
    return world == WORLD_SEALED && descriptor >= SEALED_DESCRIPTORS;
}

static bool is_output_path(const char *path)
{
    return world == WORLD_UNSEALED && path != NULL && strncmp(path, "/sealed/out/", 12) == 0;
}

static uint64_t sealed_size(int descriptor)
{
    uint32_t number = (uint32_t)(descriptor - SEALED_DESCRIPTORS);
    return room.datasets[number / QUERY_PARTS_MAX].part_sizes[number % QUERY_PARTS_MAX];
}

static uint32_t slot_take(void)
{
    for (;;) {
        for (uint32_t slot = 0; slot < room.slot_count; slot++) {
            if (!room_slot_used[slot]) {
                room_slot_used[slot] = true;
                return slot;
            }
        }
        pthread_cond_wait(&room_slot_free, &room_lock);
    }
}

/* One exchange with the room, under the lock so that answers cannot be mistaken for each other; the copy out
 * of the slot happens outside it, beside the next exchange. Any disagreement ends in an error. */
static ssize_t room_read(int descriptor, uint8_t *out, uint32_t length, uint64_t offset)
{
    uint32_t number = (uint32_t)(descriptor - SEALED_DESCRIPTORS);
    struct query_read wish = {.dataset = number / QUERY_PARTS_MAX,
                              .part = number % QUERY_PARTS_MAX,
                              .length = length,
                              .offset = offset};
    struct query_given answer = {0};
    uint8_t message[QUERY_READ_BYTES];
    uint8_t reply[QUERY_GIVEN_BYTES + 1];
    pthread_mutex_lock(&room_lock);
    wish.slot = slot_take();
    query_read_encode(&wish, message);
    ssize_t got = send(room.read_socket, message, sizeof message, MSG_NOSIGNAL);
    if (got == (ssize_t)sizeof message) {
        got = recv(room.read_socket, reply, sizeof reply, 0);
    }
    bool good = got == QUERY_GIVEN_BYTES &&
                result_is_ok(query_given_decode((struct bytes){reply, QUERY_GIVEN_BYTES}, &answer)) &&
                answer.slot == wish.slot && answer.given <= length;
    pthread_mutex_unlock(&room_lock);
    if (good) {
        memcpy(out, room.slots + (size_t)wish.slot * QUERY_SLOT_BYTES, answer.given);
    }
    pthread_mutex_lock(&room_lock);
    room_slot_used[wish.slot] = false;
    pthread_cond_signal(&room_slot_free);
    pthread_mutex_unlock(&room_lock);
    return good ? (ssize_t)answer.given : refuse(EIO);
}

static ssize_t sealed_pread(int descriptor, uint8_t *out, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        size_t step = size - done < QUERY_SLOT_BYTES ? size - done : (size_t)QUERY_SLOT_BYTES;
        ssize_t got = room_read(descriptor, out + done, (uint32_t)step, offset + done);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static ssize_t output_write(const void *data, size_t size)
{
    if (!result_is_ok(output_sink->write(output_sink->self, (struct bytes){data, size}))) {
        return refuse(EIO);
    }
    output_size += size;
    return (ssize_t)size;
}

/* ---- What the C library declares. `real` calls go straight to the kernel. ---- */

EXPORTED int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (is_output_path(path)) {
        output_size = 0;
        return OUTPUT_DESCRIPTOR;
    }
    if (world == WORLD_UNSEALED) {
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    }
    int descriptor = sealed_descriptor(path);
    if (descriptor < 0 || (flags & O_ACCMODE) != O_RDONLY) {
        return refuse(descriptor < 0 ? ENOENT : EPERM);
    }
    return descriptor;
}

EXPORTED int open64(const char *path, int flags, ...) __attribute__((alias("open")));

EXPORTED int openat(int folder, const char *path, int flags, ...)
{
    (void)folder;
    return path[0] == '/' ? open(path, flags & ~O_CREAT) : refuse(ENOENT);
}

EXPORTED int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORTED int close(int descriptor)
{
    if (is_sealed(descriptor) || (world == WORLD_UNSEALED && descriptor == OUTPUT_DESCRIPTOR)) {
        return 0;
    }
    return (int)syscall(SYS_close, descriptor);
}

EXPORTED ssize_t pread(int descriptor, void *out, size_t size, off_t offset)
{
    if (is_sealed(descriptor)) {
        return offset < 0 ? refuse(EINVAL) : sealed_pread(descriptor, out, size, (uint64_t)offset);
    }
    return world == WORLD_UNSEALED ? syscall(SYS_pread64, descriptor, out, size, offset) : refuse(EPERM);
}

EXPORTED ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));

EXPORTED ssize_t read(int descriptor, void *out, size_t size)
{
    return world == WORLD_UNSEALED ? syscall(SYS_read, descriptor, out, size) : refuse(EPERM);
}

EXPORTED ssize_t write(int descriptor, const void *data, size_t size)
{
    if (world == WORLD_UNSEALED) {
        return descriptor == OUTPUT_DESCRIPTOR ? output_write(data, size)
                                               : syscall(SYS_write, descriptor, data, size);
    }
    return refuse(EPERM);
}

EXPORTED ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    if (world == WORLD_UNSEALED && descriptor == OUTPUT_DESCRIPTOR && (uint64_t)offset == output_size) {
        return output_write(data, size);
    }
    return refuse(EPERM);
}

EXPORTED ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

EXPORTED off_t lseek(int descriptor, off_t offset, int whence)
{
    return world == WORLD_UNSEALED ? syscall(SYS_lseek, descriptor, offset, whence) : refuse(EPERM);
}

EXPORTED off_t lseek64(int, off_t, int) __attribute__((alias("lseek")));

static int regular_file(uint64_t size, struct stat *out)
{
    *out = (struct stat){.st_mode = S_IFREG | 0400,
                         .st_nlink = 1,
                         .st_size = (off_t)size,
                         .st_blksize = 4096,
                         .st_mtime = CLOCK_SECONDS};
    return 0;
}

static int stat_path(const char *path, struct stat *out, int flags)
{
    int descriptor = sealed_descriptor(path);
    if (descriptor >= 0) {
        return regular_file(sealed_size(descriptor), out);
    }
    if (world != WORLD_UNSEALED || is_output_path(path)) {
        return refuse(ENOENT);
    }
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, out, flags);
}

static int stat_descriptor(int descriptor, struct stat *out)
{
    if (is_sealed(descriptor)) {
        return regular_file(sealed_size(descriptor), out);
    }
    if (world != WORLD_UNSEALED) {
        return refuse(EBADF);
    }
    return descriptor == OUTPUT_DESCRIPTOR ? regular_file(output_size, out)
                                           : (int)syscall(SYS_fstat, descriptor, out);
}

EXPORTED int stat(const char *path, struct stat *out)
{
    return stat_path(path, out, 0);
}

EXPORTED int lstat(const char *path, struct stat *out)
{
    return stat_path(path, out, AT_SYMLINK_NOFOLLOW);
}

EXPORTED int fstat(int descriptor, struct stat *out)
{
    return stat_descriptor(descriptor, out);
}

/* The names by which libraries built against an older C library call them. */
EXPORTED int __xstat(int version, const char *path, struct stat *out);
EXPORTED int __lxstat(int version, const char *path, struct stat *out);
EXPORTED int __fxstat(int version, int descriptor, struct stat *out);

int __xstat(int version, const char *path, struct stat *out)
{
    (void)version;
    return stat_path(path, out, 0);
}

int __lxstat(int version, const char *path, struct stat *out)
{
    (void)version;
    return stat_path(path, out, AT_SYMLINK_NOFOLLOW);
}

int __fxstat(int version, int descriptor, struct stat *out)
{
    (void)version;
    return stat_descriptor(descriptor, out);
}

EXPORTED int access(const char *path, int mode)
{
    if (sealed_descriptor(path) >= 0) {
        return mode & W_OK ? refuse(EPERM) : 0;
    }
    if (world != WORLD_UNSEALED || is_output_path(path)) {
        return refuse(ENOENT);
    }
    return (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

EXPORTED int fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (is_sealed(descriptor) || (world == WORLD_UNSEALED && descriptor == OUTPUT_DESCRIPTOR)) {
        return 0;
    }
    return world == WORLD_UNSEALED ? (int)syscall(SYS_fcntl, descriptor, command, argument) : refuse(EPERM);
}

EXPORTED int fsync(int descriptor)
{
    return world == WORLD_UNSEALED && descriptor == OUTPUT_DESCRIPTOR ? 0 : refuse(EPERM);
}

EXPORTED DIR *opendir(const char *path)
{
    if (world == WORLD_UNSEALED) {
        int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return descriptor < 0 ? NULL : fdopendir(descriptor);
    }
    errno = ENOENT;
    return NULL;
}

EXPORTED char *realpath(const char *path, char *out)
{
    (void)path;
    (void)out;
    errno = ENOENT;
    return NULL;
}

EXPORTED char *getcwd(char *out, size_t size)
{
    if (world == WORLD_UNSEALED) {
        return syscall(SYS_getcwd, out, size) > 0 ? out : NULL;
    }
    if (out == NULL || size < 2) {
        errno = ERANGE;
        return NULL;
    }
    memcpy(out, "/", 2);
    return out;
}

/* ---- What does not exist in any world. ---- */

EXPORTED FILE *fopen(const char *path, const char *mode)
{
    (void)path;
    (void)mode;
    errno = ENOENT;
    return NULL;
}

EXPORTED FILE *fopen64(const char *, const char *) __attribute__((alias("fopen")));

EXPORTED int unlink(const char *path)
{
    (void)path;
    return refuse(EPERM);
}

EXPORTED int remove(const char *) __attribute__((alias("unlink")));
EXPORTED int rmdir(const char *) __attribute__((alias("unlink")));
EXPORTED int chdir(const char *) __attribute__((alias("unlink")));

EXPORTED int mkdir(const char *path, mode_t mode)
{
    (void)path;
    (void)mode;
    return refuse(EPERM);
}

EXPORTED int rename(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return refuse(EPERM);
}

EXPORTED int ftruncate(int descriptor, off_t size)
{
    (void)descriptor;
    (void)size;
    return refuse(EPERM);
}

EXPORTED int fallocate(int descriptor, int mode, off_t offset, off_t size)
{
    (void)descriptor;
    (void)mode;
    (void)offset;
    (void)size;
    return refuse(EOPNOTSUPP);
}

EXPORTED ssize_t readlink(const char *path, char *out, size_t size)
{
    (void)path;
    (void)out;
    (void)size;
    return refuse(EPERM);
}

EXPORTED int statvfs(const char *path, struct statvfs *out)
{
    (void)path;
    (void)out;
    return refuse(EPERM);
}

EXPORTED int socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    return refuse(EPERM);
}

EXPORTED int connect(int descriptor, const struct sockaddr *address, socklen_t size)
{
    (void)descriptor;
    (void)address;
    (void)size;
    return refuse(EPERM);
}

EXPORTED int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                         struct addrinfo **out)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)out;
    return EAI_FAIL;
}

/* Extensions are shared libraries: there are none. */
EXPORTED void *dlopen(const char *path, int flags)
{
    (void)path;
    (void)flags;
    return NULL;
}

/* ---- The clock. ---- */

static int real_clock(clockid_t clock, struct timespec *out)
{
    return (int)syscall(SYS_clock_gettime, clock, out);
}

EXPORTED int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (world == WORLD_UNSEALED) {
        return real_clock(clock, out);
    }
    *out = (struct timespec){.tv_sec = CLOCK_SECONDS};
    return 0;
}

EXPORTED int gettimeofday(struct timeval *out, void *zone)
{
    (void)zone;
    struct timespec now;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return status;
}

EXPORTED time_t time(time_t *out)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

EXPORTED clock_t clock(void)
{
    return 0;
}

/* Deadlines were computed from the standing clock: the same distance from the real one. */
static struct timespec real_deadline(const struct timespec *deadline)
{
    struct timespec now;
    if (world == WORLD_UNSEALED || real_clock(CLOCK_REALTIME, &now) != 0) {
        return *deadline;
    }
    now.tv_sec += deadline->tv_sec - CLOCK_SECONDS;
    now.tv_nsec += deadline->tv_nsec;
    if (now.tv_nsec >= 1000000000) {
        now.tv_nsec -= 1000000000;
        now.tv_sec++;
    }
    return now;
}

EXPORTED int sem_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    struct timespec real = real_deadline(deadline);
    return sem_clockwait(semaphore, CLOCK_REALTIME, &real);
}

EXPORTED int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                    const struct timespec *deadline)
{
    struct timespec real = real_deadline(deadline);
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &real);
}
