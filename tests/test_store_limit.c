/* SPDX-License-Identifier: Apache-2.0 */
/* The memory limit: refusing, evicting, and what is counted. */
#include "heap_fail.h"
#include "store_private.h"
#include "store_rig.h"
#include "store_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static uint8_t bytes[16384];

static struct rig rig;

static int open_store(void **state)
{
    (void)state;
    rig_open(&rig, NULL);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    rig_settle(&rig, 0);
    rig_close(&rig);
    return 0;
}

static enum store_status put_number(const char *before, uint32_t i, size_t nbytes)
{
    char key[32];
    (void)snprintf(key, sizeof key, "%s%u", before, i);
    return rig_put_with(&rig, cdx_cstr(key), cdx_bytes_of(bytes, nbytes), NULL);
}

static void limit(uint64_t nbytes, bool evict, const char *below)
{
    store_write_begin(rig.store);
    assert_int_equal(store_limit(rig.store, nbytes, evict, cdx_cstr(below)), STORE_OK);
    store_write_end(rig.store);
}

static void a_limit_that_cannot_be_is_refused(void **state)
{
    (void)state;
    limit(1000000, true, "/a");
    store_write_begin(rig.store);
    assert_int_equal(
        store_limit(rig.store, 5, false, cdx_bytes_of(bytes, STORE_KEY_NBYTES_MAX + 1)),
        STORE_TOO_LONG);
    store_write_end(rig.store);
    assert_int_equal(rig_stats(&rig).memory_max_nbytes, 1000000);
    limit(0, false, "");
    assert_int_equal(rig_stats(&rig).memory_max_nbytes, 0);
}

static void a_full_store_refuses_what_adds(void **state)
{
    (void)state;
    uint64_t revision = 99;
    uint64_t keys;
    uint32_t stage;
    size_t failed;
    assert_int_equal(put_number("/a/", 0, 100), STORE_OK);
    const uint64_t max = rig_stats(&rig).used_nbytes + 20000;
    limit(max, false, "");
    uint32_t stored = 1;
    for (uint32_t round = 0; round < 3; round++) { /* what waits for readers counts, too */
        while (put_number("/a/", stored, 100) == STORE_OK)
            stored++;
        rig_settle(&rig, 0);
        assert_true(rig_stats(&rig).used_nbytes <= rig_stats(&rig).memory_max_nbytes + 512);
    }
    while (put_number("/a/", stored, 100) == STORE_OK)
        stored++;
    assert_in_range(stored, 10, 20000 / 100);
    assert_int_equal(put_number("/a/", stored, 100), STORE_FULL);
    assert_int_equal(put_number("/a/", 0, 400), STORE_FULL); /* also of a key that is there */
    assert_int_equal(rig_stats(&rig).keys, stored);
    store_write_begin(rig.store);
    const struct store_op op = {
        .kind = STORE_OP_PUT, .key = CDX_STR("/b"), .value = cdx_bytes_of(bytes, 400)};
    assert_int_equal(store_batch(rig.store, &op, 1, &failed, &revision), STORE_FULL);
    assert_int_equal(failed, 0);
    assert_int_equal(store_stage_open(rig.store, CDX_STR("/s"), &stage), STORE_OK);
    assert_int_equal(store_stage_put(rig.store, stage, CDX_STR("/s/1"), cdx_bytes_of(bytes, 400),
                                     NULL, &revision),
                     STORE_FULL);
    assert_int_equal(store_stage_drop(rig.store, stage), STORE_OK);
    assert_int_equal(revision, 99);
    /* What removes is never refused; what it frees can be used again. */
    assert_int_equal(store_limit(rig.store, 1000, false, cdx_empty()), STORE_OK);
    const struct store_op removal = {.kind = STORE_OP_DELETE, .key = CDX_STR("/a/1")};
    assert_int_equal(store_batch(rig.store, &removal, 1, &failed, &revision), STORE_OK);
    assert_int_equal(store_limit(rig.store, max, false, cdx_empty()), STORE_OK);
    assert_int_equal(store_delete(rig.store, CDX_STR("/a/0"), &revision), STORE_OK);
    assert_int_equal(store_drop(rig.store, CDX_STR("/a"), &keys, &revision), STORE_OK);
    assert_int_equal(keys, stored - 2);
    store_write_end(rig.store);
    rig_settle(&rig, 0);
    assert_int_equal(put_number("/a/", 0, 400), STORE_OK);
    limit(0, false, "");
    for (uint32_t i = 0; i < 2 * stored; i++)
        assert_int_equal(put_number("/b/", i, 100), STORE_OK);
}

