/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The requests of one turn: what the handlers that speak the kv protocol share.
 * A stream is one connection's parser; the queue holds the parsed requests of
 * all streams of a turn, those of one stream next to each other:
 *
 *     queue  | r r r | r | r r r r r | r |  free …
 *              A       B   C           D
 *
 * A request's key and value point into the connection's input, or, when a
 * buffer's edge cut the request, into the stream's spill. Only the first
 * request of a turn can lie in a spill; the stream's other spill takes the
 * incomplete last one, so the first stays readable until it was answered.
 */
#ifndef HANDLER_HANDLER_REQUESTS_H
#define HANDLER_HANDLER_REQUESTS_H

#include "handler.h"

#include <caudex/kv.h>

/* ---- limits ---- */

/**
 * Longest input that accept() is given, in bytes. The queue has room for as
 * many of the smallest requests, so a turn never stops in the middle of an input.
 */
#define HANDLER_INPUT_NBYTES_MAX 65536u

/** Requests of all streams after which a turn's next step runs: keeps the queue in the L2 cache. */
#define HANDLER_BATCH_MAX 512u

/** Bytes of a spill that a connection keeps between requests; larger ones are given back. */
#define HANDLER_SPILL_KEEP_NBYTES 512u

/* ---- types ---- */

/** One parsed request. */
struct handler_request {
    struct kv_request request;
    uint32_t end; /* where it ends in its stream's input */
};

/** The queue of one handler. */
struct handler_requests {
    struct handler_request *entries;
    uint32_t count;
    uint32_t capacity;
};

/** One connection's side: its parser, and where its requests stand in the queue. */
struct handler_stream {
    struct kv_request_parser parser;
    struct cdx_spill spill[2];
    uint8_t active;         /* the spill that the parser fills */
    enum cdx_status failed; /* CDX_OK, or why the parser stopped */
    uint64_t begun;         /* stream offset at which the current request began */
    uint64_t base;          /* stream offset of this turn's input */
    uint32_t input_nbytes;  /* this turn's input */
    uint32_t first;         /* this turn's requests: entries[first .. first + count) */
    uint32_t count;
};

/* ---- lifecycle ---- */

/** CDX_OK, or CDX_NO_MEMORY (nothing is held). */
CDX_MUST_CHECK enum cdx_status handler_requests_init(struct handler_requests *queue);
void handler_requests_free(struct handler_requests *queue);

void handler_stream_init(struct handler_stream *stream);
void handler_stream_free(struct handler_stream *stream);

/* ---- operations ---- */

/** Parses `input` into the queue: handler_class.accept(). */
bool handler_requests_accept(struct handler_requests *queue, struct handler_stream *stream,
                             struct cdx_bytes input);

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

/** Appends the frame that tells the peer why its stream cannot be parsed on. */
void handler_stream_refuse(const struct handler_stream *stream, struct handler_output *out);

/** Appends the frame of a notice; see handler_class.notice(). */
void handler_requests_notice(enum handler_notice notice, struct handler_output *out);

/* ---- inspection ---- */

/** Bytes that have arrived of an incomplete request; 0: between requests. */
size_t handler_stream_incomplete(const struct handler_stream *stream);

/** The invariant: NULL, or a static text that names what is broken. */
const char *handler_stream_check(const struct handler_stream *stream);

#endif
