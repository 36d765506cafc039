/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks and counts: what needs order, and so the tree.
 *
 * A cursor is at a node, whose key it keeps: going down adds a segment, going up cuts
 * one off, so nodes need not have their keys. Of each of the last levels it
 * keeps one array of children, sorted; others are sorted again when the walk
 * comes back to them. Everything goes by segments and not by places, so that a
 * writer may rebuild and move what the walk has left behind.
 *
 * The subtree of a key that ends in '/' has no node of its own that holds it
 * all: it is everything below the node before that '/', its "base":
 *
 *     /a           base of the key /a/          subtree of /a/ = all below
 *     ├─ /a/       node of the key /a/
 *     │  └─ /a//d
 *     └─ /a/b
 */
#include "store_private.h"

#include <stdlib.h>

/* What a cursor walks; flags say how. */
enum walk_state {
    STATE_LIST,
    STATE_CHILDREN,
    STATE_MATCH,
    STATE_WHAT = 3,
    /* The node was answered, or is not part of the walk: the next step leaves it. */
    STATE_LEAVE = 4,
    /* Relative names are not part of it. */
    STATE_ABSOLUTE = 8,
    /* Of the children, those below the node '/' come first, then those of the base but for '/'. */
    STATE_BELOW_SLASH = 16,
    STATE_PAST_SLASH = 32,
    /* Of a boundary, its own key is done: the '/' behind it is next. */
    STATE_SLASH_NEXT = 64,
    /* The walk's base is among the segments of a leaf, whose key is all there is below it. */
    STATE_INNER = 128,
};

static void cursor_init(struct store_reader *reader, struct cdx_bytes key, uint32_t state,
                        struct store_cursor *cursor)
{
    cursor->reader = reader;
    cursor->key = key;
    cursor->state = state;
    cursor->node = 0;
    cursor->depth = 0;
    cursor->nbytes = 0;
    cursor->root_nbytes = 0;
    for (size_t i = 0; i < STORE_CURSOR_LEVELS; i++)
        cursor->level[i].parent = 0;
}

static const struct store *store_of(const struct store_cursor *cursor)
{
    return cursor->reader->store;
}

/* ---- counts ---- */

/* Tries to read counts between two writes, before asking writers to wait. */
#define COUNT_TRIES 100u

static uint64_t count_now(const struct store *store, struct cdx_bytes key)
{
    struct store_view view = store_writer_view(store);
    bool inner;
    store_ref base = store_find_base(store, key, &view, &inner);
    if (base == 0 || inner)
        return base != 0; /* the one key of a leaf */
    return store_ends_in_slash(key) ? store_keys_below(store, base, store->relative_keys)
                                    : store_keys_at(store, base);
}

uint64_t store_count(struct store_reader *reader, struct cdx_bytes key)
{
    struct store *store = reader->store;
    for (unsigned i = 0; i < COUNT_TRIES; i++) {
        uint64_t turn = atomic_load_explicit(&store->counts_turn, memory_order_acquire);
        if (turn % 2 != 0)
            continue;
        uint64_t keys = count_now(store, key);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&store->counts_turn, memory_order_relaxed) == turn)
            return keys;
    }
    pthread_mutex_lock(&store->lock);
    uint64_t keys = count_now(store, key);
    pthread_mutex_unlock(&store->lock);
    return keys;
}

/* ---- levels ---- */

/* Whether a node is there for the cursor's version, and the revision where it ends. */
static bool is_there(const struct store_cursor *cursor, const struct store_node *node,
                     uint64_t *ends)
{
    *ends = STORE_REVISION_NEVER;
    return store_node_kind(node) != STORE_FORK || !store_node_is(node, STORE_GATED) ||
           store_gate_open(store_of(cursor), node, &cursor->reader->view, ends);
}

static struct cdx_bytes segment_of(const struct store *store, store_ref ref)
{
    return store_node_segment(store_at(store, ref));
}

static void level_add(const struct store_cursor *cursor, struct store_cursor_level *level,
                      store_ref child)
{
    const struct store *store = store_of(cursor);
    uint64_t ends;
    if (child == 0 || level->count == STORE_CURSOR_ARRAY_MAX ||
        !is_there(cursor, store_at(store, child), &ends))
        return;
    level->node[level->count++] = child;
}

