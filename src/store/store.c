/* SPDX-License-Identifier: Apache-2.0 */
/* Life cycle, read and write sections, snapshots, counters. */
#include "store_write.h"

#include <caudex/heap.h>

#include <assert.h>

/* pthread's calls on these mutexes fail only on misuse, which is a bug of ours. */
static void must(int error)
{
    assert(error == 0);
    (void)error;
}

/* ---- lifecycle ---- */

static bool root_init(struct store *store)
{
    store_ref ref = store_fork_new(store, cdx_empty(), STORE_ROOT, 0);
    if (ref == 0)
        return false;
    atomic_init(&store->root, ref);
    return true;
}

enum store_status store_open(const struct store_config *config, struct store **out)
{
    static const struct store_config defaults;
    if (config == NULL)
        config = &defaults;
    if (config->evict_below.len > STORE_KEY_NBYTES_MAX)
        return STORE_TOO_LONG;
    struct store *store = store_memory_get(sizeof *store);
    if (store == NULL)
        return STORE_NO_MEMORY;
    memset(store, 0, sizeof *store);
    store_hash_init(&store->keys, config->hash_seed);
    store_arena_init(&store->arena);
    store_pages_init(&store->pages);
    store_index_init(&store->index, &store->pages, &store->limbo);
    atomic_init(&store->now_ms, config->now_ms);
    store_wheel_init(&store->wheel, &store->arena, config->now_ms);
    if (!store_limbo_init(&store->limbo, &store->arena, &store->pages))
        goto err_after_store;
    if (!root_init(store) || store_limit(store, config->memory_max_nbytes, config->evict,
                                         config->evict_below) != STORE_OK)
        goto err_after_limbo;
    must(pthread_mutex_init(&store->lock, NULL));
    must(pthread_mutex_init(&store->lists_lock, NULL));
    *out = store;
    return STORE_OK;

err_after_limbo:
    store_limbo_free(&store->limbo);
    store_arena_clear(&store->arena);
err_after_store:
    store_memory_free(store);
    return STORE_NO_MEMORY;
}

/* Frees the heap values of a node: the blocks themselves go with the arena. */
static void heap_free(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    store_ref record = store_node_kind(node) == STORE_FORK ? store_fork_of(node)->version : 0;
    if (store_node_kind(node) == STORE_LEAF && store_node_is(node, STORE_HEAP))
        store_limbo_heap_free(&store->limbo, store_node_heap(node).data);
    for (; record != 0; record = store_node_link(store_at(store, record))) {
        if (store_node_is(store_at(store, record), STORE_HEAP))
            store_limbo_heap_free(&store->limbo, store_node_heap(store_at(store, record)).data);
    }
}

/* Frees all heap values: those of nodes in the index, of roots and of stages. */
static void values_free(struct store *store)
{
    struct store_hand hand = {0, 0};
    struct store_bucket *bucket;
    if (store->limbo.heap_nbytes == 0)
        return;
    while ((bucket = store_hand_next(store, &hand)) != NULL) {
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            /* A leaf is known by more boundaries than its own, which alone answers. */
            store_ref ref = bucket->ref[s];
            if (ref != 0 && (store_node_kind(store_at(store, ref)) != STORE_LEAF ||
                             (bucket->high[s] & STORE_ANSWERS) != 0))
                heap_free(store, ref);
        }
    }
    for (store_ref root = store->root; root != 0; root = store_node_link(store_at(store, root)))
        heap_free(store, root);
    for (size_t i = 0; i < STORE_STAGES_MAX; i++) {
        if (store->stages[i] != NULL)
            heap_free(store, store->stages[i]->top);
    }
    for (const struct store_stage *gone = store->stages_gone; gone != NULL; gone = gone->next)
        heap_free(store, gone->top);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    assert(store->readers == NULL && store->snapshots == NULL);
    store_limbo_drain(&store->limbo);
    values_free(store);
    store_reclaim_free(store);
    store_limbo_free(&store->limbo);
    for (size_t i = 0; i < STORE_STAGES_MAX; i++)
        cdx_free(store->stages[i]);
    for (struct store_stage *gone = store->stages_gone; gone != NULL;) {
        struct store_stage *next = gone->next;
        cdx_free(gone);
        gone = next;
    }
    must(pthread_mutex_destroy(&store->lock));
    must(pthread_mutex_destroy(&store->lists_lock));
    store_pages_clear(&store->pages);
    store_arena_clear(&store->arena);
    store_memory_free(store);
}

enum store_status store_reader_open(struct store *store, struct store_reader **out)
{
    struct store_reader *reader = store_memory_get(sizeof *reader);
    if (reader == NULL)
        return STORE_NO_MEMORY;
    memset(reader, 0, sizeof *reader);
    reader->store = store;
    must(pthread_mutex_lock(&store->lists_lock));
    reader->next = store->readers;
    store->readers = reader;
    must(pthread_mutex_unlock(&store->lists_lock));
    *out = reader;
    return STORE_OK;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    struct store *store = reader->store;
    must(pthread_mutex_lock(&store->lists_lock));
    struct store_reader **link = &store->readers;
    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    must(pthread_mutex_unlock(&store->lists_lock));
    store_memory_free(reader);
}

/* ---- read sections ---- */

