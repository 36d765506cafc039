/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The log: one line per event, as logfmt or JSON, to stderr, a file or syslog.
 *
 *     log_write(log, LOG_LEVEL_INFO, "listening",
 *               LOG_FIELDS(LOG_TEXT("address", "127.0.0.1:7117")));
 *
 *     time=2026-01-02T03:04:05.678Z level=info msg=listening address=127.0.0.1:7117
 *     {"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"listening",…}
 *
 * Values may hold any bytes: they are escaped, so a line is always one line
 * and always well-formed. There are no format strings. Each line is one
 * write(2). A line that cannot be written is counted and dropped; when writing
 * works again, a line says how many were lost. Lines for syslog carry no time:
 * syslog adds its own.
 *
 * In text, bytes that are no printable UTF-8 appear as \xNN; in JSON, where
 * bytes cannot be said, as U+FFFD.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <caudex/bytes.h>
#include <caudex/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

/** Longest line, in bytes with its newline: what POSIX promises to write to a pipe in one piece. */
#define LOG_LINE_NBYTES_MAX 4096u
/** Longest text that says why a log cannot be opened. */
#define LOG_ERROR_NBYTES 256u

/* ---- types ---- */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/** The names of levels and formats in their order, NULL at the end. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

/** Where and how to log. `target` is "stderr", "syslog" or a file's path; copied. */
struct log_config {
    enum log_level level;
    enum log_format format;
    const char *target;
};

/** One key and its value. Keys are identifiers of ours; texts are borrowed during the call. */
struct log_field {
    const char *key;
    bool is_number;
    struct cdx_bytes text;
    uint64_t number;
};

/** A field with a C string, with bytes, with a number. */
#define LOG_TEXT(name, value)                                                                      \
    {                                                                                              \
        .key = (name), .text = cdx_cstr(value)                                                     \
    }
#define LOG_BYTES(name, value)                                                                     \
    {                                                                                              \
        .key = (name), .text = (value)                                                             \
    }
#define LOG_NUMBER(name, value)                                                                    \
    {                                                                                              \
        .key = (name), .is_number = true, .number = (value)                                        \
    }

/** The last two arguments of log_write(). */
#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
#define LOG_NO_FIELDS NULL, 0

struct log;

/* ---- lifecycle ---- */

/**
 * Opens the target. CDX_OK; CDX_SYSTEM or CDX_NO_MEMORY with `error` ("/var/log/x: Permission
 * denied").
 */
CDX_MUST_CHECK enum cdx_status log_open(const struct log_config *config, struct log **log,
                                        char error[LOG_ERROR_NBYTES]);

/** NULL is ignored. */
void log_close(struct log *log);

/**
 * Changes everything at once and opens the target anew, also when it is the
 * same file: that is how it is rotated. On failure the log goes on as it was.
 */
CDX_MUST_CHECK enum cdx_status log_reconfigure(struct log *log, const struct log_config *config,
                                               char error[LOG_ERROR_NBYTES]);

/* ---- operations: any thread ---- */

/** Logs one event; `fields` may be NULL when `count` is 0. A NULL log is ignored. */
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t count);

/* ---- inspection ---- */

/** Lines that could not be written since the log was opened. */
uint64_t log_lost(const struct log *log);

#endif
