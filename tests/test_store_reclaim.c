/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody sees any more is given back in slices, whatever its size and shape. */
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#define STEPS 50u

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

/* Runs slices until nothing is left; each does no more than its steps. Returns how many did some.
 */
static uint64_t slices_to_rest(unsigned steps)
{
    const struct timespec pause = {.tv_nsec = 100000};
    uint64_t slices = 0;
    struct store_stats before = rig_stats(&rig);
    for (;;) {
        enum store_upkeep upkeep = store_maintain(rig.store, 0, steps);
        struct store_stats after = rig_stats(&rig);
        assert_true(before.nodes - after.nodes <= steps); /* a node is a step at least */
        slices += after.nodes != before.nodes || after.pending != before.pending;
        before = after;
        if (upkeep == STORE_UPKEEP_NONE)
            return slices;
        if (upkeep == STORE_UPKEEP_LATER)
            (void)nanosleep(&pause, NULL);
    }
}

static void put_shape(uint32_t shape, uint32_t i)
{
    char key[256];
    int len = 0;
    switch (shape) {
    case 0: /* wide */
        len = snprintf(key, sizeof key, "/a/%u", i);
        break;
    case 1: /* a tree */
        len = snprintf(key, sizeof key, "/a/%u/%u/%u", i % 7, i % 49, i);
        break;
    case 2: /* each with one below it */
        len = snprintf(key, sizeof key, "/a/%u%s", i / 2, i % 2 != 0 ? "/" : "");
        break;
    default: /* deep: every key is the next one's parent */
        len = snprintf(key, sizeof key, "/a");
        for (uint32_t k = 0; k < i % 100; k++)
            len += snprintf(key + len, sizeof key - (size_t)len, "/%u", i / 100 % 10);
        break;
    }
    assert_int_equal(rig_put_with(&rig, cdx_bytes_of(key, (size_t)len), CDX_STR("v"), NULL),
                     STORE_OK);
}

static void a_drop_is_paid_in_slices(void **state)
{
    (void)state;
    const uint32_t count = 4000;
    for (uint32_t shape = 0; shape < 4; shape++) {
        for (uint32_t i = 0; i < count; i++)
            put_shape(shape, i);
        rig_settle(&rig, 0);
        uint64_t keys = rig_stats(&rig).keys;
        uint64_t nodes = rig_stats(&rig).nodes;
        uint64_t units = rig.store->arena.live_units;
        assert_int_equal(rig_drop(&rig, "/a"), keys);
        /* Nobody sees them, none of them is gone: the writer paid a slice at most. */
        assert_int_equal(rig_count(&rig, ""), 0);
        assert_int_equal(rig_rows(&rig, NULL, ""), 0);
        assert_true(nodes - rig_stats(&rig).nodes <= 64);
        uint64_t slices = slices_to_rest(STEPS);
        assert_true(slices >= nodes / STEPS / 10);
        struct store_stats stats = rig_stats(&rig);
        assert_int_equal(stats.nodes, 0);
        assert_int_equal(stats.pending, 0);
        assert_int_equal(stats.key_nbytes, 0);
        assert_int_equal(stats.value_nbytes, 0);
        assert_true(rig.store->arena.live_units < units / 100);
        rig_check(&rig);
    }
}

static void the_place_of_a_drop_is_used_while_it_is_paid(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3000; i++)
        put_shape(1, i);
    rig_settle(&rig, 0);
    assert_int_equal(rig_drop(&rig, "/a"), 3000);
    for (uint32_t i = 0; i < 300; i++) {
        put_shape(1, i * 10);
        (void)store_maintain(rig.store, 0, 5);
        if (i % 50 == 0) {
            rig_check(&rig);
            assert_int_equal(rig_rows(&rig, NULL, "/a"), i + 1);
        }
    }
    assert_int_equal(rig_drop(&rig, "/a"), 300); /* before the first is paid */
    put_shape(1, 5);
    (void)slices_to_rest(STEPS);
    assert_int_equal(rig_stats(&rig).keys, 1);
    assert_int_equal(rig_rows(&rig, NULL, ""), 1);
    rig_check(&rig);
}

static void nothing_is_taken_apart_that_a_snapshot_shows(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 500; i++)
        put_shape(1, i);
    rig_settle(&rig, 0);
    uint64_t nodes = rig_stats(&rig).nodes;
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    assert_int_equal(rig_drop(&rig, "/a"), 500);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_not_equal(store_maintain(rig.store, 0, 1000), STORE_UPKEEP_NONE);
    assert_int_equal(rig_stats(&rig).nodes, nodes);
    assert_int_equal(rig_rows(&rig, snapshot, ""), 500);
    store_snapshot_close(rig.store, snapshot);
    (void)slices_to_rest(STEPS);
    assert_int_equal(rig_stats(&rig).nodes, 0);
}

/* Without any call of store_maintain() writes clean up behind themselves. */
static void writes_pay_for_what_they_leave(void **state)
{
    (void)state;
    const struct timespec pause = {.tv_nsec = 1000000};
    for (uint32_t i = 0; i < 100; i++)
        put_shape(0, i);
    for (uint32_t i = 0; i < 20000; i++) {
        put_shape(0, i % 100);
        if (i % 1000 == 0)
            (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(rig_stats(&rig).keys, 100);
    /* A record of each write would be more than a megabyte. */
    rig_settle(&rig, 0);
    assert_true(rig.store->arena.live_units * STORE_UNIT_NBYTES < 32 << 10);
    assert_int_equal(rig_stats(&rig).pending, 0);
}

/* Entries of a write that was undone do not keep upkeep from coming to rest. */
static void what_was_undone_leaves_nothing_to_wait_for(void **state)
{
    (void)state;
    static const uint64_t wrong = 77;
    size_t failed;
    uint64_t revision;
    rig_put(&rig, "/a");
    rig_put(&rig, "/a/b");
    rig_settle(&rig, 0);
    const struct store_op ops[] = {
        {.kind = STORE_OP_PUT, .key = CDX_STR("/a"), .value = CDX_STR("other")},
        {.kind = STORE_OP_DELETE, .key = CDX_STR("/a/b")},
        {.kind = STORE_OP_PUT, .key = CDX_STR("/x"), .options.expected = &wrong},
    };
    store_write_begin(rig.store);
    assert_int_equal(store_batch(rig.store, ops, 3, &failed, &revision), STORE_CONFLICT);
    store_write_end(rig.store);
    rig_settle(&rig, 0); /* it once never came to rest without another write */
    assert_int_equal(rig_stats(&rig).pending, 0);
    assert_true(rig_has(&rig, NULL, "/a/b"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_drop_is_paid_in_slices),
        TEST(the_place_of_a_drop_is_used_while_it_is_paid),
        TEST(nothing_is_taken_apart_that_a_snapshot_shows),
        TEST(writes_pay_for_what_they_leave),
        TEST(what_was_undone_leaves_nothing_to_wait_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
