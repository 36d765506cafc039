/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes that writes are made of.
 *
 * Whatever can fail comes first: blocks, linked to nothing yet, and room in the
 * index. Then the new is linked in, by stores of one reference each, and what it
 * replaces goes to limbo. Turning a node into a fork changes nothing that a reader
 * or a caller can see, so a write that fails behind it has changed nothing.
 */
#include "store_change.h"

#include <assert.h>

/* ---- places ---- */

void store_place_find(struct store *store, struct cdx_bytes key, struct store_stage *stage,
                      struct store_place *place)
{
    struct store_probe ahead;
    store_probe_start(store, STORE_PROBE_MATCH, key, &ahead); /* for what it prefetches */
    store_path_init(&place->path, &store->keys, key);
    place->view = store_writer_view(store);
    place->view.stage = stage != NULL ? stage->top : 0;
    place->staged = stage;
    place->ref = store_find_deepest(store, &place->path, &place->view, &place->end, &place->inner);
}

static uint64_t hash_at(const struct store_place *place, size_t end)
{
    return store_path_hash(&place->path, end);
}

static uint64_t hash_of_node(const struct store *store, store_ref ref)
{
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    return store_key_of(store, ref, key, &nbytes);
}

/* ---- blocks ---- */

static uint32_t units_of(size_t nbytes)
{
    return (uint32_t)((nbytes + STORE_UNIT_NBYTES - 1) / STORE_UNIT_NBYTES);
}

/* A block with its head and link; 0: no memory. */
static store_ref block_new(struct store *store, uint32_t head, size_t nbytes, store_ref link)
{
    /* A fork is read by the lookups of all its children: one line of it is better than two. */
    uint32_t units = units_of(nbytes);
    store_ref ref = store_head_kind(head) == STORE_FORK ? store_arena_get_line(&store->arena, units)
                                                        : store_arena_get(&store->arena, units);
    if (ref == 0)
        return 0;
    struct store_node *node = store_at(store, ref);
    atomic_init(&node->head, head);
    atomic_init(&node->link, link);
    assert(store_head_units(head) == units);
    return ref;
}

static uint32_t block_units(const struct store *store, store_ref ref)
{
    return store_head_units(store_head(store_at(store, ref)));
}

/* Whether the block owns a heap value. */
static bool has_heap(const struct store_node *node)
{
    enum store_kind kind = store_node_kind(node);
    return (kind == STORE_LEAF || kind == STORE_RECORD) && store_node_is(node, STORE_HEAP);
}

void store_block_free(struct store *store, store_ref ref)
{
    if (has_heap(store_at(store, ref)))
        store_limbo_heap_free(&store->limbo, store_node_heap(store_at(store, ref)).data);
    store_arena_free(&store->arena, ref, block_units(store, ref));
}

void store_block_retire(struct store *store, store_ref ref, bool with_heap)
{
    if (with_heap && has_heap(store_at(store, ref)))
        store_limbo_heap(&store->limbo, store_node_heap(store_at(store, ref)).data);
    store->compaction.freed_nbytes += (uint64_t)block_units(store, ref) * STORE_UNIT_NBYTES;
    store_limbo_block(&store->limbo, ref, block_units(store, ref));
}

/* A value on its way into a block: inline, or on the heap. */
struct payload {
    struct cdx_bytes value;
    uint32_t mark; /* goes behind it; 0: none, or in `value` already */
    uint8_t *heap;
    uint32_t flags;
    size_t nbytes; /* in the block */
};

static bool payload_make(struct store *store, const struct store_content *content,
                         struct payload *payload)
{
    struct cdx_bytes value = content->value;
    *payload = (struct payload){.value = value, .mark = content->mark, .nbytes = value.len};
    if (value.len > STORE_INLINE_NBYTES_MAX) {
        payload->heap = store_limbo_heap_get(&store->limbo, value.len);
        if (payload->heap == NULL)
            return false;
        memcpy(payload->heap, value.data, value.len);
        payload->flags = STORE_HEAP;
        payload->nbytes = STORE_HEAP_VALUE_NBYTES;
    }
    if (payload->mark != 0) {
        payload->flags |= STORE_MARKED;
        payload->nbytes += STORE_MARK_NBYTES;
    }
    return true;
}

static void payload_free(struct store *store, struct payload *payload)
{
    if (payload->heap != NULL)
        store_limbo_heap_free(&store->limbo, payload->heap);
}

static void payload_put(const struct payload *payload, uint8_t *to)
{
    if (payload->heap != NULL) {
        uint32_t nbytes = (uint32_t)payload->value.len;
        memcpy(to, &payload->heap, sizeof payload->heap);
        memcpy(to + sizeof payload->heap, &nbytes, sizeof nbytes);
    } else if (payload->value.len != 0) {
        memcpy(to, payload->value.data, payload->value.len);
    }
    if (payload->mark != 0)
        memcpy(to + payload->nbytes - STORE_MARK_NBYTES, &payload->mark, STORE_MARK_NBYTES);
}

