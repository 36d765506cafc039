/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Longest-prefix questions to a sorted structure that can only say which
 * stored key is the greatest at or below another ("floor").
 *
 * Let K be the floor of P. All prefixes of P that are stored sort between
 * themselves and P, so they are prefixes of K too: K itself answers, or the
 * answer lies within what K and P have in common, and the floor of that is
 * next. Needs byte order.
 */
#ifndef BENCH_STORE_FLOOR_H
#define BENCH_STORE_FLOOR_H

#include "store_peer.h"

/** The greatest stored key <= `key` in byte order; 0: none. `*found` is borrowed. */
typedef uint64_t floor_fn(void *reader, struct cdx_bytes key, struct cdx_bytes *found);

static inline size_t floor_common(struct cdx_bytes a, struct cdx_bytes b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    while (i < len && a.data[i] == b.data[i])
        i++;
    return i;
}

/** Which prefixes of a question count. */
enum floor_prefixes {
    FLOOR_BYTES,    /* the longest of all */
    FLOOR_SEGMENTS, /* the longest that ends at a boundary */
    FLOOR_ALL,      /* all that end at a boundary: their sum is the answer */
};

static inline uint64_t floor_match(floor_fn *floor, void *reader, struct cdx_bytes key,
                                   enum floor_prefixes prefixes)
{
    const struct cdx_bytes whole = key;
    uint64_t sum = 0;
    while (key.len > 0) {
        struct cdx_bytes found;
        const uint64_t value = floor(reader, key, &found);
        if (value == 0)
            break;
        size_t common = floor_common(key, found);
        const bool answers =
            common == found.len &&
            (prefixes == FLOOR_BYTES || common == whole.len || whole.data[common] == '/');
        if (answers && prefixes != FLOOR_ALL)
            return value;
        if (answers) {
            sum += value;
            common--;
        }
        key.len = prefixes == FLOOR_BYTES ? common : peer_boundary(whole, common);
    }
    return sum;
}

#endif
