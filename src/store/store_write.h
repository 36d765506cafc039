/* SPDX-License-Identifier: Apache-2.0 */
/** What the writer's files share: writes with a stage or by node, and room for them. */
#ifndef STORE_STORE_WRITE_H
#define STORE_STORE_WRITE_H

#include "store_change.h"

/* ---- limits ---- */

/** What a key costs beside its own bytes and its value's, at most in the common case. */
#define STORE_KEY_COST_NBYTES 64u

/** Nodes that eviction looks at for one write that needs room. */
#define STORE_EVICT_STEPS 256u
/** The part of the limit that may be exceeded while eviction catches up: one of so many. */
#define STORE_EVICT_SLACK 32u

/* ---- operations ---- */

/** What a put needs of the memory limit, about. */
static inline uint64_t store_put_cost(struct cdx_bytes key, struct cdx_bytes value)
{
    return key.len + value.len + STORE_KEY_COST_NBYTES;
}

/** Whether the limit leaves `wanted` bytes; evicts some keys if that is wished. */
bool store_has_room(struct store *store, uint64_t wanted);

/** store_put_with() into the store (`stage` NULL) or a stage. */
enum store_status store_write_put(struct store *store, struct store_stage *stage,
                                  struct cdx_bytes key, struct cdx_bytes value,
                                  const struct store_put_options *options, uint64_t *revision);

enum store_removal { STORE_REMOVAL_DONE, STORE_REMOVAL_ABSENT, STORE_REMOVAL_NO_MEMORY };

/** Deletes the key of a node as a write of its own, if it is counted as stored, in the store or an
 * open stage. */
enum store_removal store_write_remove(struct store *store, store_ref ref);

/** Takes the key of a node away from all versions, if it is counted as stored and in no stage.
 * False: it is not. */
bool store_write_evict(struct store *store, store_ref ref);

/** Makes `root` the root; `begin` is a record for it. Room in the queues was reserved. */
void store_root_replace(struct store *store, store_ref root, store_ref begin);

/** From here to store_publish() counts may change: who reads them reads them again. */
void store_counts_open(struct store *store);

/** Makes what was written visible. */
void store_publish(struct store *store);

/** The stage, open or not, in whose tree a node is; NULL: none. */
struct store_stage *store_stage_of(struct store *store, store_ref ref);

/** Queues stages that were thrown away, as far as memory allows. */
void store_stage_queue(struct store *store);

/** The next bucket of the index; NULL: the hand came round. */
struct store_bucket *store_hand_next(struct store *store, struct store_hand *hand);

/**
 * Evicts keys until no more than `target` bytes are in use, what is evicted counted as gone: it is
 * given back two grace periods later. Looks at no more than `steps` nodes. False: it is not enough.
 */
bool store_evict(struct store *store, uint64_t target, unsigned steps);

/** Bytes in use: of what is held from the allocator, without free blocks. */
uint64_t store_used_nbytes(const struct store *store);

/** Of those, what does not only wait for readers to come back by itself. */
uint64_t store_used_lastingly(const struct store *store);

#endif
