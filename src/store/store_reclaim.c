/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking apart what no version shows any more.
 *
 * A step needs no memory: what it takes apart goes to limbo, which copes
 * without. An entry of a queue may outlive its fork's place in the tree, never
 * its block: a fork that is queued is marked, and whoever removes it leaves the block
 * to the queue.
 */
#include "store_reclaim.h"
#include "store_change.h"

#include <caudex/heap.h>

#include <assert.h>

/* ---- queues ---- */

#define CHUNK_ENTRIES 510u

struct queue_entry {
    uint64_t revision;
    store_ref ref; /* 0: undone */
};

struct store_queue_chunk {
    struct store_queue_chunk *next;
    uint32_t begin;
    uint32_t end;
    struct queue_entry entry[CHUNK_ENTRIES];
};

static bool queue_reserve(struct store_reclaim *reclaim, struct store_queue *queue)
{
    if (queue->last != NULL && queue->last->end < CHUNK_ENTRIES)
        return true;
    struct store_queue_chunk *chunk = cdx_malloc(sizeof *chunk);
    if (chunk == NULL)
        return false;
    chunk->next = NULL;
    chunk->begin = 0;
    chunk->end = 0;
    if (queue->last != NULL)
        queue->last->next = chunk;
    else
        queue->first = chunk;
    queue->last = chunk;
    reclaim->nbytes += sizeof *chunk;
    return true;
}

static void queue_push(struct store_queue *queue, store_ref ref, uint64_t revision)
{
    struct store_queue_chunk *chunk = queue->last;
    assert(chunk != NULL && chunk->end < CHUNK_ENTRIES);
    chunk->entry[chunk->end++] = (struct queue_entry){.revision = revision, .ref = ref};
    queue->count++;
}

/* The first entry; NULL: the queue is empty. Chunks that are used up are freed. */
static struct queue_entry *queue_front(struct store_reclaim *reclaim, struct store_queue *queue)
{
    struct store_queue_chunk *chunk = queue->first;
    while (chunk != NULL && chunk->begin == chunk->end && chunk != queue->last) {
        queue->first = chunk->next;
        reclaim->nbytes -= sizeof *chunk;
        cdx_free(chunk);
        chunk = queue->first;
    }
    return chunk != NULL && chunk->begin != chunk->end ? &chunk->entry[chunk->begin] : NULL;
}

static void queue_pop(struct store_queue *queue)
{
    struct store_queue_chunk *chunk = queue->first;
    chunk->begin++;
    queue->count--;
    if (chunk->begin == chunk->end && chunk == queue->last) {
        chunk->begin = 0;
        chunk->end = 0;
    }
}

static void queue_free(struct store_queue *queue)
{
    while (queue->first != NULL) {
        struct store_queue_chunk *next = queue->first->next;
        cdx_free(queue->first);
        queue->first = next;
    }
    queue->last = NULL;
}

bool store_reclaim_reserve(struct store *store)
{
    struct store_reclaim *reclaim = &store->reclaim;
    return queue_reserve(reclaim, &reclaim->versions) && queue_reserve(reclaim, &reclaim->drops);
}

void store_reclaim_versions(struct store *store, store_ref fork)
{
    if (store_node_is(store_at(store, fork), STORE_QUEUED))
        return;
    store_node_mark(store_at(store, fork), STORE_QUEUED);
    /* What is being written now has the next revision. */
    queue_push(&store->reclaim.versions, fork, store->revision + 1);
}

void store_reclaim_drop(struct store *store, store_ref top)
{
    queue_push(&store->reclaim.drops, top, store->revision + 1);
}

void store_reclaim_undrop(struct store *store, store_ref top)
{
    struct store_queue_chunk *chunk = store->reclaim.drops.last;
    assert(chunk->entry[chunk->end - 1].ref == top);
    (void)top;
    chunk->end--;
    store->reclaim.drops.count--;
}

/* ---- versions ---- */

