/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From the hash of a prefix to its node: open addressing over buckets of one
 * cache line.
 *
 *     bucket   │ tag × 10: 16 bits each, 0 empty │ node × 10: 32 bits each │ state │   64 bytes
 *     state    │ overflow: 22 bits │ answers: 10 bits, one per slot │
 *
 * The home bucket comes from the hash's high half, which the node keeps, so that
 * neither growing nor removing needs the key; the tag comes from the low bits.
 * A node that finds its home full goes to the next bucket with a free slot,
 * and adds 1 to `overflow` of each full one it passed: a lookup goes on only
 * while that is not 0, and a removal takes it back, so nothing is left behind.
 * A slot's answer bit says whether a match may end at its node: matches never
 * touch the others.
 *
 * All nodes but the root are in the index.
 */
#ifndef STORE_STORE_INDEX_H
#define STORE_STORE_INDEX_H

#include "store_hash.h"
#include "store_memory.h"
#include "store_node.h"

#include <stdatomic.h>

/* ---- limits ---- */

#define STORE_BUCKET_SLOTS 10u
#define STORE_BUCKETS_MIN 8u
/** Slots used per bucket on average above which the table doubles: beyond, many overflow. */
#define STORE_BUCKET_FILL_MAX 7u
/** … and below which it halves: well under half of the former, so that it cannot swing. */
#define STORE_BUCKET_FILL_MIN 2u
/** Where a bucket's overflow count sticks; only colliding hashes by the million get there. */
#define STORE_OVERFLOW_MAX ((1u << 22) - 1)

/* ---- types ---- */

struct store_bucket {
    uint16_t tag[STORE_BUCKET_SLOTS];
    store_ref ref[STORE_BUCKET_SLOTS];
    uint32_t state;
};

struct store_index {
    /* Atomic because a probe's start reads both without a lock, for prefetching only. */
    _Atomic(struct store_bucket *) buckets;
    atomic_uint_fast64_t bucket_count;
    uint64_t used; /* slots */
    const struct store_arena *arena;
    const struct store_hash_keys *keys;
};

/* ---- lifecycle ---- */

/** An empty index. False: no memory, nothing is held. The arena and keys are borrowed. */
bool store_index_init(struct store_index *index, const struct store_arena *arena,
                      const struct store_hash_keys *keys);

void store_index_free(struct store_index *index);

/* ---- operations ---- */

static inline uint32_t store_bucket_overflow(const struct store_bucket *bucket)
{
    return bucket->state >> STORE_BUCKET_SLOTS;
}

static inline uint16_t store_index_tag(uint64_t hash)
{
    uint16_t tag = (uint16_t)hash;
    return tag != 0 ? tag : 1;
}

static inline struct store_bucket *store_index_buckets(const struct store_index *index)
{
    return atomic_load_explicit(&index->buckets, memory_order_relaxed);
}

static inline uint64_t store_index_bucket_count(const struct store_index *index)
{
    return atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
}

/** The part of a hash that its node keeps. */
static inline uint32_t store_index_home(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/** The home bucket's number. */
static inline uint64_t store_index_bucket(uint32_t home, uint64_t bucket_count)
{
    return home * bucket_count >> 32;
}

/** Bit s is set when slot s has the tag. */
static inline uint32_t store_bucket_find_each(const struct store_bucket *bucket, uint16_t tag)
{
    uint32_t found = 0;
    for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++)
        found |= (uint32_t)(bucket->tag[s] == tag) << s;
    return found;
}

#if defined(__SSE2__)
/** Like store_bucket_find_each(), in two comparisons. */
static inline uint32_t store_bucket_find(const struct store_bucket *bucket, uint16_t tag)
{
    const __m128i wanted = _mm_set1_epi16((short)tag);
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)bucket->tag);
    uint32_t last;
    memcpy(&last, &bucket->tag[8], sizeof last);
    __m128i high = _mm_cvtsi32_si128((int)last);
    __m128i same = _mm_packs_epi16(_mm_cmpeq_epi16(low, wanted), _mm_cmpeq_epi16(high, wanted));
    return (uint32_t)_mm_movemask_epi8(same) & ((1u << STORE_BUCKET_SLOTS) - 1);
}
#else
static inline uint32_t store_bucket_find(const struct store_bucket *bucket, uint16_t tag)
{
    return store_bucket_find_each(bucket, tag);
}
#endif

/** Asks the memory for the hash's home bucket. Needs no lock. */
static inline void store_index_prefetch(const struct store_index *index, uint64_t hash)
{
    const struct store_bucket *buckets = store_index_buckets(index);
    uint64_t at = store_index_bucket(store_index_home(hash), store_index_bucket_count(index));
    store_prefetch((const void *)((uintptr_t)buckets + at * sizeof *buckets));
}

/**
 * The node of `key`, whose hash is `hash`; 0: none. With `answering`, only
 * nodes whose answer bit is set are looked at.
 */
static inline store_ref store_index_find(const struct store_index *index, uint64_t hash,
                                         struct cdx_bytes key, bool answering)
{
    const struct store_bucket *buckets = store_index_buckets(index);
    uint64_t count = store_index_bucket_count(index);
    uint64_t at = store_index_bucket(store_index_home(hash), count);
    uint16_t tag = store_index_tag(hash);
    for (uint64_t left = count; left > 0; left--) {
        const struct store_bucket *bucket = &buckets[at];
        uint32_t found = store_bucket_find(bucket, tag);
        if (answering)
            found &= bucket->state;
        for (; found != 0; found &= found - 1) {
            store_ref ref = bucket->ref[__builtin_ctz(found)];
            const struct store_node *node = store_node_at(index->arena, ref);
            if (node->key_nbytes == key.len &&
                memcmp(store_node_key_data(index->arena, node), key.data, key.len) == 0)
                return ref;
        }
        if (store_bucket_overflow(bucket) == 0)
            return 0;
        at = at + 1 != count ? at + 1 : 0;
    }
    return 0;
}

/** Room for `extra` more nodes. False: no memory, nothing changed. May move the whole table. */
CDX_MUST_CHECK bool store_index_reserve(struct store_index *index, uint64_t extra);

/** Enters a node that is not in yet, and sets its `home`; room was reserved. */
void store_index_insert(struct store_index *index, uint64_t hash, store_ref ref);

/** Takes out a node that is in, and makes the table smaller when it is mostly empty. */
void store_index_remove(struct store_index *index, store_ref ref);

/** Brings the answer bit of a node that is in up to date. */
void store_index_refresh(struct store_index *index, store_ref ref);

/* ---- inspection ---- */

/** Bytes asked of the heap. */
uint64_t store_index_nbytes(const struct store_index *index);

/** Whether a lookup of `hash` meets the node. */
bool store_index_holds(const struct store_index *index, uint64_t hash, store_ref ref);

/** NULL, or the invariant of slots and counts that is broken; the nodes in slots must exist. */
const char *store_index_check(const struct store_index *index);

#endif
