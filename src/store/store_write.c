/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes: put, touch, delete, drop, batch.
 *
 * A write makes its changes with the revision behind the last one; they become
 * visible when the section's end publishes it. A drop does not look at what it
 * removes: it gives the subtree an end.
 */
#include "store_write.h"

#include <caudex/heap.h>

#include <assert.h>

/* ---- the memory limit ---- */

uint64_t store_used_nbytes(const struct store *store)
{
    return store_arena_live_nbytes(&store->arena) + store->pages.used_nbytes +
           store->limbo.heap_nbytes + store->limbo.bags_nbytes + store->reclaim.nbytes;
}

bool store_has_room(struct store *store, uint64_t wanted)
{
    uint64_t max = store->memory_max_nbytes;
    if (max == 0 || store_used_nbytes(store) + wanted <= max)
        return true;
    if (!store->evict || wanted > max)
        return false;
    /* What one write cannot make up for the next ones do: the index grows by leaps. */
    return store_evict(store, max - wanted, STORE_EVICT_STEPS) ||
           store_used_lastingly(store) <= max + max / STORE_EVICT_SLACK;
}

/* ---- put, touch, delete ---- */

/* The value that readers of what is written so far see at the place; NULL: not stored. */
static const struct store_node *value_now(const struct store *store,
                                          const struct store_place *place)
{
    store_ref ref = store_place_node(place);
    return ref != 0 ? store_value_at(store, store_at(store, ref), &place->view) : NULL;
}

enum store_status store_write_put(struct store *store, struct store_stage *stage,
                                  struct cdx_bytes key, struct cdx_bytes value,
                                  const struct store_put_options *options, uint64_t *revision)
{
    static const struct store_put_options none;
    if (options == NULL)
        options = &none;
    if (key.len > STORE_KEY_NBYTES_MAX || value.len > STORE_VALUE_NBYTES_MAX)
        return STORE_TOO_LONG;
    if (!store_reclaim_reserve(store))
        return STORE_NO_MEMORY;
    struct store_place place;
    store_place_find(store, key, stage, &place);
    const struct store_node *present = value_now(store, &place);
    if (options->expected != NULL) {
        uint64_t is = present != NULL ? store_record_revision(store_record_of(present)) : 0;
        if (*options->expected != is) {
            *revision = is;
            return STORE_CONFLICT;
        }
    }
    struct store_content content = {value, options->mark, options->expires_ms};
    if (options->keep_expiry)
        content.expires_ms = present != NULL && store_node_kind(present) == STORE_RECORD
                                 ? store_record_expires(present)
                                 : 0;
    if (!store_change_put(store, &place, &content, store->revision + 1))
        return STORE_NO_MEMORY;
    *revision = ++store->revision;
    return STORE_OK;
}

enum store_status store_put_with(struct store *store, struct cdx_bytes key, struct cdx_bytes value,
                                 const struct store_put_options *options, uint64_t *revision)
{
    if (!store_has_room(store, store_put_cost(key, value)))
        return STORE_FULL;
    return store_write_put(store, NULL, key, value, options, revision);
}

enum store_status store_put(struct store *store, struct cdx_bytes key, struct cdx_bytes value,
                            const uint64_t *expected, uint64_t *revision)
{
    const struct store_put_options options = {.expected = expected};
    return store_put_with(store, key, value, &options, revision);
}

enum store_status store_peek(struct store *store, struct cdx_bytes key, struct store_entry *entry)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_view view = store_writer_view(store);
    store_ref ref = key.len != 0 ? store_find_hashed(store, store_hash_of(&store->keys, key),
                                                     key.data, key.len, &view)
                                 : store_find_root(store, &view);
    const struct store_node *value =
        ref != 0 ? store_value_at(store, store_at(store, ref), &view) : NULL;
    if (value == NULL)
        return STORE_NOT_FOUND;
    store_entry_of(value, key, entry);
    return STORE_OK;
}

