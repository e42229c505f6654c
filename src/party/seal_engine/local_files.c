/* The fortified headers define open, read and others inline, and the large-file option gives them other
 * names; here they are ours. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include "party/seal_engine/local_files.h"

#include "query/vfs_absent.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OUTPUT_DESCRIPTOR = (1 << 24) - 1 };

static const struct local_files_sink *output_sink;
static uint64_t output_size;

void local_files_set_sink(const struct local_files_sink *sink)
{
    output_sink = sink;
}

static bool is_output_path(const char *path)
{
    return path != NULL && strncmp(path, "/sealed/out/", 12) == 0;
}

static ssize_t output_write(const void *data, size_t size)
{
    if (!result_is_ok(output_sink->write(output_sink->self, (struct bytes){data, size}))) {
        return vfs_refuse(EIO);
    }
    output_size += size;
    return (ssize_t)size;
}

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
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORTED int open64(const char *path, int flags, ...) __attribute__((alias("open")));

EXPORTED int openat(int folder, const char *path, int flags, ...)
{
    (void)folder;
    return path[0] == '/' ? open(path, flags & ~O_CREAT) : vfs_refuse(ENOENT);
}

EXPORTED int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORTED int close(int descriptor)
{
    return descriptor == OUTPUT_DESCRIPTOR ? 0 : (int)syscall(SYS_close, descriptor);
}

EXPORTED ssize_t write(int descriptor, const void *data, size_t size)
{
    return descriptor == OUTPUT_DESCRIPTOR ? output_write(data, size)
                                           : syscall(SYS_write, descriptor, data, size);
}

EXPORTED ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    bool next = descriptor == OUTPUT_DESCRIPTOR && (uint64_t)offset == output_size;
    return next ? output_write(data, size) : vfs_refuse(EPERM);
}

EXPORTED ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

EXPORTED int fstat(int descriptor, struct stat *out)
{
    if (descriptor != OUTPUT_DESCRIPTOR) {
        return (int)syscall(SYS_fstat, descriptor, out);
    }
    *out = (struct stat){
        .st_mode = S_IFREG | 0400, .st_nlink = 1, .st_size = (off_t)output_size, .st_blksize = 4096};
    return 0;
}

static int stat_path(const char *path, struct stat *out, int flags)
{
    return is_output_path(path) ? vfs_refuse(ENOENT)
                                : (int)syscall(SYS_newfstatat, AT_FDCWD, path, out, flags);
}

EXPORTED int stat(const char *path, struct stat *out)
{
    return stat_path(path, out, 0);
}

EXPORTED int lstat(const char *path, struct stat *out)
{
    return stat_path(path, out, AT_SYMLINK_NOFOLLOW);
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
    return fstat(descriptor, out);
}

EXPORTED int access(const char *path, int mode)
{
    return is_output_path(path) ? vfs_refuse(ENOENT) : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

EXPORTED int fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return descriptor == OUTPUT_DESCRIPTOR ? 0 : (int)syscall(SYS_fcntl, descriptor, command, argument);
}

EXPORTED int fsync(int descriptor)
{
    return descriptor == OUTPUT_DESCRIPTOR ? 0 : vfs_refuse(EPERM);
}
