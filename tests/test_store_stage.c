/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: subtrees that are filled unseen and replace others at once. */
#include "heap_fail.h"
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static uint8_t long_key[STORE_KEY_NBYTES_MAX + 1];
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
    heap_fail_above(0);
    rig_settle(&rig, 0);
    rig_close(&rig);
    return 0;
}

static enum store_status stage_open(const char *key, uint32_t *stage)
{
    store_write_begin(rig.store);
    enum store_status status = store_stage_open(rig.store, cdx_cstr(key), stage);
    store_write_end(rig.store);
    return status;
}

static enum store_status stage_put(uint32_t stage, const char *key)
{
    uint64_t revision;
    store_write_begin(rig.store);
    enum store_status status =
        store_stage_put(rig.store, stage, cdx_cstr(key), CDX_STR("staged"), NULL, &revision);
    store_write_end(rig.store);
    return status;
}

static enum store_status stage_drop(uint32_t stage)
{
    store_write_begin(rig.store);
    enum store_status status = store_stage_drop(rig.store, stage);
    store_write_end(rig.store);
    return status;
}

static enum store_status stage_swap(uint32_t stage, uint64_t *added, uint64_t *removed)
{
    uint64_t revision;
    store_write_begin(rig.store);
    enum store_status status = store_stage_swap(rig.store, stage, added, removed, &revision);
    store_write_end(rig.store);
    return status;
}

static void put_words(const char *words)
{
    char key[64];
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        (void)snprintf(key, sizeof key, "%.*s", (int)len, *words == '-' ? "" : words);
        if (*words == '-')
            key[0] = '\0';
        rig_put(&rig, key);
        words += len + (words[len] == ' ');
    }
}

static void stages_that_overlap_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        const char *second;
        enum store_status status;
    } cases[] = {
        {"/a", "/a", STORE_BUSY},   {"/a", "/a/b", STORE_BUSY},  {"/a/b", "/a", STORE_BUSY},
        {"/a", "/ab", STORE_OK},    {"/a/b", "/a/c", STORE_OK},  {"", "/a", STORE_BUSY},
        {"/a", "", STORE_BUSY},     {"", "a", STORE_BUSY},       {"", "", STORE_BUSY},
        {"a", "/a", STORE_OK},      {"a", "a/b", STORE_BUSY},    {"/a", "/a/", STORE_OUTSIDE},
        {"/b", "/", STORE_OUTSIDE}, {"/a", "b/", STORE_OUTSIDE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t first;
        uint32_t second = 0;
        assert_int_equal(stage_open(cases[i].first, &first), STORE_OK);
        assert_int_not_equal(first, 0);
        assert_int_equal(stage_open(cases[i].second, &second), cases[i].status);
        assert_int_equal(second != 0, cases[i].status == STORE_OK);
        rig_check(&rig);
        assert_int_equal(stage_drop(first), STORE_OK);
        assert_int_equal(stage_drop(first), STORE_NOT_FOUND);
        if (second != 0)
            assert_int_equal(stage_drop(second), STORE_OK);
    }
    uint32_t stage = 0;
    store_write_begin(rig.store);
    assert_int_equal(store_stage_open(rig.store, cdx_bytes_of(long_key, sizeof long_key), &stage),
                     STORE_TOO_LONG);
    store_write_end(rig.store);
    assert_int_equal(stage, 0);
}

static void only_so_many_are_open(void **state)
{
    (void)state;
    uint32_t stages[STORE_STAGES_MAX];
    uint32_t other = 0;
    char key[16];
    rig.store->stage_last = UINT32_MAX - 3; /* numbers go round, and leave out 0 */
    for (uint32_t i = 0; i < STORE_STAGES_MAX; i++) {
        (void)snprintf(key, sizeof key, "/%u", i);
        assert_int_equal(stage_open(key, &stages[i]), STORE_OK);
        assert_int_not_equal(stages[i], 0);
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(stages[k], stages[i]);
    }
    assert_int_equal(stage_open("/x", &other), STORE_BUSY);
    assert_int_equal(stage_drop(stages[5]), STORE_OK);
    assert_int_equal(stage_open("/x", &other), STORE_OK);
    assert_int_equal(stage_drop(other), STORE_OK);
    for (uint32_t i = 0; i < STORE_STAGES_MAX; i++)
        assert_int_equal(stage_drop(stages[i]), i == 5 ? STORE_NOT_FOUND : STORE_OK);
}

