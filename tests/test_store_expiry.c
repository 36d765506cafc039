/* SPDX-License-Identifier: Apache-2.0 */
/* The timer wheel alone, and expiry in a store. */
#include "heap_fail.h"
#include "store_expiry.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define RECORD_UNITS (STORE_EXPIRING_NBYTES / STORE_UNIT_NBYTES)

static struct rig_memory memory;
static struct store_wheel wheel;

static int open_wheel(void **state)
{
    (void)state;
    rig_memory_open(&memory);
    store_wheel_init(&wheel, &memory.arena, 0);
    return 0;
}

static int close_wheel(void **state)
{
    (void)state;
    rig_memory_close(&memory);
    return 0;
}

static void check_wheel(void)
{
    const char *broken = store_wheel_check(&wheel);
    if (broken != NULL)
        fail_msg("%s", broken);
}

static store_ref record_new(uint64_t expires_ms)
{
    store_ref ref = store_arena_get(&memory.arena, RECORD_UNITS);
    assert_int_not_equal(ref, 0);
    struct store_expiring *e = store_expiring_of(store_node_at(&memory.arena, ref));
    memset(e, 0, STORE_EXPIRING_NBYTES);
    atomic_init(&e->record.node.head, store_head_of(STORE_RECORD, STORE_RECORD_EXPIRES, 0, 0));
    atomic_init(&e->expires_low, (uint32_t)expires_ms);
    atomic_init(&e->expires_high, (uint32_t)(expires_ms >> 32));
    return ref;
}

static uint64_t expires_of(store_ref ref)
{
    return store_record_expires(store_node_at(&memory.arena, ref));
}

static store_ref next(uint64_t to_ms)
{
    unsigned steps = 100000;
    store_ref ref = store_wheel_next(&wheel, to_ms, &steps);
    assert_int_not_equal(steps, 0);
    return ref;
}

/* Each at one millisecond before, at and behind the borders of the wheel's levels. */
static void an_entry_of_every_level_is_due_at_its_time(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, 1, 63, 64, 4095, 123456789, UINT64_C(1) << 40};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        for (uint32_t level = 0; level < STORE_WHEEL_LEVELS; level++) {
            for (uint64_t off = 0; off < 3; off++) {
                uint64_t away = (UINT64_C(1) << (level * STORE_WHEEL_BITS)) + off - 1;
                uint64_t at = starts[s] + (away != 0 ? away : 1);
                store_wheel_init(&wheel, &memory.arena, starts[s]);
                store_ref ref = record_new(at);
                store_wheel_add(&wheel, ref);
                check_wheel();
                assert_int_equal(next(at - 1), 0);
                check_wheel();
                assert_int_equal(next(at), ref);
                assert_int_equal(next(at), ref); /* until it is taken out */
                store_wheel_remove(&wheel, ref);
                assert_int_equal(next(at), 0);
                assert_int_equal(wheel.count, 0);
                assert_int_equal(wheel.now_ms, at);
                check_wheel();
            }
        }
    }
}

static void what_is_overdue_is_due_at_once(void **state)
{
    (void)state;
    store_wheel_init(&wheel, &memory.arena, 1000000);
    static const uint64_t times[] = {1, 999999, 1000000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        store_ref ref = record_new(times[i]);
        store_wheel_add(&wheel, ref);
        check_wheel();
        assert_int_equal(next(1000000), ref);
        store_wheel_remove(&wheel, ref);
    }
}

