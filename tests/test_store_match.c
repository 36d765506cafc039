/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups, rule by rule. */
#include "guard.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *stored;
    const char *path;
    const char *match;
    const char *match_bytes;
    const char *match_all;
} cases[] = {
    /* Segments, not bytes. */
    {"/foo", "/foo", "/foo", "/foo", "/foo"},
    {"/foo", "/foobar", "none", "/foo", ""},
    {"/foo", "/foo/bar", "/foo", "/foo", "/foo"},
    {"/foo", "/foo/", "/foo", "/foo", "/foo"},
    {"/foo", "/fo", "none", "none", ""},
    {"/foo", "/", "none", "none", ""},
    {"/foo", "foo", "none", "none", ""},
    {"/foo", "-", "none", "none", ""},
    /* A trailing slash: answers what is below, not the name itself. */
    {"/a/", "/a", "none", "none", ""},
    {"/a/", "/a/", "/a/", "/a/", "/a/"},
    {"/a/", "/a/b", "/a/", "/a/", "/a/"},
    {"/a/", "/a/b/c/d", "/a/", "/a/", "/a/"},
    {"/a/", "/a//", "/a/", "/a/", "/a/"},
    {"/a/", "/ab", "none", "none", ""},
    {"/a /a/", "/a", "/a", "/a", "/a"},
    {"/a /a/", "/a/", "/a/", "/a/", "/a /a/"},
    {"/a /a/", "/a/x", "/a/", "/a/", "/a /a/"},
    {"/a /a/ /a/b", "/a/b/c", "/a/b", "/a/b", "/a /a/ /a/b"},
    {"/a /a/b", "/a/b", "/a/b", "/a/b", "/a /a/b"},
    {"/a /a/b", "/a/bc", "/a", "/a/b", "/a"},
    /* The root. */
    {"/", "/", "/", "/", "/"},
    {"/", "/x", "/", "/", "/"},
    {"/", "/x/y", "/", "/", "/"},
    {"/", "//", "/", "/", "/"},
    {"/", "x", "none", "none", ""},
    {"/", "-", "none", "none", ""},
    /* The empty key. */
    {"-", "-", "-", "-", "-"},
    {"-", "/", "-", "-", "-"},
    {"-", "/x/y", "-", "-", "-"},
    {"-", "x", "none", "-", ""},
    {"-", "x/y", "none", "-", ""},
    {"- /", "/", "/", "/", "- /"},
    {"- /", "/x", "/", "/", "- /"},
    {"- / /x", "/x/y", "/x", "/x", "- / /x"},
    /* Empty segments are segments. */
    {"//", "//", "//", "//", "//"},
    {"//", "///", "//", "//", "//"},
    {"//", "//x", "//", "//", "//"},
    {"//", "/", "none", "none", ""},
    {"//", "/x", "none", "none", ""},
    {"/ //", "//x", "//", "//", "/ //"},
    {"/ // ///", "////", "///", "///", "/ // ///"},
    {"/a//b", "/a/b", "none", "none", ""},
    {"/a//b", "/a//b/c", "/a//b", "/a//b", "/a//b"},
    {"/a//", "/a//b", "/a//", "/a//", "/a//"},
    {"/a/", "/a//b", "/a/", "/a/", "/a/"},
    /* Relative names. */
    {"a", "a", "a", "a", "a"},
    {"a", "a/b", "a", "a", "a"},
    {"a", "ab", "none", "a", ""},
    {"a", "/a", "none", "none", ""},
    {"a a/ a/b", "a/b/c", "a/b", "a/b", "a a/ a/b"},
    {"a/ /a", "a/x", "a/", "a/", "a/"},
    /* Case and escapes are bytes like others. */
    {"/A /%61", "/a", "none", "none", ""},
    {"/a/..", "/a/../b", "/a/..", "/a/..", "/a/.."},
    /* The longest byte prefix may hang beside the path. */
    {"/ab /ab/c", "/abc", "none", "/ab", ""},
    {"/a/b /a/bcd", "/a/bce/f", "none", "/a/b", ""},
    {"/a/b /a/bcd/e", "/a/bcd/x", "none", "/a/b", ""},
    {"0 01 012 0123", "0124", "none", "012", ""},
    {"49 4930 49301 4940", "49302555", "none", "4930", ""},
    {"49 4930 49301 4940", "4950", "none", "49", ""},
    {"5 51 52 53 54 6", "55", "none", "5", ""},
};

