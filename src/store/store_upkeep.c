/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upkeep: the clock, expiry, eviction, compaction.
 *
 * Eviction is CLOCK: a hand goes over the index, in the order of hashes, which
 * is no order at all, and evicts keys that were not read since it last came
 * by. Readers do not write to what they read: they leave the hash of one lookup
 * of some on a line of their own, and the writer looks up whose they are.
 */
#include "store_compact.h"
#include "store_write.h"

#include <caudex/heap.h>

/* ---- the hand ---- */

struct store_bucket *store_hand_next(struct store *store, struct store_hand *hand)
{
    while (hand->segment < STORE_SEGMENTS) {
        struct store_table table = store_table_of(store->index.segment[hand->segment]);
        if (hand->bucket < table.count)
            return &table.buckets[hand->bucket++];
        hand->segment++;
        hand->bucket = 0;
    }
    *hand = (struct store_hand){0, 0};
    return NULL;
}

/* ---- eviction ---- */

/* Marks what readers looked up lately. */
static void traces_read(struct store *store)
{
    pthread_mutex_lock(&store->lists_lock);
    for (struct store_reader *r = store->readers; r != NULL; r = r->next) {
        for (uint32_t i = 0; i < STORE_TRACES; i++) {
            uint64_t hash = atomic_load_explicit(&r->trace[i], memory_order_relaxed);
            if (hash == 0)
                continue;
            atomic_store_explicit(&r->trace[i], 0, memory_order_relaxed);
            /* The tag alone: a wrong node is spared once more, which harms nobody. */
            struct store_probing p = store_index_probe(&store->index, hash, true);
            store_ref ref = store_index_next(&p);
            if (ref != 0 && store_node_kind(store_at(store, ref)) != STORE_PASS)
                store_node_mark(store_at(store, ref), STORE_REFERENCED);
        }
    }
    pthread_mutex_unlock(&store->lists_lock);
}

static bool may_evict(const struct store *store, store_ref ref)
{
    if (store->evict_below_nbytes == 0)
        return true;
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    (void)store_key_of(store, ref, key, &nbytes);
    struct cdx_bytes top = cdx_bytes_of(store->evict_below, store->evict_below_nbytes);
    return store_is_prefix(top, cdx_bytes_of(key, nbytes)) &&
           (nbytes == top.len || store_ends_in_slash(top) || key[top.len] == '/');
}

/* Looks at one node: spares it once, or evicts it. */
static void evict_node(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    if (!store_is_counted(store, node))
        return;
    if (store_node_is(node, STORE_REFERENCED)) {
        store_node_unmark(node, STORE_REFERENCED);
        return;
    }
    if (!may_evict(store, ref) || !store_write_evict(store, ref))
        return;
    store->evicted++;
}

uint64_t store_used_lastingly(const struct store *store)
{
    uint64_t waiting = store_limbo_waiting_nbytes(&store->limbo);
    uint64_t used = store_used_nbytes(store);
    return used > waiting ? used - waiting : 0;
}

bool store_evict(struct store *store, uint64_t target, unsigned steps)
{
    if (store_used_lastingly(store) <= target)
        return true;
    traces_read(store);
    /* A key is spared once: what two whole rounds leave may not be evicted. */
    unsigned rounds = 0;
    while (steps > 0 && rounds < 3 && store_used_lastingly(store) > target) {
        struct store_bucket *bucket = store_hand_next(store, &store->hand);
        if (bucket == NULL) {
            rounds++;
            continue;
        }
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS && steps > 0; s++) {
            if (bucket->ref[s] == 0 || (bucket->high[s] & STORE_ANSWERS) == 0)
                continue;
            steps--;
            evict_node(store, bucket->ref[s]);
        }
    }
    return store_used_lastingly(store) <= target;
}

enum store_status store_limit(struct store *store, uint64_t memory_max_nbytes, bool evict,
                              struct cdx_bytes evict_below)
{
    if (evict_below.len > STORE_KEY_NBYTES_MAX)
        return STORE_TOO_LONG;
    store->memory_max_nbytes = memory_max_nbytes;
    store->evict = evict;
    store->evict_below_nbytes = (uint16_t)evict_below.len;
    if (evict_below.len != 0)
        memcpy(store->evict_below, evict_below.data, evict_below.len);
    atomic_store_explicit(&store->sampling, evict && memory_max_nbytes != 0, memory_order_relaxed);
    return STORE_OK;
}

/* ---- expiry ---- */

/* Removes keys whose time has come. True: there are more. */
static bool expire_some(struct store *store, uint64_t now_ms, unsigned steps)
{
    store_ref ref;
    while ((ref = store_wheel_next(&store->wheel, now_ms, &steps)) != 0) {
        switch (store_write_remove(store, store_expiring_of(store_at(store, ref))->fork)) {
        case STORE_REMOVAL_DONE:
            store->expired++;
            break;
        case STORE_REMOVAL_ABSENT:
            /* In a dropped subtree: whoever takes it apart must not look for it in the wheel. */
            store_wheel_remove(&store->wheel, ref);
            store_node_mark(store_at(store, ref), STORE_RECORD_UNTIMED);
            break;
        case STORE_REMOVAL_NO_MEMORY:
            return false; /* nobody sees the value any more: it can wait */
        }
        steps--;
    }
    return steps == 0;
}

/* ---- upkeep ---- */

uint64_t store_now(const struct store *store)
{
    return atomic_load_explicit(&store->now_ms, memory_order_relaxed);
}

/* One slice, as the writer. True: there is more to do at once. */
static bool maintain(struct store *store, uint64_t now_ms, unsigned steps)
{
    store_stage_queue(store);
    bool more = store_reclaim_run(store, steps);
    more |= expire_some(store, now_ms, steps);
    if (store->evict && store->memory_max_nbytes != 0)
        (void)store_evict(store, store->memory_max_nbytes, steps);
    more |= store_compact_run(store, steps);
    store_publish(store);
    return more;
}

enum store_upkeep store_maintain(struct store *store, uint64_t now_ms, unsigned steps)
{
    if (now_ms > store_now(store))
        atomic_store_explicit(&store->now_ms, now_ms, memory_order_relaxed);
    if (pthread_mutex_trylock(&store->lock) != 0)
        return STORE_UPKEEP_LATER;
    bool more = maintain(store, store_now(store), steps);
    bool waits = store_reclaim_pending(store) || store->compaction.running;
    pthread_mutex_unlock(&store->lock);
    if (more)
        return STORE_UPKEEP_NOW;
    return waits ? STORE_UPKEEP_LATER : STORE_UPKEEP_NONE;
}
