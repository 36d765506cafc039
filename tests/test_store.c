/* SPDX-License-Identifier: Apache-2.0 */
/* Life cycle, sections, counters. */
#include "heap_fail.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static void opening_without_memory_holds_nothing(void **state)
{
    (void)state;
    heap_fail_install();
    struct store *store = NULL;
    enum store_status status = STORE_NO_MEMORY;
    for (size_t n = 1; status != STORE_OK; n++) {
        heap_fail_at(n, 1);
        status = store_open(NULL, &store);
        heap_fail_at(0, 0);
        if (status != STORE_OK) {
            assert_int_equal(status, STORE_NO_MEMORY);
            assert_null(store);
            assert_int_equal(heap_fail_blocks(), 0);
        }
        assert_true(n < 100);
    }
    struct store_reader *reader = NULL;
    heap_fail_at(1, 0);
    assert_int_equal(store_reader_open(store, &reader), STORE_NO_MEMORY);
    assert_null(reader);
    store_close(store);
    store_close(NULL);
    store_reader_close(NULL);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void an_empty_store_counts_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, "");
    store_read_stats(f.reader, &stats);
    assert_int_equal(stats.keys, 0);
    assert_int_equal(stats.nodes, 0);
    assert_int_equal(stats.revision, 0);
    assert_int_equal(stats.key_nbytes, 0);
    assert_int_equal(stats.value_nbytes, 0);
    assert_int_equal(store_read_revision(f.reader), 0);
    assert_string_equal(fixture_match(&f, "/"), "none");
    fixture_close(&f);
}

static void counters_follow_the_writes(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, "/a/b a /a/b"); /* the same key twice: stored once, two writes */
    store_read_stats(f.reader, &stats);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.nodes, 3); /* /a, /a/b, a */
    assert_int_equal(stats.revision, 3);
    assert_int_equal(stats.key_nbytes, 5);
    assert_int_equal(stats.value_nbytes, 5);
    assert_true(stats.memory_nbytes > 0);
    assert_int_equal(fixture_delete(&f, "/a/b"), STORE_OK);
    store_read_stats(f.reader, &stats);
    assert_int_equal(stats.keys, 1);
    assert_int_equal(stats.nodes, 1);
    assert_int_equal(stats.revision, 4);
    assert_int_equal(stats.value_nbytes, 1);
    fixture_close(&f);
}

/* Behind its own node, a value costs its block; at a boundary that was there, its key's copy too.
 */
static void memory_counts_what_was_asked_for(void **state)
{
    (void)state;
    static const uint8_t value[1000];
    struct fixture f;
    struct store_stats stats;
    uint64_t revision;
    fixture_open(&f, "/a/b");
    store_read_stats(f.reader, &stats);
    uint64_t before = stats.memory_nbytes;
    const char *const keys[] = {"/a/b", "/a"};
    const uint64_t expected[] = {sizeof value, 2 * sizeof value + 2};
    for (size_t i = 0; i < 2; i++) {
        store_read_end(f.reader);
        store_write_begin(f.store);
        assert_int_equal(store_put(f.store, cdx_cstr(keys[i]), cdx_bytes_of(value, sizeof value),
                                   NULL, &revision),
                         STORE_OK);
        store_write_end(f.store);
        store_read_begin(f.reader);
        store_read_stats(f.reader, &stats);
        assert_int_equal(stats.memory_nbytes - before, expected[i]);
    }
    fixture_close(&f);
}

static void an_emptied_store_gives_its_memory_back(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats before;
    struct store_stats after;
    char key[32];
    fixture_open(&f, "");
    store_read_stats(f.reader, &before);
    for (int i = 0; i < 50000; i++) {
        (void)snprintf(key, sizeof key, "/%d/%d", i % 100, i);
        fixture_put(&f, key);
    }
    store_read_stats(f.reader, &after);
    assert_true(after.memory_nbytes > 2u << 20);
    assert_int_equal(fixture_drop(&f, "-"), 50000);
    store_read_stats(f.reader, &after);
    assert_int_equal(after.memory_nbytes, before.memory_nbytes);
    fixture_put(&f, "/again");
    assert_string_equal(fixture_match(&f, "/again/x"), "/again");
    fixture_close(&f);
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int status = STORE_OK; status <= STORE_TOO_LONG; status++)
        assert_string_not_equal(store_status_text((enum store_status)status), "unknown status");
    assert_string_equal(store_status_text((enum store_status)(STORE_TOO_LONG + 1)),
                        "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_without_memory_holds_nothing),
        cmocka_unit_test(an_empty_store_counts_nothing),
        cmocka_unit_test(counters_follow_the_writes),
        cmocka_unit_test(memory_counts_what_was_asked_for),
        cmocka_unit_test(an_emptied_store_gives_its_memory_back),
        cmocka_unit_test(every_status_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
