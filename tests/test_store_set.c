/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of children alone, from none to a million. */
#include "heap_fail.h"
#include "store_rig.h"
#include "store_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct rig_memory memory;
static const struct store_set_env env = {&memory.arena, &memory.limbo};
static _Atomic uint32_t set;
static uint64_t leaf_units;

static int open_set(void **state)
{
    (void)state;
    rig_memory_open(&memory);
    set = 0;
    leaf_units = 0;
    return 0;
}

static int close_set(void **state)
{
    (void)state;
    rig_memory_close(&memory);
    return 0;
}

static store_ref leaf_new(struct cdx_bytes label)
{
    uint32_t head = store_head_of(STORE_LEAF, 0, label.len, 0);
    store_ref ref = store_arena_get(&memory.arena, store_head_units(head));
    assert_int_not_equal(ref, 0);
    struct store_leaf *leaf = store_leaf_of(store_node_at(&memory.arena, ref));
    atomic_init(&leaf->node.head, head);
    memcpy(leaf->text, label.data, label.len);
    leaf_units += store_head_units(head);
    return ref;
}

static store_ref leaf_of_number(uint32_t number)
{
    char text[16];
    int len = snprintf(text, sizeof text, "/%07u", number);
    return leaf_new(cdx_bytes_of(text, (size_t)len));
}

static struct cdx_bytes segment_of(store_ref leaf)
{
    return store_node_segment(store_node_at(&memory.arena, leaf));
}

/* The set's own check, and that its blocks and the leaves are all that there is. */
static void check_set(void)
{
    uint64_t units = leaf_units;
    const char *broken = store_set_check(&memory.arena, set, &units);
    if (broken != NULL)
        fail_msg("%s", broken);
    store_limbo_drain(&memory.limbo);
    assert_int_equal(memory.arena.live_units, units);
}

struct tally {
    uint32_t count;
    uint32_t stop_at; /* 0: never */
    uint64_t sum;
};

static bool tally_visit(void *arg, store_ref child)
{
    struct tally *tally = arg;
    tally->sum += child;
    return ++tally->count != tally->stop_at;
}

static uint32_t set_count(uint64_t *sum)
{
    struct tally tally = {0};
    assert_true(store_set_each(&memory.arena, set, tally_visit, &tally));
    *sum = tally.sum;
    return tally.count;
}

/* Whether the child is in the array that its segment belongs to. */
static bool is_in(store_ref child)
{
    store_ref upper;
    store_ref ref = store_set_seek(&memory.arena, set, segment_of(child), &upper);
    const struct store_array *array = ref != 0 ? store_array_at(&memory.arena, ref) : NULL;
    for (uint32_t i = 0; array != NULL && i < store_array_count(array); i++) {
        if (array->child[i] == child)
            return true;
    }
    return false;
}

static void add(store_ref child)
{
    assert_true(store_set_add(&env, &set, child));
}

/* ---- order ---- */

