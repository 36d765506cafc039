/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A connection on which requests are queued and answers are pulled, frame by
 * frame, in order:
 *
 *     cli_link_room / commit ─► out | unsent … | ─► socket
 *     cli_link_next          ◄─ input | parsed … | unparsed … | ◄─ socket
 *
 * Nothing is sent until somebody waits for an answer, so that what is queued
 * goes out together.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include "cli_buf.h"
#include "cli_failure.h"
#include <caudex/kv.h>

/* ---- limits ---- */

/** Bytes asked of the system at once. */
#define CLI_LINK_READ_NBYTES (64u << 10)

/* ---- types ---- */

struct cli_link {
    int fd; /* -1: closed */
    uint64_t timeout_ns;
    struct cli_buf out;
    size_t sent;         /* of out */
    uint8_t *input;      /* CLI_LINK_READ_NBYTES */
    const uint8_t *next; /* unparsed bytes of input … */
    const uint8_t *end;
    struct kv_response_parser parser;
    struct cdx_spill spill;
};

/* ---- lifecycle ---- */

/** A closed link. */
void cli_link_init(struct cli_link *link);

/** Connects a closed link. CLI_EXIT_DONE, or the message. */
CDX_MUST_CHECK enum cli_exit cli_link_open(struct cli_link *link, const char *server,
                                           uint64_t timeout_ns, struct cli_failure *failure);

/** Closes at once, forgets what was queued, gives all memory back. */
void cli_link_close(struct cli_link *link);

/* ---- operations ---- */

/** Room at the end of the queue for a request of `nbytes`; `next` is NULL when there is no memory.
 */
struct cdx_out cli_link_room(struct cli_link *link, size_t nbytes);

/** Queues what was encoded into that room. */
void cli_link_commit(struct cli_link *link, const struct cdx_out *out);

/** Bytes that are queued and not sent. */
size_t cli_link_unsent(const struct cli_link *link);

/**
 * The next frame among the bytes that have arrived: true, and `*exit` is
 * CLI_EXIT_DONE with `*frame` borrowed until the next call, or says with the
 * message why there will be no more. False: cli_link_next() has to wait for it.
 */
bool cli_link_take(struct cli_link *link, struct kv_response *frame, enum cli_exit *exit,
                   struct cli_failure *failure);

/**
 * Sends what is queued and waits for the next frame, at most the link's
 * timeout. CLI_EXIT_DONE, or the message: no answer in time, connection ended, not
 * the protocol, interrupted by a signal that is caught.
 */
CDX_MUST_CHECK enum cli_exit cli_link_next(struct cli_link *link, struct kv_response *frame,
                                           struct cli_failure *failure);

/** True when an idle link has become useless: closed by the server, or unasked bytes wait. */
bool cli_link_is_stale(const struct cli_link *link);

/**
 * Whether the protocol has the status as an answer to the call, and the connection lasts
 * after it: not those that any request may meet before the connection is closed.
 */
bool cli_status_fits(uint8_t call, uint8_t status);

/** What a refusal's reason means: a static text. */
const char *cli_reason_text(uint8_t reason);

/** The message for a frame that refuses: its status and, where it has one, its reason or text. */
CDX_MUST_CHECK enum cli_exit cli_link_refused(const struct kv_response *frame,
                                              struct cli_failure *failure);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_link_check(const struct cli_link *link);

#endif
