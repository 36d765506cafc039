/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All stored keys in the order of their hashes.
 *
 * A position is the beginning of a hash: segment and tag. That order does not change
 * when a segment's table grows, and a slot says by its tag where it belongs, so
 * the position is all that is remembered between two calls:
 *
 *     position  │ segment: 10 bits │ tag: 23 bits │
 *
 *     table of 4 buckets │ home 0        │ home 1        │ home 2        │ home 3       │
 *     of 8 buckets       │ home 0│ home 1│ home 2│ home 3│ …
 *                        ▲ tag 0         ▲ tag 2^21
 *
 * One call looks at the slots of one home bucket, which is where they are or, when it was
 * full, in those behind it.
 */
#include "store_private.h"

_Static_assert(STORE_SWEEP_END == UINT64_C(1) << (STORE_SEGMENT_BITS + STORE_TAG_BITS),
               "positions are segments and tags");

struct sweep {
    const struct store_reader *reader;
    void (*visit)(void *arg, const struct store_entry *entry);
    void *arg;
};

static void visit_value(const struct sweep *sweep, const struct store_node *value,
                        struct cdx_bytes key)
{
    struct store_entry entry;
    store_entry_of(value, key, &entry);
    sweep->visit(sweep->arg, &entry);
}

/* The node of a slot, if the version that is seen has it. */
static void visit_node(const struct sweep *sweep, store_ref ref)
{
    const struct store *store = sweep->reader->store;
    const struct store_view *view = &sweep->reader->view;
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    uint64_t hash;
    const struct store_node *value = store_value_at(store, store_at(store, ref), view);
    if (value == NULL || !store_key_of_stored(store, ref, key, &nbytes, &hash))
        return;
    if (store_has_gates(store) && store_find_answering(store, hash, key, nbytes, view) != ref)
        return;
    visit_value(sweep, value, cdx_bytes_of(key, nbytes));
}

/* The slots of a bucket whose home is `home` and whose tag is `from` or behind it. */
static void visit_bucket(const struct sweep *sweep, const struct store_table *table, uint32_t at,
                         uint32_t home, uint32_t from)
{
    const struct store_bucket *bucket = &table->buckets[at];
    for (uint32_t slot = 0; slot < STORE_BUCKET_SLOTS; slot++) {
        store_ref ref = store_bucket_ref(bucket, slot);
        uint32_t low = __atomic_load_n(&bucket->low[slot], __ATOMIC_RELAXED);
        uint32_t high = __atomic_load_n(&bucket->high[slot], __ATOMIC_RELAXED);
        uint32_t tag = low | (high & ~STORE_ANSWERS) << 16;
        if (ref != 0 && (high & STORE_ANSWERS) != 0 && tag >= from &&
            store_index_bucket(tag, table->count) == home)
            visit_node(sweep, ref);
    }
}

static void visit_home(const struct sweep *sweep, const struct store_table *table, uint32_t home,
                       uint32_t from)
{
    uint32_t at = home;
    for (uint32_t left = table->count; left != 0; left--) {
        visit_bucket(sweep, table, at, home, from);
        if (store_bucket_overflow(&table->buckets[at]) == 0)
            break;
        at = at + 1 != table->count ? at + 1 : 0;
    }
}

/* The empty key, whose node is in no index. */
static void visit_root(const struct sweep *sweep)
{
    const struct store *store = sweep->reader->store;
    store_ref root = store_find_root(store, &sweep->reader->view);
    const struct store_node *value =
        root != 0 ? store_value_at(store, store_at(store, root), &sweep->reader->view) : NULL;
    if (value != NULL)
        visit_value(sweep, value, cdx_empty());
}

uint64_t store_sweep(struct store_reader *reader, uint64_t position,
                     void (*visit)(void *arg, const struct store_entry *entry), void *arg)
{
    const struct sweep sweep = {reader, visit, arg};
    if (position == 0)
        visit_root(&sweep);
    while (position < STORE_SWEEP_END) {
        uint64_t segment = position >> STORE_TAG_BITS;
        uint32_t from = (uint32_t)position & ((1u << STORE_TAG_BITS) - 1);
        uint64_t next = (segment + 1) << STORE_TAG_BITS;
        struct store_table table =
            store_index_table(&reader->store->index, segment << (64 - STORE_SEGMENT_BITS));
        position = next;
        if (table.count == 0)
            continue;
        uint32_t home = store_index_bucket(from, table.count);
        visit_home(&sweep, &table, home, from);
        /* The first tag of the next bucket; of the last one's, it is the next segment's. */
        uint64_t tag = (((uint64_t)home + 1) << STORE_TAG_BITS) + table.count - 1;
        position = (segment << STORE_TAG_BITS) + tag / table.count;
        break;
    }
    return position < STORE_SWEEP_END ? position : 0;
}