uint64_t store_reclaim_horizon(struct store *store)
{
    uint64_t horizon = store->reclaim.safe_revision;
    pthread_mutex_lock(&store->lists_lock);
    for (const struct store_snapshot *s = store->snapshots; s != NULL; s = s->next)
        horizon = s->revision < horizon ? s->revision : horizon;
    pthread_mutex_unlock(&store->lists_lock);
    return horizon;
}

/*
 * Takes out of a fork's records all that lie behind the first one that everybody sees.
 * True: a begin is left that will be seen by everybody in time.
 */
static bool versions_trim(struct store *store, struct store_node *node, uint64_t horizon)
{
    bool seen = false;
    bool begins = false;
    _Atomic uint32_t *link = &store_fork_of(node)->version;
    while (*link != 0) {
        store_ref ref = *link;
        struct store_node *record = store_at(store, ref);
        uint64_t revision = store_record_revision(store_record_of(record));
        bool everybody = revision <= horizon;
        bool begin = store_node_is(record, STORE_RECORD_BEGIN);
        if (everybody && (begin || seen)) {
            store_set_ref(link, store_node_link(record));
            store_block_retire(store, ref, true);
            if (begin) {
                store_node_unmark(node, STORE_GATED);
                store_gates_take(store);
            }
            continue;
        }
        seen = seen || (everybody && !begin);
        begins = begins || (begin && revision != STORE_REVISION_NEVER);
        link = &record->link;
    }
    return begins;
}

/* Whether this is the top of a stage that was thrown away. */
static bool is_closed_stage(const struct store *store, store_ref top)
{
    const struct store_stage *stage = store_stage_with_top(store, top);
    return stage != NULL && stage->number == 0;
}

/* Whether the fork lies in a dropped subtree, which is taken apart as a whole. */
static bool is_dropped(const struct store *store, store_ref ref)
{
    for (;;) {
        const struct store_node *node = store_at(store, ref);
        if (store_node_is(node, STORE_GATED)) {
            store_ref first = store_fork_of(node)->version;
            if (first != 0 && store_node_is(store_at(store, first), STORE_RECORD_END))
                return true;
        }
        store_ref parent = store_node_link(node);
        if (parent == 0 || store_node_is(node, STORE_ROOT))
            return is_closed_stage(store, ref);
        ref = parent;
    }
}

/* A queued fork whose revision everybody sees: only its newest value stays, or nothing. */
static void versions_clean(struct store *store, store_ref ref, uint64_t horizon)
{
    struct store_node *node = store_at(store, ref);
    struct store_fork *fork = store_fork_of(node);
    store_node_unmark(node, STORE_QUEUED);
    if (store_node_is(node, STORE_REMOVED)) {
        store_block_retire(store, ref, false);
        return;
    }
    if (is_dropped(store, ref))
        return;
    if (versions_trim(store, node, horizon)) {
        store_reclaim_versions(store, ref);
        return;
    }
    store_ref newest = store_fork_newest(store, node);
    if (newest == 0) {
        store_change_prune(store, ref);
        return;
    }
    const struct store_node *record = store_at(store, newest);
    bool settled = store_record_revision(store_record_of(record)) <= horizon;
    if (!settled) {
        store_reclaim_versions(store, ref);
        return;
    }
    if (!store_node_is(record, STORE_RECORD_GONE) || fork->version != newest)
        return;
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    (void)store_key_of(store, ref, key, &nbytes);
    store_set_ref(&fork->version, store_node_link(record));
    store_block_retire(store, newest, true);
    store_lengths_take(store, nbytes);
    store_change_silence(store, ref);
    store_change_prune(store, ref);
}

/* ---- dropped subtrees ---- */

