/* SPDX-License-Identifier: Apache-2.0 */
/* From keys to nodes, and from nodes to what is stored there, as of a version. */
#include "store_private.h"

#include <string.h>

/* ---- segments ---- */

size_t store_segment_end(struct cdx_bytes key, size_t at)
{
    if (at >= key.len)
        return key.len;
    const uint8_t *slash = memchr(key.data + at + 1, '/', key.len - at - 1);
    return slash != NULL ? (size_t)(slash - key.data) : key.len;
}

struct cdx_bytes store_segment(struct cdx_bytes key, size_t at)
{
    return cdx_bytes_of(key.data + at, store_segment_end(key, at) - at);
}

size_t store_segment_start(struct cdx_bytes key, size_t end)
{
    while (end-- > 0) {
        if (key.data[end] == '/')
            return end;
    }
    return 0;
}

/* ---- gates ---- */

struct store_stage *store_stage_with_top(const struct store *store, store_ref top)
{
    for (size_t i = 0; i < STORE_STAGES_MAX; i++) {
        if (store->stages[i] != NULL && store->stages[i]->top == top)
            return store->stages[i];
    }
    struct store_stage *gone = store->stages_gone;
    while (gone != NULL && gone->top != top)
        gone = gone->next;
    return gone;
}

bool store_gate_open(const struct store *store, const struct store_node *fork,
                     const struct store_view *view, uint64_t *ends)
{
    store_ref ref = store_load_ref(&store_fork_of(fork)->version);
    while (ref != 0) {
        const struct store_node *record = store_at(store, ref);
        uint32_t head = store_head(record);
        if ((head & ((uint32_t)STORE_RECORD_END | STORE_RECORD_BEGIN)) != 0) {
            uint64_t revision = store_record_revision(store_record_of(record));
            bool before = revision <= view->revision;
            bool end = (head & STORE_RECORD_END) != 0;
            if (before == end)
                return false;
            if (end && revision < *ends)
                *ends = revision;
        }
        ref = store_node_link(record);
    }
    return true;
}

bool store_chain_end(const struct store *store, const struct store_node *node, size_t end,
                     const struct store_view *view, uint64_t *ends, bool *more)
{
    *more = false;
    if (view->stage != 0 && node == store_at(store, view->stage)) {
        /* Whoever looks into a stage looks for a key in its subtree. */
        return end == store_stage_with_top(store, view->stage)->key_nbytes;
    }
    if (store_node_is(node, STORE_GATED) && !store_gate_open(store, node, view, ends))
        return false;
    if (store_node_is(node, STORE_ROOT))
        return end == 0 && view->stage == 0;
    *more = true;
    return true;
}

/* ---- nodes ---- */

store_ref store_find_root(const struct store *store, const struct store_view *view)
{
    store_ref ref = store_load_ref(&store->root);
    uint64_t ends = 0;
    while (ref != 0 && store_node_is(store_at(store, ref), STORE_GATED) &&
           !store_gate_open(store, store_at(store, ref), view, &ends))
        ref = store_node_link(store_at(store, ref));
    return ref;
}

/* The shallowest node that the view has: the stage's top, or the root. */
static store_ref top_of(const struct store *store, const struct store_view *view)
{
    return view->stage != 0 ? view->stage : store_find_root(store, view);
}

/* Whether a boundary among the segments of a leaf is that of the first `end` bytes of `key`. */
static bool inner_matches(const struct store *store, const struct store_node *leaf,
                          const uint8_t *key, size_t end, const struct store_view *view,
                          uint64_t *ends)
{
    struct cdx_bytes label = store_node_label(leaf);
    for (size_t n = store_segment_end(label, 0); n < label.len; n = store_segment_end(label, n)) {
        if (n <= end && memcmp(label.data, key + end - n, n) == 0 &&
            store_node_matches(store, store_at(store, store_node_link(leaf)), key, end - n, view,
                               ends))
            return true;
    }
    return false;
}

/* A node that a boundary may be at. */
struct candidate {
    store_ref ref;
    bool inner; /* the boundary is among the segments of this leaf */
    uint64_t ends;
};

/* Whether it is at the first `end` bytes of `key`; `with_inner`: or among whose segments they end.
 */
static bool candidate_matches(const struct store *store, struct candidate *candidate,
                              const uint8_t *key, size_t end, const struct store_view *view,
                              bool with_inner)
{
    const struct store_node *node = store_at(store, candidate->ref);
    candidate->inner = false;
    if (store_node_matches(store, node, key, end, view, &candidate->ends))
        return true;
    if (!with_inner || store_node_kind(node) != STORE_LEAF)
        return false;
    candidate->inner = inner_matches(store, node, key, end, view, &candidate->ends);
    return candidate->inner;
}

