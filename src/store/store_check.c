/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, as code.
 *
 * One preorder walk looks at every node, its children, its place in the treap
 * and in the index, and adds up what the store keeps counts of; the index then
 * shows that it holds nothing else. Walks are bounded by
 * the number of nodes, so that a broken link cannot make them endless.
 */
#include "store_private.h"
#include "store_tree.h"

/* What the walk adds up, and where it is. */
struct walk {
    uint64_t nodes;
    uint64_t units;
    uint64_t relative_keys;
    uint64_t key_nbytes;
    uint64_t value_nbytes;
    uint64_t heap_nbytes;
    uint8_t key[STORE_KEY_NBYTES_MAX]; /* of the present node, from the segments on the way */
};

/* The segment, and the key wherever the node has it whole. Completes the walk's key. */
static const char *check_key(const struct store_node *node, struct walk *walk)
{
    struct cdx_bytes segment = store_node_segment(node);
    if (segment.data[0] != '/' && node->parent != STORE_ROOT)
        return "tree: a segment does not begin with '/'";
    if (memchr(segment.data + 1, '/', segment.len - 1) != NULL)
        return "tree: a segment has a '/' inside";
    bool slash = segment.len == 1 && segment.data[0] == '/';
    if (slash != store_node_is(node, STORE_NODE_SLASH))
        return "tree: the mark of a '/' segment is wrong";
    memcpy(walk->key + store_node_segment_at(node), segment.data, segment.len);
    if (store_node_is(node, STORE_NODE_WHOLE) &&
        memcmp(node->text, walk->key, node->key_nbytes) != 0)
        return "tree: a key is not its parent's and the segment";
    struct store_entry entry;
    if (!store_node_is(node, STORE_NODE_STORED))
        return NULL;
    store_node_entry(node, &entry);
    if (memcmp(entry.key.data, walk->key, node->key_nbytes) != 0)
        return "node: the key beside the value is another";
    return NULL;
}

/* The node's place in the index. */
static const char *check_index(const struct store *store, store_ref ref, const struct walk *walk)
{
    const struct store_node *node = store_at(store, ref);
    uint64_t hash = store_hash_of(&store->keys, cdx_bytes_of(walk->key, node->key_nbytes));
    if (node->home != store_index_home(hash))
        return "index: a node keeps another hash than its key's";
    return store_index_holds(&store->index, hash, ref) ? NULL : "index: a node is missing";
}

static const char *check_treap(const struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    const store_ref below[2] = {node->left, node->right};
    for (unsigned side = 0; side < 2; side++) {
        if (below[side] == 0)
            continue;
        const struct store_node *other = store_at(store, below[side]);
        if (other->up != ref || other->parent != node->parent)
            return "treap: a link is not returned";
        if (store_tree_priority(store, below[side]) >= store_tree_priority(store, ref))
            return "treap: a priority is above its parent's";
    }
    if (node->up == 0 && store_at(store, node->parent)->child != ref)
        return "treap: a root that its parent does not know";
    return NULL;
}

/* Order, counts and the '/' child of one node's children. */
static const char *check_children(const struct store *store, store_ref parent)
{
    const struct store_node *node = store_at(store, parent);
    uint64_t keys = store_node_is(node, STORE_NODE_STORED);
    bool slash_answers = false;
    struct cdx_bytes before = cdx_empty();
    for (store_ref ref = store_tree_first(store, parent); ref != 0;
         ref = store_tree_next(store, ref)) {
        const struct store_node *child = store_at(store, ref);
        if (child->parent != parent)
            return "tree: a child has another parent";
        if (child->segment_nbytes == 0 ||
            child->key_nbytes != node->key_nbytes + child->segment_nbytes)
            return "tree: a segment does not begin where the parent's key ends";
        if (before.len != 0 && store_tree_compare(before, store_node_segment(child)) >= 0)
            return "tree: children are out of order";
        before = store_node_segment(child);
        keys += child->keys;
        if (store_node_is(child, STORE_NODE_SLASH)) {
            if (ref != node->child)
                return "treap: the segment '/' is not the root";
            slash_answers = store_node_is(child, STORE_NODE_STORED);
        }
        if (keys > node->keys)
            break;
    }
    if (keys != node->keys)
        return "tree: a node's keys do not add up";
    if (slash_answers != store_node_is(node, STORE_NODE_SLASH_ANSWERS))
        return "tree: the mark of a stored '/' child is wrong";
    return NULL;
}

static const char *check_value(const struct store_node *node, struct walk *walk)
{
    bool heap = store_node_is(node, STORE_NODE_HEAP);
    if (STORE_NODE_NBYTES + store_node_text_nbytes(node) + STORE_TAIL_NBYTES_MIN >
        (size_t)node->units * STORE_UNIT_NBYTES)
        return "node: the text and a pointer do not fit the block";
    if (!store_node_is(node, STORE_NODE_STORED))
        return node->value_nbytes == 0 && node->revision == 0 && !heap
                   ? NULL
                   : "node: a value that is not stored";
    if (node->value_nbytes > STORE_VALUE_NBYTES_MAX || node->revision == 0)
        return "node: a value's length or revision is out of bounds";
    if (!store_node_is(node, STORE_NODE_WHOLE) && !heap)
        return "node: a stored key is nowhere";
    struct store_entry entry;
    store_node_entry(node, &entry);
    walk->key_nbytes += entry.key.len;
    walk->value_nbytes += entry.value.len;
    walk->relative_keys += entry.key.len != 0 && entry.key.data[0] != '/';
    if (heap)
        walk->heap_nbytes += store_node_heap_nbytes(node);
    else if (node->value_nbytes > store_node_room(node))
        return "node: an inline value is longer than its room";
    return NULL;
}

static const char *check_node(const struct store *store, store_ref ref, struct walk *walk)
{
    const struct store_node *node = store_at(store, ref);
    const char *broken = check_value(node, walk);
    if (broken == NULL)
        broken = check_children(store, ref);
    walk->units += node->units;
    if (broken != NULL || ref == STORE_ROOT)
        return broken;
    walk->nodes++;
    if (node->keys == 0)
        return "tree: a node with nothing stored at or below it";
    if (node->revision > store->revision)
        return "node: a revision from the future";
    broken = check_key(node, walk);
    if (broken == NULL)
        broken = check_treap(store, ref);
    return broken != NULL ? broken : check_index(store, ref, walk);
}

static const char *check_totals(const struct store *store, const struct walk *walk)
{
    if (walk->nodes != store->nodes || walk->nodes != store->index.used)
        return "store: the nodes do not add up";
    if (walk->units != store->arena.live_units)
        return "store: the arena holds blocks that are no nodes";
    if (walk->relative_keys != store->relative_keys)
        return "store: the relative keys do not add up";
    if (walk->key_nbytes != store->key_nbytes)
        return "store: the key bytes do not add up";
    if (walk->value_nbytes != store->value_nbytes || walk->heap_nbytes != store->heap_nbytes)
        return "store: the value bytes do not add up";
    return NULL;
}

const char *store_check(const struct store *store)
{
    struct walk walk = {.nodes = 0};
    for (store_ref ref = STORE_ROOT; ref != 0; ref = store_tree_preorder(store, ref, STORE_ROOT)) {
        const char *broken = check_node(store, ref, &walk);
        if (broken != NULL)
            return broken;
        if (walk.nodes > store->nodes)
            return "tree: more nodes than counted";
    }
    const char *broken = check_totals(store, &walk);
    if (broken == NULL)
        broken = store_arena_check(&store->arena);
    if (broken == NULL)
        broken = store_index_check(&store->index);
    return broken;
}
