/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes: put, delete, drop.
 *
 * The happy path of a put finds the deepest boundary that has a node, adds one
 * node per further segment, stores the value, and counts it in all ancestors.
 * Whatever can fail comes first: room in the index, the new nodes (unlinked
 * yet), the value's block. So a put that fails has changed nothing, and delete
 * and drop, which allocate nothing they need, cannot fail.
 */
#include "store_private.h"
#include "store_tree.h"

#include <caudex/heap.h>

#include <assert.h>

/* ---- values ---- */

/* The heap block that the node needs for a value, in `*block`: NULL when the node has room. */
static bool block_new(const struct store_node *node, size_t value_nbytes, uint8_t **block)
{
    bool whole = store_node_is(node, STORE_NODE_WHOLE);
    *block = NULL;
    if (whole && value_nbytes <= store_node_room(node))
        return true;
    *block = cdx_malloc(value_nbytes + (whole ? 0u : node->key_nbytes));
    return *block != NULL;
}

/* Takes the value of a stored node away, with its heap block if it has one. */
static void value_free(struct store *store, struct store_node *node)
{
    store->value_nbytes -= node->value_nbytes;
    if (store_node_is(node, STORE_NODE_HEAP)) {
        store->heap_nbytes -= store_node_heap_nbytes(node);
        cdx_free(store_node_heap(node));
    }
    node->flags &= (uint8_t) ~(unsigned)(STORE_NODE_STORED | STORE_NODE_HEAP);
    node->value_nbytes = 0;
}

/* Stores `value` at the node of `key`, in `block`, which block_new() gave. Frees the old one. */
static void value_set(struct store *store, struct store_node *node, uint8_t *block,
                      struct cdx_bytes key, struct cdx_bytes value)
{
    if (store_node_is(node, STORE_NODE_STORED))
        value_free(store, node);
    uint8_t *to = node->text + store_node_text_nbytes(node);
    node->flags |= STORE_NODE_STORED;
    node->value_nbytes = (uint32_t)value.len;
    store->value_nbytes += value.len;
    if (block != NULL) {
        memcpy(to, &block, sizeof block);
        node->flags |= STORE_NODE_HEAP;
        store->heap_nbytes += store_node_heap_nbytes(node);
        to = block;
        if (!store_node_is(node, STORE_NODE_WHOLE)) {
            memcpy(to, key.data, key.len);
            to += key.len;
        }
    }
    if (value.len != 0)
        memcpy(to, value.data, value.len);
}

/* ---- what follows from a key's being stored or not ---- */

static void refresh(struct store *store, store_ref ref)
{
    if (ref != STORE_ROOT)
        store_index_refresh(&store->index, ref);
}

/* Brings answer bits and the parent's flag up to date after the node gained or lost its value. */
static void answers_changed(struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    refresh(store, ref);
    if (!store_node_is(node, STORE_NODE_SLASH))
        return;
    struct store_node *parent = store_at(store, node->parent);
    parent->flags &= (uint8_t) ~(unsigned)STORE_NODE_SLASH_ANSWERS;
    if (store_node_is(node, STORE_NODE_STORED))
        parent->flags |= STORE_NODE_SLASH_ANSWERS;
    refresh(store, node->parent);
}

static void total_add(struct store *store, struct cdx_bytes key)
{
    store->key_nbytes += key.len;
    store->relative_keys += key.len != 0 && key.data[0] != '/';
}

static void total_take(struct store *store, struct cdx_bytes key)
{
    store->key_nbytes -= key.len;
    store->relative_keys -= key.len != 0 && key.data[0] != '/';
}

/* Adds `keys` to the counts of the node and its ancestors; a negative number modulo 2^32 takes. */
static void keys_add(struct store *store, store_ref ref, uint32_t keys)
{
    for (; ref != 0; ref = store_at(store, ref)->parent)
        store_at(store, ref)->keys += keys;
}

/* ---- nodes ---- */