/* The payload of a block as it is, mark included: the heap value changes its owner. */
static void payload_move(const struct store_node *from, struct payload *payload)
{
    uint32_t head = store_head(from);
    *payload = (struct payload){.flags = head & ((uint32_t)STORE_HEAP | STORE_MARKED),
                                .nbytes = store_head_value(head)};
    payload->value = cdx_bytes_of(store_node_inline(from), payload->nbytes);
}

static store_ref record_make(struct store *store, const struct payload *payload,
                             uint64_t expires_ms, uint64_t revision, store_ref older)
{
    uint32_t flags = payload->flags | (expires_ms != 0 ? (uint32_t)STORE_RECORD_EXPIRES : 0u);
    size_t at = expires_ms != 0 ? STORE_EXPIRING_NBYTES : STORE_RECORD_NBYTES;
    store_ref ref = block_new(store, store_head_of(STORE_RECORD, flags, 0, payload->nbytes),
                              at + payload->nbytes, older);
    if (ref == 0)
        return 0;
    struct store_node *node = store_at(store, ref);
    store_record_set_revision(store_record_of(node), revision);
    if (expires_ms != 0) {
        struct store_expiring *e = store_expiring_of(node);
        atomic_init(&e->expires_low, (uint32_t)expires_ms);
        atomic_init(&e->expires_high, (uint32_t)(expires_ms >> 32));
    }
    payload_put(payload, (uint8_t *)node + at);
    return ref;
}

store_ref store_record_new(struct store *store, uint32_t flags, uint64_t revision)
{
    store_ref ref =
        block_new(store, store_head_of(STORE_RECORD, flags, 0, 0), STORE_RECORD_NBYTES, 0);
    if (ref != 0)
        store_record_set_revision(store_record_of(store_at(store, ref)), revision);
    return ref;
}

store_ref store_record_of_content(struct store *store, const struct store_content *content,
                                  uint64_t revision)
{
    struct payload payload;
    if (!payload_make(store, content, &payload))
        return 0;
    store_ref ref = record_make(store, &payload, content->expires_ms, revision, 0);
    if (ref == 0)
        payload_free(store, &payload);
    return ref;
}

store_ref store_fork_new(struct store *store, struct cdx_bytes segment, uint32_t flags,
                         store_ref parent)
{
    store_ref ref = block_new(store, store_head_of(STORE_FORK, flags, segment.len, 0),
                              STORE_FORK_NBYTES + segment.len, parent);
    if (ref == 0)
        return 0;
    struct store_fork *fork = store_fork_of(store_at(store, ref));
    atomic_init(&fork->children, 0);
    atomic_init(&fork->keys, 0);
    atomic_init(&fork->version, 0);
    if (segment.len != 0)
        memcpy((uint8_t *)fork + STORE_FORK_NBYTES, segment.data, segment.len);
    return ref;
}

static store_ref pass_new(struct store *store, struct cdx_bytes segment, store_ref child)
{
    store_ref ref = block_new(store, store_head_of(STORE_PASS, 0, segment.len, 0),
                              STORE_PASS_NBYTES + segment.len, 0);
    if (ref == 0)
        return 0;
    struct store_pass *pass = store_pass_of(store_at(store, ref));
    atomic_init(&pass->child, child);
    memcpy((uint8_t *)pass + STORE_PASS_NBYTES, segment.data, segment.len);
    return ref;
}

static store_ref leaf_new(struct store *store, struct cdx_bytes segment,
                          const struct store_content *content, uint64_t revision)
{
    struct payload payload;
    if (!payload_make(store, content, &payload))
        return 0;
    size_t text = STORE_LEAF_NBYTES + segment.len;
    store_ref ref =
        block_new(store, store_head_of(STORE_LEAF, payload.flags, segment.len, payload.nbytes),
                  text + payload.nbytes, 0);
    if (ref == 0) {
        payload_free(store, &payload);
        return 0;
    }
    uint8_t *block = store_arena_at(&store->arena, ref);
    store_record_set_revision((struct store_record *)(void *)block, revision);
    memcpy(block + STORE_LEAF_NBYTES, segment.data, segment.len);
    payload_put(&payload, block + text);
    return ref;
}

