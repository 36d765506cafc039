/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the index.
 *
 * A segment that grows or shrinks is built anew beside the old one, which goes
 * to limbo: some ten thousand slots at most, read in a row. Growing is asked
 * for before anything else changes, so it may fail; shrinking that fails is left for
 * the next removal.
 */
#include "store_index.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct store_bucket) == STORE_LINE_NBYTES, "a bucket is one cache line");
static_assert(STORE_PAGE_NBYTES == 4 * sizeof(struct store_bucket), "a page is four buckets");
static_assert(STORE_EXTENT_PAGES_MAX <= 1u << 13, "the number of pages fits a segment's word");

#define SLOTS_PER_PAGE (4u * STORE_BUCKET_SLOTS)

void store_index_init(struct store_index *index, struct store_pages *pages,
                      struct store_limbo *limbo)
{
    memset(index, 0, sizeof *index);
    index->pages = pages;
    index->limbo = limbo;
}

static uint64_t word_of(const struct store_bucket *buckets, uint32_t pages)
{
    /* 8192 pages do not fit 13 bits: one less is the most. */
    assert(pages < 1u << 13 && ((uintptr_t)buckets & 0x3f) == 0);
    return (uint64_t)(uintptr_t)buckets | (pages & 0x3f) | (uint64_t)(pages >> 6) << 57;
}

static uint32_t slot_tag(const struct store_bucket *bucket, uint32_t slot)
{
    return bucket->low[slot] | (bucket->high[slot] & 0x7fu) << 16;
}

static void slot_set(struct store_bucket *bucket, uint32_t slot, uint32_t tag, bool answers,
                     store_ref ref)
{
    uint8_t high = (uint8_t)(tag >> 16 | (answers ? STORE_ANSWERS : 0u));
    __atomic_store_n(&bucket->low[slot], (uint16_t)tag, __ATOMIC_RELAXED);
    __atomic_store_n(&bucket->high[slot], high, __ATOMIC_RELAXED);
    __atomic_store_n(&bucket->ref[slot], ref, __ATOMIC_RELEASE);
}

static void overflow_set(struct store_bucket *bucket, uint8_t overflow)
{
    __atomic_store_n(&bucket->overflow, overflow, __ATOMIC_RELEASE);
}

/* The first empty slot of a bucket; STORE_BUCKET_SLOTS: it is full. */
static uint32_t slot_empty(const struct store_bucket *bucket)
{
    uint32_t slot = 0;
    while (slot < STORE_BUCKET_SLOTS && bucket->ref[slot] != 0)
        slot++;
    return slot;
}

static void table_insert(struct store_table table, uint32_t tag, bool answers, store_ref ref)
{
    uint32_t at = store_index_bucket(tag, table.count);
    uint32_t slot;
    while ((slot = slot_empty(&table.buckets[at])) == STORE_BUCKET_SLOTS) {
        struct store_bucket *full = &table.buckets[at];
        if (full->overflow != STORE_OVERFLOW_MAX)
            overflow_set(full, (uint8_t)(full->overflow + 1));
        at = at + 1 != table.count ? at + 1 : 0;
    }
    slot_set(&table.buckets[at], slot, tag, answers, ref);
}

/* Gives the segment `pages` pages. False: no memory, nothing changed. */
static bool rebuild(struct store_index *index, uint32_t segment, uint32_t pages)
{
    if (pages >= STORE_EXTENT_PAGES_MAX)
        return false;
    struct store_table old = store_table_of(index->segment[segment]);
    struct store_table table = {store_pages_get(index->pages, pages), pages * 4};
    if (table.buckets == NULL)
        return false;
    for (uint32_t i = 0; i < old.count; i++) {
        const struct store_bucket *bucket = &old.buckets[i];
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            if (bucket->ref[s] != 0)
                table_insert(table, slot_tag(bucket, s), (bucket->high[s] & STORE_ANSWERS) != 0,
                             bucket->ref[s]);
        }
    }
    atomic_store_explicit(&index->segment[segment], word_of(table.buckets, pages),
                          memory_order_release);
    index->page_count += pages;
    index->page_count -= old.count / 4;
    if (old.count != 0)
        store_limbo_run(index->limbo, old.buckets, old.count / 4);
    return true;
}

