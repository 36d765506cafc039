/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups: probes, get, match, match_bytes.
 *
 * The happy path of a match is three steps, each of which only waits for
 * memory that the one before asked for, so that the steps of many lookups
 * interleave:
 *
 *     start   hash every boundary of the key, ask for its bucket
 *     touch   compare tags from the longest boundary on, ask for the first candidate's node
 *     match   compare that node's key; go on with shorter boundaries if it is another's
 *
 * Without a probe, match does the first step itself. Keys with more boundaries
 * than a probe holds take the same way with hashes from the path's sums.
 */
#include "store_private.h"
#include "store_tree.h"

size_t store_segment_end(struct cdx_bytes key, size_t at)
{
    if (at + 1 >= key.len)
        return key.len;
    const uint8_t *slash = memchr(key.data + at + 1, '/', key.len - at - 1);
    return slash != NULL ? (size_t)(slash - key.data) : key.len;
}

struct cdx_bytes store_segment(struct cdx_bytes key, size_t at)
{
    if (at == key.len)
        return cdx_empty();
    return cdx_bytes_of(key.data + at, store_segment_end(key, at) - at);
}

size_t store_segment_start(struct cdx_bytes key, size_t end)
{
    while (end > 0 && key.data[end - 1] != '/')
        end--;
    return end > 0 ? end - 1 : 0;
}

store_ref store_find(const struct store *store, const struct store_path *path, size_t end)
{
    if (end == 0)
        return STORE_ROOT;
    return store_index_find(&store->index, store_path_hash(path, end), store_head(path->key, end),
                            false);
}

/* ---- probes ---- */

static void probe_add(const struct store *store, struct store_probe *probe, uint64_t hash,
                      size_t end)
{
    store_index_prefetch(&store->index, hash);
    probe->hash[probe->boundaries] = hash;
    probe->end[probe->boundaries] = (uint16_t)end;
    probe->boundaries++;
}

/* Hashes all boundaries and asks for their buckets; a key with too many is left to the lookup. */
static void probe_boundaries(const struct store *store, struct store_probe *probe)
{
    const struct store_hash_keys *keys = &store->keys;
    struct cdx_bytes key = probe->key;
    uint64_t sum = 0;
    for (size_t i = 0;; i++) {
        struct store_hash_block block = store_hash_block_at(key, i);
        uint32_t slashes = store_hash_slashes(block);
        if (i == 0)
            slashes &= ~1u; /* the empty prefix is the root's */
        for (; slashes != 0; slashes &= slashes - 1) {
            size_t end = i * STORE_HASH_BLOCK_NBYTES + (size_t)__builtin_ctz(slashes);
            if (probe->boundaries == STORE_PROBE_BOUNDARIES_MAX) {
                probe->boundaries = 0;
                return;
            }
            probe_add(store, probe, store_hash_end(keys, sum, block, end), end);
        }
        if (key.len / STORE_HASH_BLOCK_NBYTES == i) {
            probe_add(store, probe, store_hash_end(keys, sum, block, key.len), key.len);
            return;
        }
        sum = store_hash_add(keys, sum, i, block);
    }
}

void store_probe_start(const struct store *store, enum store_probe_kind kind, struct cdx_bytes key,
                       struct store_probe *probe)
{
    probe->kind = kind;
    probe->key = key;
    probe->boundaries = 0;
    probe->revision = UINT64_MAX;
    if (key.len == 0 || key.len > STORE_KEY_NBYTES_MAX)
        return;
    if (kind == STORE_PROBE_MATCH)
        probe_boundaries(store, probe);
    else
        probe_add(store, probe, store_hash_of(&store->keys, key), key.len);
}

store_ref store_find_deepest(const struct store *store, const struct store_path *path, size_t *end)
{
    struct store_probe ahead;
    store_probe_start(store, STORE_PROBE_MATCH, path->key, &ahead); /* for what it prefetches */
    size_t at = path->key.len;
    store_ref ref;
    while ((ref = store_find(store, path, at)) == 0)
        at = store_segment_start(path->key, at);
    *end = at;
    return ref;
}

/* The lines of a node that a lookup reads, when its key is `key_nbytes` long. */
static void node_prefetch(const struct store *store, store_ref ref, size_t key_nbytes)
{
    const struct store_node *node = store_at(store, ref);
    store_prefetch(&node->value_nbytes);
    store_prefetch(node->text + key_nbytes - 1);
}

void store_probe_touch(struct store_reader *reader, struct store_probe *probe)
{
    const struct store *store = reader->store;
    const struct store_bucket *buckets = store_index_buckets(&store->index);
    uint64_t count = store_index_bucket_count(&store->index);
    uint32_t i = probe->boundaries;
    for (; i > 0; i--) {
        uint64_t hash = probe->hash[i - 1];
        uint64_t at = store_index_bucket(store_index_home(hash), count);
        const struct store_bucket *bucket = &buckets[at];
        uint32_t found = store_bucket_find(bucket, store_index_tag(hash)) & bucket->state;
        if (found != 0) {
            node_prefetch(store, bucket->ref[__builtin_ctz(found)], probe->end[i - 1]);
            break;
        }
        if (store_bucket_overflow(bucket) != 0) {
            store_prefetch(at + 1 != count ? bucket + 1 : buckets);
            break;
        }
    }
    probe->open = (uint16_t)i;
    probe->revision = store->revision;
}