static void the_longest_stored_ancestor_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_open(&f, cases[i].stored);
        print_message("%s in %s\n", cases[i].path, cases[i].stored);
        assert_string_equal(fixture_match(&f, cases[i].path), cases[i].match);
        assert_string_equal(fixture_match_bytes(&f, cases[i].path), cases[i].match_bytes);
        assert_string_equal(fixture_match_all(&f, cases[i].path), cases[i].match_all);
        fixture_close(&f);
    }
}

static void get_finds_the_key_itself_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a/b /c/");
    assert_string_equal(fixture_get(&f, "/a/b"), "/a/b");
    assert_string_equal(fixture_get(&f, "/c/"), "/c/");
    assert_string_equal(fixture_get(&f, "/a"), "none"); /* a boundary, but not stored */
    assert_string_equal(fixture_get(&f, "/c"), "none");
    assert_string_equal(fixture_get(&f, "/a/b/"), "none");
    assert_string_equal(fixture_get(&f, "-"), "none");
    fixture_close(&f);
}

static void answers_follow_the_writes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "/a/b/c");
    assert_string_equal(fixture_match(&f, "/a/b/x"), "none");
    fixture_put(&f, "/a");
    assert_string_equal(fixture_match(&f, "/a/b/x"), "/a");
    fixture_put(&f, "/a/b/");
    assert_string_equal(fixture_match(&f, "/a/b/x"), "/a/b/");
    assert_string_equal(fixture_match(&f, "/a/b"), "/a");
    assert_int_equal(fixture_delete(&f, "/a/b/"), STORE_OK);
    assert_string_equal(fixture_match(&f, "/a/b/x"), "/a");
    assert_int_equal(fixture_delete(&f, "/a"), STORE_OK);
    assert_string_equal(fixture_match(&f, "/a/b/x"), "none");
    assert_string_equal(fixture_match(&f, "/a/b/c"), "/a/b/c");
    fixture_close(&f);
}

/* ---- bytes ---- */

