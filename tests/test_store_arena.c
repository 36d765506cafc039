/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks, spans, and the aligned memory below them. */
#include "heap_fail.h"
#include "store_memory.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define BLOCKS 3000u
#define LINE_UNITS (STORE_LINE_NBYTES / STORE_UNIT_NBYTES)

struct block {
    store_ref ref;
    uint32_t units;
};

static struct store_arena arena;

static int open_arena(void **state)
{
    (void)state;
    heap_fail_install();
    store_arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    heap_fail_at(0, 0);
    store_arena_clear(&arena);
    size_t blocks = heap_fail_blocks();
    heap_fail_remove();
    return blocks != 0;
}

static void check_arena(void)
{
    const char *broken = store_arena_check(&arena);
    if (broken != NULL)
        fail_msg("%s", broken);
}

static void block_fill(const struct block *block)
{
    memset(store_arena_at(&arena, block->ref), (int)(block->ref & 0xff),
           (size_t)block->units * STORE_UNIT_NBYTES);
}

static void block_check(const struct block *block)
{
    const uint8_t *bytes = store_arena_at(&arena, block->ref);
    for (size_t i = 0; i < (size_t)block->units * STORE_UNIT_NBYTES; i++) {
        if (bytes[i] != (block->ref & 0xff))
            fail_msg("block %u was overwritten", block->ref);
    }
}

static void blocks_never_overlap(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    uint64_t random = 3;
    uint64_t units = 0;
    for (uint32_t i = 0; i < 60000; i++) {
        struct block *block = &blocks[rig_random(&random) % BLOCKS];
        if (block->ref != 0) {
            block_check(block);
            store_arena_free(&arena, block->ref, block->units);
            units -= block->units;
            block->ref = 0;
            continue;
        }
        /* Mostly small, at times the largest. */
        block->units = 1 + rig_random(&random) % (i % 7 == 0 ? STORE_BLOCK_UNITS_MAX : 20);
        block->ref = i % 3 == 0 ? store_arena_get_line(&arena, block->units)
                                : store_arena_get(&arena, block->units);
        assert_int_not_equal(block->ref, 0);
        units += block->units;
        block_fill(block);
        if (i % 1000 == 0)
            check_arena();
    }
    assert_int_equal(store_arena_live_nbytes(&arena), units * STORE_UNIT_NBYTES);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].ref != 0)
            block_check(&blocks[i]);
    }
    check_arena();
}

static void freed_blocks_are_used_again(void **state)
{
    (void)state;
    store_ref first = store_arena_get(&arena, 6);
    store_ref second = store_arena_get(&arena, 6);
    store_arena_free(&arena, first, 6);
    assert_int_equal(store_arena_get(&arena, 6), first);
    store_arena_free(&arena, second, 6);
    /* A larger block is cut: its head first, then what is left. */
    assert_int_equal(store_arena_get(&arena, 2), second);
    assert_int_equal(store_arena_get(&arena, 4), second + 2);
    /* The largest list is looked at, too. */
    store_ref large = store_arena_get(&arena, STORE_BLOCK_UNITS_MAX);
    store_arena_free(&arena, large, STORE_BLOCK_UNITS_MAX);
    assert_int_equal(store_arena_get(&arena, STORE_BLOCK_UNITS_MAX), large);
    check_arena();
}

static void spans_begin_small_and_grow(void **state)
{
    (void)state;
    static const size_t nbytes[] = {(size_t)64 << 10, (size_t)256 << 10, (size_t)1 << 20,
                                    STORE_SPAN_NBYTES, STORE_SPAN_NBYTES};
    size_t sum = 0;
    for (uint32_t i = 0; i < sizeof nbytes / sizeof nbytes[0]; i++) {
        while (arena.spans_held <= i)
            assert_int_not_equal(store_arena_get(&arena, 1000), 0);
        sum += nbytes[i];
        assert_int_equal(arena.span[i].units * STORE_UNIT_NBYTES, nbytes[i]);
        assert_int_equal(arena.nbytes, sum);
    }
    check_arena();
}