static void the_far_future_is_never_reached(void **state)
{
    (void)state;
    static const uint64_t times[] = {STORE_EXPIRES_MAX - 1, STORE_EXPIRES_MAX,
                                     STORE_EXPIRES_MAX + 1, UINT64_MAX};
    store_ref refs[4];
    store_wheel_init(&wheel, &memory.arena, 1);
    for (size_t i = 0; i < 4; i++) {
        refs[i] = record_new(times[i]);
        store_wheel_add(&wheel, refs[i]);
    }
    check_wheel();
    assert_int_equal(next(UINT64_C(1) << 47), 0);
    /* All but the first count as the latest time there is. */
    assert_int_equal(next(STORE_EXPIRES_MAX - 1), refs[0]);
    store_wheel_remove(&wheel, refs[0]);
    assert_int_equal(next(STORE_EXPIRES_MAX - 1), 0);
    for (uint32_t left = 3; left > 0; left--) {
        store_ref ref = next(STORE_EXPIRES_MAX);
        assert_int_not_equal(ref, 0);
        store_wheel_remove(&wheel, ref);
        assert_int_equal(wheel.count, left - 1);
    }
    /* Time goes on behind it, and what is added then is due. */
    assert_int_equal(next(STORE_EXPIRES_MAX + 1000), 0);
    check_wheel();
}

/* A thousand entries, random jumps of the clock: nothing comes early, nothing is left behind. */
static void jumps_of_the_clock_lose_nothing(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static store_ref refs[COUNT];
    uint64_t random = 8;
    uint64_t now = 5000;
    store_wheel_init(&wheel, &memory.arena, now);
    for (uint32_t i = 0; i < COUNT; i++)
        refs[i] = 0;
    for (uint32_t round = 0; round < 400; round++) {
        for (uint32_t k = 0; k < 20; k++) {
            uint32_t i = rig_random(&random) % COUNT;
            if (refs[i] != 0) { /* cancelled */
                store_wheel_remove(&wheel, refs[i]);
                store_arena_free(&memory.arena, refs[i], RECORD_UNITS);
            }
            refs[i] = record_new(now + (rig_random(&random) >> rig_random(&random) % 31));
            store_wheel_add(&wheel, refs[i]);
        }
        check_wheel();
        now += rig_random(&random) >> rig_random(&random) % 31;
        store_ref ref;
        while ((ref = next(now)) != 0) {
            assert_true(expires_of(ref) <= now);
            uint32_t i = 0;
            while (i < COUNT && refs[i] != ref)
                i++;
            assert_true(i < COUNT);
            store_wheel_remove(&wheel, ref);
            store_arena_free(&memory.arena, ref, RECORD_UNITS);
            refs[i] = 0;
        }
        uint64_t left = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            left += refs[i] != 0;
            assert_true(refs[i] == 0 || expires_of(refs[i]) > now);
        }
        assert_int_equal(wheel.count, left);
    }
}

static void time_passes_in_slices(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    uint32_t slices = 0;
    uint32_t due = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        store_wheel_add(&wheel, record_new(1000000)); /* all must come down three levels */
    while (due < COUNT) {
        unsigned steps = 10;
        store_ref ref;
        while ((ref = store_wheel_next(&wheel, 1000000, &steps)) != 0) {
            store_wheel_remove(&wheel, ref);
            due++;
            if (steps-- <= 1)
                break;
        }
        assert_true(++slices < COUNT);
    }
    assert_true(slices > COUNT / 10);
    assert_int_equal(wheel.count, 0);
    unsigned none = 0;
    store_wheel_add(&wheel, record_new(1));
    assert_int_equal(store_wheel_next(&wheel, 2000000, &none), 0);
    assert_int_equal(wheel.now_ms, 1000000);
}

/* Entries of a slot that time has reached, but that was not emptied yet, can be cancelled. */
static void a_reached_slot_loses_entries(void **state)
{
    (void)state;
    for (uint32_t level = 1; level < STORE_WHEEL_LEVELS; level++) {
        uint64_t at = UINT64_C(1) << (level * STORE_WHEEL_BITS);
        store_ref refs[3];
        store_wheel_init(&wheel, &memory.arena, 0);
        for (uint32_t i = 0; i < 3; i++)
            store_wheel_add(&wheel, refs[i] = record_new(at + i));
        unsigned steps = 1; /* time reaches the slot, no more */
        assert_int_equal(store_wheel_next(&wheel, at + 10, &steps), 0);
        assert_int_equal(wheel.now_ms, at);
        store_wheel_remove(&wheel, refs[2]); /* the first of its list */
        store_wheel_remove(&wheel, refs[0]); /* the last */
        check_wheel();
        assert_int_equal(next(at + 10), refs[1]);
        store_wheel_remove(&wheel, refs[1]);
        check_wheel();
    }
}

