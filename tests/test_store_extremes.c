/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of keys made to hurt: deep, wide, long, alike. What the store answers is
 * arithmetic here; that no operation takes unbounded time is shown by counts of
 * allocations, nodes and slices of upkeep, not by a clock.
 */
#include "heap_fail.h"
#include "store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDE 200000u
#define DEEP 2048u
#define FLOOD 20000u
#define STEPS_PER_SLICE 256u
/* A node is taken apart in few steps: visited, its versions, its own. */
#define STEPS_PER_NODE 8u
/* Memory comes in big pieces: far fewer than one for each key. */
#define KEYS_PER_BLOCK_MIN 16u

struct rig {
    struct store *store;
    struct store_reader *reader;
};

static void rig_open(struct rig *rig)
{
    const struct store_config config = {.hash_seed = 1};
    heap_fail_install();
    assert_int_equal(store_open(&config, &rig->store), STORE_OK);
    assert_int_equal(store_reader_open(rig->store, &rig->reader), STORE_OK);
}

static struct store_stats stats_of(struct rig *rig)
{
    struct store_stats stats;
    store_read_begin(rig->reader);
    store_read_stats(rig->reader, &stats);
    store_read_end(rig->reader);
    return stats;
}

static void rig_close(struct rig *rig)
{
    const char *broken = store_check(rig->store);
    if (broken != NULL)
        fail_msg("%s", broken);
    store_reader_close(rig->reader);
    store_close(rig->store);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void put(struct rig *rig, struct cdx_bytes key)
{
    uint64_t revision;
    store_write_begin(rig->store);
    assert_int_equal(store_put(rig->store, key, CDX_STR("v"), NULL, &revision), STORE_OK);
    store_write_end(rig->store);
}

static uint64_t count(struct rig *rig, struct cdx_bytes key)
{
    store_read_begin(rig->reader);
    uint64_t keys = store_count(rig->reader, key);
    store_read_end(rig->reader);
    return keys;
}

/* Lists all in path order; the last key must be greater than the one before it. */
static uint64_t list_length(struct rig *rig, struct cdx_bytes key)
{
    static uint8_t before[STORE_KEY_NBYTES_MAX];
    struct store_cursor cursor;
    struct store_entry entry;
    uint64_t length = 0;
    size_t before_nbytes = 0;
    store_read_begin(rig->reader);
    store_list(rig->reader, key, cdx_empty(), &cursor);
    while (store_next(&cursor, &entry) == STORE_OK) {
        assert_true(length == 0 ||
                    !cdx_bytes_equal(entry.key, cdx_bytes_of(before, before_nbytes)));
        memcpy(before, entry.key.data, entry.key.len);
        before_nbytes = entry.key.len;
        length++;
    }
    store_read_end(rig->reader);
    return length;
}

static bool finds(struct rig *rig, struct cdx_bytes path, struct cdx_bytes key)
{
    struct store_entry entry;
    store_read_begin(rig->reader);
    bool found = store_match(rig->reader, path, NULL, &entry) == STORE_OK;
    bool right = found && cdx_bytes_equal(entry.key, key);
    store_read_end(rig->reader);
    return right;
}

/*
 * Drops everything: one step for readers and without an allocation for each key, whatever
 * its size; then what is left is freed in a bounded number of slices of work.
 */
static void drop_all(struct rig *rig, struct cdx_bytes key, uint64_t expected)
{
    struct store_stats before = stats_of(rig);
    size_t blocks = heap_fail_blocks();
    uint64_t keys;
    uint64_t revision;
    store_write_begin(rig->store);
    assert_int_equal(store_drop(rig->store, key, &keys, &revision), STORE_OK);
    store_write_end(rig->store);
    assert_int_equal(keys, expected);
    assert_true(heap_fail_blocks() <= blocks + KEYS_PER_BLOCK_MIN);
    assert_int_equal(count(rig, key), 0);
    assert_int_equal(list_length(rig, key), 0);
    uint64_t slices = 0;
    for (enum store_upkeep upkeep = STORE_UPKEEP_LATER; upkeep != STORE_UPKEEP_NONE;) {
        upkeep = store_maintain(rig->store, 0, STEPS_PER_SLICE);
        slices += upkeep == STORE_UPKEEP_NOW;
    }
    assert_true(slices <= before.nodes * STEPS_PER_NODE / STEPS_PER_SLICE + 64);
    assert_int_equal(stats_of(rig).keys, 0);
    assert_int_equal(stats_of(rig).key_nbytes, 0);
    assert_int_equal(stats_of(rig).value_nbytes, 0);
}

/* ---- wide ---- */

enum order { ORDER_UP, ORDER_DOWN, ORDER_MIXED };

static uint32_t in_order(enum order order, uint32_t i)
{
    switch (order) {
    case ORDER_UP:
        return i;
    case ORDER_DOWN:
        return WIDE - 1 - i;
    default:
        return (uint32_t)((uint64_t)i * 7919 % WIDE); /* a prime: each number once */
    }
}

static struct cdx_bytes wide_key(uint32_t i, char *room, size_t nbytes)
{
    return cdx_bytes_of(room, (size_t)snprintf(room, nbytes, "/wide/%06u", i));
}

static void many_children_of_one_node_in_any_order(void **state)
{
    (void)state;
    for (enum order order = ORDER_UP; order <= ORDER_MIXED; order++) {
        struct rig rig;
        char room[32];
        rig_open(&rig);
        size_t blocks = heap_fail_blocks();
        for (uint32_t i = 0; i < WIDE; i++)
            put(&rig, wide_key(in_order(order, i), room, sizeof room));
        assert_true(heap_fail_blocks() - blocks < WIDE / KEYS_PER_BLOCK_MIN);
        assert_true(stats_of(&rig).nodes <= WIDE + 8);
        assert_int_equal(count(&rig, CDX_STR("/wide")), WIDE);
        assert_int_equal(list_length(&rig, CDX_STR("/wide")), WIDE);
        for (uint32_t i = 0; i < WIDE; i += 997)
            assert_true(finds(&rig, wide_key(i, room, sizeof room), cdx_cstr(room)));
        drop_all(&rig, CDX_STR("/wide"), WIDE);
        rig_close(&rig);
    }
}

/* ---- deep ---- */

/* Every prefix of the deepest key is stored. */
static void as_many_segments_as_a_key_can_have(void **state)
{
    (void)state;
    struct rig rig;
    char path[2 * DEEP];
    rig_open(&rig);
    for (uint32_t i = 0; i < DEEP; i++)
        memcpy(path + (size_t)2 * i, "/a", 2);
    for (uint32_t i = 1; i <= DEEP; i++)
        put(&rig, cdx_bytes_of(path, (size_t)2 * i));
    assert_int_equal(count(&rig, CDX_STR("/a")), DEEP);
    assert_int_equal(list_length(&rig, cdx_empty()), DEEP);
    for (uint32_t i = 1; i <= DEEP; i += 31)
        assert_int_equal(count(&rig, cdx_bytes_of(path, (size_t)2 * i)), DEEP - i + 1);
    struct store_cursor cursor;
    struct store_entry entry;
    uint32_t answers = 0;
    store_read_begin(rig.reader);
    store_match_all(rig.reader, cdx_bytes_of(path, sizeof path), &cursor);
    while (store_next(&cursor, &entry) == STORE_OK)
        assert_int_equal(entry.key.len, 2 * ++answers);
    store_read_end(rig.reader);
    assert_int_equal(answers, DEEP);
    /* Without its deepest half, the path finds what is left. */
    uint64_t keys;
    uint64_t revision;
    store_write_begin(rig.store);
    assert_int_equal(store_drop(rig.store, cdx_bytes_of(path, DEEP), &keys, &revision), STORE_OK);
    store_write_end(rig.store);
    assert_int_equal(keys, DEEP / 2 + 1);
    assert_true(finds(&rig, cdx_bytes_of(path, sizeof path), cdx_bytes_of(path, DEEP - 2)));
    drop_all(&rig, CDX_STR("/a"), DEEP / 2 - 1);
    rig_close(&rig);
}

/* ---- long and alike ---- */

/* Longest keys that differ in their last bytes only, of one segment and of many. */
static void long_keys_with_a_common_beginning(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"aaaaaaaaaaaaaaaa", "/b/cc//d/eeeeeee"};
    for (size_t b = 0; b < sizeof beginnings / sizeof beginnings[0]; b++) {
        struct rig rig;
        static char key[STORE_KEY_NBYTES_MAX + 1];
        rig_open(&rig);
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = i == 0 ? '/' : beginnings[b][i % 16];
        for (uint32_t i = 0; i < 2000; i++) {
            (void)snprintf(key + STORE_KEY_NBYTES_MAX - 5, 6, "x%04u", i);
            put(&rig, cdx_bytes_of(key, STORE_KEY_NBYTES_MAX));
        }
        assert_int_equal(count(&rig, CDX_STR("/")), 2000);
        assert_int_equal(list_length(&rig, CDX_STR("/")), 2000);
        for (uint32_t i = 0; i < 2000; i += 37) {
            (void)snprintf(key + STORE_KEY_NBYTES_MAX - 5, 6, "x%04u", i);
            struct cdx_bytes whole = cdx_bytes_of(key, STORE_KEY_NBYTES_MAX);
            assert_true(finds(&rig, whole, whole));
            assert_false(finds(&rig, cdx_bytes_of(key, STORE_KEY_NBYTES_MAX - 1), whole));
        }
        drop_all(&rig, cdx_empty(), 2000);
        rig_close(&rig);
    }
}

