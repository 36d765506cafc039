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
 *     reach   ask for that node's parent
 *     match   compare that node's key; go on with shorter boundaries if it is another's
 *
 * Without a probe, match does the first two itself, and asks for the parents by the
 * tags at their boundaries. Keys with more boundaries
 * than a probe holds take the same way with hashes from the path's sums.
 */
#include "store_private.h"

/* ---- probes ---- */

static inline void probe_set(const struct store *store, struct store_boundary *boundary,
                             uint64_t hash, size_t end)
{
    store_index_prefetch(&store->index, hash);
    boundary->hash = hash;
    boundary->end = end;
}

/* Puts the boundaries at the slashes of one block, which begins at `from`, behind the `n` before
 * it; NULL: too many. */
static inline struct store_boundary *
probe_block(const struct store *store, struct store_probe *probe, struct store_boundary *next,
            uint64_t sum, struct store_hash_block block, size_t from, uint32_t slashes)
{
    for (; slashes != 0; slashes &= slashes - 1) {
        unsigned in = (unsigned)__builtin_ctz(slashes);
        if (next == &probe->boundary[STORE_PROBE_BOUNDARIES_MAX])
            return NULL;
        size_t end = from + in;
        uint64_t hash = store_hash_finish(&store->keys, sum, store_hash_cut(block, in), end);
        probe_set(store, next++, hash, end);
    }
    return next;
}

/* Hashes all boundaries and asks for their buckets; a key with too many is left to the lookup. */
static void probe_boundaries(const struct store *store, struct store_probe *probe)
{
    const struct store_hash_keys *keys = &store->keys;
    struct cdx_bytes key = probe->key;
    struct store_boundary *next = probe->boundary;
    size_t whole = key.len / STORE_HASH_BLOCK_NBYTES;
    uint32_t first = ~1u; /* the empty prefix is the root's */
    uint64_t sum = 0;
    for (size_t i = 0; i < whole; i++) {
        const uint8_t *from = key.data + i * STORE_HASH_BLOCK_NBYTES;
        struct store_hash_block block = {store_hash_load64(from), store_hash_load64(from + 8)};
        next = probe_block(store, probe, next, sum, block, i * STORE_HASH_BLOCK_NBYTES,
                           store_hash_slashes(block) & first);
        if (next == NULL)
            return;
        sum = store_hash_add(keys, sum, i, block);
        first = ~0u;
    }
    struct store_hash_block last =
        whole == 0 ? store_hash_short_block(key) : store_hash_last_block(key);
    next = probe_block(store, probe, next, sum, last, whole * STORE_HASH_BLOCK_NBYTES,
                       store_hash_slashes(last) & first);
    if (next == NULL)
        return;
    probe_set(store, next++, store_hash_finish(keys, sum, last, key.len), key.len);
    probe->boundaries = (uint16_t)(next - probe->boundary);
}

void store_probe_start(const struct store *store, enum store_probe_kind kind, struct cdx_bytes key,
                       struct store_probe *probe)
{
    probe->kind = kind;
    probe->key = key;
    probe->boundaries = 0;
    probe->node = 0;
    probe->section = 0;
    if (key.len == 0 || key.len > STORE_KEY_NBYTES_MAX)
        return;
    if (kind == STORE_PROBE_MATCH) {
        probe_boundaries(store, probe);
        return;
    }
    probe_set(store, &probe->boundary[0], store_hash_of(&store->keys, key), key.len);
    probe->boundaries = 1;
}

/*
 * Asks for a node that a lookup will compare. Blocks lie anywhere: a short
 * one is in one line or two.
 */
static void node_prefetch(const struct store *store, store_ref ref)
{
    const uint8_t *node = store_arena_at(&store->arena, ref);
    store_prefetch(node);
    store_prefetch(node + 40);
}

/* Boundaries above a candidate's whose nodes are asked for at once; further ones are mostly near.
 */
#define PARENTS_AHEAD 3u

/* Asks for the node of the boundary before `i`, which the one at `i` has as its parent. */
static void parent_prefetch(const struct store *store, const struct store_probe *probe, uint32_t i)
{
    struct store_probing p = store_index_probe(&store->index, probe->boundary[i - 1].hash, false);
    store_ref ref = p.left != 0 && p.found != 0 ? store_index_next(&p) : 0;
    if (ref != 0)
        store_prefetch(store_arena_at(&store->arena, ref));
}

/*
 * Looks at the buckets from the longest boundary on and asks for what the lookup
 * will read: the first candidate, its parents by the tags at their boundaries,
 * and, where one before it overflowed, the bucket behind.
 */
