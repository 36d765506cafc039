/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages.
 *
 * A staged subtree is a tree of its own, under a top without parent; its nodes
 * are in the index like all others, with the hashes of their final keys.
 * A lookup that meets one goes up to the top, whose begin is "never", and
 * looks on. To swap is to link the top in and give it, and the subtree that it
 * replaces, the same revision: the one as begin, the other as end.
 */
#include "store_write.h"

#include <caudex/heap.h>

#include <assert.h>

/* ---- which ---- */

/* Where a stage's number is; NULL: there is no such stage. */
static struct store_stage **slot_of(struct store *store, uint32_t number)
{
    for (size_t i = 0; i < STORE_STAGES_MAX; i++) {
        if (store->stages[i] != NULL && store->stages[i]->number == number && number != 0)
            return &store->stages[i];
    }
    return NULL;
}

struct store_stage *store_stage_of(struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    while (!store_node_is(node, STORE_ROOT) && store_node_link(node) != 0) {
        ref = store_node_link(node);
        node = store_at(store, ref);
    }
    return store_stage_with_top(store, ref);
}

static struct store_stage **slot_free(struct store *store)
{
    for (size_t i = 0; i < STORE_STAGES_MAX; i++) {
        if (store->stages[i] == NULL)
            return &store->stages[i];
    }
    return NULL;
}

static struct cdx_bytes stage_key(const struct store_stage *stage)
{
    return cdx_bytes_of(stage->key, stage->key_nbytes);
}

/* Whether `key` is in the subtree of `top`. */
static bool is_in(struct cdx_bytes top, struct cdx_bytes key)
{
    return store_is_prefix(top, key) &&
           (top.len == 0 || key.len == top.len || key.data[top.len] == '/');
}

static bool overlaps(const struct store *store, struct cdx_bytes key)
{
    for (size_t i = 0; i < STORE_STAGES_MAX; i++) {
        const struct store_stage *stage = store->stages[i];
        if (stage != NULL && (is_in(stage_key(stage), key) || is_in(key, stage_key(stage))))
            return true;
    }
    return false;
}

/* ---- open ---- */

/* The top of a stage: a fork that never begins; 0: no memory. */
static store_ref top_new(struct store *store, struct cdx_bytes key)
{
    store_ref begin = store_record_new(store, STORE_RECORD_BEGIN, STORE_REVISION_NEVER);
    if (begin == 0)
        return 0;
    size_t start = key.len != 0 ? store_segment_start(key, key.len) : 0;
    store_ref top =
        store_fork_new(store, cdx_bytes_of(key.data + start, key.len - start),
                       (uint32_t)STORE_GATED | (key.len == 0 ? (uint32_t)STORE_ROOT : 0u), 0);
    if (top == 0) {
        store_block_free(store, begin);
        return 0;
    }
    store_set_ref(&store_fork_of(store_at(store, top))->version, begin);
    return top;
}

enum store_status store_stage_open(struct store *store, struct cdx_bytes key, uint32_t *number)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_TOO_LONG;
    if (store_ends_in_slash(key))
        return STORE_OUTSIDE;
    struct store_stage **slot = slot_free(store);
    if (slot == NULL || overlaps(store, key))
        return STORE_BUSY;
    struct store_stage *stage = cdx_calloc(1, sizeof *stage);
    if (stage == NULL)
        return STORE_NO_MEMORY;
    stage->top = top_new(store, key);
    if (stage->top == 0) {
        cdx_free(stage);
        return STORE_NO_MEMORY;
    }
    if (key.len != 0)
        memcpy(stage->key, key.data, key.len);
    stage->key_nbytes = (uint16_t)key.len;
    if (++store->stage_last == 0)
        store->stage_last = 1;
    stage->number = store->stage_last;
    store_gates_add(store);
    store->reclaim.nbytes += sizeof *stage;
    *slot = stage;
    *number = stage->number;
    return STORE_OK;
}

/* ---- put ---- */

enum store_status store_stage_put(struct store *store, uint32_t number, struct cdx_bytes key,
                                  struct cdx_bytes value, const struct store_put_options *options,
                                  uint64_t *revision)
{
    struct store_stage **slot = slot_of(store, number);
    if (slot == NULL)
        return STORE_NOT_FOUND;
    if (key.len <= STORE_KEY_NBYTES_MAX && !is_in(stage_key(*slot), key))
        return STORE_OUTSIDE;
    if (!store_has_room(store, store_put_cost(key, value)))
        return STORE_FULL;
    return store_write_put(store, *slot, key, value, options, revision);
}

