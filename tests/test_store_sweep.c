/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sweep over all keys, and of the marks beside values. */
#include "store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST_KEYS 20000u
#define LATER_KEYS 40000u

static struct store *store_with_seed(uint64_t seed)
{
    const struct store_config config = {.hash_seed = seed};
    struct store *store;
    assert_int_equal(store_open(&config, &store), STORE_OK);
    return store;
}

static struct cdx_bytes numbered(char room[32], unsigned number)
{
    int len = snprintf(room, 32, "/k%u/x%u", number % 97, number);
    return cdx_bytes_of(room, (size_t)len);
}

static void put_numbers(struct store *store, unsigned from, unsigned to)
{
    char room[32];
    uint64_t revision;
    store_write_begin(store);
    for (unsigned i = from; i < to; i++)
        assert_int_equal(store_put(store, numbered(room, i), CDX_STR("v"), NULL, &revision),
                         STORE_OK);
    store_write_end(store);
}

/* How often each number's key was visited. */
struct visits {
    uint8_t count[FIRST_KEYS + LATER_KEYS];
    unsigned others;
};

static void count_visit(void *arg, const struct store_entry *entry)
{
    struct visits *visits = arg;
    unsigned group;
    unsigned number;
    char room[32] = {0};
    if (entry->key.len != 0 && entry->key.len < sizeof room)
        memcpy(room, entry->key.data, entry->key.len);
    if (sscanf(room, "/k%u/x%u", &group, &number) != 2 || number >= FIRST_KEYS + LATER_KEYS)
        visits->others++;
    else
        visits->count[number]++;
}

static void keys_that_stay_are_visited_while_others_come_and_go(void **state)
{
    (void)state;
    struct store *store = store_with_seed(5);
    struct store_reader *reader;
    struct visits *visits = calloc(1, sizeof *visits);
    assert_non_null(visits);
    assert_int_equal(store_reader_open(store, &reader), STORE_OK);
    put_numbers(store, 0, FIRST_KEYS);
    uint64_t position = 0;
    unsigned added = FIRST_KEYS;
    unsigned removed = 0;
    unsigned calls = 0;
    do {
        store_read_begin(reader);
        position = store_sweep(reader, position, count_visit, visits);
        store_read_end(reader);
        if (++calls % 4 != 0)
            continue;
        /* Every third key goes, many more come: tables grow, slots are used again. */
        char room[32];
        uint64_t revision;
        store_write_begin(store);
        if (removed + 3 < FIRST_KEYS)
            assert_int_equal(store_delete(store, numbered(room, removed += 3), &revision),
                             STORE_OK);
        store_write_end(store);
        put_numbers(store, added, added + 16 < FIRST_KEYS + LATER_KEYS ? added + 16 : added);
        added += added + 16 < FIRST_KEYS + LATER_KEYS ? 16 : 0;
        (void)store_maintain(store, calls, 1000);
    } while (position != 0);
    assert_true(added > 2 * FIRST_KEYS);
    for (unsigned i = 0; i < FIRST_KEYS; i++)
        assert_true(visits->count[i] >= 1 || (i % 3 == 0 && i != 0));
    assert_int_equal(visits->others, 0);
    store_reader_close(reader);
    assert_null(store_check(store));
    store_close(store);
    free(visits);
}

static void a_sweep_of_a_store_at_rest_visits_each_key_once(void **state)
{
    (void)state;
    struct store *store = store_with_seed(6);
    struct store_reader *reader;
    struct visits *visits = calloc(1, sizeof *visits);
    assert_non_null(visits);
    assert_int_equal(store_reader_open(store, &reader), STORE_OK);
    put_numbers(store, 0, FIRST_KEYS);
    uint64_t revision;
    uint64_t keys;
    uint32_t stage;
    /* Dropped, stored anew, staged: only what is seen is visited. */
    store_write_begin(store);
    assert_int_equal(store_put(store, cdx_empty(), CDX_STR("v"), NULL, &revision), STORE_OK);
    assert_int_equal(store_drop(store, CDX_STR("/k5"), &keys, &revision), STORE_OK);
    assert_int_equal(store_put(store, CDX_STR("/k5/x5"), CDX_STR("v"), NULL, &revision), STORE_OK);
    assert_int_equal(store_stage_open(store, CDX_STR("/k6"), &stage), STORE_OK);
    assert_int_equal(
        store_stage_put(store, stage, CDX_STR("/k6/x6"), CDX_STR("w"), NULL, &revision), STORE_OK);
    store_write_end(store);
    store_read_begin(reader);
    uint64_t position = 0;
    do
        position = store_sweep(reader, position, count_visit, visits);
    while (position != 0);
    store_read_end(reader);
    for (unsigned i = 0; i < FIRST_KEYS; i++)
        assert_int_equal(visits->count[i], i % 97 == 5 && i != 5 ? 0 : 1);
    assert_int_equal(visits->others, 1); /* the empty key */
    store_reader_close(reader);
    store_close(store);
    free(visits);
}

