/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Words into a command with its options and arguments, checked against the
 * command table, so that a command's code sees only what its entry allows.
 *
 *     [global options] COMMAND [options and arguments, in any order] [-- arguments]
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli_table.h"

/* ---- types ---- */

/** An option as it was given, or its default. */
struct cli_value {
    bool given;       /* by the user */
    const char *text; /* NULL: not given and no default; borrowed from the words or the table */
    uint64_t number;  /* CLI_NUMBER; CLI_DURATION in nanoseconds */
};

struct cli_args {
    const struct cli_command *command; /* NULL: none was named */
    struct cli_value options[CLI_OPTION_COUNT];
    struct cdx_bytes words[CLI_WORDS_MAX]; /* the command's arguments; borrowed */
    size_t count;
};

/* ---- operations ---- */

/**
 * Reads `count` words (the program's name not among them), each followed by a
 * NUL. CLI_EXIT_DONE, or CLI_EXIT_USAGE with the message. When --help is
 * among the words, the number of arguments is not judged.
 */
CDX_MUST_CHECK enum cli_exit cli_args_parse(const struct cdx_bytes *words, size_t count,
                                            struct cli_args *args, struct cli_failure *failure);

/* ---- inspection ---- */

static inline bool cli_given(const struct cli_args *args, enum cli_option_id id)
{
    return args->options[id].given;
}

static inline uint64_t cli_opt_number(const struct cli_args *args, enum cli_option_id id)
{
    return args->options[id].number;
}

static inline const char *cli_opt_text(const struct cli_args *args, enum cli_option_id id)
{
    return args->options[id].text;
}

#endif
