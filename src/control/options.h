/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Everything about caudexd that an operator can set, in one table: key, type,
 * range, default and text. The configuration file, the command line, the
 * environment, --help, the sample configuration and the manual page all come
 * from it, so they cannot disagree.
 *
 * To add an option: an id here, a field in `struct options`, a row in options_table.c.
 */
#ifndef CONTROL_OPTIONS_H
#define CONTROL_OPTIONS_H

#include "listen.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

/** Listening addresses: net's own limit. */
#define OPTIONS_LISTENERS_MAX 16u
/** A path, in bytes with its NUL. */
#define OPTIONS_PATH_NBYTES PATH_MAX
/** Longest "expected …" text, in bytes with its NUL. */
#define OPTIONS_EXPECTED_NBYTES 192u
/** Longest value as text: a path. */
#define OPTIONS_VALUE_NBYTES OPTIONS_PATH_NBYTES

/* ---- types ---- */

/** Every option, in the order of the table and of the documents. */
enum option_id {
    OPTION_LISTEN,
    OPTION_BACKLOG,
    OPTION_CONNECTIONS_MAX,
    OPTION_KEEPALIVE,
    OPTION_IDLE_TIMEOUT,
    OPTION_REQUEST_TIMEOUT,
    OPTION_CLOSE_TIMEOUT,
    OPTION_REQUEST_MAX,
    OPTION_OUTPUT_HIGH,
    OPTION_OUTPUT_LOW,
    OPTION_WORKERS,
    OPTION_PIN_WORKERS,
    OPTION_DRAIN_TIMEOUT,
    OPTION_MEMORY_MAX,
    OPTION_MEMORY_POLICY,
    OPTION_MEMORY_EVICT_BELOW,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_LOG_TARGET,
    OPTION_DAEMONIZE,
    OPTION_PID_FILE,
    OPTION_READY_FILE,
    OPTION_ID_COUNT
};

enum option_type {
    OPTION_TYPE_COUNT,
    OPTION_TYPE_SIZE,
    OPTION_TYPE_DURATION,
    OPTION_TYPE_SECONDS,
    OPTION_TYPE_BOOL,
    OPTION_TYPE_ENUM,   /* one of `words`; stored as its index */
    OPTION_TYPE_PATH,   /* an absolute path, or one of `words` */
    OPTION_TYPE_LISTEN, /* may be given several times */
};

/** One row of the table. */
struct option_spec {
    const char *key;
    char letter; /* the short flag, or 0 */
    enum option_type type;
    bool reloadable;          /* SIGHUP changes it; otherwise it needs a restart */
    size_t offset;            /* of the field in struct options */
    uint64_t min, max;        /* numbers: inclusive, in the base unit */
    const char *const *words; /* ENUM: all values; PATH, COUNT, SIZE: what else may be said; NULL-ended */
    const char *initial;      /* the default, as it would be written */
    const char *doc;          /* full sentences; paragraphs are separated by '\n' */
};

/** What happens to a write that the memory limit has no room for. */
enum options_memory_policy { OPTIONS_MEMORY_REFUSE, OPTIONS_MEMORY_EVICT };

/** The values. Numbers are in the base unit: bytes, milliseconds, seconds, pieces. */
struct options {
    struct listen_address listeners[OPTIONS_LISTENERS_MAX];
    size_t listener_count;
    uint64_t backlog;
    uint64_t connections_max;
    uint64_t keepalive_s;
    uint64_t idle_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t close_timeout_ms;
    uint64_t request_nbytes_max;
    uint64_t output_high_nbytes;
    uint64_t output_low_nbytes;
    uint64_t workers; /* 0: one per allowed core */
    uint64_t pin_workers;
    uint64_t drain_timeout_ms;
    uint64_t memory_max_nbytes; /* 0: none */
    uint64_t memory_policy;     /* enum options_memory_policy */
    char memory_evict_below[OPTIONS_PATH_NBYTES];
    uint64_t log_level;  /* enum log_level */
    uint64_t log_format; /* enum log_format */
    char log_target[OPTIONS_PATH_NBYTES];
    uint64_t daemonize;
    char pid_file[OPTIONS_PATH_NBYTES];
    char ready_file[OPTIONS_PATH_NBYTES];
};

/** The table, OPTION_ID_COUNT rows in the order of their ids. */
extern const struct option_spec options_table[OPTION_ID_COUNT];

/* ---- operations ---- */

/** Every option at its default. */
void options_init(struct options *options);

/**
 * Reads `text` as the option's value. False when it is not one: nothing is
 * changed and `expected` completes "expected …". A listener is added to those
 * that are there.
 */
bool options_set(struct options *options, enum option_id id, const char *text,
                 char expected[OPTIONS_EXPECTED_NBYTES]);

/** Gives the option in `to` the value that it has in `from`. */
void options_copy(struct options *to, const struct options *from, enum option_id id);

/** The option with that key, or OPTION_ID_COUNT. */
enum option_id options_find(const char *key);

/** The key most like `key`, or NULL when none is like it: for "did you mean". */
const char *options_nearest(const char *key);

/* ---- inspection ---- */

/** Writes the option's value as it could be written in a file; listeners separated by spaces. */
void options_value_text(const struct options *options, enum option_id id,
                        char text[OPTIONS_VALUE_NBYTES]);

/** True when both hold the same value of that option. */
bool options_equal(const struct options *a, const struct options *b, enum option_id id);

/** Writes what values the option takes, without an example: "a size from 64KiB to 1GiB". */
void options_range_text(enum option_id id, char text[OPTIONS_EXPECTED_NBYTES]);

/** True unless the path option is "none". */
bool options_path_is_set(const char *path);

#endif
