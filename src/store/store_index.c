/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the index.
 *
 * The table doubles or halves in one go while the writer waits, some tens of
 * milliseconds per million nodes. Growing is asked for
 * before anything else changes, so it may fail; shrinking that fails is left
 * for the next removal.
 */
#include "store_index.h"
#include "store_memory.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct store_bucket) == STORE_LINE_NBYTES, "a bucket is one cache line");
static_assert(STORE_BUCKET_FILL_MIN * 2 < STORE_BUCKET_FILL_MAX, "halving must not overfill");

#define OVERFLOW_ONE (1u << STORE_BUCKET_SLOTS)
#define ANSWERS_MASK (OVERFLOW_ONE - 1)

static struct store_bucket *buckets_new(uint64_t count)
{
    if (count > SIZE_MAX / sizeof(struct store_bucket))
        return NULL;
    size_t nbytes = (size_t)count * sizeof(struct store_bucket);
    struct store_bucket *buckets = store_memory_get(nbytes);
    if (buckets != NULL)
        memset(buckets, 0, nbytes);
    return buckets;
}

bool store_index_init(struct store_index *index, const struct store_arena *arena,
                      const struct store_hash_keys *keys)
{
    struct store_bucket *buckets = buckets_new(STORE_BUCKETS_MIN);
    if (buckets == NULL)
        return false;
    atomic_init(&index->buckets, buckets);
    atomic_init(&index->bucket_count, STORE_BUCKETS_MIN);
    index->used = 0;
    index->arena = arena;
    index->keys = keys;
    return true;
}

void store_index_free(struct store_index *index)
{
    store_memory_free(store_index_buckets(index));
}

static void overflow_add(struct store_bucket *bucket)
{
    if (store_bucket_overflow(bucket) != STORE_OVERFLOW_MAX)
        bucket->state += OVERFLOW_ONE;
}

/* A count that stuck is no longer known: it stays, and lookups go on for nothing. */
static void overflow_take(struct store_bucket *bucket)
{
    assert(store_bucket_overflow(bucket) != 0);
    if (store_bucket_overflow(bucket) != STORE_OVERFLOW_MAX)
        bucket->state -= OVERFLOW_ONE;
}

static void buckets_insert(struct store_bucket *buckets, uint64_t count, uint32_t home,
                           uint16_t tag, store_ref ref, bool answers)
{
    uint64_t at = store_index_bucket(home, count);
    uint32_t empty;
    while ((empty = store_bucket_find(&buckets[at], 0)) == 0) {
        overflow_add(&buckets[at]);
        at = at + 1 != count ? at + 1 : 0;
    }
    uint32_t slot = (uint32_t)__builtin_ctz(empty);
    buckets[at].tag[slot] = tag;
    buckets[at].ref[slot] = ref;
    buckets[at].state |= (uint32_t)answers << slot;
}

/* Asks for the nodes of a bucket that will be moved soon. */
static void nodes_prefetch(const struct store_index *index, const struct store_bucket *bucket)
{
    for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
        if (bucket->tag[s] == 0)
            continue;
        const struct store_node *node = store_node_at(index->arena, bucket->ref[s]);
        store_prefetch(&node->home);
    }
}

/* Enters all nodes into a table of `count` buckets. False: no memory, nothing changed. */
static bool resize(struct store_index *index, uint64_t count)
{
    struct store_bucket *buckets = buckets_new(count);
    if (buckets == NULL)
        return false;
    struct store_bucket *old = store_index_buckets(index);
    uint64_t old_count = store_index_bucket_count(index);
    for (uint64_t i = 0; i < old_count; i++) {
        if (i + 2 < old_count)
            nodes_prefetch(index, &old[i + 2]);
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            if (old[i].tag[s] == 0)
                continue;
            const struct store_node *node = store_node_at(index->arena, old[i].ref[s]);
            buckets_insert(buckets, count, node->home, old[i].tag[s], old[i].ref[s],
                           (old[i].state >> s & 1) != 0);
        }
    }
    atomic_store_explicit(&index->buckets, buckets, memory_order_relaxed);
    atomic_store_explicit(&index->bucket_count, count, memory_order_relaxed);
    store_memory_free(old);
    return true;
}

