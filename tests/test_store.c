/* SPDX-License-Identifier: Apache-2.0 */
/* Life cycle, configuration, sections, counters, clock. */
#include "heap_fail.h"
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static uint8_t long_key[STORE_KEY_NBYTES_MAX + 1];

static void opening_without_memory_holds_nothing(void **state)
{
    (void)state;
    heap_fail_install();
    struct store *store = NULL;
    size_t failures = 0;
    for (enum store_status status = STORE_NO_MEMORY; status != STORE_OK;) {
        heap_fail_at(failures + 1, 1);
        status = store_open(NULL, &store);
        heap_fail_at(0, 0);
        if (status == STORE_OK)
            break;
        assert_int_equal(status, STORE_NO_MEMORY);
        assert_null(store);
        assert_int_equal(heap_fail_blocks(), 0);
        assert_true(++failures < 100);
    }
    assert_true(failures >= 3); /* the store, what waits for readers, the first nodes */
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

static void the_configuration_is_copied(void **state)
{
    (void)state;
    char below[] = "/cache";
    struct store_config config = {.hash_seed = 5,
                                  .memory_max_nbytes = 1 << 20,
                                  .evict = true,
                                  .evict_below = CDX_STR("x"),
                                  .now_ms = 1234};
    struct store *unused = NULL;
    config.evict_below = cdx_bytes_of(long_key, sizeof long_key);
    assert_int_equal(store_open(&config, &unused), STORE_TOO_LONG);
    assert_null(unused);
    config.evict_below = cdx_bytes_of(below, sizeof below - 1);
    struct rig rig;
    rig_open(&rig, &config);
    memset(below, '?', sizeof below);
    config.memory_max_nbytes = 7;
    assert_int_equal(store_now(rig.store), 1234);
    assert_int_equal(rig_stats(&rig).memory_max_nbytes, 1 << 20);
    assert_int_equal(rig.store->evict_below_nbytes, 6);
    assert_memory_equal(rig.store->evict_below, "/cache", 6);
    assert_true(rig.store->evict);
    rig_close(&rig);
}

static void seeds_decide_where_keys_are(void **state)
{
    (void)state;
    static const struct {
        uint64_t a;
        uint64_t b;
        bool same;
    } cases[] = {{1, 1, true}, {1, 2, false}, {0, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t hash[2];
        for (size_t k = 0; k < 2; k++) {
            struct rig rig;
            rig_open(&rig, &(struct store_config){.hash_seed = k == 0 ? cases[i].a : cases[i].b});
            hash[k] = store_hash_of(&rig.store->keys, CDX_STR("/a/b"));
            rig_close(&rig);
        }
        assert_int_equal(hash[0] == hash[1], cases[i].same);
    }
}

static void readers_close_in_any_order(void **state)
{
    (void)state;
    static const uint8_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};
    struct rig rig;
    rig_open(&rig, NULL);
    for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        struct store_reader *readers[4];
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(store_reader_open(rig.store, &readers[i]), STORE_OK);
        for (size_t i = 0; i < 4; i++)
            store_reader_close(readers[orders[o][i]]);
    }
    assert_ptr_equal(rig.store->readers, rig.reader);
    rig_close(&rig);
}

/* ---- sections ---- */

