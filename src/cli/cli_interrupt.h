/* SPDX-License-Identifier: Apache-2.0 */
/** Ctrl-C as a flag, for the commands that end in order instead of at once. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

/**
 * From now on SIGINT, SIGTERM and SIGHUP only set the flag; the second one
 * ends the process as it did before. Forgets earlier ones.
 */
void cli_interrupt_catch(void);

/** The signals end the process again. */
void cli_interrupt_release(void);

/** Whether one has come since cli_interrupt_catch(). Any thread. */
bool cli_interrupted(void);

#endif