static void keys_are_opaque_bytes(void **state)
{
    (void)state;
    struct fixture f;
    struct store_entry entry;
    uint64_t revision;
    fixture_open(&f, "");
    store_read_end(f.reader);
    store_write_begin(f.store);
    struct cdx_bytes nul = CDX_STR("/a\0b");
    struct cdx_bytes high = CDX_STR("/\xff\xfe");
    assert_int_equal(store_put(f.store, nul, CDX_STR("\0"), NULL, &revision), STORE_OK);
    assert_int_equal(store_put(f.store, high, cdx_empty(), NULL, &revision), STORE_OK);
    store_write_end(f.store);
    store_read_begin(f.reader);
    assert_int_equal(store_match(f.reader, CDX_STR("/a\0b/\0"), NULL, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, nul));
    assert_true(cdx_bytes_equal(entry.value, CDX_STR("\0")));
    assert_int_equal(store_match(f.reader, CDX_STR("/\xff\xfe/\xff"), NULL, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, high));
    assert_int_equal(entry.value.len, 0);
    assert_int_equal(store_match(f.reader, CDX_STR("/a\0c"), NULL, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_match(f.reader, CDX_STR("/a"), NULL, &entry), STORE_NOT_FOUND);
    fixture_close(&f);
}

/* ---- long keys ---- */

/* Every lookup of `path` finds `stored`, with and without probes. */
static void assert_answers(struct fixture *f, struct cdx_bytes path, struct cdx_bytes stored)
{
    struct store_probe probe;
    struct store_entry entry;
    store_probe_start(f->store, STORE_PROBE_MATCH, path, &probe);
    store_probes_touch(f->reader, &probe, 1);
    assert_int_equal(store_match(f->reader, path, &probe, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, stored));
    assert_int_equal(store_match(f->reader, path, NULL, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, stored));
    assert_int_equal(store_match_bytes(f->reader, path, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, stored));
}

static void the_longest_keys_work(void **state)
{
    (void)state;
    static const char *const units[] = {"/", "x", "/abcdefg"};
    uint8_t key[STORE_KEY_NBYTES_MAX + 1];
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)units[u][i % strlen(units[u])];
        struct cdx_bytes longest = cdx_bytes_of(key, STORE_KEY_NBYTES_MAX);
        struct cdx_bytes shorter = cdx_bytes_of(key, STORE_KEY_NBYTES_MAX - 8);
        struct fixture f;
        struct store_entry entry;
        struct store_cursor cursor;
        uint64_t revision;
        fixture_open(&f, "");
        store_read_end(f.reader);
        store_write_begin(f.store);
        assert_int_equal(store_put(f.store, shorter, CDX_STR("s"), NULL, &revision), STORE_OK);
        store_write_end(f.store);
        store_read_begin(f.reader);
        if (u != 1)
            assert_answers(&f, longest, shorter);
        assert_answers(&f, shorter, shorter);
        store_read_end(f.reader);
        store_write_begin(f.store);
        assert_int_equal(store_put(f.store, longest, CDX_STR("l"), NULL, &revision), STORE_OK);
        store_write_end(f.store);
        store_read_begin(f.reader);
        assert_answers(&f, longest, longest);
        assert_answers(&f, shorter, shorter);
        store_match_all(f.reader, longest, &cursor);
        if (u != 1)
            assert_int_equal(store_next(&cursor, &entry), STORE_OK);
        assert_int_equal(store_next(&cursor, &entry), STORE_OK);
        assert_int_equal(entry.key.len, STORE_KEY_NBYTES_MAX);
        assert_int_equal(store_next(&cursor, &entry), STORE_NOT_FOUND);
        fixture_close(&f);
    }
}