static int compare_children(const void *a, const void *b, void *store)
{
    store_ref x;
    store_ref y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return store_segment_compare(segment_of(store, x), segment_of(store, y));
}

/*
 * Of several children with one segment, of subtrees that replaced each other,
 * the right one is that which ends first: only it stays in a sorted level.
 * False: there were none.
 */
static bool level_unique(const struct store_cursor *cursor, struct store_cursor_level *level)
{
    const struct store *store = store_of(cursor);
    uint32_t kept = 0;
    uint64_t kept_ends = 0;
    for (uint32_t i = 0; i < level->count; i++) {
        store_ref child = level->node[i];
        uint64_t ends;
        (void)is_there(cursor, store_at(store, child), &ends);
        if (kept != 0 && store_segment_compare(segment_of(store, level->node[kept - 1]),
                                               segment_of(store, child)) == 0) {
            if (ends >= kept_ends)
                continue;
            kept--;
        }
        level->node[kept++] = child;
        kept_ends = ends;
    }
    bool several = kept != level->count;
    level->count = kept;
    return several;
}

/*
 * Fills a level with those children in an array that are there, in order, one of each
 * segment. An array has more than fit only when segments repeat. True: some did.
 */
static bool level_sort(struct store_cursor *cursor, struct store_cursor_level *level,
                       const struct store_array *array)
{
    struct store *store = cursor->reader->store;
    uint32_t count = store_array_count(array);
    bool repeated = false;
    level->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        level_add(cursor, level, store_load_ref(&array->child[i]));
        if (i + 1 != count && level->count != STORE_CURSOR_ARRAY_MAX)
            continue;
        qsort_r(level->node, level->count, sizeof level->node[0], compare_children, store);
        if (store_has_gates(store))
            repeated |= level_unique(cursor, level);
    }
    return repeated;
}

/* Fills a level with the children of `parent` that are kept together with `segment`. */
static void level_load(struct store_cursor *cursor, struct store_cursor_level *level,
                       store_ref parent, struct cdx_bytes segment)
{
    struct store *store = cursor->reader->store;
    const struct store_node *node = store_at(store, parent);
    level->parent = parent;
    level->upper = 0;
    level->count = 0;
    level->at = 0;
    if (store_node_kind(node) == STORE_PASS)
        level_add(cursor, level, store_load_ref(&store_pass_of(node)->child));
    if (store_node_kind(node) != STORE_FORK)
        return;
    store_ref set = store_load_ref(&store_fork_of(node)->children);
    store_ref ref = store_set_seek(&store->arena, set, segment, &level->upper);
    if (ref == 0)
        return;
    const struct store_array *array = store_array_at(&store->arena, ref);
    uint32_t count = store_array_count(array);
    for (uint32_t i = 0; i < count; i++)
        store_prefetch(store_arena_at(&store->arena, store_load_ref(&array->child[i])));
    /* Of two, the older one may have been loaded before it ended, and be another block by now. */
    if (level_sort(cursor, level, array))
        (void)level_sort(cursor, level, array);
}

/* The child that the level is at, of this array or the next one that has any; 0: none. */
static store_ref level_child(struct store_cursor *cursor, struct store_cursor_level *level)
{
    const struct store *store = store_of(cursor);
    while (level->at >= level->count) {
        if (level->upper == 0)
            return 0;
        /* Arrays may have been joined since: what is below the bound was visited. */
        struct cdx_bytes bound = store_bound_text(&store->arena, level->upper);
        level_load(cursor, level, level->parent, bound);
        while (level->at < level->count &&
               store_segment_compare(segment_of(store, level->node[level->at]), bound) < 0)
            level->at++;
    }
    return level->node[level->at];
}

static struct store_cursor_level *level_below(struct store_cursor *cursor)
{
    return &cursor->level[(cursor->depth + 1) % STORE_CURSOR_LEVELS];
}

