/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The store's parts, for its own files and tests only.
 *
 *     key ─ hash of every boundary ─► index ─► node ─► version of the value
 *                                               │ ▲
 *                                     children  ▼ │ parent
 *                                               set of nodes
 *
 *     store_find      from keys to nodes, as of a version
 *     store_match     get, match and match_bytes on top of it
 *     store_walk      list, children, count
 *     store_sweep     all keys, by their hashes
 *     store_change    one change to tree and index, complete or not at all
 *     store_write     put, delete, drop, batch      ┐
 *     store_stage     stages and swap               │ the writer's side:
 *     store_expiry    the timer wheel               │ under the lock
 *     store_reclaim   what nobody can see any more  │
 *     store_upkeep    clock, eviction, compaction   ┘
 *
 * A node is there for a reader when no fork on the way from it to the root has
 * an `end` at or before the reader's revision, or a `begin` after it. Since a
 * lookup compares the key segment by segment along that way, it meets them all.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store_arena.h"
#include "store_expiry.h"
#include "store_hash.h"
#include "store_index.h"
#include "store_limbo.h"
#include "store_memory.h"
#include "store_node.h"
#include "store_pages.h"
#include "store_reclaim.h"
#include "store_set.h"

#include <pthread.h>
#include <stdalign.h>

/* ---- types ---- */

/** What a lookup sees. */
struct store_view {
    uint64_t revision;
    uint64_t now_ms;
    store_ref stage; /* the top of the stage that is looked at; 0: the store */
};

/** One open stage: a subtree that has no parent yet. */
struct store_stage {
    uint32_t number;          /* 0: thrown away */
    bool queued;              /* … to be taken apart */
    struct store_stage *next; /* … with the others */
    store_ref top;
    store_ref end; /* a record for the subtree that it will replace; 0: to be made */
    uint64_t relative_keys;
    uint16_t key_nbytes;
    uint8_t key[STORE_KEY_NBYTES_MAX];
};

struct store_snapshot {
    uint64_t revision;
    struct store_snapshot *next;
};

/** How many nodes with a value have a key of each length: match_bytes tries no other. */
struct store_lengths {
    _Atomic uint64_t used[STORE_KEY_NBYTES_MAX / 64 + 1]; /* bit per length */
    uint32_t nodes[STORE_KEY_NBYTES_MAX + 1];
};

/** Where eviction is: a bucket of the index. */
struct store_hand {
    uint32_t segment;
    uint32_t bucket;
};

/** The compaction that runs, if any. */
struct store_compaction {
    bool running;
    bool moved;            /* all that can be; the spans are given back after a grace period */
    uint64_t waiting;      /* what could not move when the last one began */
    uint64_t round;        /* … of the limbo that this waits for */
    uint64_t freed_nbytes; /* since a compaction was last considered */
    struct store_hand hand;
};

struct store {
    /* What every lookup reads. */
    alignas(STORE_LINE_NBYTES) struct store_index index;
    struct store_arena arena;
    struct store_hash_keys keys;
    struct store_lengths lengths;
    _Atomic uint32_t root;
    _Atomic uint32_t gates; /* begins and ends that there are, or were a grace period ago */
    atomic_bool sampling;   /* lookups leave traces for eviction */

    /* What writes change and readers read once per section. */
    alignas(STORE_LINE_NBYTES) _Atomic uint64_t published; /* revision */
    _Atomic uint64_t now_ms;
    /* Odd while counts may change: the readers of counts read them between two changes. */
    _Atomic uint64_t counts_turn;

