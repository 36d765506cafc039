/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of children.
 *
 * The happy path of an add writes one word. What replaces blocks makes all of
 * them first and links them by one store into the word above, so that a
 * failure and a reader find the set as it was.
 */
#include "store_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int store_segment_compare(struct cdx_bytes a, struct cdx_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    if (n != 0 && a.data[0] != b.data[0]) {
        /* '/' first; inside a segment there is none. */
        if (a.data[0] == '/' || b.data[0] == '/')
            return a.data[0] == '/' ? -1 : 1;
        return a.data[0] < b.data[0] ? -1 : 1;
    }
    int order = n != 0 ? memcmp(a.data, b.data, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- blocks ---- */

/* Arrays with no more room than this are not worth a smaller one. */
#define ARRAY_SMALL 8u

static uint32_t array_units(uint32_t cap)
{
    return 2 + cap;
}

static uint32_t inner_units(uint32_t count)
{
    return 1 + 2 * count;
}

static uint32_t bound_units(uint32_t nbytes)
{
    return 1 + (nbytes + STORE_UNIT_NBYTES - 1) / STORE_UNIT_NBYTES;
}

static bool is_inner(const struct store_arena *arena, store_ref set)
{
    const struct store_array *array = store_arena_at(arena, set);
    return (store_array_count(array) & STORE_INNER) != 0;
}

static struct store_array *array_at(const struct store_arena *arena, store_ref ref)
{
    return store_arena_at(arena, ref);
}

static struct store_inner *inner_at(const struct store_arena *arena, store_ref ref)
{
    return store_arena_at(arena, ref);
}

static uint32_t inner_count(const struct store_inner *inner)
{
    return inner->count & ~STORE_INNER;
}

static store_ref child_at(const struct store_array *array, uint32_t i)
{
    return store_load_ref(&array->child[i]);
}

/* Of a leaf with more segments, the first: among its siblings it is the only one with it. */
static struct cdx_bytes segment_of(const struct store_arena *arena, store_ref child)
{
    return store_node_segment(store_node_at(arena, child));
}

static store_ref array_new(const struct store_set_env *env, uint32_t cap)
{
    if (array_units(cap) > STORE_BLOCK_UNITS_MAX)
        return 0;
    store_ref ref = store_arena_get(env->arena, array_units(cap));
    if (ref == 0)
        return 0;
    struct store_array *array = array_at(env->arena, ref);
    atomic_init(&array->count, 0);
    array->cap = cap;
    return ref;
}

static void array_push(struct store_array *array, store_ref child)
{
    uint32_t count = atomic_load_explicit(&array->count, memory_order_relaxed);
    assert(count < array->cap);
    store_set_ref(&array->child[count], child);
    atomic_store_explicit(&array->count, count + 1, memory_order_release);
}

static void array_retire(const struct store_set_env *env, store_ref ref)
{
    store_limbo_block(env->limbo, ref, array_units(array_at(env->arena, ref)->cap));
}

static void inner_retire(const struct store_set_env *env, store_ref ref)
{
    store_limbo_block(env->limbo, ref, inner_units(inner_count(inner_at(env->arena, ref))));
}

static void bound_retire(const struct store_set_env *env, store_ref ref)
{
    const struct store_bound *bound = store_arena_at(env->arena, ref);
    store_limbo_block(env->limbo, ref, bound_units(bound->nbytes));
}

static store_ref bound_new(const struct store_set_env *env, struct cdx_bytes text)
{
    uint32_t nbytes = (uint32_t)text.len;
    store_ref ref = store_arena_get(env->arena, bound_units(nbytes));
    if (ref == 0)
        return 0;
    struct store_bound *bound = store_arena_at(env->arena, ref);
    bound->nbytes = nbytes;
    memcpy(bound->text, text.data, text.len);
    return ref;
}

/* ---- the way down ---- */

/* The entry of an inner block that a segment belongs to: the last whose bound is not above it. */
static uint32_t inner_find(const struct store_arena *arena, const struct store_inner *inner,
                           struct cdx_bytes segment)
{
    uint32_t low = 0;
    uint32_t high = inner_count(inner);
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        struct cdx_bytes bound = store_bound_text(arena, inner->entry[middle].from);
        if (store_segment_compare(bound, segment) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

store_ref store_set_seek(const struct store_arena *arena, store_ref set, struct cdx_bytes segment,
                         store_ref *upper)
{
    *upper = 0;
    while (set != 0 && is_inner(arena, set)) {
        const struct store_inner *inner = inner_at(arena, set);
        uint32_t i = inner_find(arena, inner, segment);
        if (i + 1 < inner_count(inner))
            *upper = inner->entry[i + 1].from;
        set = store_load_ref(&inner->entry[i].set);
    }
    return set;
}

/* The way from a set's word to an array: words that hold references, one per level. */
struct way {
    _Atomic uint32_t *word[STORE_SET_LEVELS_MAX + 1];
    uint32_t index[STORE_SET_LEVELS_MAX + 1]; /* of the entry in the inner block at this level */
    uint32_t depth;                           /* word[depth] refers to the array */
};

static void way_find(const struct store_arena *arena, _Atomic uint32_t *set,
                     struct cdx_bytes segment, struct way *way)
{
    way->depth = 0;
    way->word[0] = set;
    while (is_inner(arena, *way->word[way->depth])) {
        assert(way->depth < STORE_SET_LEVELS_MAX);
        struct store_inner *inner = inner_at(arena, *way->word[way->depth]);
        uint32_t i = inner_find(arena, inner, segment);
        way->index[way->depth++] = i;
        way->word[way->depth] = &inner->entry[i].set;
    }
}

/* ---- add ---- */

/* Room for one more, at the price of a few words: arrays are most of what order costs. */
static uint32_t cap_next(uint32_t cap)
{
    if (cap < 2)
        return 2;
    uint32_t next = cap + (cap / 4 != 0 ? cap / 4 : 1);
    return cap < STORE_ARRAY_MAX && next > STORE_ARRAY_MAX ? STORE_ARRAY_MAX : next;
}

static int compare_refs(const void *a, const void *b, void *arena)
{
    store_ref x;
    store_ref y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return store_segment_compare(segment_of(arena, x), segment_of(arena, y));
}

/* A copy of `from` without holes, with more room, and the new child. 0: no memory. */
static store_ref array_grown(const struct store_set_env *env, const struct store_array *from,
                             uint32_t cap, store_ref child)
{
    store_ref ref = array_new(env, cap);
    if (ref == 0)
        return 0;
    struct store_array *array = array_at(env->arena, ref);
    for (uint32_t i = 0; i < store_array_count(from); i++) {
        if (child_at(from, i) != 0)
            array_push(array, child_at(from, i));
    }
    array_push(array, child);
    return ref;
}

static store_ref array_of(const struct store_set_env *env, const store_ref *children,
                          uint32_t count)
{
    store_ref ref = array_new(env, count > 48 ? count + 1 : count + count / 4 + 1);
    if (ref != 0) {
        for (uint32_t i = 0; i < count; i++)
            array_push(array_at(env->arena, ref), children[i]);
    }
    return ref;
}

/* Where sorted children are cut in two near the middle, between different segments; 0: nowhere. */
static uint32_t cut_find(const struct store_arena *arena, const store_ref *children, uint32_t count)
{
    for (uint32_t away = 0; away < count; away++) {
        uint32_t tries[2] = {count / 2 + away, count / 2 - away};
        for (unsigned t = 0; t < 2; t++) {
            uint32_t i = tries[t];
            if (i > 0 && i < count &&
                store_segment_compare(segment_of(arena, children[i - 1]),
                                      segment_of(arena, children[i])) != 0)
                return i;
        }
    }
    return 0;
}

/* What an add makes, to be freed if it fails: nothing of it is linked yet. */
struct made {
    store_ref block[4 * (STORE_SET_LEVELS_MAX + 2)];
    uint32_t units[4 * (STORE_SET_LEVELS_MAX + 2)];
    uint32_t count;
    bool failed;
};

static store_ref made_add(struct made *made, store_ref ref, uint32_t units)
{
    if (ref == 0) {
        made->failed = true;
        return 0;
    }
    made->block[made->count] = ref;
    made->units[made->count++] = units;
    return ref;
}

static store_ref made_inner(const struct store_set_env *env, struct made *made,
                            const struct store_inner_entry *entries, uint32_t count)
{
    store_ref ref =
        made_add(made, store_arena_get(env->arena, inner_units(count)), inner_units(count));
    if (ref != 0) {
        struct store_inner *inner = inner_at(env->arena, ref);
        inner->count = count | STORE_INNER;
        for (uint32_t i = 0; i < count; i++) {
            atomic_init(&inner->entry[i].set, entries[i].set);
            inner->entry[i].from = entries[i].from;
        }
    }
    return ref;
}

/*
 * Puts `left` and `right`, which begins at `bound`, in the place of the set at
 * the end of the way: into the inner block above, which is replaced and, when full,
 * cut itself. The blocks replaced go to limbo at the end, when nothing can fail any more.
 */
static bool split_link(const struct store_set_env *env, struct way *way, struct made *made,
                       store_ref left, store_ref right, store_ref bound)
{
    store_ref replaced[STORE_SET_LEVELS_MAX + 1];
    uint32_t replaced_count = 0;
    uint32_t level = way->depth;
    while (level > 0 && right != 0) {
        level--;
        const struct store_inner *inner = inner_at(env->arena, *way->word[level]);
        struct store_inner_entry entries[STORE_INNER_MAX + 1];
        uint32_t count = inner_count(inner);
        uint32_t at = way->index[level];
        memcpy(entries, inner->entry, (at + 1) * sizeof entries[0]);
        memcpy(&entries[at + 2], &inner->entry[at + 1], (count - at - 1) * sizeof entries[0]);
        atomic_init(&entries[at].set, left);
        atomic_init(&entries[at + 1].set, right);
        entries[at + 1].from = bound;
        count++;
        replaced[replaced_count++] = *way->word[level];
        uint32_t half = count <= STORE_INNER_MAX ? count : count / 2;
        left = made_inner(env, made, entries, half);
        right = 0;
        if (half != count) {
            bound = entries[half].from;
            entries[half].from = 0;
            right = made_inner(env, made, &entries[half], count - half);
        }
        if (made->failed)
            return false;
    }
    if (right != 0) {
        struct store_inner_entry entries[2];
        atomic_init(&entries[0].set, left);
        atomic_init(&entries[1].set, right);
        entries[0].from = 0;
        entries[1].from = bound;
        left = made_inner(env, made, entries, 2);
        if (left == 0)
            return false;
    }
    store_set_ref(way->word[level], left);
    for (uint32_t i = 0; i < replaced_count; i++)
        inner_retire(env, replaced[i]);
    return true;
}

/* Cuts a full array and adds the child to its half. */
static bool array_split(const struct store_set_env *env, struct way *way, store_ref child)
{
    store_ref old = *way->word[way->depth];
    const struct store_array *array = array_at(env->arena, old);
    store_ref children[STORE_BLOCK_UNITS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < store_array_count(array); i++) {
        if (child_at(array, i) != 0)
            children[count++] = child_at(array, i);
    }
    children[count++] = child;
    qsort_r(children, count, sizeof children[0], compare_refs, env->arena);
    uint32_t cut = cut_find(env->arena, children, count);
    struct made made = {.count = 0};
    if (cut == 0) {
        store_ref grown = array_of(env, children, count);
        if (grown == 0)
            return false;
        store_set_ref(way->word[way->depth], grown);
        array_retire(env, old);
        return true;
    }
    store_ref left = array_of(env, children, cut);
    if (left != 0)
        made_add(&made, left, array_units(array_at(env->arena, left)->cap));
    store_ref right = array_of(env, children + cut, count - cut);
    if (right != 0)
        made_add(&made, right, array_units(array_at(env->arena, right)->cap));
    struct cdx_bytes text = segment_of(env->arena, children[cut]);
    store_ref bound = made_add(&made, bound_new(env, text), bound_units((uint32_t)text.len));
    if (left != 0 && right != 0 && bound != 0 && split_link(env, way, &made, left, right, bound)) {
        array_retire(env, old);
        return true;
    }
    while (made.count-- > 0)
        store_arena_free(env->arena, made.block[made.count], made.units[made.count]);
    return false;
}

bool store_set_add(const struct store_set_env *env, _Atomic uint32_t *set, store_ref child)
{
    if (*set == 0) {
        store_ref ref = array_new(env, cap_next(0));
        if (ref == 0)
            return false;
        array_push(array_at(env->arena, ref), child);
        store_set_ref(set, ref);
        return true;
    }
    struct way way = {.depth = 0, .word = {set}};
    if (is_inner(env->arena, *set))
        way_find(env->arena, set, segment_of(env->arena, child), &way);
    store_ref ref = *way.word[way.depth];
    struct store_array *array = array_at(env->arena, ref);
    uint32_t count = store_array_count(array);
    if (count < array->cap) {
        array_push(array, child);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (child_at(array, i) == 0) {
            store_set_ref(&array->child[i], child);
            return true;
        }
    }
    if (array->cap >= STORE_ARRAY_MAX)
        return array_split(env, &way, child);
    store_ref grown = array_grown(env, array, cap_next(array->cap), child);
    if (grown == 0)
        return false;
    store_set_ref(way.word[way.depth], grown);
    array_retire(env, ref);
    return true;
}

/* ---- remove, replace ---- */

static uint32_t slot_of(const struct store_array *array, store_ref child)
{
    for (uint32_t i = 0; i < store_array_count(array); i++) {
        if (child_at(array, i) == child)
            return i;
    }
    abort(); /* the child is not in: a bug of ours */
}

static bool array_is_empty(const struct store_array *array)
{
    for (uint32_t i = 0; i < store_array_count(array); i++) {
        if (child_at(array, i) != 0)
            return false;
    }
    return true;
}

/* A copy of an inner block without the entry at `at`; 0: no memory. `*bound`: the one that goes. */
static store_ref inner_without(const struct store_set_env *env, const struct store_inner *inner,
                               uint32_t at, store_ref *bound)
{
    uint32_t count = inner_count(inner) - 1;
    store_ref ref = store_arena_get(env->arena, inner_units(count));
    if (ref == 0)
        return 0;
    struct store_inner *copy = inner_at(env->arena, ref);
    copy->count = count | STORE_INNER;
    memcpy(copy->entry, inner->entry, at * sizeof inner->entry[0]);
    memcpy(&copy->entry[at], &inner->entry[at + 1], (count - at) * sizeof inner->entry[0]);
    *bound = inner->entry[at == 0 ? 1 : at].from;
    copy->entry[0].from = 0;
    return ref;
}

/*
 * Takes the empty array at the end of the way out of the inner block above, and
 * that one out of the next when it was its last. Without memory the array stays, empty.
 */
static void array_unlink(const struct store_set_env *env, struct way *way)
{
    uint32_t level = way->depth;
    while (level > 0 && inner_count(inner_at(env->arena, *way->word[level - 1])) == 1)
        level--;
    store_ref top = *way->word[level];
    if (level > 0) {
        store_ref replaced = *way->word[level - 1];
        store_ref bound;
        store_ref shorter =
            inner_without(env, inner_at(env->arena, replaced), way->index[level - 1], &bound);
        if (shorter == 0)
            return;
        store_set_ref(way->word[level - 1], shorter);
        inner_retire(env, replaced);
        bound_retire(env, bound);
    } else {
        store_set_ref(way->word[0], 0);
    }
    while (is_inner(env->arena, top)) {
        store_ref below = inner_at(env->arena, top)->entry[0].set;
        inner_retire(env, top);
        top = below;
    }
    array_retire(env, top);
}

static uint32_t array_live(const struct store_array *array)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < store_array_count(array); i++)
        live += child_at(array, i) != 0;
    return live;
}

/* Adds an array's children, as far as there are any, to `children`. Returns how many there are. */
static uint32_t array_collect(const struct store_array *array, store_ref *children, uint32_t count)
{
    for (uint32_t i = 0; i < store_array_count(array); i++) {
        if (child_at(array, i) != 0)
            children[count++] = child_at(array, i);
    }
    return count;
}

/*
 * Puts one array in the place of that at the end of the way and of its neighbour, if both
 * have few children. False: they have not, or there is no neighbour or no memory.
 */
static bool array_merge(const struct store_set_env *env, struct way *way)
{
    if (way->depth == 0)
        return false;
    store_ref above = *way->word[way->depth - 1];
    const struct store_inner *inner = inner_at(env->arena, above);
    uint32_t low = way->index[way->depth - 1];
    if (low + 1 == inner_count(inner)) {
        if (low == 0)
            return false;
        low--;
    }
    store_ref pair[2] = {inner->entry[low].set, inner->entry[low + 1].set};
    if (is_inner(env->arena, pair[0]) || is_inner(env->arena, pair[1]))
        return false;
    const struct store_array *arrays[2] = {array_at(env->arena, pair[0]),
                                           array_at(env->arena, pair[1])};
    if (array_live(arrays[0]) + array_live(arrays[1]) > STORE_ARRAY_MAX / 2)
        return false;
    store_ref children[STORE_ARRAY_MAX];
    uint32_t count = array_collect(arrays[0], children, 0);
    count = array_collect(arrays[1], children, count);
    store_ref merged = array_of(env, children, count);
    if (merged == 0)
        return false;
    store_ref bound;
    store_ref shorter = inner_without(env, inner, low + 1, &bound);
    if (shorter == 0) {
        store_arena_free(env->arena, merged, array_units(array_at(env->arena, merged)->cap));
        return false;
    }
    store_set_ref(&inner_at(env->arena, shorter)->entry[low].set, merged);
    store_set_ref(way->word[way->depth - 1], shorter);
    inner_retire(env, above);
    bound_retire(env, bound);
    array_retire(env, pair[0]);
    array_retire(env, pair[1]);
    return true;
}

/* Gives an array that is mostly holes less room, or its children to a neighbour, as memory allows.
 */
static void array_shrink(const struct store_set_env *env, struct way *way)
{
    store_ref ref = *way->word[way->depth];
    const struct store_array *array = array_at(env->arena, ref);
    uint32_t live = array_live(array);
    store_ref children[STORE_ARRAY_MAX];
    if (array->cap <= ARRAY_SMALL || live > array->cap / 4 || live > STORE_ARRAY_MAX ||
        array_merge(env, way))
        return;
    store_ref smaller = array_of(env, children, array_collect(array, children, 0));
    if (smaller == 0)
        return;
    store_set_ref(way->word[way->depth], smaller);
    array_retire(env, ref);
}

void store_set_remove(const struct store_set_env *env, _Atomic uint32_t *set, store_ref child)
{
    struct way way;
    way_find(env->arena, set, segment_of(env->arena, child), &way);
    struct store_array *array = array_at(env->arena, *way.word[way.depth]);
    store_set_ref(&array->child[slot_of(array, child)], 0);
    if (array_is_empty(array))
        array_unlink(env, &way);
    else
        array_shrink(env, &way);
}

void store_set_replace(const struct store_set_env *env, _Atomic uint32_t *set, store_ref old,
                       store_ref child)
{
    struct way way;
    way_find(env->arena, set, segment_of(env->arena, old), &way);
    struct store_array *array = array_at(env->arena, *way.word[way.depth]);
    store_set_ref(&array->child[slot_of(array, old)], child);
}

/* ---- pop ---- */

/* Takes a child out of the array; 0: none is left. */
static store_ref array_pop(struct store_array *array)
{
    uint32_t count = store_array_count(array);
    store_ref child = 0;
    while (count != 0 && child == 0)
        child = child_at(array, --count);
    atomic_store_explicit(&array->count, count, memory_order_relaxed);
    return child;
}

/* The last entry of an inner block that still has a set; NULL: none has. */
static _Atomic uint32_t *inner_last(struct store_inner *inner)
{
    for (uint32_t i = inner_count(inner); i-- > 0;) {
        if (inner->entry[i].set != 0)
            return &inner->entry[i].set;
    }
    return NULL;
}

static void inner_retire_all(const struct store_set_env *env, store_ref ref)
{
    const struct store_inner *inner = inner_at(env->arena, ref);
    for (uint32_t i = 0; i < inner_count(inner); i++) {
        if (inner->entry[i].from != 0)
            bound_retire(env, inner->entry[i].from);
    }
    inner_retire(env, ref);
}

store_ref store_set_pop(const struct store_set_env *env, _Atomic uint32_t *set)
{
    while (*set != 0) {
        _Atomic uint32_t *word = set;
        _Atomic uint32_t *last = word;
        while (is_inner(env->arena, *word) &&
               (last = inner_last(inner_at(env->arena, *word))) != NULL)
            word = last;
        if (last == NULL) {
            inner_retire_all(env, *word);
        } else {
            store_ref child = array_pop(array_at(env->arena, *word));
            if (child != 0)
                return child;
            array_retire(env, *word);
        }
        *word = 0;
    }
    return 0;
}

/* ---- move ---- */

/* A copy of a block elsewhere; 0: it need not move, or there is no memory. */
static store_ref block_moved(const struct store_set_env *env, store_ref ref, uint32_t units)
{
    if (!store_arena_condemned(env->arena, ref))
        return 0;
    store_ref copy = store_arena_get(env->arena, units);
    if (copy != 0)
        memcpy(store_arena_at(env->arena, copy), store_arena_at(env->arena, ref),
               (size_t)units * STORE_UNIT_NBYTES);
    return copy;
}

/* Moves the block that a word refers to. */
static void word_move(const struct store_set_env *env, _Atomic uint32_t *word, uint32_t units)
{
    store_ref old = *word;
    store_ref copy = block_moved(env, old, units);
    if (copy == 0)
        return;
    store_set_ref(word, copy);
    store_limbo_block(env->limbo, old, units);
}

void store_set_move(const struct store_set_env *env, _Atomic uint32_t *set,
                    struct cdx_bytes segment)
{
    _Atomic uint32_t *word = set;
    while (is_inner(env->arena, *word)) {
        word_move(env, word, inner_units(inner_count(inner_at(env->arena, *word))));
        struct store_inner *inner = inner_at(env->arena, *word);
        uint32_t i = inner_find(env->arena, inner, segment);
        if (i != 0)
            word_move(
                env, &inner->entry[i].from,
                bound_units((uint32_t)store_bound_text(env->arena, inner->entry[i].from).len));
        word = &inner->entry[i].set;
    }
    word_move(env, word, array_units(array_at(env->arena, *word)->cap));
}

/* ---- inspection ---- */

bool store_set_each(const struct store_arena *arena, store_ref set,
                    bool (*visit)(void *arg, store_ref child), void *arg)
{
    struct cdx_bytes from = cdx_empty();
    store_ref upper = set;
    while (upper != 0) {
        const struct store_array *array = array_at(arena, store_set_seek(arena, set, from, &upper));
        for (uint32_t i = 0; i < store_array_count(array); i++) {
            if (child_at(array, i) != 0 && !visit(arg, child_at(array, i)))
                return false;
        }
        if (upper != 0)
            from = store_bound_text(arena, upper);
    }
    return true;
}

static const char *check_array(const struct store_arena *arena, const struct store_array *array,
                               store_ref from, store_ref upper)
{
    if (store_array_count(array) > array->cap)
        return "set: an array has more children than room";
    for (uint32_t i = 0; i < store_array_count(array); i++) {
        if (child_at(array, i) == 0)
            continue;
        struct cdx_bytes segment = segment_of(arena, child_at(array, i));
        if (from != 0 && store_segment_compare(segment, store_bound_text(arena, from)) < 0)
            return "set: a child is below its array's bound";
        if (upper != 0 && store_segment_compare(segment, store_bound_text(arena, upper)) >= 0)
            return "set: a child is above its array's bound";
    }
    return NULL;
}

/* Depth is the number of levels, so the recursion is bounded. */
static const char *check_set(const struct store_arena *arena, store_ref set, store_ref from,
                             store_ref upper, unsigned levels, uint64_t *units)
{
    if (levels > STORE_SET_LEVELS_MAX)
        return "set: too many levels";
    if (!is_inner(arena, set)) {
        *units += array_units(array_at(arena, set)->cap);
        return check_array(arena, array_at(arena, set), from, upper);
    }
    const struct store_inner *inner = inner_at(arena, set);
    uint32_t count = inner_count(inner);
    *units += inner_units(count);
    if (count == 0 || count > STORE_INNER_MAX || inner->entry[0].from != 0)
        return "set: an inner block is out of bounds";
    for (uint32_t i = 0; i < count; i++) {
        store_ref low = i == 0 ? from : inner->entry[i].from;
        store_ref high = i + 1 < count ? inner->entry[i + 1].from : upper;
        if (i != 0)
            *units += bound_units((uint32_t)store_bound_text(arena, low).len);
        if (low != 0 && high != 0 &&
            store_segment_compare(store_bound_text(arena, low), store_bound_text(arena, high)) >= 0)
            return "set: bounds are out of order";
        const char *broken = check_set(arena, inner->entry[i].set, low, high, levels + 1, units);
        if (broken != NULL)
            return broken;
    }
    return NULL;
}

const char *store_set_check(const struct store_arena *arena, store_ref set, uint64_t *units)
{
    return set != 0 ? check_set(arena, set, 0, 0, 0, units) : NULL;
}
