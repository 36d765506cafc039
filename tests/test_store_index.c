/* SPDX-License-Identifier: Apache-2.0 */
/* The index alone: nodes are numbers here, and hashes are made so as to meet. */
#include "heap_fail.h"
#include "store_index.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct rig_memory memory;
static struct store_index index_of_all;
static struct store_index *const idx = &index_of_all;

static int open_index(void **state)
{
    (void)state;
    rig_memory_open(&memory);
    store_index_init(idx, &memory.pages, &memory.limbo);
    return 0;
}

static int close_index(void **state)
{
    (void)state;
    rig_memory_close(&memory);
    return 0;
}

static uint64_t hash_of(uint32_t segment, uint32_t tag)
{
    return (uint64_t)segment << (64 - STORE_SEGMENT_BITS) |
           (uint64_t)tag << (64 - STORE_SEGMENT_BITS - STORE_TAG_BITS);
}

static void check_index(void)
{
    const char *broken = store_index_check(idx);
    if (broken != NULL)
        fail_msg("%s", broken);
}

static bool holds(uint64_t hash, store_ref ref)
{
    bool answers;
    return store_index_holds(idx, hash, ref, &answers);
}

static bool is_answer(uint64_t hash, store_ref ref)
{
    bool answers = false;
    assert_true(store_index_holds(idx, hash, ref, &answers));
    return answers;
}

static void insert(uint64_t hash, store_ref ref, bool answers)
{
    assert_true(store_index_reserve(idx, hash, 1));
    store_index_insert(idx, hash, ref, answers);
}

/* How many candidates a lookup meets, and whether `ref` is one of them. */
static uint32_t candidates(uint64_t hash, bool answering, store_ref ref, bool *met)
{
    struct store_probing p = store_index_probe(idx, hash, answering);
    uint32_t count = 0;
    *met = false;
    for (store_ref next; (next = store_index_next(&p)) != 0; count++)
        *met = *met || next == ref;
    return count;
}

static uint32_t buckets_of(uint32_t segment)
{
    return store_index_table(idx, hash_of(segment, 0)).count;
}

/* ---- buckets ---- */

static void tags_are_found_in_every_slot_by_both_twins(void **state)
{
    (void)state;
    static const uint32_t tags[] = {0,       1,        0x7fff,   0x8000,   0xffff,
                                    0x10000, 0x7f0000, 0x7fffff, 0x3fffff, 0x400000};
    for (size_t t = 0; t < sizeof tags / sizeof tags[0]; t++) {
        for (uint32_t slots = 0; slots < 1u << STORE_BUCKET_SLOTS; slots++) {
            struct store_bucket bucket = {.overflow = 0xff};
            memset(bucket.ref, 0xff, sizeof bucket.ref); /* right behind the tags */
            for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++) {
                /* Others differ in the low part, the high part, or both. */
                static const uint32_t other[] = {1, 0x10000, 0x200100};
                uint32_t tag = (slots >> s & 1) != 0 ? tags[t] : tags[t] ^ other[s % 3];
                bucket.low[s] = (uint16_t)tag;
                bucket.high[s] = (uint8_t)(tag >> 16 | (s % 2 != 0 ? STORE_ANSWERS : 0));
            }
            assert_int_equal(store_bucket_find(&bucket, tags[t], false), slots);
            assert_int_equal(store_bucket_find_each(&bucket, tags[t], false), slots);
            assert_int_equal(store_bucket_find(&bucket, tags[t], true), slots & 0xaa);
            assert_int_equal(store_bucket_find_each(&bucket, tags[t], true), slots & 0xaa);
        }
    }
}

static void an_empty_index_holds_nothing(void **state)
{
    (void)state;
    bool met;
    check_index();
    assert_false(holds(hash_of(3, 4), 1));
    assert_int_equal(candidates(hash_of(3, 4), false, 1, &met), 0);
    assert_int_equal(idx->page_count, 0);
    store_index_prefetch(idx, hash_of(3, 4)); /* a hint, of an address that need not be valid */
}

