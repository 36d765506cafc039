/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One node: a prefix of stored keys that ends at a boundary.
 *
 *     │ parent up left right child keys home │ lengths revision flags │ text │ tail │ slack │
 *       for the tree and the index             what a lookup reads: one or two cache lines
 *
 *     made for a stored key      text: the whole key
 *                                tail: the value, or a pointer to it
 *     made for what lies below   text: the segment
 *                                tail: once it is stored, a pointer to key and value
 *
 * A node of the second kind that is not stored has its key from any stored key
 * below it, of which there is always one: going down by `child` meets it. So
 * the nodes of one key cost its length, not the square of it.
 *
 * Nodes form a tree of segments; the children of one node form a treap (a
 * binary search tree by segment, a heap by priority), drawn for /a with the
 * children /a/, /a/b, /a/c:
 *
 *     parent ▲ of each: /a        /a ─child─► "/"          '/' alone is always the root:
 *     up: "/b" ► "/c" ► "/"                    └right─► "/c"        child names it directly
 *                                          left ┘
 *                                        "/b"
 */
#ifndef STORE_STORE_NODE_H
#define STORE_STORE_NODE_H

#include "store_arena.h"
#include "store.h"

/* ---- limits ---- */

/** A value up to this length is given room inside its new node: one cache miss less. */
#define STORE_INLINE_NBYTES_MAX 64u

/** Every node has room for a pointer behind its text, so that it can always be stored. */
#define STORE_TAIL_NBYTES_MIN sizeof(void *)

/** The empty key's node is the arena's first block, and is always there. */
#define STORE_ROOT ((store_ref)1)

/* ---- types ---- */

enum store_node_flag {
    /** The key is stored: there is a value. */
    STORE_NODE_STORED = 1,
    /** The text is the whole key, not only the segment. */
    STORE_NODE_WHOLE = 2,
    /** The tail is a pointer to a heap block: the value, or, if not whole, key and value. */
    STORE_NODE_HEAP = 4,
    /** The segment is '/' alone. */
    STORE_NODE_SLASH = 8,
    /** The child with the segment '/' is there and stored. */
    STORE_NODE_SLASH_ANSWERS = 16,
};

struct store_node {
    store_ref parent; /* the node one segment shorter; 0 for the root only */
    store_ref up;     /* the treap's parent; 0 for its root */
    store_ref left;
    store_ref right;
    store_ref child; /* root of the children's treap */
    uint32_t keys;   /* stored keys at and below */
    uint32_t home;   /* the hash's high half: where the node is in the index */
    uint32_t value_nbytes;
    uint64_t revision;
    uint16_t key_nbytes;
    uint16_t segment_nbytes;
    uint16_t units; /* of the node's block */
    uint8_t flags;  /* of enum store_node_flag */
    uint8_t text[];
};

/** Bytes before the text; the struct itself is padded. */
#define STORE_NODE_NBYTES offsetof(struct store_node, text)

/* ---- operations ---- */

static inline struct store_node *store_node_at(const struct store_arena *arena, store_ref ref)
{
    return store_arena_at(arena, ref);
}

static inline bool store_node_is(const struct store_node *node, enum store_node_flag flag)
{
    return (node->flags & (unsigned)flag) != 0;
}

static inline size_t store_node_text_nbytes(const struct store_node *node)
{
    return store_node_is(node, STORE_NODE_WHOLE) ? node->key_nbytes : node->segment_nbytes;
}

/** What follows the text: the value, or a pointer to the heap block. */
static inline const uint8_t *store_node_tail(const struct store_node *node)
{
    return node->text + store_node_text_nbytes(node);
}

/** Room behind the text, in bytes. */
static inline size_t store_node_room(const struct store_node *node)
{
    return (size_t)node->units * STORE_UNIT_NBYTES - STORE_NODE_NBYTES -
           store_node_text_nbytes(node);
}

/** The heap block of a node that has one. */
static inline uint8_t *store_node_heap(const struct store_node *node)
{
    uint8_t *block;
    memcpy(&block, store_node_tail(node), sizeof block);
    return block;
}

/** How long that block is. */
static inline size_t store_node_heap_nbytes(const struct store_node *node)
{
    return node->value_nbytes + (store_node_is(node, STORE_NODE_WHOLE) ? 0u : node->key_nbytes);
}

/** Where the segment begins in the key. */
static inline size_t store_node_segment_at(const struct store_node *node)
{
    return (size_t)(node->key_nbytes - node->segment_nbytes);
}

static inline struct cdx_bytes store_node_segment(const struct store_node *node)
{
    size_t at = store_node_is(node, STORE_NODE_WHOLE) ? store_node_segment_at(node) : 0;
    return cdx_bytes_of(node->text + at, node->segment_nbytes);
}

/** The key's bytes, where they are whole: here, or at the first node below that has them. */
static inline const uint8_t *store_node_key_data(const struct store_arena *arena,
                                                 const struct store_node *node)
{
    while (!store_node_is(node, STORE_NODE_WHOLE)) {
        if (store_node_is(node, STORE_NODE_STORED))
            return store_node_heap(node);
        node = store_node_at(arena, node->child);
    }
    return node->text;
}

static inline struct cdx_bytes store_node_key(const struct store_arena *arena,
                                              const struct store_node *node)
{
    return cdx_bytes_of(store_node_key_data(arena, node), node->key_nbytes);
}

/** Whether a match may end here: at the node, or at its child '/'. */
static inline bool store_node_answers(const struct store_node *node)
{
    return (node->flags & (STORE_NODE_STORED | STORE_NODE_SLASH_ANSWERS)) != 0;
}

/** The view of a stored node for a caller. */
static inline void store_node_entry(const struct store_node *node, struct store_entry *entry)
{
    const uint8_t *key = node->text;
    const uint8_t *value = store_node_tail(node);
    if (store_node_is(node, STORE_NODE_HEAP)) {
        value = store_node_heap(node);
        if (!store_node_is(node, STORE_NODE_WHOLE)) {
            key = value;
            value += node->key_nbytes;
        }
    }
    entry->key = cdx_bytes_of(key, node->key_nbytes);
    entry->value = cdx_bytes_of(value, node->value_nbytes);
    entry->revision = node->revision;
}

#endif
