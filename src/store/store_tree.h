/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ordered set of one node's children: a treap, changed and searched
 * without recursion, in logarithmic time whatever the number of children.
 * The picture is in store_node.h.
 *
 * Order of segments: bytewise, the shorter first; under the root those that
 * begin with '/' come before the relative ones. So a walk of the tree, parents
 * first, visits keys in path order.
 */
#ifndef STORE_STORE_TREE_H
#define STORE_STORE_TREE_H

#include "store_private.h"

/* ---- operations ---- */

/** Enters a node among the children of its `parent`, which is set; its own stay below it. */
void store_tree_insert(struct store *store, store_ref ref);

/** Takes a node out of its parent's children; its own children stay below it. */
void store_tree_remove(struct store *store, store_ref ref);

/**
 * Takes one node that has no children out of the subtree of `top` and returns
 * it, `top` itself last; `top` must be out of its parent's children. `*ref` is
 * where the search goes on: `top` at the first call, 0 when all are out.
 * All calls together visit each node a few times: a subtree falls in linear time.
 */
store_ref store_tree_unravel(struct store *store, store_ref top, store_ref *ref);

/** The first child, or 0. */
store_ref store_tree_first(const struct store *store, store_ref parent);

/** The next sibling, or 0. */
store_ref store_tree_next(const struct store *store, store_ref ref);

/** The first child with a segment after `segment`, or 0. */
store_ref store_tree_after(const struct store *store, store_ref parent, struct cdx_bytes segment);

/** The last child with a segment not after `segment`, or 0. */
store_ref store_tree_upto(const struct store *store, store_ref parent, struct cdx_bytes segment);

/** The child with the segment '/', or 0. */
store_ref store_tree_slash(const struct store *store, store_ref parent);

/** The node that follows in preorder within the subtree of `root`, or 0. */
store_ref store_tree_preorder(const struct store *store, store_ref ref, store_ref root);

/** Like store_tree_preorder(), but the next one that is not below `ref`. */
store_ref store_tree_preorder_past(const struct store *store, store_ref ref, store_ref root);

/* ---- inspection ---- */

/** Order of two segments of one parent: below, at or above 0. */
int store_tree_compare(struct cdx_bytes a, struct cdx_bytes b);

/** A node's priority in its treap; the segment '/' has the highest. */
uint64_t store_tree_priority(const struct store *store, store_ref ref);

#endif
