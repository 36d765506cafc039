/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction.
 *
 * A hand goes over the index and moves each node that lies in a condemned span,
 * its value and the set it is in: a copy takes its place by a store of one reference
 * in each that knows it, and the old block goes to limbo. Roots, what
 * is dropped, staged or has old versions, and forks with very many children
 * stay; a span that keeps something is used again.
 */
#include "store_compact.h"
#include "store_write.h"

#include <assert.h>

/* ---- moving ---- */

/* A copy of a block; 0: no memory. */
static store_ref copy_of(struct store *store, store_ref ref)
{
    uint32_t units = store_head_units(store_head(store_at(store, ref)));
    store_ref copy = store_arena_get(&store->arena, units);
    if (copy != 0)
        memcpy(store_at(store, copy), store_at(store, ref), (size_t)units * STORE_UNIT_NBYTES);
    return copy;
}

struct children_walk {
    struct store *store;
    uint32_t count;
    store_ref parent; /* what they are told; 0: they are only counted */
};

static bool children_visit(void *arg, store_ref child)
{
    struct children_walk *walk = arg;
    if (walk->parent != 0)
        store_set_ref(&store_at(walk->store, child)->link, walk->parent);
    return ++walk->count <= STORE_COMPACT_CHILDREN_MAX;
}

static bool has_few_children(struct store *store, const struct store_fork *fork)
{
    struct children_walk walk = {.store = store};
    return store_set_each(&store->arena, fork->children, children_visit, &walk);
}

/* Moves the only version of a fork. */
static void version_move(struct store *store, struct store_fork *fork)
{
    store_ref old = fork->version;
    if (old == 0 || !store_arena_condemned(&store->arena, old) ||
        store_node_link(store_at(store, old)) != 0)
        return;
    store_ref copy = copy_of(store, old);
    if (copy == 0)
        return;
    bool timed = store_record_is_timed(store_at(store, old));
    if (timed)
        store_wheel_remove(&store->wheel, old);
    store_set_ref(&fork->version, copy);
    if (timed)
        store_wheel_add(&store->wheel, copy);
    store_block_retire(store, old, false);
}

/* Puts a leaf's copy where the index has the leaf. */
static void leaf_reindex(struct store *store, store_ref old, store_ref copy)
{
    uint8_t room[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    (void)store_key_of(store, old, room, &nbytes);
    struct cdx_bytes key = cdx_bytes_of(room, nbytes);
    size_t end = nbytes - store_node_label(store_at(store, old)).len;
    while (end < nbytes) {
        end = store_segment_end(key, end);
        store_index_replace(&store->index, store_hash_of(&store->keys, store_prefix(key, end)), old,
                            copy);
    }
}

/* Tells everything that knows a node where it is now. */
static void node_relink(struct store *store, store_ref old, store_ref copy, store_ref *slot)
{
    struct store_node *node = store_at(store, copy);
    struct store_node *parent = store_at(store, store_node_link(node));
    if (store_node_kind(node) == STORE_LEAF)
        leaf_reindex(store, old, copy);
    else
        __atomic_store_n(slot, copy, __ATOMIC_RELEASE);
    if (store_node_kind(parent) == STORE_PASS) {
        store_set_ref(&store_pass_of(parent)->child, copy);
    } else {
        struct store_set_env env = store_set_env(store);
        store_set_replace(&env, &store_fork_of(parent)->children, old, copy);
    }
    if (store_node_kind(node) == STORE_PASS)
        store_set_ref(&store_at(store, store_pass_of(node)->child)->link, copy);
    if (store_node_kind(node) != STORE_FORK)
        return;
    struct children_walk walk = {.store = store, .parent = copy};
    (void)store_set_each(&store->arena, store_fork_of(node)->children, children_visit, &walk);
    store_ref newest = store_fork_newest(store, node);
    if (newest != 0 && store_node_is(store_at(store, newest), STORE_RECORD_EXPIRES))
        store_expiring_of(store_at(store, newest))->fork = copy;
}

static void node_move(struct store *store, store_ref *slot)
{
    store_ref old = *slot;
    struct store_node *node = store_at(store, old);
    if (store_node_kind(node) == STORE_FORK) {
        if (store_node_is(node, (uint32_t)STORE_GATED | STORE_QUEUED | STORE_ROOT))
            return;
        version_move(store, store_fork_of(node));
    }
    if (!store_arena_condemned(&store->arena, old))
        return;
    if (store_node_kind(node) == STORE_FORK && !has_few_children(store, store_fork_of(node)))
        return;
    store_ref copy = copy_of(store, old);
    if (copy == 0)
        return;
    node_relink(store, old, copy, slot);
    store_block_retire(store, old, false);
}

/* Moves the blocks of the set that a node is in. */
static void set_move(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    struct store_node *parent = store_at(store, store_node_link(node));
    if (store_node_kind(parent) != STORE_FORK)
        return;
    struct store_set_env env = store_set_env(store);
    store_set_move(&env, &store_fork_of(parent)->children, store_node_segment(node));
}

/* Whether all is as it should be around a node: it is neither dropped nor staged. */
static bool is_live(const struct store *store, store_ref ref)
{
    const struct store_view view = store_writer_view(store);
    uint64_t ends = 0;
    for (;;) {
        const struct store_node *node = store_at(store, ref);
        if (store_node_is(node, STORE_GATED) && store_node_kind(node) == STORE_FORK &&
            !store_gate_open(store, node, &view, &ends))
            return false;
        if (store_node_is(node, STORE_ROOT) && store_node_kind(node) == STORE_FORK)
            return true;
        ref = store_node_link(node);
        if (ref == 0)
            return false;
    }
}

static void bucket_move(struct store *store, struct store_bucket *bucket)
{
    for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
        store_ref ref = bucket->ref[s];
        if (ref == 0 || !is_live(store, ref))
            continue;
        node_move(store, &bucket->ref[s]);
        set_move(store, bucket->ref[s]);
    }
}

