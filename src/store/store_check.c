/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, as code.
 *
 * The index leads to every node but the tops of trees: roots and stages. Of
 * each, its key, its hash, its children and its records are looked at, and
 * what the store keeps sums of is added up. What is being taken apart is
 * incomplete: then only what holds for single nodes is checked.
 */
#include "store_write.h"

#include <stdlib.h>

/* What the walk adds up. */
struct sums {
    const struct store *store;
    uint64_t nodes;
    uint64_t units;
    uint64_t key_nbytes;
    uint64_t value_nbytes;
    uint64_t timed;
    uint64_t waiting; /* forks in the queue of versions */
    uint32_t lengths[STORE_KEY_NBYTES_MAX + 1];
};

/* ---- records ---- */

static const char *check_records(const struct store *store, store_ref ref, struct sums *sums)
{
    const struct store_node *node = store_at(store, ref);
    const struct store_fork *fork = store_fork_of(node);
    uint64_t later = STORE_REVISION_NEVER;
    bool gated = false;
    for (store_ref r = fork->version; r != 0; r = store_node_link(store_at(store, r))) {
        const struct store_node *record = store_at(store, r);
        if (store_node_kind(record) != STORE_RECORD)
            return "record: a version is none";
        uint64_t revision = store_record_revision(store_record_of(record));
        bool gate = store_node_is(record, (uint32_t)STORE_RECORD_END | STORE_RECORD_BEGIN);
        gated = gated || gate;
        if (!gate && revision > later)
            return "record: an older version is newer";
        if (!gate)
            later = revision;
        if (!gate && (revision == 0 || revision > store->revision))
            return "record: a revision is out of bounds";
        sums->units += store_head_units(store_head(record));
    }
    if (gated != store_node_is(node, STORE_GATED))
        return "fork: the mark of a begin or end is wrong";
    store_ref newest = store_fork_newest(store, node);
    if (newest != 0 && store_record_is_timed(store_at(store, newest))) {
        sums->timed++;
        if (store_expiring_of(store_at(store, newest))->fork != ref)
            return "record: an expiring one belongs to another fork";
    }
    sums->waiting += store_node_is(node, STORE_QUEUED);
    return NULL;
}

static void add_value(const struct store *store, const struct store_node *node, size_t nbytes,
                      struct sums *sums)
{
    struct store_view all = {.revision = STORE_REVISION_MAX};
    bool versions = store_node_kind(node) == STORE_LEAF ||
                    (store_node_kind(node) == STORE_FORK && store_fork_newest(store, node) != 0);
    sums->lengths[nbytes] += versions;
    const struct store_node *value = store_value_at(store, node, &all);
    if (value == NULL)
        return;
    sums->key_nbytes += nbytes;
    sums->value_nbytes += store_node_value(value).len;
}

/* ---- children ---- */

struct children {
    const struct store *store;
    store_ref parent;
    uint64_t keys;
    const char *broken;
};

static bool visit_child(void *arg, store_ref child)
{
    struct children *children = arg;
    const struct store_node *node = store_at(children->store, child);
    if (store_node_kind(node) == STORE_RECORD)
        children->broken = "tree: a child is a record";
    else if (store_node_link(node) != children->parent)
        children->broken = "tree: a child has another parent";
    children->keys += store_keys_at(children->store, child);
    return children->broken == NULL;
}

static const char *check_children(const struct store *store, store_ref ref, struct sums *sums)
{
    const struct store_node *node = store_at(store, ref);
    struct children children = {.store = store, .parent = ref};
    if (store_node_kind(node) == STORE_LEAF)
        return NULL;
    if (store_node_kind(node) == STORE_PASS) {
        store_ref child = store_pass_of(node)->child;
        if (child != 0)
            (void)visit_child(&children, child);
        else if (store->reclaim.apart == 0)
            return "tree: a pass leads nowhere";
        return children.broken;
    }
    const struct store_fork *fork = store_fork_of(node);
    if (store->reclaim.apart != 0)
        return NULL;
    const char *broken = store_set_check(&store->arena, fork->children, &sums->units);
    if (broken != NULL)
        return broken;
    (void)store_set_each(&store->arena, fork->children, visit_child, &children);
    if (children.broken != NULL)
        return children.broken;
    children.keys += store_is_counted(store, node);
    if (children.keys != fork->keys)
        return "tree: a fork's keys do not add up";
    return NULL;
}

/* ---- nodes ---- */

static const char *check_block(const struct store *store, store_ref ref, size_t nbytes,
                               struct sums *sums)
{
    const struct store_node *node = store_at(store, ref);
    sums->units += store_head_units(store_head(node));
    const char *broken =
        store_node_kind(node) == STORE_FORK ? check_records(store, ref, sums) : NULL;
    if (broken == NULL)
        broken = check_children(store, ref, sums);
    add_value(store, node, nbytes, sums);
    return broken;
}

static const char *check_segment(struct cdx_bytes segment, const struct store_node *parent)
{
    if (segment.len == 0)
        return "tree: a segment is empty";
    if (segment.data[0] != '/' && !store_node_is(parent, STORE_ROOT))
        return "tree: a segment does not begin with '/'";
    return NULL;
}

