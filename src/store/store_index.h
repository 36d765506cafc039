/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From the hash of a prefix to its nodes: 1024 open-addressing tables that grow
 * one at a time, by a 16th, so that no insertion waits for much.
 *
 *     hash     │ segment: 10 bits │ tag: 23 bits │ … │
 *     segment  │ address of its buckets │ how many │          one atomic word, 8 KiB in all
 *     bucket   │ tag low 16 × 9 │ tag high 7 + answer 1 × 9 │ overflow │ node 32 × 9 │   64 bytes
 *
 * The home bucket is the tag scaled to the number of buckets: slots say
 * themselves where they belong in a table of any size, so growth reads no node.
 * A node that finds its home full goes to the next bucket with a free slot, and
 * adds 1 to `overflow` of each full one it passed: a lookup goes on only while that is
 * not 0, and a removal takes it back, so nothing is left behind. A slot's
 * answer bit says that a match may end at its node: matches never touch others.
 *
 * Two nodes may have the same key: a dropped or staged one besides the present one.
 * All nodes but roots are in the index.
 *
 * Readers look while the writer works. A slot changes by its node last, a
 * table is replaced whole, and what a lookup finds it compares with its key,
 * so a torn slot is a miss of something that was not there before either.
 */
#ifndef STORE_STORE_INDEX_H
#define STORE_STORE_INDEX_H

#include "store_hash.h"
#include "store_limbo.h"
#include "store_memory.h"
#include "store_node.h"

/* ---- limits ---- */

#define STORE_SEGMENT_BITS 10u
#define STORE_SEGMENTS (1u << STORE_SEGMENT_BITS)
#define STORE_TAG_BITS 23u
#define STORE_BUCKET_SLOTS 9u
/** Slots used of all, in percent, above which segments grow, each by a 16th when its turn comes. */
#define STORE_INDEX_FILL_MAX 66u
/** … the same, while much of what was replaced waits for readers. */
#define STORE_INDEX_FILL_LATE 72u
#define STORE_SEGMENT_GROWTH 16u
/** … of one segment, above which it grows out of turn, and below which it is made to fit. */
#define STORE_SEGMENT_FILL_MAX 94u
#define STORE_SEGMENT_FILL_MIN 35u
/** Where a bucket's overflow count sticks until its table is rebuilt. */
#define STORE_OVERFLOW_MAX 255u

/* ---- types ---- */

struct store_bucket {
    uint16_t low[STORE_BUCKET_SLOTS];
    uint8_t high[STORE_BUCKET_SLOTS]; /* bit 7: the answer bit */
    uint8_t overflow;
    store_ref ref[STORE_BUCKET_SLOTS]; /* 0: empty */
};

#define STORE_ANSWERS 0x80u

struct store_index {
    _Atomic uint64_t segment[STORE_SEGMENTS]; /* address, and number of buckets in its gaps */
    uint32_t used[STORE_SEGMENTS];            /* slots */
    uint64_t nodes;                           /* sum of the above */
    uint64_t page_count;                      /* of all segments */
    uint32_t turn;                            /* the segment that grows next */
    struct store_pages *pages;
    struct store_limbo *limbo;
};

/** A segment's buckets as a reader finds them; stays valid until its section ends. */
struct store_table {
    struct store_bucket *buckets;
    uint32_t count;
};

/* ---- lifecycle ---- */

/** An empty index, which holds no memory yet. Pages and limbo are borrowed. */
void store_index_init(struct store_index *index, struct store_pages *pages,
                      struct store_limbo *limbo);

/* ---- operations ---- */

/*
 * Buckets are aligned to 64 bytes and user addresses have 57 bits at most: the
 * low 6 and the high 7 are free for the count in units of one page's buckets (4).
 */
static inline struct store_table store_table_of(uint64_t word)
{
    uint64_t address = word & UINT64_C(0x01ffffffffffffc0);
    uint32_t pages = (uint32_t)(word & 0x3f) | (uint32_t)(word >> 57) << 6;
    return (struct store_table){(struct store_bucket *)(uintptr_t)address, pages * 4};
}

static inline uint32_t store_index_segment(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - STORE_SEGMENT_BITS));
}

static inline uint32_t store_index_tag(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - STORE_SEGMENT_BITS - STORE_TAG_BITS)) &
           ((1u << STORE_TAG_BITS) - 1);
}

/** The home bucket of a tag in a table of `count`. */
static inline uint32_t store_index_bucket(uint32_t tag, uint32_t count)
{
    return (uint32_t)((uint64_t)tag * count >> STORE_TAG_BITS);
}

/** The table of a hash; `count` 0: none yet. */
static inline struct store_table store_index_table(const struct store_index *index, uint64_t hash)
{
    return store_table_of(
        atomic_load_explicit(&index->segment[store_index_segment(hash)], memory_order_acquire));
}

static inline store_ref store_bucket_ref(const struct store_bucket *bucket, uint32_t slot)
{
    return __atomic_load_n(&bucket->ref[slot], __ATOMIC_ACQUIRE);
}

static inline uint8_t store_bucket_overflow(const struct store_bucket *bucket)
{
    return __atomic_load_n(&bucket->overflow, __ATOMIC_RELAXED);
}