/* ---- get ---- */

enum store_status store_get(struct store_reader *reader, struct cdx_bytes key,
                            const struct store_probe *probe, struct store_entry *entry)
{
    const struct store *store = reader->store;
    store_ref ref = STORE_ROOT;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    if (key.len != 0) {
        uint64_t hash = probe != NULL && probe->boundaries != 0 ? probe->hash[probe->boundaries - 1]
                                                                : store_hash_of(&store->keys, key);
        ref = store_index_find(&store->index, hash, key, true);
    }
    if (ref == 0 || !store_node_is(store_at(store, ref), STORE_NODE_STORED))
        return STORE_NOT_FOUND;
    store_node_entry(store_at(store, ref), entry);
    return STORE_OK;
}

/* ---- match ---- */

/*
 * The longest key that answers `key` and ends at boundary `end` or at the '/'
 * behind it, given the boundary's node; NULL: neither is stored.
 */
static const struct store_node *answer_at(const struct store *store, store_ref ref,
                                          struct cdx_bytes key, size_t end)
{
    const struct store_node *node = store_at(store, ref);
    if (end < key.len && store_node_is(node, STORE_NODE_SLASH_ANSWERS))
        return store_at(store, node->child);
    return store_node_is(node, STORE_NODE_STORED) ? node : NULL;
}

/* What the empty key and '/' answer: the key itself when it is empty, and every absolute path. */
static const struct store_node *answer_at_root(const struct store *store, struct cdx_bytes key)
{
    if (key.len != 0 && key.data[0] != '/')
        return NULL;
    return answer_at(store, STORE_ROOT, key, 0);
}

static const struct store_node *match_probed(const struct store *store, struct cdx_bytes key,
                                             const struct store_probe *probe)
{
    uint32_t i = probe->revision == store->revision ? probe->open : probe->boundaries;
    while (i-- > 0) {
        size_t end = probe->end[i];
        store_ref ref = store_index_find(&store->index, probe->hash[i], store_head(key, end), true);
        const struct store_node *node = ref != 0 ? answer_at(store, ref, key, end) : NULL;
        if (node != NULL)
            return node;
    }
    return answer_at_root(store, key);
}

static const struct store_node *match_long(const struct store *store, struct cdx_bytes key)
{
    struct store_path path;
    store_path_init(&path, &store->keys, key);
    for (size_t end = key.len; end != 0; end = store_segment_start(key, end)) {
        store_ref ref = store_index_find(&store->index, store_path_hash(&path, end),
                                         store_head(key, end), true);
        const struct store_node *node = ref != 0 ? answer_at(store, ref, key, end) : NULL;
        if (node != NULL)
            return node;
    }
    return answer_at_root(store, key);
}

enum store_status store_match(struct store_reader *reader, struct cdx_bytes key,
                              const struct store_probe *probe, struct store_entry *entry)
{
    const struct store *store = reader->store;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_probe own;
    if (probe == NULL || probe->kind != STORE_PROBE_MATCH) {
        store_probe_start(store, STORE_PROBE_MATCH, key, &own);
        probe = &own;
    }
    const struct store_node *node =
        probe->boundaries != 0 ? match_probed(store, key, probe) : match_long(store, key);
    if (node == NULL)
        return STORE_NOT_FOUND;
    store_node_entry(node, entry);
    return STORE_OK;
}

/* ---- match_bytes ---- */

static size_t common_prefix(struct cdx_bytes a, struct cdx_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

/*
 * The stored child of `parent` with the longest segment that begins `segment`.
 * The last child not after `bound` either is such a prefix, or shows how long
 * one can be at most: it lies between every longer prefix and `bound`. So the
 * bound shrinks with every search, and siblings are never walked.
 */
static store_ref longest_child(const struct store *store, store_ref parent,
                               struct cdx_bytes segment)
{
    size_t bound = segment.len;
    while (bound > 0) {
        store_ref ref = store_tree_upto(store, parent, store_head(segment, bound));
        if (ref == 0)
            return 0;
        const struct store_node *node = store_at(store, ref);
        struct cdx_bytes found = store_node_segment(node);
        size_t common = common_prefix(found, segment);
        if (common < found.len)
            bound = common;
        else if (store_node_is(node, STORE_NODE_STORED))
            return ref;
        else
            bound = found.len - 1;
    }
    return 0;
}

enum store_status store_match_bytes(struct store_reader *reader, struct cdx_bytes key,
                                    struct store_entry *entry)
{
    const struct store *store = reader->store;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_path path;
    store_path_init(&path, &store->keys, key);
    size_t end;
    store_ref ref = store_find_deepest(store, &path, &end);
    for (;;) {
        store_ref child = longest_child(store, ref, store_segment(key, end));
        const struct store_node *node = store_at(store, child != 0 ? child : ref);
        if (store_node_is(node, STORE_NODE_STORED)) {
            store_node_entry(node, entry);
            return STORE_OK;
        }
        if (ref == STORE_ROOT)
            return STORE_NOT_FOUND;
        ref = node->parent;
        end = store_at(store, ref)->key_nbytes;
    }
}