static void a_stage_takes_keys_of_its_subtree(void **state)
{
    (void)state;
    static const struct {
        const char *top;
        const char *key;
        enum store_status status;
    } cases[] = {
        {"/a", "/a", STORE_OK},       {"/a", "/a/", STORE_OK},      {"/a", "/a/b/c", STORE_OK},
        {"/a", "/ab", STORE_OUTSIDE}, {"/a", "/", STORE_OUTSIDE},   {"/a", "", STORE_OUTSIDE},
        {"a", "a/b", STORE_OK},       {"a", "/a/b", STORE_OUTSIDE}, {"", "", STORE_OK},
        {"", "/x", STORE_OK},         {"", "x/y", STORE_OK},
    };
    uint64_t revision = 99;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t stage;
        assert_int_equal(stage_open(cases[i].top, &stage), STORE_OK);
        assert_int_equal(stage_put(stage, cases[i].key), cases[i].status);
        assert_int_equal(stage_put(stage + 1, cases[i].key), STORE_NOT_FOUND);
        assert_int_equal(stage_put(0, cases[i].key), STORE_NOT_FOUND);
        store_write_begin(rig.store);
        assert_int_equal(store_stage_put(rig.store, stage, cdx_bytes_of(long_key, sizeof long_key),
                                         cdx_empty(), NULL, &revision),
                         STORE_TOO_LONG);
        store_write_end(rig.store);
        /* Nobody sees it. */
        assert_false(rig_has(&rig, NULL, cases[i].key));
        assert_int_equal(rig_rows(&rig, NULL, ""), 0);
        assert_int_equal(rig_count(&rig, ""), 0);
        rig_check(&rig);
        assert_int_equal(stage_drop(stage), STORE_OK);
    }
    assert_int_equal(revision, 99);
}

