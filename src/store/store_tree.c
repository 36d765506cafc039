/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Treaps of siblings.
 *
 * A node's priority is a keyed mix of its reference, so it needs no memory and
 * nobody outside can choose it. Equal priorities cannot be: the mix is a
 * bijection.
 */
#include "store_tree.h"

#include <assert.h>

int store_tree_compare(struct cdx_bytes a, struct cdx_bytes b)
{
    assert(a.len != 0);
    if (b.len == 0)
        return 1;
    if ((a.data[0] == '/') != (b.data[0] == '/'))
        return a.data[0] == '/' ? -1 : 1;
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

uint64_t store_tree_priority(const struct store *store, store_ref ref)
{
    if (store_node_is(store_at(store, ref), STORE_NODE_SLASH))
        return UINT64_MAX;
    /* Each step can be undone, so different references stay different. */
    uint32_t mix = ref ^ (uint32_t)store->priority_seed;
    mix ^= mix >> 16;
    mix *= UINT32_C(0x7feb352d);
    mix ^= (uint32_t)(store->priority_seed >> 32);
    mix ^= mix >> 15;
    mix *= UINT32_C(0x846ca68b);
    return mix ^ mix >> 16;
}

/*
 * Asks for both children of a node while the node itself is compared: a search
 * then waits for one line per level instead of two. Siblings that have their
 * whole key have their segment at the same place.
 */
static void prefetch_below(const struct store *store, const struct store_node *node)
{
    const store_ref below[2] = {node->left, node->right};
    for (unsigned side = 0; side < 2; side++) {
        if (below[side] == 0)
            continue;
        const struct store_node *next = store_at(store, below[side]);
        store_prefetch(next);
        store_prefetch(next->text + store_node_segment_at(node));
    }
}

/* The link that holds `ref`: in its treap parent, or in its parent. */
static store_ref *link_of(const struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    if (node->up == 0)
        return &store_at(store, node->parent)->child;
    struct store_node *up = store_at(store, node->up);
    return up->left == ref ? &up->left : &up->right;
}

/*
 *        g                g
 *        │                │
 *        p                x
 *       ╱ ╲      ►       ╱ ╲        and its mirror image
 *      x   c            a   p
 *     ╱ ╲                  ╱ ╲
 *    a   b                b   c
 */
static void rotate_up(struct store *store, store_ref x)
{
    struct store_node *node = store_at(store, x);
    store_ref p = node->up;
    struct store_node *parent = store_at(store, p);
    store_ref *link = link_of(store, p);
    bool was_left = parent->left == x;
    store_ref moved = was_left ? node->right : node->left;
    *(was_left ? &parent->left : &parent->right) = moved;
    if (moved != 0)
        store_at(store, moved)->up = p;
    *(was_left ? &node->right : &node->left) = p;
    node->up = parent->up;
    parent->up = x;
    *link = x;
}

void store_tree_insert(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    struct cdx_bytes segment = store_node_segment(node);
    store_ref *link = &store_at(store, node->parent)->child;
    store_ref up = 0;
    while (*link != 0) {
        up = *link;
        struct store_node *other = store_at(store, up);
        prefetch_below(store, other);
        int order = store_tree_compare(segment, store_node_segment(other));
        assert(order != 0);
        link = order < 0 ? &other->left : &other->right;
    }
    node->up = up;
    node->left = 0;
    node->right = 0;
    *link = ref;
    uint64_t priority = store_tree_priority(store, ref);
    while (node->up != 0 && priority > store_tree_priority(store, node->up))
        rotate_up(store, ref);
}

void store_tree_remove(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    while (node->left != 0 && node->right != 0) {
        bool left =
            store_tree_priority(store, node->left) > store_tree_priority(store, node->right);
        rotate_up(store, left ? node->left : node->right);
    }
    store_ref below = node->left != 0 ? node->left : node->right;
    *link_of(store, ref) = below;
    if (below != 0)
        store_at(store, below)->up = node->up;
    node->up = 0;
    node->left = 0;
    node->right = 0;
}

store_ref store_tree_unravel(struct store *store, store_ref top, store_ref *ref)
{
    for (;;) {
        const struct store_node *node = store_at(store, *ref);
        store_ref below = node->child;
        if (below == 0)
            below = node->left != 0 ? node->left : node->right;
        if (below == 0)
            break;
        *ref = below;
    }
    store_ref out = *ref;
    if (out == top) {
        *ref = 0;
        return out;
    }
    const struct store_node *node = store_at(store, out);
    *link_of(store, out) = 0;
    *ref = node->up != 0 ? node->up : node->parent;
    return out;
}

static store_ref leftmost(const struct store *store, store_ref ref)
{
    for (store_ref left; (left = store_at(store, ref)->left) != 0;)
        ref = left;
    return ref;
}

store_ref store_tree_first(const struct store *store, store_ref parent)
{
    store_ref child = store_at(store, parent)->child;
    return child != 0 ? leftmost(store, child) : 0;
}

store_ref store_tree_next(const struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    if (node->right != 0)
        return leftmost(store, node->right);
    store_ref up = node->up;
    while (up != 0 && store_at(store, up)->right == ref) {
        ref = up;
        up = store_at(store, ref)->up;
    }
    return up;
}

store_ref store_tree_after(const struct store *store, store_ref parent, struct cdx_bytes segment)
{
    store_ref found = 0;
    store_ref ref = store_at(store, parent)->child;
    while (ref != 0) {
        const struct store_node *node = store_at(store, ref);
        prefetch_below(store, node);
        if (store_tree_compare(store_node_segment(node), segment) > 0) {
            found = ref;
            ref = node->left;
        } else {
            ref = node->right;
        }
    }
    return found;
}

store_ref store_tree_upto(const struct store *store, store_ref parent, struct cdx_bytes segment)
{
    store_ref found = 0;
    store_ref ref = store_at(store, parent)->child;
    while (ref != 0) {
        const struct store_node *node = store_at(store, ref);
        prefetch_below(store, node);
        if (store_tree_compare(store_node_segment(node), segment) <= 0) {
            found = ref;
            ref = node->right;
        } else {
            ref = node->left;
        }
    }
    return found;
}

store_ref store_tree_slash(const struct store *store, store_ref parent)
{
    store_ref child = store_at(store, parent)->child;
    if (child == 0 || !store_node_is(store_at(store, child), STORE_NODE_SLASH))
        return 0;
    return child;
}

store_ref store_tree_preorder_past(const struct store *store, store_ref ref, store_ref root)
{
    while (ref != root) {
        store_ref next = store_tree_next(store, ref);
        if (next != 0)
            return next;
        ref = store_at(store, ref)->parent;
    }
    return 0;
}

store_ref store_tree_preorder(const struct store *store, store_ref ref, store_ref root)
{
    store_ref child = store_tree_first(store, ref);
    return child != 0 ? child : store_tree_preorder_past(store, ref, root);
}
