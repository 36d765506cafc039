/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where the options' values come from: flags win over the environment, the
 * environment over the file, the file over the defaults. All mistakes are
 * reported in one run, each with its place:
 *
 *     /etc/caudex/caudexd.conf:3: key 'workers': got 'many', expected a whole number …
 *     environment: CAUDEXD_WORKERS: got 'many', expected a whole number …
 *     command line: --workers: got 'many', expected a whole number …
 */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- limits ---- */

/** Longest configuration file, in bytes: more is no configuration, but a wrong path. */
#define CONFIG_FILE_NBYTES_MAX (256u << 10)
/** Mistakes reported per run; after as many, reading stops. */
#define CONFIG_ERRORS_MAX 100u
/** Longest error line, in bytes with its NUL; a longer value is cut. */
#define CONFIG_ERROR_NBYTES (OPTIONS_PATH_NBYTES + 512u)
/** What the environment variables begin with. */
#define CONFIG_ENV_PREFIX "CAUDEXD_"
/** Longest name of an environment variable, in bytes with its NUL: prefix and longest key. */
#define CONFIG_ENV_NBYTES 48u

/* ---- types ---- */

/** What the command line asks for. */
enum config_action {
    CONFIG_SERVE,
    CONFIG_CHECK,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_PRINT_CONFIG,
    CONFIG_PRINT_MAN,
};

/** A flag of the command line that is no option: it cannot stand in the file. */
struct config_flag {
    const char *name;
    char letter;             /* or 0 */
    const char *placeholder; /* of its value, or NULL when it takes none */
    enum config_action action;
    const char *doc;
};

/** These flags, with a NULL name at the end. The first is --config. */
extern const struct config_flag config_flags[];

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_COMMAND_LINE };

/** Where an option's value was set. */
struct config_origin {
    enum config_source source;
    unsigned line; /* CONFIG_FILE; from 1 */
};

struct config {
    struct options options;
    struct config_origin origins[OPTION_ID_COUNT];
    enum config_action action;
    char file[OPTIONS_PATH_NBYTES]; /* absolute; empty when there is none */
};

/** Takes one error line, without a newline; borrowed during the call. */
typedef void config_report_fn(void *arg, const char *line);

/** What a configuration is made of; all borrowed during config_load(). */
struct config_input {
    int argc; /* argv[0] is not looked at */
    const char *const *argv;
    const char *const *env; /* "NAME=value", NULL at the end */
    /**
     * Read this file instead of the one that flags or environment name: for a reload after
     * chdir. NULL: as they say.
     */
    const char *file;
    config_report_fn *report;
    void *report_arg;
};

/* ---- operations ---- */

/**
 * Makes the configuration. False when anything was reported; `*config` is
 * unspecified then. With an action other than CONFIG_SERVE and CONFIG_CHECK
 * only the command line is looked at.
 */
bool config_load(struct config *config, const struct config_input *input);

/** Writes the name of the option's environment variable: CAUDEXD_LOG_LEVEL. */
void config_env_name(enum option_id id, char name[CONFIG_ENV_NBYTES]);

#endif
