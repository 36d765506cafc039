/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes with a sticky failure. */
#include "cli_buf.h"

#include <caudex/heap.h>
#include <stdarg.h>
#include <stdio.h>

void cli_buf_init(struct cli_buf *buf)
{
    *buf = (struct cli_buf){0};
}

void cli_buf_free(struct cli_buf *buf)
{
    cdx_free(buf->data);
    cli_buf_init(buf);
}

void cli_buf_clear(struct cli_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

uint8_t *cli_buf_reserve(struct cli_buf *buf, size_t n)
{
    if (buf->failed)
        return NULL;
    if (n <= buf->cap - buf->len && buf->data != NULL)
        return buf->data + buf->len;
    size_t need;
    size_t cap = buf->cap > SIZE_MAX / 2 ? SIZE_MAX : buf->cap * 2;
    uint8_t *grown = NULL;
    if (!__builtin_add_overflow(buf->len, n, &need)) {
        cap = cap < need ? need : cap;
        cap = cap < CLI_BUF_NBYTES_MIN ? CLI_BUF_NBYTES_MIN : cap;
        grown = cdx_realloc(buf->data, cap);
    }
    if (grown == NULL) {
        buf->failed = true;
        return NULL;
    }
    buf->data = grown;
    buf->cap = cap;
    return buf->data + buf->len;
}

void cli_buf_add(struct cli_buf *buf, const void *bytes, size_t n)
{
    uint8_t *room = cli_buf_reserve(buf, n);
    if (room == NULL || n == 0)
        return;
    memcpy(room, bytes, n);
    buf->len += n;
}

void cli_buf_text(struct cli_buf *buf, const char *text)
{
    cli_buf_add(buf, text, strlen(text));
}

void cli_buf_byte(struct cli_buf *buf, uint8_t byte)
{
    uint8_t *room = cli_buf_reserve(buf, 1);
    if (room == NULL)
        return;
    *room = byte;
    buf->len++;
}

void cli_buf_printf(struct cli_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = n < 0 ? NULL : (char *)cli_buf_reserve(buf, (size_t)n + 1);
    if (room == NULL) {
        buf->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(room, (size_t)n + 1, format, args);
    va_end(args);
    buf->len += (size_t)n;
}

void cli_buf_u64(struct cli_buf *buf, uint64_t number)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    cli_buf_add(buf, digits + at, sizeof digits - at);
}

void cli_buf_shift(struct cli_buf *buf, size_t n)
{
    if (n == 0)
        return;
    buf->len -= n;
    memmove(buf->data, buf->data + n, buf->len);
}

const char *cli_buf_check(const struct cli_buf *buf)
{
    if (buf->len > buf->cap)
        return "len is at most cap";
    if ((buf->data == NULL) != (buf->cap == 0))
        return "there is memory exactly when there is capacity";
    return NULL;
}
