/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks, and the aligned memory below them. */
#include "heap_fail.h"
#include "store_arena.h"
#include "store_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define BLOCKS 3000u

struct block {
    store_ref ref;
    uint32_t units;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void block_fill(const struct store_arena *arena, const struct block *block)
{
    memset(store_arena_at(arena, block->ref), (int)(block->ref & 0xff),
           (size_t)block->units * STORE_UNIT_NBYTES);
}

static void block_check(const struct store_arena *arena, const struct block *block)
{
    const uint8_t *bytes = store_arena_at(arena, block->ref);
    for (size_t i = 0; i < (size_t)block->units * STORE_UNIT_NBYTES; i++)
        assert_int_equal(bytes[i], block->ref & 0xff);
}

static void blocks_never_overlap(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    struct store_arena arena;
    uint64_t random = 3;
    heap_fail_install();
    store_arena_init(&arena);
    for (uint32_t i = 0; i < 60000; i++) {
        struct block *block = &blocks[next_random(&random) % BLOCKS];
        if (block->ref != 0) {
            block_check(&arena, block);
            store_arena_free(&arena, block->ref, block->units);
            block->ref = 0;
            continue;
        }
        /* Mostly small, at times the largest. */
        block->units = 1 + next_random(&random) % (i % 7 == 0 ? STORE_BLOCK_UNITS_MAX : 9);
        block->ref = store_arena_get(&arena, block->units);
        assert_int_not_equal(block->ref, 0);
        block_fill(&arena, block);
        if (i % 1000 == 0)
            assert_null(store_arena_check(&arena));
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].ref != 0)
            block_check(&arena, &blocks[i]);
    }
    assert_null(store_arena_check(&arena));
    store_arena_clear(&arena);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void freed_blocks_are_used_again(void **state)
{
    (void)state;
    struct store_arena arena;
    store_arena_init(&arena);
    store_ref first = store_arena_get(&arena, 6);
    store_ref second = store_arena_get(&arena, 6);
    store_arena_free(&arena, first, 6);
    assert_int_equal(store_arena_get(&arena, 6), first);
    store_arena_free(&arena, second, 6);
    /* A larger block is cut: its head first, then what is left. */
    assert_int_equal(store_arena_get(&arena, 2), second);
    assert_int_equal(store_arena_get(&arena, 4), second + 2);
    store_arena_clear(&arena);
}

static void trim_keeps_the_first_block(void **state)
{
    (void)state;
    struct store_arena arena;
    heap_fail_install();
    store_arena_init(&arena);
    struct block first = {.ref = store_arena_get(&arena, 5), .units = 5};
    block_fill(&arena, &first);
    size_t small = arena.extents_nbytes;
    size_t blocks = heap_fail_blocks();
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_not_equal(store_arena_get(&arena, 40), 0);
    assert_true(heap_fail_blocks() > blocks);
    store_arena_trim(&arena, 5);
    assert_int_equal(arena.extents_nbytes, small);
    assert_int_equal(heap_fail_blocks(), blocks);
    assert_null(store_arena_check(&arena));
    block_check(&arena, &first);
    assert_int_equal(store_arena_get(&arena, 1), first.ref + 5);
    store_arena_clear(&arena);
    heap_fail_remove();
}

static void an_arena_without_memory_stays_as_it_was(void **state)
{
    (void)state;
    struct store_arena arena;
    heap_fail_install();
    store_arena_init(&arena);
    for (uint32_t i = 0; i < 5000; i++) {
        for (size_t n = 1;; n++) {
            heap_fail_at(n, 0);
            store_ref ref = store_arena_get(&arena, STORE_BLOCK_UNITS_MAX);
            bool failed = heap_fail_happened() != 0;
            heap_fail_at(0, 0);
            assert_null(store_arena_check(&arena));
            if (ref != 0)
                break;
            assert_true(failed);
        }
    }
    store_arena_clear(&arena);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void memory_is_aligned(void **state)
{
    (void)state;
    static const size_t lengths[] = {
        1, 63, 64, 65, 4096, STORE_HUGE_NBYTES - 1, STORE_HUGE_NBYTES, STORE_HUGE_NBYTES + 1};
    heap_fail_install();
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
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_never_overlap),
        cmocka_unit_test(freed_blocks_are_used_again),
        cmocka_unit_test(trim_keeps_the_first_block),
        cmocka_unit_test(an_arena_without_memory_stays_as_it_was),
        cmocka_unit_test(memory_is_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
