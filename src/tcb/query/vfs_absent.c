/* What exists neither for the sealed engine nor for a party's: other ways to files, sockets, and extensions,
 * which are shared libraries. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include "query/vfs_absent.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

VFS_ABSENT(FILE *, fopen, (const char *path, const char *mode), ENOENT, NULL)
VFS_ABSENT(FILE *, fopen64, (const char *path, const char *mode), ENOENT, NULL)
VFS_ABSENT(char *, realpath, (const char *path, char *out), ENOENT, NULL)
VFS_ABSENT(int, unlink, (const char *path), EPERM, -1)
VFS_ABSENT(int, remove, (const char *path), EPERM, -1)
VFS_ABSENT(int, rmdir, (const char *path), EPERM, -1)
VFS_ABSENT(int, chdir, (const char *path), EPERM, -1)
VFS_ABSENT(int, mkdir, (const char *path, mode_t mode), EPERM, -1)
VFS_ABSENT(int, rename, (const char *from, const char *to), EPERM, -1)
VFS_ABSENT(int, ftruncate, (int descriptor, off_t size), EPERM, -1)
VFS_ABSENT(int, fallocate, (int descriptor, int mode, off_t offset, off_t size), EOPNOTSUPP, -1)
VFS_ABSENT(ssize_t, readlink, (const char *path, char *out, size_t size), EPERM, -1)
VFS_ABSENT(int, statvfs, (const char *path, struct statvfs *out), EPERM, -1)
VFS_ABSENT(int, socket, (int domain, int type, int protocol), EPERM, -1)
VFS_ABSENT(int, connect, (int descriptor, const struct sockaddr *address, socklen_t size), EPERM, -1)
VFS_ABSENT(int, getaddrinfo,
           (const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out),
           ENOENT, EAI_FAIL)
VFS_ABSENT(void *, dlopen, (const char *path, int flags), ENOENT, NULL)
