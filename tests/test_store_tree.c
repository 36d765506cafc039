/* SPDX-License-Identifier: Apache-2.0 */
/* Children in order, whatever their number. */
#include "store_fixture.h"
#include "store_private.h"
#include "store_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define SIBLINGS 1000000u
/* A random treap of a million is about 50 deep; ordered input would be a million. */
#define DEPTH_MAX 120u

static const struct {
    const char *a;
    const char *b;
} ordered[] = {
    {"/", "/a"},  {"/a", "/aa"},  {"/a", "/b"}, {"/", "/\x01"}, {"/a\x01", "/a."},
    {"/zz", "a"}, {"/\xff", "!"}, {"a", "aa"},  {"a", "b"},     {"\x7f", "\x80"},
};

static void segments_have_an_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ordered / sizeof ordered[0]; i++) {
        struct cdx_bytes a = cdx_cstr(ordered[i].a);
        struct cdx_bytes b = cdx_cstr(ordered[i].b);
        assert_true(store_tree_compare(a, b) < 0);
        assert_true(store_tree_compare(b, a) > 0);
        assert_int_equal(store_tree_compare(a, a), 0);
        assert_true(store_tree_compare(a, cdx_empty()) > 0);
    }
}

static uint32_t depth_of(const struct store *store, store_ref ref)
{
    uint32_t depth = 0;
    for (; ref != 0; ref = store_at(store, ref)->up)
        depth++;
    return depth;
}

static uint32_t deepest(const struct store *store, store_ref parent)
{
    uint32_t most = 0;
    for (store_ref ref = store_tree_first(store, parent); ref != 0;
         ref = store_tree_next(store, ref)) {
        uint32_t depth = depth_of(store, ref);
        most = depth > most ? depth : most;
    }
    return most;
}

static void put_number(struct store *store, const char *prefix, uint32_t number)
{
    char key[32];
    uint64_t revision;
    (void)snprintf(key, sizeof key, "%s%06u", prefix, number);
    assert_int_equal(store_put(store, cdx_cstr(key), CDX_STR("v"), NULL, &revision), STORE_OK);
}

/* In order: what makes an unbalanced tree a list. */
static void a_million_siblings_stay_shallow(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t keys;
    uint64_t revision;
    fixture_open(&f, "/x/ /other");
    store_read_end(f.reader);
    for (uint32_t i = 0; i < SIBLINGS; i++)
        put_number(f.store, "/x/", i);
    struct store_path path;
    store_path_init(&path, &f.store->keys, CDX_STR("/x"));
    store_ref parent = store_find(f.store, &path, 2);
    assert_true(deepest(f.store, parent) <= DEPTH_MAX);
    assert_null(store_check(f.store));
    /* The segment '/' is the root of the treap, so that the parent knows it. */
    assert_int_equal(store_tree_slash(f.store, parent), store_at(f.store, parent)->child);
    assert_int_equal(store_at(f.store, store_at(f.store, parent)->child)->left, 0);
    store_read_begin(f.reader);
    assert_int_equal(store_count(f.reader, CDX_STR("/x/")), SIBLINGS + 1);
    store_read_end(f.reader);
    store_drop(f.store, CDX_STR("/x"), &keys, &revision);
    assert_int_equal(keys, SIBLINGS + 1);
    store_read_begin(f.reader);
    assert_string_equal(fixture_list(&f, "-", "-"), "/other");
    fixture_close(&f);
}

/* Telephone numbers have no slashes: the longest prefix is found among a million siblings. */
static void a_million_numbers_are_matched_by_prefix(void **state)
{
    (void)state;
    struct fixture f;
    struct store_entry entry;
    fixture_open(&f, "49 4");
    store_read_end(f.reader);
    for (uint32_t i = 0; i < SIBLINGS; i++)
        put_number(f.store, "49", i);
    store_read_begin(f.reader);
    for (uint32_t i = 0; i < SIBLINGS; i += 97) {
        char number[32];
        int len = snprintf(number, sizeof number, "49%06u12345", i);
        assert_int_equal(store_match_bytes(f.reader, cdx_bytes_of(number, (size_t)len), &entry),
                         STORE_OK);
        assert_true(cdx_bytes_equal(entry.key, cdx_bytes_of(number, 8)));
    }
    assert_string_equal(fixture_match_bytes(&f, "4912345"), "49");
    assert_string_equal(fixture_match_bytes(&f, "4812345"), "4");
    assert_string_equal(fixture_match_bytes(&f, "5812345"), "none");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_have_an_order),
        cmocka_unit_test(a_million_siblings_stay_shallow),
        cmocka_unit_test(a_million_numbers_are_matched_by_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