static void a_swap_replaces_the_subtree_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *stored;
        const char *top;
        const char *staged[3];
        uint64_t added;
        uint64_t removed;
        uint64_t keys; /* afterwards */
        const char *gone;
    } cases[] = {
        {"", "/a", {"/a/b"}, 1, 0, 1, NULL},
        {"", "/a", {NULL}, 0, 0, 0, NULL},
        {"/a/x /a/y", "/a", {"/a/b"}, 1, 2, 1, "/a/x"},
        {"/a/x /a/y", "/a", {NULL}, 0, 2, 0, "/a/y"},
        {"/a /a/ /a/x /ab", "/a", {"/a", "/a/x"}, 2, 3, 3, "/a/"},
        {"/a/b/c/d /a/b/x", "/a/b", {"/a/b", "/a/b/", "/a/b/q"}, 3, 2, 3, "/a/b/c/d"},
        {"/a/b/c/d", "/a/b", {"/a/b/c/e"}, 1, 1, 1, "/a/b/c/d"}, /* inside a leaf */
        {"/a/b/c/d", "/a/b/c/d", {"/a/b/c/d/e"}, 1, 1, 1, "/a/b/c/d"},
        {"/a/b/c/d", "/a/b/c/d/e/f", {"/a/b/c/d/e/f"}, 1, 0, 2, NULL}, /* below one */
        {"/a/b", "/c", {"/c", "/c/d"}, 2, 0, 3, NULL},
        {"a a/b /a", "a", {"a/x"}, 1, 2, 2, "a/b"},
        {"- / /a b/c", "", {"", "/x", "y"}, 3, 4, 3, "b/c"},
        {"- / /a b/c", "", {NULL}, 0, 4, 0, "/"},
        {"", "", {"y"}, 1, 0, 1, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t stage;
        uint64_t added = 99;
        uint64_t removed = 99;
        put_words(cases[i].stored);
        uint64_t before = rig_count(&rig, "");
        assert_int_equal(stage_open(cases[i].top, &stage), STORE_OK);
        for (size_t k = 0; k < 3 && cases[i].staged[k] != NULL; k++)
            assert_int_equal(stage_put(stage, cases[i].staged[k]), STORE_OK);
        assert_int_equal(rig_rows(&rig, NULL, ""), before);
        struct store_snapshot *snapshot = rig_snapshot(&rig);
        uint64_t revision = rig_stats(&rig).revision;
        assert_int_equal(stage_swap(stage, &added, &removed), STORE_OK);
        assert_int_equal(rig_stats(&rig).revision, revision + 1);
        assert_int_equal(added, cases[i].added);
        assert_int_equal(removed, cases[i].removed);
        assert_int_equal(rig_count(&rig, ""), cases[i].keys);
        assert_int_equal(rig_count(&rig, cases[i].top), added);
        assert_int_equal(rig_rows(&rig, NULL, ""), cases[i].keys);
        assert_int_equal(rig_rows(&rig, NULL, cases[i].top), added);
        for (size_t k = 0; k < 3 && cases[i].staged[k] != NULL; k++)
            assert_true(rig_has(&rig, NULL, cases[i].staged[k]));
        /* The snapshot has what there was, and nothing of the stage. */
        assert_int_equal(rig_rows(&rig, snapshot, ""), before);
        if (cases[i].gone != NULL) {
            assert_false(rig_has(&rig, NULL, cases[i].gone));
            assert_true(rig_has(&rig, snapshot, cases[i].gone));
        }
        rig_check(&rig);
        store_snapshot_close(rig.store, snapshot);
        assert_int_equal(stage_swap(stage, &added, &removed), STORE_NOT_FOUND);
        rig_settle(&rig, 0);
        rig_check(&rig);
        (void)rig_drop(&rig, "");
        rig_settle(&rig, 0);
        assert_int_equal(rig_stats(&rig).nodes, 0);
    }
}

/* The subtree changes while the stage is filled: the swap takes away what is there then. */
static void the_store_changes_beside_a_stage(void **state)
{
    (void)state;
    uint32_t stage;
    uint64_t added;
    uint64_t removed;
    put_words("/a/x /a/y/z");
    assert_int_equal(stage_open("/a", &stage), STORE_OK);
    assert_int_equal(stage_put(stage, "/a/x"), STORE_OK);
    assert_int_equal(stage_put(stage, "/a/x"), STORE_OK);
    put_words("/a /a/x/1 /a/x");
    assert_int_equal(rig_delete(&rig, "/a/y/z"), STORE_OK);
    assert_int_equal(rig_drop(&rig, "/a/x"), 2);
    put_words("/a/w");
    rig_settle(&rig, 0);
    rig_check(&rig);
    assert_int_equal(rig_rows(&rig, NULL, ""), 2);
    assert_int_equal(stage_swap(stage, &added, &removed), STORE_OK);
    assert_int_equal(added, 1);
    assert_int_equal(removed, 2);
    assert_int_equal(rig_rows(&rig, NULL, ""), 1);
    /* Swapped in, it is a subtree like any other. */
    put_words("/a/x /a/z");
    assert_int_equal(rig_delete(&rig, "/a/x"), STORE_OK);
    assert_int_equal(rig_drop(&rig, "/a"), 1);
}

static void a_large_stage_is_thrown_away_in_slices(void **state)
{
    (void)state;
    uint32_t stage;
    char key[32];
    assert_int_equal(stage_open("/a", &stage), STORE_OK);
    for (uint32_t i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof key, "/a/%u/%u", i % 50, i);
        assert_int_equal(stage_put(stage, key), STORE_OK);
    }
    uint64_t nodes = rig_stats(&rig).nodes;
    assert_true(nodes >= 5000);
    /* Queues may be without room: then upkeep puts it there. */
    for (uint32_t i = 0; i < 2000; i++)
        rig_put(&rig, "/b");
    heap_fail_at(1, 1);
    assert_int_equal(stage_drop(stage), STORE_OK);
    heap_fail_at(0, 0);
    assert_int_equal(rig_rows(&rig, NULL, ""), 1);
    rig_settle(&rig, 0);
    assert_int_equal(rig_stats(&rig).nodes, 1);
    rig_check(&rig);
    assert_int_equal(stage_open("/a", &stage), STORE_OK);
    assert_int_equal(stage_drop(stage), STORE_OK);
}