    /* The writer's. */
    alignas(STORE_LINE_NBYTES) pthread_mutex_t lock;
    uint64_t revision;
    uint64_t relative_keys; /* stored keys that do not begin with '/', the empty one not counted */
    uint64_t key_nbytes;
    uint64_t value_nbytes;
    uint64_t nodes;
    uint64_t upkept; /* revisions whose share of upkeep was paid */
    uint64_t expired;
    uint64_t evicted;
    uint32_t gates_gone;  /* of `gates`, as many as are no more … */
    uint64_t gates_round; /* … once the limbo's rounds are here */
    struct store_pages pages;
    struct store_limbo limbo;
    struct store_reclaim reclaim;
    struct store_wheel wheel;
    struct store_hand hand;
    struct store_compaction compaction;
    uint64_t memory_max_nbytes;
    bool evict;
    uint16_t evict_below_nbytes;
    uint8_t evict_below[STORE_KEY_NBYTES_MAX];
    uint32_t stage_last; /* number given out */
    uint32_t stages_open;
    struct store_stage *stages[STORE_STAGES_MAX];
    struct store_stage
        *stages_gone; /* thrown away, not yet taken apart: their nodes need their key */

    /* Readers that are open and versions that are kept; both lists by their own lock. */
    alignas(STORE_LINE_NBYTES) pthread_mutex_t lists_lock;
    struct store_reader *readers;
    struct store_snapshot *snapshots;
    uint32_t snapshot_count;
};

/** Hashes that a reader leaves for eviction: those it looked up, one of so many. */
#define STORE_TRACES 128u
#define STORE_TRACE_EVERY 8u

struct store_reader {
    alignas(STORE_LINE_NBYTES) struct store *store;
    struct store_view view;
    struct store_reader *next;
    uint64_t section; /* number of the read section */
    uint32_t lookups;
    _Atomic uint64_t trace[STORE_TRACES];
};

/* ---- parts ---- */

static inline struct store_node *store_at(const struct store *store, store_ref ref)
{
    return store_node_at(&store->arena, ref);
}

static inline struct store_set_env store_set_env(struct store *store)
{
    return (struct store_set_env){&store->arena, &store->limbo};
}

/** What the writer sees: all that was written, published or not. */
static inline struct store_view store_writer_view(const struct store *store)
{
    return (struct store_view){
        .revision = STORE_REVISION_MAX,
        .now_ms = atomic_load_explicit(&store->now_ms, memory_order_relaxed),
    };
}

/* ---- keys ---- */

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

/** True when the key is of the kind that `relative_keys` counts. */
static inline bool store_is_relative(struct cdx_bytes key)
{
    return key.len != 0 && key.data[0] != '/';
}

/** The first `len` bytes. */
static inline struct cdx_bytes store_prefix(struct cdx_bytes bytes, size_t len)
{
    return cdx_bytes_of(bytes.data, len);
}

/** Where the segment that begins at `at` ends: the next '/' behind `at`, or the key's end. */
size_t store_segment_end(struct cdx_bytes key, size_t at);

/** The segment that begins at `at`; empty at the key's end. */
struct cdx_bytes store_segment(struct cdx_bytes key, size_t at);

/** Where the segment that ends at `end` (not 0) begins: the last '/' before `end`, or 0. */
size_t store_segment_start(struct cdx_bytes key, size_t end);

/* ---- finding ---- */

/** The stage, open or thrown away, whose top this is; NULL: none. */
struct store_stage *store_stage_with_top(const struct store *store, store_ref top);

/**
 * Whether any fork is gated. Asked after a node was found: while nothing is, it is
 * the only one with its key, and there for every view.
 */
static inline bool store_has_gates(const struct store *store)
{
    return atomic_load_explicit(&store->gates, memory_order_acquire) != 0;
}

/** Whether the subtree of a gated fork is there for the view; lowers `*ends` to the revision where
 * it ends. */
bool store_gate_open(const struct store *store, const struct store_node *fork,
                     const struct store_view *view, uint64_t *ends);

/** Whether a chain of parents ends well at a fork that is gated or a root, `end` bytes being left.
 */
bool store_chain_end(const struct store *store, const struct store_node *node, size_t end,
                     const struct store_view *view, uint64_t *ends, bool *more);

