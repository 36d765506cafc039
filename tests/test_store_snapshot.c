/* SPDX-License-Identifier: Apache-2.0 */
/* Versions that are kept while everything changes. */
#include "heap_fail.h"
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define KEYS 600u

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
    heap_fail_at(0, 0);
    rig_close(&rig);
    return 0;
}

static void key_of(uint32_t i, char key[static 32])
{
    static const char *const before[] = {"/t/", "/t/a/", "/t/a/b/c/", "rel/", "/u/"};
    (void)snprintf(key, 32, "%s%u%s", before[i % 5], i, i % 5 == 4 ? "/x/y" : "");
}

static enum store_status put_value(uint32_t i, uint32_t version)
{
    char key[32];
    char value[800];
    key_of(i, key);
    int len = snprintf(value, sizeof value, "%u.%u", i, version);
    size_t nbytes = i % 7 == 0 ? sizeof value : (size_t)len; /* some on the heap */
    memset(value + len, '.', sizeof value - (size_t)len);
    return rig_put_with(&rig, cdx_cstr(key), cdx_bytes_of(value, nbytes), NULL);
}

/* A hash of all that a listing of a version returns. */
static uint64_t listing(const struct store_snapshot *snapshot, uint64_t *rows)
{
    struct store_cursor cursor;
    struct store_entry entry;
    uint64_t hash = 1469598103934665603u;
    store_read_begin_at(rig.reader, snapshot);
    store_list(rig.reader, cdx_empty(), cdx_empty(), &cursor);
    for (*rows = 0; store_next(&cursor, &entry) == STORE_OK; ++*rows) {
        for (size_t i = 0; i < entry.key.len; i++)
            hash = (hash ^ entry.key.data[i]) * 1099511628211u;
        for (size_t i = 0; i < entry.value.len; i++)
            hash = (hash ^ entry.value.data[i]) * 1099511628211u;
        hash = (hash ^ entry.revision) * 1099511628211u;
    }
    store_read_end(rig.reader);
    return hash;
}

static void swap_in(const char *top, const char *key)
{
    uint32_t stage;
    uint64_t counts[2];
    uint64_t revision;
    store_write_begin(rig.store);
    assert_int_equal(store_stage_open(rig.store, cdx_cstr(top), &stage), STORE_OK);
    assert_int_equal(
        store_stage_put(rig.store, stage, cdx_cstr(key), CDX_STR("s"), NULL, &revision), STORE_OK);
    assert_int_equal(store_stage_swap(rig.store, stage, &counts[0], &counts[1], &revision),
                     STORE_OK);
    store_write_end(rig.store);
}

/* One of the ways in which all that a snapshot shows may change. */
static void change(uint32_t turn)
{
    char key[32];
    switch (turn) {
    case 0:
        for (uint32_t i = 0; i < KEYS; i++)
            assert_int_equal(put_value(i, turn), STORE_OK);
        break;
    case 1:
        for (uint32_t i = 0; i < KEYS; i += 3) {
            key_of(i, key);
            assert_int_equal(rig_delete(&rig, key), STORE_OK);
        }
        break;
    case 2:
        assert_true(rig_drop(&rig, "/t/a") > 0);
        break;
    case 3:
        swap_in("/t", "/t/a/x");
        break;
    case 4:
        swap_in("/u", "/u");
        break;
    case 5:
        assert_true(rig_drop(&rig, "/") > 0);
        break;
    case 6:
        for (uint32_t i = 0; i < KEYS; i++)
            assert_int_equal(put_value(i, turn), STORE_OK);
        break;
    case 7:
        swap_in("", "/all/new");
        break;
    case 8:
        assert_true(rig_drop(&rig, "") > 0);
        break;
    default:
        for (uint32_t i = 0; i < KEYS; i += 2)
            assert_int_equal(put_value(i, turn), STORE_OK);
        break;
    }
}

#define TURNS 10u