/* ---- one segment ---- */

static void a_segment_grows_and_shrinks_with_its_nodes(void **state)
{
    (void)state;
    const uint32_t count = 4000;
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        insert(hash_of(7, i * 2097 & 0x7fffff), i + 1, i % 2 == 0);
        assert_true(buckets_of(7) >= last);
        last = buckets_of(7);
        assert_true((uint64_t)(i + 1) * 100 <=
                    (uint64_t)last * STORE_BUCKET_SLOTS * STORE_SEGMENT_FILL_MAX);
        if (i % 100 == 0)
            check_index();
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(is_answer(hash_of(7, i * 2097 & 0x7fffff), i + 1), i % 2 == 0);
    for (uint32_t i = 0; i < count; i++) {
        store_index_remove(idx, hash_of(7, i * 2097 & 0x7fffff), i + 1);
        assert_false(holds(hash_of(7, i * 2097 & 0x7fffff), i + 1));
        assert_true(i + 1 == count || holds(hash_of(7, (i + 1) * 2097 & 0x7fffff), i + 2));
        if (i % 100 == 0)
            check_index();
    }
    assert_int_equal(idx->nodes, 0);
    /* The smallest table that the last nodes had. */
    assert_true(buckets_of(7) <= 8);
    check_index();
}

static void nodes_with_one_tag_are_all_met(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        uint32_t nodes;
        bool backwards; /* removed in the order of their entry, or against it */
    } cases[] = {
        {0, 9, false},         {0, 10, true},
        {0, 40, false},        {0x7fffff, 40, true}, /* the last bucket: goes on with the first */
        {0x7fffff, 41, false}, {0x123456, 100, true},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        uint64_t hash = hash_of(1, cases[c].tag);
        uint32_t count = cases[c].nodes;
        bool met;
        for (uint32_t i = 0; i < count; i++)
            insert(hash, i + 1, i % 3 == 0);
        check_index();
        assert_int_equal(candidates(hash, false, 1, &met), count);
        assert_int_equal(candidates(hash, true, 1, &met), (count + 2) / 3);
        for (uint32_t i = 0; i < count; i++) {
            store_ref ref = cases[c].backwards ? count - i : i + 1;
            (void)candidates(hash, false, ref, &met);
            assert_true(met);
            store_index_remove(idx, hash, ref);
            assert_int_equal(candidates(hash, false, ref, &met), count - i - 1);
            assert_false(met);
            check_index();
        }
    }
}

/* A count that reached its limit is not known any more: lookups go on past the bucket. */
static void an_overflow_count_at_its_limit_sticks(void **state)
{
    (void)state;
    const uint32_t count = STORE_BUCKET_SLOTS + STORE_OVERFLOW_MAX + 20;
    uint64_t hash = hash_of(2, 0);
    bool met;
    assert_true(store_index_reserve(idx, hash, count));
    uint32_t buckets = buckets_of(2);
    for (uint32_t i = 0; i < count; i++)
        store_index_insert(idx, hash, i + 1, true);
    struct store_bucket *home = store_index_table(idx, hash).buckets;
    assert_int_equal(store_bucket_overflow(home), STORE_OVERFLOW_MAX);
    check_index();
    for (uint32_t i = count; i > count - 100; i--)
        store_index_remove(idx, hash, i);
    assert_int_equal(buckets_of(2), buckets);
    assert_int_equal(store_bucket_overflow(home), STORE_OVERFLOW_MAX);
    assert_int_equal(candidates(hash, true, 1, &met), count - 100);
    check_index();
    /* Built anew, the table knows it again. */
    for (uint32_t i = count - 100; i > 10; i--)
        store_index_remove(idx, hash, i);
    assert_true(buckets_of(2) < buckets);
    assert_int_equal(store_bucket_overflow(store_index_table(idx, hash).buckets), 1);
    check_index();
}

