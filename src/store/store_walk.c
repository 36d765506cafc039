/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks and counts: what needs order, and so the tree.
 *
 * A cursor holds the node that the next call returns, or begins to look at; 0
 * is the end. It takes no memory and keeps no path: nodes know their parents.
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
#include "store_tree.h"

/* What a cursor walks; and, for STATE_ABSOLUTE, that relative names are not part of it. */
enum walk_state {
    STATE_LIST,
    STATE_CHILDREN,
    STATE_MATCH_OWN,    /* of the boundary `node`, its own key is next */
    STATE_MATCH_SLASH,  /* … its child '/' */
    STATE_MATCH_DEEPER, /* … the next boundary */
    STATE_ABSOLUTE = 8,
};

static void cursor_init(const struct store *store, struct cdx_bytes key, uint32_t state,
                        struct store_cursor *cursor)
{
    *cursor = (struct store_cursor){.store = store, .key = key, .state = state};
}

/* ---- subtrees ---- */

store_ref store_find_base(const struct store *store, struct cdx_bytes key)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        return 0;
    if (store_ends_in_slash(key))
        key.len--;
    if (key.len == 0)
        return STORE_ROOT;
    return store_index_find(&store->index, store_hash_of(&store->keys, key), key, false);
}

uint64_t store_keys_below(const struct store *store, store_ref ref)
{
    const struct store_node *node = store_at(store, ref);
    uint64_t keys = node->keys - store_node_is(node, STORE_NODE_STORED);
    return ref == STORE_ROOT ? keys - store->relative_keys : keys;
}

uint64_t store_count(struct store_reader *reader, struct cdx_bytes key)
{
    const struct store *store = reader->store;
    store_ref base = store_find_base(store, key);
    if (base == 0)
        return 0;
    return store_ends_in_slash(key) ? store_keys_below(store, base) : store_at(store, base)->keys;
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
    return store_head(after, after.len < STORE_KEY_NBYTES_MAX ? after.len : STORE_KEY_NBYTES_MAX);
}

/* The first node after `after`, which lies in the subtree that `root` holds; 0: none. */
static store_ref list_seek(const struct store *store, store_ref root, struct cdx_bytes after)
{
    struct store_path path;
    store_path_init(&path, &store->keys, after);
    size_t end;
    store_ref ref = store_find_deepest(store, &path, &end);
    if (end == after.len)
        return store_tree_preorder(store, ref, root);
    store_ref child = store_tree_after(store, ref, store_segment(after, end));
    return child != 0 ? child : store_tree_preorder_past(store, ref, root);
}

/* ---- list ---- */

void store_list(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                struct store_cursor *cursor)
{
    const struct store *store = reader->store;
    bool slash = store_ends_in_slash(key);
    bool absolute = slash && key.len == 1;
    cursor_init(store, key, STATE_LIST | (absolute ? STATE_ABSOLUTE : 0u), cursor);
    enum page_place place = page_place(key, after);
    store_ref base = store_find_base(store, key);
    if (base == 0 || place == PAGE_PAST)
        return;
    cursor->root = base;
    if (place == PAGE_WITHIN)
        cursor->node = list_seek(store, base, page_cut(after));
    else
        cursor->node = slash ? store_tree_first(store, base) : base;
}

static enum store_status list_next(struct store_cursor *cursor, struct store_entry *entry)
{
    const struct store *store = cursor->store;
    while (cursor->node != 0) {
        const struct store_node *node = store_at(store, cursor->node);
        if ((cursor->state & STATE_ABSOLUTE) != 0 && node->text[0] != '/')
            break;
        cursor->node = store_tree_preorder(store, cursor->node, cursor->root);
        if (store_node_is(node, STORE_NODE_STORED)) {
            store_node_entry(node, entry);
            return STORE_OK;
        }
    }
    cursor->node = 0;
    return STORE_NOT_FOUND;
}

/* ---- match_all ---- */

void store_match_all(struct store_reader *reader, struct cdx_bytes key, struct store_cursor *cursor)
{
    cursor_init(reader->store, key, STATE_MATCH_OWN, cursor);
    if (key.len <= STORE_KEY_NBYTES_MAX)
        cursor->node = STORE_ROOT;
}

/*
 * The node of the next boundary behind `end`, the end of `parent`; 0: none.
 * Nodes are without gaps, so no deeper one is either. A child is known by its
 * parent and segment: its whole key may be far below.
 */
