/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands out of a stream of bytes.
 *
 * Happy path: a whole command lies in the input, and is walked from length to length
 * without being copied. A command that a buffer's edge cuts is collected in the spill, up to
 * its last byte and no further, and walked on from where the last piece ended.
 *
 * Failure modes: a number that is none or above its limit, a line without an end, a
 * string that does not begin as one: the reason is Redis's, and stays.
 */
#include "handler_resp_wire.h"
#include "handler_resp.h"
#include "handler_resp_text.h"

/* ---- the parser as the queue has it ---- */

static void parser_restart(void *parser, uint64_t offset)
{
    *(struct handler_resp_parser *)parser = (struct handler_resp_parser){.offset = offset};
}

static void parser_init(void *parser)
{
    parser_restart(parser, 0);
}

static uint64_t parser_offset(const void *parser)
{
    const struct handler_resp_parser *p = parser;
    return p->offset;
}

static bool parser_is_between(const void *parser)
{
    const struct handler_resp_parser *p = parser;
    return p->awaits == RESP_AWAITS_COMMAND;
}

static const char *parser_check(const void *parser, const struct cdx_spill *spill)
{
    const struct handler_resp_parser *p = parser;
    if (p->awaits > RESP_AWAITS_STRING)
        return "it awaits nothing known";
    if (p->awaits == RESP_AWAITS_COMMAND && p->item != 0)
        return "it stands within a command between two";
    if (p->reason == NULL && p->awaits != RESP_AWAITS_COMMAND && p->searched > spill->len)
        return "more was searched than has arrived";
    if (p->left > p->count)
        return "more strings are to come than there are";
    return NULL;
}

const struct handler_protocol handler_resp_protocol = {
    .request_nbytes = sizeof(struct handler_resp_request),
    .wire_nbytes_min = 1, /* an empty line */
    .init = parser_init,
    .restart = parser_restart,
    .offset = parser_offset,
    .is_between = parser_is_between,
    .check = parser_check,
};

/* ---- walking a command from its beginning ---- */

static enum cdx_status fail(struct handler_resp_parser *p, const char *reason)
{
    p->reason = reason;
    return CDX_MALFORMED;
}

/* The number behind a line's first byte, whose end is at `end`; false: it is none. */
static bool line_number(const uint8_t *line, const uint8_t *end, int64_t *number)
{
    if (end - line == 2 && line[1] >= '0' && line[1] <= '9') { /* most are so short */
        *number = line[1] - '0';
        return true;
    }
    return handler_resp_text_number(cdx_bytes_of(line + 1, (size_t)(end - line - 1)), number);
}

/* The end of the line that begins at p->item: CDX_OK with the place of its '\r'. */
static enum cdx_status line_end(struct handler_resp_parser *p, const uint8_t *bytes, size_t n,
                                const char *too_long, const uint8_t **end)
{
    const uint8_t *found = memchr(bytes + p->searched, '\r', n - p->searched);
    if (found != NULL && found + 1 != bytes + n) {
        *end = found;
        return CDX_OK;
    }
    p->searched = found != NULL ? n - 1 : n;
    return n - p->item > HANDLER_RESP_LINE_NBYTES_MAX ? fail(p, too_long) : CDX_MORE;
}

static void line_through(struct handler_resp_parser *p, const uint8_t *bytes, const uint8_t *end)
{
    p->item = p->searched = (size_t)(end - bytes) + 2;
}

static enum cdx_status walk_line(struct handler_resp_parser *p, const uint8_t *bytes, size_t n)
{
    const uint8_t *found = memchr(bytes + p->searched, '\n', n - p->searched);
    if (found != NULL) {
        p->item = (size_t)(found - bytes) + 1;
        return CDX_OK;
    }
    p->searched = n;
    return n > HANDLER_RESP_LINE_NBYTES_MAX ? fail(p, "too big inline request") : CDX_MORE;
}

static enum cdx_status walk_count(struct handler_resp_parser *p, const uint8_t *bytes, size_t n)
{
    const uint8_t *end;
    int64_t count;
    enum cdx_status status = line_end(p, bytes, n, "too big mbulk count string", &end);
    if (status != CDX_OK)
        return status;
    if (!line_number(bytes, end, &count) || count > HANDLER_RESP_ARGS_MAX)
        return fail(p, "invalid multibulk length");
    line_through(p, bytes, end);
    p->body = p->item;
    p->count = p->left = count > 0 ? (uint32_t)count : 0;
    p->awaits = RESP_AWAITS_LENGTH;
    return CDX_OK;
}

static enum cdx_status walk_length(struct handler_resp_parser *p, const uint8_t *bytes, size_t n)
{
    const uint8_t *end;
    int64_t length;
    enum cdx_status status = line_end(p, bytes, n, "too big bulk count string", &end);
    if (status != CDX_OK)
        return status;
    if (bytes[p->item] != '$') {
        p->got = bytes[p->item];
        return fail(p, "expected '$', got");
    }
    if (!line_number(bytes + p->item, end, &length) || length < 0 ||
        length > HANDLER_RESP_BULK_NBYTES_MAX)
        return fail(p, "invalid bulk length");
    line_through(p, bytes, end);
    p->end = p->item + (size_t)length + 2;
    p->awaits = RESP_AWAITS_STRING;
    return CDX_OK;
}