bool store_index_reserve(struct store_index *index, uint64_t extra)
{
    uint64_t count = store_index_bucket_count(index);
    while (index->used + extra > count * STORE_BUCKET_FILL_MAX)
        count *= 2;
    return count == store_index_bucket_count(index) || resize(index, count);
}

void store_index_insert(struct store_index *index, uint64_t hash, store_ref ref)
{
    uint64_t count = store_index_bucket_count(index);
    assert(index->used < count * STORE_BUCKET_FILL_MAX);
    struct store_node *node = store_node_at(index->arena, ref);
    node->home = store_index_home(hash);
    buckets_insert(store_index_buckets(index), count, node->home, store_index_tag(hash), ref,
                   store_node_answers(node));
    index->used++;
}

/* The slot of a node that is in: its bucket, and its bit. Each bucket passed goes to `passed`. */
static struct store_bucket *slot_find(const struct store_index *index, store_ref ref,
                                      uint32_t *slot, void (*passed)(struct store_bucket *))
{
    struct store_bucket *buckets = store_index_buckets(index);
    uint64_t count = store_index_bucket_count(index);
    uint64_t at = store_index_bucket(store_node_at(index->arena, ref)->home, count);
    for (uint64_t left = count; left > 0; left--) {
        for (*slot = 0; *slot < STORE_BUCKET_SLOTS; ++*slot) {
            if (buckets[at].ref[*slot] == ref)
                return &buckets[at];
        }
        if (passed != NULL)
            passed(&buckets[at]);
        at = at + 1 != count ? at + 1 : 0;
    }
    abort(); /* the node is not in the index: a bug of ours */
}

void store_index_remove(struct store_index *index, store_ref ref)
{
    uint32_t slot;
    struct store_bucket *bucket = slot_find(index, ref, &slot, overflow_take);
    bucket->tag[slot] = 0;
    bucket->ref[slot] = 0;
    bucket->state &= ~(1u << slot);
    index->used--;
    uint64_t count = store_index_bucket_count(index);
    if (count > STORE_BUCKETS_MIN && index->used < count * STORE_BUCKET_FILL_MIN)
        (void)resize(index, count / 2);
}

void store_index_refresh(struct store_index *index, store_ref ref)
{
    uint32_t slot;
    struct store_bucket *bucket = slot_find(index, ref, &slot, NULL);
    bool answers = store_node_answers(store_node_at(index->arena, ref));
    bucket->state = (bucket->state & ~(1u << slot)) | (uint32_t)answers << slot;
}

uint64_t store_index_nbytes(const struct store_index *index)
{
    return store_index_bucket_count(index) * sizeof(struct store_bucket);
}

bool store_index_holds(const struct store_index *index, uint64_t hash, store_ref ref)
{
    const struct store_bucket *buckets = store_index_buckets(index);
    uint64_t count = store_index_bucket_count(index);
    uint64_t at = store_index_bucket(store_index_home(hash), count);
    for (uint64_t left = count; left > 0; left--) {
        uint32_t found = store_bucket_find(&buckets[at], store_index_tag(hash));
        for (; found != 0; found &= found - 1) {
            if (buckets[at].ref[__builtin_ctz(found)] == ref)
                return true;
        }
        if (store_bucket_overflow(&buckets[at]) == 0)
            return false;
        at = at + 1 != count ? at + 1 : 0;
    }
    return false;
}

const char *store_index_check(const struct store_index *index)
{
    const struct store_bucket *buckets = store_index_buckets(index);
    uint64_t count = store_index_bucket_count(index);
    uint64_t used = 0;
    uint64_t overflow = 0;
    uint64_t displaced = 0;
    for (uint64_t i = 0; i < count; i++) {
        overflow += store_bucket_overflow(&buckets[i]);
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            bool answers = (buckets[i].state >> s & 1) != 0;
            if (buckets[i].tag[s] == 0) {
                if (buckets[i].ref[s] != 0 || answers)
                    return "index: an empty slot is not clean";
                continue;
            }
            const struct store_node *node = store_node_at(index->arena, buckets[i].ref[s]);
            if (answers != store_node_answers(node))
                return "index: an answer bit is wrong";
            displaced += (i + count - store_index_bucket(node->home, count)) % count;
            used++;
        }
    }
    if (used != index->used)
        return "index: the slots do not add up";
    if (used > count * STORE_BUCKET_FILL_MAX)
        return "index: too full";
    return overflow == displaced ? NULL : "index: the overflow counts do not add up";
}