static void an_evicting_store_stays_at_its_limit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(put_number("/a/", i, 300), STORE_OK);
    rig_settle(&rig, 0);
    uint64_t max = rig_stats(&rig).used_nbytes;
    limit(max, true, "");
    for (uint32_t i = 2000; i < 6000; i++) {
        assert_int_equal(put_number("/a/", i, 300), STORE_OK);
        if (i % 16 == 0)
            (void)store_maintain(rig.store, 0, 64);
        if (i % 1000 == 0) {
            rig_settle(&rig, 0);
            /* It neither outgrows the limit nor empties. */
            assert_true(rig_stats(&rig).used_nbytes <= max + max / STORE_EVICT_SLACK);
            assert_true(rig_stats(&rig).keys > 1000);
        }
    }
    rig_settle(&rig, 0);
    rig_check(&rig);
    struct store_stats stats = rig_stats(&rig);
    assert_int_equal(stats.keys + stats.evicted, 6000);
    assert_int_equal(rig_rows(&rig, NULL, ""), stats.keys);
    assert_int_equal(rig_count(&rig, "/a"), stats.keys);
    /* One value above the whole limit is refused, and costs no other key. */
    uint64_t evicted = stats.evicted;
    limit(8000, true, "");
    assert_int_equal(put_number("/big/", 1, 9000), STORE_FULL);
    assert_int_equal(rig_stats(&rig).evicted, evicted);
}

static void upkeep_evicts_down_to_a_lower_limit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(put_number("/a/", i, 500), STORE_OK);
    rig_settle(&rig, 0);
    struct store_stats before = rig_stats(&rig);
    limit(before.used_nbytes / 2, true, "");
    rig_settle(&rig, 0);
    struct store_stats after = rig_stats(&rig);
    assert_true(after.used_nbytes <= before.used_nbytes / 2);
    assert_true(after.keys > 200 && after.keys < 700);
    assert_int_equal(after.keys + after.evicted, 1000);
    rig_check(&rig);
}

static void only_keys_below_the_subtree_are_evicted(void **state)
{
    (void)state;
    static const char *const sets[] = {"/a/", "/c/", "/cd/", "rel/", "/e/f/"};
    enum { SETS = sizeof sets / sizeof sets[0], EACH = 100 };
    static const struct {
        const char *below;
        bool spared[SETS]; /* which of the above */
        bool top_spared;   /* … and the key "/c" */
    } cases[] = {
        {"", {false, false, false, false, false}, false},
        {"/c", {true, false, true, true, true}, false},
        {"/c/", {true, false, true, true, true}, true},
        {"/c/d", {true, true, true, true, true}, true},
        {"rel", {true, true, true, false, true}, true},
        {"/", {false, false, false, true, false}, false},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        limit(0, false, "");
        (void)rig_drop(&rig, "");
        rig_settle(&rig, 0);
        rig_put(&rig, "/c");
        for (uint32_t i = 0; i < SETS * EACH; i++)
            assert_int_equal(put_number(sets[i % SETS], i, 100), STORE_OK);
        limit(1, true, cases[c].below); /* as many as may go */
        for (uint32_t i = 0; i < 40; i++)
            (void)store_maintain(rig.store, 0, 5000);
        rig_check(&rig);
        assert_int_equal(rig_has(&rig, NULL, "/c"), cases[c].top_spared);
        for (uint32_t i = 0; i < SETS * EACH; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "%s%u", sets[i % SETS], i);
            assert_int_equal(rig_has(&rig, NULL, key), cases[c].spared[i % SETS]);
        }
    }
    limit(0, false, "");
}