static void writes_become_visible_together_at_their_end(void **state)
{
    (void)state;
    struct rig rig;
    struct store_entry entry;
    struct store_reader *other;
    uint64_t revision;
    rig_open(&rig, NULL);
    rig_put(&rig, "/old");
    assert_int_equal(store_reader_open(rig.store, &other), STORE_OK);
    store_write_begin(rig.store);
    assert_int_equal(store_put(rig.store, CDX_STR("/new"), CDX_STR("1"), NULL, &revision),
                     STORE_OK);
    assert_int_equal(store_delete(rig.store, CDX_STR("/old"), &revision), STORE_OK);
    assert_int_equal(store_peek(rig.store, CDX_STR("/new"), &entry), STORE_OK);
    assert_int_equal(entry.revision, 2);
    assert_int_equal(store_peek(rig.store, CDX_STR("/old"), &entry), STORE_NOT_FOUND);
    assert_int_equal(store_peek(rig.store, cdx_bytes_of(long_key, sizeof long_key), &entry),
                     STORE_NOT_FOUND);
    assert_int_equal(store_peek(rig.store, cdx_empty(), &entry), STORE_NOT_FOUND);
    store_read_begin(other);
    assert_int_equal(store_read_revision(other), 1);
    assert_int_equal(store_get(other, CDX_STR("/new"), NULL, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_get(other, CDX_STR("/old"), NULL, &entry), STORE_OK);
    store_write_end(rig.store);
    /* The section has the version that it began with. */
    assert_int_equal(store_read_revision(other), 1);
    assert_int_equal(store_get(other, CDX_STR("/new"), NULL, &entry), STORE_NOT_FOUND);
    assert_int_equal(store_get(other, CDX_STR("/old"), NULL, &entry), STORE_OK);
    store_read_end(other);
    store_read_begin(other);
    assert_int_equal(store_read_revision(other), 3);
    assert_int_equal(store_get(other, CDX_STR("/new"), NULL, &entry), STORE_OK);
    assert_int_equal(store_get(other, CDX_STR("/old"), NULL, &entry), STORE_NOT_FOUND);
    store_read_end(other);
    store_reader_close(other);
    rig_close(&rig);
}

/* ---- counters ---- */

static void an_empty_store_counts_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, NULL);
    struct store_stats stats = rig_stats(&rig);
    assert_true(stats.memory_nbytes > stats.used_nbytes && stats.used_nbytes > 0);
    const struct store_stats nothing = {.memory_nbytes = stats.memory_nbytes,
                                        .used_nbytes = stats.used_nbytes};
    assert_memory_equal(&stats, &nothing, sizeof stats);
    assert_int_equal(rig_count(&rig, ""), 0);
    assert_false(rig_has(&rig, NULL, ""));
    rig_close(&rig);
}

static void counters_follow_the_writes(void **state)
{
    (void)state;
    static const struct {
        const char *put;
        const char *deleted;
        uint64_t keys;
        uint64_t nodes; /* boundaries that are there */
        uint64_t nbytes;
    } steps[] = {
        {"/a/b", NULL, 1, 2, 4},    {"a", NULL, 2, 3, 5},     {"/a/b", NULL, 2, 3, 5},
        {"", NULL, 3, 3, 5},        {"/a", NULL, 4, 3, 7},    {"/a/", NULL, 5, 4, 10},
        {"/x/y/z", NULL, 6, 7, 16}, {NULL, "/a/b", 5, 6, 12}, {NULL, "/x/y/z", 4, 3, 6},
        {NULL, "", 3, 3, 6},        {NULL, "/a", 2, 3, 4},    {NULL, "/a/", 1, 1, 1},
        {NULL, "a", 0, 0, 0},
    };
    struct rig rig;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].put != NULL)
            rig_put(&rig, steps[i].put);
        else
            assert_int_equal(rig_delete(&rig, steps[i].deleted), STORE_OK);
        rig_settle(&rig, 0);
        struct store_stats stats = rig_stats(&rig);
        assert_int_equal(stats.keys, steps[i].keys);
        assert_int_equal(stats.nodes, steps[i].nodes);
        assert_int_equal(stats.key_nbytes, steps[i].nbytes);
        assert_int_equal(stats.value_nbytes, steps[i].nbytes); /* a key's value is the key */
        assert_int_equal(stats.revision, i + 1);
        assert_int_equal(stats.pending, 0);
        rig_check(&rig);
    }
    rig_close(&rig);
}

static void every_status_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = STORE_OK; a <= STORE_OUTSIDE; a++) {
        const char *text = store_status_text((enum store_status)a);
        assert_string_not_equal(text, "unknown status");
        for (int b = STORE_OK; b < a; b++)
            assert_string_not_equal(text, store_status_text((enum store_status)b));
    }
    assert_string_equal(store_status_text((enum store_status)(STORE_OUTSIDE + 1)),
                        "unknown status");
}