static void a_slash_is_below_every_other_byte(void **state)
{
    (void)state;
    static const char *const sorted[] = {"",    "/",  "/\x01", "/!",   "/a", "/a!",
                                         "/aa", "/b", "/\xff", "\x01", "!",  ".",
                                         "a",   "aa", "b",     "b/",   "ba", "\xff"};
    for (size_t i = 0; i < sizeof sorted / sizeof sorted[0]; i++) {
        for (size_t k = 0; k < sizeof sorted / sizeof sorted[0]; k++) {
            int order = store_segment_compare(cdx_cstr(sorted[i]), cdx_cstr(sorted[k]));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}

static int compare_segments(const void *a, const void *b)
{
    const store_ref *x = a;
    const store_ref *y = b;
    return store_segment_compare(segment_of(*x), segment_of(*y));
}

/* All children by groups, each sorted: as a walk has them. */
static void groups_come_in_order(void **state)
{
    (void)state;
    static const char firsts[] = "/0azAZ.~\xff!";
    uint64_t random = 4;
    for (uint32_t i = 0; i < 3000; i++) {
        char text[24];
        int len = snprintf(text, sizeof text, "%c%u", firsts[rig_random(&random) % 10], i);
        add(leaf_new(cdx_bytes_of(text, (size_t)len)));
    }
    check_set();
    struct cdx_bytes from = cdx_empty();
    store_ref upper;
    store_ref last = 0;
    uint32_t seen = 0;
    do {
        const struct store_array *array =
            store_array_at(&memory.arena, store_set_seek(&memory.arena, set, from, &upper));
        store_ref group[STORE_ARRAY_MAX];
        uint32_t count = store_array_count(array);
        assert_in_range(count, 1, STORE_ARRAY_MAX);
        for (uint32_t i = 0; i < count; i++)
            group[i] = array->child[i];
        qsort(group, count, sizeof group[0], compare_segments);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(last == 0 ||
                        store_segment_compare(segment_of(last), segment_of(group[i])) < 0);
            last = group[i];
            seen++;
        }
        from = upper != 0 ? store_bound_text(&memory.arena, upper) : from;
    } while (upper != 0);
    assert_int_equal(seen, 3000);
}

/* ---- fan-outs ---- */

enum order { ORDER_UP, ORDER_DOWN, ORDER_MIXED };

/* The i-th of `count` numbers in an order: 48271 is a prime above all but the million. */
static uint32_t in_order(enum order order, uint32_t i, uint32_t count)
{
    switch (order) {
    case ORDER_UP:
        return i;
    case ORDER_DOWN:
        return count - 1 - i;
    case ORDER_MIXED:
        return (uint32_t)((uint64_t)i * 1299709 % count);
    }
    return 0;
}

static void any_number_of_children_goes_in_and_out(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 8, 9, 63, 64, 65, 66, 128, 129, 4097, 20011};
    static store_ref refs[20011];
    for (size_t c = 0; c < 3 * sizeof counts / sizeof counts[0]; c++) {
        enum order order = (enum order)(c % 3);
        uint32_t count = counts[c / 3];
        uint64_t sum = 0;
        uint64_t seen;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t n = in_order(order, i, count);
            refs[n] = leaf_of_number(n);
            add(refs[n]);
            sum += refs[n];
        }
        check_set();
        assert_int_equal(set_count(&seen), count);
        assert_int_equal(seen, sum);
        for (uint32_t i = 0; i < count; i++)
            assert_true(is_in(refs[i]));
        /* Out again, in another order; halfway all that is left is still there. */
        for (uint32_t i = 0; i < count; i++) {
            uint32_t n = in_order((enum order)((c + 1) % 3), i, count);
            store_set_remove(&env, &set, refs[n]);
            if (i == count / 2) {
                check_set();
                assert_int_equal(set_count(&seen), count - i - 1);
                assert_false(is_in(refs[n]));
            }
        }
        assert_int_equal(set, 0);
        check_set();
    }
}

static void a_million_children(void **state)
{
    (void)state;
    const uint32_t count = 1000000;
    uint64_t seen;
    for (uint32_t i = 0; i < count; i++)
        add(leaf_of_number(in_order(ORDER_MIXED, i, count)));
    check_set();
    assert_int_equal(set_count(&seen), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_not_equal(store_set_pop(&env, &set), 0);
    assert_int_equal(store_set_pop(&env, &set), 0);
    assert_int_equal(set, 0);
    check_set();
}

static void a_set_that_lost_most_of_its_children_is_small(void **state)
{
    (void)state;
    enum { COUNT = 6400 };
    static store_ref refs[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        add(refs[i] = leaf_of_number(i));
    uint64_t units = 0;
    assert_null(store_set_check(&memory.arena, set, &units));
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % 32 != 0)
            store_set_remove(&env, &set, refs[i]);
    }
    check_set();
    uint64_t left = 0;
    assert_null(store_set_check(&memory.arena, set, &left));
    assert_true(left * 4 < units);
    for (uint32_t i = 0; i < COUNT; i += 32)
        assert_true(is_in(refs[i]));
}

static void visits_stop_when_told(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 500; i++)
        add(leaf_of_number(i));
    for (uint32_t stop = 1; stop <= 500; stop += 83) {
        struct tally tally = {.stop_at = stop};
        assert_false(store_set_each(&memory.arena, set, tally_visit, &tally));
        assert_int_equal(tally.count, stop);
    }
    struct tally none = {0};
    assert_true(store_set_each(&memory.arena, 0, tally_visit, &none));
    assert_int_equal(none.count, 0);
    uint64_t units = 0;
    assert_null(store_set_check(&memory.arena, 0, &units));
    assert_int_equal(units, 0);
}

/* ---- equal segments ---- */

static void equal_segments_share_one_array_of_any_length(void **state)
{
    (void)state;
    static store_ref refs[STORE_BLOCK_UNITS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 30; i++)
        add(leaf_of_number(i));
    while (count < sizeof refs / sizeof refs[0]) {
        store_ref leaf = leaf_new(CDX_STR("/same"));
        if (!store_set_add(&env, &set, leaf)) {
            store_arena_free(&memory.arena, leaf,
                             store_head_units(store_head(store_node_at(&memory.arena, leaf))));
            leaf_units -= store_head_units(store_head_of(STORE_LEAF, 0, 5, 0));
            break;
        }
        refs[count++] = leaf;
    }
    /* Until a block has no room for more. */
    assert_in_range(count, STORE_BLOCK_UNITS_MAX * 3 / 4, STORE_BLOCK_UNITS_MAX);
    check_set();
    for (uint32_t i = 0; i < count; i++)
        assert_true(is_in(refs[i]));
    for (uint32_t i = 0; i < count; i++)
        store_set_remove(&env, &set, refs[i]);
    check_set();
    uint64_t seen;
    assert_int_equal(set_count(&seen), 30);
}

