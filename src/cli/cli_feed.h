/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The rows of a file on their way into the store: what load and swap share.
 *
 *     file ─ cli_lines ─► cli_rows ─► cli_store ─► server
 *                                         └ answers, in order ─► done
 *
 *     cli_feed_open ─► cli_feed_begin ─► cli_feed_run ─► cli_feed_finish ─► cli_feed_close
 */
#ifndef CLI_FEED_H
#define CLI_FEED_H

#include "cli.h"
#include "cli_lines.h"
#include "cli_progress.h"
#include "cli_rows.h"
#include "cli_store.h"

/* ---- types ---- */

/** The place of a row in the input. */
struct cli_feed_mark {
    uint64_t line;
    uint64_t offset; /* where the line ends */
};

/** Called now and then between rows. Anything but CLI_EXIT_DONE ends the run and is its outcome. */
typedef enum cli_exit cli_feed_fn(void *arg, struct cli_failure *failure);

struct cli_feed {
    struct cli *cli;
    const char *input;         /* as given */
    int fd;                    /* -1: not open */
    bool keep_going;           /* a bad row is reported, and is no end */
    bool quiet;                /* no progress */
    bool stopping;             /* no more lines are read; what is under way is waited for */
    bool frozen;               /* a row is not stored: `done` stays before it */
    cli_feed_fn *now_and_then; /* NULL: nothing to do */
    void *arg;
    struct cli_lines lines;
    struct cli_rows rows;
    struct cli_store store;
    struct cli_feed_mark done; /* all rows up to here are stored, or reported */
    uint64_t bad;              /* rows reported */
    enum cli_exit worst;       /* of those */
    struct cli_progress progress;
    struct cli_progress_state state;
};

/* ---- operations ---- */

/**
 * The feed of the file that `word` names, closed: `-` is standard input. Reads
 * the options that its commands share: --quiet, --keep-going. CLI_EXIT_DONE,
 * or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_feed_init(struct cli_feed *feed, struct cli *cli,
                                           const struct cli_args *args, struct cdx_bytes word,
                                           struct cli_failure *failure);

/**
 * Opens the file, connects, and makes room for as many rows under way as
 * --pipeline says. CLI_EXIT_DONE, or the message. To be closed in any case.
 */
CDX_MUST_CHECK enum cli_exit cli_feed_open(struct cli_feed *feed, const struct cli_args *args,
                                           struct cli_failure *failure);

/** Ends the connection too, when rows were sent over it. */
void cli_feed_close(struct cli_feed *feed);

/**
 * After cli_lines_init(): the format that was asked for, or that name or
 * content tells, and what the progress needs. CLI_EXIT_DONE, or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_feed_begin(struct cli_feed *feed, const struct cli_args *args,
                                            struct cli_failure *failure);

/** Sends all rows. CLI_EXIT_DONE, or the message: a bad row as FILE:LINE. */
CDX_MUST_CHECK enum cli_exit cli_feed_run(struct cli_feed *feed, struct cli_failure *failure);

/**
 * Waits for the answers that are under way, `exit` being how the run ended,
 * unless the connection is what failed. Returns how it all ended.
 */
CDX_MUST_CHECK enum cli_exit cli_feed_finish(struct cli_feed *feed, enum cli_exit exit,
                                             struct cli_failure *failure);

#endif