static void a_key_above_the_limit_finds_nothing(void **state)
{
    (void)state;
    static uint8_t key[16 * STORE_KEY_NBYTES_MAX];
    memset(key, '/', sizeof key);
    struct cdx_bytes above = cdx_bytes_of(key, STORE_KEY_NBYTES_MAX + 1);
    struct cdx_bytes far_above = cdx_bytes_of(key, sizeof key);
    struct store_probe probe;
    struct store_entry entry;
    struct store_child child;
    struct store_cursor cursor;
    struct fixture f;
    fixture_open(&f, "- / // /a");
    store_probe_start(f.store, STORE_PROBE_MATCH, above, &probe);
    store_probes_touch(f.reader, &probe, 1);
    assert_int_equal(store_match(f.reader, above, &probe, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_match(f.reader, above, NULL, &entry), STORE_NOT_FOUND);
    store_probe_start(f.store, STORE_PROBE_KEY, above, &probe);
    store_probes_touch(f.reader, &probe, 1);
    assert_int_equal(store_get(f.reader, above, &probe, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_get(f.reader, above, NULL, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_match_bytes(f.reader, above, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_count(f.reader, above), 0);
    store_match_all(f.reader, above, &cursor);
    assert_int_equal(store_next(&cursor, &entry), STORE_NOT_FOUND);
    store_list(f.reader, above, cdx_empty(), &cursor);
    assert_int_equal(store_next(&cursor, &entry), STORE_NOT_FOUND);
    store_children(f.reader, above, cdx_empty(), &cursor);
    assert_int_equal(store_next_child(&cursor, &child), STORE_NOT_FOUND);
    /* As a place in a listing it is allowed: after all slashes, before /a. */
    store_list(f.reader, cdx_empty(), above, &cursor);
    assert_int_equal(store_next(&cursor, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, CDX_STR("/a")));
    store_list(f.reader, cdx_empty(), far_above, &cursor);
    assert_int_equal(store_next(&cursor, &entry), STORE_OK);
    assert_true(cdx_bytes_equal(entry.key, CDX_STR("/a")));
    store_children(f.reader, cdx_empty(), far_above, &cursor);
    assert_int_equal(store_next_child(&cursor, &child), STORE_OK);
    assert_true(cdx_bytes_equal(child.key, CDX_STR("/a")));
    fixture_close(&f);
}

/* Around the number of boundaries that a probe holds, with and without a match near the root. */
static void any_number_of_boundaries_is_answered(void **state)
{
    (void)state;
    char path[4 * STORE_PROBE_BOUNDARIES_MAX + 1];
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = "/a"[i % 2];
    struct fixture f;
    fixture_open(&f, "/a /a/a/a/");
    for (size_t len = 2; len < sizeof path; len++) {
        struct cdx_bytes key = cdx_bytes_of(path, len);
        struct cdx_bytes expected = len >= 7 ? CDX_STR("/a/a/a/") : CDX_STR("/a");
        struct store_entry entry;
        struct store_probe probe;
        store_probe_start(f.store, STORE_PROBE_MATCH, key, &probe);
        assert_int_equal(store_match(f.reader, key, &probe, &entry), STORE_OK);
        assert_true(cdx_bytes_equal(entry.key, expected));
        store_probes_touch(f.reader, &probe, 1);
        assert_int_equal(store_match(f.reader, key, &probe, &entry), STORE_OK);
        assert_true(cdx_bytes_equal(entry.key, expected));
    }
    fixture_close(&f);
}

static void no_byte_behind_the_key_is_read(void **state)
{
    (void)state;
    struct guard guard = guard_open(STORE_KEY_NBYTES_MAX);
    uint8_t path[STORE_KEY_NBYTES_MAX];
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = (uint8_t) "/ab"[i % 3];
    struct fixture f;
    fixture_open(&f, "/ab");
    for (size_t len = 0; len <= sizeof path; len += len < 200 ? 1 : 97) {
        struct cdx_bytes key = cdx_bytes_of(guard_place(&guard, path, len), len);
        struct store_probe probe;
        struct store_entry entry;
        struct store_cursor cursor;
        enum store_status expected = len >= 3 ? STORE_OK : STORE_NOT_FOUND;
        store_probe_start(f.store, STORE_PROBE_MATCH, key, &probe);
        assert_int_equal(store_match(f.reader, key, &probe, &entry), expected);
        assert_int_equal(store_match(f.reader, key, NULL, &entry), expected);
        assert_int_equal(store_match_bytes(f.reader, key, &entry), expected);
        assert_int_equal(store_get(f.reader, key, NULL, &entry),
                         len == 3 ? STORE_OK : STORE_NOT_FOUND);
        store_match_all(f.reader, key, &cursor);
        assert_int_equal(store_next(&cursor, &entry), expected);
        store_list(f.reader, key, key, &cursor);
        assert_int_equal(store_next(&cursor, &entry), len <= 1 ? STORE_OK : STORE_NOT_FOUND);
    }
    fixture_close(&f);
    guard_close(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_stored_ancestor_answers),
        cmocka_unit_test(get_finds_the_key_itself_only),
        cmocka_unit_test(answers_follow_the_writes),
        cmocka_unit_test(keys_are_opaque_bytes),
        cmocka_unit_test(the_longest_keys_work),
        cmocka_unit_test(a_key_above_the_limit_finds_nothing),
        cmocka_unit_test(any_number_of_boundaries_is_answered),
        cmocka_unit_test(no_byte_behind_the_key_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