/* A copy of a leaf with the last segment only, which takes its value over; 0: no memory. */
static store_ref leaf_short(struct store *store, const struct store_node *leaf, size_t segment)
{
    struct payload payload;
    struct cdx_bytes label = store_node_label(leaf);
    payload_move(leaf, &payload);
    size_t text = STORE_LEAF_NBYTES + segment;
    uint32_t flags = payload.flags | (store_head(leaf) & STORE_REFERENCED);
    store_ref ref = block_new(store, store_head_of(STORE_LEAF, flags, segment, payload.nbytes),
                              text + payload.nbytes, 0);
    if (ref == 0)
        return 0;
    uint8_t *block = store_arena_at(&store->arena, ref);
    store_record_set_revision((struct store_record *)(void *)block,
                              store_record_revision(store_record_of(leaf)));
    memcpy(block + STORE_LEAF_NBYTES, label.data + label.len - segment, segment);
    payload_put(&payload, block + text);
    return ref;
}

/* ---- sums ---- */

void store_lengths_add(struct store *store, size_t key_nbytes)
{
    struct store_lengths *lengths = &store->lengths;
    if (lengths->nodes[key_nbytes]++ == 0)
        atomic_fetch_or_explicit(&lengths->used[key_nbytes / 64], UINT64_C(1) << key_nbytes % 64,
                                 memory_order_relaxed);
}

void store_lengths_take(struct store *store, size_t key_nbytes)
{
    struct store_lengths *lengths = &store->lengths;
    assert(lengths->nodes[key_nbytes] != 0);
    if (--lengths->nodes[key_nbytes] == 0)
        atomic_fetch_and_explicit(&lengths->used[key_nbytes / 64],
                                  ~(UINT64_C(1) << key_nbytes % 64), memory_order_relaxed);
}

static void sums_add(struct store *store, size_t key_nbytes, const struct store_node *value)
{
    store->key_nbytes += key_nbytes;
    store->value_nbytes += store_node_value(value).len;
}

void store_sums_take(struct store *store, size_t key_nbytes, const struct store_node *value)
{
    store->key_nbytes -= key_nbytes;
    store->value_nbytes -= store_node_value(value).len;
}

/* The sums' and the counts' change when a node's newest value goes from `before` to `after`. */
static void value_changed(struct store *store, struct store_place *place, store_ref ref,
                          const struct store_node *before, const struct store_node *after)
{
    struct cdx_bytes key = place->path.key;
    if (before != NULL)
        store_sums_take(store, key.len, before);
    if (after != NULL)
        sums_add(store, key.len, after);
    if ((before != NULL) == (after != NULL))
        return;
    uint32_t one = after != NULL ? 1u : UINT32_MAX;
    store_change_count(store, ref, one);
    if (store_is_relative(key)) {
        uint64_t *relative =
            place->staged != NULL ? &place->staged->relative_keys : &store->relative_keys;
        *relative += after != NULL ? 1u : UINT64_MAX;
    }
}

void store_change_count(struct store *store, store_ref ref, uint32_t keys)
{
    while (ref != 0) {
        struct store_node *node = store_at(store, ref);
        if (store_node_kind(node) == STORE_FORK) {
            struct store_fork *fork = store_fork_of(node);
            uint32_t now = atomic_load_explicit(&fork->keys, memory_order_relaxed);
            atomic_store_explicit(&fork->keys, now + keys, memory_order_relaxed);
            if (store_node_is(node, STORE_ROOT))
                break;
        }
        ref = store_node_link(node);
    }
}

/* ---- forks ---- */

static void chain_free(struct store *store, store_ref top, store_ref leaf);
static store_ref chain_new(struct store *store, struct cdx_bytes key, size_t from, store_ref leaf);

/* Puts `ref` in the place of `old` among its parent's children. */
static void child_replace(struct store *store, store_ref parent, store_ref old, store_ref ref)
{
    struct store_node *node = store_at(store, parent);
    if (store_node_kind(node) == STORE_PASS) {
        store_set_ref(&store_pass_of(node)->child, ref);
    } else {
        struct store_set_env env = store_set_env(store);
        store_set_replace(&env, &store_fork_of(node)->children, old, ref);
    }
}

/* Gives a new fork what a leaf or pass has. False: no memory. */
static bool fork_fill(struct store *store, const struct store_node *old, struct store_fork *fork)
{
    if (store_node_kind(old) == STORE_LEAF) {
        struct payload payload;
        payload_move(old, &payload);
        store_ref record =
            record_make(store, &payload, 0, store_record_revision(store_record_of(old)), 0);
        atomic_init(&fork->version, record);
        atomic_init(&fork->keys, 1);
        return record != 0;
    }
    store_ref child = store_pass_of(old)->child;
    struct store_set_env env = store_set_env(store);
    atomic_init(&fork->keys, (uint32_t)store_keys_at(store, child));
    return store_set_add(&env, &fork->children, child);
}