/* The first child of `parent`, at the level below the cursor's, behind `segment`; 0: none. */
static store_ref child_after(struct store_cursor *cursor, store_ref parent,
                             struct cdx_bytes segment)
{
    struct store_cursor_level *level = level_below(cursor);
    const struct store *store = store_of(cursor);
    level_load(cursor, level, parent, segment);
    store_ref child;
    while ((child = level_child(cursor, level)) != 0 &&
           store_segment_compare(segment_of(store, child), segment) <= 0)
        level->at++;
    return child;
}

/* ---- moving ---- */

static size_t label_nbytes(const struct store_cursor *cursor, store_ref ref)
{
    return store_node_label(store_at(store_of(cursor), ref)).len;
}

static void go_down(struct store_cursor *cursor, store_ref child)
{
    struct cdx_bytes label = store_node_label(store_at(store_of(cursor), child));
    memcpy(cursor->found + cursor->nbytes, label.data, label.len);
    cursor->nbytes = (uint16_t)(cursor->nbytes + label.len);
    cursor->node = child;
    cursor->depth++;
}

static void go_up(struct store_cursor *cursor)
{
    const struct store *store = store_of(cursor);
    cursor->nbytes = (uint16_t)(cursor->nbytes - label_nbytes(cursor, cursor->node));
    cursor->node = store_node_link(store_at(store, cursor->node));
    cursor->depth--;
}

/* Goes to the first child. False: there is none. */
static bool go_first(struct store_cursor *cursor)
{
    store_ref child = child_after(cursor, cursor->node, cdx_empty());
    if (child != 0)
        go_down(cursor, child);
    return child != 0;
}

/* Goes to the next sibling, or up when there is none. False: went up. */
static bool go_next(struct store_cursor *cursor)
{
    store_ref node = cursor->node;
    go_up(cursor);
    struct store_cursor_level *level = level_below(cursor);
    store_ref child;
    if (level->parent == cursor->node && level->at < level->count &&
        level->node[level->at] == node) {
        level->at++;
        child = level_child(cursor, level);
    } else {
        child = child_after(cursor, cursor->node, segment_of(store_of(cursor), node));
    }
    if (child != 0)
        go_down(cursor, child);
    return child != 0;
}

/* Goes to the next node in preorder that is not below this one; `node` 0: the walk's root is left.
 */
static void go_past(struct store_cursor *cursor)
{
    /* A leaf may begin above the root of the walk, when that is among its segments. */
    while (cursor->nbytes >= cursor->root_nbytes + label_nbytes(cursor, cursor->node) &&
           cursor->nbytes > cursor->root_nbytes) {
        if (go_next(cursor))
            return;
    }
    cursor->node = 0;
}

/* Goes to the next node in preorder. */
static void go_on(struct store_cursor *cursor)
{
    if (!go_first(cursor))
        go_past(cursor);
}

/* Puts the cursor at a node whose key is the first `nbytes` of `key`. */
static void go_to(struct store_cursor *cursor, store_ref ref, struct cdx_bytes key, size_t nbytes)
{
    if (nbytes != 0)
        memcpy(cursor->found, key.data, nbytes);
    cursor->nbytes = (uint16_t)nbytes;
    cursor->node = ref;
}

/* The node's value, if it is stored for the cursor's version. */
static const struct store_node *value_of(const struct store_cursor *cursor)
{
    const struct store *store = store_of(cursor);
    return store_value_at(store, store_at(store, cursor->node), &cursor->reader->view);
}

/* Whether the walk is at a relative name that it leaves out. */
static bool is_outside(const struct store_cursor *cursor)
{
    return (cursor->state & STATE_ABSOLUTE) != 0 && cursor->nbytes != 0 && cursor->found[0] != '/';
}

/* ---- where a page begins ---- */