/* Whether `used` slots are more than `percent` of what pages have. */
static bool is_above(uint64_t used, uint64_t pages, unsigned percent)
{
    return used * 100 > pages * SLOTS_PER_PAGE * percent;
}

/* A segment's size behind the present one. */
static uint32_t pages_next(uint32_t pages)
{
    return pages + pages / STORE_SEGMENT_GROWTH + 1;
}

static uint32_t pages_of(const struct store_index *index, uint32_t segment)
{
    return store_table_of(index->segment[segment]).count / 4;
}

/*
 * Segments grow in turn, as the whole index fills: so they stay equally full,
 * and each moves to where its neighbours have just left room.
 */
static void grow_in_turn(struct store_index *index)
{
    /* What was grown lately still waits for readers, twice: then the rest may fill a little
     * further. */
    size_t waiting = index->pages->used_nbytes / STORE_PAGE_NBYTES - index->page_count;
    bool many = waiting > index->page_count / STORE_SEGMENT_GROWTH;
    unsigned percent = many ? STORE_INDEX_FILL_LATE : STORE_INDEX_FILL_MAX;
    while (is_above(index->nodes, index->page_count, percent)) {
        uint32_t segment = index->turn;
        index->turn = (segment + 1) % STORE_SEGMENTS;
        uint32_t pages = pages_of(index, segment);
        if (pages != 0 && !rebuild(index, segment, pages_next(pages)))
            return; /* without memory they fill further */
    }
}

bool store_index_reserve(struct store_index *index, uint64_t hash, uint32_t extra)
{
    uint32_t segment = store_index_segment(hash);
    if (index->page_count >= STORE_SEGMENTS)
        grow_in_turn(index);
    uint32_t now = pages_of(index, segment);
    uint32_t pages = now;
    while (is_above(index->used[segment] + extra, pages, STORE_SEGMENT_FILL_MAX))
        pages = pages_next(pages);
    return pages == now || rebuild(index, segment, pages);
}

void store_index_insert(struct store_index *index, uint64_t hash, store_ref ref, bool answers)
{
    uint32_t segment = store_index_segment(hash);
    struct store_table table = store_table_of(index->segment[segment]);
    assert(index->used[segment] < table.count * STORE_BUCKET_SLOTS);
    table_insert(table, store_index_tag(hash), answers, ref);
    index->used[segment]++;
    index->nodes++;
}

/*
 * The slot of a node that is in; NULL when it is not. With `passed`, takes 1
 * from the overflow of each bucket before it: one that stuck stays.
 */
static struct store_bucket *slot_find(const struct store_index *index, uint64_t hash, store_ref ref,
                                      uint32_t *slot, bool passed)
{
    struct store_table table = store_index_table(index, hash);
    uint32_t tag = store_index_tag(hash);
    uint32_t at = table.count != 0 ? store_index_bucket(tag, table.count) : 0;
    for (uint32_t left = table.count; left > 0; left--) {
        struct store_bucket *bucket = &table.buckets[at];
        for (*slot = 0; *slot < STORE_BUCKET_SLOTS; ++*slot) {
            /* A leaf is in by several hashes: the tag tells which. */
            if (store_bucket_ref(bucket, *slot) == ref && slot_tag(bucket, *slot) == tag)
                return bucket;
        }
        if (store_bucket_overflow(bucket) == 0)
            return NULL;
        if (passed && bucket->overflow != STORE_OVERFLOW_MAX)
            overflow_set(bucket, (uint8_t)(bucket->overflow - 1));
        at = at + 1 != table.count ? at + 1 : 0;
    }
    return NULL;
}