static inline void probe_follow(const struct store_reader *reader, struct store_probe *probe)
{
    const struct store *store = reader->store;
    uint32_t open = 0;
    store_ref node = 0;
    probe->candidate = 0;
    for (uint32_t i = probe->boundaries; i > 0; i--) {
        struct store_table table = store_index_table(&store->index, probe->boundary[i - 1].hash);
        if (table.count == 0)
            continue;
        uint32_t tag = store_index_tag(probe->boundary[i - 1].hash);
        uint32_t at = store_index_bucket(tag, table.count);
        const struct store_bucket *bucket = &table.buckets[at];
        uint32_t slots = store_bucket_find(bucket, tag, true);
        if (slots != 0) {
            node = store_bucket_ref(bucket, (uint32_t)__builtin_ctz(slots));
            if (node != 0)
                node_prefetch(store, node);
            if (open == 0) {
                open = i;
                probe->candidate = node;
            }
            break;
        }
        if (store_bucket_overflow(bucket) == 0)
            continue;
        if (open == 0)
            open = i;
        store_prefetch(at + 1 != table.count ? bucket + 1 : table.buckets);
    }
    probe->node = node;
    probe->open = (uint16_t)open;
    probe->section = reader->section;
}

/* The first two steps for a lookup that has no probe; its parents are asked for by their tags. */
static void probe_now(const struct store_reader *reader, enum store_probe_kind kind,
                      struct cdx_bytes key, struct store_probe *probe)
{
    const struct store *store = reader->store;
    store_probe_start(store, kind, key, probe);
    if (probe->boundaries == 0)
        return;
    probe_follow(reader, probe);
    uint32_t i = probe->open;
    for (uint32_t up = 0; i > 1 && up < PARENTS_AHEAD; up++)
        parent_prefetch(store, probe, --i);
}

/*
 * Finds the first candidate where a bucket that overflowed hid it: by now what is behind that is
 * near. True: its node was not asked for before.
 */
static bool probe_settle(const struct store *store, struct store_probe *probe)
{
    for (uint32_t i = probe->open; i > 0; i--) {
        struct store_probing p =
            store_index_probe(&store->index, probe->boundary[i - 1].hash, true);
        store_ref ref = store_index_next(&p);
        if (ref == 0)
            continue;
        bool is_new = ref != probe->node;
        probe->open = (uint16_t)i;
        probe->candidate = ref;
        probe->node = ref;
        if (is_new)
            node_prefetch(store, ref);
        return is_new;
    }
    probe->open = 0;
    probe->node = 0;
    return true;
}

/* Asks for the parent of the node that was asked for last. */
static inline void probe_reach(const struct store *store, struct store_probe *probe)
{
    const struct store_node *node = store_at(store, probe->node);
    uint32_t head = store_head(node);
    probe->node = 0;
    if (store_head_kind(head) == STORE_FORK) {
        store_ref record = store_load_ref(&store_fork_of(node)->version); /* has the value */
        if (record != 0)
            store_prefetch(store_at(store, record));
        if ((head & ((uint32_t)STORE_WHOLE | STORE_ROOT)) != 0)
            return; /* the comparison ends here */
    }
    probe->node = store_node_link(node);
    if (probe->node != 0)
        node_prefetch(store, probe->node);
}

void store_probes_touch(struct store_reader *reader, struct store_probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (probes[i].boundaries != 0)
            probe_follow(reader, &probes[i]);
    }
}

void store_probes_reach(struct store_reader *reader, struct store_probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_probe *probe = &probes[i];
        if (probe->boundaries == 0)
            continue;
        if (__builtin_expect(probe->section != reader->section, 0))
            probe_follow(reader, probe);
        if (probe->candidate == 0 && probe->open != 0 && probe_settle(reader->store, probe))
            continue;
        if (probe->node != 0)
            probe_reach(reader->store, probe);
    }
}

/* ---- traces ---- */

static void leave_trace(struct store_reader *reader, uint64_t hash)
{
    uint32_t n = reader->lookups++;
    if (n % STORE_TRACE_EVERY == 0)
        atomic_store_explicit(&reader->trace[n / STORE_TRACE_EVERY % STORE_TRACES], hash,
                              memory_order_relaxed);
}

/* Leaves the hash of one lookup of some for eviction: on the reader's own lines. */
static inline void trace(struct store_reader *reader, uint64_t hash)
{
    if (atomic_load_explicit(&reader->store->sampling, memory_order_relaxed))
        leave_trace(reader, hash);
}

/* ---- the node of a boundary ---- */

/* The answering node of boundary `i` if it is the candidate that was found in this section, as it
 * mostly is; NULL: not known. */