/* ---- upkeep ---- */

static void upkeep_says_when_to_come_again(void **state)
{
    (void)state;
    struct rig rig;
    char key[32];
    rig_open(&rig, NULL);
    assert_int_equal(store_maintain(rig.store, 1, 64), STORE_UPKEEP_NONE);
    for (uint32_t i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof key, "/a/%u", i);
        rig_put(&rig, key);
    }
    rig_settle(&rig, 1);
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    assert_int_equal(rig_drop(&rig, "/a"), 2000);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_not_equal(store_maintain(rig.store, 1, 64), STORE_UPKEEP_NONE);
    store_snapshot_close(rig.store, snapshot);
    uint32_t at_once = 0;
    for (enum store_upkeep upkeep = STORE_UPKEEP_LATER; upkeep != STORE_UPKEEP_NONE;) {
        upkeep = store_maintain(rig.store, 1, 64);
        at_once += upkeep == STORE_UPKEEP_NOW;
    }
    assert_true(at_once > 2000 / 64);
    assert_int_equal(rig_stats(&rig).pending, 0);
    /* While another writes, only the clock is set. */
    store_write_begin(rig.store);
    assert_int_equal(store_maintain(rig.store, 99, 64), STORE_UPKEEP_LATER);
    store_write_end(rig.store);
    assert_int_equal(store_now(rig.store), 99);
    rig_close(&rig);
}

static void a_store_closes_with_everything_under_way(void **state)
{
    (void)state;
    static uint8_t value[2000]; /* on the heap */
    const struct cdx_bytes large = cdx_bytes_of(value, sizeof value);
    struct rig rig;
    uint32_t stages[3];
    uint64_t ignored[3];
    rig_open(&rig, NULL);
    for (uint32_t i = 0; i < 40; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "/%s/%u/x/y", i % 2 != 0 ? "a" : "b", i);
        assert_int_equal(rig_put_with(&rig, cdx_bytes_of(key, (size_t)len), large, NULL), STORE_OK);
    }
    assert_int_equal(rig_put_with(&rig, cdx_empty(), large, NULL), STORE_OK);
    assert_int_equal(rig_put_with(&rig, cdx_empty(), large, NULL), STORE_OK);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/a/1"), large, NULL), STORE_OK);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/a/1"), large, NULL), STORE_OK);
    store_write_begin(rig.store);
    for (size_t i = 0; i < 3; i++) {
        const char *const tops[] = {"/s", "/t", "/a/3"};
        assert_int_equal(store_stage_open(rig.store, cdx_cstr(tops[i]), &stages[i]), STORE_OK);
        assert_int_equal(
            store_stage_put(rig.store, stages[i], cdx_cstr(tops[i]), large, NULL, ignored),
            STORE_OK);
    }
    assert_int_equal(store_stage_drop(rig.store, stages[1]), STORE_OK);
    assert_int_equal(store_stage_swap(rig.store, stages[2], &ignored[0], &ignored[1], &ignored[2]),
                     STORE_OK);
    assert_int_equal(store_drop(rig.store, CDX_STR("/b"), &ignored[0], &ignored[1]), STORE_OK);
    assert_int_equal(ignored[0], 20);
    assert_int_equal(store_drop(rig.store, cdx_empty(), &ignored[0], &ignored[1]), STORE_OK);
    store_write_end(rig.store);
    rig_close(&rig); /* one stage is open, one thrown away; two subtrees and a root dropped */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_without_memory_holds_nothing),
        cmocka_unit_test(the_configuration_is_copied),
        cmocka_unit_test(seeds_decide_where_keys_are),
        cmocka_unit_test(readers_close_in_any_order),
        cmocka_unit_test(writes_become_visible_together_at_their_end),
        cmocka_unit_test(an_empty_store_counts_nothing),
        cmocka_unit_test(counters_follow_the_writes),
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(upkeep_says_when_to_come_again),
        cmocka_unit_test(a_store_closes_with_everything_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
