/* The fortified headers define open, read and others inline, and the large-file option gives them other
 * names; here they are ours. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include "query/vfs.h"

#include "edge/query_wire.h"
#include "query/vfs_absent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    SEALED_DESCRIPTORS = 1 << 24, /* first of our own numbers: dataset and part are in the number */
    CLOCK_SECONDS = 1000000000,   /* the moment at which the sealed clock stands: 2001-09-09 */
    WISH_AGAIN_MS = 200,
    STEP_SEGMENTS_MAX = QUERY_READ_LENGTH_MAX / QUERY_SEGMENT_BYTES + 2,
};

/* The state that the C library's signatures have no room for; written once by vfs_enter_sealed. Without
 * datasets nothing exists. */
static struct vfs_sealed room;

void vfs_enter_sealed(const struct vfs_sealed *sealed)
{
    room = *sealed;
}

/* "/sealed/DATASET/PART" as one of our descriptors, or -1. */
static int sealed_descriptor(const char *path)
{
    unsigned dataset = 0;
    unsigned part = 0;
    int end = 0;
    if (path == NULL || strncmp(path, "/sealed/", 8) != 0 ||
        sscanf(path + 8, "%u/%u%n", &dataset, &part, &end) != 2 || path[8 + end] != '\0' ||
        dataset >= room.dataset_count || part >= room.datasets[dataset].part_count) {
        return -1;
    }
    return SEALED_DESCRIPTORS + (int)(dataset * QUERY_PARTS_MAX + part);
}

static bool is_sealed(int descriptor)
{
    return descriptor >= SEALED_DESCRIPTORS;
}

static const struct vfs_part *sealed_part(int descriptor)
{
    uint32_t number = (uint32_t)(descriptor - SEALED_DESCRIPTORS);
    return &room.datasets[number / QUERY_PARTS_MAX].parts[number % QUERY_PARTS_MAX];
}

/* Waits until a segment is shown. A wish may be overtaken (shown and taken back before this thread looks), so
 * it is made again. */
static bool state_wait(_Atomic uint32_t *state, const struct query_read *wish, uint32_t *out)
{
    static const struct timespec again = {.tv_nsec = WISH_AGAIN_MS * 1000000L};
    uint8_t message[QUERY_READ_BYTES];
    while ((*out = atomic_load(state)) == QUERY_STATE_ABSENT) {
        query_read_encode(wish, message);
        if (send(room.read_socket, message, sizeof message, MSG_NOSIGNAL) != (ssize_t)sizeof message) {
            return false;
        }
        syscall(SYS_futex, state, FUTEX_WAIT, QUERY_STATE_ABSENT, &again, NULL, 0);
    }
    return *out != QUERY_STATE_REFUSED;
}

/* Reads a range whose segments were shown before and still are shown afterwards. */
static bool step_read(int descriptor, const struct query_read *wish, uint8_t *out)
{
    const struct vfs_part *part = sealed_part(descriptor);
    uint32_t seen[STEP_SEGMENTS_MAX];
    uint64_t from = query_segment_of(wish->offset);
    uint64_t count = query_segment_of(wish->offset + wish->length - 1) - from + 1;
    _Atomic uint32_t *states = room.states + part->first + from;
    for (;;) {
        for (uint64_t i = 0; i < count; i++) {
            if (!state_wait(&states[i], wish, &seen[i])) {
                return false;
            }
        }
        off_t at = (off_t)query_window_at(part->first, wish->offset);
        if (syscall(SYS_pread64, room.window, out, (size_t)wish->length, at) != (long)wish->length) {
            return false;
        }
        uint64_t same = 0;
        while (same < count && atomic_load(&states[same]) == seen[same]) {
            same++;
        }
        if (same == count) {
            return true;
        }
    }
}

static ssize_t sealed_pread(int descriptor, uint8_t *out, size_t size, uint64_t offset)
{
    uint32_t number = (uint32_t)(descriptor - SEALED_DESCRIPTORS);
    uint64_t end = sealed_part(descriptor)->size;
    size = offset >= end ? 0 : size < end - offset ? size : (size_t)(end - offset);
    for (size_t done = 0; done < size;) {
        size_t step = size - done < QUERY_READ_LENGTH_MAX ? size - done : (size_t)QUERY_READ_LENGTH_MAX;
        struct query_read wish = {.dataset = number / QUERY_PARTS_MAX,
                                  .part = number % QUERY_PARTS_MAX,
                                  .length = (uint32_t)step,
                                  .offset = offset + done};
        if (!step_read(descriptor, &wish, out + done)) {
            return vfs_refuse(EIO);
        }
        done += step;
    }
    return (ssize_t)size;
}

