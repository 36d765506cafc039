/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of units for nodes.
 *
 * The happy path takes a freed block of the same size, else of a larger one,
 * else the next units of the newest span, else a new span. It fails only when
 * the heap has no span to give or all references are used; then nothing has
 * changed. Condemning forgets all freed blocks, which takes no time however
 * many there are: those in dense spans, a small part, are found again when
 * their span is sparse.
 */
#include "store_arena.h"
#include "store_memory.h"

#include <assert.h>
#include <string.h>

static_assert(STORE_SPAN_NBYTES_MIN / STORE_UNIT_NBYTES > STORE_BLOCK_UNITS_MAX + 8,
              "the largest block fits the smallest span, with its edges left out");

/*
 * Units at either end of a span that are never given out: reference 0 means
 * none, and comparisons of 16 bytes may read that far before or after a block.
 */
#define EDGE_UNITS 4u

void store_arena_init(struct store_arena *arena)
{
    memset(arena, 0, sizeof *arena);
}

static uint8_t *span_memory(const struct store_arena *arena, uint32_t i)
{
    return atomic_load_explicit(&arena->at[i], memory_order_relaxed);
}

void store_arena_clear(struct store_arena *arena)
{
    for (uint32_t i = 0; i < arena->span_count; i++)
        store_memory_free(span_memory(arena, i));
    store_arena_init(arena);
}

static uint32_t span_of(store_ref ref)
{
    return ref >> STORE_SPAN_BITS;
}

static store_ref list_next(const struct store_arena *arena, store_ref ref)
{
    store_ref next;
    memcpy(&next, store_arena_at(arena, ref), sizeof next);
    return next;
}

static void list_push(struct store_arena *arena, store_ref ref, uint32_t units)
{
    memcpy(store_arena_at(arena, ref), &arena->free_list[units], sizeof ref);
    arena->free_list[units] = ref;
    arena->free_class[units / 64] |= UINT64_C(1) << units % 64;
    arena->free_units += units;
}

static store_ref list_pop(struct store_arena *arena, uint32_t units)
{
    store_ref ref = arena->free_list[units];
    arena->free_list[units] = list_next(arena, ref);
    if (arena->free_list[units] == 0)
        arena->free_class[units / 64] &= ~(UINT64_C(1) << units % 64);
    arena->free_units -= units;
    return ref;
}

/* The smallest size from `units` on that has a freed block; 0: none. */
static uint32_t class_find(const struct store_arena *arena, uint32_t units)
{
    uint64_t word = arena->free_class[units / 64] & (~UINT64_C(0) << units % 64);
    for (uint32_t i = units / 64;;) {
        if (word != 0)
            return i * 64 + (uint32_t)__builtin_ctzll(word);
        if (++i == sizeof arena->free_class / sizeof arena->free_class[0])
            return 0;
        word = arena->free_class[i];
    }
}

/* A freed block of at least `units`, cut to that size; 0: none. */
static store_ref list_take(struct store_arena *arena, uint32_t units)
{
    uint32_t found = class_find(arena, units);
    if (found == 0)
        return 0;
    store_ref ref = list_pop(arena, found);
    if (found != units)
        list_push(arena, ref + units, found - units);
    return ref;
}

/* The number of a span without memory; STORE_SPANS_MAX: none. */
static uint32_t span_unused(const struct store_arena *arena)
{
    if (arena->spans_held == arena->span_count)
        return arena->span_count;
    for (uint32_t i = 0; i < arena->span_count; i++) {
        if (arena->span[i].units == 0)
            return i;
    }
    return arena->span_count;
}

static bool span_add(struct store_arena *arena)
{
    uint32_t i = span_unused(arena);
    if (i == STORE_SPANS_MAX)
        return false;
    uint32_t steps = arena->spans_held < 3 ? arena->spans_held : 3;
    size_t nbytes = STORE_SPAN_NBYTES_MIN << (2 * steps);
    if (nbytes > STORE_SPAN_NBYTES)
        nbytes = STORE_SPAN_NBYTES;
    uint8_t *memory = store_memory_get(nbytes);
    if (memory == NULL)
        return false;
    if (arena->next != arena->end && arena->end - arena->next <= STORE_BLOCK_UNITS_MAX)
        list_push(arena, arena->next, arena->end - arena->next);
    atomic_store_explicit(&arena->at[i], memory, memory_order_release);
    arena->span[i].units = (uint32_t)(nbytes / STORE_UNIT_NBYTES);
    arena->next = (i << STORE_SPAN_BITS) + EDGE_UNITS;
    arena->end = (i << STORE_SPAN_BITS) + (arena->span[i].units - EDGE_UNITS);
    arena->nbytes += nbytes;
    arena->spans_held++;
    if (i == arena->span_count)
        arena->span_count++;
    return true;
}

