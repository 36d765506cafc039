/* SPDX-License-Identifier: Apache-2.0 */
/* store_check() sees what it says it sees: each case breaks one thing and mends it again. */
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct rig rig;

static store_ref ref_of(const char *key)
{
    struct store_view view = store_writer_view(rig.store);
    struct cdx_bytes bytes = cdx_cstr(key);
    bool inner;
    store_ref ref = store_find_any(rig.store, store_hash_of(&rig.store->keys, bytes), bytes.data,
                                   bytes.len, &view, &inner);
    assert_int_not_equal(ref, 0);
    return ref;
}

static struct store_node *node_of(const char *key)
{
    return store_at(rig.store, ref_of(key));
}

static store_ref version_of(const char *key)
{
    assert_int_equal(store_node_kind(node_of(key)), STORE_FORK);
    return store_fork_of(node_of(key))->version;
}

/* ---- what is changed, to be changed back ---- */

static struct patch {
    void *at;
    uint64_t old;
    size_t nbytes;
} patches[4];
static size_t patch_count;

static void patch(void *at, uint64_t value, size_t nbytes)
{
    struct patch *p = &patches[patch_count++];
    *p = (struct patch){.at = at, .nbytes = nbytes};
    memcpy(&p->old, at, nbytes);
    memcpy(at, &value, nbytes); /* little-endian, as the tests' machines are */
}

static void mend(void)
{
    while (patch_count > 0) {
        const struct patch *p = &patches[--patch_count];
        memcpy(p->at, &p->old, p->nbytes);
    }
}

static void patch_head(struct store_node *node, uint32_t set, uint32_t clear)
{
    patch(&node->head, (store_head(node) & ~clear) | set, sizeof node->head);
}

/* ---- the damages ---- */

static void version_is_a_leaf(void)
{
    patch(&store_fork_of(node_of("/a"))->version, ref_of("/a/b"), sizeof(store_ref));
}

static void older_is_newer(void)
{
    struct store_node *older =
        store_at(rig.store, store_node_link(store_at(rig.store, version_of("/a"))));
    patch(&store_record_of(older)->revision_low, 50, sizeof(uint32_t));
}

static void revision_of_the_future(void)
{
    struct store_node *newest = store_at(rig.store, version_of("/a"));
    patch(&store_record_of(newest)->revision_low, 5000, sizeof(uint32_t));
}

static void gate_without_record(void)
{
    patch_head(node_of("/a"), STORE_GATED, 0);
}

static void timer_of_another_fork(void)
{
    struct store_node *record = store_at(rig.store, version_of("/t"));
    patch(&store_expiring_of(record)->fork, ref_of("/a"), sizeof(uint32_t));
}

static void child_is_a_record(void)
{
    patch(&store_pass_of(node_of("/x"))->child, version_of("/a"), sizeof(uint32_t));
}

static void child_of_another(void)
{
    patch(&store_pass_of(node_of("/x"))->child, ref_of("/a"), sizeof(uint32_t));
}

static void pass_to_nowhere(void)
{
    patch(&store_pass_of(node_of("/x"))->child, 0, sizeof(uint32_t));
}

static void too_many_keys(void)
{
    patch(&store_fork_of(node_of("/a"))->keys, 17, sizeof(uint32_t));
}

static void empty_segment(void)
{
    patch_head(node_of("/a/b"), 0, STORE_TEXT_MASK << STORE_TEXT_SHIFT);
}

static void segment_without_slash(void)
{
    patch(store_leaf_of(node_of("/a/b"))->text, '.', 1);
}

static void pass_of_two_segments(void)
{
    /* "/long" becomes "/l/ng" */
    patch(&store_pass_of(node_of("/long"))->text[2], '/', 1);
}

static void text_that_changed(void)
{
    patch(&store_leaf_of(node_of("/a/b"))->text[1], 'z', 1);
}

static struct store_bucket *bucket_of(const char *key, uint32_t *slot)
{
    uint64_t hash = store_hash_of(&rig.store->keys, cdx_cstr(key));
    struct store_table table = store_index_table(&rig.store->index, hash);
    for (uint32_t b = 0; b < table.count; b++) {
        uint32_t found = store_bucket_find(&table.buckets[b], store_index_tag(hash), false);
        if (found != 0) {
            *slot = (uint32_t)__builtin_ctz(found);
            return &table.buckets[b];
        }
    }
    fail_msg("%s is not in the index", key);
    return NULL;
}

static void inner_boundary_answers(void)
{
    uint32_t slot;
    struct store_bucket *bucket = bucket_of("/d/e", &slot);
    patch(&bucket->high[slot], bucket->high[slot] | STORE_ANSWERS, 1);
}

static void answer_is_missing(void)
{
    uint32_t slot;
    struct store_bucket *bucket = bucket_of("/a", &slot);
    patch(&bucket->high[slot], bucket->high[slot] & 0x7f, 1);
}

