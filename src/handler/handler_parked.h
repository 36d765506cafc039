/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Versions of the store that are kept for answers which go on over several turns.
 *
 *     turn 1    the version that the turn reads   part of the answer
 *                 snapshot ──┐
 *     turn 2    that version ┤                    part of the answer
 *        …                   │
 *     turn n    that version ┘                    the rest
 *
 * Between its turns an answer is parked, in a list of the whole process: what is
 * not through in time loses its version with the next turn of whatever handler, even if
 * its peer never reads on, because what was replaced meanwhile cannot be given back before.
 */
#ifndef HANDLER_HANDLER_PARKED_H
#define HANDLER_HANDLER_PARKED_H

#include "store.h"

/** How long an answer may take from its beginning, by the store's clock. */
#define HANDLER_PARKED_MS_MAX 60000u

struct handler_parked {
    struct store *store;
    struct store_snapshot *snapshot; /* NULL: let go for its age */
    uint64_t due_ms;                 /* on the store's clock */
    struct handler_parked *next;     /* parked answers … */
    struct handler_parked **link;    /* … what points to this one; NULL: not parked */
};

/** Keeps the version that `reader` reads, and parks. False: too many are kept, or no memory. */
CDX_MUST_CHECK bool handler_parked_begin(struct handler_parked *parked, struct store *store,
                                         struct store_reader *reader);

/** Takes the answer out of the list, to go on with it; false: it took too long. */
CDX_MUST_CHECK bool handler_parked_take(struct handler_parked *parked);

/** Puts it back until its next turn. */
void handler_parked_put(struct handler_parked *parked);

/** Lets the version go, parked or not; no read section may be using it. */
void handler_parked_end(struct handler_parked *parked);

/** Lets the versions of all answers go that took too long; cheap when there are none. */
void handler_parked_expire(const struct store *store);

#endif