/** Whether `n` (at most 15) bytes are the same; reads no others. */
static inline bool store_few_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n >= 8)
        return ((store_hash_load64(a) ^ store_hash_load64(b)) |
                (store_hash_load64(a + n - 8) ^ store_hash_load64(b + n - 8))) == 0;
    if (n >= 4)
        return ((store_hash_load32(a) ^ store_hash_load32(b)) |
                (store_hash_load32(a + n - 4) ^ store_hash_load32(b + n - 4))) == 0;
    while (n > 0 && a[n - 1] == b[n - 1])
        n--;
    return n == 0;
}

/** Whether the last `n` bytes of the `end` at `key` are those at `text`; `n` is at most `end`. */
static inline bool store_tail_equal(const uint8_t *text, size_t n, const uint8_t *key, size_t end)
{
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    /* Arena blocks may be read 16 bytes before their text; keys from their beginning. */
    while (end >= 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(text + n - 16));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(key + end - 16));
        uint32_t other = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) & 0xffff;
        if (n <= 16)
            return other >> (16 - n) == 0;
        if (other != 0)
            return false;
        n -= 16;
        end -= 16;
    }
    return store_few_equal(text, key + end - n, n);
#else
    return memcmp(text, key + end - n, n) == 0;
#endif
}

/**
 * Whether the node is that of the first `end` bytes of `key`, and there for the view.
 * Of several, of subtrees that replaced each other, the right one is that which ends first:
 * `*ends`.
 */
static inline bool store_node_matches(const struct store *store, const struct store_node *node,
                                      const uint8_t *key, size_t end, const struct store_view *view,
                                      uint64_t *ends)
{
    *ends = STORE_REVISION_NEVER;
    for (;;) {
        uint32_t head = store_head(node);
        if ((head & ((uint32_t)STORE_GATED | STORE_ROOT)) == STORE_ROOT)
            return end == 0 && view->stage == 0;
        if (__builtin_expect((head & STORE_GATED) != 0, 0)) {
            bool more;
            if (!store_chain_end(store, node, end, view, ends, &more))
                return false;
            if (!more)
                return true;
        }
        size_t n = store_head_text(head);
        if (store_head_is_whole(head)) {
            if (!store_has_gates(store))
                return n == end && store_tail_equal(store_node_text(node, head), n, key, end);
            struct cdx_bytes label = store_node_label(node);
            if (label.len > end || memcmp(label.data, key + end - label.len, label.len) != 0)
                return false;
            end -= label.len;
            node = store_at(store, store_node_link(node));
            continue;
        }
        if (n > end || !store_tail_equal(store_node_text(node, head), n, key, end))
            return false;
        end -= n;
        node = store_at(store, store_node_link(node));
    }
}

/** store_node_matches() of a node that was found before no fork was gated. */
static inline bool store_node_matches_plain(const struct store *store,
                                            const struct store_node *node, const uint8_t *key,
                                            size_t end, const struct store_view *view)
{
    for (;;) {
        uint32_t head = store_head(node);
        size_t n = store_head_text(head);
        if (store_head_kind(head) == STORE_FORK) {
            if ((head & STORE_ROOT) != 0)
                return end == 0 && view->stage == 0;
            if ((head & STORE_WHOLE) != 0)
                return n == end && store_tail_equal(store_node_text(node, head), n, key, end);
        }
        if (n > end || !store_tail_equal(store_node_text(node, head), n, key, end))
            return false;
        end -= n;
        node = store_at(store, store_node_link(node));
    }
}

/** store_find_hashed() of an answering node while forks are gated. */
store_ref store_find_answering(const struct store *store, uint64_t hash, const uint8_t *key,
                               size_t end, const struct store_view *view);

/**
 * The answering node of the first `end` (not 0) bytes of `key`, whose hash is given; 0: there
 * is none.
 */
