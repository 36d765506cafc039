/* SPDX-License-Identifier: Apache-2.0 */
/* Listings, levels and counts, rule by rule. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define SHOP "/ /a /a/ /a//d /a/b/c /ab /b/x b"

static const struct {
    const char *stored;
    const char *key;
    const char *after; /* "-": from the start */
    const char *list;
    const char *children;
} cases[] = {
    /* Whole subtrees. */
    {SHOP, "-", "-", SHOP, "/:7* /a:4* /ab:1* /b:1 b:1*"},
    {SHOP, "/", "-", "/ /a /a/ /a//d /a/b/c /ab /b/x", "/a:4* /ab:1* /b:1"},
    {SHOP, "/a", "-", "/a /a/ /a//d /a/b/c", "/a/:3* /a/b:1"},
    {SHOP, "/a/", "-", "/a/ /a//d /a/b/c", "/a//d:1* /a/b:1"},
    {SHOP, "/a/b", "-", "/a/b/c", "/a/b/c:1*"},
    {SHOP, "/a/b/c", "-", "/a/b/c", ""},
    {SHOP, "/a/b/c/", "-", "", ""},
    {SHOP, "/b", "-", "/b/x", "/b/x:1*"},
    {SHOP, "/b/", "-", "/b/x", "/b/x:1*"},
    {SHOP, "/x", "-", "", ""},
    {SHOP, "b", "-", "b", ""},
    {SHOP, "b/", "-", "", ""},
    {SHOP, "a", "-", "", ""},
    {SHOP, "//", "-", "", ""},
    {"-", "-", "-", "-", ""},
    {"- /", "-", "-", "- /", "/:1*"},
    {"", "-", "-", "", ""},
    {"", "/", "-", "", ""},
    {"b", "/", "-", "", ""},
    /* Path order: '/' is lower than any byte. */
    {"/a /a! /a/b /a.b /aa", "-", "-", "/a /a/b /a! /a.b /aa", "/a:2* /a!:1* /a.b:1* /aa:1*"},
    {"b /c a/b a /", "-", "-", "/ /c a a/b b", "/:2* /c:1* a:2* b:1*"},
    /* Empty segments. */
    {"// /// //a /a", "-", "-", "// /// //a /a", "/:4 /a:1*"},
    {"// /// //a /a", "/", "-", "// /// //a /a", "//:3* //a:1* /a:1*"},
    {"// /// //a /a", "//", "-", "// /// //a", "///:1* //a:1*"},
    {"// /// //a /a", "///", "-", "///", ""},
    {"//b /a", "/", "-", "//b /a", "//b:1* /a:1*"},
    {"/a//b /a/c", "/a/", "-", "/a//b /a/c", "/a//b:1* /a/c:1*"},
    {"/a//b /a/c", "/a", "-", "/a//b /a/c", "/a/:2 /a/c:1*"},
    /* After: stored, … */
    {SHOP, "-", "/a/", "/a//d /a/b/c /ab /b/x b", "/ab:1* /b:1 b:1*"},
    {SHOP, "/a", "/a", "/a/ /a//d /a/b/c", "/a/:3* /a/b:1"},
    {SHOP, "/a", "/a/", "/a//d /a/b/c", "/a/b:1"},
    {SHOP, "/a", "/a//d", "/a/b/c", "/a/b:1"},
    {SHOP, "/a/", "/a/", "/a//d /a/b/c", "/a//d:1* /a/b:1"},
    {SHOP, "/a/", "/a//d", "/a/b/c", "/a/b:1"},
    {SHOP, "/a", "/a/b/c", "", ""},
    {SHOP, "-", "b", "", ""},
    {SHOP, "/", "/", "/a /a/ /a//d /a/b/c /ab /b/x", "/a:4* /ab:1* /b:1"},
    /* … not stored, … */
    {SHOP, "-", "/a/b", "/a/b/c /ab /b/x b", "/ab:1* /b:1 b:1*"},
    {SHOP, "-", "/a/a", "/a/b/c /ab /b/x b", "/ab:1* /b:1 b:1*"},
    {SHOP, "-", "/aa", "/ab /b/x b", "/ab:1* /b:1 b:1*"},
    {SHOP, "-", "/a/b/c/d/e", "/ab /b/x b", "/ab:1* /b:1 b:1*"},
    {SHOP, "/a/", "/a//", "/a//d /a/b/c", "/a//d:1* /a/b:1"},
    {SHOP, "/a/", "/a//e", "/a/b/c", "/a/b:1"},
    {SHOP, "/a/", "/a/a", "/a/b/c", "/a/b:1"},
    {SHOP, "/a/", "/a/c", "", ""},
    {SHOP, "/a/", "/a//d/e", "/a/b/c", "/a/b:1"},
    /* … before the subtree, … */
    {SHOP, "/a", "/", "/a /a/ /a//d /a/b/c", "/a/:3* /a/b:1"},
    {SHOP, "/a/", "/a", "/a/ /a//d /a/b/c", "/a//d:1* /a/b:1"},
    {SHOP, "/b", "/a/b/c", "/b/x", "/b/x:1*"},
    {SHOP, "/b", "/ab", "/b/x", "/b/x:1*"},
    {SHOP, "b", "/zz", "b", ""},
    /* … behind it. */
    {SHOP, "/a", "/a!", "", ""},
    {SHOP, "/a", "/ab", "", ""},
    {SHOP, "/a", "/b", "", ""},
    {SHOP, "/", "b", "", ""},
    {SHOP, "/", "a", "", ""},
    {SHOP, "/", "/zz", "", ""},
    {SHOP, "-", "zz", "", ""},
};