static const char *check_node(const struct store *store, store_ref ref, struct sums *sums)
{
    const struct store_node *node = store_at(store, ref);
    uint8_t key[STORE_KEY_NBYTES_MAX];
    size_t nbytes;
    bool answers;
    if (store_node_kind(node) == STORE_RECORD || store_node_link(node) == 0)
        return "index: what it leads to is no node";
    const char *broken =
        check_segment(store_node_label(node), store_at(store, store_node_link(node)));
    if (broken != NULL)
        return broken;
    (void)store_key_of(store, ref, key, &nbytes);
    struct cdx_bytes label = store_node_label(node);
    for (size_t end = 0; end < label.len;) {
        end = store_segment_end(label, end);
        if (end < label.len && (store_node_kind(node) != STORE_LEAF || label.data[end + 1] == '/'))
            return "tree: a label has segments that it must not have";
        struct cdx_bytes prefix = cdx_bytes_of(key, nbytes - label.len + end);
        uint64_t hash = store_hash_of(&store->keys, prefix);
        if (!store_index_holds(&store->index, hash, ref, &answers))
            return "index: a node is not where its hash says";
        if (answers && end < label.len)
            return "index: a boundary inside a leaf answers";
        sums->nodes++;
    }
    bool must = store_node_kind(node) == STORE_LEAF ||
                (store_node_kind(node) == STORE_FORK && store_fork_newest(store, node) != 0) ||
                (store_node_kind(node) != STORE_LEAF && store_node_is(node, STORE_SLASH_ANSWERS));
    if (must && !answers)
        return "index: an answer bit is missing";
    return check_block(store, ref, nbytes, sums);
}

static const char *check_index(const struct store *store, struct sums *sums)
{
    for (uint32_t i = 0; i < STORE_SEGMENTS; i++) {
        struct store_table table = store_table_of(store->index.segment[i]);
        for (uint32_t b = 0; b < table.count; b++) {
            for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
                store_ref ref = table.buckets[b].ref[s];
                /* A leaf is looked at once, where it answers. */
                if (ref != 0 && store_node_kind(store_at(store, ref)) == STORE_LEAF &&
                    (table.buckets[b].high[s] & STORE_ANSWERS) == 0)
                    continue;
                const char *broken = ref != 0 ? check_node(store, ref, sums) : NULL;
                if (broken != NULL)
                    return broken;
            }
        }
    }
    return NULL;
}

static const char *check_stage(const struct store *store, const struct store_stage *stage,
                               struct sums *sums)
{
    if (stage->end != 0)
        sums->units += store_head_units(store_head(store_at(store, stage->end)));
    return check_block(store, stage->top, stage->key_nbytes, sums);
}

static const char *check_tops(const struct store *store, struct sums *sums)
{
    const char *broken = NULL;
    for (store_ref ref = store->root; ref != 0 && broken == NULL;
         ref = store_node_link(store_at(store, ref)))
        broken = check_block(store, ref, 0, sums);
    for (size_t i = 0; i < STORE_STAGES_MAX && broken == NULL; i++) {
        const struct store_stage *stage = store->stages[i];
        if (stage != NULL)
            broken = check_stage(store, stage, sums);
    }
    for (const struct store_stage *gone = store->stages_gone; gone != NULL && broken == NULL;
         gone = gone->next)
        broken = check_stage(store, gone, sums);
    return broken;
}

/* ---- sums ---- */

static const char *check_sums(const struct store *store, const struct sums *sums)
{
    if (sums->nodes != store->index.nodes || sums->nodes != store->nodes)
        return "store: the nodes do not add up";
    if (sums->key_nbytes != store->key_nbytes || sums->value_nbytes != store->value_nbytes)
        return "store: the bytes of keys and values do not add up";
    if (sums->timed != store->wheel.count)
        return "store: the expiries do not add up";
    for (size_t i = 0; i <= STORE_KEY_NBYTES_MAX; i++) {
        bool used = (store->lengths.used[i / 64] >> i % 64 & 1) != 0;
        if (sums->lengths[i] != store->lengths.nodes[i] || used != (sums->lengths[i] != 0))
            return "store: the lengths of keys do not add up";
    }
    if (store->limbo.count == 0 && store->reclaim.apart == 0 &&
        store->reclaim.versions.count == sums->waiting && sums->units != store->arena.live_units)
        return "store: the arena holds blocks that nothing refers to";
    return NULL;
}

const char *store_check(const struct store *store)
{
    struct sums *sums = calloc(1, sizeof *sums);
    if (sums == NULL)
        return "check: no memory";
    const char *broken = store_index_check(&store->index);
    if (broken == NULL)
        broken = store_arena_check(&store->arena);
    if (broken == NULL)
        broken = store_wheel_check(&store->wheel);
    if (broken == NULL)
        broken = check_index(store, sums);
    if (broken == NULL)
        broken = check_tops(store, sums);
    if (broken == NULL)
        broken = check_sums(store, sums);
    free(sums);
    return broken;
}
