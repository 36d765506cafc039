/* SPDX-License-Identifier: Apache-2.0 */
/** A load in progress, as the files that read the sources share it. Only config*.c include this. */
#ifndef CONTROL_CONFIG_LOAD_H
#define CONTROL_CONFIG_LOAD_H

#include "config.h"

/* ---- limits ---- */

/** Bytes of a wrong value that an error line quotes. */
#define CONFIG_QUOTED_NBYTES_MAX 96u
/** What they become at most, with a NUL: \xNN takes four times as many, and dots when it is cut. */
#define CONFIG_QUOTED_NBYTES (4 * CONFIG_QUOTED_NBYTES_MAX + 8)

/* ---- types ---- */

struct config_loading {
    struct config *config;
    const struct config_input *input;
    unsigned errors;
    enum config_source source; /* of what is being read */
    unsigned line;             /* CONFIG_FILE */
    bool listeners_begun;      /* this source has given a listener */
};

/* ---- errors: config_error.c ---- */

/** Reports one line, unless there were too many. */
__attribute__((format(printf, 2, 3))) void config_error(struct config_loading *l,
                                                        const char *format, ...);

/** "PLACE: got 'VALUE', expected EXPECTED", where the option was set. */
void config_error_value(struct config_loading *l, enum option_id id, struct config_origin origin,
                        const char *value, const char *expected);

/** A key of the file that no option has. */
void config_error_unknown_key(struct config_loading *l, const char *key);

/** A flag that is none of ours: its name without dashes, or the whole of a short one. */
void config_error_unknown_flag(struct config_loading *l, const char *name);

/** `text` for people: unprintable bytes as \xNN, long ones cut. Returns `out`. */
const char *config_quoted(const char *text, char out[CONFIG_QUOTED_NBYTES]);

/** True when so much was wrong that reading on helps nobody. */
bool config_is_hopeless(const struct config_loading *l);

/* ---- sources ---- */

/** What follows comes from `source`. */
void config_begin_source(struct config_loading *l, enum config_source source);

/** Sets an option, or reports why not. */
void config_set(struct config_loading *l, enum option_id id, const char *value);

/** Reads config->file. config_file.c */
void config_read_file(struct config_loading *l);

/**
 * First look at the command line: sets the action and returns the file it names, or NULL.
 * config_args.c
 */
const char *config_read_flags(struct config_loading *l);

/** Second look: the options. config_args.c */
void config_read_args(struct config_loading *l);

#endif
