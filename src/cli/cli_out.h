/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a command prints: rows, values and JSON objects on standard output, and
 * notes on standard error, in the form that the user asked for.
 *
 *     terminal       key and value escaped, keys coloured
 *     pipe or file   rows escaped alike; single values byte for byte
 *     --raw          never escaped
 *     --json         one object per line
 */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include "cli_buf.h"
#include "cli_failure.h"
#include "cli_json.h"

/* ---- limits ---- */

/** Bytes that are gathered before they are written, unless a terminal waits for them. */
#define CLI_OUT_NBYTES (64u << 10)

/* ---- types ---- */

enum cli_colour { CLI_COLOUR_NONE, CLI_COLOUR_KEY, CLI_COLOUR_DIM, CLI_COLOUR_ERROR };

struct cli_out {
    int fd;
    bool terminal; /* fd is one */
    bool colour;
    bool raw;
    bool json;
    struct cli_buf buf;
};

/* ---- lifecycle ---- */

void cli_out_init(struct cli_out *out, int fd);
void cli_out_free(struct cli_out *out);

/* ---- operations ---- */

/** Appends `bytes` escaped, or as they are with --raw. */
void cli_out_bytes(struct cli_out *out, struct cdx_bytes bytes, enum cli_colour colour);

/** A row KEY<tab>VALUE, or {"key":…,"value":…}. */
void cli_out_row(struct cli_out *out, struct cdx_bytes key, struct cdx_bytes value);

/** A row of a name of ours and a text, both plain; not used with --json. */
void cli_out_field(struct cli_out *out, const char *name, const char *text);

/** One value as it is, on a terminal escaped and with a line feed. Not used with --json. */
void cli_out_value(struct cli_out *out, struct cdx_bytes value);

/** Begins {"status":"…"; the caller adds members and ends with cli_out_json_end(). */
struct cli_json cli_out_json(struct cli_out *out, const char *status);
void cli_out_json_end(struct cli_out *out, struct cli_json *json);

/** Writes what was gathered if it is much. CLI_EXIT_DONE, or CLI_EXIT_LOCAL with the message. */
CDX_MUST_CHECK enum cli_exit cli_out_pass(struct cli_out *out, struct cli_failure *failure);

/**
 * Writes all that was gathered. CLI_EXIT_DONE, or CLI_EXIT_LOCAL with the message. When the
 * reader is gone (EPIPE) the process ends by SIGPIPE, as other tools do.
 */
CDX_MUST_CHECK enum cli_exit cli_out_flush(struct cli_out *out, struct cli_failure *failure);

/** Whether colours are wanted: `when` is auto, always or never. */
bool cli_colour_wanted(const char *when, bool terminal);

/** Appends the escape sequence that begins `colour`; CLI_COLOUR_NONE ends any. */
void cli_colour_text(struct cli_buf *out, enum cli_colour colour);

#endif