/* Keys that are prefixes of each other byte by byte, but none the other's ancestor. */
static void a_flood_of_similar_keys(void **state)
{
    (void)state;
    struct rig rig;
    char room[64];
    rig_open(&rig);
    for (uint32_t i = 0; i < FLOOD; i++) {
        int len = snprintf(room, sizeof room, "/%.*s%u", (int)(i % 40),
                           "0000000000000000000000000000000000000000", i);
        put(&rig, cdx_bytes_of(room, (size_t)len));
    }
    uint64_t keys = stats_of(&rig).keys;
    assert_true(keys > FLOOD / 2 && keys <= FLOOD);
    assert_int_equal(list_length(&rig, CDX_STR("/")), keys);
    assert_true(stats_of(&rig).nodes <= keys + 8);
    /* One by one, each once. */
    for (uint32_t i = 0; i < FLOOD; i += 2) {
        uint64_t revision;
        int len = snprintf(room, sizeof room, "/%.*s%u", (int)(i % 40),
                           "0000000000000000000000000000000000000000", i);
        store_write_begin(rig.store);
        keys -= store_delete(rig.store, cdx_bytes_of(room, (size_t)len), &revision) == STORE_OK;
        assert_int_equal(store_delete(rig.store, cdx_bytes_of(room, (size_t)len), &revision),
                         STORE_NOT_FOUND);
        store_write_end(rig.store);
    }
    assert_int_equal(count(&rig, CDX_STR("/")), keys);
    assert_int_equal(list_length(&rig, CDX_STR("/")), keys);
    drop_all(&rig, CDX_STR("/"), keys);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_children_of_one_node_in_any_order),
        cmocka_unit_test(as_many_segments_as_a_key_can_have),
        cmocka_unit_test(long_keys_with_a_common_beginning),
        cmocka_unit_test(a_flood_of_similar_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
