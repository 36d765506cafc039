/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a turn's requests and the streams that fill it.
 *
 * Happy path: accept() parses everything that a connection sent, answer()
 * carries all of it out, finish() reports the whole input as done with.
 * A stream that cannot be parsed on keeps its error: the requests before it
 * are answered first, then the peer is told and the connection closed.
 * Answers above the output limit: finish() goes back to the end of the last
 * answered request; net offers the rest again when there is room. So does hold(),
 * for an answer that goes on: net offers what it does not report as done with.
 */
#include "handler_requests.h"

#include <caudex/heap.h>

#include <assert.h>
#include <stdio.h>

#define REQUESTS_CAPACITY                                                                          \
    (HANDLER_BATCH_MAX + HANDLER_INPUT_NBYTES_MAX / KV_REQUEST_NBYTES_MIN + 2u)

enum cdx_status handler_requests_init(struct handler_requests *queue)
{
    *queue = (struct handler_requests){.capacity = REQUESTS_CAPACITY};
    queue->entries = cdx_calloc(REQUESTS_CAPACITY, sizeof *queue->entries);
    return queue->entries != NULL ? CDX_OK : CDX_NO_MEMORY;
}

void handler_requests_free(struct handler_requests *queue)
{
    cdx_free(queue->entries);
    *queue = (struct handler_requests){0};
}

void handler_stream_init(struct handler_stream *stream)
{
    *stream = (struct handler_stream){.failed = CDX_OK};
    kv_request_parser_init(&stream->parser);
    cdx_spill_init(&stream->spill[0]);
    cdx_spill_init(&stream->spill[1]);
}

void handler_stream_free(struct handler_stream *stream)
{
    cdx_spill_free(&stream->spill[0]);
    cdx_spill_free(&stream->spill[1]);
}

bool handler_requests_accept(struct handler_requests *queue, struct handler_stream *stream,
                             struct cdx_bytes input)
{
    assert(input.len <= HANDLER_INPUT_NBYTES_MAX);
    if (queue->count >= HANDLER_BATCH_MAX)
        return false;
    stream->base = kv_request_offset(&stream->parser);
    stream->input_nbytes = (uint32_t)input.len;
    stream->first = queue->count;
    stream->count = 0;

    const uint8_t *next = input.data;
    const uint8_t *end = input.data + input.len;
    while (stream->failed == CDX_OK && next != end) {
        struct handler_request *entry = &queue->entries[queue->count];
        struct cdx_spill *spill = &stream->spill[stream->active];
        enum cdx_status status =
            kv_request_feed(&stream->parser, spill, &next, end, &entry->request);
        if (status == CDX_MORE)
            break;
        if (status != CDX_OK) {
            stream->failed = status;
            break;
        }
        entry->end = (uint32_t)(next - input.data);
        queue->count++;
        stream->count++;
        stream->begun = stream->base + entry->end;
        if (spill->len != 0)
            stream->active ^= 1;
    }
    return true;
}

/* Goes back to the end of the last of the `answered` requests; returns its place in the input. */
static size_t go_back(const struct handler_requests *queue, struct handler_stream *stream,
                      uint32_t answered)
{
    assert(answered > 0 && answered <= stream->count);
    size_t consumed = queue->entries[stream->first + answered - 1].end;
    stream->begun = stream->base + consumed;
    stream->failed = CDX_OK;
    kv_request_parser_restart(&stream->parser, stream->begun);
    cdx_spill_clear(&stream->spill[stream->active], HANDLER_SPILL_KEEP_NBYTES);
    return consumed;
}

/* Lets the bytes of the answered requests go. */
static void end_turn(struct handler_stream *stream)
{
    cdx_spill_clear(&stream->spill[stream->active ^ 1], 0);
    if (kv_request_is_between(&stream->parser))
        cdx_spill_clear(&stream->spill[stream->active], HANDLER_SPILL_KEEP_NBYTES);
    stream->count = 0;
    stream->input_nbytes = 0;
}

size_t handler_requests_finish(const struct handler_requests *queue, struct handler_stream *stream,
                               uint32_t answered)
{
    size_t consumed = stream->input_nbytes;
    if (answered != stream->count)
        consumed = go_back(queue, stream, answered);
    end_turn(stream);
    return consumed;
}

size_t handler_requests_hold(const struct handler_requests *queue, struct handler_stream *stream,
                             uint32_t answered)
{
    size_t consumed = go_back(queue, stream, answered) - 1;
    end_turn(stream);
    return consumed;
}

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

void handler_stream_refuse(const struct handler_stream *stream, struct handler_output *out)
{
    if (stream->failed == CDX_NO_MEMORY) {
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

void handler_requests_notice(enum handler_notice notice, struct handler_output *out)
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

size_t handler_stream_incomplete(const struct handler_stream *stream)
{
    return (size_t)(kv_request_offset(&stream->parser) - stream->begun);
}

const char *handler_stream_check(const struct handler_stream *stream)
{
    if (stream->active > 1)
        return "active names no spill";
    if (stream->begun > kv_request_offset(&stream->parser))
        return "the current request begins behind the parser";
    if (stream->count == 0 && stream->spill[stream->active ^ 1].len != 0)
        return "a spill is held without a request that needs it";
    return kv_request_parser_check(&stream->parser, &stream->spill[stream->active]);
}
