/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The command line tool: what every command may use. A command reads its
 * cli_args, asks the server through the functions below, appends to `out`,
 * and returns its exit status, with a message in `failure` unless it succeeded.
 *
 *     words ─ cli_args ─► command ─ cli_ask ─► cli_link ─► server
 *                            │
 *                            └────► cli_out ─► standard output
 */
#ifndef CLI_H
#define CLI_H

#include "cli_args.h"
#include "cli_link.h"
#include "cli_out.h"

/* ---- types ---- */

struct cli_ops;

/** What the global options ask for, of the current command. */
struct cli_settings {
    const char *server;
    uint64_t timeout_ns;
    bool escaped;
};

struct cli {
    struct cli_out out;
    struct cli_settings settings;
    struct cli_settings defaults; /* of the program's command line, for commands of the prompt */
    const char *colour_when;      /* auto, always or never */
    bool json, raw;               /* as given on the program's command line */
    bool errors_coloured;
    bool prompt;            /* commands come from the keyboard */
    bool input_is_commands; /* standard input is being read for commands */
    bool quit;              /* the prompt is to end */
    struct cli_ops *ops;    /* put, delete and drop add to it; NULL: they ask the server */
    struct cli_link link;
    char *linked_to; /* the address that link is connected to; owned */
    uint32_t rid;    /* of the last request … */
    uint8_t call;    /* … and what it asked */
};

/* ---- operations: running ---- */

/** `argc` arguments without the program's name. Returns the program's exit status. */
int cli_main(int argc, char **argv);

/**
 * Runs one command line of the prompt or of a command file, prints what it
 * prints and its message. CLI_EXIT_USAGE when no command is named. `where` is put before the
 * message: "stdin:3", or NULL.
 */
enum cli_exit cli_run(struct cli *cli, const struct cdx_bytes *words, size_t count,
                      const char *where);

/** Splits the line into words and runs it; an empty line and a comment are done. Like cli_run(). */
enum cli_exit cli_run_line(struct cli *cli, struct cdx_bytes line, const char *where);

/** The message for a line that cli_words_split() could not split, with its `at`. */
enum cli_exit cli_bad_words(enum cdx_status status, size_t at, struct cli_failure *failure);

/** Reads commands from standard input, line by line, until its end. Returns the exit status. */
enum cli_exit cli_batch(struct cli *cli);

/** Reads commands from the keyboard until quit. Returns the exit status. */
enum cli_exit cli_prompt(struct cli *cli);

/** Prints the message, if there is one. `where` is as for cli_run(), `args` may be NULL. */
void cli_report(const struct cli *cli, const char *where, const struct cli_args *args,
                const struct cli_failure *failure);

/* ---- operations: asking the server ---- */

/** Connects, unless a useful connection to settings.server stands. */
CDX_MUST_CHECK enum cli_exit cli_connect(struct cli *cli, struct cli_failure *failure);

/** Ends the connection, if there is one. */
void cli_disconnect(struct cli *cli);

/**
 * Begins a request: connects, and makes room for `nbytes`. CLI_EXIT_DONE with
 * `*out` to encode into, with the RID `cli->rid`; or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_ask_begin(struct cli *cli, uint8_t call, size_t nbytes,
                                           struct cdx_out *out, struct cli_failure *failure);

/**
 * Ends a request, `encoded` being the encoder's outcome, and waits for the
 * first frame of its answer. CLI_EXIT_DONE: `*frame` answers the request, by a status that
 * its call has; borrowed until the next question. Otherwise the message.
 */
CDX_MUST_CHECK enum cli_exit cli_ask_end(struct cli *cli, const struct cdx_out *out,
                                         enum cdx_status encoded, struct kv_response *frame,
                                         struct cli_failure *failure);

/** The next frame of the same answer; after a row only. */
CDX_MUST_CHECK enum cli_exit cli_ask_more(struct cli *cli, struct kv_response *frame,
                                          struct cli_failure *failure);

/** Both for a call whose request is KEY and VAL as bytes; see the protocol for which. */
CDX_MUST_CHECK enum cli_exit cli_ask(struct cli *cli, uint8_t call, struct cdx_bytes key,
                                     struct cdx_bytes val, struct kv_response *frame,
                                     struct cli_failure *failure);

/**
 * The body of an answer could not be decoded: the server broke the protocol.
 * Returns CLI_EXIT_REFUSED with the message.
 */
CDX_MUST_CHECK enum cli_exit cli_bad_body(struct cli *cli, const struct cdx_parse_error *error,
                                          struct cli_failure *failure);

/* ---- operations: arguments ---- */

/**
 * A KEY or VALUE of the command line as bytes: unescaped into `buf` with
 * --escaped, else borrowed. CLI_EXIT_USAGE when it is longer than `max` or has a wrong escape.
 */
CDX_MUST_CHECK enum cli_exit cli_word(const struct cli *cli, const char *name,
                                      struct cdx_bytes word, size_t max, struct cli_buf *buf,
                                      struct cdx_bytes *bytes, struct cli_failure *failure);

/** The option as milliseconds, rounded up; 0 when it was not given. */
uint64_t cli_opt_ms(const struct cli_args *args, enum cli_option_id id);

/** The command's first argument as a key, empty when there is none. Otherwise like cli_word(). */
CDX_MUST_CHECK enum cli_exit cli_key(const struct cli *cli, const struct cli_args *args,
                                     struct cli_buf *buf, struct cdx_bytes *key,
                                     struct cli_failure *failure);

/**
 * Opens `path` for reading; `-` is standard input, unless commands come from
 * there. CLI_EXIT_DONE, or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_open(const struct cli *cli, const char *path, int *fd,
                                      struct cli_failure *failure);

/**
 * The answer is no: notes it on standard error when that is a terminal, and
 * with --json prints {"status":STATUS,"key":…}. Returns CLI_EXIT_NO.
 */
enum cli_exit cli_no(struct cli *cli, const char *status, struct cdx_bytes key);

#endif
