/* SPDX-License-Identifier: Apache-2.0 */
/* store_check() sees what it says it sees: each case breaks one thing and mends it again. */
#include "store_fixture.h"
#include "store_private.h"
#include "store_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static store_ref find(const struct store *store, const char *key)
{
    struct store_path path;
    store_path_init(&path, &store->keys, cdx_cstr(key));
    store_ref ref = store_find(store, &path, path.key.len);
    assert_int_not_equal(ref, 0);
    return ref;
}

/* A field of the store or of one node, as bytes to change. */
struct damage {
    const char *what;
    const char *node; /* NULL: the store itself */
    size_t offset;
    size_t nbytes;
};

#define NODE(key, field)                                                                           \
    {                                                                                              \
#field " of " key, key, offsetof(struct store_node, field),                                \
            sizeof(((struct store_node *)NULL)->field)                                             \
    }
#define STORE(field)                                                                               \
    {                                                                                              \
#field, NULL, offsetof(struct store, field), sizeof(((struct store *)NULL)->field)         \
    }

static const struct damage damages[] = {
    NODE("/a", keys),
    NODE("/a", key_nbytes),
    NODE("/a", segment_nbytes),
    NODE("/a", home),
    NODE("/a", value_nbytes),
    NODE("/d", revision),
    NODE("/d/e", segment_nbytes),
    NODE("/a", flags),
    NODE("/a/b", keys),
    NODE("/a/b", value_nbytes),
    NODE("/a/b", units),
    NODE("/a/", flags),
    STORE(nodes),
    STORE(relative_keys),
    STORE(key_nbytes),
    STORE(value_nbytes),
    STORE(heap_nbytes),
    STORE(index.used),
    STORE(arena.live_units),
    STORE(arena.free_units),
    STORE(arena.next),
};

static uint8_t *place_of(struct store *store, const struct damage *damage)
{
    uint8_t *base = (uint8_t *)store;
    if (damage->node != NULL)
        base = (uint8_t *)store_at(store, find(store, damage->node));
    return base + damage->offset;
}

static void a_wrong_field_is_seen(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a /a/ /a/b /a/c /d/e x");
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        print_message("%s\n", damages[i].what);
        uint8_t *place = place_of(f.store, &damages[i]);
        *place ^= 1;
        assert_non_null(store_check(f.store));
        *place ^= 1;
        assert_null(store_check(f.store));
    }
    fixture_close(&f);
}

static void a_key_that_changed_is_seen(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a/b /a/c /d");
    struct store_node *node = store_at(f.store, find(f.store, "/a/c"));
    node->text[3] = 'a'; /* out of order, and not where its hash says */
    assert_non_null(store_check(f.store));
    node->text[3] = 'x'; /* in order, but not where its hash says */
    assert_non_null(store_check(f.store));
    node->text[3] = '/'; /* a boundary inside the segment */
    assert_non_null(store_check(f.store));
    node->text[3] = 'c';
    node->text[1] = 'x'; /* not its parent's */
    assert_non_null(store_check(f.store));
    node->text[1] = 'a';
    fixture_close(&f);
}

static void a_wrong_slot_is_seen(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a/b /a/c /d");
    struct store_bucket *buckets = store_index_buckets(&f.store->index);
    store_ref ref = find(f.store, "/a/c");
    for (uint64_t b = 0; b < STORE_BUCKETS_MIN; b++) {
        buckets[b].state += 1u << STORE_BUCKET_SLOTS; /* overflow where there is none */
        assert_non_null(store_check(f.store));
        buckets[b].state -= 1u << STORE_BUCKET_SLOTS;
        for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
            buckets[b].state ^= 1u << s; /* answer bits of slots in use, and of empty ones */
            assert_non_null(store_check(f.store));
            buckets[b].state ^= 1u << s;
            if (buckets[b].tag[s] != 0 && buckets[b].ref[s] == ref) {
                buckets[b].tag[s] ^= 0x8000;
                assert_non_null(store_check(f.store));
                buckets[b].tag[s] ^= 0x8000;
            }
        }
    }
    fixture_close(&f);
}

/* Two siblings change places in the treap: the heap order breaks, then the search order. */
static void a_wrong_treap_is_seen(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a /b /c /d /e /f");
    store_ref root = store_at(f.store, STORE_ROOT)->child;
    struct store_node *node = store_at(f.store, root);
    store_ref left = node->left;
    node->left = node->right;
    node->right = left;
    assert_non_null(store_check(f.store));
    node->right = node->left;
    node->left = left;
    f.store->priority_seed ^= 0x12345678; /* other priorities for the same shape */
    assert_non_null(store_check(f.store));
    f.store->priority_seed ^= 0x12345678;
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_field_is_seen),
        cmocka_unit_test(a_key_that_changed_is_seen),
        cmocka_unit_test(a_wrong_slot_is_seen),
        cmocka_unit_test(a_wrong_treap_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
