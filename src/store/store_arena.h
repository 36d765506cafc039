/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where nodes live: blocks of 4-byte units, addressed by 32-bit references.
 *
 *     reference   │ span: 13 bits │ unit in the span: 19 bits │     0: no block
 *                        │
 *     span[]      ▼ its memory, or none: 64 KiB, 256 KiB, 1 MiB, then 2 MiB each
 *     inside      │ block │ block │ freed │ block │ not yet given out … │
 *
 * Freed blocks wait in one list per size and are split when a smaller one is
 * wanted; neighbours are not joined again. Instead the arena may be compacted:
 * sparse spans are condemned, nothing is taken from them any more, and once
 * the owner has moved their last block elsewhere their memory is given back.
 *
 * One thread changes an arena; others may follow references meanwhile.
 */
#ifndef STORE_STORE_ARENA_H
#define STORE_STORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stdatomic.h>

/* ---- limits ---- */

#define STORE_UNIT_NBYTES 4u
/** log2 of a span's units: 2 MiB. */
#define STORE_SPAN_BITS 19u
#define STORE_SPAN_NBYTES ((size_t)STORE_UNIT_NBYTES << STORE_SPAN_BITS)
/** Spans that 32-bit references reach: 16 GiB. */
#define STORE_SPANS_MAX (1u << (32 - STORE_SPAN_BITS))
/** Largest block in units: a head, the longest segment and an inline value. */
#define STORE_BLOCK_UNITS_MAX 1160u
/** The first span is small, so that a small store is. */
#define STORE_SPAN_NBYTES_MIN ((size_t)64 << 10)

/* ---- types ---- */

/** A block's address in the arena; 0 is none. */
typedef uint32_t store_ref;

struct store_span {
    uint32_t units;      /* it has; 0: no memory */
    uint32_t live_units; /* in blocks given out */
    bool condemned;
};

struct store_arena {
    _Atomic(uint8_t *) at[STORE_SPANS_MAX]; /* each span's memory */
    struct store_span span[STORE_SPANS_MAX];
    uint32_t span_count; /* spans that have or had memory */
    uint32_t spans_held; /* … that have */
    uint32_t next;       /* reference of the first unit not yet given out */
    uint32_t end;        /* end of the span that `next` is in */
    uint64_t live_units; /* in blocks given out */
    uint64_t free_units; /* in the free lists */
    size_t nbytes;       /* held from the heap */
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

/** The same, within one cache line if it can be: what is left before goes to the free blocks. */
store_ref store_arena_get_line(struct store_arena *arena, uint32_t units);

/** Takes back a block of `units` that store_arena_get() gave for as many. */
void store_arena_free(struct store_arena *arena, store_ref ref, uint32_t units);

/**
 * Condemns the spans of which less than `percent` is live, all but the one that
 * is being filled. Returns the bytes they hold.
 */
size_t store_arena_condemn(struct store_arena *arena, unsigned percent);

/** Whether the block should be moved elsewhere. */
static inline bool store_arena_condemned(const struct store_arena *arena, store_ref ref)
{
    return arena->span[ref >> STORE_SPAN_BITS].condemned;
}

/**
 * Gives the memory of one condemned span back that holds no block any more; those that
 * hold some are used again. False: no span is condemned any more. No reader
 * may hold a reference into an empty one.
 */
bool store_arena_release(struct store_arena *arena);

/** Bytes in blocks given out. */
static inline uint64_t store_arena_live_nbytes(const struct store_arena *arena)
{
    return arena->live_units * STORE_UNIT_NBYTES;
}

/** The block's address: stable until it is freed. */
static inline void *store_arena_at(const struct store_arena *arena, store_ref ref)
{
    uint8_t *span = atomic_load_explicit(&arena->at[ref >> STORE_SPAN_BITS], memory_order_relaxed);
    return span + (size_t)(ref & ((1u << STORE_SPAN_BITS) - 1)) * STORE_UNIT_NBYTES;
}

/* ---- inspection ---- */

/** NULL, or the invariant that is broken. */
const char *store_arena_check(const struct store_arena *arena);

#endif
