/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of units for nodes.
 *
 * The happy path takes a freed block of the same size, else of a larger one,
 * else the next units of the newest extent, else a new extent. It fails only
 * when the heap has no extent to give or all references are used; then nothing
 * has changed but, at most, the capacity of the tables.
 */
#include "store_arena.h"
#include "store_memory.h"

#include <caudex/heap.h>

#include <assert.h>
#include <string.h>

static_assert(STORE_EXTENT_NBYTES_MIN / STORE_UNIT_NBYTES > STORE_BLOCK_UNITS_MAX,
              "the largest block fits the smallest extent, with unit 0 left out");

/* Reference 0 means none: its unit stays unused. */
#define FIRST_REF 1u

void store_arena_init(struct store_arena *arena)
{
    memset(arena, 0, sizeof *arena);
}

void store_arena_clear(struct store_arena *arena)
{
    for (uint32_t i = 0; i < arena->extent_count; i++)
        store_memory_free(arena->extent[i]);
    cdx_free(arena->extent);
    cdx_free(arena->span);
    store_arena_init(arena);
}

void store_arena_trim(struct store_arena *arena, uint32_t units)
{
    while (arena->extent_count > 1)
        store_memory_free(arena->extent[--arena->extent_count]);
    arena->span_count = 1;
    arena->extents_nbytes = STORE_EXTENT_NBYTES_MIN;
    arena->next = FIRST_REF + units;
    arena->end = (uint32_t)(STORE_EXTENT_NBYTES_MIN / STORE_UNIT_NBYTES - 1);
    arena->live_units = units;
    arena->free_units = 0;
    memset(arena->free_class, 0, sizeof arena->free_class);
    memset(arena->free_list, 0, sizeof arena->free_list);
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

/* Room for `count` pointers in a table; doubles it. False: no memory, nothing changed. */
static bool table_reserve(uint8_t ***table, uint32_t *cap, uint32_t count)
{
    if (count <= *cap)
        return true;
    uint32_t larger = *cap * 2 > count ? *cap * 2 : count;
    uint8_t **grown = cdx_realloc(*table, larger * sizeof **table);
    if (grown == NULL)
        return false;
    *table = grown;
    *cap = larger;
    return true;
}

static size_t extent_nbytes(const struct store_arena *arena)
{
    uint32_t steps = arena->extent_count * 2 < 16 ? arena->extent_count * 2 : 16;
    size_t nbytes = STORE_EXTENT_NBYTES_MIN << steps;
    return nbytes < STORE_EXTENT_NBYTES_MAX ? nbytes : STORE_EXTENT_NBYTES_MAX;
}

static bool extent_add(struct store_arena *arena)
{
    size_t nbytes = extent_nbytes(arena);
    uint32_t spans = (uint32_t)((nbytes + STORE_SPAN_NBYTES - 1) / STORE_SPAN_NBYTES);
    if (arena->span_count + spans > STORE_SPANS_MAX)
        return false;
    if (!table_reserve(&arena->span, &arena->span_cap, arena->span_count + spans) ||
        !table_reserve(&arena->extent, &arena->extent_cap, arena->extent_count + 1))
        return false;
    uint8_t *extent = store_memory_get(nbytes);
    if (extent == NULL)
        return false;
    if (arena->next != arena->end)
        list_push(arena, arena->next, arena->end - arena->next);
    arena->next = arena->span_count << STORE_SPAN_BITS;
    /* Without its last unit, so that the end of the last span is a 32-bit number too. */
    arena->end = arena->next + (uint32_t)(nbytes / STORE_UNIT_NBYTES - 1);
    if (arena->next == 0)
        arena->next = FIRST_REF;
    arena->extent[arena->extent_count++] = extent;
    for (uint32_t i = 0; i < spans; i++)
        arena->span[arena->span_count++] = extent + i * STORE_SPAN_NBYTES;
    arena->extents_nbytes += nbytes;
    return true;
}

store_ref store_arena_get(struct store_arena *arena, uint32_t units)
{
    assert(units > 0 && units <= STORE_BLOCK_UNITS_MAX);
    store_ref ref;
    uint32_t found = class_find(arena, units);
    if (found != 0) {
        ref = list_pop(arena, found);
        if (found != units)
            list_push(arena, ref + units, found - units);
    } else {
        if (arena->end - arena->next < units && !extent_add(arena))
            return 0;
        ref = arena->next;
        arena->next += units;
    }
    arena->live_units += units;
    return ref;
}

void store_arena_free(struct store_arena *arena, store_ref ref, uint32_t units)
{
    assert(arena->live_units >= units);
    list_push(arena, ref, units);
    arena->live_units -= units;
}

const char *store_arena_check(const struct store_arena *arena)
{
    uint64_t free_units = 0;
    for (uint32_t units = 1; units <= STORE_BLOCK_UNITS_MAX; units++) {
        bool marked = (arena->free_class[units / 64] >> units % 64 & 1) != 0;
        if (marked != (arena->free_list[units] != 0))
            return "arena: a free list and its mark disagree";
        for (store_ref r = arena->free_list[units]; r != 0; r = list_next(arena, r))
            free_units += units;
    }
    if (free_units != arena->free_units)
        return "arena: the free lists do not add up";
    uint64_t units = 0;
    if (arena->extent_count != 0)
        units = arena->live_units + free_units + (arena->end - arena->next);
    /* Unit 0, and the last unit of every extent, are never given out. */
    if (arena->extent_count != 0 &&
        (units + 1 + arena->extent_count) * STORE_UNIT_NBYTES != arena->extents_nbytes)
        return "arena: units are lost";
    return NULL;
}