/* Order of two keys: '/' below every other byte, a prefix before what it begins. */
static int path_compare(struct cdx_bytes a, struct cdx_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        if (a.data[i] == b.data[i])
            continue;
        if (a.data[i] == '/' || b.data[i] == '/')
            return a.data[i] == '/' ? -1 : 1;
        return a.data[i] < b.data[i] ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Where `after` lies in relation to the subtree of `key`. */
enum page_place { PAGE_BEFORE, PAGE_WITHIN, PAGE_PAST };

static enum page_place page_place(struct cdx_bytes key, struct cdx_bytes after)
{
    if (after.len == 0 || path_compare(after, key) < 0)
        return PAGE_BEFORE;
    if (!store_is_prefix(key, after))
        return PAGE_PAST;
    if (key.len == 0 || key.len == after.len || store_ends_in_slash(key))
        return PAGE_WITHIN;
    return after.data[key.len] == '/' ? PAGE_WITHIN : PAGE_PAST;
}

/*
 * A key as long as the limit allows that has the same keys after it: no stored
 * key is longer, so none begins with what is cut off.
 */
static struct cdx_bytes page_cut(struct cdx_bytes after)
{
    return store_prefix(after, after.len < STORE_KEY_NBYTES_MAX ? after.len : STORE_KEY_NBYTES_MAX);
}

/* Puts the cursor at a leaf, of whose key only a part is known. */
static void go_to_leaf(struct store_cursor *cursor, store_ref leaf)
{
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    (void)store_key_of(store_of(cursor), leaf, key, &nbytes);
    go_to(cursor, leaf, cdx_bytes_of(key, nbytes), nbytes);
}

/* Goes to the first node after `after`, which lies in the walk's subtree. */
static void list_seek(struct store_cursor *cursor, struct cdx_bytes after)
{
    bool inner;
    const struct store *store = store_of(cursor);
    struct store_path path;
    store_path_init(&path, &store->keys, after);
    size_t end;
    store_ref ref = store_find_deepest(store, &path, &cursor->reader->view, &end, &inner);
    if (end < cursor->root_nbytes) {
        /* The base is of a later subtree: for this version there is nothing. */
        cursor->node = 0;
        return;
    }
    if (inner) {
        go_to_leaf(cursor, ref);
        if (path_compare(after, cdx_bytes_of(cursor->found, cursor->nbytes)) >= 0)
            go_past(cursor);
        return;
    }
    go_to(cursor, ref, after, end);
    if (end == after.len) {
        go_on(cursor);
        return;
    }
    store_ref child = child_after(cursor, ref, store_segment(after, end));
    if (child != 0)
        go_down(cursor, child);
    else
        go_past(cursor);
}

/* ---- list ---- */

/* The base of the walk's key, with which it begins; 0: there is none. */
static store_ref base_find(struct store_cursor *cursor)
{
    bool inner;
    struct cdx_bytes key = cursor->key;
    store_ref base = store_find_base(store_of(cursor), key, &cursor->reader->view, &inner);
    if (base == 0)
        return 0;
    size_t nbytes = store_ends_in_slash(key) ? key.len - 1 : key.len;
    if (inner) {
        go_to_leaf(cursor, base);
        cursor->state |= STATE_INNER;
    } else {
        go_to(cursor, base, key, nbytes);
    }
    cursor->root_nbytes = (uint16_t)nbytes;
    return base;
}

void store_list(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                struct store_cursor *cursor)
{
    bool slash = store_ends_in_slash(key);
    bool absolute = slash && key.len == 1;
    cursor_init(reader, key, STATE_LIST | (absolute ? (uint32_t)STATE_ABSOLUTE : 0u), cursor);
    enum page_place place = page_place(key, after);
    if (place == PAGE_PAST || base_find(cursor) == 0) {
        cursor->node = 0;
        return;
    }
    if (place == PAGE_WITHIN)
        list_seek(cursor, page_cut(after));
    else if (slash && (cursor->state & STATE_INNER) == 0)
        cursor->state |= STATE_LEAVE;
}

static enum store_status list_next(struct store_cursor *cursor, struct store_entry *entry)
{
    while (cursor->node != 0) {
        if ((cursor->state & STATE_LEAVE) != 0)
            go_on(cursor);
        cursor->state |= STATE_LEAVE;
        if (cursor->node == 0 || is_outside(cursor))
            break;
        const struct store_node *value = value_of(cursor);
        if (value != NULL) {
            store_entry_of(value, cdx_bytes_of(cursor->found, cursor->nbytes), entry);
            return STORE_OK;
        }
    }
    cursor->node = 0;
    return STORE_NOT_FOUND;
}

/* ---- match_all ---- */

/*
 * All boundaries are hashed, and their buckets asked for, at the start. The
 * state is a boundary: `nbytes`, its number among those of the probe in `depth`.
 */
void store_match_all(struct store_reader *reader, struct cdx_bytes key, struct store_cursor *cursor)
{
    cursor_init(reader, key, STATE_MATCH, cursor);
    if (key.len > STORE_KEY_NBYTES_MAX)
        return;
    store_probe_start(reader->store, STORE_PROBE_MATCH, key, &cursor->probe);
    cursor->node = 1; /* not at its end */
}

/* The value at the first `end` bytes of the key; NULL: not stored. */
static const struct store_node *match_value(const struct store_cursor *cursor, size_t end,
                                            uint64_t hash)
{
    const struct store *store = store_of(cursor);
    const struct store_view *view = &cursor->reader->view;
    store_ref ref = end == 0 ? store_find_root(store, view)
                             : store_find_hashed(store, hash, cursor->key.data, end, view);
    return ref != 0 ? store_value_at(store, store_at(store, ref), view) : NULL;
}

static uint64_t match_hash(const struct store_cursor *cursor, size_t end)
{
    const struct store_probe *probe = &cursor->probe;
    if (cursor->depth != 0 && cursor->depth <= probe->boundaries &&
        probe->boundary[cursor->depth - 1].end == end)
        return probe->boundary[cursor->depth - 1].hash;
    return store_hash_of(&store_of(cursor)->keys, store_prefix(cursor->key, end));
}

/* The next candidate's end in `*end`; false: there is none. */
static bool match_step(struct store_cursor *cursor, size_t *end)
{
    struct cdx_bytes key = cursor->key;
    size_t at = cursor->nbytes;
    if ((cursor->state & STATE_SLASH_NEXT) == 0) {
        cursor->state |= STATE_SLASH_NEXT;
        *end = at;
        if (at == key.len || key.data[at] == '/')
            return true;
    }
    cursor->state &= ~(uint32_t)STATE_SLASH_NEXT;
    if (at == key.len)
        return false;
    cursor->nbytes = (uint16_t)store_segment_end(key, at);
    cursor->depth++;
    /* The '/' behind a boundary ends a candidate that is no boundary itself. */
    *end = at + 1;
    if (at + 1 < key.len && key.data[at] == '/' && key.data[at + 1] != '/')
        return true;
    return match_step(cursor, end);
}

static enum store_status match_next(struct store_cursor *cursor, struct store_entry *entry)
{
    size_t end;
    while (cursor->node != 0) {
        if (!match_step(cursor, &end)) {
            cursor->node = 0;
            break;
        }
        const struct store_node *value = match_value(cursor, end, match_hash(cursor, end));
        if (value != NULL) {
            store_entry_of(value, store_prefix(cursor->key, end), entry);
            return STORE_OK;
        }
    }
    return STORE_NOT_FOUND;
}

enum store_status store_next(struct store_cursor *cursor, struct store_entry *entry)
{
    return (cursor->state & STATE_WHAT) == STATE_LIST ? list_next(cursor, entry)
                                                      : match_next(cursor, entry);
}

/* ---- children ---- */

/* The prefix of the cursor's key that ends at the first boundary behind the level's key. */
static struct cdx_bytes level_key(const struct store_cursor *cursor)
{
    struct cdx_bytes found = cdx_bytes_of(cursor->found, cursor->nbytes);
    return store_prefix(found, store_segment_end(found, cursor->key.len));
}

/* Goes from the base to the first child behind `segment`; the end when there is none. */
static void children_from(struct store_cursor *cursor, struct cdx_bytes segment)
{
    store_ref child = child_after(cursor, cursor->node, segment);
    if (child != 0)
        go_down(cursor, child);
    else
        cursor->node = 0;
}

/* Goes to the children of the base behind its '/', which are the level's second half. */
static void children_past_slash(struct store_cursor *cursor, struct cdx_bytes segment)
{
    cursor->state = (cursor->state & ~(uint32_t)STATE_BELOW_SLASH) | STATE_PAST_SLASH;
    if (base_find(cursor) != 0)
        children_from(cursor, segment);
    else
        cursor->node = 0;
}

/* Goes to the first child behind `after`, which begins with the level's key, from the base. */
static void children_seek(struct store_cursor *cursor, struct cdx_bytes after)
{
    struct cdx_bytes key = cursor->key;
    const struct store *store = store_of(cursor);
    if (!store_ends_in_slash(key)) {
        children_from(cursor, store_segment(after, key.len));
        return;
    }
    if (after.len > key.len && after.data[key.len] != '/') {
        children_past_slash(cursor, store_segment(after, key.len - 1));
        return;
    }
    bool inner;
    store_ref slash = store_find_any(store, store_hash_of(&store->keys, key), key.data, key.len,
                                     &cursor->reader->view, &inner);
    if (slash != 0) {
        go_to(cursor, slash, key, key.len);
        cursor->state |= STATE_BELOW_SLASH;
        children_from(cursor, store_segment(after, key.len));
        if (cursor->node != 0)
            return;
    }
    children_past_slash(cursor, CDX_STR("/"));
}

void store_children(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                    struct store_cursor *cursor)
{
    bool absolute = key.len == 1 && key.data[0] == '/';
    cursor_init(reader, key, STATE_CHILDREN | (absolute ? (uint32_t)STATE_ABSOLUTE : 0u), cursor);
    enum page_place place = page_place(key, after);
    if (place == PAGE_PAST || base_find(cursor) == 0) {
        cursor->node = 0;
        return;
    }
    if ((cursor->state & STATE_INNER) != 0) {
        if (place == PAGE_WITHIN && path_compare(after, level_key(cursor)) >= 0)
            cursor->node = 0;
        return;
    }
    children_seek(cursor, place == PAGE_WITHIN ? page_cut(after) : key);
}

/* Goes to the next sibling of this level; `node` 0: there is none. */
static void children_on(struct store_cursor *cursor)
{
    if ((cursor->state & STATE_INNER) != 0) {
        cursor->node = 0;
        return;
    }
    if (go_next(cursor))
        return;
    if ((cursor->state & STATE_BELOW_SLASH) != 0)
        children_past_slash(cursor, CDX_STR("/"));
    else
        cursor->node = 0;
}

/* Whether a key is stored at or below the node. The cursor comes back to it. */
static bool has_key(struct store_cursor *cursor)
{
    store_ref node = cursor->node;
    uint16_t nbytes = cursor->nbytes;
    uint16_t root_nbytes = cursor->root_nbytes;
    uint32_t depth = cursor->depth;
    bool stored = false;
    cursor->root_nbytes = nbytes;
    while (cursor->node != 0 && !stored) {
        stored = value_of(cursor) != NULL;
        if (!stored)
            go_on(cursor);
    }
    cursor->node = node;
    cursor->nbytes = nbytes;
    cursor->root_nbytes = root_nbytes;
    cursor->depth = depth;
    return stored;
}

/*
 * The child '/' stands for all that lies below its parent but is it not: the
 * keys of the level behind it are in its subtree too.
 */
static uint64_t child_keys(const struct store_cursor *cursor)
{
    const struct store *store = store_of(cursor);
    const struct store_node *node = store_at(store, cursor->node);
    if (store_node_is_slash(node))
        return store_keys_below(store, store_node_link(node), store->relative_keys);
    return store_keys_at(store, cursor->node);
}

enum store_status store_next_child(struct store_cursor *cursor, struct store_child *child)
{
    while (cursor->node != 0) {
        if ((cursor->state & STATE_LEAVE) != 0)
            children_on(cursor);
        cursor->state |= STATE_LEAVE;
        if (cursor->node == 0 || is_outside(cursor))
            break;
        if (!has_key(cursor))
            continue;
        child->key = level_key(cursor);
        child->stored = child->key.len == cursor->nbytes && value_of(cursor) != NULL;
        child->keys = child_keys(cursor);
        return STORE_OK;
    }
    cursor->node = 0;
    return STORE_NOT_FOUND;
}
