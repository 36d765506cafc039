/* SPDX-License-Identifier: Apache-2.0 */
/* The kv protocol as the queue of requests sees it, and what its peers are told. */
#include "handler_kv_stream.h"

#include <stdio.h>

static void parser_init(void *parser)
{
    kv_request_parser_init(parser);
}

static void parser_restart(void *parser, uint64_t offset)
{
    kv_request_parser_restart(parser, offset);
}

static uint64_t parser_offset(const void *parser)
{
    return kv_request_offset(parser);
}

static bool parser_is_between(const void *parser)
{
    return kv_request_is_between(parser);
}

static const char *parser_check(const void *parser, const struct cdx_spill *spill)
{
    return kv_request_parser_check(parser, spill);
}

const struct handler_protocol handler_kv_protocol = {
    .request_nbytes = sizeof(struct kv_request),
    .wire_nbytes_min = KV_REQUEST_NBYTES_MIN,
    .init = parser_init,
    .restart = parser_restart,
    .offset = parser_offset,
    .is_between = parser_is_between,
    .check = parser_check,
};

/* A frame that is longer than the room is not sent: the peer is closed all the same. */
static void append_notice(struct handler_output *out, uint8_t status, uint32_t rid,
                          struct cdx_bytes text)
{
    size_t nbytes = kv_response_size(0, text.len);
    uint8_t *at = handler_output_reserve(out, nbytes);
    if (at == NULL)
        return;
    struct cdx_out cursor = {.next = at, .end = at + nbytes};
    if (kv_response_encode(&cursor, status, rid, cdx_empty(), text) == CDX_OK)
        out->len += (size_t)(cursor.next - at);
}

void handler_kv_refuse(const struct handler_kv_stream *stream, struct handler_output *out)
{
    if (stream->stream.failed == CDX_NO_MEMORY) {
        append_notice(out, KV_STATUS_BUSY, kv_request_rid(&stream->parser),
                      CDX_STR("no memory for the request"));
        return;
    }
    struct cdx_parse_error error;
    kv_request_error(&stream->parser, &error);
    char text[256];
    int n = snprintf(text, sizeof text, "byte %llu of the stream: field '%s': %s",
                     (unsigned long long)error.offset, error.field, error.reason);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    append_notice(out, KV_STATUS_MALFORMED, kv_request_rid(&stream->parser),
                  cdx_bytes_of(text, len));
}

void handler_kv_tell(enum handler_notice notice, struct handler_output *out)
{
    switch (notice) {
    case HANDLER_NOTICE_BUSY:
        append_notice(out, KV_STATUS_BUSY, 0, CDX_STR("too many connections"));
        break;
    case HANDLER_NOTICE_IDLE:
        append_notice(out, KV_STATUS_TIMEOUT, 0, CDX_STR("no request for too long"));
        break;
    case HANDLER_NOTICE_SLOW:
        append_notice(out, KV_STATUS_TIMEOUT, 0, CDX_STR("a request took too long to arrive"));
        break;
    case HANDLER_NOTICE_STOPPING:
        append_notice(out, KV_STATUS_STOPPING, 0, CDX_STR("the server stops"));
        break;
    }
}
