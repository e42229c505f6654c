/* Calls on files, for our code and for the libraries alike: SQLite's writes pass here too. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include "fault.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/* The path behind a descriptor; false for sockets, pipes and devices. */
static bool path_of(int descriptor, char out[static PATH_MAX])
{
    char link[64];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    long size = syscall(SYS_readlink, link, out, (size_t)PATH_MAX - 1);
    errno = kept;
    out[size > 0 ? size : 0] = '\0';
    return out[0] == '/' && strncmp(out, "/dev/", 5) != 0;
}

static enum fault_kind meet_file(const char *hook, int descriptor)
{
    char path[PATH_MAX];
    return fault_wants(hook) && path_of(descriptor, path) ? fault_meet(hook, path) : FAULT_NONE;
}

static ssize_t put(int descriptor, const void *data, size_t size, off_t offset)
{
    return offset < 0 ? syscall(SYS_write, descriptor, data, size)
                      : syscall(SYS_pwrite64, descriptor, data, size, offset);
}

static ssize_t refuse_write(int number)
{
    errno = number;
    return -1;
}

/* `offset` < 0: where the file stands. */
static ssize_t write_file(int descriptor, const void *data, size_t size, off_t offset)
{
    char path[PATH_MAX];
    switch (meet_file("write", descriptor)) {
    case FAULT_FULL:
        fault_fill_disk();
        return refuse_write(ENOSPC);
    case FAULT_EIO:
        return refuse_write(EIO);
    case FAULT_SHORT:
        return put(descriptor, data, size > 1 ? size / 2 : size, offset);
    case FAULT_TORN:
        put(descriptor, data, size / 2, offset);
        fault_die();
    default:
        break;
    }
    if (fault_disk_is_full() && path_of(descriptor, path)) {
        return refuse_write(ENOSPC);
    }
    return put(descriptor, data, size, offset);
}

EXPORTED ssize_t write(int descriptor, const void *data, size_t size)
{
    return write_file(descriptor, data, size, -1);
}

EXPORTED ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return write_file(descriptor, data, size, offset);
}

EXPORTED ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

static int sync_file(long call, int descriptor)
{
    enum fault_kind kind = meet_file("sync", descriptor);
    if (kind == FAULT_EIO) {
        errno = EIO;
        return -1;
    }
    int status = (int)syscall(call, descriptor);
    if (kind == FAULT_KILLED) {
        fault_die();
    }
    return status;
}

EXPORTED int fsync(int descriptor)
{
    return sync_file(SYS_fsync, descriptor);
}

EXPORTED int fdatasync(int descriptor)
{
    return sync_file(SYS_fdatasync, descriptor);
}

EXPORTED int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    enum fault_kind kind = fault_meet("rename", to);
    if (kind == FAULT_EIO) {
        errno = EIO;
        return -1;
    }
    int status = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    if (kind == FAULT_KILLED) {
        fault_die();
    }
    return status;
}

EXPORTED int rename(const char *from, const char *to)
{
    return renameat(-100, from, -100, to); /* AT_FDCWD */
}

/* `offset` < 0: where the file stands. */
static ssize_t read_file(int descriptor, void *out, size_t size, off_t offset)
{
    enum fault_kind kind = meet_file("read", descriptor);
    if (kind == FAULT_EIO) {
        return refuse_write(EIO);
    }
    size = kind == FAULT_SHORT && size > 1 ? size / 2 : size;
    return offset < 0 ? syscall(SYS_read, descriptor, out, size)
                      : syscall(SYS_pread64, descriptor, out, size, offset);
}

EXPORTED ssize_t read(int descriptor, void *out, size_t size)
{
    return read_file(descriptor, out, size, -1);
}

EXPORTED ssize_t pread(int descriptor, void *out, size_t size, off_t offset)
{
    return read_file(descriptor, out, size, offset);
}

EXPORTED ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));
