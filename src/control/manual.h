/* SPDX-License-Identifier: Apache-2.0 */
/** The documents that the option table gives: summary, sample configuration, manual page. */
#ifndef CONTROL_MANUAL_H
#define CONTROL_MANUAL_H

#include <stdio.h>

/** What --help prints. */
void manual_print_help(FILE *out);

/** A configuration file with every option, commented out, at its default. */
void manual_print_config(FILE *out);

/** caudexd(8), for man(1). */
void manual_print_man(FILE *out);

#endif
