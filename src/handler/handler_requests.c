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

enum cdx_status handler_requests_init(struct handler_requests *queue,
                                      const struct handler_protocol *protocol)
{
    uint32_t capacity =
        HANDLER_BATCH_MAX + HANDLER_INPUT_NBYTES_MAX / protocol->wire_nbytes_min + 2u;
    *queue = (struct handler_requests){.protocol = protocol, .capacity = capacity};
    queue->requests = cdx_calloc(capacity, protocol->request_nbytes);
    queue->ends = cdx_calloc(capacity, sizeof *queue->ends);
    if (queue->requests != NULL && queue->ends != NULL)
        return CDX_OK;
    handler_requests_free(queue);
    return CDX_NO_MEMORY;
}

void handler_requests_free(struct handler_requests *queue)
{
    cdx_free(queue->requests);
    cdx_free(queue->ends);
    *queue = (struct handler_requests){0};
}

void handler_stream_init(struct handler_stream *stream, const struct handler_protocol *protocol,
                         void *parser)
{
    *stream = (struct handler_stream){.protocol = protocol, .parser = parser, .failed = CDX_OK};
    protocol->init(parser);
    cdx_spill_init(&stream->spill[0]);
    cdx_spill_init(&stream->spill[1]);
}

void handler_stream_free(struct handler_stream *stream)
{
    cdx_spill_free(&stream->spill[0]);
    cdx_spill_free(&stream->spill[1]);
}

bool handler_requests_begin(struct handler_requests *queue, struct handler_stream *stream,
                            size_t input_nbytes)
{
    assert(input_nbytes <= HANDLER_INPUT_NBYTES_MAX);
    if (queue->count >= HANDLER_BATCH_MAX)
        return false;
    stream->base = stream->protocol->offset(stream->parser);
    stream->input_nbytes = (uint32_t)input_nbytes;
    stream->first = queue->count;
    stream->count = 0;
    return true;
}

/* Goes back to the end of the last of the `answered` requests; returns its place in the input. */
static size_t go_back(const struct handler_requests *queue, struct handler_stream *stream,
                      uint32_t answered)
{
    assert(answered > 0 && answered <= stream->count);
    size_t consumed = queue->ends[stream->first + answered - 1];
    stream->begun = stream->base + consumed;
    stream->failed = CDX_OK;
    stream->protocol->restart(stream->parser, stream->begun);
    cdx_spill_clear(&stream->spill[stream->active], HANDLER_SPILL_KEEP_NBYTES);
    return consumed;
}

/* Lets the bytes of the answered requests go. */
static void end_turn(struct handler_stream *stream)
{
    cdx_spill_clear(&stream->spill[stream->active ^ 1], 0);
    if (stream->protocol->is_between(stream->parser))
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

size_t handler_stream_incomplete(const struct handler_stream *stream)
{
    return (size_t)(stream->protocol->offset(stream->parser) - stream->begun);
}

const char *handler_stream_check(const struct handler_stream *stream)
{
    if (stream->active > 1)
        return "active names no spill";
    if (stream->begun > stream->protocol->offset(stream->parser))
        return "the current request begins behind the parser";
    if (stream->count == 0 && stream->spill[stream->active ^ 1].len != 0)
        return "a spill is held without a request that needs it";
    return stream->protocol->check(stream->parser, &stream->spill[stream->active]);
}