/* Of the last segment only when `whole` is false; with room for a value that is to be inline. */
static store_ref node_new(struct store *store, struct cdx_bytes key, size_t segment_at, bool whole,
                          size_t value_nbytes)
{
    struct cdx_bytes segment = cdx_bytes_of(key.data + segment_at, key.len - segment_at);
    struct cdx_bytes text = whole ? key : segment;
    size_t tail = STORE_TAIL_NBYTES_MIN;
    if (value_nbytes > tail && value_nbytes <= STORE_INLINE_NBYTES_MAX)
        tail = value_nbytes;
    size_t nbytes = STORE_NODE_NBYTES + text.len + tail;
    uint32_t units = (uint32_t)((nbytes + STORE_UNIT_NBYTES - 1) / STORE_UNIT_NBYTES);
    store_ref ref = store_arena_get(&store->arena, units);
    if (ref == 0)
        return 0;
    struct store_node *node = store_at(store, ref);
    memset(node, 0, STORE_NODE_NBYTES);
    memcpy(node->text, text.data, text.len);
    node->key_nbytes = (uint16_t)key.len;
    node->segment_nbytes = (uint16_t)segment.len;
    node->units = (uint16_t)units;
    if (whole)
        node->flags |= STORE_NODE_WHOLE;
    if (segment.len == 1 && segment.data[0] == '/')
        node->flags |= STORE_NODE_SLASH;
    return ref;
}

static void node_free(struct store *store, store_ref ref)
{
    store_arena_free(&store->arena, ref, store_at(store, ref)->units);
}

/* The nodes of a key behind its deepest boundary that has one: a chain by `parent` and `child`. */
struct chain {
    store_ref top;
    store_ref leaf;
    uint32_t count;
};

static void chain_free(struct store *store, struct chain *chain)
{
    while (chain->top != 0) {
        store_ref next = store_at(store, chain->top)->child;
        node_free(store, chain->top);
        chain->top = next;
    }
}

/* Makes the chain from the leaf up, linked to nothing else. False: no memory, nothing is held. */
static bool chain_new(struct store *store, struct cdx_bytes key, size_t from, size_t value_nbytes,
                      struct chain *chain)
{
    *chain = (struct chain){0, 0, 0};
    for (size_t end = key.len; end != from;) {
        size_t start = store_segment_start(key, end);
        bool leaf = end == key.len;
        store_ref ref = node_new(store, store_head(key, end), start, leaf, leaf ? value_nbytes : 0);
        if (ref == 0) {
            chain_free(store, chain);
            return false;
        }
        store_at(store, ref)->child = chain->top;
        if (chain->top != 0)
            store_at(store, chain->top)->parent = ref;
        else
            chain->leaf = ref;
        chain->top = ref;
        chain->count++;
        end = start;
    }
    return true;
}

/* Enters the chain below `parent`, in tree and index; the index has room. */
static void chain_link(struct store *store, const struct store_path *path,
                       const struct chain *chain, store_ref parent)
{
    store_at(store, chain->top)->parent = parent;
    store_tree_insert(store, chain->top);
    for (store_ref ref = chain->top; ref != 0; ref = store_at(store, ref)->child)
        store_index_insert(&store->index, store_path_hash(path, store_at(store, ref)->key_nbytes),
                           ref);
    store->nodes += chain->count;
}

/* Removes the node and its ancestors as far as nothing is stored at or below them. */
static void prune(struct store *store, store_ref ref)
{
    while (ref != STORE_ROOT && store_at(store, ref)->keys == 0) {
        const struct store_node *node = store_at(store, ref);
        store_ref parent = node->parent;
        store_tree_remove(store, ref);
        store_index_remove(&store->index, ref);
        node_free(store, ref);
        store->nodes--;
        ref = parent;
    }
    if (store->nodes == 0)
        store_arena_trim(&store->arena, store_at(store, STORE_ROOT)->units);
}

/* ---- put ---- */

static void became_stored(struct store *store, struct cdx_bytes key, store_ref ref)
{
    answers_changed(store, ref);
    total_add(store, key);
    keys_add(store, ref, 1);
}

/* Gives the node of a boundary that is there a value. */
static bool put_at(struct store *store, struct cdx_bytes key, store_ref ref, struct cdx_bytes value)
{
    struct store_node *node = store_at(store, ref);
    bool was_stored = store_node_is(node, STORE_NODE_STORED);
    uint8_t *block;
    if (!block_new(node, value.len, &block))
        return false;
    value_set(store, node, block, key, value);
    node->revision = ++store->revision;
    if (!was_stored)
        became_stored(store, key, ref);
    return true;
}