static inline const struct store_node *candidate_at(const struct store_reader *reader,
                                                    struct cdx_bytes key,
                                                    const struct store_probe *probe, uint32_t i)
{
    const struct store *store = reader->store;
    if (probe->section != reader->section || probe->open != i + 1 || probe->candidate == 0 ||
        store_has_gates(store))
        return NULL;
    const struct store_node *node = store_at(store, probe->candidate);
    bool found =
        store_node_matches_plain(store, node, key.data, probe->boundary[i].end, &reader->view) &&
        !store_has_gates(store);
    return found ? node : NULL;
}

/* The answering node of boundary `i` of a key of the reader's; NULL: there is none. */
static const struct store_node *find_probed(const struct store_reader *reader, struct cdx_bytes key,
                                            const struct store_probe *probe, uint32_t i)
{
    const struct store *store = reader->store;
    const struct store_boundary *boundary = &probe->boundary[i];
    const struct store_node *node = candidate_at(reader, key, probe, i);
    if (node != NULL)
        return node;
    store_ref ref =
        store_find_hashed(store, boundary->hash, key.data, boundary->end, &reader->view);
    return ref != 0 ? store_at(store, ref) : NULL;
}

/* ---- get ---- */

/* The node of a key whose candidate is not known, or not its node; NULL: there is none. */
static const struct store_node *get_node(struct store_reader *reader, struct cdx_bytes key,
                                         const struct store_probe *probe)
{
    const struct store *store = reader->store;
    struct store_probe own;
    if (key.len == 0) {
        store_ref root = store_find_root(store, &reader->view);
        return root != 0 ? store_at(store, root) : NULL;
    }
    if (probe == NULL || probe->boundaries == 0) {
        probe_now(reader, STORE_PROBE_KEY, key, &own);
        probe = &own;
    }
    const struct store_node *node = find_probed(reader, key, probe, probe->boundaries - 1u);
    if (node != NULL)
        trace(reader, probe->boundary[probe->boundaries - 1].hash);
    return node;
}

enum store_status store_get(struct store_reader *reader, struct cdx_bytes key,
                            const struct store_probe *probe, struct store_entry *entry)
{
    const struct store *store = reader->store;
    const struct store_node *node = NULL;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    if (probe != NULL && probe->boundaries != 0)
        node = candidate_at(reader, key, probe, probe->boundaries - 1u);
    if (node != NULL)
        trace(reader, probe->boundary[probe->boundaries - 1].hash);
    else
        node = get_node(reader, key, probe);
    const struct store_node *value =
        node != NULL ? store_value_at(store, node, &reader->view) : NULL;
    if (value == NULL)
        return STORE_NOT_FOUND;
    store_entry_of(value, key, entry);
    return STORE_OK;
}

/* ---- match ---- */

/* A key that answers, and its value. */
struct answer {
    const struct store_node *value;
    size_t end;
};

/* The value of the '/' behind boundary `end`; NULL: not stored. */
static const struct store_node *slash_value(const struct store_reader *reader, struct cdx_bytes key,
                                            size_t end)
{
    const struct store *store = reader->store;
    uint64_t hash = store_hash_of(&store->keys, store_prefix(key, end + 1));
    store_ref ref = store_find_hashed(store, hash, key.data, end + 1, &reader->view);
    return ref != 0 ? store_value_at(store, store_at(store, ref), &reader->view) : NULL;
}

/*
 * The longest key that answers `key` and ends at boundary `end` or at the '/'
 * behind it, given the boundary's node.
 */
static inline bool answer_at(const struct store_reader *reader, const struct store_node *node,
                             struct cdx_bytes key, size_t end, struct answer *answer)
{
    answer->end = end + 1;
    answer->value = NULL;
    if (end < key.len && store_node_kind(node) != STORE_LEAF &&
        store_node_is(node, STORE_SLASH_ANSWERS))
        answer->value = slash_value(reader, key, end);
    if (answer->value == NULL) {
        answer->end = end;
        answer->value = store_value_at(reader->store, node, &reader->view);
    }
    return answer->value != NULL;
}

/* What the empty key and '/' answer: the key itself when it is empty, and every absolute path. */
static bool answer_at_root(const struct store_reader *reader, struct cdx_bytes key,
                           struct answer *answer)
{
    if (store_is_relative(key))
        return false;
    store_ref root = store_find_root(reader->store, &reader->view);
    return root != 0 && answer_at(reader, store_at(reader->store, root), key, 0, answer);
}

static bool match_probed(struct store_reader *reader, struct cdx_bytes key,
                         const struct store_probe *probe, struct answer *answer)
{
    uint32_t i = probe->section == reader->section ? probe->open : probe->boundaries;
    while (i-- > 0) {
        size_t end = probe->boundary[i].end;
        const struct store_node *node = find_probed(reader, key, probe, i);
        if (node != NULL && answer_at(reader, node, key, end, answer)) {
            trace(reader, probe->boundary[i].hash);
            return true;
        }
    }
    return answer_at_root(reader, key, answer);
}