/* Of all that match, the one that ends first; `*matches`: how many there are. */
static struct candidate candidates_sweep(const struct store *store, uint64_t hash,
                                         const uint8_t *key, size_t end,
                                         const struct store_view *view, bool answering,
                                         unsigned *matches)
{
    struct store_probing p = store_index_probe(&store->index, hash, answering);
    struct candidate found = {.ref = 0};
    struct candidate next;
    *matches = 0;
    while ((next.ref = store_index_next(&p)) != 0) {
        if (!candidate_matches(store, &next, key, end, view, !answering))
            continue;
        ++*matches;
        if (found.ref == 0 || next.ends < found.ends)
            found = next;
        if (!store_has_gates(store))
            break;
    }
    return found;
}

/*
 * The candidate of the view. When there are two, the older one may have been looked at
 * before it ended, even as a block that was replaced before: it is
 * looked at again, since the other one came after its end.
 */
static struct candidate find_candidate(const struct store *store, uint64_t hash, const uint8_t *key,
                                       size_t end, const struct store_view *view, bool answering)
{
    unsigned matches;
    struct candidate found = candidates_sweep(store, hash, key, end, view, answering, &matches);
    if (matches > 1)
        found = candidates_sweep(store, hash, key, end, view, answering, &matches);
    return found;
}

store_ref store_find_answering(const struct store *store, uint64_t hash, const uint8_t *key,
                               size_t end, const struct store_view *view)
{
    return find_candidate(store, hash, key, end, view, true).ref;
}

store_ref store_find_any(const struct store *store, uint64_t hash, const uint8_t *key, size_t end,
                         const struct store_view *view, bool *inner)
{
    struct candidate found = find_candidate(store, hash, key, end, view, false);
    *inner = found.ref != 0 && found.inner;
    return found.ref;
}

store_ref store_find(const struct store *store, const struct store_path *path, size_t end,
                     const struct store_view *view, bool *inner)
{
    *inner = false;
    if (end == 0)
        return store_find_root(store, view);
    return store_find_any(store, store_path_hash(path, end), path->key.data, end, view, inner);
}

/*
 * The deepest node while subtrees are being replaced, from the root down: a node that
 * ends later than the one above it is of another subtree than that.
 */
static store_ref deepest_of_several(const struct store *store, const struct store_path *path,
                                    const struct store_view *view, size_t *end, bool *inner)
{
    struct cdx_bytes key = path->key;
    struct candidate deepest = {.ref = store_find_root(store, view), .ends = STORE_REVISION_NEVER};
    *end = 0;
    for (size_t e = store_segment_end(key, 0); *end < key.len; e = store_segment_end(key, e)) {
        struct candidate next =
            find_candidate(store, store_path_hash(path, e), key.data, e, view, false);
        if (next.ref == 0)
            break;
        if (*end != 0) /* may have ended before `next` came */
            deepest =
                find_candidate(store, store_path_hash(path, *end), key.data, *end, view, false);
        if (next.ends > deepest.ends)
            break;
        deepest = next;
        *end = e;
    }
    *inner = *end != 0 && deepest.inner;
    return deepest.ref;
}

store_ref store_find_deepest(const struct store *store, const struct store_path *path,
                             const struct store_view *view, size_t *end, bool *inner)
{
    size_t least = view->stage != 0 ? store_stage_with_top(store, view->stage)->key_nbytes : 0;
    if (store_has_gates(store) && view->revision != STORE_REVISION_MAX)
        return deepest_of_several(store, path, view, end, inner);
    for (size_t e = path->key.len; e > least; e = store_segment_start(path->key, e)) {
        store_ref ref = store_find(store, path, e, view, inner);
        if (ref != 0) {
            *end = e;
            return ref;
        }
    }
    *end = least;
    *inner = false;
    return top_of(store, view);
}

store_ref store_find_base(const struct store *store, struct cdx_bytes key,
                          const struct store_view *view, bool *inner)
{
    *inner = false;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return 0;
    if (store_ends_in_slash(key))
        key.len--;
    if (key.len == 0)
        return store_find_root(store, view);
    return store_find_any(store, store_hash_of(&store->keys, key), key.data, key.len, view, inner);
}

