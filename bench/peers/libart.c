/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: libart, an adaptive radix tree. A key must not be a prefix of another, so
 * keys end in a NUL, as its README advises, and a question is copied to get one. It has
 * no longest match; match is one descent over the nodes of art.h: a stored
 * prefix is the child for NUL.
 */
#include "descent.h"

#include <art.h>
#include <stdlib.h>

/* A key with its NUL. */
struct text {
    unsigned char data[PEER_KEY_NBYTES_MAX + 1];
    int len;
};

static inline void text_set(struct text *text, struct cdx_bytes key)
{
    memcpy(text->data, key.data, key.len);
    text->data[key.len] = 0;
    text->len = (int)key.len + 1;
}

static void *libart_open(const char *scratch)
{
    (void)scratch;
    art_tree *tree = malloc(sizeof *tree);
    if (tree == NULL || art_tree_init(tree) != 0)
        abort();
    return tree;
}

static void libart_close(void *store)
{
    art_tree_destroy(store);
    free(store);
}

static void libart_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct text text;
    text_set(&text, key);
    art_insert(store, text.data, text.len, (void *)(uintptr_t)value);
}

static bool libart_remove(void *store, struct cdx_bytes key)
{
    struct text text;
    text_set(&text, key);
    return art_delete(store, text.data, text.len) != NULL;
}

static uint64_t libart_get(void *reader, struct cdx_bytes key)
{
    struct text text;
    text_set(&text, key);
    return (uint64_t)(uintptr_t)art_search(reader, text.data, text.len);
}

/* Leaves are told by the lowest bit of their pointer. */
static bool is_leaf(const art_node *node)
{
    return ((uintptr_t)node & 1) != 0;
}

static const art_node *child(const art_node *node, uint8_t byte)
{
    const uint8_t *found;
    switch (node->type) {
    case NODE4: {
        const art_node4 *n = (const art_node4 *)node;
        found = memchr(n->keys, byte, node->num_children);
        return found != NULL ? n->children[found - n->keys] : NULL;
    }
    case NODE16: {
        const art_node16 *n = (const art_node16 *)node;
        found = memchr(n->keys, byte, node->num_children);
        return found != NULL ? n->children[found - n->keys] : NULL;
    }
    case NODE48: {
        const art_node48 *n = (const art_node48 *)node;
        return n->keys[byte] != 0 ? n->children[n->keys[byte] - 1] : NULL;
    }
    default:
        return ((const art_node256 *)node)->children[byte];
    }
}

static struct cdx_bytes leaf_read(const void *leaf, uint64_t *value)
{
    const art_leaf *l = (const art_leaf *)((uintptr_t)leaf & ~(uintptr_t)1);
    *value = (uint64_t)(uintptr_t)l->value;
    return cdx_bytes_of(l->key, l->key_len - 1);
}

/* Chains are skipped unread: the leaf's text decides. */
static inline uint64_t walk(const art_tree *tree, struct cdx_bytes key, enum descent_kind kind)
{
    struct descent d;
    const art_node *node = tree->root;
    size_t at = 0;
    d.leaves = 0;
    while (node != NULL && !is_leaf(node)) {
        at += node->partial_len;
        if (at > key.len) {
            node = NULL;
        } else if (at == key.len) {
            node = child(node, 0);
        } else {
            const art_node *ends = descent_wants(key, at, kind) ? child(node, 0) : NULL;
            if (ends != NULL)
                descent_note(&d, ends);
            node = child(node, key.data[at++]);
        }
    }
    if (node != NULL)
        descent_note(&d, node);
    return descent_answer(&d, leaf_read, key, kind);
}

static uint64_t libart_match(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_SEGMENTS);
}

static uint64_t libart_match_bytes(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_BYTES);
}

static uint64_t libart_match_all(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_ALL);
}

struct listing {
    uint64_t sum, rows;
};

static int row_add(void *data, const unsigned char *key, uint32_t key_len, void *value)
{
    struct listing *listing = data;
    listing->sum += peer_row(cdx_bytes_of(key, key_len - 1), (uint64_t)(uintptr_t)value);
    listing->rows++;
    return 0;
}

static uint64_t libart_list(void *reader, uint64_t *rows)
{
    struct listing listing = {0, 0};
    art_iter(reader, row_add, &listing);
    *rows = listing.rows;
    return listing.sum;
}

const struct peer peer = {
    .name = "libart",
    .kind = "trie",
    .about = "adaptive radix tree, keys with a NUL at the end; match: one descent over its nodes",
    .open = libart_open,
    .close = libart_close,
    .put = libart_put,
    .remove = libart_remove,
    .get = libart_get,
    .match = libart_match,
    .match_bytes = libart_match_bytes,
    .match_all = libart_match_all,
    .list = libart_list,
};