/* ---- What the C library declares. ---- */

EXPORTED int open(const char *path, int flags, ...)
{
    int descriptor = sealed_descriptor(path);
    if (descriptor < 0 || (flags & O_ACCMODE) != O_RDONLY) {
        return vfs_refuse(descriptor < 0 ? ENOENT : EPERM);
    }
    return descriptor;
}

EXPORTED int open64(const char *path, int flags, ...) __attribute__((alias("open")));

EXPORTED int openat(int folder, const char *path, int flags, ...)
{
    (void)folder;
    return open(path, flags);
}

EXPORTED int close(int descriptor)
{
    return is_sealed(descriptor) ? 0 : (int)syscall(SYS_close, descriptor);
}

EXPORTED ssize_t pread(int descriptor, void *out, size_t size, off_t offset)
{
    if (!is_sealed(descriptor) || offset < 0) {
        return vfs_refuse(is_sealed(descriptor) ? EINVAL : EPERM);
    }
    return sealed_pread(descriptor, out, size, (uint64_t)offset);
}

EXPORTED ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));

EXPORTED int fstat(int descriptor, struct stat *out)
{
    if (!is_sealed(descriptor)) {
        return vfs_refuse(EBADF);
    }
    *out = (struct stat){.st_mode = S_IFREG | 0400,
                         .st_nlink = 1,
                         .st_size = (off_t)sealed_part(descriptor)->size,
                         .st_blksize = 4096,
                         .st_mtime = CLOCK_SECONDS};
    return 0;
}

EXPORTED int stat(const char *path, struct stat *out)
{
    int descriptor = sealed_descriptor(path);
    return descriptor < 0 ? vfs_refuse(ENOENT) : fstat(descriptor, out);
}

EXPORTED int lstat(const char *, struct stat *) __attribute__((alias("stat")));

/* The names by which libraries built against an older C library call them. */
EXPORTED int __xstat(int version, const char *path, struct stat *out);
EXPORTED int __lxstat(int, const char *, struct stat *) __attribute__((alias("__xstat")));
EXPORTED int __fxstat(int version, int descriptor, struct stat *out);

int __xstat(int version, const char *path, struct stat *out)
{
    (void)version;
    return stat(path, out);
}

int __fxstat(int version, int descriptor, struct stat *out)
{
    (void)version;
    return fstat(descriptor, out);
}

EXPORTED int access(const char *path, int mode)
{
    if (sealed_descriptor(path) < 0) {
        return vfs_refuse(ENOENT);
    }
    return mode & W_OK ? vfs_refuse(EPERM) : 0;
}

EXPORTED int fcntl(int descriptor, int command, ...)
{
    (void)command;
    return is_sealed(descriptor) ? 0 : vfs_refuse(EPERM);
}

EXPORTED char *getcwd(char *out, size_t size)
{
    if (out == NULL || size < 2) {
        errno = ERANGE;
        return NULL;
    }
    memcpy(out, "/", 2);
    return out;
}

VFS_ABSENT(int, creat, (const char *path, mode_t mode), ENOENT, -1)
VFS_ABSENT(ssize_t, read, (int descriptor, void *out, size_t size), EPERM, -1)
VFS_ABSENT(ssize_t, write, (int descriptor, const void *data, size_t size), EPERM, -1)
VFS_ABSENT(ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t offset), EPERM, -1)
VFS_ABSENT(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off_t offset), EPERM, -1)
VFS_ABSENT(off_t, lseek, (int descriptor, off_t offset, int whence), EPERM, -1)
VFS_ABSENT(off_t, lseek64, (int descriptor, off_t offset, int whence), EPERM, -1)
VFS_ABSENT(int, fsync, (int descriptor), EPERM, -1)
VFS_ABSENT(DIR *, opendir, (const char *path), ENOENT, NULL)

/* ---- The clock. ---- */

EXPORTED int clock_gettime(clockid_t clock, struct timespec *out)
{
    (void)clock;
    *out = (struct timespec){.tv_sec = CLOCK_SECONDS};
    return 0;
}

EXPORTED int gettimeofday(struct timeval *out, void *zone)
{
    (void)zone;
    *out = (struct timeval){.tv_sec = CLOCK_SECONDS};
    return 0;
}

EXPORTED time_t time(time_t *out)
{
    if (out != NULL) {
        *out = CLOCK_SECONDS;
    }
    return CLOCK_SECONDS;
}

EXPORTED clock_t clock(void)
{
    return 0;
}

/* Deadlines were computed from the standing clock: the same distance from the real one. */
static struct timespec real_deadline(const struct timespec *deadline)
{
    struct timespec now;
    if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) != 0) {
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
