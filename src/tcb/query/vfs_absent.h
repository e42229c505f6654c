/* query/vfs_absent.h: how the C library's functions that do not exist here are written down. For vfs.c,
 * vfs_absent.c and the party's program; nothing else. */
#pragma once

#include <errno.h>

#define EXPORTED __attribute__((visibility("default")))

static inline int vfs_refuse(int error)
{
    errno = error;
    return -1;
}

/* A function that only sets `errno` and gives `answer`, whatever its arguments are. */
#define VFS_ABSENT(type, name, parameters, error, answer)                                                    \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wunused-parameter\"")                  \
        EXPORTED type name parameters                                                                        \
    {                                                                                                        \
        errno = (error);                                                                                     \
        return (answer);                                                                                     \
    }                                                                                                        \
    _Pragma("GCC diagnostic pop")