/** Bit s is set when slot s has the tag and, with `answering`, its answer bit. Slots may be empty.
 */
static inline uint32_t store_bucket_find_each(const struct store_bucket *bucket, uint32_t tag,
                                              bool answering)
{
    uint32_t found = 0;
    uint32_t mask = answering ? 0xff : 0x7f;
    uint32_t high = (tag >> 16 | STORE_ANSWERS) & mask;
    for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
        uint32_t low = __atomic_load_n(&bucket->low[s], __ATOMIC_RELAXED);
        uint32_t top = __atomic_load_n(&bucket->high[s], __ATOMIC_RELAXED);
        found |= (uint32_t)(low == (tag & 0xffff) && (top & mask) == high) << s;
    }
    return found;
}

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
/** Like store_bucket_find_each(), in four comparisons. */
static inline uint32_t store_bucket_find(const struct store_bucket *bucket, uint32_t tag,
                                         bool answering)
{
    const __m128i low = _mm_set1_epi16((short)tag);
    const char mask = answering ? (char)0xff : 0x7f;
    const __m128i high = _mm_set1_epi8((char)((tag >> 16 | STORE_ANSWERS) & (uint8_t)mask));
    const uint8_t *base = (const uint8_t *)bucket;
    /* Both loads of tags go past them, into what follows in the bucket. */
    __m128i low_0 = _mm_loadu_si128((const __m128i *)(const void *)base);
    __m128i low_1 = _mm_loadu_si128((const __m128i *)(const void *)(base + 16));
    __m128i tops = _mm_loadu_si128((const __m128i *)(const void *)(base + 18));
    __m128i same_low = _mm_packs_epi16(_mm_cmpeq_epi16(low_0, low), _mm_cmpeq_epi16(low_1, low));
    __m128i same_high = _mm_cmpeq_epi8(_mm_and_si128(tops, _mm_set1_epi8(mask)), high);
    return (uint32_t)_mm_movemask_epi8(_mm_and_si128(same_low, same_high)) &
           ((1u << STORE_BUCKET_SLOTS) - 1);
}
#else
static inline uint32_t store_bucket_find(const struct store_bucket *bucket, uint32_t tag,
                                         bool answering)
{
    return store_bucket_find_each(bucket, tag, answering);
}
#endif

/** Asks the memory for the hash's home bucket. Inside a read section, or the writer. */
static inline void store_index_prefetch(const struct store_index *index, uint64_t hash)
{
    struct store_table table = store_index_table(index, hash);
    store_prefetch((const void *)((uintptr_t)table.buckets +
                                  (size_t)store_index_bucket(store_index_tag(hash), table.count) *
                                      sizeof *table.buckets));
}

/** Where a lookup is: candidates come one by one. */
struct store_probing {
    struct store_table table;
    uint32_t tag;
    uint32_t at;
    uint32_t left; /* buckets not yet looked at */
    uint32_t found;
    bool answering;
};

static inline struct store_probing store_index_probe(const struct store_index *index, uint64_t hash,
                                                     bool answering)
{
    struct store_probing p = {.table = store_index_table(index, hash), .answering = answering};
    p.tag = store_index_tag(hash);
    p.left = p.table.count;
    if (p.left != 0) {
        p.at = store_index_bucket(p.tag, p.table.count);
        p.found = store_bucket_find(&p.table.buckets[p.at], p.tag, answering);
    }
    return p;
}

/** The next node with the tag; 0: there is none. */
static inline store_ref store_index_next(struct store_probing *p)
{
    while (p->left != 0) {
        const struct store_bucket *bucket = &p->table.buckets[p->at];
        while (p->found != 0) {
            store_ref ref = store_bucket_ref(bucket, (uint32_t)__builtin_ctz(p->found));
            p->found &= p->found - 1;
            if (ref != 0)
                return ref;
        }
        if (store_bucket_overflow(bucket) == 0 || --p->left == 0)
            return 0;
        p->at = p->at + 1 != p->table.count ? p->at + 1 : 0;
        p->found = store_bucket_find(&p->table.buckets[p->at], p->tag, p->answering);
    }
    return 0;
}

/** Room for `extra` more nodes in the hash's segment. False: no memory, nothing changed. */
CDX_MUST_CHECK bool store_index_reserve(struct store_index *index, uint64_t hash, uint32_t extra);

/** Enters a node that is not in yet; room was reserved. */
void store_index_insert(struct store_index *index, uint64_t hash, store_ref ref, bool answers);

/** Takes out a node that is in, and makes its segment smaller when it is mostly empty. */
void store_index_remove(struct store_index *index, uint64_t hash, store_ref ref);

/** Puts another node in the place of one that is in, with its answer bit. */
void store_index_replace(struct store_index *index, uint64_t hash, store_ref old, store_ref ref);

/** Sets or clears the answer bit of a node that is in. */
void store_index_answer(struct store_index *index, uint64_t hash, store_ref ref, bool answers);

/* ---- inspection ---- */

/** Whether a lookup of `hash` meets the node, and its answer bit. */
bool store_index_holds(const struct store_index *index, uint64_t hash, store_ref ref,
                       bool *answers);

/** NULL, or the invariant of slots and counts that is broken. */
const char *store_index_check(const struct store_index *index);

#endif
