/* SPDX-License-Identifier: Apache-2.0 */
/** The command table as text for people: overview, commands, topics, manual page, completions. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli_buf.h"
#include "cli_table.h"

/** Columns of help text, whatever the terminal's width: long lines read badly. */
#define CLI_HELP_COLUMNS 79u

/** `caudex --help`. */
void cli_help_overview(struct cli_buf *out);

/** `caudex help COMMAND`. */
void cli_help_command(struct cli_buf *out, const struct cli_command *command);

/** `caudex help TOPIC`. */
void cli_help_topic(struct cli_buf *out, const struct cli_topic *topic);

/** Appends `text` in lines of at most CLI_HELP_COLUMNS, each begun with `indent` blanks. */
void cli_help_wrap(struct cli_buf *out, const char *text, size_t indent);

/** The manual page caudex(1), in man(7) markup. */
void cli_man_page(struct cli_buf *out);

/** The completion script of "bash", "zsh" or "fish"; false for any other shell. */
bool cli_completion_script(struct cli_buf *out, struct cdx_bytes shell);

#endif