/* Frees a fork's or leaf's records, counts what the sums still hold of them. */
static void values_retire(struct store *store, store_ref ref, size_t key_nbytes)
{
    struct store_node *node = store_at(store, ref);
    if (store_node_kind(node) == STORE_LEAF) {
        store_sums_take(store, key_nbytes, node);
        store_lengths_take(store, key_nbytes);
        return;
    }
    if (store_node_kind(node) != STORE_FORK)
        return;
    store_ref newest = store_fork_newest(store, node);
    if (newest != 0) {
        if (!store_node_is(store_at(store, newest), STORE_RECORD_GONE))
            store_sums_take(store, key_nbytes, store_at(store, newest));
        if (store_record_is_timed(store_at(store, newest)))
            store_wheel_remove(&store->wheel, newest);
        store_lengths_take(store, key_nbytes);
    }
    store_ref record = store_fork_of(node)->version;
    while (record != 0) {
        store_ref older = store_node_link(store_at(store, record));
        if (store_node_is(store_at(store, record), (uint32_t)STORE_RECORD_BEGIN | STORE_RECORD_END))
            store_gates_take(store);
        store_block_retire(store, record, true);
        record = older;
    }
    /* The fork keeps them: who climbs through it meanwhile must find its gate as it was. */
}

/* Takes a node without children, of a dropped subtree, out of everything. */
static void node_retire(struct store *store, store_ref ref, bool indexed)
{
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    struct store_node *node = store_at(store, ref);
    (void)store_key_of(store, ref, key, &nbytes);
    if (indexed)
        store_change_unindex(store, ref);
    values_retire(store, ref, nbytes);
    if (store_node_kind(node) == STORE_FORK && store_node_is(node, STORE_QUEUED))
        store_node_mark(node, STORE_REMOVED);
    else
        store_block_retire(store, ref, true);
}

/* A child of a dropped node, which loses it; 0: it has none. */
static store_ref child_take(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    if (store_node_kind(node) == STORE_PASS) {
        store_ref child = store_pass_of(node)->child;
        store_pass_of(node)->child = 0;
        return child;
    }
    if (store_node_kind(node) != STORE_FORK)
        return 0;
    struct store_set_env env = store_set_env(store);
    return store_set_pop(&env, &store_fork_of(node)->children);
}

/* Takes the top of a dropped subtree out of its parent's children, which may leave that empty. */
static void top_unlink(struct store *store, store_ref top)
{
    struct store_node *node = store_at(store, top);
    store_ref parent = store_node_link(node);
    if (store_node_is(node, STORE_ROOT) || parent == 0)
        return;
    struct store_node *above = store_at(store, parent);
    if (store_node_kind(above) == STORE_PASS) {
        store_set_ref(&store_pass_of(above)->child, 0);
    } else {
        struct store_set_env env = store_set_env(store);
        store_set_remove(&env, &store_fork_of(above)->children, top);
    }
}

/* The root that replaced a dropped one has no older one any more. */
static void root_unlink(struct store *store, store_ref top)
{
    store_ref ref = store->root;
    while (ref != 0 && store_node_link(store_at(store, ref)) != top)
        ref = store_node_link(store_at(store, ref));
    if (ref != 0)
        store_set_ref(&store_at(store, ref)->link, 0);
}

/* The stage of a top that was never swapped in is over. */
static void stage_forget(struct store *store, store_ref top)
{
    struct store_stage **link = &store->stages_gone;
    while (*link != NULL && (*link)->top != top)
        link = &(*link)->next;
    struct store_stage *stage = *link;
    if (stage == NULL)
        return;
    *link = stage->next;
    store->reclaim.nbytes -= sizeof *stage;
    cdx_free(stage);
}

/*
 * The last step of a dropped subtree: its top, which was a child of its parent
 * until now, so that whatever moves or replaces the parent tells it.
 */
static void top_retire(struct store *store, store_ref top)
{
    const struct store_node *node = store_at(store, top);
    bool root = store_node_is(node, STORE_ROOT);
    store_ref parent = store_node_link(node);
    if (root)
        root_unlink(store, top);
    node_retire(store, top, !root && parent != 0);
    top_unlink(store, top);
    if (parent == 0)
        stage_forget(store, top);
    else if (!root)
        store_change_prune(store, parent);
}

/* One step of taking the first dropped subtree apart; true: it is all gone. */
static bool drop_step(struct store *store, store_ref top)
{
    struct store_reclaim *reclaim = &store->reclaim;
    if (reclaim->apart == 0)
        reclaim->apart = top;
    store_ref child = child_take(store, reclaim->apart);
    if (child != 0) {
        reclaim->apart = child;
        return false;
    }
    store_ref done = reclaim->apart;
    if (done == top) {
        top_retire(store, top);
        reclaim->apart = 0;
        return true;
    }
    reclaim->apart = store_node_link(store_at(store, done));
    node_retire(store, done, true);
    return false;
}

