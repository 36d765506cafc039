/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: qp trie, a patricia trie of four bits a step. It borrows keys and values: the
 * adapter keeps both in one allocation a key. get, put and remove are its public
 * functions. It has no longest match; match is one descent over the nodes of qp.h:
 * at a branch on a byte's upper half, a stored prefix is the twig for the end of the key.
 */
#include "descent.h"

#include <stdlib.h>

#include <Tbl.h>
#include <qp.h>

struct item {
    uint64_t value;
    char key[]; /* and a NUL */
};

/* The end of a key counts as a NUL, whose halves have the lowest bit of the map. */
#define TWIG_END 1u
#define FLAGS_UPPER_HALF 1u

struct qp {
    Tbl *table;
};

static void *qp_open(const char *scratch)
{
    (void)scratch;
    struct qp *qp = calloc(1, sizeof *qp);
    if (qp == NULL)
        abort();
    return qp;
}

static const char *text_of(struct cdx_bytes key)
{
    return (const char *)key.data;
}

/* Its functions compare as strings do: a question is copied to get a NUL. */
struct text {
    char data[PEER_KEY_NBYTES_MAX + 1];
};

static inline const char *text_set(struct text *text, struct cdx_bytes key)
{
    memcpy(text->data, key.data, key.len);
    text->data[key.len] = 0;
    return text->data;
}

static void items_free(const Trie *node)
{
    if (!isbranch((Trie *)(uintptr_t)node)) {
        free(node->leaf.val);
        return;
    }
    for (unsigned i = 0; i < popcount(node->branch.bitmap); i++)
        items_free(&node->branch.twigs[i]);
    free(node->branch.twigs);
}

static void qp_close(void *store)
{
    struct qp *qp = store;
    if (qp->table != NULL)
        items_free(&qp->table->root);
    free(qp->table);
    free(qp);
}

static void qp_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct qp *qp = store;
    struct item *item = malloc(sizeof *item + key.len + 1);
    if (item == NULL)
        abort();
    item->value = value;
    memcpy(item->key, key.data, key.len);
    item->key[key.len] = 0;
    qp->table = Tsetl(qp->table, item->key, key.len, item);
    if (qp->table == NULL)
        abort();
}

static bool qp_remove(void *store, struct cdx_bytes key)
{
    struct qp *qp = store;
    const char *text = NULL;
    void *item = NULL;
    struct text copy;
    qp->table = Tdelkv(qp->table, text_set(&copy, key), key.len, &text, &item);
    free(item);
    return item != NULL;
}

static uint64_t qp_get(void *reader, struct cdx_bytes key)
{
    const struct qp *qp = reader;
    struct text copy;
    const struct item *item = Tgetl(qp->table, text_set(&copy, key), key.len);
    return item != NULL ? item->value : 0;
}

static struct cdx_bytes leaf_read(const void *leaf, uint64_t *value)
{
    const struct item *item = leaf;
    *value = item->value;
    return cdx_bytes_of(item->key, strlen(item->key));
}

/* The leaf for keys that end at this branch; NULL: none. */
static const void *ends_here(Trie *node)
{
    while (isbranch(node)) {
        if (!hastwig(node, TWIG_END))
            return NULL;
        node = twig(node, 0);
    }
    return node->leaf.val;
}

static inline uint64_t walk(const struct qp *qp, struct cdx_bytes key, enum descent_kind kind)
{
    struct descent d;
    Trie *node = qp->table != NULL ? &qp->table->root : NULL;
    d.leaves = 0;
    while (node != NULL && isbranch(node)) {
        const size_t at = node->branch.index;
        __builtin_prefetch(node->branch.twigs);
        if (at < key.len && node->branch.flags == FLAGS_UPPER_HALF && hastwig(node, TWIG_END) &&
            descent_wants(key, at, kind)) {
            const void *ends = ends_here(twig(node, 0));
            if (ends != NULL)
                descent_note(&d, ends);
        }
        const Tbitmap bit = twigbit(node, text_of(key), key.len);
        node = hastwig(node, bit) ? twig(node, twigoff(node, bit)) : NULL;
    }
    if (node != NULL)
        descent_note(&d, node->leaf.val);
    return descent_answer(&d, leaf_read, key, kind);
}

static uint64_t qp_match(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_SEGMENTS);
}

static uint64_t qp_match_bytes(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_BYTES);
}

static uint64_t qp_match_all(void *reader, struct cdx_bytes key)
{
    return walk(reader, key, DESCENT_ALL);
}

static uint64_t rows_sum(Trie *node, uint64_t *rows)
{
    uint64_t sum = 0, value;
    if (!isbranch(node)) {
        const struct cdx_bytes key = leaf_read(node->leaf.val, &value);
        (*rows)++;
        return peer_row(key, value);
    }
    for (unsigned i = 0; i < popcount(node->branch.bitmap); i++)
        sum += rows_sum(twig(node, i), rows);
    return sum;
}

/* In order by its nodes: its own next key is a look-up each. */
static uint64_t qp_list(void *reader, uint64_t *rows)
{
    const struct qp *qp = reader;
    return qp->table != NULL ? rows_sum(&qp->table->root, rows) : 0;
}

const struct peer peer = {
    .name = "qp",
    .kind = "trie",
    .about = "patricia trie of four bits a step, keys apart; match: one descent over its nodes",
    .open = qp_open,
    .close = qp_close,
    .put = qp_put,
    .remove = qp_remove,
    .get = qp_get,
    .match = qp_match,
    .match_bytes = qp_match_bytes,
    .match_all = qp_match_all,
    .list = qp_list,
};
