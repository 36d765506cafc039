/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One line of a load file into a key and a value, and one row of a dump into
 * a line. What is written reads back as exactly the same bytes.
 *
 *     TSV    KEY<tab>VALUE           in the escape form of cli_text.h
 *     JSON   {"key":"…","value":"…"} or key_base64, value_base64
 *     KEYS   KEY                     byte for byte; the value is given elsewhere
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli_buf.h"
#include "cli_failure.h"
#include <caudex/status.h>

enum cli_format { CLI_FORMAT_TSV, CLI_FORMAT_JSON, CLI_FORMAT_KEYS };

/** Reads rows of one format; what a row does not lend lies in its buffers. */
struct cli_rows {
    enum cli_format format;
    struct cdx_bytes value; /* CLI_FORMAT_KEYS: the value of every key; borrowed */
    struct cli_buf key_buf;
    struct cli_buf value_buf;
};

void cli_rows_init(struct cli_rows *rows, enum cli_format format, struct cdx_bytes value);
void cli_rows_free(struct cli_rows *rows);

/**
 * Reads a line that is not empty. CDX_OK: key and value are borrowed from the
 * line or the reader until the next call, and within the protocol's limits.
 * CDX_INVALID: `failure->text` says what was wrong and what is expected, without the line's
 * number. CDX_NO_MEMORY.
 */
CDX_MUST_CHECK enum cdx_status cli_rows_read(struct cli_rows *rows, struct cdx_bytes line,
                                             struct cdx_bytes *key, struct cdx_bytes *value,
                                             struct cli_failure *failure);

/** Appends the row as a line with its line feed. CLI_FORMAT_KEYS: the key alone, byte for byte. */
void cli_rows_write(struct cli_buf *out, enum cli_format format, struct cdx_bytes key,
                    struct cdx_bytes value);

/**
 * The format of a file of that name: `*format` is set and true returned when
 * the name's ending tells.
 */
bool cli_format_of_name(const char *name, enum cli_format *format);

#endif
