/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing wheel.
 *
 * Time goes from one used slot to the next. A slot above level 0 that time
 * reaches is emptied into the levels below, entry by entry; a slot of level 0
 * is due. While such a slot is being emptied, time stands still.
 */
#include "store_expiry.h"

#include <assert.h>
#include <string.h>

static struct store_expiring *entry_at(const struct store_wheel *wheel, store_ref ref)
{
    return store_expiring_of(store_node_at(wheel->arena, ref));
}

static uint64_t expires_of(const struct store_wheel *wheel, store_ref ref)
{
    uint64_t expires = store_record_expires(store_node_at(wheel->arena, ref));
    return expires < STORE_EXPIRES_MAX ? expires : STORE_EXPIRES_MAX;
}

static uint32_t digit(uint64_t time, uint32_t level)
{
    return (uint32_t)(time >> (level * STORE_WHEEL_BITS)) & (STORE_WHEEL_SLOTS - 1);
}

/* Where an entry belongs now. What is overdue is in the present slot of level 0. */
static void place(const struct store_wheel *wheel, uint64_t expires, uint32_t *level,
                  uint32_t *slot)
{
    if (expires < wheel->now_ms)
        expires = wheel->now_ms;
    uint64_t differs = expires ^ wheel->now_ms;
    *level = (63 - (uint32_t)__builtin_clzll(differs | 1)) / STORE_WHEEL_BITS;
    if (*level >= STORE_WHEEL_LEVELS)
        *level = STORE_WHEEL_LEVELS - 1;
    *slot = digit(expires, *level);
}

void store_wheel_init(struct store_wheel *wheel, const struct store_arena *arena, uint64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->arena = arena;
    wheel->now_ms = now_ms;
}

void store_wheel_add(struct store_wheel *wheel, store_ref ref)
{
    uint32_t level;
    uint32_t slot;
    place(wheel, expires_of(wheel, ref), &level, &slot);
    struct store_expiring *entry = entry_at(wheel, ref);
    store_ref *first = &wheel->first[level][slot];
    entry->prev = 0;
    entry->next = *first;
    if (*first != 0)
        entry_at(wheel, *first)->prev = ref;
    *first = ref;
    wheel->used[level] |= UINT64_C(1) << slot;
    wheel->count++;
}

/*
 * Takes the first entry of its slot out. That is where it belongs now, unless time has
 * reached the slot and it waits to be emptied.
 */
static void first_remove(struct store_wheel *wheel, store_ref ref)
{
    uint32_t level;
    uint32_t slot;
    place(wheel, expires_of(wheel, ref), &level, &slot);
    for (uint32_t l = 0; wheel->first[level][slot] != ref; l++) {
        assert(l < STORE_WHEEL_LEVELS);
        level = l;
        slot = digit(wheel->now_ms, l);
    }
    wheel->first[level][slot] = entry_at(wheel, ref)->next;
    if (wheel->first[level][slot] == 0)
        wheel->used[level] &= ~(UINT64_C(1) << slot);
}

void store_wheel_remove(struct store_wheel *wheel, store_ref ref)
{
    struct store_expiring *entry = entry_at(wheel, ref);
    if (entry->prev == 0)
        first_remove(wheel, ref);
    else
        entry_at(wheel, entry->prev)->next = entry->next;
    if (entry->next != 0)
        entry_at(wheel, entry->next)->prev = entry->prev;
    wheel->count--;
}

/* An entry of a slot above level 0 that time has reached; 0: none. */
static store_ref reached(const struct store_wheel *wheel)
{
    for (uint32_t level = STORE_WHEEL_LEVELS - 1; level > 0; level--) {
        store_ref ref = wheel->first[level][digit(wheel->now_ms, level)];
        if (ref != 0)
            return ref;
    }
    return 0;
}

/* When the next used slot begins; UINT64_MAX: there is none. */
static uint64_t next_time(const struct store_wheel *wheel)
{
    for (uint32_t level = 0; level < STORE_WHEEL_LEVELS; level++) {
        uint32_t now = digit(wheel->now_ms, level);
        uint64_t later =
            now + 1 < STORE_WHEEL_SLOTS ? wheel->used[level] >> (now + 1) << (now + 1) : 0;
        if (later == 0)
            continue;
        uint32_t shift = level * STORE_WHEEL_BITS;
        uint64_t above = wheel->now_ms >> shift >> STORE_WHEEL_BITS << STORE_WHEEL_BITS << shift;
        return above | (uint64_t)(unsigned)__builtin_ctzll(later) << shift;
    }
    return UINT64_MAX;
}

store_ref store_wheel_next(struct store_wheel *wheel, uint64_t to_ms, unsigned *steps)
{
    for (; *steps > 0; --*steps) {
        store_ref ref = reached(wheel);
        if (ref != 0) {
            store_wheel_remove(wheel, ref);
            store_wheel_add(wheel, ref);
            continue;
        }
        ref = wheel->first[0][digit(wheel->now_ms, 0)];
        if (ref != 0)
            return expires_of(wheel, ref) <= to_ms ? ref : 0;
        uint64_t next = next_time(wheel);
        if (next > to_ms) {
            if (to_ms > wheel->now_ms)
                wheel->now_ms = to_ms;
            return 0;
        }
        wheel->now_ms = next;
    }
    return 0;
}

const char *store_wheel_check(const struct store_wheel *wheel)
{
    uint64_t count = 0;
    for (uint32_t level = 0; level < STORE_WHEEL_LEVELS; level++) {
        for (uint32_t slot = 0; slot < STORE_WHEEL_SLOTS; slot++) {
            store_ref first = wheel->first[level][slot];
            if ((first != 0) != ((wheel->used[level] >> slot & 1) != 0))
                return "wheel: a slot and its mark disagree";
            store_ref before = 0;
            for (store_ref ref = first; ref != 0; ref = entry_at(wheel, ref)->next) {
                if (entry_at(wheel, ref)->prev != before)
                    return "wheel: a link is not returned";
                before = ref;
                if (++count > wheel->count)
                    return "wheel: more entries than counted";
            }
        }
    }
    return count == wheel->count ? NULL : "wheel: the entries do not add up";
}