enum store_status store_touch(struct store *store, struct cdx_bytes key, uint64_t expires_ms)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_place place;
    store_place_find(store, key, NULL, &place);
    if (value_now(store, &place) == NULL)
        return STORE_NOT_FOUND;
    if (!store_reclaim_reserve(store) || !store_change_expiry(store, &place, expires_ms))
        return STORE_NO_MEMORY;
    return STORE_OK;
}

static enum store_status delete_expected(struct store *store, struct cdx_bytes key,
                                         const uint64_t *expected, uint64_t *revision)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_place place;
    store_place_find(store, key, NULL, &place);
    const struct store_node *present = value_now(store, &place);
    uint64_t is = present != NULL ? store_record_revision(store_record_of(present)) : 0;
    if (expected != NULL && *expected != is) {
        *revision = is;
        return STORE_CONFLICT;
    }
    if (present == NULL)
        return STORE_NOT_FOUND;
    if (!store_reclaim_reserve(store) || !store_change_remove(store, &place, store->revision + 1))
        return STORE_NO_MEMORY;
    *revision = ++store->revision;
    return STORE_OK;
}

enum store_status store_delete(struct store *store, struct cdx_bytes key, uint64_t *revision)
{
    return delete_expected(store, key, NULL, revision);
}

/* Finds the place of a stored node, in `stage` or the store; its key is written to `key`. False: it
 * is no part of that any more. */
static bool place_of_node(struct store *store, store_ref ref, struct store_stage *stage,
                          uint8_t key[static STORE_KEY_NBYTES_MAX], struct store_place *place)
{
    size_t nbytes;
    (void)store_key_of(store, ref, key, &nbytes);
    store_place_find(store, cdx_bytes_of(key, nbytes), stage, place);
    return store_place_node(place) == ref && store_is_counted(store, store_at(store, ref));
}

bool store_write_evict(struct store *store, store_ref ref)
{
    store_counts_open(store);
    uint8_t key[STORE_KEY_NBYTES_MAX];
    struct store_place place;
    if (store_stage_of(store, ref) != NULL || !place_of_node(store, ref, NULL, key, &place))
        return false;
    store_change_evict(store, &place);
    return true;
}

enum store_removal store_write_remove(struct store *store, store_ref ref)
{
    store_counts_open(store);
    struct store_stage *stage = store_stage_of(store, ref);
    uint8_t key[STORE_KEY_NBYTES_MAX];
    struct store_place place;
    if ((stage != NULL && stage->number == 0) || !place_of_node(store, ref, stage, key, &place))
        return STORE_REMOVAL_ABSENT;
    if (!store_reclaim_reserve(store) || !store_change_remove(store, &place, store->revision + 1))
        return STORE_REMOVAL_NO_MEMORY;
    store->revision++;
    return STORE_REMOVAL_DONE;
}

/* ---- what was done, to undo it ---- */

enum step_kind {
    STEP_VALUE, /* a key got or lost its value */
    STEP_END,   /* a fork's subtree ended */
    STEP_ROOT,  /* a root took another's place */
};

struct step {
    enum step_kind kind;
    store_ref ref;          /* the fork; the old root */
    struct cdx_bytes key;   /* the value's */
    uint64_t relative_keys; /* the store's, before */
};

struct journal {
    struct step *steps;
    size_t count;
    size_t cap;
};

