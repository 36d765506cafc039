/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The store's parts, for its own files and tests only.
 *
 *     key ─ hash of every boundary ─► index ─► node ◄─► tree of segments
 *                                                └ value
 *
 * The tree alone holds all; the index is a faster way in.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store_arena.h"
#include "store_hash.h"
#include "store_index.h"
#include "store_memory.h"
#include "store_node.h"

#include <pthread.h>
#include <stdalign.h>

struct store {
    /* What every lookup reads, and only writes of the table change. */
    alignas(STORE_LINE_NBYTES) struct store_index index;
    struct store_arena arena;
    struct store_hash_keys keys;
    uint64_t priority_seed;
    /* What writes change. */
    alignas(STORE_LINE_NBYTES) uint64_t revision;
    uint64_t nodes;         /* all but the root */
    uint64_t relative_keys; /* stored keys that do not begin with '/', the empty one not counted */
    uint64_t key_nbytes;    /* of the stored keys */
    uint64_t value_nbytes;  /* of the stored values */
    uint64_t heap_nbytes;   /* of the heap blocks of values */
    /* What readers and the writer fight for. */
    alignas(STORE_LINE_NBYTES) pthread_rwlock_t lock;
};

/** A line of its own: readers on different threads share nothing but the lock. */
struct store_reader {
    alignas(STORE_LINE_NBYTES) struct store *store;
};

static inline struct store_node *store_at(const struct store *store, store_ref ref)
{
    return store_node_at(&store->arena, ref);
}

/** True when `prefix` is one of `bytes`. */
static inline bool store_is_prefix(struct cdx_bytes prefix, struct cdx_bytes bytes)
{
    return prefix.len <= bytes.len &&
           (prefix.len == 0 || memcmp(prefix.data, bytes.data, prefix.len) == 0);
}

/** True when the key ends in '/'. */
static inline bool store_ends_in_slash(struct cdx_bytes key)
{
    return key.len != 0 && key.data[key.len - 1] == '/';
}

/** The first `len` bytes. */
static inline struct cdx_bytes store_head(struct cdx_bytes bytes, size_t len)
{
    return cdx_bytes_of(bytes.data, len);
}

/** Where the segment that begins at `at` ends: the next '/' behind `at`, or the key's end. */
size_t store_segment_end(struct cdx_bytes key, size_t at);

/** The segment that begins at `at`; empty at the key's end. */
struct cdx_bytes store_segment(struct cdx_bytes key, size_t at);

/** Where the segment that ends at `end` (not 0) begins: the last '/' before `end`, or 0. */
size_t store_segment_start(struct cdx_bytes key, size_t end);

/** The node of a prefix of the path's key; the root for `end` 0; 0: there is none. */
store_ref store_find(const struct store *store, const struct store_path *path, size_t end);

/** The deepest node on the path, and the length of its key. There is always one: the root. */
store_ref store_find_deepest(const struct store *store, const struct store_path *path, size_t *end);

/**
 * The node that holds the subtree of `key`, or 0. For a key that ends in '/'
 * that is the node before its last '/': the subtree is then all below it, for
 * '/' itself without the relative keys.
 */
store_ref store_find_base(const struct store *store, struct cdx_bytes key);

/** Stored keys below a node, not at it: those that its child '/' would answer. */
uint64_t store_keys_below(const struct store *store, store_ref ref);

#endif
