/* SPDX-License-Identifier: Apache-2.0 */
/* Put, delete and drop, rule by rule. */
#include "heap_fail.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

/* A fixture outside of its read section, as writes need it. */
static void open_for_writes(struct fixture *f, const char *keys)
{
    fixture_open(f, keys);
    store_read_end(f->reader);
    store_write_begin(f->store);
}

static void close_after_writes(struct fixture *f)
{
    store_write_end(f->store);
    store_read_begin(f->reader);
    fixture_close(f);
}

static void a_put_expects_the_revision_it_is_told(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t revision = 99;
    const uint64_t none = 0;
    const uint64_t first = 1;
    open_for_writes(&f, "");
    struct cdx_bytes key = CDX_STR("/a/b");
    assert_int_equal(store_put(f.store, key, CDX_STR("x"), &first, &revision), STORE_CONFLICT);
    assert_int_equal(revision, 0);
    assert_int_equal(store_put(f.store, key, CDX_STR("x"), &none, &revision), STORE_OK);
    assert_int_equal(revision, 1);
    assert_int_equal(store_put(f.store, key, CDX_STR("y"), &none, &revision), STORE_CONFLICT);
    assert_int_equal(revision, 1);
    assert_int_equal(store_put(f.store, key, CDX_STR("y"), &first, &revision), STORE_OK);
    assert_int_equal(revision, 2);
    assert_int_equal(store_put(f.store, key, CDX_STR("z"), &first, &revision), STORE_CONFLICT);
    assert_int_equal(revision, 2);
    /* A boundary that is there, but not stored, has no revision. */
    assert_int_equal(store_put(f.store, CDX_STR("/a"), CDX_STR("z"), &first, &revision),
                     STORE_CONFLICT);
    assert_int_equal(revision, 0);
    close_after_writes(&f);
}

static void lengths_are_limited(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t revision = 99;
    uint8_t key[STORE_KEY_NBYTES_MAX + 1] = {0};
    uint8_t *value = calloc(1, STORE_VALUE_NBYTES_MAX + 1);
    assert_non_null(value);
    open_for_writes(&f, "");
    assert_int_equal(
        store_put(f.store, cdx_bytes_of(key, sizeof key), cdx_empty(), NULL, &revision),
        STORE_TOO_LONG);
    assert_int_equal(store_put(f.store, CDX_STR("/a"),
                               cdx_bytes_of(value, STORE_VALUE_NBYTES_MAX + 1), NULL, &revision),
                     STORE_TOO_LONG);
    assert_int_equal(revision, 99);
    assert_int_equal(store_delete(f.store, cdx_bytes_of(key, sizeof key), &revision),
                     STORE_NOT_FOUND);
    uint64_t keys;
    assert_int_equal(store_drop(f.store, cdx_bytes_of(key, sizeof key), &keys, &revision), STORE_OK);
    assert_int_equal(keys, 0);
    assert_int_equal(revision, 0);
    assert_int_equal(store_put(f.store, cdx_bytes_of(key, sizeof key - 1),
                               cdx_bytes_of(value, STORE_VALUE_NBYTES_MAX), NULL, &revision),
                     STORE_OK);
    close_after_writes(&f);
    free(value);
}

/* Every length to every other, across the one at which values leave the node. */
static void a_value_is_replaced_by_one_of_any_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 63, 64, 65, 80, 81, 500};
    const size_t count = sizeof lengths / sizeof lengths[0];
    uint8_t value[500];
    for (size_t i = 0; i < count * count; i++) {
        struct fixture f;
        struct store_entry entry;
        open_for_writes(&f, "/a /a/b/c");
        const size_t steps[] = {lengths[i / count], lengths[i % count], lengths[i / count]};
        for (size_t s = 0; s < 3; s++) {
            uint64_t revision;
            memset(value, (int)('a' + s), sizeof value);
            struct cdx_bytes given = cdx_bytes_of(value, steps[s]);
            assert_int_equal(store_put(f.store, CDX_STR("/a/b"), given, NULL, &revision), STORE_OK);
            assert_int_equal(store_put(f.store, CDX_STR("/new"), given, NULL, &revision), STORE_OK);
            memset(value, '?', sizeof value); /* what is stored is a copy */
            store_write_end(f.store);
            assert_null(store_check(f.store));
            store_read_begin(f.reader);
            assert_int_equal(store_get(f.reader, CDX_STR("/a/b"), NULL, &entry), STORE_OK);
            assert_int_equal(entry.value.len, steps[s]);
            for (size_t b = 0; b < steps[s]; b++)
                assert_int_equal(entry.value.data[b], 'a' + s);
            store_read_end(f.reader);
            store_write_begin(f.store);
        }
        close_after_writes(&f);
    }
}

