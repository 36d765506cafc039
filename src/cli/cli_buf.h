/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A growable run of bytes: what the command line builds its output, its keys
 * and its messages in.
 *
 *     data | bytes …     | room      |
 *          0             ^ len       ^ cap
 *
 * Failure is sticky: after an allocation failed, every append is ignored and
 * `failed` stays true until cli_buf_clear(), so that a row is built without a
 * check per field and judged once at its end.
 */
#ifndef CLI_BUF_H
#define CLI_BUF_H

#include <caudex/bytes.h>

/* ---- limits ---- */

/** First allocation, in bytes: most rows and messages are shorter. */
#define CLI_BUF_NBYTES_MIN 256u

/* ---- types ---- */

struct cli_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
};

/* ---- lifecycle ---- */

/** An empty buffer without memory; the same as zeroed storage. */
void cli_buf_init(struct cli_buf *buf);

/** Gives the memory back; the buffer is empty again and may be used on. */
void cli_buf_free(struct cli_buf *buf);

/* ---- operations ---- */

/** Forgets bytes and failure, keeps the memory. */
void cli_buf_clear(struct cli_buf *buf);

/** Room for `n` more bytes at `data + len`, or NULL (and `failed`) when there is no memory. */
uint8_t *cli_buf_reserve(struct cli_buf *buf, size_t n);

/** Appends a copy. */
void cli_buf_add(struct cli_buf *buf, const void *bytes, size_t n);

/** Appends a C string without its NUL. */
void cli_buf_text(struct cli_buf *buf, const char *text);

/** Appends one byte. */
void cli_buf_byte(struct cli_buf *buf, uint8_t byte);

/** Appends formatted text. */
void cli_buf_printf(struct cli_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Appends a decimal number. */
void cli_buf_u64(struct cli_buf *buf, uint64_t number);

/** Removes the first `n` bytes; `n` is at most `len`. */
void cli_buf_shift(struct cli_buf *buf, size_t n);

/* ---- inspection ---- */

/** The bytes; valid until the next append. */
static inline struct cdx_bytes cli_buf_bytes(const struct cli_buf *buf)
{
    return cdx_bytes_of(buf->data, buf->len);
}

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_buf_check(const struct cli_buf *buf);

#endif