/* ---- without memory ---- */

static struct rig_hunger hunger;

static void a_stage_without_memory_is_as_it_was(void **state)
{
    (void)state;
    static const char *const stored[] = {"", "/a", "/a/b/c/d", "/a/x /a/b /a/b/c"};
    static const char *const tops[] = {"/a", "/a/b", ""};
    for (size_t c = 0; c < 12; c++) {
        const char *top = tops[c % 3];
        uint32_t stage = 0;
        uint64_t counts[2];
        char key[32];
        enum store_status status = STORE_NO_MEMORY;
        uint32_t failures = 0;
        (void)rig_drop(&rig, "");
        rig_settle(&rig, 0);
        put_words(stored[c / 3]);
        uint64_t rows = rig_rows(&rig, NULL, "");
        for (size_t n = 1; status != STORE_OK; n++) {
            heap_fail_at(n, 0);
            status = stage_open(top, &stage);
            heap_fail_at(0, 0);
            rig_check(&rig);
            assert_true(status == STORE_OK || (status == STORE_NO_MEMORY && stage == 0));
        }
        (void)snprintf(key, sizeof key, "%s/p/q", top);
        status = STORE_NO_MEMORY;
        for (uint32_t units = 0; status != STORE_OK; units += 2, failures++) {
            rig_starve(&rig, &hunger, units, units / 4);
            status = stage_put(stage, key);
            rig_feed(&hunger);
            assert_true(status == STORE_OK || status == STORE_NO_MEMORY);
            rig_check(&rig);
        }
        (void)snprintf(key, sizeof key, "%s/p/r/s", top);
        assert_int_equal(stage_put(stage, key), STORE_OK);
        status = STORE_NO_MEMORY;
        for (uint32_t units = 0; status != STORE_OK; units += 2, failures++) {
            rig_starve(&rig, &hunger, units, units / 4);
            status = stage_swap(stage, &counts[0], &counts[1]);
            rig_feed(&hunger);
            rig_check(&rig);
            if (status == STORE_OK)
                break;
            assert_int_equal(status, STORE_NO_MEMORY);
            assert_int_equal(rig_rows(&rig, NULL, ""), rows);
            assert_int_equal(rig_count(&rig, ""), rows);
        }
        assert_true(failures > 4);
        assert_int_equal(counts[0], 2);
        assert_int_equal(rig_rows(&rig, NULL, ""), rows + 2 - counts[1]);
        rig_check(&rig);
    }
}

/* A refused open leaves nothing behind, wherever in the arena memory ends. */
static void an_open_without_room_for_its_top_changes_nothing(void **state)
{
    (void)state;
    uint32_t stage = 0;
    enum store_status status = STORE_NO_MEMORY;
    uint32_t failures = 0;
    for (uint32_t units = 0; status != STORE_OK; units++, failures++) {
        rig_starve(&rig, &hunger, units, 0);
        status = stage_open("/abc/def", &stage);
        rig_feed(&hunger);
        rig_check(&rig);
    }
    assert_true(failures > 4);
    assert_int_equal(stage_drop(stage), STORE_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stages_that_overlap_are_refused),
        TEST(only_so_many_are_open),
        TEST(a_stage_takes_keys_of_its_subtree),
        TEST(a_swap_replaces_the_subtree_and_nothing_else),
        TEST(the_store_changes_beside_a_stage),
        TEST(a_large_stage_is_thrown_away_in_slices),
        TEST(a_stage_without_memory_is_as_it_was),
        TEST(an_open_without_room_for_its_top_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