/*
 * Writes the key of a node to the end of `key`, as far as its parents go, and returns where it
 * begins. `*top`: where they end without a root or a whole key, which is a stage's top; or 0.
 */
static uint8_t *key_collect(const struct store *store, store_ref ref,
                            uint8_t key[static STORE_KEY_NBYTES_MAX], store_ref *top)
{
    uint8_t *to = key + STORE_KEY_NBYTES_MAX;
    const struct store_node *node = store_at(store, ref);
    *top = 0;
    while (!store_node_is(node, STORE_ROOT)) {
        uint32_t head = store_head(node);
        struct cdx_bytes segment = store_node_label(node);
        if (store_head_is_whole(head))
            segment = cdx_bytes_of(store_node_text(node, head), store_head_text(head));
        to -= segment.len;
        memcpy(to, segment.data, segment.len);
        if (store_head_is_whole(head))
            break;
        store_ref parent = store_node_link(node);
        if (parent == 0) {
            *top = ref;
            break;
        }
        ref = parent;
        node = store_at(store, ref);
    }
    return to;
}

/* Moves the key to the front of `key`; returns its hash. */
static uint64_t key_settle(const struct store *store, uint8_t key[static STORE_KEY_NBYTES_MAX],
                           const uint8_t *from, size_t *nbytes)
{
    *nbytes = (size_t)(key + STORE_KEY_NBYTES_MAX - from);
    memmove(key, from, *nbytes);
    return store_hash_of(&store->keys, cdx_bytes_of(key, *nbytes));
}

uint64_t store_key_of(const struct store *store, store_ref ref,
                      uint8_t key[static STORE_KEY_NBYTES_MAX], size_t *nbytes)
{
    store_ref top;
    uint8_t *from = key_collect(store, ref, key, &top);
    if (top != 0) {
        const struct store_stage *stage = store_stage_with_top(store, top);
        size_t above = stage->key_nbytes - store_node_label(store_at(store, top)).len;
        from -= above;
        memcpy(from, stage->key, above);
    }
    return key_settle(store, key, from, nbytes);
}

bool store_key_of_stored(const struct store *store, store_ref ref,
                         uint8_t key[static STORE_KEY_NBYTES_MAX], size_t *nbytes, uint64_t *hash)
{
    store_ref top;
    const uint8_t *from = key_collect(store, ref, key, &top);
    if (top == 0)
        *hash = key_settle(store, key, from, nbytes);
    return top == 0;
}

/* ---- values ---- */

const struct store_node *store_fork_value(const struct store *store, const struct store_node *fork,
                                          const struct store_view *view)
{
    store_ref ref = store_load_ref(&store_fork_of(fork)->version);
    while (ref != 0) {
        const struct store_node *record = store_at(store, ref);
        uint32_t flags = store_head(record);
        bool is_gate = (flags & ((uint32_t)STORE_RECORD_END | STORE_RECORD_BEGIN)) != 0;
        if (!is_gate && store_record_revision(store_record_of(record)) <= view->revision) {
            if ((flags & STORE_RECORD_GONE) != 0)
                return NULL;
            uint64_t expires = store_record_expires(record);
            return expires == 0 || expires > view->now_ms ? record : NULL;
        }
        ref = store_node_link(record);
    }
    return NULL;
}

bool store_is_counted(const struct store *store, const struct store_node *node)
{
    struct store_view all = {.revision = STORE_REVISION_MAX, .now_ms = 0};
    return store_value_at(store, node, &all) != NULL;
}

uint64_t store_keys_at(const struct store *store, store_ref ref)
{
    while (ref != 0) {
        const struct store_node *node = store_at(store, ref);
        switch (store_node_kind(node)) {
        case STORE_LEAF:
            return 1;
        case STORE_PASS:
            ref = store_load_ref(&store_pass_of(node)->child);
            break;
        default:
            if (store_node_is(node, STORE_GATED)) {
                struct store_view latest = {.revision = STORE_REVISION_MAX};
                uint64_t ends = 0;
                if (!store_gate_open(store, node, &latest, &ends))
                    return 0;
            }
            return atomic_load_explicit(&store_fork_of(node)->keys, memory_order_relaxed);
        }
    }
    return 0;
}

uint64_t store_keys_below(const struct store *store, store_ref ref, uint64_t relative_keys)
{
    const struct store_node *node = store_at(store, ref);
    uint64_t keys = store_keys_at(store, ref) - store_is_counted(store, node);
    return store_node_is(node, STORE_ROOT) ? keys - relative_keys : keys;
}
