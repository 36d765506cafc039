/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The requests of one turn, of whatever protocol. A stream is one connection's parser; the
 * queue holds the parsed requests of all streams of a turn, those of one stream next
 * to each other:
 *
 *     queue  | r r r | r | r r r r r | r |  free …
 *              A       B   C           D
 *
 * A request's bytes lie in the connection's input, or, when a
 * buffer's edge cut the request, in the stream's spill. Only the first
 * request of a turn can lie in a spill; the stream's other spill takes the
 * incomplete last one, so the first stays readable until it was answered.
 */
#ifndef HANDLER_HANDLER_REQUESTS_H
#define HANDLER_HANDLER_REQUESTS_H

#include "handler.h"

#include <caudex/wire.h>

/* ---- limits ---- */

/**
 * Longest input that accept() is given, in bytes. The queue has room for as
 * many of the smallest requests, so a turn never stops in the middle of an input.
 */
#define HANDLER_INPUT_NBYTES_MAX 65536u

/** Requests of all streams after which a turn's next step runs: keeps the queue in the L2 cache. */
#define HANDLER_BATCH_MAX 1536u

/** Bytes of a spill that a connection keeps between requests; larger ones are given back. */
#define HANDLER_SPILL_KEEP_NBYTES 512u

/* ---- types ---- */

/**
 * A generated parser behind one face. `parser` is its state, `request` what it
 * makes of a request; the functions are those that <caudex/wire.h> describes.
 */
struct handler_protocol {
    size_t request_nbytes;    /* of a request in the queue */
    uint32_t wire_nbytes_min; /* of the smallest request on the wire */
    void (*init)(void *parser);
    void (*restart)(void *parser, uint64_t offset);
    uint64_t (*offset)(const void *parser);
    bool (*is_between)(const void *parser);
    const char *(*check)(const void *parser, const struct cdx_spill *spill);
};

/** Parses on; CDX_OK: `*request` is filled in. A parameter of its own, so that it is inlined. */
typedef enum cdx_status handler_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                     const uint8_t *end, void *request);

/** The queue of one handler. */
struct handler_requests {
    const struct handler_protocol *protocol; /* borrowed */
    uint8_t *requests;                       /* as many of the protocol's own … */
    uint32_t *ends;                          /* … and where each ends in its stream's input */
    uint32_t count;
    uint32_t capacity;
};

/** One connection's side: its parser, and where its requests stand in the queue. */
struct handler_stream {
    const struct handler_protocol *protocol; /* borrowed, as the parser */
    void *parser;
    struct cdx_spill spill[2];
    uint8_t active;         /* the spill that the parser fills */
    enum cdx_status failed; /* CDX_OK, or why the parser stopped */
    uint64_t begun;         /* stream offset at which the current request began */
    uint64_t base;          /* stream offset of this turn's input */
    uint32_t input_nbytes;  /* this turn's input */
    uint32_t first;         /* this turn's requests: first … first + count - 1 of the queue */
    uint32_t count;
};

/* ---- lifecycle ---- */

/** CDX_OK, or CDX_NO_MEMORY (nothing is held). */
CDX_MUST_CHECK enum cdx_status handler_requests_init(struct handler_requests *queue,
                                                     const struct handler_protocol *protocol);
void handler_requests_free(struct handler_requests *queue);

/** `parser` lies beside the stream, as long as it. */
void handler_stream_init(struct handler_stream *stream, const struct handler_protocol *protocol,
                         void *parser);
void handler_stream_free(struct handler_stream *stream);

/* ---- operations ---- */

/** The request at `index` of the queue. */
static inline void *handler_requests_at(const struct handler_requests *queue, uint32_t index)
{
    return queue->requests + (size_t)index * queue->protocol->request_nbytes;
}

/** Begins the stream's turn; false: the queue is full. */
bool handler_requests_begin(struct handler_requests *queue, struct handler_stream *stream,
                            size_t input_nbytes);

/** Parses `input` into the queue: handler_class.accept(). */
static inline bool handler_requests_accept(struct handler_requests *queue,
                                           struct handler_stream *stream, struct cdx_bytes input,
                                           handler_feed *feed)
{
    if (!handler_requests_begin(queue, stream, input.len))
        return false;
    const uint8_t *next = input.data;
    const uint8_t *end = input.data + input.len;
    while (stream->failed == CDX_OK && next != end) {
        struct cdx_spill *spill = &stream->spill[stream->active];
        enum cdx_status status =
            feed(stream->parser, spill, &next, end, handler_requests_at(queue, queue->count));
        if (status == CDX_MORE)
            break;
        if (status != CDX_OK) {
            stream->failed = status;
            break;
        }
        uint32_t at = (uint32_t)(next - input.data);
        queue->ends[queue->count++] = at;
        stream->count++;
        stream->begun = stream->base + at;
        if (spill->len != 0)
            stream->active ^= 1;
    }
    return true;
}

/**
 * Ends the stream's turn after its first `answered` requests (all, or at
 * least one) were carried out: goes back to the end of the last of them, lets
 * the bytes of the answered ones go and returns how much of the input is done with.
 */
size_t handler_requests_finish(const struct handler_requests *queue, struct handler_stream *stream,
                               uint32_t answered);

/**
 * Like handler_requests_finish(), but the answer to the last of the `answered` requests goes
 * on: that request's last byte is not done with. Whoever is offered it again
 * reports it as consumed when the answer is complete; it is not parsed a second time.
 */
size_t handler_requests_hold(const struct handler_requests *queue, struct handler_stream *stream,
                             uint32_t answered);

/* ---- inspection ---- */

/** Bytes that have arrived of an incomplete request; 0: between requests. */
size_t handler_stream_incomplete(const struct handler_stream *stream);

/** The invariant: NULL, or a static text that names what is broken. */
const char *handler_stream_check(const struct handler_stream *stream);

#endif
