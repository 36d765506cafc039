/* SPDX-License-Identifier: Apache-2.0 */
/* Memory goes back after heavy deletion, and nothing that is stored suffers from it. */
#include "heap_fail.h"
#include "store_compact.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#define KEYS 60000u
#define KEEP_EVERY 20u
#define VALUE_NBYTES 480u

static struct rig rig;

/* Keys of all shapes of node: wide, deep, with expiry, with their parents stored. */
static void key_of(uint32_t i, char key[static 64])
{
    static const char *const before[] = {"/wide/", "/tree/a/", "/tree/b/c/d/", "rel/", "/one/"};
    (void)snprintf(key, 64, "%s%u%s", before[i % 5], i, i % 5 == 4 ? "/x/y" : "");
}

static void put_number(uint32_t i)
{
    uint8_t value[VALUE_NBYTES];
    char key[64];
    const struct store_put_options options = {.expires_ms = i % 3 == 0 ? 1000 + i : 0, .mark = i};
    memset(value, (int)(i & 0xff), sizeof value);
    key_of(i, key);
    assert_int_equal(rig_put_with(&rig, cdx_cstr(key), cdx_bytes_of(value, sizeof value), &options),
                     STORE_OK);
}

static void check_number(uint32_t i)
{
    struct store_entry entry;
    char key[64];
    key_of(i, key);
    store_read_begin(rig.reader);
    assert_int_equal(store_get(rig.reader, cdx_cstr(key), NULL, &entry), STORE_OK);
    assert_int_equal(entry.mark, i);
    assert_int_equal(entry.expires_ms, i % 3 == 0 ? 1000 + i : 0);
    assert_int_equal(entry.value.len, VALUE_NBYTES);
    assert_int_equal(entry.value.data[0], i & 0xff);
    assert_int_equal(entry.value.data[VALUE_NBYTES - 1], i & 0xff);
    store_read_end(rig.reader);
}

static void fill_and_thin_out(void)
{
    char key[64];
    for (uint32_t i = 0; i < KEYS; i++)
        put_number(i);
    for (uint32_t i = 0; i < KEYS; i++) {
        key_of(i, key);
        if (i % KEEP_EVERY != 0 && i % KEEP_EVERY != 4)
            assert_int_equal(rig_delete(&rig, key), STORE_OK);
    }
}

static void check_what_is_left(void)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        if (i % KEEP_EVERY == 0 || i % KEEP_EVERY == 4)
            check_number(i);
    }
    assert_int_equal(rig_rows(&rig, NULL, ""), KEYS / KEEP_EVERY * 2);
    rig_check(&rig);
}

static void memory_goes_back_and_keys_stay(void **state)
{
    (void)state;
    rig_open(&rig, NULL);
    fill_and_thin_out();
    uint64_t full = rig_stats(&rig).memory_nbytes;
    for (uint32_t i = 0; i < 4; i++) {
        rig_settle(&rig, 0);
    }
    struct store_stats stats = rig_stats(&rig);
    assert_true(full > KEYS * VALUE_NBYTES);
    assert_true(stats.memory_nbytes < full / 2);
    check_what_is_left();
    /* What has an expiry has moved, and still ends at its time. */
    uint64_t expiring = stats.expiring;
    assert_true(expiring > 0);
    rig_settle(&rig, 1000 + KEYS);
    assert_int_equal(rig_stats(&rig).expired, expiring);
    rig_check(&rig);
    /* Everything is removed as usual. */
    (void)rig_drop(&rig, "");
    rig_settle(&rig, 1000 + KEYS);
    assert_int_equal(rig_stats(&rig).nodes, 0);
    rig_close(&rig);
}

static void a_compaction_works_in_slices_while_keys_change(void **state)
{
    (void)state;
    uint32_t slices = 0;
    char key[64];
    rig_open(&rig, NULL);
    fill_and_thin_out();
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    for (uint32_t i = 0; i < 20000 && slices < 500; i++) {
        if (store_maintain(rig.store, 0, 64) == STORE_UPKEEP_LATER)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        slices += rig.store->compaction.running;
        key_of(i * KEEP_EVERY % KEYS, key);
        if (i % 10 == 0) { /* away, and back as it was */
            assert_int_equal(rig_delete(&rig, key), STORE_OK);
            put_number(i * KEEP_EVERY % KEYS);
        }
        check_number(i * 7 * KEEP_EVERY % KEYS);
    }
    assert_true(slices > 10);
    assert_int_equal(rig_rows(&rig, snapshot, ""), KEYS / KEEP_EVERY * 2);
    rig_check(&rig);
    store_snapshot_close(rig.store, snapshot);
    rig_settle(&rig, 0);
    check_what_is_left();
    rig_close(&rig);
}

/* Without memory for what is moved it all stays where it is, and the compaction ends. */
static void a_compaction_without_memory_changes_nothing(void **state)
{
    (void)state;
    rig_open(&rig, NULL);
    fill_and_thin_out();
    heap_fail_above(32 << 10);
    rig_settle(&rig, 0);
    heap_fail_above(0);
    check_what_is_left();
    rig_close(&rig);
}

/* Stages and old versions keep their place; the rest moves. */
static void what_is_staged_or_old_stays(void **state)
{
    (void)state;
    uint32_t stage;
    uint64_t counts[2];
    uint64_t revision;
    char key[64];
    rig_open(&rig, NULL);
    store_write_begin(rig.store);
    assert_int_equal(store_stage_open(rig.store, CDX_STR("/s"), &stage), STORE_OK);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "/s/%u", i);
        assert_int_equal(
            store_stage_put(rig.store, stage, cdx_cstr(key), cdx_cstr(key), NULL, &revision),
            STORE_OK);
    }
    store_write_end(rig.store);
    fill_and_thin_out();
    rig_put(&rig, "/old");
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    rig_put(&rig, "/old");
    assert_int_equal(rig_delete(&rig, "/old"), STORE_OK);
    uint64_t full = rig_stats(&rig).memory_nbytes;
    for (uint32_t i = 0; i < 3000 && rig_stats(&rig).memory_nbytes > full / 2; i++) {
        if (i % 500 == 499) /* not as soon as so much was freed again */
            rig.store->compaction.freed_nbytes = STORE_COMPACT_NBYTES_MIN + 1;
        if (store_maintain(rig.store, 0, 4096) == STORE_UPKEEP_LATER)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    rig_check(&rig);
    assert_true(rig_has(&rig, snapshot, "/old"));
    assert_false(rig_has(&rig, NULL, "/old"));
    store_write_begin(rig.store);
    assert_int_equal(store_stage_swap(rig.store, stage, &counts[0], &counts[1], &revision),
                     STORE_OK);
    store_write_end(rig.store);
    assert_int_equal(counts[0], 100);
    assert_int_equal(rig_rows(&rig, NULL, "/s"), 100);
    store_snapshot_close(rig.store, snapshot);
    rig_settle(&rig, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_goes_back_and_keys_stay),
        cmocka_unit_test(a_compaction_works_in_slices_while_keys_change),
        cmocka_unit_test(a_compaction_without_memory_changes_nothing),
        cmocka_unit_test(what_is_staged_or_old_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
