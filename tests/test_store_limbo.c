/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for readers: bags, rounds and grace periods. */
#include "heap_fail.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <time.h>

static struct rig_memory memory;
static struct store_limbo *const limbo = &memory.limbo;

static int open_memory(void **state)
{
    (void)state;
    rig_memory_open(&memory);
    return 0;
}

static int close_memory(void **state)
{
    (void)state;
    rig_memory_close(&memory);
    return 0;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void put_block(uint32_t units)
{
    store_ref ref = store_arena_get(&memory.arena, units);
    assert_int_not_equal(ref, 0);
    store_limbo_block(limbo, ref, units);
}

static void wait_for_round(void)
{
    store_limbo_wait(limbo);
    assert_true(store_limbo_poll(limbo));
}

static void opening_without_memory_holds_nothing(void **state)
{
    (void)state;
    struct store_limbo other;
    size_t blocks = heap_fail_blocks();
    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n, 0);
        assert_false(store_limbo_init(&other, &memory.arena, &memory.pages));
        assert_int_equal(heap_fail_blocks(), blocks);
    }
    heap_fail_at(3, 0);
    assert_true(store_limbo_init(&other, &memory.arena, &memory.pages));
    store_limbo_free(&other);
}

static void all_kinds_come_back_after_a_grace_period(void **state)
{
    (void)state;
    void *heap = store_limbo_heap_get(limbo, 1000);
    assert_non_null(heap);
    size_t heap_nbytes = malloc_usable_size(heap);
    assert_int_equal(limbo->heap_nbytes, heap_nbytes);
    put_block(10);
    store_limbo_run(limbo, store_pages_get(&memory.pages, 3), 3);
    store_limbo_heap(limbo, heap);
    assert_int_equal(limbo->count, 3);
    assert_int_equal(limbo->nbytes, 40 + 3 * STORE_PAGE_NBYTES + heap_nbytes);
    /* The bag was the spare one: it counts as waiting, too. */
    assert_int_equal(store_limbo_waiting_nbytes(limbo), limbo->nbytes + limbo->bags_nbytes);
    assert_true(store_limbo_start(limbo));
    assert_false(store_limbo_start(limbo));
    assert_int_equal(limbo->rounds, 0);
    wait_for_round();
    assert_false(store_limbo_poll(limbo));  /* once for each */
    assert_false(store_limbo_start(limbo)); /* there is a bag to be emptied */
    assert_true(store_limbo_empty(limbo, 1));
    assert_int_equal(limbo->count, 2);
    assert_int_equal(limbo->rounds, 0);
    assert_false(store_limbo_empty(limbo, 3));
    assert_int_equal(limbo->rounds, 1);
    assert_int_equal(limbo->count, 0);
    assert_int_equal(limbo->nbytes, 0);
    assert_int_equal(limbo->heap_nbytes, 0);
    assert_int_equal(memory.arena.live_units, 0);
    assert_int_equal(memory.pages.used_nbytes, 0);
    assert_int_equal(store_limbo_waiting_nbytes(limbo), 0);
}

static void nothing_comes_back_before_the_section_ends(void **state)
{
    (void)state;
    store_limbo_enter();
    store_limbo_enter(); /* sections of one thread may overlap */
    put_block(5);
    assert_true(store_limbo_start(limbo));
    pause_ms(30);
    assert_false(store_limbo_poll(limbo));
    assert_false(store_limbo_empty(limbo, 100));
    store_limbo_leave();
    pause_ms(30);
    assert_false(store_limbo_poll(limbo));
    assert_int_equal(memory.arena.live_units, 5);
    store_limbo_leave();
    wait_for_round();
    assert_false(store_limbo_empty(limbo, 100));
    assert_int_equal(memory.arena.live_units, 0);
}

