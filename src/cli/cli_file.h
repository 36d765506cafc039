/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Files of the command line: read whole, written whole or not at all, and the
 * checkpoint of a load.
 */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include "cli_buf.h"
#include "cli_failure.h"

/* ---- limits ---- */

/** Longest path of a file that is written by way of a temporary one, in bytes with its NUL. */
#define CLI_PATH_NBYTES_MAX 4096u

/* ---- types ---- */

/**
 * A file under construction. Until it is committed it lies beside its place
 * under another name, and the file that may be in its place is untouched.
 */
struct cli_new_file {
    int fd; /* -1: none is under construction */
    char path[CLI_PATH_NBYTES_MAX];
    char temporary[CLI_PATH_NBYTES_MAX]; /* empty: written in place */
};

/** How far a load has come: all rows up to and including `line` are stored. */
struct cli_checkpoint {
    uint64_t line;
    uint64_t offset; /* where that line ends in the input, in bytes */
};

/* ---- operations: CLI_EXIT_DONE, or CLI_EXIT_LOCAL with the message ---- */

/** Opens `path` for reading; `-` is standard input (not closed by cli_close_input()). */
CDX_MUST_CHECK enum cli_exit cli_open_input(const char *path, int *fd, struct cli_failure *failure);
void cli_close_input(int fd);

/** Appends all that `fd` has, but at most `nbytes_max`; more is an error. `name` is for messages.
 */
CDX_MUST_CHECK enum cli_exit cli_read_all(int fd, const char *name, size_t nbytes_max,
                                          struct cli_buf *out, struct cli_failure *failure);

/** Writes all of it to `fd`. False with errno when the system refuses. */
CDX_MUST_CHECK bool cli_write_all(int fd, struct cdx_bytes bytes);

/** Creates the temporary file beside `path`; a device or pipe is opened and written in place. */
CDX_MUST_CHECK enum cli_exit cli_new_file_open(struct cli_new_file *file, const char *path,
                                               struct cli_failure *failure);

/** Writes the file to the disk and puts it in its place, in one step. */
CDX_MUST_CHECK enum cli_exit cli_new_file_commit(struct cli_new_file *file,
                                                 struct cli_failure *failure);

/** Removes the temporary file, if there is one. */
void cli_new_file_discard(struct cli_new_file *file);

/** Replaces the checkpoint at `path`, in one step. `input` is the name of what is loaded. */
CDX_MUST_CHECK enum cli_exit cli_checkpoint_write(const char *path, const char *input,
                                                  const struct cli_checkpoint *at,
                                                  struct cli_failure *failure);

/**
 * Reads the checkpoint at `path`; when there is none, line and offset are 0.
 * A file that is no checkpoint, or one of another input, is an error.
 */
CDX_MUST_CHECK enum cli_exit cli_checkpoint_read(const char *path, const char *input,
                                                 struct cli_checkpoint *at,
                                                 struct cli_failure *failure);

#endif