static bool match_long(struct store_reader *reader, struct cdx_bytes key, struct answer *answer)
{
    const struct store *store = reader->store;
    struct store_path path;
    store_path_init(&path, &store->keys, key);
    for (size_t end = key.len; end != 0; end = store_segment_start(key, end)) {
        uint64_t hash = store_path_hash(&path, end);
        store_ref ref = store_find_hashed(store, hash, key.data, end, &reader->view);
        if (ref != 0 && answer_at(reader, store_at(store, ref), key, end, answer)) {
            trace(reader, hash);
            return true;
        }
    }
    return answer_at_root(reader, key, answer);
}

/* match_probed() of a key that has no probe, or none that holds its boundaries. */
static bool match_now(struct store_reader *reader, struct cdx_bytes key, struct answer *answer)
{
    struct store_probe own;
    probe_now(reader, STORE_PROBE_MATCH, key, &own);
    return own.boundaries != 0 ? match_probed(reader, key, &own, answer)
                               : match_long(reader, key, answer);
}

enum store_status store_match(struct store_reader *reader, struct cdx_bytes key,
                              const struct store_probe *probe, struct store_entry *entry)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct answer answer;
    bool probed = probe != NULL && probe->kind == STORE_PROBE_MATCH && probe->boundaries != 0;
    bool found =
        probed ? match_probed(reader, key, probe, &answer) : match_now(reader, key, &answer);
    if (!found)
        return STORE_NOT_FOUND;
    store_entry_of(answer.value, store_prefix(key, answer.end), entry);
    return STORE_OK;
}

/* ---- match_bytes ---- */

/* Prefixes whose buckets are asked for together. */
#define BYTES_GROUP 16u

/*
 * Any prefix of the key, boundary or not, has its hash in constant time: so the
 * prefixes are looked up as if they were keys, the longest first, as far
 * as keys of such a length are stored. No sibling is looked at.
 */
struct lengths_walk {
    const struct store_lengths *lengths;
    size_t next; /* lengths from here on are done */
};

/* The next shorter length that some stored key has, 0 for none: the empty key is not asked for. */
static size_t next_length(struct lengths_walk *walk)
{
    while (walk->next > 1) {
        size_t last = walk->next - 1;
        uint64_t word = atomic_load_explicit(&walk->lengths->used[last / 64], memory_order_relaxed);
        word &= ~UINT64_C(0) >> (63 - last % 64);
        if (word != 0) {
            walk->next = last / 64 * 64 + (63 - (size_t)__builtin_clzll(word));
            return walk->next;
        }
        walk->next = last / 64 * 64;
    }
    return 0;
}

/* The next group of prefixes: asks for their buckets. Returns how many there are. */
static uint32_t bytes_group(const struct store *store, const struct store_path *path,
                            struct lengths_walk *walk, size_t end[static BYTES_GROUP],
                            uint64_t hash[static BYTES_GROUP])
{
    uint32_t count = 0;
    while (count < BYTES_GROUP && (end[count] = next_length(walk)) != 0) {
        hash[count] = store_path_hash(path, end[count]);
        store_index_prefetch(&store->index, hash[count]);
        count++;
    }
    return count;
}

enum store_status store_match_bytes(struct store_reader *reader, struct cdx_bytes key,
                                    struct store_entry *entry)
{
    const struct store *store = reader->store;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return STORE_NOT_FOUND;
    struct store_path path;
    store_path_init(&path, &store->keys, key);
    struct lengths_walk walk = {&store->lengths, key.len + 1};
    size_t end[BYTES_GROUP];
    uint64_t hash[BYTES_GROUP];
    uint32_t count;
    while ((count = bytes_group(store, &path, &walk, end, hash)) != 0) {
        for (uint32_t i = 0; i < count; i++) {
            store_ref ref = store_find_hashed(store, hash[i], key.data, end[i], &reader->view);
            const struct store_node *value =
                ref != 0 ? store_value_at(store, store_at(store, ref), &reader->view) : NULL;
            if (value == NULL)
                continue;
            trace(reader, hash[i]);
            store_entry_of(value, store_prefix(key, end[i]), entry);
            return STORE_OK;
        }
    }
    store_ref root = store_find_root(store, &reader->view);
    const struct store_node *value =
        root != 0 ? store_value_at(store, store_at(store, root), &reader->view) : NULL;
    if (value == NULL)
        return STORE_NOT_FOUND;
    store_entry_of(value, store_prefix(key, 0), entry);
    return STORE_OK;
}