static void a_node_is_replaced_in_its_slot(void **state)
{
    (void)state;
    uint64_t hash = hash_of(5, 77);
    bool met;
    for (uint32_t i = 1; i <= 20; i++)
        insert(hash, i, i % 2 == 0);
    for (uint32_t i = 1; i <= 20; i++) {
        store_index_replace(idx, hash, i, i + 100);
        assert_false(holds(hash, i));
        assert_int_equal(is_answer(hash, i + 100), i % 2 == 0);
        assert_int_equal(candidates(hash, false, i + 100, &met), 20);
        assert_true(met);
    }
    check_index();
}

static void the_answer_bit_is_set_and_cleared(void **state)
{
    (void)state;
    uint64_t hash = hash_of(5, 0x7fffff);
    bool met;
    insert(hash, 1, false);
    insert(hash_of(5, 0x7ffffe), 2, false);
    for (uint32_t i = 0; i < 4; i++) {
        store_index_answer(idx, hash, 1, i % 2 == 0);
        assert_int_equal(is_answer(hash, 1), i % 2 == 0);
        assert_int_equal(candidates(hash, true, 1, &met), i % 2 == 0);
        assert_int_equal(candidates(hash, false, 1, &met), 1);
        assert_false(is_answer(hash_of(5, 0x7ffffe), 2));
        check_index();
    }
}

static void a_node_may_be_in_by_several_hashes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        insert(hash_of(9, i), 1, i == 7);
    assert_false(holds(hash_of(9, 8), 1));
    store_index_remove(idx, hash_of(9, 3), 1);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(holds(hash_of(9, i), 1), i != 3);
    check_index();
}

/* ---- all segments ---- */

static void segments_grow_in_turn_and_stay_equally_full(void **state)
{
    (void)state;
    const uint32_t count = 150000;
    uint64_t random = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = (uint64_t)rig_random(&random) << 33 | rig_random(&random);
        insert(hash, i + 1, true);
        if (i % 4096 == 0) {
            store_limbo_start(&memory.limbo);
            store_limbo_drain(&memory.limbo);
        }
    }
    check_index();
    uint64_t slots = idx->page_count * 4 * STORE_BUCKET_SLOTS;
    assert_true(idx->nodes * 100 <= slots * (STORE_INDEX_FILL_LATE + 1));
    assert_true(idx->nodes * 100 >= slots * 40);
    random = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = (uint64_t)rig_random(&random) << 33 | rig_random(&random);
        assert_true(holds(hash, i + 1));
    }
    random = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = (uint64_t)rig_random(&random) << 33 | rig_random(&random);
        store_index_remove(idx, hash, i + 1);
    }
    check_index();
    assert_int_equal(idx->nodes, 0);
    store_limbo_drain(&memory.limbo);
    assert_true(idx->page_count <= 2 * STORE_SEGMENTS);
    assert_int_equal(memory.pages.used_nbytes, idx->page_count * STORE_PAGE_NBYTES);
}

/* ---- without memory ---- */

static void a_reserve_without_memory_changes_nothing(void **state)
{
    (void)state;
    static const size_t points[] = {1, 2, 2}; /* the list of extents, an extent, its memory */
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        heap_fail_at(points[i], 0);
        assert_false(store_index_reserve(idx, hash_of(4, 4), 1));
        assert_true(heap_fail_happened());
        assert_int_equal(buckets_of(4), 0);
        check_index();
    }
    heap_fail_at(0, 0);
    assert_true(store_index_reserve(idx, hash_of(4, 4), 1));
    /* More than an extent has is no segment. */
    uint32_t buckets = buckets_of(4);
    assert_false(store_index_reserve(idx, hash_of(4, 4), 4 * STORE_EXTENT_PAGES_MAX * 10));
    assert_int_equal(buckets_of(4), buckets);
    check_index();
}