/* ---- running ---- */

/*
 * Whether everybody sees what an entry waits for. Nothing is being written now: a revision
 * that is still to come is that of a write which was undone, or of a fork that was put back.
 */
static bool is_due(const struct store *store, const struct queue_entry *entry, uint64_t horizon)
{
    return entry->revision <= horizon || store->revision <= horizon;
}

/* Entries ahead of the present one whose fork is asked for, and, once that is there, its records.
 */
#define FORK_AHEAD 8u
#define RECORD_AHEAD 4u

/* Forks are cleaned long after they were written: the next ones are fetched meanwhile. */
static void versions_prefetch(const struct store *store, const struct store_queue_chunk *chunk)
{
    uint32_t fork = chunk->begin + FORK_AHEAD;
    uint32_t record = chunk->begin + RECORD_AHEAD;
    if (fork < chunk->end)
        store_prefetch(store_at(store, chunk->entry[fork].ref));
    if (record < chunk->end) {
        store_ref version = store_fork_of(store_at(store, chunk->entry[record].ref))->version;
        if (version != 0)
            store_prefetch(store_at(store, version));
    }
}

static bool versions_run(struct store *store, uint64_t horizon, unsigned *steps)
{
    struct store_reclaim *reclaim = &store->reclaim;
    struct queue_entry *entry;
    while ((entry = queue_front(reclaim, &reclaim->versions)) != NULL &&
           is_due(store, entry, horizon)) {
        /* A clean may put the fork back: it must not run out of room. */
        if (*steps == 0 || !queue_reserve(reclaim, &reclaim->versions))
            return true;
        --*steps;
        versions_prefetch(store, reclaim->versions.first);
        store_ref ref = entry->ref;
        queue_pop(&reclaim->versions);
        versions_clean(store, ref, horizon);
    }
    return false;
}

static bool drops_run(struct store *store, uint64_t horizon, unsigned *steps)
{
    struct store_reclaim *reclaim = &store->reclaim;
    struct queue_entry *entry;
    while ((entry = queue_front(reclaim, &reclaim->drops)) != NULL &&
           is_due(store, entry, horizon)) {
        if (*steps == 0)
            return true;
        --*steps;
        if (drop_step(store, entry->ref))
            queue_pop(&reclaim->drops);
    }
    return false;
}

bool store_reclaim_pending(const struct store *store)
{
    const struct store_reclaim *reclaim = &store->reclaim;
    return store->gates_gone != 0 || reclaim->versions.count != 0 || reclaim->drops.count != 0 ||
           store->limbo.open != NULL || store->limbo.closed != NULL || store->limbo.waiting;
}

bool store_reclaim_run(struct store *store, unsigned steps)
{
    struct store_reclaim *reclaim = &store->reclaim;
    if (store_limbo_poll(&store->limbo))
        reclaim->safe_revision = reclaim->grace_revision;
    bool more = store_limbo_empty(&store->limbo, steps);
    if (store->gates_gone != 0 && store->limbo.rounds >= store->gates_round) {
        atomic_fetch_sub_explicit(&store->gates, store->gates_gone, memory_order_release);
        store->gates_gone = 0;
    }
    if (reclaim->versions.count != 0 || reclaim->drops.count != 0) {
        uint64_t horizon = store_reclaim_horizon(store);
        more |= versions_run(store, horizon, &steps);
        more |= drops_run(store, horizon, &steps);
    }
    bool behind = reclaim->safe_revision != store->published &&
                  (reclaim->versions.count != 0 || reclaim->drops.count != 0);
    if ((behind || store->gates_gone != 0 || store->limbo.open != NULL) &&
        store_limbo_start(&store->limbo))
        reclaim->grace_revision = store->published;
    return more;
}

void store_reclaim_free(struct store *store)
{
    queue_free(&store->reclaim.versions);
    queue_free(&store->reclaim.drops);
}