static void each_damage_is_seen(void **state)
{
    (void)state;
    static const char *const seen[] = {
        "wheel: a slot and its mark disagree",
        "wheel: a link is not returned",
        "wheel: more entries than counted",
        "wheel: the entries do not add up",
    };
    store_ref first = record_new(5);
    store_wheel_add(&wheel, first);
    store_wheel_add(&wheel, record_new(5));
    struct store_expiring *e = store_expiring_of(store_node_at(&memory.arena, first));
    for (uint32_t i = 0; i < 4; i++) {
        struct store_wheel whole = wheel;
        store_ref prev = e->prev;
        check_wheel();
        wheel.used[3] ^= i == 0;
        e->prev = i == 1 ? 0 : prev;
        wheel.count += i == 3;
        wheel.count -= i == 2;
        const char *broken = store_wheel_check(&wheel);
        assert_non_null(broken);
        assert_string_equal(broken, seen[i]);
        wheel = whole;
        e->prev = prev;
    }
}

/* ---- in a store ---- */

static void put_until(struct rig *rig, const char *key, uint64_t expires_ms)
{
    const struct store_put_options options = {.expires_ms = expires_ms};
    assert_int_equal(rig_put_with(rig, cdx_cstr(key), CDX_STR("v"), &options), STORE_OK);
}

static uint64_t expiry_of(struct rig *rig, const char *key)
{
    struct store_entry entry;
    store_read_begin(rig->reader);
    assert_int_equal(store_get(rig->reader, cdx_cstr(key), NULL, &entry), STORE_OK);
    store_read_end(rig->reader);
    return entry.expires_ms;
}

static void a_value_is_gone_at_its_time_and_removed_by_upkeep(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, &(struct store_config){.hash_seed = 1, .now_ms = 1000});
    rig_put(&rig, "/a");
    put_until(&rig, "/a/b", 2000);
    put_until(&rig, "/a/c/d/e", 3000);
    assert_int_equal(rig_stats(&rig).expiring, 2);
    assert_true(rig_has(&rig, NULL, "/a/b"));
    store_write_begin(rig.store); /* another writer: only the clock is set */
    assert_int_equal(store_now(rig.store), 1000);
    store_write_end(rig.store);
    (void)store_maintain(rig.store, 1999, 0);
    assert_true(rig_has(&rig, NULL, "/a/b"));
    (void)store_maintain(rig.store, 2000, 0);
    assert_int_equal(store_now(rig.store), 2000);
    assert_false(rig_has(&rig, NULL, "/a/b"));
    assert_int_equal(rig_rows(&rig, NULL, "/a"), 2);
    assert_int_equal(rig_count(&rig, "/a"), 3); /* no upkeep yet */
    (void)store_maintain(rig.store, 1500, 0);   /* the clock never goes back */
    assert_int_equal(store_now(rig.store), 2000);
    rig_settle(&rig, 2000);
    assert_int_equal(rig_count(&rig, "/a"), 2);
    assert_int_equal(rig_stats(&rig).expired, 1);
    rig_settle(&rig, UINT64_C(1) << 50);
    assert_int_equal(rig_count(&rig, "/a"), 1);
    assert_int_equal(rig_stats(&rig).expiring, 0);
    assert_int_equal(rig_stats(&rig).expired, 2);
    rig_close(&rig);
}