void store_read_begin(struct store_reader *reader)
{
    store_limbo_enter();
    reader->section++;
    const struct store *store = reader->store;
    reader->view.revision = atomic_load_explicit(&store->published, memory_order_acquire);
    reader->view.now_ms = atomic_load_explicit(&store->now_ms, memory_order_relaxed);
}

void store_read_begin_at(struct store_reader *reader, const struct store_snapshot *snapshot)
{
    store_read_begin(reader);
    reader->view.revision = snapshot->revision;
}

void store_read_end(struct store_reader *reader)
{
    (void)reader;
    store_limbo_leave();
}

uint64_t store_read_revision(const struct store_reader *reader)
{
    return reader->view.revision;
}

/* ---- snapshots ---- */

/*
 * The read section protects the version until the snapshot is in the list: what
 * the version shows is taken apart only after a grace period that begins later.
 */
enum store_status store_snapshot_open(struct store_reader *reader, struct store_snapshot **out)
{
    struct store *store = reader->store;
    struct store_snapshot *snapshot = cdx_malloc(sizeof *snapshot);
    if (snapshot == NULL)
        return STORE_NO_MEMORY;
    snapshot->revision = reader->view.revision;
    must(pthread_mutex_lock(&store->lists_lock));
    bool room = store->snapshot_count < STORE_SNAPSHOTS_MAX;
    if (room) {
        snapshot->next = store->snapshots;
        store->snapshots = snapshot;
        store->snapshot_count++;
    }
    must(pthread_mutex_unlock(&store->lists_lock));
    if (!room) {
        cdx_free(snapshot);
        return STORE_BUSY;
    }
    *out = snapshot;
    return STORE_OK;
}

void store_snapshot_close(struct store *store, struct store_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    must(pthread_mutex_lock(&store->lists_lock));
    struct store_snapshot **link = &store->snapshots;
    while (*link != snapshot)
        link = &(*link)->next;
    *link = snapshot->next;
    store->snapshot_count--;
    must(pthread_mutex_unlock(&store->lists_lock));
    cdx_free(snapshot);
}

/* ---- write sections ---- */

void store_write_begin(struct store *store)
{
    must(pthread_mutex_lock(&store->lock));
    store_counts_open(store);
}

void store_counts_open(struct store *store)
{
    uint64_t turn = atomic_load_explicit(&store->counts_turn, memory_order_relaxed);
    if (turn % 2 != 0)
        return;
    atomic_store_explicit(&store->counts_turn, turn + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

/*
 * Upkeep at the end of every so many writes, however they are spread over sections, so that a store
 * that nobody maintains cleans up too. A long section's is spread over those behind it.
 */
#define WRITES_PER_UPKEEP 16u
#define STEPS_PER_WRITE 4u
#define WRITES_AT_A_TIME 256u

void store_publish(struct store *store)
{
    atomic_store_explicit(&store->published, store->revision, memory_order_release);
    uint64_t turn = atomic_load_explicit(&store->counts_turn, memory_order_relaxed);
    if (turn % 2 != 0)
        atomic_store_explicit(&store->counts_turn, turn + 1, memory_order_release);
}

void store_write_end(struct store *store)
{
    store_publish(store);
    uint64_t writes = store->revision - store->upkept;
    if (writes >= WRITES_PER_UPKEEP) {
        if (writes > WRITES_AT_A_TIME)
            writes = WRITES_AT_A_TIME;
        store->upkept += writes;
        (void)store_reclaim_run(store, (unsigned)writes * STEPS_PER_WRITE);
    }
    must(pthread_mutex_unlock(&store->lock));
}

/* ---- counters ---- */

void store_read_stats(struct store_reader *reader, struct store_stats *stats)
{
    struct store *store = reader->store;
    must(pthread_mutex_lock(&store->lock));
    must(pthread_mutex_lock(&store->lists_lock));
    *stats = (struct store_stats){
        .keys = store_keys_at(store, store->root),
        .nodes = store->nodes,
        .revision = store->published,
        .key_nbytes = store->key_nbytes,
        .value_nbytes = store->value_nbytes,
        .memory_nbytes = sizeof *store + store->arena.nbytes + store->pages.nbytes +
                         store->limbo.heap_nbytes + store->limbo.bags_nbytes +
                         store->reclaim.nbytes,
        .used_nbytes = store_used_nbytes(store),
        .memory_max_nbytes = store->memory_max_nbytes,
        .pending = store->reclaim.versions.count + store->reclaim.drops.count + store->limbo.count,
        .snapshots = store->snapshot_count,
        .expiring = store->wheel.count,
        .expired = store->expired,
        .evicted = store->evicted,
    };
    must(pthread_mutex_unlock(&store->lists_lock));
    must(pthread_mutex_unlock(&store->lock));
}

const char *store_status_text(enum store_status status)
{
    switch (status) {
    case STORE_OK:
        return "ok";
    case STORE_NOT_FOUND:
        return "no stored key answers";
    case STORE_CONFLICT:
        return "the key has another revision";
    case STORE_NO_MEMORY:
        return "out of memory";
    case STORE_TOO_LONG:
        return "key or value longer than its limit";
    case STORE_FULL:
        return "the memory limit is reached";
    case STORE_BUSY:
        return "too many are open, or one that overlaps";
    case STORE_OUTSIDE:
        return "the key is not in the stage's subtree";
    }
    return "unknown status";
}