/* ---- running ---- */

/* Forks with old versions, and blocks on their way to be freed: what does not move. */
static uint64_t waiting(const struct store *store)
{
    return store->reclaim.versions.count +
           (store->limbo.open != NULL || store->limbo.closed != NULL);
}

/*
 * Whether much memory is held for little: as much was freed since the last compaction began, or
 * most of what could not move then can now.
 */
static bool is_worth_while(const struct store *store)
{
    uint64_t live = store_arena_live_nbytes(&store->arena);
    uint64_t idle = store->arena.nbytes - live;
    const struct store_compaction *c = &store->compaction;
    bool freed = c->freed_nbytes > STORE_COMPACT_NBYTES_MIN;
    bool again = c->waiting != 0 && waiting(store) <= c->waiting / 2;
    return idle > STORE_COMPACT_NBYTES_MIN && idle > live / 3 && (freed || again) &&
           store->reclaim.drops.count == 0;
}

static void begin(struct store *store)
{
    struct store_compaction *c = &store->compaction;
    c->freed_nbytes = 0;
    c->waiting = waiting(store);
    c->running = store_arena_condemn(&store->arena, STORE_COMPACT_LIVE_PERCENT) != 0;
    c->moved = false;
    c->hand = (struct store_hand){0, 0};
}

bool store_compact_run(struct store *store, unsigned steps)
{
    struct store_compaction *c = &store->compaction;
    if (!c->running && is_worth_while(store))
        begin(store);
    if (!c->running)
        return false;
    while (!c->moved) {
        /* A bucket of nodes that all move costs as much as several steps elsewhere. */
        if (steps < STORE_BUCKET_SLOTS)
            return true;
        steps -= STORE_BUCKET_SLOTS;
        struct store_bucket *bucket = store_hand_next(store, &c->hand);
        if (bucket != NULL) {
            bucket_move(store, bucket);
            continue;
        }
        c->moved = true;
        /* What was moved last is in the bag that the next grace period closes. */
        c->round = store->limbo.started + 1;
    }
    if (store->limbo.rounds < c->round) {
        if (store->limbo.open == NULL && store_limbo_start(&store->limbo))
            store->reclaim.grace_revision = store->published;
        return false;
    }
    c->running = store_arena_release(&store->arena);
    return c->running || is_worth_while(store);
}
