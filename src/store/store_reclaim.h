/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Taking apart what no version shows any more.
 *
 *     write ─► queue of forks with old versions  ─┐ once every reader sees
 *     drop  ─► queue of dropped subtrees         ─┴ their revision ─► apart ─► limbo ─► freed
 *
 * Both queues are in the order of revisions, so the front tells whether there
 * is anything to do. A dropped subtree is taken apart from its leaves up, a
 * node a step.
 */
#ifndef STORE_STORE_RECLAIM_H
#define STORE_STORE_RECLAIM_H

#include "store_arena.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* ---- types ---- */

struct store_queue_chunk;

/** First in, first out; in chunks, so that it never moves what it holds. */
struct store_queue {
    struct store_queue_chunk *first;
    struct store_queue_chunk *last;
    uint64_t count;
};

struct store_reclaim {
    uint64_t safe_revision;  /* every reader without a snapshot sees at least this one */
    uint64_t grace_revision; /* will be so after the grace period that runs */
    struct store_queue versions;
    struct store_queue drops;
    store_ref apart; /* where in the first dropped subtree the work is; 0: not begun */
    uint64_t nbytes; /* held from the heap for the queues */
};

/* ---- operations: the writer ---- */

/** Room for one more entry in each queue. False: no memory. */
bool store_reclaim_reserve(struct store *store);

/** A fork got a version or lost one; room was reserved. */
void store_reclaim_versions(struct store *store, store_ref fork);

/** A fork got its `end`, or was never seen; room was reserved. */
void store_reclaim_drop(struct store *store, store_ref top);

/** Forgets the last dropped subtree: its drop did not happen. */
void store_reclaim_undrop(struct store *store, store_ref top);

/** At most `steps` steps of what can be done now. True: there is more. */
bool store_reclaim_run(struct store *store, unsigned steps);

/** Whether anything waits for readers. */
bool store_reclaim_pending(const struct store *store);

/** Frees the queues; what they refer to goes with the arena. */
void store_reclaim_free(struct store *store);

/** The revision that every reader and snapshot sees at least. */
uint64_t store_reclaim_horizon(struct store *store);

#endif
