/* SPDX-License-Identifier: Apache-2.0 */
/* How the `resp` handler appends its answers. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Longest text of a line that is put together. */
#define TEXT_NBYTES_MAX 512u

/* Appends a reply: into the room that there is if it fits, which short ones do. */
static void append(struct handler *h, const struct resp_reply *reply)
{
    struct handler_output *out = h->out;
    if (!handler_resp_room(h))
        return;
    struct cdx_out cursor = {out->data + out->len, out->data + out->cap};
    enum cdx_status status = resp_reply_encode(&cursor, reply);
    if (status == CDX_MORE && handler_output_reserve(out, resp_reply_size(reply)) != NULL) {
        cursor = (struct cdx_out){out->data + out->len, out->data + out->cap};
        status = resp_reply_encode(&cursor, reply);
    }
    assert(status == CDX_OK || status == CDX_MORE); /* what may come in is looked at below */
    h->no_room = status != CDX_OK;
    out->len = (size_t)(cursor.next - out->data);
}

static void append_line(struct handler *h, enum resp_kind kind, struct cdx_bytes text)
{
    append(h, &(struct resp_reply){.kind = (uint8_t)kind, .content.text_line.text = text});
}

bool handler_resp_room(struct handler *h)
{
    if (!h->no_room && handler_output_reserve(h->out, HANDLER_RESP_SHORT_NBYTES_MAX) == NULL)
        h->no_room = true;
    return !h->no_room;
}

void handler_resp_status(struct handler *h, const char *text)
{
    append_line(h, RESP_KIND_SIMPLE, cdx_cstr(text));
}

void handler_resp_ok(struct handler *h)
{
    append_line(h, RESP_KIND_SIMPLE, CDX_STR("OK"));
}

void handler_resp_error(struct handler *h, const char *text)
{
    append_line(h, RESP_KIND_ERROR, cdx_cstr(text));
}

/* A line whose text is put together. */
__attribute__((format(printf, 3, 0))) static void
append_text(struct handler *h, enum resp_kind kind, const char *format, va_list values)
{
    char text[TEXT_NBYTES_MAX];
    int n = vsnprintf(text, sizeof text, format, values);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    while (len != 0 && (text[len - 1] == '\r' || text[len - 1] == '\n'))
        len--;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    }
    append_line(h, kind, cdx_bytes_of(text, len));
}

void handler_resp_status_of(struct handler *h, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    append_text(h, RESP_KIND_SIMPLE, format, values);
    va_end(values);
}

void handler_resp_error_of(struct handler *h, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    append_text(h, RESP_KIND_ERROR, format, values);
    va_end(values);
}

void handler_resp_integer(struct handler *h, int64_t number)
{
    append(h, &(struct resp_reply){.kind = RESP_KIND_INTEGER, .content.number_line.value = number});
}

void handler_resp_bulk(struct handler *h, struct cdx_bytes bytes)
{
    if (bytes.len > RESP_BULK_MAX) {
        handler_resp_error(h, RESP_ERROR_REPLY_LENGTH);
        return;
    }
    append(h, &(struct resp_reply){.kind = RESP_KIND_BULK,
                                   .content.bulk_string = {(int64_t)bytes.len, bytes}});
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
    append(h, &(struct resp_reply){.kind = RESP_KIND_BULK, .content.bulk_string.len = -1});
}

static void append_array_head(struct handler *h, int64_t count)
{
    append(h, &(struct resp_reply){.kind = RESP_KIND_ARRAY, .content.array_head.count = count});
}

void handler_resp_array(struct handler *h, uint64_t count)
{
    append_array_head(h, (int64_t)count);
}

void handler_resp_null_array(struct handler *h)
{
    append_array_head(h, -1);
}

void handler_resp_raw(struct handler *h, struct cdx_bytes replies)
{
    uint8_t *at = h->no_room ? NULL : handler_output_reserve(h->out, replies.len);
    if (at == NULL) {
        h->no_room = true;
        return;
    }
    h->out->len = (size_t)(cdx_put(at, replies) - h->out->data);
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
