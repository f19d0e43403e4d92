/* A shim between a program and the C library, for tests: kills the program before one of its file operations, or
 * reports how far each journal was synced. Loaded with LD_PRELOAD; see shim.rs for the settings. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long left; /* operations until the kill; counts down from SHIM_KILL_BEFORE */
static int tells_syncs;

__attribute__((constructor)) static void settings(void) {
    const char *kill_before = getenv("SHIM_KILL_BEFORE");
    atomic_store(&left, kill_before ? atol(kill_before) : 0);
    tells_syncs = getenv("SHIM_TELL_SYNCS") != NULL;
}

/* Called before every operation that changes files. */
static void step(void) {
    if (atomic_fetch_sub(&left, 1) == 1) {
        kill(getpid(), SIGKILL);
        pause();
    }
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* Called after a sync: reports how much of a journal is on disk, with one write, so that lines are not interleaved. */
static void tell(int fd) {
    char link[64], path[4096], line[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!tells_syncs || length < 4 || memcmp(path + length - 4, ".jnl", 4) != 0) {
        return;
    }
    path[length] = 0;
    int size = snprintf(line, sizeof line, "synced %s %lld\n", strrchr(path, '/') + 1,
                        (long long)lseek(fd, 0, SEEK_CUR));
    if (REAL(write)(STDOUT_FILENO, line, size) != size) {
        abort();
    }
}

#define CHANGES(type, name, parameters, arguments)                                                                     \
    type name parameters {                                                                                             \
        step();                                                                                                        \
        return REAL(name) arguments;                                                                                   \
    }
CHANGES(int, mkdir, (const char *path, mode_t mode), (path, mode))
CHANGES(int, rmdir, (const char *path), (path))
CHANGES(int, unlink, (const char *path), (path))
CHANGES(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
CHANGES(int, rename, (const char *from, const char *to), (from, to))
CHANGES(int, ftruncate, (int fd, off_t length), (fd, length))
CHANGES(int, ftruncate64, (int fd, off64_t length), (fd, length))

/* A write to a standard stream does not change a file. */
#define WRITES(name, parameters, arguments)                                                                            \
    ssize_t name parameters {                                                                                          \
        if (fd > STDERR_FILENO) {                                                                                      \
            step();                                                                                                    \
        }                                                                                                              \
        return REAL(name) arguments;                                                                                   \
    }
WRITES(write, (int fd, const void *bytes, size_t length), (fd, bytes, length))
WRITES(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))

#define SYNCS(name)                                                                                                    \
    int name(int fd) {                                                                                                 \
        step();                                                                                                        \
        int result = REAL(name)(fd);                                                                                   \
        if (result == 0) {                                                                                             \
            tell(fd);                                                                                                  \
        }                                                                                                              \
        return result;                                                                                                 \
    }
SYNCS(fsync)
SYNCS(fdatasync)

#define OPENS(name, parameters, before)                                                                                \
    int name parameters {                                                                                              \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                                      \
        va_end(rest);                                                                                                  \
        if (flags & (O_CREAT | O_TRUNC)) {                                                                             \
            step();                                                                                                    \
        }                                                                                                              \
        return REAL(name) before;                                                                                      \
    }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENS(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
