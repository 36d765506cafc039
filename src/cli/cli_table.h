/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The command table: every command, option and help topic once. Parsing,
 * --help, the man page and the shell completions are all read off it.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli_failure.h"
#include "cli_words.h"
#include <caudex/bytes.h>

/* ---- types ---- */

struct cli;
struct cli_args;

/** What an option's value is, and so what is checked before the command runs. */
enum cli_value_kind {
    CLI_FLAG,     /* no value */
    CLI_TEXT,     /* anything */
    CLI_PATH,     /* a file; completed as such */
    CLI_NUMBER,   /* cli_number(), from min to max */
    CLI_DURATION, /* cli_duration(), from min to max nanoseconds */
    CLI_CHOICE,   /* one of `choices` */
};

/** Every option has its place in struct cli_args; commands may share one. */
enum cli_option_id {
    CLI_OPT_SERVER,
    CLI_OPT_JSON,
    CLI_OPT_RAW,
    CLI_OPT_ESCAPED,
    CLI_OPT_COLOR,
    CLI_OPT_TIMEOUT,
    CLI_OPT_HELP,
    CLI_OPT_VERSION,
    CLI_OPT_PRINT_MAN,
    CLI_OPT_REVISION,
    CLI_OPT_VALUE_ONLY,
    CLI_OPT_BYTES,
    CLI_OPT_FILE,
    CLI_OPT_IF_REVISION,
    CLI_OPT_IF_ABSENT,
    CLI_OPT_TTL,
    CLI_OPT_YES,
    CLI_OPT_LIMIT,
    CLI_OPT_AFTER,
    CLI_OPT_KEYS,
    CLI_OPT_COUNT,
    CLI_OPT_INTERVAL,
    CLI_OPT_FORMAT,
    CLI_OPT_VALUE,
    CLI_OPT_PIPELINE,
    CLI_OPT_KEEP_GOING,
    CLI_OPT_FROM_LINE,
    CLI_OPT_CHECKPOINT,
    CLI_OPT_EMPTY,
    CLI_OPT_OUTPUT,
    CLI_OPT_PAGES,
    CLI_OPT_QUIET,
    CLI_OPT_CONNECTIONS,
    CLI_OPT_THREADS,
    CLI_OPT_DURATION,
    CLI_OPT_REQUESTS,
    CLI_OPT_RATIO,
    CLI_OPT_KEYS_FILE,
    CLI_OPT_KEYSPACE,
    CLI_OPT_VALUE_SIZE,
    CLI_OPT_RATE,
    CLI_OPT_FILL,
    CLI_OPT_SEED,
    CLI_OPTION_COUNT
};

struct cli_option {
    enum cli_option_id id;
    enum cli_value_kind kind;
    char letter;          /* of the short form, or 0 */
    const char *name;     /* of the long form, without dashes */
    const char *value;    /* how help calls the value; NULL for a flag */
    const char *choices;  /* CLI_CHOICE: "auto|always|never" */
    uint64_t min, max;    /* CLI_NUMBER; CLI_DURATION in nanoseconds */
    const char *fallback; /* the default, as it could be typed; NULL: none */
    const char *help;     /* one sentence; may be long */
};

/** What a command's arguments are, for completion. */
enum cli_word_kind { CLI_WORD_NONE, CLI_WORD_KEY, CLI_WORD_PATH, CLI_WORD_SHELL, CLI_WORD_COMMAND };

/** Where a command may be typed. */
enum cli_place { CLI_ANYWHERE, CLI_SHELL_ONLY, CLI_PROMPT_ONLY, CLI_HIDDEN };

typedef enum cli_exit cli_command_fn(struct cli *cli, const struct cli_args *args,
                                     struct cli_failure *failure);

struct cli_command {
    const char *name;
    const char *alias; /* a second name, or NULL */
    const char *words; /* "KEY [VALUE]"; empty: takes none */
    uint8_t words_min, words_max;
    enum cli_word_kind word_kind;  /* of the first argument … */
    enum cli_word_kind later_kind; /* … and of those behind it */
    enum cli_place place;
    const char *summary;  /* one line, for the list of commands */
    const char *text;     /* paragraphs; a line that begins with two spaces stands as it is */
    const char *examples; /* lines to type, or NULL */
    const struct cli_option *options;
    size_t option_count;
    cli_command_fn *run;
};

/** A text that belongs to no single command. */
struct cli_topic {
    const char *name;  /* of `help NAME` */
    const char *title; /* of the man page's section */
    const char *text;  /* like a command's */
};

/* ---- the table ---- */

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/** Options that may stand before or after any command. */
extern const struct cli_option cli_global_options[];
extern const size_t cli_global_option_count;

extern const struct cli_topic cli_topics[];
extern const size_t cli_topic_count;

/** What the program is, in one line and in a paragraph. */
extern const char cli_tagline[];
extern const char cli_introduction[];

/* ---- look-ups ---- */

/** The command of that name or alias, or NULL. */
const struct cli_command *cli_command_named(struct cdx_bytes name);

/** The command's or the global option of that long name, or NULL; `command` may be NULL. */
const struct cli_option *cli_option_named(const struct cli_command *command, struct cdx_bytes name);

/** Like cli_option_named(), by letter. */
const struct cli_option *cli_option_lettered(const struct cli_command *command, char letter);

/** The topic of that name, or NULL. */
const struct cli_topic *cli_topic_named(struct cdx_bytes name);

/** The name of a command (or of an option of `command`) that is likely meant by `word`, or NULL. */
const char *cli_command_nearest(struct cdx_bytes word);
const char *cli_option_nearest(const struct cli_command *command, struct cdx_bytes name);

/* ---- commands: each in the file of its family ---- */

cli_command_fn cli_get, cli_match, cli_match_all;
cli_command_fn cli_put, cli_delete, cli_drop;
cli_command_fn cli_touch, cli_ttl;
cli_command_fn cli_list, cli_children, cli_count;
cli_command_fn cli_stats, cli_ping, cli_hello;
cli_command_fn cli_apply, cli_load, cli_swap, cli_dump, cli_bench;
cli_command_fn cli_completion, cli_complete_key, cli_help, cli_version, cli_quit;

#endif