/*
 * Takes a leaf of more than one segment apart: into passes and a leaf of one
 * segment, which is returned; 0: no memory.
 */
static store_ref leaf_expand(struct store *store, store_ref ref)
{
    uint8_t room[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    const struct store_node *old = store_at(store, ref);
    (void)store_key_of(store, ref, room, &nbytes);
    struct cdx_bytes key = cdx_bytes_of(room, nbytes);
    size_t from = nbytes - store_node_label(old).len;
    size_t last = store_segment_start(key, nbytes);
    store_ref parent = store_node_link(old);
    store_ref leaf = leaf_short(store, old, nbytes - last);
    if (leaf == 0)
        return 0;
    store_ref top = chain_new(store, key, from, leaf);
    if (top == 0) {
        /* Not by store_block_free(): the value is still the old leaf's. */
        store_arena_free(&store->arena, leaf, block_units(store, leaf));
        return 0;
    }
    store_set_ref(&store_at(store, top)->link, parent);
    store_ref at = top;
    for (size_t end = from; end < nbytes;) {
        end = store_segment_end(key, end);
        store_index_replace(&store->index, store_hash_of(&store->keys, store_prefix(key, end)), ref,
                            at);
        if (end < nbytes)
            at = store_pass_of(store_at(store, at))->child;
    }
    child_replace(store, parent, ref, top);
    store_block_retire(store, ref, false);
    return leaf;
}

/* Whether a node is a leaf of more than one segment. */
static bool is_long(const struct store_node *node)
{
    return store_node_kind(node) == STORE_LEAF &&
           store_node_segment(node).len != store_node_label(node).len;
}

static store_ref fork_make(struct store *store, store_ref ref, uint64_t hash)
{
    if (is_long(store_at(store, ref)))
        ref = leaf_expand(store, ref);
    if (ref == 0)
        return 0;
    const struct store_node *old = store_at(store, ref);
    store_ref parent = store_node_link(old);
    uint32_t flags = store_node_kind(old) == STORE_PASS ? store_head(old) & STORE_SLASH_ANSWERS
                                                        : store_head(old) & STORE_REFERENCED;
    store_ref fork = store_fork_new(store, store_node_segment(old), flags, parent);
    if (fork == 0)
        return 0;
    if (!fork_fill(store, old, store_fork_of(store_at(store, fork)))) {
        store_block_free(store, fork);
        return 0;
    }
    store_index_replace(&store->index, hash, ref, fork);
    child_replace(store, parent, ref, fork);
    if (store_node_kind(old) == STORE_PASS)
        store_set_ref(&store_at(store, store_pass_of(old)->child)->link, fork);
    store_block_retire(store, ref, false);
    return fork;
}

store_ref store_change_fork(struct store *store, store_ref ref)
{
    if (store_node_kind(store_at(store, ref)) == STORE_FORK)
        return ref;
    return fork_make(store, ref, hash_of_node(store, ref));
}

bool store_change_expand(struct store *store, struct store_place *place)
{
    if (!place->inner)
        return true;
    if (leaf_expand(store, place->ref) == 0)
        return false;
    place->inner = false;
    place->ref = store_find(store, &place->path, place->end, &place->view, &place->inner);
    assert(place->ref != 0 && !place->inner);
    return true;
}

/* The place's node as a fork. False: no memory. */
static bool place_fork(struct store *store, struct store_place *place)
{
    if (!store_change_expand(store, place))
        return false;
    if (store_node_kind(store_at(store, place->ref)) == STORE_FORK)
        return true;
    store_ref fork = fork_make(store, place->ref, hash_at(place, place->end));
    if (fork != 0)
        place->ref = fork;
    return fork != 0;
}

struct children_walk {
    struct store *store;
    store_ref parent;
};

static bool child_tell(void *arg, store_ref child)
{
    const struct children_walk *walk = arg;
    store_set_ref(&store_at(walk->store, child)->link, walk->parent);
    return true;
}

/*
 * Gives a fork that is about to have many children the whole key as its text:
 * lookups of them end here then. Without memory, or while versions of it wait, it stays as it is.
 */
static void place_widen(struct store *store, struct store_place *place)
{
    struct store_node *node = store_at(store, place->ref);
    struct store_fork *old = store_fork_of(node);
    store_ref set = old->children;
    if (set == 0 ||
        store_node_is(node, (uint32_t)STORE_WHOLE | STORE_GATED | STORE_ROOT | STORE_QUEUED))
        return;
    uint32_t children = store_array_count(store_array_at(&store->arena, set));
    size_t more = place->end - store_node_label(node).len;
    if (children > STORE_WHOLE_CHILDREN_MAX || more > (size_t)children * STORE_WHOLE_NBYTES)
        return;
    uint32_t flags =
        STORE_WHOLE | (store_head(node) & ((uint32_t)STORE_SLASH_ANSWERS | STORE_REFERENCED));
    store_ref ref = store_fork_new(store, store_prefix(place->path.key, place->end), flags,
                                   store_node_link(node));
    if (ref == 0)
        return;
    struct store_fork *fork = store_fork_of(store_at(store, ref));
    struct children_walk walk = {store, ref};
    atomic_init(&fork->children, set);
    atomic_init(&fork->keys, old->keys);
    atomic_init(&fork->version, old->version);
    store_index_replace(&store->index, hash_at(place, place->end), place->ref, ref);
    child_replace(store, store_node_link(node), place->ref, ref);
    (void)store_set_each(&store->arena, set, child_tell, &walk);
    store_ref newest = store_fork_newest(store, store_at(store, ref));
    if (newest != 0 && store_node_is(store_at(store, newest), STORE_RECORD_EXPIRES))
        store_expiring_of(store_at(store, newest))->fork = ref;
    store_block_retire(store, place->ref, false);
    place->ref = ref;
}

/* ---- answers ---- */

/* A match may end at the node from now on. */
static void answers_set(struct store *store, const struct store_place *place, store_ref ref)
{
    size_t end = place->path.key.len;
    if (end != 0 && !(place->staged != NULL && ref == place->staged->top))
        store_index_answer(&store->index, hash_at(place, end), ref, true);
}

/* If the node's segment is '/', a match may end there from its parent on. */
static void slash_answers_set(struct store *store, const struct store_place *place, store_ref ref)
{
    size_t end = place->path.key.len;
    struct store_node *node = store_at(store, ref);
    if (!store_node_is_slash(node))
        return;
    store_ref parent = store_node_link(node);
    if (parent == 0)
        return;
    store_node_mark(store_at(store, parent), STORE_SLASH_ANSWERS);
    if (end > 1 && !(place->staged != NULL && parent == place->staged->top))
        store_index_answer(&store->index, hash_at(place, end - 1), parent, true);
}

void store_change_silence(struct store *store, store_ref ref)
{
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    struct store_node *node = store_at(store, ref);
    uint64_t hash = store_key_of(store, ref, key, &nbytes);
    bool slash = store_node_is(node, STORE_SLASH_ANSWERS);
    /* Neither a root nor the top of a stage is in the index. */
    if (!store_node_is(node, STORE_ROOT) && store_node_link(node) != 0)
        store_index_answer(&store->index, hash, ref, slash);
}

/* ---- attach and detach ---- */

/* Frees nodes of a chain that no reader saw, but for its last one. */
static void chain_free(struct store *store, store_ref top, store_ref leaf)
{
    while (top != leaf) {
        store_ref next = store_pass_of(store_at(store, top))->child;
        store_block_free(store, top);
        top = next;
    }
}

/* The nodes from boundary `from` to the leaf, linked to each other; 0: no memory. */
static store_ref chain_new(struct store *store, struct cdx_bytes key, size_t from, store_ref leaf)
{
    store_ref top = leaf;
    size_t end = key.len - store_node_label(store_at(store, leaf)).len;
    while (end > from) {
        size_t start = store_segment_start(key, end);
        store_ref pass = pass_new(store, cdx_bytes_of(key.data + start, end - start), top);
        if (pass == 0) {
            chain_free(store, top, leaf);
            return 0;
        }
        atomic_init(&store_at(store, top)->link, pass);
        top = pass;
        end = start;
    }
    return top;
}

/* Room in the index for all of a chain: its nodes may all fall into one segment. */
static bool chain_reserve(struct store *store, const struct store_place *place, size_t from)
{
    struct cdx_bytes key = place->path.key;
    uint32_t count = 0;
    for (size_t end = key.len; end > from; end = store_segment_start(key, end))
        count++;
    for (size_t end = key.len; end > from; end = store_segment_start(key, end)) {
        if (!store_index_reserve(&store->index, hash_at(place, end), count))
            return false;
    }
    return true;
}

static void chain_index(struct store *store, const struct store_place *place, size_t from,
                        store_ref top, bool answers)
{
    struct cdx_bytes key = place->path.key;
    size_t end = store_segment_end(key, from);
    for (store_ref ref = top;; end = store_segment_end(key, end)) {
        store_index_insert(&store->index, hash_at(place, end), ref, answers && end == key.len);
        store->nodes++;
        if (end == key.len)
            return;
        if (store_node_kind(store_at(store, ref)) == STORE_PASS)
            ref = store_pass_of(store_at(store, ref))->child;
    }
}

bool store_change_attach(struct store *store, struct store_place *place, store_ref leaf,
                         bool answers)
{
    struct cdx_bytes key = place->path.key;
    size_t from = place->end;
    if (!place_fork(store, place))
        return false;
    place_widen(store, place);
    store_ref top = chain_new(store, key, from, leaf);
    if (top == 0)
        return false;
    struct store_set_env env = store_set_env(store);
    struct store_fork *parent = store_fork_of(store_at(store, place->ref));
    atomic_store_explicit(&store_at(store, top)->link, place->ref, memory_order_release);
    if (!chain_reserve(store, place, from) || !store_set_add(&env, &parent->children, top)) {
        chain_free(store, top, leaf);
        return false;
    }
    chain_index(store, place, from, top, answers);
    return true;
}

void store_change_unindex(struct store *store, store_ref ref)
{
    uint8_t room[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    (void)store_key_of(store, ref, room, &nbytes);
    struct cdx_bytes key = cdx_bytes_of(room, nbytes);
    size_t end = nbytes - store_node_label(store_at(store, ref)).len;
    while (end < nbytes) {
        end = store_segment_end(key, end);
        store_index_remove(&store->index, store_hash_of(&store->keys, store_prefix(key, end)), ref);
        store->nodes--;
    }
}

/* Whether a node has a child with the segment '/': of a key that was dropped and stored again, two.
 */
static bool has_slash(const struct store *store, const struct store_node *node)
{
    if (store_node_kind(node) == STORE_PASS)
        return store_pass_of(node)->child != 0;
    store_ref upper;
    store_ref ref =
        store_set_seek(&store->arena, store_fork_of(node)->children, CDX_STR("/"), &upper);
    const struct store_array *array = store_array_at(&store->arena, ref);
    for (uint32_t i = 0; ref != 0 && i < store_array_count(array); i++) {
        store_ref child = store_load_ref(&array->child[i]);
        if (child != 0 && store_node_is_slash(store_at(store, child)))
            return true;
    }
    return false;
}

void store_change_detach(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    store_ref parent = store_node_link(node);
    bool slash = store_node_is_slash(node);
    store_change_unindex(store, ref);
    if (store_node_kind(store_at(store, parent)) == STORE_PASS) {
        store_set_ref(&store_pass_of(store_at(store, parent))->child, 0);
    } else {
        struct store_set_env env = store_set_env(store);
        store_set_remove(&env, &store_fork_of(store_at(store, parent))->children, ref);
    }
    if (slash && !has_slash(store, store_at(store, parent)))
        store_node_unmark(store_at(store, parent), STORE_SLASH_ANSWERS);
    if (store_node_kind(node) == STORE_FORK && store_node_is(node, STORE_QUEUED))
        store_node_mark(node, STORE_REMOVED);
    else
        store_block_retire(store, ref, true);
}

/* Whether nothing is at or below the node, and nothing waits there. */
static bool is_empty(const struct store_node *node)
{
    switch (store_node_kind(node)) {
    case STORE_PASS:
        return store_pass_of(node)->child == 0;
    case STORE_FORK:
        return store_fork_of(node)->children == 0 && store_fork_of(node)->version == 0 &&
               !store_node_is(node, (uint32_t)STORE_GATED | STORE_ROOT);
    default:
        return false;
    }
}

void store_change_prune(struct store *store, store_ref ref)
{
    while (ref != 0 && is_empty(store_at(store, ref))) {
        store_ref parent = store_node_link(store_at(store, ref));
        store_change_detach(store, ref);
        ref = parent;
    }
}

/* ---- values ---- */

store_ref store_fork_newest(const struct store *store, const struct store_node *fork)
{
    store_ref ref = store_fork_of(fork)->version;
    while (ref != 0 &&
           store_node_is(store_at(store, ref), (uint32_t)STORE_RECORD_END | STORE_RECORD_BEGIN))
        ref = store_node_link(store_at(store, ref));
    return ref;
}

/* The newest value as the writer counts it, expired or not; NULL: not stored. */
static const struct store_node *value_counted(const struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    if (store_node_kind(node) != STORE_FORK)
        return store_node_kind(node) == STORE_LEAF ? node : NULL;
    store_ref newest = store_fork_newest(store, node);
    if (newest == 0 || store_node_is(store_at(store, newest), STORE_RECORD_GONE))
        return NULL;
    return store_at(store, newest);
}

static bool is_timed(const struct store *store, store_ref record)
{
    return record != 0 && store_record_is_timed(store_at(store, record));
}

/* Puts a record in front of a fork's others. */
static void version_push(struct store *store, struct store_place *place, store_ref record)
{
    struct store_node *node = store_at(store, place->ref);
    struct store_fork *fork = store_fork_of(node);
    store_ref newest = store_fork_newest(store, node);
    const struct store_node *before = value_counted(store, place->ref);
    if (is_timed(store, newest))
        store_wheel_remove(&store->wheel, newest);
    if (newest == 0)
        store_lengths_add(store, place->path.key.len);
    atomic_store_explicit(&store_at(store, record)->link, fork->version, memory_order_release);
    store_set_ref(&fork->version, record);
    if (is_timed(store, record)) {
        store_expiring_of(store_at(store, record))->fork = place->ref;
        store_wheel_add(&store->wheel, record);
    }
    value_changed(store, place, place->ref, before, value_counted(store, place->ref));
    if (newest != 0)
        store_reclaim_versions(store, place->ref);
}

/*
 * Where the label of a new leaf begins: with all segments that the key has behind the
 * deepest node, unless they are many, or one of them is '/', which marks its parent.
 */
static size_t label_start(struct cdx_bytes key, size_t from)
{
    size_t segments = 0;
    for (size_t end = from; end < key.len; segments++) {
        size_t next = store_segment_end(key, end);
        if (next - end == 1 && key.data[end] == '/')
            segments = STORE_LEAF_SEGMENTS_MAX;
        end = next;
    }
    return segments <= STORE_LEAF_SEGMENTS_MAX ? from : store_segment_start(key, key.len);
}

/* A node for a key that has none: a leaf, or a fork when the value expires. */
static bool put_new(struct store *store, struct store_place *place,
                    const struct store_content *content, uint64_t revision)
{
    struct cdx_bytes key = place->path.key;
    bool expires = content->expires_ms != 0;
    size_t start = expires ? store_segment_start(key, key.len) : label_start(key, place->end);
    struct cdx_bytes segment = cdx_bytes_of(key.data + start, key.len - start);
    store_ref record = 0;
    store_ref ref = 0;
    if (!expires) {
        ref = leaf_new(store, segment, content, revision);
    } else {
        record = store_record_of_content(store, content, revision);
        if (record != 0)
            ref = store_fork_new(store, segment, 0, 0);
        if (record != 0 && ref == 0)
            store_block_free(store, record);
    }
    if (ref == 0)
        return false;
    if (!store_change_attach(store, place, ref, true)) {
        store_block_free(store, ref);
        if (record != 0)
            store_block_free(store, record);
        return false;
    }
    place->ref = ref;
    place->end = key.len;
    if (record != 0) {
        version_push(store, place, record);
    } else {
        store_lengths_add(store, key.len);
        value_changed(store, place, ref, NULL, store_at(store, ref));
    }
    slash_answers_set(store, place, ref);
    return true;
}

bool store_change_put(struct store *store, struct store_place *place,
                      const struct store_content *content, uint64_t revision)
{
    if (place->end != place->path.key.len)
        return put_new(store, place, content, revision);
    store_ref record = store_record_of_content(store, content, revision);
    if (record == 0)
        return false;
    if (!place_fork(store, place)) {
        store_block_free(store, record);
        return false;
    }
    version_push(store, place, record);
    answers_set(store, place, place->ref);
    slash_answers_set(store, place, place->ref);
    return true;
}

bool store_change_remove(struct store *store, struct store_place *place, uint64_t revision)
{
    store_ref record = store_record_new(store, STORE_RECORD_GONE, revision);
    if (record == 0)
        return false;
    if (!place_fork(store, place)) {
        store_block_free(store, record);
        return false;
    }
    version_push(store, place, record);
    return true;
}

/* Takes a stored leaf out of everything. */
static void leaf_remove(struct store *store, struct store_place *place)
{
    struct store_node *node = store_at(store, place->ref);
    store_ref parent = store_node_link(node);
    value_changed(store, place, parent, node, NULL);
    store_lengths_take(store, place->path.key.len);
    store_change_detach(store, place->ref);
    store_change_prune(store, parent);
}

void store_change_evict(struct store *store, struct store_place *place)
{
    struct store_node *node = store_at(store, place->ref);
    if (store_node_kind(node) == STORE_LEAF) {
        leaf_remove(store, place);
        return;
    }
    store_ref newest = store_fork_newest(store, node);
    if (is_timed(store, newest))
        store_wheel_remove(&store->wheel, newest);
    value_changed(store, place, place->ref, value_counted(store, place->ref), NULL);
    _Atomic uint32_t *link = &store_fork_of(node)->version;
    while (*link != 0) {
        store_ref ref = *link;
        struct store_node *record = store_at(store, ref);
        if (store_node_is(record, (uint32_t)STORE_RECORD_END | STORE_RECORD_BEGIN)) {
            link = &record->link;
            continue;
        }
        store_set_ref(link, store_node_link(record));
        store_block_retire(store, ref, true);
    }
    store_lengths_take(store, place->path.key.len);
    store_change_silence(store, place->ref);
    store_change_prune(store, place->ref);
}

void store_change_undo(struct store *store, struct store_place *place)
{
    struct store_node *node = store_at(store, place->ref);
    if (store_node_kind(node) == STORE_LEAF) {
        leaf_remove(store, place);
        return;
    }
    const struct store_node *before = value_counted(store, place->ref);
    store_ref newest = store_fork_newest(store, node);
    assert(newest == store_fork_of(node)->version);
    if (is_timed(store, newest))
        store_wheel_remove(&store->wheel, newest);
    store_set_ref(&store_fork_of(node)->version, store_node_link(store_at(store, newest)));
    value_changed(store, place, place->ref, before, value_counted(store, place->ref));
    store_block_retire(store, newest, true);
    store_ref restored = store_fork_newest(store, node);
    if (is_timed(store, restored))
        store_wheel_add(&store->wheel, restored);
    if (restored != 0)
        return;
    store_lengths_take(store, place->path.key.len);
    store_change_silence(store, place->ref);
    store_change_prune(store, place->ref);
}

static void expires_set(struct store_node *record, uint64_t expires_ms)
{
    struct store_expiring *e = store_expiring_of(record);
    atomic_store_explicit(&e->expires_low, (uint32_t)expires_ms, memory_order_relaxed);
    atomic_store_explicit(&e->expires_high, (uint32_t)(expires_ms >> 32), memory_order_relaxed);
}

/*
 * The expiry is no part of a version: readers of all versions see the present one.
 * A record without room for it is replaced by one of the same revision.
 */
bool store_change_expiry(struct store *store, struct store_place *place, uint64_t expires_ms)
{
    if (!place_fork(store, place))
        return false;
    struct store_node *node = store_at(store, place->ref);
    store_ref newest = store_fork_newest(store, node);
    struct store_node *record = store_at(store, newest);
    if (is_timed(store, newest))
        store_wheel_remove(&store->wheel, newest);
    if (store_node_is(record, STORE_RECORD_EXPIRES)) {
        expires_set(record, expires_ms);
        store_node_unmark(record, STORE_RECORD_UNTIMED);
        if (expires_ms != 0)
            store_wheel_add(&store->wheel, newest);
        return true;
    }
    if (expires_ms == 0)
        return true;
    struct payload payload;
    payload_move(record, &payload);
    store_ref replacement =
        record_make(store, &payload, expires_ms, store_record_revision(store_record_of(record)),
                    store_node_link(record));
    if (replacement == 0)
        return false;
    store_expiring_of(store_at(store, replacement))->fork = place->ref;
    assert(store_fork_of(node)->version == newest);
    store_set_ref(&store_fork_of(node)->version, replacement);
    store_block_retire(store, newest, false);
    store_wheel_add(&store->wheel, replacement);
    return true;
}

/* ---- subtrees ---- */

void store_gates_add(struct store *store)
{
    atomic_fetch_add_explicit(&store->gates, 1, memory_order_release);
}

/* A reader may have found a node of the subtree just before: its gate is forgotten a grace period
 * later. */
void store_gates_take(struct store *store)
{
    store->gates_gone++;
    store->gates_round = store->limbo.started + 1;
}

void store_change_end(struct store *store, store_ref ref, store_ref end, uint64_t revision)
{
    struct store_node *node = store_at(store, ref);
    struct store_fork *fork = store_fork_of(node);
    uint32_t keys = fork->keys;
    if (!store_node_is(node, STORE_ROOT))
        store_change_count(store, store_node_link(node), -keys);
    store_gates_add(store);
    store_record_set_revision(store_record_of(store_at(store, end)), revision);
    atomic_store_explicit(&store_at(store, end)->link, fork->version, memory_order_release);
    store_set_ref(&fork->version, end);
    store_node_mark(node, STORE_GATED);
    store_reclaim_drop(store, ref);
}

void store_change_unend(struct store *store, store_ref ref)
{
    struct store_node *node = store_at(store, ref);
    struct store_fork *fork = store_fork_of(node);
    store_ref end = fork->version;
    store_set_ref(&fork->version, store_node_link(store_at(store, end)));
    store_gates_take(store);
    store_block_retire(store, end, false);
    bool begins = false;
    for (store_ref r = fork->version; r != 0; r = store_node_link(store_at(store, r)))
        begins = begins || store_node_is(store_at(store, r), STORE_RECORD_BEGIN);
    if (!begins)
        store_node_unmark(node, STORE_GATED);
    if (!store_node_is(node, STORE_ROOT))
        store_change_count(store, store_node_link(node), fork->keys);
    store_reclaim_undrop(store, ref);
}