/* Walks on; CDX_OK: the command is whole and ends at p->item. */
static enum cdx_status walk(struct handler_resp_parser *p, const uint8_t *bytes, size_t n)
{
    enum cdx_status status = CDX_OK;
    if (p->awaits == RESP_AWAITS_COMMAND)
        p->awaits = *bytes == '*' ? RESP_AWAITS_COUNT : RESP_AWAITS_LINE;
    if (p->awaits == RESP_AWAITS_LINE)
        return walk_line(p, bytes, n);
    if (p->awaits == RESP_AWAITS_COUNT)
        status = walk_count(p, bytes, n);
    while (status == CDX_OK && p->left != 0) {
        if (p->awaits == RESP_AWAITS_LENGTH)
            status = walk_length(p, bytes, n);
        if (status == CDX_OK) {
            if (n < p->end)
                return CDX_MORE;
            p->item = p->searched = p->end;
            p->awaits = RESP_AWAITS_LENGTH;
            p->left--;
        }
    }
    return status;
}

/* ---- commands ---- */

struct cdx_bytes handler_resp_next(struct cdx_bytes *body)
{
    const uint8_t *at = body->data + 1;
    size_t length = 0;
    for (; *at != '\r'; at++)
        length = length * 10 + (size_t)(*at - '0');
    struct cdx_bytes string = cdx_bytes_of(at + 2, length);
    const uint8_t *end = cdx_bytes_end(*body);
    body->data = at + 2 + length + 2;
    body->len = (size_t)(end - body->data);
    return string;
}

/* The command that the bytes are, up to p->item; the parser is between two again. */
static void finish(struct handler_resp_parser *p, const uint8_t *bytes,
                   struct handler_resp_request *request)
{
    size_t end = p->item;
    *request = (struct handler_resp_request){.count = p->count};
    if (p->awaits == RESP_AWAITS_LINE) {
        end -= end >= 2 && bytes[end - 2] == '\r' ? 2 : 1;
        request->body = cdx_bytes_of(bytes, end);
    } else if (p->count != 0) {
        request->body = cdx_bytes_of(bytes + p->body, end - p->body);
        struct cdx_bytes strings = request->body;
        request->command = handler_resp_find(handler_resp_next(&strings));
        if (p->count > 1)
            request->key = handler_resp_next(&strings);
    }
    parser_restart(p, p->offset);
}

/* How many of the bytes belong to the command for certain. */
static size_t certain(const struct handler_resp_parser *p, const struct cdx_spill *spill,
                      const uint8_t *bytes, size_t n)
{
    if (p->awaits == RESP_AWAITS_STRING)
        return n < p->end - spill->len ? n : p->end - spill->len;
    bool line = p->awaits == RESP_AWAITS_LINE;
    if (!line && spill->len != 0 && spill->data[spill->len - 1] == '\r' &&
        p->searched == spill->len - 1)
        return 1;
    const uint8_t *found = memchr(bytes, line ? '\n' : '\r', n);
    if (found == NULL)
        return n;
    size_t taken = (size_t)(found - bytes) + (line ? 1 : 2);
    return taken < n ? taken : n;
}

/* Goes on with the command whose beginning is in the spill. */
static enum cdx_status feed_spill(struct handler_resp_parser *p, struct cdx_spill *spill,
                                  const uint8_t **next, const uint8_t *end)
{
    enum cdx_status status = CDX_MORE;
    while (status == CDX_MORE && *next != end) {
        size_t n = certain(p, spill, *next, (size_t)(end - *next));
        if (cdx_spill_append(spill, *next, n) != CDX_OK)
            return CDX_NO_MEMORY;
        *next += n;
        p->offset += n;
        status = walk(p, spill->data, spill->len);
    }
    return status;
}

enum cdx_status handler_resp_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                  const uint8_t *end, void *request)
{
    struct handler_resp_parser *p = parser;
    const uint8_t *begin = *next;
    size_t n = (size_t)(end - begin);
    enum cdx_status status;
    if (p->reason != NULL)
        return CDX_MALFORMED;
    if (p->awaits != RESP_AWAITS_COMMAND) {
        status = feed_spill(p, spill, next, end);
        if (status == CDX_OK)
            finish(p, spill->data, request);
        return status;
    }
    status = walk(p, begin, n);
    if (status == CDX_MORE && cdx_spill_append(spill, begin, n) != CDX_OK)
        return CDX_NO_MEMORY;
    size_t taken = status == CDX_OK ? p->item : n;
    *next += taken;
    p->offset += taken;
    if (status == CDX_OK)
        finish(p, begin, request);
    return status;
}