static store_ref match_deeper(const struct store *store, store_ref parent, struct cdx_bytes key,
                              size_t end)
{
    if (end == key.len)
        return 0;
    struct cdx_bytes segment = store_segment(key, end);
    store_ref child = store_tree_upto(store, parent, segment);
    if (child == 0 || !cdx_bytes_equal(store_node_segment(store_at(store, child)), segment))
        return 0;
    return child;
}

/* Whether the '/' behind boundary `end` ends a candidate that is no boundary itself. */
static bool match_slash_counts(struct cdx_bytes key, size_t end)
{
    return end + 1 < key.len && key.data[end] == '/' && key.data[end + 1] != '/';
}

static enum store_status match_next(struct store_cursor *cursor, struct store_entry *entry)
{
    const struct store *store = cursor->store;
    struct cdx_bytes key = cursor->key;
    while (cursor->node != 0) {
        const struct store_node *node = store_at(store, cursor->node);
        size_t end = node->key_nbytes;
        const struct store_node *answer = NULL;
        switch (cursor->state) {
        case STATE_MATCH_OWN:
            cursor->state = STATE_MATCH_SLASH;
            if (end == key.len || key.data[end] == '/')
                answer = node;
            break;
        case STATE_MATCH_SLASH:
            cursor->state = STATE_MATCH_DEEPER;
            if (store_node_is(node, STORE_NODE_SLASH_ANSWERS) && match_slash_counts(key, end))
                answer = store_at(store, node->child);
            break;
        default:
            cursor->state = STATE_MATCH_OWN;
            cursor->node = match_deeper(store, cursor->node, key, end);
            break;
        }
        if (answer != NULL && store_node_is(answer, STORE_NODE_STORED)) {
            store_node_entry(answer, entry);
            return STORE_OK;
        }
    }
    return STORE_NOT_FOUND;
}

enum store_status store_next(struct store_cursor *cursor, struct store_entry *entry)
{
    if ((cursor->state & ~(uint32_t)STATE_ABSOLUTE) == STATE_LIST)
        return list_next(cursor, entry);
    return match_next(cursor, entry);
}

/* ---- children ---- */

/* The first child of the level's second half: that of the base, without its '/'. */
static store_ref children_past_slash(const struct store *store, store_ref base)
{
    return store_tree_after(store, base, CDX_STR("/"));
}

/* The first child after `after`, which begins with the level's key. */
static store_ref children_seek(const struct store *store, store_ref base, struct cdx_bytes key,
                               struct cdx_bytes after)
{
    if (!store_ends_in_slash(key))
        return store_tree_after(store, base, store_segment(after, key.len));
    if (after.len > key.len && after.data[key.len] != '/')
        return store_tree_after(store, base, store_segment(after, key.len - 1));
    store_ref slash = store_tree_slash(store, base);
    store_ref child = 0;
    if (slash != 0)
        child = store_tree_after(store, slash, store_segment(after, key.len));
    return child != 0 ? child : children_past_slash(store, base);
}

void store_children(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                    struct store_cursor *cursor)
{
    const struct store *store = reader->store;
    bool absolute = key.len == 1 && key.data[0] == '/';
    cursor_init(store, key, STATE_CHILDREN | (absolute ? STATE_ABSOLUTE : 0u), cursor);
    enum page_place place = page_place(key, after);
    store_ref base = store_find_base(store, key);
    if (base == 0 || place == PAGE_PAST)
        return;
    cursor->root = base;
    cursor->node = children_seek(store, base, key, place == PAGE_WITHIN ? page_cut(after) : key);
}

enum store_status store_next_child(struct store_cursor *cursor, struct store_child *child)
{
    const struct store *store = cursor->store;
    store_ref ref = cursor->node;
    if (ref == 0)
        return STORE_NOT_FOUND;
    const struct store_node *node = store_at(store, ref);
    if ((cursor->state & STATE_ABSOLUTE) != 0 && node->text[0] != '/') {
        cursor->node = 0;
        return STORE_NOT_FOUND;
    }
    cursor->node = store_tree_next(store, ref);
    if (cursor->node == 0 && node->parent != cursor->root)
        cursor->node = children_past_slash(store, cursor->root);
    child->key = store_node_key(&store->arena, node);
    child->stored = store_node_is(node, STORE_NODE_STORED);
    child->keys =
        store_node_is(node, STORE_NODE_SLASH) ? store_keys_below(store, node->parent) : node->keys;
    return STORE_OK;
}
