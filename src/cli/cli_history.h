/* SPDX-License-Identifier: Apache-2.0 */
/** Where the prompt's history lies, and how it gets there. */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "cli_buf.h"
#include <histedit.h>

/**
 * Appends the path of the history file, with its NUL: caudex/history below
 * $XDG_STATE_HOME, or below ~/.local/state. False when neither variable is usable.
 */
bool cli_history_path(struct cli_buf *out);

/** Fills `history` from the file, if there is one. */
void cli_history_load(History *history);

/** Writes the file, readable for its owner only, and the folders above it. */
void cli_history_save(History *history);

#endif