static void a_write_has_the_next_revision(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t revision = 0;
    uint64_t keys = 0;
    open_for_writes(&f, "/a /b /c/d");
    assert_int_equal(store_delete(f.store, CDX_STR("/x"), &revision), STORE_NOT_FOUND);
    assert_int_equal(store_delete(f.store, CDX_STR("/c"), &revision), STORE_NOT_FOUND);
    assert_int_equal(revision, 0);
    assert_int_equal(store_delete(f.store, CDX_STR("/a"), &revision), STORE_OK);
    assert_int_equal(revision, 4);
    assert_int_equal(store_drop(f.store, CDX_STR("/x"), &keys, &revision), STORE_OK);
    assert_int_equal(keys, 0);
    assert_int_equal(revision, 4);
    assert_int_equal(store_drop(f.store, CDX_STR("/"), &keys, &revision), STORE_OK);
    assert_int_equal(keys, 2);
    assert_int_equal(revision, 5);
    close_after_writes(&f);
}

static const struct {
    const char *stored;
    const char *dropped;
    uint64_t keys;
    const char *left;
} drops[] = {
    {"- / /a /a/ /a/b /ab b b/c", "-", 8, ""},
    {"- / /a /a/ /a/b /ab b b/c", "/", 5, "- b b/c"},
    {"- / /a /a/ /a/b /ab b b/c", "/a", 3, "- / /ab b b/c"},
    {"- / /a /a/ /a/b /ab b b/c", "/a/", 2, "- / /a /ab b b/c"},
    {"- / /a /a/ /a/b /ab b b/c", "/a/b", 1, "- / /a /a/ /ab b b/c"},
    {"- / /a /a/ /a/b /ab b b/c", "b", 2, "- / /a /a/ /a/b /ab"},
    {"- / /a /a/ /a/b /ab b b/c", "b/", 1, "- / /a /a/ /a/b /ab b"},
    {"- / /a /a/ /a/b /ab b b/c", "/x", 0, "- / /a /a/ /a/b /ab b b/c"},
    {"- / /a /a/ /a/b /ab b b/c", "//", 0, "- / /a /a/ /a/b /ab b b/c"},
    {"/a//b /a/c", "/a//", 1, "/a/c"},
    {"/a//b /a/c", "/a/", 2, ""},
    {"/a/b/c/d", "/a/b", 1, ""},
    {"/a/b/c/d", "/a/b/", 1, ""},
    {"a b c", "/", 0, "a b c"},
};

static void a_drop_removes_the_subtree_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++) {
        struct fixture f;
        fixture_open(&f, drops[i].stored);
        print_message("%s from %s\n", drops[i].dropped, drops[i].stored);
        assert_int_equal(fixture_drop(&f, drops[i].dropped), drops[i].keys);
        assert_string_equal(fixture_list(&f, "-", "-"), drops[i].left);
        assert_int_equal(fixture_drop(&f, drops[i].dropped), 0);
        fixture_close(&f);
    }
}

static void a_new_key_of_many_segments_is_all_or_nothing(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t key[2000];
    uint8_t value[100] = {0};
    memset(key, '/', sizeof key);
    open_for_writes(&f, "/a");
    enum store_status status = STORE_NO_MEMORY;
    size_t failures = 0;
    for (; status != STORE_OK; failures++) {
        uint64_t revision;
        heap_fail_at(failures + 1, 0);
        status = store_put(f.store, cdx_bytes_of(key, sizeof key),
                           cdx_bytes_of(value, sizeof value), NULL, &revision);
        heap_fail_at(0, 0);
        store_write_end(f.store);
        assert_null(store_check(f.store));
        store_read_begin(f.reader);
        struct store_stats stats;
        store_read_stats(f.reader, &stats);
        assert_int_equal(stats.nodes, status == STORE_OK ? 2001 : 1);
        store_read_end(f.reader);
        store_write_begin(f.store);
    }
    assert_true(failures > 3);
    close_after_writes(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_expects_the_revision_it_is_told),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(a_value_is_replaced_by_one_of_any_length),
        cmocka_unit_test(a_write_has_the_next_revision),
        cmocka_unit_test(a_drop_removes_the_subtree_and_nothing_else),
        cmocka_unit_test(a_new_key_of_many_segments_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