/* Also from snapshots; stages are spared. */
static void what_is_evicted_is_gone_from_all_versions(void **state)
{
    (void)state;
    uint32_t stage;
    uint64_t counts[2];
    uint64_t revision;
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(put_number("/a/", i, i % 2 != 0 ? 100 : 600), STORE_OK);
        assert_int_equal(put_number("/a/", i, i % 3 != 0 ? 100 : 600), STORE_OK);
    }
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    assert_int_equal(put_number("/a/", 1, 50), STORE_OK);
    store_write_begin(rig.store);
    assert_int_equal(store_stage_open(rig.store, CDX_STR("/s"), &stage), STORE_OK);
    assert_int_equal(
        store_stage_put(rig.store, stage, CDX_STR("/s/1"), CDX_STR("v"), NULL, &revision),
        STORE_OK);
    store_write_end(rig.store);
    limit(1, true, "");
    for (uint32_t i = 0; i < 40; i++)
        (void)store_maintain(rig.store, 0, 5000);
    assert_int_equal(rig_rows(&rig, NULL, ""), 0);
    assert_int_equal(rig_rows(&rig, snapshot, ""), 0);
    assert_int_equal(rig_stats(&rig).evicted, 200);
    rig_check(&rig);
    store_write_begin(rig.store);
    assert_int_equal(store_stage_swap(rig.store, stage, &counts[0], &counts[1], &revision),
                     STORE_OK);
    store_write_end(rig.store);
    assert_int_equal(counts[0], 1);
    limit(0, false, "");
    store_snapshot_close(rig.store, snapshot);
}

static void keys_that_are_read_are_evicted_last(void **state)
{
    (void)state;
    char key[32];
    struct store_entry entry;
    uint64_t found = 0;
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(put_number("/a/", i, 300), STORE_OK);
    rig_settle(&rig, 0);
    limit(rig_stats(&rig).used_nbytes, true, "");
    for (uint32_t i = 1000; i < 3000; i++) {
        assert_int_equal(put_number("/a/", i, 300), STORE_OK);
        /* One of some lookups leaves a trace: ten keys are read again and again. */
        store_read_begin(rig.reader);
        for (uint32_t k = 0; k < 30; k++) {
            (void)snprintf(key, sizeof key, "/a/%u", (i * 3 + k) % 10);
            found += store_get(rig.reader, cdx_cstr(key), NULL, &entry) == STORE_OK;
        }
        store_read_end(rig.reader);
        if (i % 16 == 0)
            (void)store_maintain(rig.store, 0, 64);
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < 10; i++) {
        (void)snprintf(key, sizeof key, "/a/%u", i);
        left += rig_has(&rig, NULL, key);
    }
    assert_int_equal(left, 10);
    assert_int_equal(found, 2000 * 30);
    assert_true(rig_stats(&rig).evicted > 1000);
}

/* The C library rounds the few chunks of queues up: by a word each. */
#define ROUNDED_NBYTES 64u

static bool is_exact(uint64_t apart)
{
    uint64_t now = heap_fail_nbytes() - rig_stats(&rig).memory_nbytes;
    return now + ROUNDED_NBYTES >= apart && now <= apart + ROUNDED_NBYTES;
}

/* What is said to be held is what the allocator gave, as values of any length come and go. */
static void held_memory_is_what_the_allocator_gave(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 100, 512, 513, 1000, 4096, 12345, 600, 16000, 513};
    for (uint32_t i = 0; i < 20; i++) /* what the first writes need is there */
        assert_int_equal(put_number("/a/", i, 600), STORE_OK);
    rig_settle(&rig, 0);
    uint64_t apart = heap_fail_nbytes() - rig_stats(&rig).memory_nbytes;
    for (uint32_t i = 0; i < 200; i++) {
        size_t nbytes = lengths[i * 7 % (sizeof lengths / sizeof lengths[0])];
        assert_int_equal(put_number("/a/", i % 23, nbytes), STORE_OK);
        if (i % 11 == 0)
            (void)rig_delete(&rig, "/a/3");
        if (i % 25 == 0)
            rig_settle(&rig, 0);
        assert_true(is_exact(apart));
    }
    assert_int_equal(rig_drop(&rig, ""), 22);
    rig_settle(&rig, 0);
    assert_true(is_exact(apart));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_limit_that_cannot_be_is_refused),
        TEST(a_full_store_refuses_what_adds),
        TEST(an_evicting_store_stays_at_its_limit),
        TEST(upkeep_evicts_down_to_a_lower_limit),
        TEST(only_keys_below_the_subtree_are_evicted),
        TEST(what_is_evicted_is_gone_from_all_versions),
        TEST(keys_that_are_read_are_evicted_last),
        TEST(held_memory_is_what_the_allocator_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