static void a_line_holds_a_block_that_fits_one(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t units = 1 + rig_random(&random) % LINE_UNITS;
        store_ref ref = store_arena_get_line(&arena, units);
        assert_int_not_equal(ref, 0);
        /* At either end of a span it may have to be two lines. */
        if (ref % LINE_UNITS + units > LINE_UNITS)
            assert_true(arena.end - ref < 3 * LINE_UNITS ||
                        ref % (1u << STORE_SPAN_BITS) < LINE_UNITS);
        if (i % 5 == 0)
            (void)store_arena_get(&arena, 1 + i % 7);
        if (i % 3 == 0)
            store_arena_free(&arena, ref, units);
    }
    store_ref above = store_arena_get_line(&arena, LINE_UNITS + 1);
    assert_int_not_equal(above, 0);
    check_arena();
}

/* A span is filled, thinned out to `percent`, and condemned below a limit of 70. */
static void sparse_spans_are_condemned_and_given_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t keep; /* of 10 blocks in the first span */
        bool condemned;
        bool given_back; /* by the first release, without anything being moved */
    } cases[] = {
        {10, false, false}, {8, false, false}, {6, true, false}, {1, true, false}, {0, true, true}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        store_ref refs[200];
        uint32_t count = 0;
        while (arena.spans_held < 2) {
            refs[count] = store_arena_get(&arena, 500);
            count += refs[count] >> STORE_SPAN_BITS == 0;
        }
        uint32_t held = arena.spans_held;
        size_t nbytes = arena.nbytes;
        for (uint32_t i = 0; i < count; i++) {
            if (i % 10 >= cases[c].keep)
                store_arena_free(&arena, refs[i], 500);
        }
        size_t condemned = store_arena_condemn(&arena, 70);
        assert_int_equal(condemned, cases[c].condemned ? STORE_SPAN_NBYTES_MIN : 0);
        assert_int_equal(store_arena_condemned(&arena, refs[0]), cases[c].condemned);
        check_arena();
        if (cases[c].condemned) { /* nothing is taken from it any more */
            assert_int_equal(store_arena_get(&arena, 500) >> STORE_SPAN_BITS, 1);
            if (cases[c].keep != 0) { /* what is freed in it waits for the span */
                store_arena_free(&arena, refs[0], 500);
                assert_int_equal(store_arena_get(&arena, 500) >> STORE_SPAN_BITS, 1);
            }
        }
        assert_int_equal(store_arena_release(&arena), cases[c].given_back);
        assert_int_equal(arena.nbytes, nbytes - (cases[c].given_back ? condemned : 0));
        assert_int_equal(arena.spans_held, held - cases[c].given_back);
        assert_false(store_arena_release(&arena));
        check_arena();
        /* The number of a span that was given back is used again. */
        while (cases[c].given_back && arena.spans_held < held)
            assert_int_not_equal(store_arena_get(&arena, 1000), 0);
        assert_int_equal(arena.span_count, 2);
        check_arena();
        store_arena_clear(&arena);
    }
}

static void without_a_new_span_larger_freed_blocks_are_cut(void **state)
{
    (void)state;
    store_ref large = store_arena_get(&arena, 100);
    heap_fail_at(1, 1);
    while (store_arena_get(&arena, 1) != 0)
        ;
    assert_int_equal(store_arena_get_line(&arena, 5), 0);
    store_arena_free(&arena, large, 100);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(store_arena_get_line(&arena, 5), large + 5 * i);
    assert_int_equal(store_arena_get_line(&arena, 5), 0);
    check_arena();
}

static void references_run_out(void **state)
{
    (void)state;
    assert_int_not_equal(store_arena_get(&arena, 1), 0);
    uint32_t next = arena.next;
    arena.next = arena.end;
    arena.span_count = STORE_SPANS_MAX;
    arena.spans_held = STORE_SPANS_MAX;
    assert_int_equal(store_arena_get(&arena, 1), 0);
    assert_int_equal(store_arena_get_line(&arena, 1), 0);
    arena.next = next;
    arena.span_count = 1;
    arena.spans_held = 1;
    assert_int_not_equal(store_arena_get(&arena, 1), 0);
    check_arena();
}