static void a_touch_changes_the_expiry_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        uint64_t before;
        uint64_t after;
    } cases[] = {{0, 5000}, {5000, 0}, {5000, 6000}, {5000, 5000}, {0, 0}, {1, 5000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        struct store_entry entry;
        rig_open(&rig, NULL);
        rig_put(&rig, "/a/b");
        put_until(&rig, "/a", cases[i].before);
        store_write_begin(rig.store);
        assert_int_equal(store_touch(rig.store, CDX_STR("/a"), cases[i].after), STORE_OK);
        assert_int_equal(store_touch(rig.store, CDX_STR("/x"), 1), STORE_NOT_FOUND);
        assert_int_equal(store_peek(rig.store, CDX_STR("/a"), &entry), STORE_OK);
        assert_int_equal(entry.revision, 2);
        assert_int_equal(entry.expires_ms, cases[i].after);
        store_write_end(rig.store);
        assert_int_equal(expiry_of(&rig, "/a"), cases[i].after);
        assert_int_equal(rig_stats(&rig).expiring, cases[i].after != 0);
        rig_settle(&rig, 5500);
        assert_int_equal(rig_has(&rig, NULL, "/a"), cases[i].after == 0 || cases[i].after > 5500);
        assert_true(rig_has(&rig, NULL, "/a/b"));
        rig_close(&rig);
    }
}

static void a_put_keeps_the_expiry_if_it_is_asked_to(void **state)
{
    (void)state;
    const struct store_put_options keep = {.keep_expiry = true};
    struct rig rig;
    rig_open(&rig, NULL);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/new"), CDX_STR("1"), &keep), STORE_OK);
    assert_int_equal(expiry_of(&rig, "/new"), 0);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/new"), CDX_STR("2"), &keep), STORE_OK);
    assert_int_equal(expiry_of(&rig, "/new"), 0);
    put_until(&rig, "/new", 70);
    assert_int_equal(rig_put_with(&rig, CDX_STR("/new"), CDX_STR("3"), &keep), STORE_OK);
    assert_int_equal(expiry_of(&rig, "/new"), 70);
    rig_put(&rig, "/new");
    assert_int_equal(expiry_of(&rig, "/new"), 0);
    rig_settle(&rig, 100);
    assert_true(rig_has(&rig, NULL, "/new"));
    rig_close(&rig);
}

/* The wheel holds records of a subtree that was dropped until it is taken apart. */
static void expiry_below_a_drop_or_in_a_stage(void **state)
{
    (void)state;
    struct rig rig;
    char key[32];
    uint32_t stage;
    uint64_t revision;
    rig_open(&rig, NULL);
    for (uint32_t i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "/a/%u", i);
        put_until(&rig, key, 10 + i % 3);
    }
    struct store_snapshot *snapshot = rig_snapshot(&rig);
    assert_int_equal(rig_drop(&rig, "/a"), 300);
    store_write_begin(rig.store);
    assert_int_equal(store_stage_open(rig.store, CDX_STR("/s"), &stage), STORE_OK);
    const struct store_put_options options = {.expires_ms = 11};
    assert_int_equal(
        store_stage_put(rig.store, stage, CDX_STR("/s/1"), CDX_STR("v"), &options, &revision),
        STORE_OK);
    store_write_end(rig.store);
    for (uint32_t i = 0; i < 50; i++)
        (void)store_maintain(rig.store, 11, 64);
    rig_check(&rig);
    assert_int_equal(rig_stats(&rig).expired, 1); /* the staged one: the others were dropped */
    store_snapshot_close(rig.store, snapshot);
    rig_settle(&rig, 20);
    assert_int_equal(rig_stats(&rig).expiring, 0);
    store_write_begin(rig.store);
    assert_int_equal(store_stage_drop(rig.store, stage), STORE_OK);
    store_write_end(rig.store);
    rig_settle(&rig, 20);
    rig_close(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_wheel, close_wheel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_of_every_level_is_due_at_its_time),
        TEST(what_is_overdue_is_due_at_once),
        TEST(the_far_future_is_never_reached),
        TEST(jumps_of_the_clock_lose_nothing),
        TEST(time_passes_in_slices),
        TEST(a_reached_slot_loses_entries),
        TEST(each_damage_is_seen),
        cmocka_unit_test(a_value_is_gone_at_its_time_and_removed_by_upkeep),
        cmocka_unit_test(a_touch_changes_the_expiry_and_nothing_else),
        cmocka_unit_test(a_put_keeps_the_expiry_if_it_is_asked_to),
        cmocka_unit_test(expiry_below_a_drop_or_in_a_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
