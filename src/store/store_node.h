/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One node: a prefix of stored keys that ends at a boundary.
 *
 *     │ parent up left right child keys │ value revision … lengths flags key… │ inline value │ slack │
 *       for the tree: writes and walks    what a lookup reads, in one or two cache lines
 *
 * Nodes form a tree of segments; the children of one node form a treap (a
 * binary search tree by segment, a heap by priority), drawn for /a with the
 * children /a/, /a/b, /a/c:
 *
 *     parent ▲ of each: /a        /a ─child─► "/"          '/' alone is always the root:
 *     up: "/c" ◄ "/b", "/" ◄ "/c"              └right─► "/c"        child names it directly
 *                                          left ┘
 *                                        "/b"
 *
 * The node's block has room for a value behind the key; a value that does not
 * fit lies in a heap block of its own.
 */
#ifndef STORE_STORE_NODE_H
#define STORE_STORE_NODE_H

#include "store_arena.h"
#include "store.h"

/* ---- limits ---- */

/** A value up to this length is given room inside its new node: one cache miss less. */
#define STORE_INLINE_NBYTES_MAX 64u

/** The empty key's node is the arena's first block, and is always there. */
#define STORE_ROOT ((store_ref)1)

/* ---- types ---- */

enum store_node_flag {
    /** The segment is '/' alone. */
    STORE_NODE_SLASH = 1,
    /** The child with the segment '/' is there and has a value. */
    STORE_NODE_SLASH_ANSWERS = 2,
};

struct store_node {
    store_ref parent; /* the node one segment shorter; 0 for the root only */
    store_ref up;     /* the treap's parent; 0 for its root */
    store_ref left;
    store_ref right;
    store_ref child; /* root of the children's treap */
    uint32_t keys;   /* stored keys at and below */
    uint8_t *value;  /* NULL: not a stored key */
    uint64_t revision;
    uint32_t value_nbytes;
    uint16_t key_nbytes;
    uint16_t segment_at; /* where the last segment begins in the key */
    uint16_t units;      /* of the node's block */
    uint16_t flags;      /* of enum store_node_flag */
    uint8_t key[];
};

/* ---- operations ---- */

static inline struct store_node *store_node_at(const struct store_arena *arena, store_ref ref)
{
    return store_arena_at(arena, ref);
}

static inline struct cdx_bytes store_node_key(const struct store_node *node)
{
    return cdx_bytes_of(node->key, node->key_nbytes);
}

static inline struct cdx_bytes store_node_segment(const struct store_node *node)
{
    return cdx_bytes_of(node->key + node->segment_at,
                        (size_t)(node->key_nbytes - node->segment_at));
}

/** Room for a value behind the key, in bytes. */
static inline size_t store_node_room(const struct store_node *node)
{
    return (size_t)node->units * STORE_UNIT_NBYTES - offsetof(struct store_node, key) -
           node->key_nbytes;
}

static inline bool store_node_is_inline(const struct store_node *node)
{
    return node->value == node->key + node->key_nbytes;
}

/** Whether a match may end here: at the node, or at its child '/'. */
static inline bool store_node_answers(const struct store_node *node)
{
    return node->value != NULL || (node->flags & STORE_NODE_SLASH_ANSWERS) != 0;
}

/** The node's view for a caller. */
static inline void store_node_entry(const struct store_node *node, struct store_entry *entry)
{
    entry->key = store_node_key(node);
    entry->value = cdx_bytes_of(node->value, node->value_nbytes);
    entry->revision = node->revision;
}

#endif
