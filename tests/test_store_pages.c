/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of pages inside extents. */
#include "heap_fail.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define RUNS 200u
#define MIN_NBYTES ((size_t)STORE_EXTENT_PAGES_MIN * STORE_PAGE_NBYTES)
#define MAX_NBYTES ((size_t)STORE_EXTENT_PAGES_MAX * STORE_PAGE_NBYTES)

static struct store_pages pages;

static int open_pages(void **state)
{
    (void)state;
    heap_fail_install();
    store_pages_init(&pages);
    return 0;
}

static int close_pages(void **state)
{
    (void)state;
    heap_fail_at(0, 0);
    store_pages_clear(&pages);
    size_t blocks = heap_fail_blocks();
    heap_fail_remove();
    return blocks != 0 || pages.nbytes != 0;
}

static bool is_filled(const uint8_t *run, uint32_t count, uint8_t with)
{
    for (size_t i = 0; i < (size_t)count * STORE_PAGE_NBYTES; i++) {
        if (run[i] != with)
            return false;
    }
    return true;
}

static void runs_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    static struct {
        uint8_t *at;
        uint32_t count;
    } runs[RUNS];
    uint64_t random = 9;
    size_t used = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t r = rig_random(&random) % RUNS;
        if (runs[r].at != NULL) {
            assert_true(is_filled(runs[r].at, runs[r].count, (uint8_t)(r + 1)));
            store_pages_free(&pages, runs[r].at, runs[r].count);
            used -= (size_t)runs[r].count * STORE_PAGE_NBYTES;
            runs[r].at = NULL;
        } else {
            runs[r].count = 1 + rig_random(&random) % (i % 50 == 0 ? 2000 : 70);
            runs[r].at = store_pages_get(&pages, runs[r].count);
            assert_non_null(runs[r].at);
            assert_int_equal((uintptr_t)runs[r].at % 64, 0);
            assert_true(is_filled(runs[r].at, runs[r].count, 0));
            memset(runs[r].at, (int)(r + 1), (size_t)runs[r].count * STORE_PAGE_NBYTES);
            used += (size_t)runs[r].count * STORE_PAGE_NBYTES;
        }
        assert_int_equal(pages.used_nbytes, used);
        assert_true(pages.nbytes >= used);
    }
    for (uint32_t r = 0; r < RUNS; r++) {
        if (runs[r].at != NULL)
            store_pages_free(&pages, runs[r].at, runs[r].count);
    }
    /* Every extent was given back as it became empty. */
    assert_int_equal(pages.used_nbytes, 0);
    assert_int_equal(pages.nbytes, 0);
    assert_int_equal(pages.count, 0);
}

static void extents_have_one_of_two_sizes(void **state)
{
    (void)state;
    static const struct {
        uint32_t run;
        size_t nbytes; /* held with this run and those before it */
    } cases[] = {
        {1, MIN_NBYTES},
        {STORE_EXTENT_PAGES_MIN - 1, MIN_NBYTES},
        {1, MIN_NBYTES + MAX_NBYTES},
        {STORE_EXTENT_PAGES_MAX - 1, MIN_NBYTES + MAX_NBYTES},
        {STORE_EXTENT_PAGES_MAX, MIN_NBYTES + 2 * MAX_NBYTES},
        {STORE_EXTENT_PAGES_MAX, MIN_NBYTES + 3 * MAX_NBYTES},
        {2, MIN_NBYTES + 4 * MAX_NBYTES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_non_null(store_pages_get(&pages, cases[i].run));
        assert_int_equal(pages.nbytes, cases[i].nbytes);
    }
    store_pages_clear(&pages);
    assert_non_null(store_pages_get(&pages, STORE_EXTENT_PAGES_MIN + 1));
    assert_int_equal(pages.nbytes, MAX_NBYTES);
}

static void freed_neighbours_are_one_run(void **state)
{
    (void)state;
    enum { PARTS = 16, PAGES = 64 };
    uint8_t *parts[PARTS];
    for (uint32_t i = 0; i < PARTS; i++)
        parts[i] = store_pages_get(&pages, PAGES);
    assert_int_equal(pages.nbytes, MIN_NBYTES);
    /* In an order that leaves holes first. */
    for (uint32_t i = 1; i < PARTS - 1; i += 2)
        store_pages_free(&pages, parts[i], PAGES);
    uint8_t *other = store_pages_get(&pages, PAGES + 1);
    assert_int_equal(pages.nbytes, MIN_NBYTES + MAX_NBYTES);
    store_pages_free(&pages, other, PAGES + 1);
    for (uint32_t i = 2; i < PARTS - 1; i += 2)
        store_pages_free(&pages, parts[i], PAGES);
    assert_ptr_equal(store_pages_get(&pages, (PARTS - 2) * PAGES), parts[1]);
    assert_int_equal(pages.nbytes, MIN_NBYTES);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    size_t failures = 0;
    for (uint32_t i = 0; i < 12; i++) {
        void *run = NULL;
        for (size_t n = 1; run == NULL; n++) {
            size_t nbytes = pages.nbytes;
            size_t used = pages.used_nbytes;
            uint32_t count = pages.count;
            heap_fail_at(n, 0);
            run = store_pages_get(&pages, 5000);
            if (run == NULL) {
                failures++;
                assert_true(heap_fail_happened());
                assert_int_equal(pages.nbytes, nbytes);
                assert_int_equal(pages.used_nbytes, used);
                assert_int_equal(pages.count, count);
            }
            heap_fail_at(0, 0);
        }
    }
    /* An extent and its memory, or the list of extents, which stays longer, and an extent. */
    assert_int_equal(failures, 2 * 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pages, close_pages)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_are_zeroed_aligned_and_apart),
        TEST(extents_have_one_of_two_sizes),
        TEST(freed_neighbours_are_one_run),
        TEST(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
