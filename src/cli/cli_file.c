/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, read whole or written whole. The happy path of a new file is: a
 * temporary file in the same folder, written, synced, renamed over its place.
 * It can fail because the folder cannot be written, the disk is full, or the
 * place is a folder; then the temporary file is removed and nothing changed.
 */
#include "cli_file.h"

#include "cli_text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes asked of the system at once. */
#define READ_NBYTES (64u << 10)
/* Longest checkpoint: its three lines and the escaped name of the input. */
#define CHECKPOINT_NBYTES_MAX (64u << 10)
/* Permissions of new files, before the umask. */
#define NEW_FILE_MODE 0666

static enum cli_exit system_error(struct cli_failure *failure, const char *name, const char *what)
{
    int error = errno;
    struct cli_shown shown;
    return cli_fail(failure, CLI_EXIT_LOCAL, "%s: %s: %s", cli_show(&shown, cdx_cstr(name)), what,
                    strerror(error));
}

/* ---- reading ---- */

enum cli_exit cli_open_input(const char *path, int *fd, struct cli_failure *failure)
{
    struct stat info;
    if (strcmp(path, "-") == 0) {
        *fd = STDIN_FILENO;
        return CLI_EXIT_DONE;
    }
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return system_error(failure, path, "cannot open");
    if (fstat(opened, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(opened);
        errno = EISDIR;
        return system_error(failure, path, "cannot read");
    }
    *fd = opened;
    return CLI_EXIT_DONE;
}

void cli_close_input(int fd)
{
    if (fd != STDIN_FILENO)
        close(fd);
}

enum cli_exit cli_read_all(int fd, const char *name, size_t nbytes_max, struct cli_buf *out,
                           struct cli_failure *failure)
{
    size_t before = out->len;
    for (;;) {
        uint8_t *room = cli_buf_reserve(out, READ_NBYTES);
        if (room == NULL)
            return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
        ssize_t n = read(fd, room, READ_NBYTES);
        if (n == 0)
            return CLI_EXIT_DONE;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_error(failure, name, "cannot read");
        out->len += (size_t)n;
        if (out->len - before > nbytes_max) {
            struct cli_shown shown;
            return cli_fail(failure, CLI_EXIT_LOCAL, "%s: has more than %zu bytes, the limit",
                            cli_show(&shown, cdx_cstr(name)), nbytes_max);
        }
    }
}

/* ---- writing ---- */

bool cli_write_all(int fd, struct cdx_bytes bytes)
{
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t n = write(fd, bytes.data + done, bytes.len - done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}

/* A device or pipe cannot be put in its place: it is written as it goes. */
static enum cli_exit open_in_place(struct cli_new_file *file, const char *path,
                                   struct cli_failure *failure)
{
    file->temporary[0] = 0;
    file->fd = open(path, O_WRONLY | O_CLOEXEC);
    return file->fd < 0 ? system_error(failure, path, "cannot open") : CLI_EXIT_DONE;
}

/* Creates the temporary file beside file->path, with the permissions `mode`. */
static enum cli_exit open_beside(struct cli_new_file *file, mode_t mode,
                                 struct cli_failure *failure)
{
    int n = snprintf(file->temporary, sizeof file->temporary, "%s.XXXXXX", file->path);
    if (n < 0 || (size_t)n >= sizeof file->temporary) {
        errno = ENAMETOOLONG;
        return system_error(failure, file->path, "cannot create");
    }
    file->fd = mkostemp(file->temporary, O_CLOEXEC);
    if (file->fd < 0)
        return system_error(failure, file->path, "cannot create a file beside it");
    if (fchmod(file->fd, mode) == 0)
        return CLI_EXIT_DONE;
    enum cli_exit exit = system_error(failure, file->path, "cannot create");
    cli_new_file_discard(file);
    return exit;
}

enum cli_exit cli_new_file_open(struct cli_new_file *file, const char *path,
                                struct cli_failure *failure)
{
    struct stat info;
    char resolved[PATH_MAX];
    file->fd = -1;
    bool exists = stat(path, &info) == 0;
    /* A link stays one: what it points to is replaced. */
    const char *place = exists && realpath(path, resolved) != NULL ? resolved : path;
    if (strlen(place) >= sizeof file->path) {
        errno = ENAMETOOLONG;
        return system_error(failure, path, "cannot create");
    }
    memcpy(file->path, place, strlen(place) + 1);
    if (exists && !S_ISREG(info.st_mode))
        return open_in_place(file, path, failure);
    mode_t mask = umask(0);
    umask(mask);
    return open_beside(file, exists ? info.st_mode & 07777 : NEW_FILE_MODE & ~mask, failure);
}

enum cli_exit cli_new_file_commit(struct cli_new_file *file, struct cli_failure *failure)
{
    bool in_place = file->temporary[0] == 0;
    if (in_place || (fsync(file->fd) == 0 && rename(file->temporary, file->path) == 0)) {
        close(file->fd);
        file->fd = -1;
        return CLI_EXIT_DONE;
    }
    enum cli_exit exit = system_error(failure, file->path, "cannot write");
    cli_new_file_discard(file);
    return exit;
}

void cli_new_file_discard(struct cli_new_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    if (file->temporary[0] != 0)
        unlink(file->temporary);
    file->fd = -1;
}

/* ---- checkpoints ---- */

#define CHECKPOINT_HEAD "caudex load checkpoint\n"

enum cli_exit cli_checkpoint_write(const char *path, const char *input,
                                   const struct cli_checkpoint *at, struct cli_failure *failure)
{
    struct cli_new_file file;
    struct cli_buf text;
    enum cli_exit exit = cli_new_file_open(&file, path, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_buf_init(&text);
    cli_buf_printf(&text, CHECKPOINT_HEAD "line %" PRIu64 "\noffset %" PRIu64 "\ninput ", at->line,
                   at->offset);
    cli_escape(&text, cdx_cstr(input));
    cli_buf_byte(&text, '\n');
    if (text.failed)
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    else if (!cli_write_all(file.fd, cli_buf_bytes(&text)))
        exit = system_error(failure, path, "cannot write");
    cli_buf_free(&text);
    if (exit == CLI_EXIT_DONE)
        exit = cli_new_file_commit(&file, failure);
    cli_new_file_discard(&file);
    return exit;
}

static enum cli_exit checkpoint_parse(const char *path, const char *text, const char *input,
                                      struct cli_checkpoint *at, struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cli_checkpoint read = {0};
    struct cli_buf expected;
    int name_at = 0;
    int fields = sscanf(text, CHECKPOINT_HEAD "line %" SCNu64 "\noffset %" SCNu64 "\ninput %n",
                        &read.line, &read.offset, &name_at);
    if (fields != 2 || name_at == 0)
        return cli_fail(failure, CLI_EXIT_LOCAL,
                        "%s: is no checkpoint of caudex load; name another file, or remove it",
                        cli_show(&shown, cdx_cstr(path)));
    cli_buf_init(&expected);
    cli_escape(&expected, cdx_cstr(input));
    cli_buf_text(&expected, "\n");
    bool same = cdx_bytes_equal(cli_buf_bytes(&expected), cdx_cstr(text + name_at));
    cli_buf_free(&expected);
    if (!same)
        return cli_fail(failure, CLI_EXIT_LOCAL,
                        "%s: is the checkpoint of another input; name another file, or remove it",
                        cli_show(&shown, cdx_cstr(path)));
    *at = read;
    return CLI_EXIT_DONE;
}

enum cli_exit cli_checkpoint_read(const char *path, const char *input, struct cli_checkpoint *at,
                                  struct cli_failure *failure)
{
    struct cli_buf text;
    *at = (struct cli_checkpoint){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? CLI_EXIT_DONE : system_error(failure, path, "cannot open");
    cli_buf_init(&text);
    enum cli_exit exit = cli_read_all(fd, path, CHECKPOINT_NBYTES_MAX, &text, failure);
    close(fd);
    cli_buf_byte(&text, 0);
    if (exit == CLI_EXIT_DONE && text.failed)
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    if (exit == CLI_EXIT_DONE)
        exit = checkpoint_parse(path, (const char *)text.data, input, at, failure);
    cli_buf_free(&text);
    return exit;
}
