/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the command table that belongs to no single command: introduction and topics. */
#include "cli_table.h"

/* ---- the program ---- */

const char cli_tagline[] = "asks and changes a Caudex server";

const char cli_introduction[] =
    "Caudex stores values under keys that are paths, and answers which stored path is the longest "
    "prefix of a given one. caudex is its command line: one command per call, or, without a "
    "command, a prompt on a terminal and a list of commands, one a line, on a pipe.";

/* ---- topics ---- */

static const char formats_text[] =
    "Keys and values are bytes. Commands that print rows (match, match-all, list, dump, …) print "
    "each as one line of UTF-8 text, with a tab between key and value. What could be mistaken is "
    "escaped, on a terminal and elsewhere alike:\n\n"
    "  \\t \\n \\r \\\\   tab, line feed, carriage return, backslash\n"
    "  \\xNN          any other control byte, and bytes that are not UTF-8\n\n"
    "With --raw nothing is escaped, and rows can no longer be told apart with certainty. get, and "
    "match --value, print the bytes as they are, without a line feed, unless they print to a "
    "terminal. With --escaped, the KEY and VALUE that you type are read in this form too.\n\n"
    "TSV is such rows: KEY, a tab, VALUE, one a line; dump writes it and load reads it. Empty "
    "lines are skipped. A backslash that begins no escape is an error, and so is a second tab.\n\n"
    "JSON lines hold one object per line:\n\n"
    "  {\"key\":\"/img\",\"value\":\"cdn-a\"}\n"
    "  {\"key_base64\":\"/wA=\",\"value_base64\":\"AAE=\"}\n\n"
    "Bytes that are UTF-8 are JSON strings; others are base64 (RFC 4648, with padding) in a "
    "member whose name ends in _base64. load ignores members it does not know.\n\n"
    "With --json every command prints objects of this form, one a line. Rows are as above; the "
    "answer to a single question has a member status: ok, not_found or conflict. An error is an "
    "object on standard error, with the members status (error), exit (the exit status) and error "
    "(the text).\n\n"
    "Key files (load --keys, bench --keys) hold a key per line, byte for byte and without "
    "escapes. Empty lines are skipped.";

static const char prompt_text[] =
    "Without a command, caudex reads commands: from the keyboard, or, when standard input is no "
    "terminal, line by line. A line is split into words like a shell does:\n\n"
    "  get 'as it is'\n"
    "  put /k \"tab \\t, quote \\\", byte \\x00\"   # a comment\n\n"
    "At the keyboard, the arrow keys edit and recall lines and the tab key completes commands, "
    "options and keys; keys are fetched from the server level by level. The history is kept in "
    "$XDG_STATE_HOME/caudex/history (~/.local/state without that variable). quit, or Ctrl-D, "
    "leaves; Ctrl-C drops the line or stops the command.\n\n"
    "From a pipe, a command that fails (exit status 2 or more) ends the run with its status, "
    "after an error that names the line; answers of no (1) do not stop it, but the exit status "
    "is 1 in the end.";

#define EXIT_LINE(name, number, text) "  " #number "  " text "\n"
static const char exit_text[] =
    CLI_EXIT_MAP(EXIT_LINE)
    "\nInterrupted by Ctrl-C, load, swap, dump, bench and ping end in order and exit 130. When standard "
    "output is closed early, as by head, caudex ends silently, like other tools, by the signal "
    "SIGPIPE.";
#undef EXIT_LINE

static const char environment_text[] =
    "  CAUDEX_SERVER   the server when --server is not given\n"
    "  NO_COLOR        when set and not empty, no colours unless --color always\n"
    "  XDG_STATE_HOME  where the history of the prompt lies: caudex/history below it";

const struct cli_topic cli_topics[] = {
    {.name = "formats", .title = "FORMATS", .text = formats_text},
    {.name = "prompt", .title = "PROMPT", .text = prompt_text},
    {.name = "exit-status", .title = "EXIT STATUS", .text = exit_text},
    {.name = "environment", .title = "ENVIRONMENT", .text = environment_text},
};
const size_t cli_topic_count = sizeof cli_topics / sizeof cli_topics[0];
