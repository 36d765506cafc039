/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which values end when: a hierarchical timing wheel (Varghese and Lauck,
 * 1987) of the records that have an expiry. Adding and removing take the same time
 * however many there are; time passes in slices.
 *
 *     level 0   64 slots of 1 ms           the time's digits to base 64:
 *     level 1   64 slots of 64 ms          an entry is in the slot of the highest
 *     level 2   64 slots of 4.1 s          digit in which it differs from now
 *       …       up to 8 levels, 8900 years
 *     slot      record ⇄ record ⇄ record
 */
#ifndef STORE_STORE_EXPIRY_H
#define STORE_STORE_EXPIRY_H

#include "store_node.h"

/* ---- limits ---- */

#define STORE_WHEEL_BITS 6u
#define STORE_WHEEL_SLOTS (1u << STORE_WHEEL_BITS)
#define STORE_WHEEL_LEVELS 8u
/** The latest time that an entry can have, in milliseconds; a later one counts as this. */
#define STORE_EXPIRES_MAX ((UINT64_C(1) << (STORE_WHEEL_BITS * STORE_WHEEL_LEVELS)) - 1)

/* ---- types ---- */

struct store_wheel {
    const struct store_arena *arena;
    uint64_t now_ms; /* all before it has been handed out */
    uint64_t count;
    uint64_t used[STORE_WHEEL_LEVELS]; /* bit per slot: it is not empty */
    store_ref first[STORE_WHEEL_LEVELS][STORE_WHEEL_SLOTS];
};

/* ---- operations ---- */

/** An empty wheel at a time. The arena is borrowed. */
void store_wheel_init(struct store_wheel *wheel, const struct store_arena *arena, uint64_t now_ms);

/** Enters a record, whose expiry is set and not 0. */
void store_wheel_add(struct store_wheel *wheel, store_ref ref);

/** Takes out a record that is in, before its expiry changes. */
void store_wheel_remove(struct store_wheel *wheel, store_ref ref);

/**
 * A record that is due at `to_ms`, still in the wheel: to be taken out before the next call; 0:
 * none yet. Takes `*steps` down; at 0 the wheel's time stays behind, for the next call.
 */
store_ref store_wheel_next(struct store_wheel *wheel, uint64_t to_ms, unsigned *steps);

/** NULL, or the invariant that is broken. */
const char *store_wheel_check(const struct store_wheel *wheel);

#endif
