/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Gives memory back after heavy deletion: moves what is left in sparse spans
 * of the arena together, in slices, while readers go on reading.
 */
#ifndef STORE_STORE_COMPACT_H
#define STORE_STORE_COMPACT_H

#include "store_private.h"

/* ---- limits ---- */

/** A compaction is worth while from so many bytes on. */
#define STORE_COMPACT_NBYTES_MIN ((uint64_t)8 << 20)

/** Spans less full than this, in percent, are condemned. */
#define STORE_COMPACT_LIVE_PERCENT 70u

/** Children of a fork that is moved, at most: each is told its new parent. */
#define STORE_COMPACT_CHILDREN_MAX 256u

/* ---- operations ---- */

/** Begins one if it is worth while; at most `steps` steps of the one that runs. True: there is
 * more. */
bool store_compact_run(struct store *store, unsigned steps);

#endif
