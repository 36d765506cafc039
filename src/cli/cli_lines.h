/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Lines of a file descriptor, numbered, with the offset where each ends.
 *
 *     buf  | lines handed out | the line | read, not yet looked at | room |
 *          0                  ^ start    ^ next                    ^ len
 *
 * The last line need not end with a line feed. A line above the limit is an
 * error, not memory.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "cli_buf.h"
#include "cli_failure.h"
#include <caudex/status.h>

/* ---- limits ---- */

/** Bytes asked of the system at once. */
#define CLI_LINES_READ_NBYTES (256u << 10)
/** Longest line, in bytes: the longest value with every byte escaped in six, and a key. */
#define CLI_LINE_NBYTES_MAX (100u << 20)

/* ---- types ---- */

struct cli_lines {
    int fd;          /* borrowed */
    size_t line_max; /* CLI_LINE_NBYTES_MAX, less in tests */
    struct cli_buf buf;
    size_t next;     /* where the next line begins in buf */
    bool ended;      /* the descriptor has no more */
    uint64_t line;   /* number of the last line handed out; 0: none yet */
    uint64_t offset; /* where that line, with its line feed, ends in the input */
    int error;       /* errno of CDX_SYSTEM */
};

/* ---- lifecycle ---- */

/** Reads from `fd`, whose next byte is the first of line `line` + 1, at `offset` in the file. */
void cli_lines_init(struct cli_lines *lines, int fd, uint64_t line, uint64_t offset);
void cli_lines_free(struct cli_lines *lines);

/* ---- operations ---- */

/**
 * The next line, without its line feed, borrowed until the next call. CDX_OK;
 * CDX_CLOSED at the end; CDX_TOO_LONG (`line` is its number), CDX_SYSTEM (see
 * `error`; EINTR when a signal that is caught came), CDX_NO_MEMORY: final.
 */
CDX_MUST_CHECK enum cdx_status cli_lines_next(struct cli_lines *lines, struct cdx_bytes *line);

/** The next line without taking it: it may be read again, by cli_lines_next(). */
CDX_MUST_CHECK enum cdx_status cli_lines_peek(struct cli_lines *lines, struct cdx_bytes *line);

/** False when the next line would have to be waited for. */
bool cli_lines_ready(const struct cli_lines *lines);

/**
 * The message for CDX_TOO_LONG, CDX_SYSTEM or CDX_NO_MEMORY; `name` is the
 * input's. Returns how the command ends.
 */
CDX_MUST_CHECK enum cli_exit cli_lines_failed(const struct cli_lines *lines, enum cdx_status status,
                                              const char *name, struct cli_failure *failure);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_lines_check(const struct cli_lines *lines);

#endif
