/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A client core of kv with a scripted peer, without a network and a clock:
 *
 *     test ─ kv_…_send ─► core ─ rig_requests ─► text of what the peer would read
 *     tickets ◄─ callbacks ◄─ core ◄─ rig_feed ◄─ answers that the test encodes
 *
 * The core's invariant is checked around every step, and every callback.
 */
#ifndef TESTS_CLIENT_RIG_H
#define TESTS_CLIENT_RIG_H

#include "split.h"

#include <caudex/kv_client.h>

/** Bytes of answers that a test may encode. */
#define RIG_ANSWERS_NBYTES 65536u

struct rig;

/** One request, and all that its callback was told. */
struct ticket {
    struct rig *rig;
    uint32_t rid;
    unsigned rows;
    unsigned finals;                         /* must become 1 */
    enum cdx_status status;                  /* of the final call */
    uint8_t reply_status;                    /* of the answer's last frame */
    void (*on_row)(struct ticket *ticket);   /* NULL: nothing */
    void (*on_final)(struct ticket *ticket); /* NULL: nothing */
};

struct rig {
    struct cdx_core *core;
    struct split_log log; /* every callback, one line each */
    uint8_t answers[RIG_ANSWERS_NBYTES];
    struct cdx_out out; /* where the test encodes answers */
};

/** A rig with these options (NULL: defaults), at time 0. Aborts the test when there is no memory.
 */
void rig_open(struct rig *rig, const struct cdx_client_options *options);

/** Destroys the core, and fails the test unless it was in order. */
void rig_close(struct rig *rig);

/** Fails the test when the core's invariant is broken. */
void rig_check(const struct rig *rig);

/** A ticket for a request that is not sent yet. */
struct ticket rig_ticket(struct rig *rig);

/** The callback of a ticket: counts, logs, and calls `on_row` or `on_final`. */
void rig_take(void *arg, enum cdx_status status, const struct kv_reply *reply);

/** Sends a get of "/k" for the ticket. */
enum cdx_status rig_get(struct ticket *ticket);

/** Takes all output from the core and returns the requests in it as text. */
struct split_log rig_requests(struct rig *rig);

/** Feeds what was encoded to `rig->out`, in pieces of `piece` bytes (0: whole), and forgets it. */
enum cdx_status rig_feed(struct rig *rig, size_t piece);

/** Feeds bytes as they are. */
enum cdx_status rig_feed_bytes(struct rig *rig, struct cdx_bytes bytes);

/** Answers a get with the value "v". */
void rig_answer_get(struct rig *rig, uint32_t rid);

#endif
