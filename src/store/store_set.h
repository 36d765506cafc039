/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The children of a fork, ordered by their segments in groups: up to 64 in one
 * array, in any order; more in a B+ tree of such arrays.
 *
 *     few     │ array: count, room │ child │ child │ 0 │ child │ …          0: taken out
 *
 *     many    │ inner: count │ set, from − │ set, from "/f" │ set, from "/q" │
 *                               ▼             ▼                ▼
 *                             array         array            array
 *
 * A new child is written behind the others and then counted: no child is looked
 * at. A reader that wants them in order sorts one array. An array in which a
 * child needs room and an inner block that changes are replaced as a whole, so
 * a reader goes on in what it has. Which array a segment belongs to does not
 * depend on the children: `from` is a block with a copy of the bound.
 *
 * Order of segments: bytewise, the shorter first; '/' comes before every other
 * first byte, so under the root absolute keys come first. A walk of the tree,
 * parents first, thus visits keys in path order.
 *
 * Two children may have the same segment (a dropped one and its successor):
 * they are in the same array, which may then be longer than 64.
 */
#ifndef STORE_STORE_SET_H
#define STORE_STORE_SET_H

#include "store_limbo.h"
#include "store_node.h"

/* ---- limits ---- */

#define STORE_ARRAY_MAX STORE_CURSOR_ARRAY_MAX
#define STORE_INNER_MAX 64u
/** More levels of inner blocks than 2^32 children need. */
#define STORE_SET_LEVELS_MAX 12u

/* ---- types ---- */

struct store_array {
    _Atomic uint32_t count; /* of slots used; bit 31 clear */
    uint32_t cap;
    _Atomic uint32_t child[];
};

struct store_inner {
    uint32_t count; /* bit 31 set */
    struct store_inner_entry {
        _Atomic uint32_t set;
        _Atomic uint32_t from; /* a struct store_bound; 0: no lower bound */
    } entry[];
};

#define STORE_INNER (UINT32_C(1) << 31)

struct store_bound {
    uint32_t nbytes;
    uint8_t text[];
};

/** Where a set lies: the arena it is in, and the limbo for what it replaces. */
struct store_set_env {
    struct store_arena *arena;
    struct store_limbo *limbo;
};

/* ---- changing: the writer ---- */

/** Adds a child. False: no memory, nothing changed. */
CDX_MUST_CHECK bool store_set_add(const struct store_set_env *env, _Atomic uint32_t *set,
                                  store_ref child);

/** Takes out a child that is in; afterwards `*set` is 0 when it was the last. Cannot fail. */
void store_set_remove(const struct store_set_env *env, _Atomic uint32_t *set, store_ref child);

/** Puts another node with the same segment in the place of a child that is in. */
void store_set_replace(const struct store_set_env *env, _Atomic uint32_t *set, store_ref old,
                       store_ref child);

/**
 * Takes out any child and returns it, for sets that no reader will look into any more;
 * 0: it was empty. Blocks left empty go to limbo.
 */
store_ref store_set_pop(const struct store_set_env *env, _Atomic uint32_t *set);

/** Moves blocks on the way to the array of `segment` out of condemned spans, as far as memory
 * allows. */
void store_set_move(const struct store_set_env *env, _Atomic uint32_t *set,
                    struct cdx_bytes segment);

/* ---- reading ---- */

/**
 * The array that `segment` belongs to; 0 for an empty set. `*upper` is the
 * bound from which on another array follows, 0: it is the last.
 */
store_ref store_set_seek(const struct store_arena *arena, store_ref set, struct cdx_bytes segment,
                         store_ref *upper);

/** Slots of an array, as of now: entries below it may be 0. */
static inline uint32_t store_array_count(const struct store_array *array)
{
    return atomic_load_explicit(&array->count, memory_order_acquire);
}

static inline const struct store_array *store_array_at(const struct store_arena *arena,
                                                       store_ref ref)
{
    return store_arena_at(arena, ref);
}

static inline struct cdx_bytes store_bound_text(const struct store_arena *arena, store_ref bound)
{
    const struct store_bound *b = store_arena_at(arena, bound);
    return cdx_bytes_of(b->text, b->nbytes);
}

/** Order of two segments of one parent: below, at or above 0. */
int store_segment_compare(struct cdx_bytes a, struct cdx_bytes b);

/* ---- inspection, by the writer ---- */

/** Calls `visit` for every child, group by group; stops when it returns false. */
bool store_set_each(const struct store_arena *arena, store_ref set,
                    bool (*visit)(void *arg, store_ref child), void *arg);

/** NULL, or the invariant that is broken. Adds the units of the set's blocks to `*units`. */
const char *store_set_check(const struct store_arena *arena, store_ref set, uint64_t *units);

#endif
