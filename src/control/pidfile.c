/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open, lock, make sure that the locked file is still the one with that name
 * (its last owner may have removed it between our open and our lock), look what
 * it holds, and write our number.
 *
 * Failure modes: another server holds the lock; the file holds something else
 * than a number (a wrong path: it must not be overwritten); the directory is
 * missing or not writable; the disk is full.
 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/** Readable for everybody: a process number is no secret. */
#define PIDFILE_MODE 0644
/** Longest content of a PID file, in bytes: 10 digits, a newline and some room. */
#define CONTENT_NBYTES_MAX 32u
/** How often the file may vanish between open and lock before we give up. */
#define OPEN_TRIES_MAX 100

void pidfile_none(struct pidfile *file)
{
    memset(file, 0, sizeof *file);
    file->fd = -1;
}

/* True when `path` still names the open file. */
static bool is_same_file(int fd, const char *path)
{
    struct stat by_fd, by_path;

    return fstat(fd, &by_fd) == 0 && lstat(path, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
           by_fd.st_ino == by_path.st_ino;
}

/* The number in the file, 0 when it is empty, -1 when it holds anything else. */
static pid_t read_pid(int fd)
{
    char text[CONTENT_NBYTES_MAX + 1];
    ssize_t len = pread(fd, text, sizeof text, 0);
    size_t digits;
    long pid;

    if (len == 0)
        return 0;
    if (len < 0 || len == (ssize_t)sizeof text)
        return -1;
    text[len] = '\0';
    digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || strspn(text + digits, " \n") != (size_t)len - digits)
        return -1;
    pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : -1;
}

/*
 * A locked descriptor of the file that has that name, or -1 with errno (EWOULDBLOCK:
 * somebody's).
 */
static int open_locked(const char *path, pid_t *holder)
{
    for (int tries = 0; tries < OPEN_TRIES_MAX; tries++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, PIDFILE_MODE);
        int saved;

        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_same_file(fd, path))
            return fd;
        saved = errno;
        *holder = read_pid(fd);
        close(fd);
        errno = saved;
        if (saved == EWOULDBLOCK)
            return -1;
    }
    errno = EAGAIN;
    return -1;
}

static bool write_pid(int fd)
{
    char text[CONTENT_NBYTES_MAX];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

static enum cdx_status open_failed(const char *path, pid_t holder, char error[PIDFILE_ERROR_NBYTES])
{
    if (errno != EWOULDBLOCK) {
        snprintf(error, PIDFILE_ERROR_NBYTES, "%s: cannot open the PID file: %s", path,
                 strerror(errno));
        return CDX_SYSTEM;
    }
    if (holder > 0)
        snprintf(error, PIDFILE_ERROR_NBYTES, "%s: a server is running already, as process %ld",
                 path, (long)holder);
    else
        snprintf(error, PIDFILE_ERROR_NBYTES, "%s: a server is starting already", path);
    return CDX_FULL;
}

enum cdx_status pidfile_open(struct pidfile *file, const char *path,
                             char error[PIDFILE_ERROR_NBYTES])
{
    pid_t holder = 0;
    int fd = open_locked(path, &holder);

    pidfile_none(file);
    if (fd < 0)
        return open_failed(path, holder, error);
    file->stale = read_pid(fd);
    if (file->stale < 0) {
        snprintf(error, PIDFILE_ERROR_NBYTES, "%s: holds something else than a process number",
                 path);
        close(fd);
        pidfile_none(file);
        return CDX_INVALID;
    }
    file->fd = fd;
    snprintf(file->path, sizeof file->path, "%s", path);
    if (!write_pid(fd)) {
        snprintf(error, PIDFILE_ERROR_NBYTES, "%s: cannot write the PID file: %s", path,
                 strerror(errno));
        pidfile_close(file);
        return CDX_SYSTEM;
    }
    return CDX_OK;
}

void pidfile_close(struct pidfile *file)
{
    if (file->fd < 0)
        return;
    if (is_same_file(file->fd, file->path))
        unlink(file->path); /* while it is locked, so that nobody else's is removed */
    close(file->fd);
    pidfile_none(file);
}
