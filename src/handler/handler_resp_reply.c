/* SPDX-License-Identifier: Apache-2.0 */
/* How the `resp` handler appends its answers. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <stdarg.h>
#include <stdio.h>

/* The longest head of a reply: its kind, a number, the line's end. */
#define HEAD_NBYTES_MAX (1u + RESP_NUMBER_NBYTES_MAX + 2u)

/* Longest text of a line that is put together. */
#define TEXT_NBYTES_MAX 512u

static uint8_t *room(struct handler *h, size_t nbytes)
{
    uint8_t *at = h->no_room ? NULL : handler_output_reserve(h->out, nbytes);
    if (at == NULL)
        h->no_room = true;
    return at;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t n)
{
    if (n != 0)
        memcpy(at, bytes, n);
    return at + n;
}

static uint8_t *put_head(uint8_t *at, char kind, int64_t number)
{
    *at++ = (uint8_t)kind;
    at += handler_resp_text_digits(number, (char *)at);
    return put_bytes(at, "\r\n", 2);
}

/* A line: its kind and a text. */
static void append_line(struct handler *h, char kind, const char *text, size_t n)
{
    uint8_t *at = room(h, n + 3);
    if (at == NULL)
        return;
    *at = (uint8_t)kind;
    put_bytes(put_bytes(at + 1, text, n), "\r\n", 2);
    h->out->len += n + 3;
}

static void append_head(struct handler *h, char kind, int64_t number)
{
    uint8_t *at = room(h, HEAD_NBYTES_MAX);
    if (at != NULL)
        h->out->len += (size_t)(put_head(at, kind, number) - at);
}

bool handler_resp_room(struct handler *h)
{
    return room(h, HANDLER_RESP_SHORT_NBYTES_MAX) != NULL;
}

void handler_resp_status(struct handler *h, const char *text)
{
    append_line(h, '+', text, strlen(text));
}

void handler_resp_ok(struct handler *h)
{
    append_line(h, '+', "OK", 2);
}

void handler_resp_error(struct handler *h, const char *text)
{
    append_line(h, '-', text, strlen(text));
}

/* A line whose text is put together. */
__attribute__((format(printf, 3, 0))) static void append_text(struct handler *h, char kind,
                                                              const char *format, va_list values)
{
    char text[TEXT_NBYTES_MAX];
    int n = vsnprintf(text, sizeof text, format, values);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    }
    append_line(h, kind, text, len);
}

void handler_resp_status_of(struct handler *h, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    append_text(h, '+', format, values);
    va_end(values);
}

void handler_resp_error_of(struct handler *h, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    append_text(h, '-', format, values);
    va_end(values);
}

void handler_resp_integer(struct handler *h, int64_t number)
{
    append_head(h, ':', number);
}

void handler_resp_bulk(struct handler *h, struct cdx_bytes bytes)
{
    uint8_t *at = room(h, HEAD_NBYTES_MAX + bytes.len + 2);
    if (at == NULL)
        return;
    uint8_t *next = put_head(at, '$', (int64_t)bytes.len);
    next = put_bytes(put_bytes(next, bytes.data, bytes.len), "\r\n", 2);
    h->out->len += (size_t)(next - at);
}

void handler_resp_bulk_text(struct handler *h, const char *text)
{
    handler_resp_bulk(h, cdx_cstr(text));
}

void handler_resp_bulk_integer(struct handler *h, int64_t number)
{
    char digits[RESP_NUMBER_NBYTES_MAX];
    handler_resp_bulk(h, cdx_bytes_of(digits, handler_resp_text_digits(number, digits)));
}

void handler_resp_null(struct handler *h)
{
    append_head(h, '$', -1);
}

void handler_resp_array(struct handler *h, uint64_t count)
{
    append_head(h, '*', (int64_t)count);
}

void handler_resp_null_array(struct handler *h)
{
    append_head(h, '*', -1);
}

void handler_resp_raw(struct handler *h, struct cdx_bytes replies)
{
    uint8_t *at = room(h, replies.len);
    if (at == NULL)
        return;
    put_bytes(at, replies.data, replies.len);
    h->out->len += replies.len;
}

void handler_resp_write_failed(struct handler *h, enum store_status status)
{
    handler_resp_error(h, status == STORE_TOO_LONG ? RESP_ERROR_KEY_LENGTH : RESP_ERROR_MEMORY);
}

bool handler_resp_number_arg(struct handler *h, struct cdx_bytes text, int64_t *number)
{
    if (handler_resp_text_number(text, number))
        return true;
    handler_resp_error(h, RESP_ERROR_NUMBER);
    return false;
}
