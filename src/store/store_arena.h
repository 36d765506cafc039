/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where nodes live: blocks of 8-byte units, addressed by 32-bit references.
 *
 *     reference   │ span: 13 bits │ unit in the span: 19 bits │     0: no block
 *                        │
 *     span[]      ▼ start of every 4 MiB of the address space
 *     extents     │64K│ 256K │   1M   │  4M … 32M  │            asked of the heap
 *     inside      │ block │ block │ freed │ block │ not yet given out … │
 *
 * Small extents leave the rest of their span unused: addresses are plenty.
 * Freed blocks wait in one list per size and are split when a smaller one is
 * wanted; neighbours are not joined again, but an arena that is left with its
 * first block only gives everything else back (store_arena_trim).
 */
#ifndef STORE_STORE_ARENA_H
#define STORE_STORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

#define STORE_UNIT_NBYTES 8u
/** log2 of a span's units: 4 MiB. */
#define STORE_SPAN_BITS 19u
#define STORE_SPAN_NBYTES ((size_t)STORE_UNIT_NBYTES << STORE_SPAN_BITS)
/** Spans that 32-bit references reach: 32 GiB. */
#define STORE_SPANS_MAX (1u << (32 - STORE_SPAN_BITS))
/** Largest block in units: the head, the longest key and an inline value. */
#define STORE_BLOCK_UNITS_MAX 530u
/** First and largest extent: a small store stays small, a large one asks the heap rarely. */
#define STORE_EXTENT_NBYTES_MIN ((size_t)64 << 10)
#define STORE_EXTENT_NBYTES_MAX ((size_t)32 << 20)

/* ---- types ---- */

/** A block's address in the arena; 0 is none. */
typedef uint32_t store_ref;

struct store_arena {
    uint8_t **span;   /* start of each span; spans of one extent are adjacent */
    uint8_t **extent; /* what to give back */
    uint32_t span_count;
    uint32_t span_cap;
    uint32_t extent_count;
    uint32_t extent_cap;
    uint32_t next;         /* reference of the first unit not yet given out */
    uint32_t end;          /* end of the extent that `next` is in */
    uint64_t live_units;   /* in blocks given out */
    uint64_t free_units;   /* in the free lists */
    size_t extents_nbytes; /* of all extents: what was asked of the heap */
    uint64_t free_class[STORE_BLOCK_UNITS_MAX / 64 + 1]; /* bit per size: its list is not empty */
    store_ref free_list[STORE_BLOCK_UNITS_MAX + 1];
};

/* ---- operations ---- */

/** Holds no memory yet. */
void store_arena_init(struct store_arena *arena);

/** Gives all memory back; every reference is invalid. The arena may be used on. */
void store_arena_clear(struct store_arena *arena);

/** A block of `units` (1 to STORE_BLOCK_UNITS_MAX), uninitialised; 0 when there is no memory. */
store_ref store_arena_get(struct store_arena *arena, uint32_t units);

/** Takes back a block of `units` that store_arena_get() gave for as many. */
void store_arena_free(struct store_arena *arena, store_ref ref, uint32_t units);

/**
 * Forgets every block but the first ever given, which has `units`, and gives
 * all extents but the first back.
 */
void store_arena_trim(struct store_arena *arena, uint32_t units);

/** The block's address: stable until it is freed. */
static inline void *store_arena_at(const struct store_arena *arena, store_ref ref)
{
    return arena->span[ref >> STORE_SPAN_BITS] +
           (size_t)(ref & ((1u << STORE_SPAN_BITS) - 1)) * STORE_UNIT_NBYTES;
}

/* ---- inspection ---- */

/** NULL, or the invariant that is broken. */
const char *store_arena_check(const struct store_arena *arena);

#endif