/* Of a node that must be in: that it is not is a bug of ours. */
static struct store_bucket *slot_of(const struct store_index *index, uint64_t hash, store_ref ref,
                                    uint32_t *slot)
{
    struct store_bucket *bucket = slot_find(index, hash, ref, slot, false);
    if (bucket == NULL)
        abort();
    return bucket;
}

void store_index_remove(struct store_index *index, uint64_t hash, store_ref ref)
{
    uint32_t slot;
    struct store_bucket *bucket = slot_of(index, hash, ref, &slot);
    (void)slot_find(index, hash, ref, &slot, true);
    __atomic_store_n(&bucket->ref[slot], 0, __ATOMIC_RELEASE);
    __atomic_store_n(&bucket->low[slot], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&bucket->high[slot], 0, __ATOMIC_RELAXED);
    uint32_t segment = store_index_segment(hash);
    uint32_t used = --index->used[segment];
    index->nodes--;
    uint32_t pages = pages_of(index, segment);
    uint32_t fitting =
        (uint32_t)((uint64_t)used * 100 / (SLOTS_PER_PAGE * STORE_INDEX_FILL_MAX)) + 1;
    if (pages > 1 && !is_above(used, pages, STORE_SEGMENT_FILL_MIN))
        (void)rebuild(index, segment, pages_next(fitting));
}

void store_index_replace(struct store_index *index, uint64_t hash, store_ref old, store_ref ref)
{
    uint32_t slot;
    struct store_bucket *bucket = slot_of(index, hash, old, &slot);
    __atomic_store_n(&bucket->ref[slot], ref, __ATOMIC_RELEASE);
}

void store_index_answer(struct store_index *index, uint64_t hash, store_ref ref, bool answers)
{
    uint32_t slot;
    struct store_bucket *bucket = slot_of(index, hash, ref, &slot);
    uint8_t high = bucket->high[slot] & 0x7f;
    __atomic_store_n(&bucket->high[slot], (uint8_t)(high | (answers ? STORE_ANSWERS : 0u)),
                     __ATOMIC_RELEASE);
}

bool store_index_holds(const struct store_index *index, uint64_t hash, store_ref ref, bool *answers)
{
    uint32_t slot;
    const struct store_bucket *bucket = slot_find(index, hash, ref, &slot, false);
    if (bucket == NULL || slot_tag(bucket, slot) != store_index_tag(hash))
        return false;
    *answers = (bucket->high[slot] & STORE_ANSWERS) != 0;
    return true;
}

static const char *check_segment(const struct store_index *index, uint32_t segment)
{
    struct store_table table = store_table_of(index->segment[segment]);
    uint64_t used = 0;
    uint64_t overflow = 0;
    uint64_t displaced = 0;
    bool stuck = false;
    for (uint32_t i = 0; i < table.count; i++) {
        const struct store_bucket *bucket = &table.buckets[i];
        overflow += bucket->overflow;
        stuck = stuck || bucket->overflow == STORE_OVERFLOW_MAX;
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            if (bucket->ref[s] == 0) {
                if (bucket->low[s] != 0 || bucket->high[s] != 0)
                    return "index: an empty slot is not clean";
                continue;
            }
            uint32_t home = store_index_bucket(slot_tag(bucket, s), table.count);
            displaced += (i + table.count - home) % table.count;
            used++;
        }
    }
    if (used != index->used[segment])
        return "index: the slots do not add up";
    return stuck || overflow == displaced ? NULL : "index: the overflow counts do not add up";
}

const char *store_index_check(const struct store_index *index)
{
    uint64_t nodes = 0;
    for (uint32_t i = 0; i < STORE_SEGMENTS; i++) {
        const char *broken = check_segment(index, i);
        if (broken != NULL)
            return broken;
        nodes += index->used[i];
    }
    return nodes == index->nodes ? NULL : "index: the segments do not add up";
}