/* ---- swap ---- */

/* Links the top of a stage in, beside what it replaces. False: no memory. */
static bool top_link(struct store *store, struct store_stage *stage, struct store_place *place)
{
    const struct store_node *top = store_at(store, stage->top);
    bool answers = store_fork_newest(store, top) != 0 || store_node_is(top, STORE_SLASH_ANSWERS);
    if (store_place_node(place) != 0) {
        place->ref = store_node_link(store_at(store, place->ref));
        place->end = store_segment_start(place->path.key, place->path.key.len);
    }
    if (!store_change_attach(store, place, stage->top, answers))
        return false;
    store_change_count(store, store_node_link(top), store_fork_of(top)->keys);
    return true;
}

/* The record of a stage's top that says when it begins. */
static struct store_record *begin_of(struct store *store, const struct store_stage *stage)
{
    store_ref ref = store_fork_of(store_at(store, stage->top))->version;
    while (!store_node_is(store_at(store, ref), STORE_RECORD_BEGIN))
        ref = store_node_link(store_at(store, ref));
    return store_record_of(store_at(store, ref));
}

static void swap_root(struct store *store, struct store_stage *stage)
{
    store_ref old = store->root;
    store_set_ref(&store_at(store, stage->top)->link, old);
    store_change_end(store, old, stage->end, store->revision + 1);
    store_set_ref(&store->root, stage->top);
    store->relative_keys = stage->relative_keys;
}

/* Everything that can fail, and the swap. False: no memory. */
static bool swap(struct store *store, struct store_stage *stage, uint64_t *removed)
{
    struct store_place place;
    if (stage->end == 0)
        stage->end = store_record_new(store, STORE_RECORD_END, STORE_REVISION_NEVER);
    if (stage->end == 0 || !store_reclaim_reserve(store))
        return false;
    if (stage->key_nbytes == 0) {
        *removed = store_keys_at(store, store->root);
        swap_root(store, stage);
        stage->end = 0;
        return true;
    }
    store_place_find(store, stage_key(stage), NULL, &place);
    if (!store_change_expand(store, &place))
        return false;
    store_ref old = store_place_node(&place);
    *removed = 0;
    if (old != 0) {
        *removed = store_keys_at(store, old);
        old = store_change_fork(store, old);
        if (old == 0)
            return false;
        place.ref = old;
    }
    if (!top_link(store, stage, &place))
        return false;
    if (store_is_relative(stage_key(stage)))
        store->relative_keys += stage->relative_keys - *removed;
    if (old != 0) {
        store_change_end(store, old, stage->end, store->revision + 1);
        stage->end = 0;
    }
    return true;
}

static void stage_free(struct store *store, struct store_stage **slot)
{
    if ((*slot)->end != 0)
        store_block_free(store, (*slot)->end);
    store->reclaim.nbytes -= sizeof **slot;
    cdx_free(*slot);
    *slot = NULL;
}

enum store_status store_stage_swap(struct store *store, uint32_t number, uint64_t *added,
                                   uint64_t *removed, uint64_t *revision)
{
    struct store_stage **slot = slot_of(store, number);
    if (slot == NULL)
        return STORE_NOT_FOUND;
    struct store_stage *stage = *slot;
    if (!swap(store, stage, removed))
        return STORE_NO_MEMORY;
    *added = store_fork_of(store_at(store, stage->top))->keys;
    store_record_set_revision(begin_of(store, stage), store->revision + 1);
    /* Once everybody sees it, its begin goes: lookups are faster without. */
    store_reclaim_versions(store, stage->top);
    stage_free(store, slot);
    *revision = ++store->revision;
    return STORE_OK;
}

/* ---- drop ---- */

enum store_status store_stage_drop(struct store *store, uint32_t number)
{
    struct store_stage **slot = slot_of(store, number);
    if (slot == NULL)
        return STORE_NOT_FOUND;
    struct store_stage *stage = *slot;
    *slot = NULL;
    stage->number = 0;
    stage->next = store->stages_gone;
    store->stages_gone = stage;
    store_stage_queue(store);
    store->revision++;
    return STORE_OK;
}

void store_stage_queue(struct store *store)
{
    for (struct store_stage *stage = store->stages_gone; stage != NULL; stage = stage->next) {
        if (stage->queued || !store_reclaim_reserve(store))
            continue;
        stage->queued = true;
        store_reclaim_drop(store, stage->top);
    }
}
