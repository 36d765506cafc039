/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the client's table of open requests: RIDs, growth, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client_window.h"
#include "heap_fail.h"

#define NEVER CDX__DEADLINE_NEVER

/* Of every request that has a deadline; counts from its renewal. */
#define TIMEOUT_MS 20u

static void check(const struct cdx__window *window)
{
    const char *broken = cdx__window_check(window);
    if (broken != NULL)
        fail_msg("invariant: %s", broken);
}

static uint32_t take(struct cdx__window *window, uint64_t deadline_ms)
{
    const struct cdx__slot request = {.deadline_ms = deadline_ms, .timeout_ms = TIMEOUT_MS};
    uint32_t rid = 0;
    assert_int_equal(cdx__window_reserve(window, &rid), CDX_OK);
    cdx__window_take(window, &request);
    check(window);
    return rid;
}

static void release(struct cdx__window *window, uint32_t rid)
{
    struct cdx__slot *slot = cdx__window_find(window, rid);
    assert_non_null(slot);
    cdx__window_release(window, slot);
    assert_null(cdx__window_find(window, rid));
    check(window);
}

static void rids_count_from_the_first_and_wrap_without_zero(void **state)
{
    static const struct {
        uint32_t first, max;
        uint32_t expected[4];
    } cases[] = {
        {1, UINT32_MAX, {1, 2, 3, 4}},
        {UINT32_MAX - 1, UINT32_MAX, {UINT32_MAX - 1, UINT32_MAX, 1, 2}},
        {254, 255, {254, 255, 1, 2}},
        {65535, 65535, {65535, 1, 2, 3}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cdx__window w;
        cdx__window_init(&w, 8, cases[i].first, cases[i].max);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(take(&w, NEVER), cases[i].expected[k]);
        assert_null(cdx__window_find(&w, 0));
        cdx__window_free(&w);
    }
}

static void a_reservation_that_is_not_taken_is_given_out_again(void **state)
{
    struct cdx__window w;
    uint32_t rid = 0;
    (void)state;
    cdx__window_init(&w, 8, 1, UINT32_MAX);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cdx__window_reserve(&w, &rid), CDX_OK);
        assert_int_equal(rid, 1);
    }
    assert_null(cdx__window_find(&w, 1));
    assert_int_equal(take(&w, NEVER), 1);
    cdx__window_free(&w);
}

/* Requests 1 and 5 are never answered, while the RIDs go round the slots many times. */
static void stuck_requests_are_skipped_and_kept(void **state)
{
    struct cdx__window w;
    (void)state;
    cdx__window_init(&w, 8, 1, UINT32_MAX);
    for (int i = 0; i < 5; i++)
        (void)take(&w, NEVER);
    for (uint32_t rid = 2; rid <= 4; rid++)
        release(&w, rid);
    for (int i = 0; i < 1000; i++) {
        const uint32_t rid = take(&w, NEVER);
        assert_true(rid % CDX__WINDOW_SLOTS_MIN != 1 && rid % CDX__WINDOW_SLOTS_MIN != 5);
        release(&w, rid);
    }
    assert_non_null(cdx__window_find(&w, 1));
    assert_non_null(cdx__window_find(&w, 5));
    assert_int_equal(w.slot_count, CDX__WINDOW_SLOTS_MIN);
    cdx__window_free(&w);
}

static void the_window_is_full_at_its_limit_silent_requests_included(void **state)
{
    struct cdx__window w;
    uint32_t rid = 77;
    (void)state;
    cdx__window_init(&w, 3, 1, UINT32_MAX);
    (void)take(&w, 10);
    (void)take(&w, 20);
    (void)take(&w, NEVER);
    assert_int_equal(cdx__window_reserve(&w, &rid), CDX_FULL);
    cdx__window_silence(&w, cdx__window_find(&w, 2));
    check(&w);
    assert_int_equal(cdx__window_reserve(&w, &rid), CDX_FULL);
    assert_int_equal(rid, 77);
    release(&w, 2);
    assert_int_equal(take(&w, NEVER), 4);
    cdx__window_free(&w);
}

static void all_rids_of_a_narrow_field_can_be_open_at_once(void **state)
{
    struct cdx__window w;
    bool seen[256] = {false};
    (void)state;
    cdx__window_init(&w, 255, 100, 255);
    for (int i = 0; i < 255; i++) {
        const uint32_t rid = take(&w, NEVER);
        assert_true(rid >= 1 && rid <= 255 && !seen[rid]);
        seen[rid] = true;
    }
    release(&w, 7);
    assert_int_equal(take(&w, NEVER), 7);
    cdx__window_free(&w);
}