/* The next units of the newest span; 0: no memory. */
static store_ref next_take(struct store_arena *arena, uint32_t units)
{
    if (arena->end - arena->next < units && !span_add(arena))
        return 0;
    store_ref ref = arena->next;
    arena->next += units;
    return ref;
}

static store_ref live_add(struct store_arena *arena, store_ref ref, uint32_t units)
{
    if (ref != 0) {
        arena->live_units += units;
        arena->span[span_of(ref)].live_units += units;
    }
    return ref;
}

store_ref store_arena_get(struct store_arena *arena, uint32_t units)
{
    assert(units > 0 && units <= STORE_BLOCK_UNITS_MAX);
    store_ref ref = list_take(arena, units);
    return live_add(arena, ref != 0 ? ref : next_take(arena, units), units);
}

#define LINE_UNITS (STORE_LINE_NBYTES / STORE_UNIT_NBYTES)

/* Units that are left in the line in which the block begins: spans begin with a line. */
static uint32_t line_left(store_ref ref)
{
    return LINE_UNITS - ref % LINE_UNITS;
}

store_ref store_arena_get_line(struct store_arena *arena, uint32_t units)
{
    assert(units > 0);
    if (units > LINE_UNITS)
        return store_arena_get(arena, units);
    store_ref freed = arena->free_list[units];
    if (freed != 0 && line_left(freed) >= units)
        return live_add(arena, list_pop(arena, units), units);
    uint32_t gap = line_left(arena->next);
    if (gap < units && arena->end - arena->next >= gap + units)
        list_push(arena, next_take(arena, gap), gap);
    store_ref ref = next_take(arena, units);
    /* Without memory for a span, a larger freed block is better than none. */
    return live_add(arena, ref != 0 ? ref : list_take(arena, units), units);
}

void store_arena_free(struct store_arena *arena, store_ref ref, uint32_t units)
{
    struct store_span *span = &arena->span[span_of(ref)];
    assert(arena->live_units >= units && span->live_units >= units);
    if (!span->condemned)
        list_push(arena, ref, units);
    arena->live_units -= units;
    span->live_units -= units;
}

size_t store_arena_condemn(struct store_arena *arena, unsigned percent)
{
    size_t nbytes = 0;
    for (uint32_t i = 0; i < arena->span_count; i++) {
        struct store_span *span = &arena->span[i];
        if (span->units == 0 || i == span_of(arena->end))
            continue;
        span->condemned = (uint64_t)span->live_units * 100 < (uint64_t)span->units * percent;
        if (span->condemned)
            nbytes += (size_t)span->units * STORE_UNIT_NBYTES;
    }
    if (nbytes != 0) {
        memset(arena->free_list, 0, sizeof arena->free_list);
        memset(arena->free_class, 0, sizeof arena->free_class);
        arena->free_units = 0;
    }
    return nbytes;
}

bool store_arena_release(struct store_arena *arena)
{
    for (uint32_t i = 0; i < arena->span_count; i++) {
        struct store_span *span = &arena->span[i];
        if (!span->condemned)
            continue;
        span->condemned = false;
        if (span->live_units != 0)
            continue;
        arena->nbytes -= (size_t)span->units * STORE_UNIT_NBYTES;
        arena->spans_held--;
        span->units = 0;
        store_memory_free(span_memory(arena, i));
        atomic_store_explicit(&arena->at[i], NULL, memory_order_relaxed);
        return true;
    }
    return false;
}

const char *store_arena_check(const struct store_arena *arena)
{
    uint64_t free_units = 0;
    for (uint32_t units = 1; units <= STORE_BLOCK_UNITS_MAX; units++) {
        bool marked = (arena->free_class[units / 64] >> units % 64 & 1) != 0;
        if (marked != (arena->free_list[units] != 0))
            return "arena: a free list and its mark disagree";
        for (store_ref r = arena->free_list[units]; r != 0; r = list_next(arena, r)) {
            if (arena->span[span_of(r)].units == 0)
                return "arena: a freed block without memory";
            free_units += units;
        }
    }
    if (free_units != arena->free_units)
        return "arena: the free lists do not add up";
    uint64_t live_units = 0;
    size_t nbytes = 0;
    uint32_t held = 0;
    for (uint32_t i = 0; i < arena->span_count; i++) {
        live_units += arena->span[i].live_units;
        nbytes += (size_t)arena->span[i].units * STORE_UNIT_NBYTES;
        held += arena->span[i].units != 0;
        if (arena->span[i].units < arena->span[i].live_units)
            return "arena: a span has more in it than it has room";
    }
    if (live_units != arena->live_units)
        return "arena: the spans do not add up";
    return nbytes == arena->nbytes && held == arena->spans_held
               ? NULL
               : "arena: the memory does not add up";
}