static inline store_ref store_find_hashed(const struct store *store, uint64_t hash,
                                          const uint8_t *key, size_t end,
                                          const struct store_view *view)
{
    struct store_probing p = store_index_probe(&store->index, hash, true);
    store_ref ref;
    while ((ref = store_index_next(&p)) != 0) {
        uint64_t ends;
        if (!store_node_matches(store, store_at(store, ref), key, end, view, &ends))
            continue;
        return store_has_gates(store) ? store_find_answering(store, hash, key, end, view) : ref;
    }
    return 0;
}

/**
 * The node of the first `end` (not 0) bytes of `key`, stored or not; 0: there is none. `*inner`: it
 * is a leaf with more segments, and the boundary is among them.
 */
store_ref store_find_any(const struct store *store, uint64_t hash, const uint8_t *key, size_t end,
                         const struct store_view *view, bool *inner);

/** The empty key's node for the view. Always there, unless the view is older than any snapshot. */
store_ref store_find_root(const struct store *store, const struct store_view *view);

/** store_find_any() of a prefix of the path's key; the root for `end` 0. */
store_ref store_find(const struct store *store, const struct store_path *path, size_t end,
                     const struct store_view *view, bool *inner);

/** The deepest node on the path, and the boundary where it is. There is always one: the root. */
store_ref store_find_deepest(const struct store *store, const struct store_path *path,
                             const struct store_view *view, size_t *end, bool *inner);

/**
 * The node that holds the subtree of `key`, or 0. For a key that ends in '/'
 * that is the node before its last '/': the subtree is then all below it, for
 * '/' itself without the relative keys.
 */
store_ref store_find_base(const struct store *store, struct cdx_bytes key,
                          const struct store_view *view, bool *inner);

/** The key's hash when `ref` is any node: goes up its parents. Writes the key to `key`. The
 * writer's. */
uint64_t store_key_of(const struct store *store, store_ref ref,
                      uint8_t key[static STORE_KEY_NBYTES_MAX], size_t *nbytes);

/** Like store_key_of(), for readers. False: a node of a stage, whose key they cannot know. */
bool store_key_of_stored(const struct store *store, store_ref ref,
                         uint8_t key[static STORE_KEY_NBYTES_MAX], size_t *nbytes, uint64_t *hash);

/* ---- values ---- */

/** store_value_at() of a fork: its newest record that the view sees. */
const struct store_node *store_fork_value(const struct store *store, const struct store_node *fork,
                                          const struct store_view *view);

/** The leaf or record that has a fork's or leaf's value for the view; NULL: not stored. */
static inline const struct store_node *store_value_at(const struct store *store,
                                                      const struct store_node *node,
                                                      const struct store_view *view)
{
    switch (store_node_kind(node)) {
    case STORE_LEAF:
        return store_record_revision(store_record_of(node)) <= view->revision ? node : NULL;
    case STORE_FORK:
        return store_fork_value(store, node, view);
    default:
        return NULL;
    }
}

/** The view of a value for a caller. */
static inline void store_entry_of(const struct store_node *value, struct cdx_bytes key,
                                  struct store_entry *entry)
{
    uint32_t head = store_head(value);
    entry->key = key;
    entry->revision = store_record_revision(store_record_of(value));
    if ((head & (3u | STORE_HEAP | STORE_MARKED)) == STORE_LEAF) { /* mostly */
        entry->value =
            cdx_bytes_of((const uint8_t *)value + STORE_LEAF_NBYTES + store_head_text(head),
                         store_head_value(head));
        entry->mark = 0;
        entry->expires_ms = 0;
        return;
    }
    entry->value = store_node_value(value);
    entry->mark = store_node_value_mark(value);
    entry->expires_ms = store_head_kind(head) == STORE_RECORD ? store_record_expires(value) : 0;
}

/** Stored keys at and below a node, by its counts; those that have expired included. */
uint64_t store_keys_at(const struct store *store, store_ref ref);

/** Stored keys below a node, not at it: those that its child '/' would answer. */
uint64_t store_keys_below(const struct store *store, store_ref ref, uint64_t relative_keys);

/** Whether the writer counts the node itself as stored. */
bool store_is_counted(const struct store *store, const struct store_node *node);

#endif
