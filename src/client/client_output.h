/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Requests that are encoded and not sent: a queue of chunks that never move, so
 * that an asynchronous write may point into them while requests are added.
 *
 *     first ─► | sent | unsent | ─► | unsent … | ─► | unsent | free | ◄─ last     spare
 *                     ^ begin  ^ end = cap                   ^ end  ^ cap
 *
 * A request is written in place and lies in one chunk; one that is larger than a chunk
 * gets a chunk of its own size.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <caudex/bytes.h>
#include <caudex/status.h>
#include <caudex/wire.h>

/* ---- limits ---- */

/** Bytes of an ordinary chunk: some hundred requests, so that a send of several is worth its call.
 */
#define CDX__CHUNK_NBYTES 16384u

/* ---- types ---- */

struct cdx__chunk {
    struct cdx__chunk *next;
    size_t begin;
    size_t end;
    size_t cap;
    uint8_t data[];
};

struct cdx__output {
    struct cdx__chunk *first;
    struct cdx__chunk *last;
    struct cdx__chunk *spare;  /* empty, not in the queue; may hold a reservation */
    struct cdx__chunk *target; /* where the reservation is; NULL: there is none */
    size_t nbytes;             /* unsent */
};

/* ---- lifecycle ---- */

/** Zeroed is empty. Gives all chunks back. */
void cdx__output_free(struct cdx__output *output);

/* ---- operations ---- */

/** Room for `nbytes` at the queue's end, in place of a reservation that was not committed. */
CDX_MUST_CHECK enum cdx_status cdx__output_reserve(struct cdx__output *output, size_t nbytes,
                                                   struct cdx_out *out);

/** The reservation has been written up to `out->next`. */
void cdx__output_commit(struct cdx__output *output, const struct cdx_out *out);

/** Unsent bytes in order, in at most `most` views; returns how many. */
size_t cdx__output_views(const struct cdx__output *output, struct cdx_bytes *views, size_t most);

/** The first `nbytes`, at most `output->nbytes`, are sent. */
void cdx__output_sent(struct cdx__output *output, size_t nbytes);

/* ---- inspection ---- */

/** The invariant: NULL, or a static text that names what does not hold. */
const char *cdx__output_check(const struct cdx__output *output);

#endif