static void what_comes_later_waits_for_the_next_round(void **state)
{
    (void)state;
    put_block(1);
    assert_true(store_limbo_start(limbo));
    put_block(2);
    assert_int_equal(limbo->count, 2);
    wait_for_round();
    assert_false(store_limbo_empty(limbo, 100));
    assert_int_equal(memory.arena.live_units, 2);
    assert_true(store_limbo_start(limbo));
    wait_for_round();
    assert_false(store_limbo_empty(limbo, 100));
    assert_int_equal(memory.arena.live_units, 0);
    assert_int_equal(limbo->started, 2);
    assert_int_equal(limbo->rounds, 2);
}

static void many_are_given_back_in_slices(void **state)
{
    (void)state;
    const uint32_t blocks = 5000;
    for (uint32_t i = 0; i < blocks; i++)
        put_block(1);
    size_t bags = limbo->bags_nbytes;
    assert_true(store_limbo_start(limbo));
    wait_for_round();
    uint32_t slices = 1;
    for (uint64_t before = limbo->count; store_limbo_empty(limbo, 64); slices++) {
        assert_int_equal(limbo->count, before - 64);
        before = limbo->count;
    }
    assert_int_equal(slices, blocks / 64 + 1);
    /* One bag is kept. */
    assert_true(limbo->bags_nbytes < bags);
    assert_non_null(limbo->spare);
    assert_int_equal(store_limbo_waiting_nbytes(limbo), 0);
}

static void without_memory_for_a_bag_it_waits_for_readers(void **state)
{
    (void)state;
    void *heap = store_limbo_heap_get(limbo, 100);
    store_ref ref = store_arena_get(&memory.arena, 7);
    put_block(1); /* takes the spare bag */
    assert_true(store_limbo_start(limbo));
    heap_fail_at(1, 1);
    assert_null(store_limbo_heap_get(limbo, 100));
    store_limbo_block(limbo, ref, 7);
    store_limbo_heap(limbo, heap);
    heap_fail_at(0, 0);
    assert_int_equal(limbo->count, 1);
    assert_int_equal(limbo->heap_nbytes, 0);
    assert_int_equal(memory.arena.live_units, 1);
    store_limbo_drain(limbo);
    assert_int_equal(limbo->count, 0);
}

static void a_drain_gives_everything_back(void **state)
{
    (void)state;
    store_limbo_drain(limbo); /* of nothing */
    put_block(1);
    assert_true(store_limbo_start(limbo));
    put_block(2);
    store_limbo_drain(limbo);
    assert_int_equal(limbo->count, 0);
    assert_int_equal(memory.arena.live_units, 0);
}

/* ---- other threads ---- */

static atomic_int stage;

static void *read_for_a_while(void *arg)
{
    (void)arg;
    store_limbo_enter();
    atomic_store(&stage, 1);
    while (atomic_load(&stage) != 2)
        pause_ms(1);
    store_limbo_leave();
    return NULL;
}

/* More than once: the second thread has the record of the first, which ended. */
static void the_section_of_another_thread_is_waited_for(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        pthread_t thread;
        atomic_store(&stage, 0);
        assert_int_equal(pthread_create(&thread, NULL, read_for_a_while, NULL), 0);
        while (atomic_load(&stage) != 1)
            pause_ms(1);
        put_block(4);
        assert_true(store_limbo_start(limbo));
        pause_ms(20);
        assert_false(store_limbo_poll(limbo));
        assert_int_equal(memory.arena.live_units, 4);
        atomic_store(&stage, 2);
        assert_int_equal(pthread_join(thread, NULL), 0);
        wait_for_round();
        assert_false(store_limbo_empty(limbo, 10));
        assert_int_equal(memory.arena.live_units, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(opening_without_memory_holds_nothing),
        TEST(all_kinds_come_back_after_a_grace_period),
        TEST(nothing_comes_back_before_the_section_ends),
        TEST(what_comes_later_waits_for_the_next_round),
        TEST(many_are_given_back_in_slices),
        TEST(without_memory_for_a_bag_it_waits_for_readers),
        TEST(a_drain_gives_everything_back),
        TEST(the_section_of_another_thread_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