static void a_table_that_cannot_shrink_stays(void **state)
{
    (void)state;
    const uint32_t count = 20000; /* most of the first extent */
    for (uint32_t i = 0; i < count; i++)
        insert(hash_of(6, i * 400), i + 1, true);
    store_limbo_drain(&memory.limbo);
    while (store_pages_get(&memory.pages, 1) != NULL &&
           memory.pages.used_nbytes < memory.pages.nbytes)
        ;
    uint32_t buckets = buckets_of(6);
    heap_fail_at(1, 1);
    for (uint32_t i = 0; i < count - 50; i++)
        store_index_remove(idx, hash_of(6, i * 400), i + 1);
    assert_int_equal(buckets_of(6), buckets);
    check_index();
    heap_fail_at(0, 0);
    store_index_remove(idx, hash_of(6, (count - 50) * 400), count - 49);
    assert_true(buckets_of(6) < buckets);
    for (uint32_t i = count - 49; i < count; i++)
        assert_true(holds(hash_of(6, i * 400), i + 1));
    check_index();
}

static void segments_that_cannot_grow_in_turn_fill_further(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < STORE_SEGMENTS; s++) {
        for (uint32_t i = 0; i < 22; i++)
            insert(hash_of(s, i << 18), i + 1, true);
    }
    store_limbo_drain(&memory.limbo);
    while (memory.pages.used_nbytes < memory.pages.nbytes)
        assert_non_null(store_pages_get(&memory.pages, 1));
    uint64_t pages = idx->page_count;
    heap_fail_at(1, 1);
    for (uint32_t s = 0; s < STORE_SEGMENTS; s++) {
        for (uint32_t i = 22; i < 26; i++)
            insert(hash_of(s, i << 18), i + 1, true);
    }
    assert_int_equal(idx->page_count, pages);
    heap_fail_at(0, 0);
    insert(hash_of(0, 1), 99, true);
    assert_true(idx->page_count > pages);
    check_index();
}

/* ---- the checker ---- */

static struct store_bucket *bucket_in_use(void)
{
    struct store_table table = store_index_table(idx, hash_of(8, 0));
    return &table.buckets[0];
}

static void each_damage_is_seen(void **state)
{
    (void)state;
    static const char *const seen[] = {
        "index: an empty slot is not clean", "index: an empty slot is not clean",
        "index: the slots do not add up",    "index: the overflow counts do not add up",
        "index: the segments do not add up",
    };
    for (uint32_t i = 0; i < 3; i++)
        insert(hash_of(8, 0), i + 1, true);
    struct store_bucket *bucket = bucket_in_use();
    for (uint32_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        struct store_bucket whole = *bucket;
        check_index();
        bucket->low[5] = i == 0;
        bucket->high[5] = i == 1;
        idx->used[8] += i == 2;
        bucket->overflow = i == 3;
        idx->nodes += i == 4;
        const char *broken = store_index_check(idx);
        assert_non_null(broken);
        assert_string_equal(broken, seen[i]);
        *bucket = whole;
        idx->used[8] -= i == 2;
        idx->nodes -= i == 4;
    }
    check_index();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_index, close_index)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_found_in_every_slot_by_both_twins),
        TEST(an_empty_index_holds_nothing),
        TEST(a_segment_grows_and_shrinks_with_its_nodes),
        TEST(nodes_with_one_tag_are_all_met),
        TEST(an_overflow_count_at_its_limit_sticks),
        TEST(a_node_is_replaced_in_its_slot),
        TEST(the_answer_bit_is_set_and_cleared),
        TEST(a_node_may_be_in_by_several_hashes),
        TEST(segments_grow_in_turn_and_stay_equally_full),
        TEST(a_reserve_without_memory_changes_nothing),
        TEST(a_table_that_cannot_shrink_stays),
        TEST(segments_that_cannot_grow_in_turn_fill_further),
        TEST(each_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