static void deadlines_come_in_order_whatever_order_they_were_given_in(void **state)
{
    static const uint64_t given[] = {50, 20, 50, NEVER, 10, 20, 70, 10};
    static const uint32_t expected[] = {5, 8, 2, 6, 1, 3, 7};
    struct cdx__window w;
    (void)state;
    cdx__window_init(&w, 100, 1, UINT32_MAX);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        (void)take(&w, given[i]);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct cdx__slot *slot = cdx__window_first(&w);
        assert_non_null(slot);
        assert_int_equal(slot->rid, expected[i]);
        cdx__window_silence(&w, slot);
        check(&w);
    }
    assert_null(cdx__window_first(&w));
    cdx__window_free(&w);
}

/* ---- against a model: an array of what is open ---- */

#define MODEL_MAX 300u

struct model {
    struct {
        uint32_t rid;
        uint64_t deadline_ms;
    } open[MODEL_MAX];
    size_t count;
};

static void expect_like_model(const struct cdx__window *w, const struct model *m)
{
    uint64_t earliest = NEVER;
    for (size_t i = 0; i < m->count; i++) {
        const struct cdx__slot *slot = cdx__window_find(w, m->open[i].rid);
        assert_non_null(slot);
        assert_true(slot->deadline_ms == m->open[i].deadline_ms);
        if (m->open[i].deadline_ms < earliest)
            earliest = m->open[i].deadline_ms;
    }
    const struct cdx__slot *first = cdx__window_first(w);
    assert_true((first == NULL ? NEVER : first->deadline_ms) == earliest);
    assert_int_equal(w->open + w->silent, m->count);
}

static void model_step(struct cdx__window *w, struct model *m)
{
    const uint32_t dice = (uint32_t)rand();
    const size_t at = m->count != 0 ? (dice >> 8) % m->count : 0;
    if (dice % 16 < 9 && m->count < MODEL_MAX) {
        const uint64_t deadline_ms = dice % 5 == 0 ? NEVER : (uint64_t)(rand() % 50);
        m->open[m->count].rid = take(w, deadline_ms);
        m->open[m->count++].deadline_ms = deadline_ms;
    } else if (m->count != 0 && dice % 16 < 10) {
        const uint64_t now_ms = (uint64_t)(rand() % 50);
        struct cdx__slot *slot = cdx__window_find(w, m->open[at].rid);
        if (slot->state != CDX__SLOT_OPEN)
            return;
        cdx__window_renew(w, slot, now_ms);
        if (m->open[at].deadline_ms != NEVER)
            m->open[at].deadline_ms = now_ms + TIMEOUT_MS;
    } else if (m->count != 0 && dice % 16 < 12) {
        struct cdx__slot *slot = cdx__window_find(w, m->open[at].rid);
        if (slot->state == CDX__SLOT_OPEN)
            cdx__window_silence(w, slot);
        m->open[at].deadline_ms = NEVER;
    } else if (m->count != 0) {
        release(w, m->open[at].rid);
        m->open[at] = m->open[--m->count];
    }
}

static void any_order_of_operations_agrees_with_a_plain_array(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct cdx__window w;
        struct model m = {.count = 0};
        srand(seed);
        cdx__window_init(&w, MODEL_MAX, UINT32_MAX - 500, UINT32_MAX);
        for (int step = 0; step < 2000; step++) {
            model_step(&w, &m);
            check(&w);
            if (step % 16 == 0)
                expect_like_model(&w, &m);
        }
        cdx__window_free(&w);
    }
}

static void without_memory_the_window_stays_as_it_was(void **state)
{
    struct cdx__window w;
    uint32_t rid = 0;
    (void)state;
    heap_fail_install();
    cdx__window_init(&w, 100, 1, UINT32_MAX);
    heap_fail_at(1, 0);
    assert_int_equal(cdx__window_reserve(&w, &rid), CDX_NO_MEMORY);
    for (uint32_t i = 1; i <= CDX__WINDOW_SLOTS_MIN / 2; i++)
        assert_int_equal(take(&w, i), i);
    heap_fail_at(1, 0);
    assert_int_equal(cdx__window_reserve(&w, &rid), CDX_NO_MEMORY);
    check(&w);
    assert_int_equal(take(&w, 3), CDX__WINDOW_SLOTS_MIN / 2 + 1);
    cdx__window_free(&w);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rids_count_from_the_first_and_wrap_without_zero),
        cmocka_unit_test(a_reservation_that_is_not_taken_is_given_out_again),
        cmocka_unit_test(stuck_requests_are_skipped_and_kept),
        cmocka_unit_test(the_window_is_full_at_its_limit_silent_requests_included),
        cmocka_unit_test(all_rids_of_a_narrow_field_can_be_open_at_once),
        cmocka_unit_test(deadlines_come_in_order_whatever_order_they_were_given_in),
        cmocka_unit_test(any_order_of_operations_agrees_with_a_plain_array),
        cmocka_unit_test(without_memory_the_window_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
