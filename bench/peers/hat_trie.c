/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: HAT-trie, a trie whose leaves are hash tables. It has no longest match
 * and its nodes are private: match is one public look-up per boundary, from the longest.
 */
#include "store_peer.h"

#include <hat-trie.h>

static void *hat_open(const char *scratch)
{
    (void)scratch;
    hattrie_t *trie = hattrie_create();
    if (trie == NULL)
        abort();
    return trie;
}

static void hat_close(void *store)
{
    hattrie_free(store);
}

static const char *text_of(struct cdx_bytes key)
{
    return (const char *)key.data;
}

static void hat_put(void *store, struct cdx_bytes key, uint64_t value)
{
    value_t *place = hattrie_get(store, text_of(key), key.len);
    if (place == NULL)
        abort();
    *place = value;
}

static bool hat_remove(void *store, struct cdx_bytes key)
{
    return hattrie_del(store, text_of(key), key.len) == 0;
}

static uint64_t hat_get(void *reader, struct cdx_bytes key)
{
    const value_t *value = hattrie_tryget(reader, text_of(key), key.len);
    return value != NULL ? *value : 0;
}

static uint64_t hat_match(void *reader, struct cdx_bytes key)
{
    uint64_t answer = hat_get(reader, key);
    for (size_t len = peer_boundary(key, key.len); answer == 0 && len > 0;
         len = peer_boundary(key, len - 1))
        answer = hat_get(reader, cdx_bytes_of(key.data, len));
    return answer;
}

static uint64_t hat_match_bytes(void *reader, struct cdx_bytes key)
{
    uint64_t answer = 0;
    for (size_t len = key.len; answer == 0 && len > 0; len--)
        answer = hat_get(reader, cdx_bytes_of(key.data, len));
    return answer;
}

static uint64_t hat_match_all(void *reader, struct cdx_bytes key)
{
    uint64_t sum = hat_get(reader, key);
    for (size_t len = peer_boundary(key, key.len); len > 0; len = peer_boundary(key, len - 1))
        sum += hat_get(reader, cdx_bytes_of(key.data, len));
    return sum;
}

static uint64_t hat_list(void *reader, uint64_t *rows)
{
    uint64_t sum = 0;
    hattrie_iter_t *it = hattrie_iter_begin(reader, true);
    for (; !hattrie_iter_finished(it); hattrie_iter_next(it)) {
        size_t len;
        const char *text = hattrie_iter_key(it, &len);
        sum += peer_row(cdx_bytes_of(text, len), *hattrie_iter_val(it));
        (*rows)++;
    }
    hattrie_iter_free(it);
    return sum;
}

const struct peer peer = {
    .name = "hat-trie",
    .kind = "trie",
    .about = "trie of hash tables; match: one look-up a boundary, from the longest",
    .open = hat_open,
    .close = hat_close,
    .put = hat_put,
    .remove = hat_remove,
    .get = hat_get,
    .match = hat_match,
    .match_bytes = hat_match_bytes,
    .match_all = hat_match_all,
    .list = hat_list,
};
