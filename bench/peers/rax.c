/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: rax, a radix tree with compressed chains. get, put, remove and list are its
 * public functions. It has no longest match; match is one descent over the
 * nodes as rax.h lays them out, which remembers the last key that it passed. Inner
 * nodes hold the whole text, so nothing is left to be verified.
 */
#include "store_peer.h"

#include <rax.h>
#include <stdlib.h>

static void *rax_open(const char *scratch)
{
    (void)scratch;
    rax *tree = raxNew();
    if (tree == NULL)
        abort();
    return tree;
}

static void rax_close(void *store)
{
    raxFree(store);
}

static unsigned char *text_of(struct cdx_bytes key)
{
    return (unsigned char *)(uintptr_t)key.data;
}

static void rax_put(void *store, struct cdx_bytes key, uint64_t value)
{
    if (raxInsert(store, text_of(key), key.len, (void *)(uintptr_t)value, NULL) != 1)
        abort();
}

static bool rax_remove(void *store, struct cdx_bytes key)
{
    return raxRemove(store, text_of(key), key.len, NULL) == 1;
}

static uint64_t rax_get(void *reader, struct cdx_bytes key)
{
    const void *value = raxFind(reader, text_of(key), key.len);
    return value != raxNotFound ? (uint64_t)(uintptr_t)value : 0;
}

/* Pointers follow the text, aligned: the children, then the value. */
static const void *pointer_at(const raxNode *node, size_t index)
{
    const size_t text = sizeof *node + node->size;
    const size_t start = (text + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    const void *pointer;
    memcpy(&pointer, (const uint8_t *)node + start + index * sizeof pointer, sizeof pointer);
    return pointer;
}

static uint64_t value_of(const raxNode *node)
{
    return (uint64_t)(uintptr_t)pointer_at(node, node->iscompr ? 1 : node->size);
}

/* The node that the next bytes lead to; NULL: none. */
static const raxNode *step(const raxNode *node, struct cdx_bytes key, size_t *at)
{
    if (node->size == 0 || *at == key.len)
        return NULL;
    if (node->iscompr) {
        if (key.len - *at < node->size || memcmp(node->data, key.data + *at, node->size) != 0)
            return NULL;
        *at += node->size;
        return pointer_at(node, 0);
    }
    const uint8_t *found = memchr(node->data, key.data[*at], node->size);
    (*at)++;
    return found != NULL ? pointer_at(node, (size_t)(found - node->data)) : NULL;
}

enum walk { WALK_SEGMENTS, WALK_BYTES, WALK_ALL };

static inline uint64_t walk(const rax *tree, struct cdx_bytes key, enum walk kind)
{
    uint64_t answer = 0;
    size_t at = 0;
    for (const raxNode *node = tree->head; node != NULL; node = step(node, key, &at)) {
        if (!node->iskey || (kind != WALK_BYTES && at < key.len && key.data[at] != '/'))
            continue;
        answer = value_of(node) + (kind == WALK_ALL ? answer : 0);
    }
    return answer;
}

static uint64_t rax_match(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, WALK_SEGMENTS);
}

static uint64_t rax_match_bytes(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, WALK_BYTES);
}

static uint64_t rax_match_all(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, WALK_ALL);
}

static uint64_t rax_list(void *reader, uint64_t *rows)
{
    raxIterator it;
    uint64_t sum = 0;
    raxStart(&it, reader);
    if (raxSeek(&it, "^", NULL, 0) != 1)
        abort();
    for (; raxNext(&it); (*rows)++)
        sum += peer_row(cdx_bytes_of(it.key, it.key_len), (uint64_t)(uintptr_t)it.data);
    raxStop(&it);
    return sum;
}

const struct peer peer = {
    .name = "rax",
    .kind = "trie",
    .about = "radix tree with compressed chains; match: one descent over its nodes",
    .open = rax_open,
    .close = rax_close,
    .put = rax_put,
    .remove = rax_remove,
    .get = rax_get,
    .match = rax_match,
    .match_bytes = rax_match_bytes,
    .match_all = rax_match_all,
    .list = rax_list,
};