static void a_child_is_replaced_by_one_with_its_segment(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 300; count += 299) {
        store_ref refs[300];
        for (uint32_t i = 0; i < count; i++)
            add(refs[i] = leaf_of_number(i));
        for (uint32_t i = 0; i < count; i++) {
            store_ref other = leaf_of_number(i);
            store_set_replace(&env, &set, refs[i], other);
            assert_false(is_in(refs[i]));
            assert_true(is_in(other));
        }
        check_set();
        while (store_set_pop(&env, &set) != 0)
            ;
    }
}

/* ---- readers ---- */

/* What a reader found stays as it was until its section ends, however the set changes. */
static void a_readers_array_stays_while_others_replace_it(void **state)
{
    (void)state;
    for (uint32_t before = 1; before <= 200; before += 9) {
        store_ref refs[200];
        store_ref seen[STORE_ARRAY_MAX];
        store_ref upper;
        for (uint32_t i = 0; i < before; i++)
            add(refs[i] = leaf_of_number(i));
        store_limbo_enter();
        store_ref ref = store_set_seek(&memory.arena, set, segment_of(refs[before / 2]), &upper);
        const struct store_array *array = store_array_at(&memory.arena, ref);
        uint32_t count = store_array_count(array);
        for (uint32_t i = 0; i < count; i++)
            seen[i] = array->child[i];
        for (uint32_t i = 0; i < 300; i++)
            add(leaf_of_number(1000 + i * 7));
        for (uint32_t i = 0; i < 300; i++)
            add(leaf_of_number(i * 3));
        assert_true(store_limbo_start(&memory.limbo) || memory.limbo.waiting);
        (void)store_limbo_poll(&memory.limbo);
        (void)store_limbo_empty(&memory.limbo, 1000);
        assert_true(store_array_count(array) >= count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(array->child[i], seen[i]);
        store_limbo_leave();
        while (store_set_pop(&env, &set) != 0)
            ;
    }
    check_set();
}

/* ---- without memory ---- */

static uint32_t depth(void)
{
    uint32_t levels = 0;
    store_ref ref = set;
    while ((store_array_count(store_array_at(&memory.arena, ref)) & STORE_INNER) != 0) {
        const struct store_inner *inner = store_arena_at(&memory.arena, ref);
        ref = inner->entry[0].set;
        levels++;
    }
    return levels;
}

/* An add of the child after the first `count` fails with little memory and succeeds with more. */
static void add_with_little_memory(uint32_t count)
{
    bool added = false;
    uint32_t failures = 0;
    for (uint32_t units = 0; !added; units += units < 24 ? 1 : 13) {
        (void)open_set(NULL);
        for (uint32_t i = 0; i < count; i++)
            add(leaf_of_number(i));
        store_ref child = leaf_of_number(count);
        check_set();
        store_ref was = set;
        rig_memory_starve(&memory, units);
        uint64_t live = memory.arena.live_units;
        added = store_set_add(&env, &set, child);
        heap_fail_at(0, 0);
        if (!added) {
            failures++;
            assert_int_equal(set, was);
            assert_int_equal(memory.arena.live_units, live);
            assert_int_equal(memory.limbo.count, 0);
        }
        assert_int_equal(is_in(child), added);
        uint64_t ignored = 0;
        assert_null(store_set_check(&memory.arena, set, &ignored));
        (void)close_set(NULL);
        assert_true(units < 2000);
    }
    assert_true(failures > 0);
}

static void an_add_is_all_or_nothing(void **state)
{
    (void)state;
    enum { ADDS = 3000 };
    uint32_t points[8] = {0, 2, 8}; /* a first array, a longer one; then where levels are added */
    uint32_t count = 3;
    (void)open_set(NULL);
    for (uint32_t i = 0, before = 0; i < ADDS; i++) {
        add(leaf_of_number(i));
        if (depth() != before && count < 8) {
            points[count++] = i;
            before = depth();
        }
    }
    (void)close_set(NULL);
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < count; i++)
        add_with_little_memory(points[i]);
}

/* Removals cannot fail: without memory sets stay larger than they need be. */
static void removals_need_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static store_ref refs[COUNT];
    for (uint32_t units = 0; units <= 60; units += 12) {
        (void)open_set(NULL);
        for (uint32_t i = 0; i < COUNT; i++)
            add(refs[i] = leaf_of_number(i));
        rig_memory_starve(&memory, units);
        uint64_t ignored = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            store_set_remove(&env, &set, refs[i]);
            assert_false(set != 0 && is_in(refs[i]));
            assert_true(i + 1 == COUNT || is_in(refs[i + 1]));
            if (i % 97 == 0)
                assert_null(store_set_check(&memory.arena, set, &ignored));
        }
        uint64_t seen;
        assert_int_equal(set != 0 ? set_count(&seen) : 0, 0);
        heap_fail_at(0, 0);
        /* And it goes on as a set. */
        store_ref child = leaf_of_number(5);
        add(child);
        assert_true(is_in(child));
        assert_null(store_set_check(&memory.arena, set, &ignored));
        (void)close_set(NULL);
    }
}