static void any_number_is_a_position(void **state)
{
    (void)state;
    static const uint64_t positions[] = {
        1,          STORE_SWEEP_END - 1,  STORE_SWEEP_END, STORE_SWEEP_END + 1,
        UINT64_MAX, UINT64_C(0x123456789)};
    struct store *store = store_with_seed(7);
    struct store_reader *reader;
    struct visits *visits = calloc(1, sizeof *visits);
    assert_non_null(visits);
    assert_int_equal(store_reader_open(store, &reader), STORE_OK);
    for (int filled = 0; filled < 2; filled++) {
        store_read_begin(reader);
        for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
            uint64_t next = store_sweep(reader, positions[i], count_visit, visits);
            assert_true(next == 0 || (next > positions[i] && next < STORE_SWEEP_END));
            assert_true(positions[i] < STORE_SWEEP_END || next == 0);
        }
        store_read_end(reader);
        put_numbers(store, 0, 1000);
    }
    store_reader_close(reader);
    store_close(store);
    free(visits);
}

/* Values at the edges of what lies inline. */
static const size_t lengths[] = {0, 1, 8, 511, 512, 513, 100000};

static void check_mark(struct store *store, size_t len, uint32_t mark)
{
    struct store_entry entry;
    assert_int_equal(store_peek(store, CDX_STR("/a/b"), &entry), STORE_OK);
    assert_int_equal(entry.value.len, len);
    assert_int_equal(entry.mark, mark);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(entry.value.data[i], 'v');
}

static void marks_stay_with_their_values(void **state)
{
    (void)state;
    char *value = malloc(100000);
    assert_non_null(value);
    memset(value, 'v', 100000);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct store *store = store_with_seed(8);
        struct store_put_options options = {.mark = 0xfedcba98};
        struct cdx_bytes bytes = cdx_bytes_of(value, lengths[i]);
        uint64_t revision;
        uint64_t keys;
        struct store_entry entry;
        store_write_begin(store);
        assert_int_equal(store_peek(store, CDX_STR("/a/b"), &entry), STORE_NOT_FOUND);
        assert_int_equal(store_put_with(store, CDX_STR("/a/b"), bytes, &options, &revision),
                         STORE_OK);
        check_mark(store, lengths[i], 0xfedcba98);
        /* as one of several keys below a node, and with an expiry */
        assert_int_equal(store_put(store, CDX_STR("/a/b/c"), bytes, NULL, &revision), STORE_OK);
        check_mark(store, lengths[i], 0xfedcba98);
        assert_int_equal(store_touch(store, CDX_STR("/a/b"), 1000), STORE_OK);
        check_mark(store, lengths[i], 0xfedcba98);
        options.mark = 1;
        options.keep_expiry = true;
        assert_int_equal(store_put_with(store, CDX_STR("/a/b"), bytes, &options, &revision),
                         STORE_OK);
        check_mark(store, lengths[i], 1);
        /* spared by a drop of what is below it */
        assert_int_equal(store_drop(store, CDX_STR("/a/b/"), &keys, &revision), STORE_OK);
        check_mark(store, lengths[i], 1);
        assert_int_equal(store_put(store, CDX_STR("/a/b"), bytes, NULL, &revision), STORE_OK);
        check_mark(store, lengths[i], 0);
        store_write_end(store);
        assert_null(store_check(store));
        store_close(store);
    }
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_stay_are_visited_while_others_come_and_go),
        cmocka_unit_test(a_sweep_of_a_store_at_rest_visits_each_key_once),
        cmocka_unit_test(any_number_is_a_position),
        cmocka_unit_test(marks_stay_with_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
