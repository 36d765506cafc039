/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failure modes: directory missing or not writable, disk full, name too long
 * for the suffix. Nothing is left behind then.
 */
#include "readyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READYFILE_MODE 0644
/** What the file is called until it is complete: the path and this. */
#define SUFFIX ".new"

static bool write_new(const char *path, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, READYFILE_MODE);
    bool written;
    int saved;

    if (fd < 0)
        return false;
    errno = ENOSPC; /* what a short write means */
    written = write(fd, text, len) == (ssize_t)len;
    saved = errno;
    if (close(fd) == 0)
        errno = saved;
    return written;
}

enum cdx_status readyfile_write(const char *path, const char *text,
                                char error[READYFILE_ERROR_NBYTES])
{
    char beside[PATH_MAX + sizeof SUFFIX];

    snprintf(beside, sizeof beside, "%s%s", path, SUFFIX);
    if (write_new(beside, text) && rename(beside, path) == 0)
        return CDX_OK;
    snprintf(error, READYFILE_ERROR_NBYTES, "%s: cannot write the ready file: %s", path,
             strerror(errno));
    unlink(beside);
    return CDX_SYSTEM;
}

void readyfile_remove(const char *path)
{
    unlink(path);
}