/* ---- moving ---- */

static void blocks_move_out_of_condemned_spans(void **state)
{
    (void)state;
    static store_ref refs[3000];
    for (uint32_t i = 0; i < 3000; i++)
        add(refs[i] = leaf_of_number(i));
    while (memory.arena.spans_held < 4) /* what is filled is never condemned */
        (void)store_arena_get(&memory.arena, STORE_BLOCK_UNITS_MAX);
    store_set_move(&env, &set, segment_of(refs[0])); /* nothing is condemned: nothing moves */
    store_ref before = set;
    assert_int_not_equal(store_arena_condemn(&memory.arena, 101), 0);
    assert_true(store_arena_condemned(&memory.arena, set));
    heap_fail_at(1, 1);
    uint32_t next = memory.arena.next;
    memory.arena.next = memory.arena.end; /* no room: nothing moves either */
    store_set_move(&env, &set, segment_of(refs[0]));
    assert_int_equal(set, before);
    memory.arena.next = next;
    heap_fail_at(0, 0);
    for (uint32_t i = 0; i < 3000; i++)
        store_set_move(&env, &set, segment_of(refs[i]));
    assert_false(store_arena_condemned(&memory.arena, set));
    struct cdx_bytes from = cdx_empty();
    store_ref upper;
    do {
        store_ref array = store_set_seek(&memory.arena, set, from, &upper);
        assert_false(store_arena_condemned(&memory.arena, array));
        if (upper != 0) {
            assert_false(store_arena_condemned(&memory.arena, upper));
            from = store_bound_text(&memory.arena, upper);
        }
    } while (upper != 0);
    for (uint32_t i = 0; i < 3000; i++)
        assert_true(is_in(refs[i]));
    uint64_t units = 0;
    assert_null(store_set_check(&memory.arena, set, &units));
    store_limbo_drain(&memory.limbo);
}

/* ---- the checker ---- */

static void each_damage_is_seen(void **state)
{
    (void)state;
    static const char *const seen[] = {
        "set: an array has more children than room",
        "set: a child is below its array's bound",
        "set: a child is above its array's bound",
        "set: an inner block is out of bounds",
        "set: bounds are out of order",
    };
    for (uint32_t i = 0; i < 200; i++)
        add(leaf_of_number(i));
    struct store_inner *inner = store_arena_at(&memory.arena, set);
    assert_in_range(inner->count & ~STORE_INNER, 3, STORE_INNER_MAX);
    struct store_array *middle = store_arena_at(&memory.arena, inner->entry[1].set);
    store_ref low = leaf_of_number(0);
    store_ref high = leaf_of_number(9999);
    for (uint32_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        store_ref child = middle->child[0];
        uint32_t cap = middle->cap;
        store_ref from = inner->entry[2].from;
        check_set();
        middle->cap = i == 0 ? 1 : cap;
        middle->child[0] = i == 1 ? low : i == 2 ? high : child;
        inner->entry[0].from = i == 3 ? from : 0;
        inner->entry[2].from = i == 4 ? inner->entry[1].from : from;
        uint64_t units = 0;
        const char *broken = store_set_check(&memory.arena, set, &units);
        assert_non_null(broken);
        assert_string_equal(broken, seen[i]);
        middle->cap = cap;
        middle->child[0] = child;
        inner->entry[0].from = 0;
        inner->entry[2].from = from;
    }
    /* A block that contains itself has no end. */
    store_ref below = inner->entry[0].set;
    uint64_t units = 0;
    inner->entry[0].set = set;
    assert_string_equal(store_set_check(&memory.arena, set, &units), "set: too many levels");
    inner->entry[0].set = below;
    check_set();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_set, close_set)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slash_is_below_every_other_byte),
        TEST(groups_come_in_order),
        TEST(any_number_of_children_goes_in_and_out),
        TEST(a_million_children),
        TEST(a_set_that_lost_most_of_its_children_is_small),
        TEST(visits_stop_when_told),
        TEST(equal_segments_share_one_array_of_any_length),
        TEST(a_child_is_replaced_by_one_with_its_segment),
        TEST(a_readers_array_stays_while_others_replace_it),
        cmocka_unit_test(an_add_is_all_or_nothing),
        cmocka_unit_test(removals_need_no_memory),
        TEST(blocks_move_out_of_condemned_spans),
        TEST(each_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
