/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the writer has taken out of reach but readers may still look at: it is
 * given back after a grace period, when every read section that had begun has
 * ended (quiescent-state-based RCU, by liburcu).
 *
 *     put in ─► open bag ─close─► closed bag ─grace period─► given back
 *                (filling)         (waits)
 *
 * One grace period runs at a time. The writer alone works on a limbo; liburcu's
 * thread only raises a flag.
 */
#ifndef STORE_STORE_LIMBO_H
#define STORE_STORE_LIMBO_H

#include "store_arena.h"
#include "store_pages.h"

#include <stdatomic.h>

/* ---- types ---- */

struct store_bag;
struct store_grace;

struct store_limbo {
    struct store_arena *arena;
    struct store_pages *pages;
    struct store_bag *open;
    struct store_bag *closed;
    struct store_bag *spare; /* kept, so that giving up memory seldom asks for some */
    struct store_grace *grace;
    bool waiting;       /* a grace period runs */
    uint64_t count;     /* of what is in bags */
    uint64_t nbytes;    /* … held by it: given back after a grace period or two */
    uint64_t started;   /* grace periods, since the beginning */
    uint64_t rounds;    /* … of which everything that waited for it was given back */
    size_t heap_nbytes; /* held from the heap for values, those in bags included */
    size_t bags_nbytes;
};

/* ---- lifecycle ---- */

/** False: no memory, nothing is held. Arena and pages are borrowed. */
bool store_limbo_init(struct store_limbo *limbo, struct store_arena *arena,
                      struct store_pages *pages);

/** Waits for readers and gives everything back. */
void store_limbo_free(struct store_limbo *limbo);

/* ---- operations ---- */

/** A block of the arena, of `units`. None of these fails: without memory they wait for readers. */
void store_limbo_block(struct store_limbo *limbo, store_ref ref, uint32_t units);

/** A run of pages. */
void store_limbo_run(struct store_limbo *limbo, void *run, uint32_t pages);

/** A block of store_limbo_heap_get(). */
void store_limbo_heap(struct store_limbo *limbo, void *block);

/** A heap block that is accounted for to the byte; NULL: no memory. */
void *store_limbo_heap_get(struct store_limbo *limbo, size_t nbytes);

/** Gives a heap block back that no reader ever saw. */
void store_limbo_heap_free(struct store_limbo *limbo, void *block);

/** Closes the bag and starts a grace period, if none runs. False: one does. */
bool store_limbo_start(struct store_limbo *limbo);

/** True once after each grace period; its bag is then given back by store_limbo_empty(). */
bool store_limbo_poll(struct store_limbo *limbo);

/** Gives back at most `steps` of what is due; false: nothing is left that is due. */
bool store_limbo_empty(struct store_limbo *limbo, unsigned steps);

/** Bytes that come back by themselves: of what is in bags, and of the bags but the spare one. */
uint64_t store_limbo_waiting_nbytes(const struct store_limbo *limbo);

/** Waits until the grace period that runs, if any, is over. Not inside a read section. */
void store_limbo_wait(struct store_limbo *limbo);

/** Waits for readers as often as it takes and gives everything back. Not inside a read section. */
void store_limbo_drain(struct store_limbo *limbo);

/* ---- read sections ---- */

/** Announces the calling thread, for the time of a section; sections of one thread may overlap. */
void store_limbo_enter(void);
void store_limbo_leave(void);

#endif
