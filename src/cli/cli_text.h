/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Bytes as text and back: the one escape form of all rows and messages, UTF-8,
 * base64, and numbers as people write them.
 *
 * The escape form keeps valid UTF-8 as it is and writes everything else so
 * that a row stays one line of printable text:
 *
 *     \t \n \r \\     tab, line feed, carriage return, backslash
 *     \xNN            a control byte, DEL, or a byte that is not valid UTF-8
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "cli_buf.h"
#include <caudex/status.h>

/* ---- escape form ---- */

/** Appends `bytes` in the escape form. */
void cli_escape(struct cli_buf *out, struct cdx_bytes bytes);

/** Like cli_escape(), but for a message: at most about `shown_max` bytes, then `…`. */
void cli_escape_short(struct cli_buf *out, struct cdx_bytes bytes, size_t shown_max);

/**
 * Appends what the escape form `text` stands for. CDX_OK, or CDX_INVALID:
 * nothing is appended and `*at` is the offset of the backslash that begins no
 * known escape.
 */
CDX_MUST_CHECK enum cdx_status cli_unescape(struct cli_buf *out, struct cdx_bytes text, size_t *at);

/** What is expected where cli_unescape() failed. */
#define CLI_ESCAPES_KNOWN "expected \\t, \\n, \\r, \\\\ or \\xNN after a backslash"

/* ---- UTF-8 ---- */

/** Length in bytes of the well-formed UTF-8 character at `text`, 0 when there is none. */
size_t cli_utf8_char(struct cdx_bytes text);

/** True when all of it is well-formed UTF-8; the empty text is. */
bool cli_utf8_valid(struct cdx_bytes text);

/* ---- base64 (RFC 4648 §4, with padding) ---- */

void cli_base64_encode(struct cli_buf *out, struct cdx_bytes bytes);

/** CDX_OK, or CDX_INVALID: not canonical base64 with padding; nothing is appended. */
CDX_MUST_CHECK enum cdx_status cli_base64_decode(struct cli_buf *out, struct cdx_bytes text);

/* ---- numbers ---- */

/**
 * A whole number, with an optional k, M or G for 10³, 10⁶, 10⁹: "250", "10k".
 * CDX_OK, or CDX_INVALID (`*number` untouched), also when it exceeds 64 bits.
 */
CDX_MUST_CHECK enum cdx_status cli_number(const char *text, uint64_t *number);

/**
 * A time: a decimal number and a unit (us, ms, s, m, h), seconds without one:
 * "250ms", "1.5". CDX_OK with nanoseconds, or CDX_INVALID (untouched), also above 10⁶ hours.
 */
CDX_MUST_CHECK enum cdx_status cli_duration(const char *text, uint64_t *ns);

/**
 * When a key ends: "never", or a time of at least a millisecond as in
 * cli_duration(), parts of one rounded up. CDX_OK with milliseconds, 0 for never; or
 * CDX_INVALID (untouched).
 */
CDX_MUST_CHECK enum cdx_status cli_ttl_read(struct cdx_bytes text, uint64_t *ttl_ms);

/** Appends "never" for 0, else seconds: "29.998s"; cli_ttl_read() reads it back as the same. */
void cli_ttl_text(struct cli_buf *out, uint64_t ttl_ms);

/** Appends a rounded number with k, M, G: "999", "1.2k", "34.5M". */
void cli_scaled(struct cli_buf *out, double number);

/** Appends a time with three digits and a fitting unit: "12.3 µs", "1.50 ms", "2.00 s". */
void cli_time_text(struct cli_buf *out, uint64_t ns);

#endif