static void every_snapshot_shows_its_version_while_everything_changes(void **state)
{
    (void)state;
    struct store_snapshot *snapshots[TURNS];
    uint64_t hashes[TURNS];
    uint64_t rows[TURNS];
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(put_value(i, 99), STORE_OK);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        snapshots[turn] = rig_snapshot(&rig);
        hashes[turn] = listing(snapshots[turn], &rows[turn]);
        change(turn);
        for (uint32_t i = 0; i < 20; i++)
            (void)store_maintain(rig.store, 0, 256);
        rig_check(&rig);
        for (uint32_t past = 0; past <= turn; past++) {
            uint64_t now;
            assert_int_equal(listing(snapshots[past], &now), hashes[past]);
            assert_int_equal(now, rows[past]);
        }
    }
    assert_int_equal(rows[0], KEYS);
    assert_int_equal(rig_stats(&rig).snapshots, TURNS);
    /* Closed in an order of their own, those that are left stay. */
    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t gone = i * 7 % TURNS;
        store_snapshot_close(rig.store, snapshots[gone]);
        snapshots[gone] = NULL;
        for (uint32_t k = 0; k < 20; k++)
            (void)store_maintain(rig.store, 0, 256);
        for (uint32_t past = 0; past < TURNS; past++) {
            uint64_t now;
            if (snapshots[past] != NULL)
                assert_int_equal(listing(snapshots[past], &now), hashes[past]);
        }
    }
    rig_settle(&rig, 0);
    assert_int_equal(rig_stats(&rig).pending, 0);
    assert_int_equal(rig_stats(&rig).snapshots, 0);
    assert_int_equal(rig_stats(&rig).keys, KEYS / 2);
}

static void only_so_many_are_open(void **state)
{
    (void)state;
    static struct store_snapshot *snapshots[STORE_SNAPSHOTS_MAX];
    struct store_snapshot *other = NULL;
    store_read_begin(rig.reader);
    heap_fail_at(1, 0);
    assert_int_equal(store_snapshot_open(rig.reader, &other), STORE_NO_MEMORY);
    heap_fail_at(0, 0);
    for (uint32_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        assert_int_equal(store_snapshot_open(rig.reader, &snapshots[i]), STORE_OK);
    assert_int_equal(store_snapshot_open(rig.reader, &other), STORE_BUSY);
    assert_null(other);
    store_read_end(rig.reader);
    store_snapshot_close(rig.store, snapshots[7]);
    store_snapshot_close(rig.store, NULL);
    snapshots[7] = rig_snapshot(&rig);
    for (uint32_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        store_snapshot_close(rig.store, snapshots[i]);
    assert_int_equal(rig_stats(&rig).snapshots, 0);
}

static void versions_of_one_key_go_when_nobody_needs_them(void **state)
{
    (void)state;
    enum { VERSIONS = 40 };
    struct store_snapshot *snapshots[VERSIONS];
    struct store_entry entry;
    for (uint32_t i = 0; i < VERSIONS; i++) {
        assert_int_equal(put_value(0, i), STORE_OK);
        snapshots[i] = rig_snapshot(&rig);
        if (i % 4 == 3)
            assert_int_equal(rig_delete(&rig, "/t/0"), STORE_OK);
    }
    for (uint32_t i = 0; i < VERSIONS; i++) {
        uint32_t at = (i * 17 + 5) % VERSIONS;
        char expected[8];
        int len = snprintf(expected, sizeof expected, "0.%u", at);
        store_read_begin_at(rig.reader, snapshots[at]);
        assert_int_equal(store_get(rig.reader, CDX_STR("/t/0"), NULL, &entry), STORE_OK);
        assert_memory_equal(entry.value.data, expected, (size_t)len);
        store_read_end(rig.reader);
        store_snapshot_close(rig.store, snapshots[at]);
        for (uint32_t k = 0; k < 5; k++)
            (void)store_maintain(rig.store, 0, 256);
    }
    rig_settle(&rig, 0);
    assert_int_equal(rig_stats(&rig).nodes, 0);
    assert_int_equal(rig_stats(&rig).pending, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_snapshot_shows_its_version_while_everything_changes),
        TEST(only_so_many_are_open),
        TEST(versions_of_one_key_go_when_nobody_needs_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
