/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Longest match in a trie whose keys lie at the leaves only and whose inner
 * nodes do not hold the whole text: one descent that follows the question and notes every
 * leaf that may be a prefix of it; then the deepest that is one.
 */
#ifndef BENCH_PEERS_DESCENT_H
#define BENCH_PEERS_DESCENT_H

#include "store_peer.h"

enum descent_kind { DESCENT_SEGMENTS, DESCENT_BYTES, DESCENT_ALL };

/** Leaves by depth; at most one for each length. `leaf` is the adapter's. */
struct descent {
    size_t leaves;
    const void *leaf[PEER_KEY_NBYTES_MAX + 2];
};

/** May a key of `len` bytes answer? */
static inline bool descent_wants(struct cdx_bytes key, size_t len, enum descent_kind kind)
{
    return len < key.len ? kind == DESCENT_BYTES || key.data[len] == '/' : len == key.len;
}

static inline void descent_note(struct descent *d, const void *leaf)
{
    d->leaf[d->leaves++] = leaf;
}

/** Text and value of a leaf. */
typedef struct cdx_bytes descent_leaf_fn(const void *leaf, uint64_t *value);

/** The value of the deepest noted leaf that is a prefix; with DESCENT_ALL the sum over all. */
static inline uint64_t descent_answer(const struct descent *d, descent_leaf_fn *leaf_read,
                                      struct cdx_bytes key, enum descent_kind kind)
{
    uint64_t sum = 0, value;
    for (size_t i = d->leaves; i-- > 0;) {
        const struct cdx_bytes text = leaf_read(d->leaf[i], &value);
        if (!descent_wants(key, text.len, kind) || memcmp(text.data, key.data, text.len) != 0)
            continue;
        if (kind != DESCENT_ALL)
            return value;
        sum += value;
    }
    return sum;
}

#endif