/* Room for one more step. False: no memory. */
static bool journal_reserve(struct journal *journal)
{
    if (journal->count < journal->cap)
        return true;
    size_t cap = journal->cap != 0 ? journal->cap * 2 : 8;
    struct step *grown = cdx_realloc(journal->steps, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    journal->steps = grown;
    journal->cap = cap;
    return true;
}

static void journal_add(struct store *store, struct journal *journal, enum step_kind kind,
                        store_ref ref, struct cdx_bytes key)
{
    journal->steps[journal->count++] =
        (struct step){.kind = kind, .ref = ref, .key = key, .relative_keys = store->relative_keys};
}

/* Takes a root back that replaced another; nothing is in it any more. */
static void root_undo(struct store *store, store_ref old)
{
    store_ref root = store->root;
    store_set_ref(&store->root, old);
    store_gates_take(store);
    store_block_retire(store, store_fork_of(store_at(store, root))->version, false);
    if (store_node_is(store_at(store, root), STORE_QUEUED))
        store_node_mark(store_at(store, root), STORE_REMOVED);
    else
        store_block_retire(store, root, false);
}

static void step_undo(struct store *store, const struct step *step)
{
    struct store_place place;
    switch (step->kind) {
    case STEP_VALUE:
        store_place_find(store, step->key, NULL, &place);
        assert(store_place_node(&place) != 0);
        store_change_undo(store, &place);
        break;
    case STEP_END:
        store_change_unend(store, step->ref);
        store->relative_keys = step->relative_keys;
        break;
    case STEP_ROOT:
        root_undo(store, step->ref);
        break;
    }
}

static void journal_undo(struct store *store, struct journal *journal)
{
    while (journal->count != 0)
        step_undo(store, &journal->steps[--journal->count]);
}

/* ---- drop ---- */

/* The node that decides for the subtree of a pass: the first below it that is none. */
static store_ref skip_passes(const struct store *store, store_ref ref)
{
    while (store_node_kind(store_at(store, ref)) == STORE_PASS)
        ref = store_pass_of(store_at(store, ref))->child;
    return ref;
}

/* Ends the subtree of a node that is no root. False: no memory. */
static bool end_node(struct store *store, store_ref ref, bool relative, struct journal *journal)
{
    if (!store_reclaim_reserve(store) || !journal_reserve(journal))
        return false;
    store_ref fork = store_change_fork(store, skip_passes(store, ref));
    if (fork == 0)
        return false;
    store_ref end = store_record_new(store, STORE_RECORD_END, store->revision + 1);
    if (end == 0)
        return false;
    journal_add(store, journal, STEP_END, fork, cdx_empty());
    if (relative)
        store->relative_keys -= store_keys_at(store, fork);
    store_change_end(store, fork, end, store->revision + 1);
    return true;
}

/* Ends the root's subtree; an empty root takes its place. False: no memory. */
static bool end_root(struct store *store, struct journal *journal)
{
    store_ref old = store->root;
    if (!store_reclaim_reserve(store) || !journal_reserve(journal))
        return false;
    store_ref begin = store_record_new(store, STORE_RECORD_BEGIN, store->revision + 1);
    if (begin == 0)
        return false;
    store_ref end = store_record_new(store, STORE_RECORD_END, store->revision + 1);
    if (end == 0)
        goto err_after_begin;
    store_ref root = store_fork_new(store, cdx_empty(), (uint32_t)STORE_GATED | STORE_ROOT, old);
    if (root == 0)
        goto err_after_end;
    journal_add(store, journal, STEP_END, old, cdx_empty());
    store->relative_keys = 0;
    store_change_end(store, old, end, store->revision + 1);
    store_root_replace(store, root, begin);
    if (!journal_reserve(journal)) {
        root_undo(store, old);
        return false;
    }
    journal_add(store, journal, STEP_ROOT, old, cdx_empty());
    return true;

err_after_end:
    store_block_free(store, end);
err_after_begin:
    store_block_free(store, begin);
    return false;
}

void store_root_replace(struct store *store, store_ref root, store_ref begin)
{
    struct store_fork *fork = store_fork_of(store_at(store, root));
    store_gates_add(store);
    atomic_store_explicit(&store_at(store, begin)->link, fork->version, memory_order_relaxed);
    store_set_ref(&fork->version, begin);
    store_set_ref(&store->root, root);
    /* Once everybody sees it, its begin goes: lookups are faster without. */
    store_reclaim_versions(store, root);
}

/* Takes a key's value away. False: no memory. */
static bool remove_value(struct store *store, struct store_place *place, struct journal *journal)
{
    if (!store_reclaim_reserve(store) || !journal_reserve(journal) ||
        !store_change_remove(store, place, store->revision + 1))
        return false;
    journal_add(store, journal, STEP_VALUE, 0, place->path.key);
    return true;
}

/* The subtree of a key that does not end in '/': the node of the key and all below it. */
static bool drop_whole(struct store *store, struct store_place *place, struct journal *journal)
{
    const struct store_node *node = store_at(store, place->ref);
    if (store_node_is(node, STORE_ROOT))
        return end_root(store, journal);
    if (store_node_kind(node) == STORE_LEAF ||
        (store_node_kind(node) == STORE_FORK && store_fork_of(node)->children == 0))
        return remove_value(store, place, journal); /* leaves nothing to take apart */
    return end_node(store, place->ref, store_is_relative(place->path.key), journal);
}

/* A walk over the root's children that ends the absolute ones. */
struct absolute_walk {
    struct store *store;
    struct journal *journal;
    store_ref *refs;
    size_t count;
    size_t cap;
    bool failed;
};

static bool absolute_collect(void *arg, store_ref child)
{
    struct absolute_walk *walk = arg;
    if (store_node_segment(store_at(walk->store, child)).data[0] != '/' ||
        store_keys_at(walk->store, child) == 0)
        return true;
    if (walk->count == walk->cap) {
        size_t cap = walk->cap != 0 ? walk->cap * 2 : 64;
        store_ref *grown = cdx_realloc(walk->refs, cap * sizeof *grown);
        if (grown == NULL) {
            walk->failed = true;
            return false;
        }
        walk->refs = grown;
        walk->cap = cap;
    }
    walk->refs[walk->count++] = child;
    return true;
}

/* All absolute keys, where there are relative ones too: name by name. False: no memory. */
static bool drop_absolute(struct store *store, struct journal *journal)
{
    struct absolute_walk walk = {.store = store, .journal = journal};
    const struct store_fork *root = store_fork_of(store_at(store, store->root));
    (void)store_set_each(&store->arena, root->children, absolute_collect, &walk);
    for (size_t i = 0; i < walk.count && !walk.failed; i++)
        walk.failed = !end_node(store, walk.refs[i], false, journal);
    cdx_free(walk.refs);
    return !walk.failed;
}

/* All below a key's node, not at it: its own value is stored again, behind the end. */
static bool drop_below(struct store *store, struct store_place *place, struct journal *journal)
{
    struct cdx_bytes key = place->path.key;
    const struct store_node *node = store_at(store, place->ref);
    if (store_node_is(node, STORE_ROOT) && store->relative_keys != 0)
        return drop_absolute(store, journal);
    const struct store_node *value = value_now(store, place);
    if (store_node_kind(node) == STORE_LEAF)
        return true;
    struct store_content kept = {.mark = 0};
    if (value != NULL) {
        /* Stays readable: what the end replaces waits for a grace period at least. */
        kept.value = store_node_value(value);
        kept.mark = store_node_value_mark(value);
        kept.expires_ms = store_record_expires(value);
    }
    bool ended = store_node_is(node, STORE_ROOT)
                     ? end_root(store, journal)
                     : end_node(store, place->ref, store_is_relative(key), journal);
    if (!ended || value == NULL)
        return ended;
    struct store_place again;
    store_place_find(store, key, NULL, &again);
    if (!store_reclaim_reserve(store) || !journal_reserve(journal) ||
        !store_change_put(store, &again, &kept, store->revision + 1))
        return false;
    journal_add(store, journal, STEP_VALUE, 0, key);
    return true;
}

/* Drops without publishing a revision; `*keys` is what was counted. False: no memory, undone in
 * part. */
static bool drop(struct store *store, struct cdx_bytes key, struct journal *journal, uint64_t *keys)
{
    *keys = 0;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return true;
    bool slash = store_ends_in_slash(key);
    struct store_place place;
    store_place_find(store, slash ? store_prefix(key, key.len - 1) : key, NULL, &place);
    if (place.end != place.path.key.len)
        return true;
    if (!store_change_expand(store, &place))
        return false;
    *keys = slash ? store_keys_below(store, place.ref, store->relative_keys)
                  : store_keys_at(store, place.ref);
    if (*keys == 0)
        return true;
    return slash ? drop_below(store, &place, journal) : drop_whole(store, &place, journal);
}

enum store_status store_drop(struct store *store, struct cdx_bytes key, uint64_t *keys,
                             uint64_t *revision)
{
    struct journal journal = {NULL, 0, 0};
    uint64_t dropped;
    enum store_status status = STORE_OK;
    if (drop(store, key, &journal, &dropped)) {
        if (dropped != 0)
            store->revision++;
        *keys = dropped;
        *revision = store->revision;
    } else {
        journal_undo(store, &journal);
        status = STORE_NO_MEMORY;
    }
    cdx_free(journal.steps);
    return status;
}

/* ---- batch ---- */

/* The present revision of a key; 0: not stored. */
static uint64_t revision_now(struct store *store, struct cdx_bytes key)
{
    struct store_place place;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return 0;
    store_place_find(store, key, NULL, &place);
    const struct store_node *value = value_now(store, &place);
    return value != NULL ? store_record_revision(store_record_of(value)) : 0;
}

static enum store_status op_run(struct store *store, const struct store_op *op,
                                struct journal *journal, uint64_t *revision)
{
    enum store_status status = STORE_NO_MEMORY;
    uint64_t keys;
    if (!journal_reserve(journal))
        return STORE_NO_MEMORY;
    switch (op->kind) {
    case STORE_OP_PUT:
        status = store_write_put(store, NULL, op->key, op->value, &op->options, revision);
        if (status == STORE_OK)
            journal_add(store, journal, STEP_VALUE, 0, op->key);
        return status;
    case STORE_OP_DELETE:
        status = delete_expected(store, op->key, op->options.expected, revision);
        if (status == STORE_OK)
            journal_add(store, journal, STEP_VALUE, 0, op->key);
        return status == STORE_NOT_FOUND ? STORE_OK : status;
    case STORE_OP_DROP:
        if (!drop(store, op->key, journal, &keys))
            return STORE_NO_MEMORY;
        store->revision += keys != 0;
        return STORE_OK;
    }
    return status;
}

enum store_status store_batch(struct store *store, const struct store_op *ops, size_t count,
                              size_t *failed, uint64_t *revision)
{
    struct journal journal = {NULL, 0, 0};
    enum store_status status = STORE_OK;
    uint64_t wanted = 0;
    *failed = count;
    if (count > STORE_BATCH_OPS_MAX)
        return STORE_TOO_LONG;
    /* Once for all: what is evicted must not be among what is undone. */
    for (size_t i = 0; i < count; i++)
        wanted += ops[i].kind == STORE_OP_PUT ? store_put_cost(ops[i].key, ops[i].value) : 0;
    if (wanted != 0 && !store_has_room(store, wanted)) { /* what removes is never refused */
        *failed = 0;
        return STORE_FULL;
    }
    for (size_t i = 0; i < count && status == STORE_OK; i++) {
        status = op_run(store, &ops[i], &journal, revision);
        if (status != STORE_OK)
            *failed = i;
    }
    if (status == STORE_OK) {
        *revision = store->revision;
    } else {
        journal_undo(store, &journal);
        if (status == STORE_CONFLICT)
            *revision = revision_now(store, ops[*failed].key);
    }
    cdx_free(journal.steps);
    return status;
}