static void an_arena_without_memory_stays_as_it_was(void **state)
{
    (void)state;
    uint32_t failures = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        heap_fail_at(1, 0);
        uint64_t live = arena.live_units;
        store_ref ref = store_arena_get(&arena, STORE_BLOCK_UNITS_MAX);
        if (ref != 0)
            continue;
        failures++;
        assert_int_equal(arena.live_units, live);
        check_arena();
        heap_fail_at(0, 0);
        assert_int_not_equal(store_arena_get(&arena, STORE_BLOCK_UNITS_MAX), 0);
    }
    assert_int_equal(failures, arena.spans_held);
}

static void memory_is_aligned(void **state)
{
    (void)state;
    static const size_t lengths[] = {
        1, 63, 64, 65, 4096, STORE_HUGE_NBYTES - 1, STORE_HUGE_NBYTES, STORE_HUGE_NBYTES + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *block = store_memory_get(lengths[i]);
        assert_non_null(block);
        size_t align = lengths[i] >= STORE_HUGE_NBYTES ? STORE_HUGE_NBYTES : STORE_LINE_NBYTES;
        assert_int_equal((uintptr_t)block % align, 0);
        block[0] = 1;
        block[lengths[i] - 1] = 1;
        store_memory_free(block);
    }
    assert_null(store_memory_get(SIZE_MAX));
    assert_null(store_memory_get(SIZE_MAX - 100));
    store_memory_free(NULL);
    heap_fail_at(1, 0);
    assert_null(store_memory_get(1));
}

/* ---- the checker ---- */

static void mark_wrong(void)
{
    arena.free_class[0] ^= 1u << 7;
}

static void free_wrong(void)
{
    arena.free_units++;
}

static void live_wrong(void)
{
    arena.live_units++;
}

static void span_overfull(void)
{
    arena.span[0].live_units += UINT32_C(1) << 20;
    arena.live_units += UINT32_C(1) << 20;
}

static void nbytes_wrong(void)
{
    arena.nbytes++;
}

static void held_wrong(void)
{
    arena.spans_held++;
}

static void span_gone(void)
{
    arena.nbytes -= (size_t)arena.span[0].units * STORE_UNIT_NBYTES;
    arena.spans_held--;
    arena.span[0].units = 0;
}

static void each_damage_is_seen(void **state)
{
    (void)state;
    static const struct {
        void (*damage)(void);
        const char *seen;
    } cases[] = {
        {mark_wrong, "arena: a free list and its mark disagree"},
        {span_gone, "arena: a freed block without memory"},
        {free_wrong, "arena: the free lists do not add up"},
        {live_wrong, "arena: the spans do not add up"},
        {span_overfull, "arena: a span has more in it than it has room"},
        {nbytes_wrong, "arena: the memory does not add up"},
        {held_wrong, "arena: the memory does not add up"},
    };
    static struct store_arena whole;
    (void)store_arena_get(&arena, 10);
    store_arena_free(&arena, store_arena_get(&arena, 10), 10);
    whole = arena;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_arena();
        cases[i].damage();
        const char *broken = store_arena_check(&arena);
        assert_non_null(broken);
        assert_string_equal(broken, cases[i].seen);
        arena = whole;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_never_overlap),
        TEST(freed_blocks_are_used_again),
        TEST(spans_begin_small_and_grow),
        TEST(a_line_holds_a_block_that_fits_one),
        TEST(sparse_spans_are_condemned_and_given_back),
        TEST(without_a_new_span_larger_freed_blocks_are_cut),
        TEST(references_run_out),
        TEST(an_arena_without_memory_stays_as_it_was),
        TEST(memory_is_aligned),
        TEST(each_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