/* Adds the nodes behind `parent`, whose key is `from` bytes long, and the value. */
static bool put_below(struct store *store, const struct store_path *path, store_ref parent,
                      size_t from, struct cdx_bytes value)
{
    struct chain chain;
    if (!chain_new(store, path->key, from, value.len, &chain))
        return false;
    struct store_node *leaf = store_at(store, chain.leaf);
    uint8_t *block;
    if (!store_index_reserve(&store->index, chain.count) || !block_new(leaf, value.len, &block)) {
        chain_free(store, &chain);
        return false;
    }
    value_set(store, leaf, block, path->key, value);
    leaf->revision = ++store->revision;
    chain_link(store, path, &chain, parent);
    became_stored(store, path->key, chain.leaf);
    return true;
}

enum store_status store_put(struct store *store, struct cdx_bytes key, struct cdx_bytes value,
                            const uint64_t *expected, uint64_t *revision)
{
    if (key.len > STORE_KEY_NBYTES_MAX || value.len > STORE_VALUE_NBYTES_MAX)
        return STORE_TOO_LONG;
    struct store_path path;
    store_path_init(&path, &store->keys, key);
    size_t end;
    store_ref ref = store_find_deepest(store, &path, &end);
    if (expected != NULL) {
        const struct store_node *node = store_at(store, ref);
        uint64_t present = end == key.len ? node->revision : 0;
        if (*expected != present) {
            *revision = present;
            return STORE_CONFLICT;
        }
    }
    bool done =
        end == key.len ? put_at(store, key, ref, value) : put_below(store, &path, ref, end, value);
    if (!done)
        return STORE_NO_MEMORY;
    *revision = store->revision;
    return STORE_OK;
}

/* ---- delete ---- */

/* Takes the value of a stored node away; the node stays. */
static void unstore(struct store *store, struct cdx_bytes key, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    value_free(store, node);
    node->revision = 0;
    answers_changed(store, ref);
    total_take(store, key);
    keys_add(store, ref, UINT32_MAX);
}

enum store_status store_delete(struct store *store, struct cdx_bytes key, uint64_t *revision)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    store_ref ref = STORE_ROOT;
    if (key.len != 0)
        ref = store_index_find(&store->index, store_hash_of(&store->keys, key), key, true);
    if (ref == 0 || !store_node_is(store_at(store, ref), STORE_NODE_STORED))
        return STORE_NOT_FOUND;
    unstore(store, key, ref);
    prune(store, ref);
    *revision = ++store->revision;
    return STORE_OK;
}

/* ---- drop ---- */

/* Frees a node, which is out of the tree's links, with its value; 1 if it had one. */
static uint32_t node_drop(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    uint32_t stored = store_node_is(node, STORE_NODE_STORED);
    if (stored != 0) {
        struct store_entry entry;
        store_node_entry(node, &entry);
        total_take(store, entry.key);
        value_free(store, node);
    }
    store_index_remove(&store->index, ref);
    node_free(store, ref);
    store->nodes--;
    return stored;
}

/* Frees all below `base`; for '/' only what begins with '/'. Returns the number of stored keys. */
static uint32_t children_drop(struct store *store, store_ref base, bool absolute_only)
{
    uint32_t keys = 0;
    store_ref child;
    while ((child = store_tree_first(store, base)) != 0) {
        if (absolute_only && store_at(store, child)->text[0] != '/')
            break;
        store_tree_remove(store, child);
        for (store_ref next = child; next != 0;)
            keys += node_drop(store, store_tree_unravel(store, child, &next));
    }
    return keys;
}

void store_drop(struct store *store, struct cdx_bytes key, uint64_t *keys, uint64_t *revision)
{
    uint32_t dropped = 0;
    store_ref base = store_find_base(store, key);
    if (base != 0) {
        struct store_node *node = store_at(store, base);
        if (!store_ends_in_slash(key) && store_node_is(node, STORE_NODE_STORED)) {
            unstore(store, key, base);
            dropped = 1;
        }
        uint32_t below = children_drop(store, base, key.len == 1 && key.data[0] == '/');
        keys_add(store, base, -below);
        dropped += below;
        node->flags &= (uint8_t) ~(unsigned)STORE_NODE_SLASH_ANSWERS;
        refresh(store, base);
        prune(store, base);
    }
    if (dropped != 0)
        store->revision++;
    *keys = dropped;
    *revision = store->revision;
}