static void index_leads_to_a_record(void)
{
    uint32_t slot;
    struct store_bucket *bucket = bucket_of("/a", &slot);
    patch(&bucket->ref[slot], version_of("/a"), sizeof(store_ref));
}

static void nodes_wrong(void)
{
    patch(&rig.store->nodes, rig.store->nodes + 1, sizeof(uint64_t));
}

static void key_nbytes_wrong(void)
{
    patch(&rig.store->key_nbytes, rig.store->key_nbytes - 1, sizeof(uint64_t));
}

static void value_nbytes_wrong(void)
{
    patch(&rig.store->value_nbytes, rig.store->value_nbytes + 1, sizeof(uint64_t));
}

/* The record is taken for one that is in the wheel no more. */
static void timer_lost(void)
{
    patch_head(store_at(rig.store, version_of("/t")), STORE_RECORD_UNTIMED, 0);
}

static void length_wrong(void)
{
    patch(&rig.store->lengths.nodes[4], rig.store->lengths.nodes[4] + 1, sizeof(uint32_t));
}

static void length_unused(void)
{
    patch(&rig.store->lengths.used[2], 1, sizeof(uint64_t));
}

static void block_lost(void)
{
    struct store_arena *arena = &rig.store->arena;
    patch(&arena->live_units, arena->live_units + 1, sizeof(uint64_t));
    patch(&arena->span[0].live_units, arena->span[0].live_units + 1, sizeof(uint32_t));
}

static void index_wrong(void)
{
    patch(&rig.store->index.nodes, rig.store->index.nodes + 1, sizeof(uint64_t));
}

static void arena_wrong(void)
{
    patch(&rig.store->arena.free_units, rig.store->arena.free_units + 1, sizeof(uint64_t));
}

static void wheel_wrong(void)
{
    patch(&rig.store->wheel.count, 7, sizeof(uint64_t));
}

static void set_wrong(void)
{
    struct store_array *array =
        store_arena_at(&rig.store->arena, store_fork_of(node_of("/a"))->children);
    patch(&array->cap, 0, sizeof(uint32_t));
}

static const struct {
    void (*damage)(void);
    const char *seen;
} cases[] = {
    {version_is_a_leaf, "record: a version is none"},
    {older_is_newer, "record: an older version is newer"},
    {revision_of_the_future, "record: a revision is out of bounds"},
    {gate_without_record, "fork: the mark of a begin or end is wrong"},
    {timer_of_another_fork, "record: an expiring one belongs to another fork"},
    {child_is_a_record, "tree: a child is a record"},
    {child_of_another, "tree: a child has another parent"},
    {pass_to_nowhere, "tree: a pass leads nowhere"},
    {too_many_keys, "tree: a fork's keys do not add up"},
    {empty_segment, "tree: a segment is empty"},
    {segment_without_slash, "tree: a segment does not begin with '/'"},
    {pass_of_two_segments, "tree: a label has segments that it must not have"},
    {text_that_changed, "index: a node is not where its hash says"},
    {inner_boundary_answers, "index: a boundary inside a leaf answers"},
    {answer_is_missing, "index: an answer bit is missing"},
    {index_leads_to_a_record, "index: what it leads to is no node"},
    {nodes_wrong, "store: the nodes do not add up"},
    {key_nbytes_wrong, "store: the bytes of keys and values do not add up"},
    {value_nbytes_wrong, "store: the bytes of keys and values do not add up"},
    {timer_lost, "store: the expiries do not add up"},
    {length_wrong, "store: the lengths of keys do not add up"},
    {length_unused, "store: the lengths of keys do not add up"},
    {block_lost, "store: the arena holds blocks that nothing refers to"},
    {index_wrong, "index: the segments do not add up"},
    {arena_wrong, "arena: the free lists do not add up"},
    {wheel_wrong, "wheel: the entries do not add up"},
    {set_wrong, "set: an array has more children than room"},
};

static void each_damage_is_seen(void **state)
{
    (void)state;
    static const char *const keys[] = {"/a",     "/a/b",   "/a/c",        "/d/e/f",
                                       "/x/y/z", "/x/y/w", "/long/m/one", "/long/m/two"};
    const struct store_put_options options = {.expires_ms = 1000};
    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        rig_put(&rig, keys[i]);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/t"), CDX_STR("v"), &options), STORE_OK);
    rig_settle(&rig, 0);
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    rig_put(&rig, "/a"); /* two versions */
    struct store_snapshot *later = rig_snapshot(&rig);
    for (uint32_t i = 0; i < 20; i++)
        (void)store_maintain(rig.store, 0, 256);
    store_limbo_drain(&rig.store->limbo);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig_check(&rig);
        cases[i].damage();
        const char *broken = store_check(rig.store);
        mend();
        assert_non_null(broken);
        if (strcmp(broken, cases[i].seen) != 0)
            fail_msg("%s, not %s", broken, cases[i].seen);
    }
    store_snapshot_close(rig.store, snapshot);
    store_snapshot_close(rig.store, later);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