static void walks_return_the_subtree_in_path_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_open(&f, cases[i].stored);
        print_message("%s after %s in %s\n", cases[i].key, cases[i].after, cases[i].stored);
        assert_string_equal(fixture_list(&f, cases[i].key, cases[i].after), cases[i].list);
        assert_string_equal(fixture_children(&f, cases[i].key, cases[i].after), cases[i].children);
        fixture_close(&f);
    }
}

static void a_count_is_the_length_of_the_listing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_open(&f, cases[i].stored);
        const char *list = fixture_list(&f, cases[i].key, "-");
        uint64_t rows = *list != '\0';
        for (; *list != '\0'; list++)
            rows += *list == ' ';
        assert_int_equal(store_count(f.reader, fixture_key(cases[i].key)), rows);
        fixture_close(&f);
    }
}

static void a_page_goes_on_where_the_last_row_was_deleted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a /a/b /a/b/c /a/d");
    assert_int_equal(fixture_delete(&f, "/a/b"), STORE_OK);
    assert_string_equal(fixture_list(&f, "/a", "/a/b"), "/a/b/c /a/d");
    assert_int_equal(fixture_drop(&f, "/a/b"), 1);
    assert_string_equal(fixture_list(&f, "/a", "/a/b"), "/a/d");
    assert_string_equal(fixture_children(&f, "/a", "/a/b"), "/a/d:1*");
    fixture_put(&f, "/a/c");
    assert_string_equal(fixture_list(&f, "/a", "/a/b"), "/a/c /a/d");
    fixture_close(&f);
}

/* A walk at a snapshot once left subtrees out whose place was dropped and filled again. */
static void a_snapshot_lists_what_was_dropped_and_stored_again(void **state)
{
    (void)state;
    struct fixture f;
    struct store_snapshot *snapshot;
    struct store_cursor cursor;
    struct store_entry entry;
    char key[16];
    fixture_open(&f, "");
    for (int i = 0; i < 40; i++) {
        (void)snprintf(key, sizeof key, "/t/k%02d", i);
        fixture_put(&f, key);
    }
    assert_int_equal(store_snapshot_open(f.reader, &snapshot), STORE_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(fixture_drop(&f, "/t/k05"), 1);
        fixture_put(&f, "/t/k05/x");
    }
    store_read_end(f.reader);
    store_read_begin_at(f.reader, snapshot);
    store_list(f.reader, CDX_STR("/t"), cdx_empty(), &cursor);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(key, sizeof key, "/t/k%02d", i);
        assert_int_equal(store_next(&cursor, &entry), STORE_OK);
        assert_true(cdx_bytes_equal(entry.key, cdx_cstr(key)));
    }
    assert_int_equal(store_next(&cursor, &entry), STORE_NOT_FOUND);
    store_read_end(f.reader);
    store_snapshot_close(f.store, snapshot);
    store_read_begin(f.reader);
    assert_string_equal(fixture_list(&f, "/t/k05", "-"), "/t/k05/x");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_return_the_subtree_in_path_order),
        cmocka_unit_test(a_count_is_the_length_of_the_listing),
        cmocka_unit_test(a_page_goes_on_where_the_last_row_was_deleted),
        cmocka_unit_test(a_snapshot_lists_what_was_dropped_and_stored_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
