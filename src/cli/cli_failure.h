/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How a command ended, and the one message that says why: where, and what was
 * expected. Built anywhere, printed in one place (cli_main.c).
 */
#ifndef CLI_FAILURE_H
#define CLI_FAILURE_H

#include <caudex/bytes.h>
#include <caudex/status.h>

/* ---- limits ---- */

/** Longest message, in bytes with its NUL; longer ones are cut. */
#define CLI_FAILURE_NBYTES_MAX 2048u
/** Longest text of cli_show(), in bytes with its NUL. */
#define CLI_SHOWN_NBYTES_MAX 704u

/* ---- types ---- */

/** The exit status of the program; X(name, number, what it means). */
#define CLI_EXIT_MAP(X)                                                                            \
    X(DONE, 0, "found, or done")                                                                   \
    X(NO, 1, "the answer is no: not found, or a conflict with --if-revision or --if-absent")       \
    X(USAGE, 2, "the command line is wrong; nothing was sent")                                     \
    X(UNREACHABLE, 3, "the server cannot be reached, or did not answer in time")                   \
    X(REFUSED, 4, "the server refused, or its answer is not the protocol")                         \
    X(LOCAL, 5, "a local file cannot be read or written, or its content is wrong")

#define CLI_EXIT_ENUM(name, number, text) CLI_EXIT_##name = (number),
enum cli_exit { CLI_EXIT_MAP(CLI_EXIT_ENUM) CLI_EXIT_INTERRUPTED = 130 };
#undef CLI_EXIT_ENUM

struct cli_failure {
    enum cli_exit exit;
    char text[CLI_FAILURE_NBYTES_MAX]; /* UTF-8, one line; empty: nothing to say */
    const char *help;                  /* the command whose help would have told, or NULL; static */
};

/** User bytes made fit for a message. */
struct cli_shown {
    char text[CLI_SHOWN_NBYTES_MAX];
};

/* ---- operations ---- */

/** Writes the message and returns `exit`, so that a failing function ends `return cli_fail(…)`. */
enum cli_exit cli_fail(struct cli_failure *failure, enum cli_exit exit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** `'bytes'` in the escape form, cut when long; returns `shown->text`. */
const char *cli_show(struct cli_shown *shown, struct cdx_bytes bytes);

/**
 * The name of an input, before `:LINE`: as it is, quoted only when it needs
 * escapes; `stdin` for `-`. Borrowed from either parameter.
 */
const char *cli_show_input(struct cli_shown *shown, const char *name);

/** The exit status that stands for an outcome of the client: timeout, closed, malformed, … */
enum cli_exit cli_exit_of(enum cdx_status status);

#endif
