/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, overflow, growth: with keys that were searched to collide. */
#include "heap_fail.h"
#include "store_fixture.h"
#include "store_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define SEED 4711u

static void tags_are_found_in_every_slot(void **state)
{
    (void)state;
    static const uint16_t tags[] = {0, 1, 0x7fff, 0x8000, 0xffff, 0x00ff, 0xff00};
    for (size_t t = 0; t < sizeof tags / sizeof tags[0]; t++) {
        for (uint32_t slots = 0; slots < 1u << STORE_BUCKET_SLOTS; slots++) {
            struct store_bucket bucket = {.state = UINT32_MAX};
            memset(bucket.ref, 0xff, sizeof bucket.ref); /* right behind the tags */
            for (uint32_t s = 0; s < STORE_BUCKET_SLOTS; s++)
                bucket.tag[s] = (uint16_t)((slots >> s & 1) != 0 ? tags[t] : tags[t] ^ 0x101);
            assert_int_equal(store_bucket_find(&bucket, tags[t]), slots);
            assert_int_equal(store_bucket_find_each(&bucket, tags[t]), slots);
        }
    }
}

static void open_seeded(struct fixture *f)
{
    const struct store_config config = {.hash_seed = SEED};
    heap_fail_install();
    assert_int_equal(store_open(&config, &f->store), STORE_OK);
    assert_int_equal(store_reader_open(f->store, &f->reader), STORE_OK);
}

static void close_seeded(struct fixture *f)
{
    store_read_begin(f->reader);
    fixture_close(f);
}

/* The next number whose key has the home bucket 0 even in a table of 2^14, and few tags. */
static void colliding_key(const struct store *store, uint32_t *number, char *room, size_t nbytes)
{
    for (;; ++*number) {
        int len = snprintf(room, nbytes, "/%u", *number);
        uint64_t hash = store_hash_of(&store->keys, cdx_bytes_of(room, (size_t)len));
        if (hash >> 50 == 0 && (hash & 0xfff) < 0x400) {
            ++*number;
            return;
        }
    }
}

#define COLLIDING 120u

static void check_present(struct fixture *f, char keys[][16], uint32_t from)
{
    assert_null(store_check(f->store));
    store_read_begin(f->reader);
    for (uint32_t i = 0; i < COLLIDING; i++) {
        struct store_entry entry;
        struct store_probe probe;
        struct cdx_bytes key = cdx_cstr(keys[i]);
        store_probe_start(f->store, STORE_PROBE_MATCH, key, &probe);
        store_probe_touch(f->reader, &probe);
        enum store_status expected = i >= from ? STORE_OK : STORE_NOT_FOUND;
        assert_int_equal(store_match(f->reader, key, &probe, &entry), expected);
        assert_int_equal(store_get(f->reader, key, NULL, &entry), expected);
    }
    store_read_end(f->reader);
}

static void colliding_keys_are_all_found(void **state)
{
    (void)state;
    static char keys[COLLIDING][16];
    struct fixture f;
    uint32_t number = 0;
    uint64_t revision;
    open_seeded(&f);
    for (uint32_t i = 0; i < COLLIDING; i++) {
        colliding_key(f.store, &number, keys[i], sizeof keys[i]);
        assert_int_equal(store_put(f.store, cdx_cstr(keys[i]), CDX_STR("v"), NULL, &revision),
                         STORE_OK);
    }
    /* They fill twelve buckets in a row, and the first one knows of those behind it. */
    assert_true(store_bucket_overflow(&store_index_buckets(&f.store->index)[0]) >=
                COLLIDING - STORE_BUCKET_SLOTS);
    check_present(&f, keys, 0);
    for (uint32_t i = 0; i < COLLIDING; i++) {
        assert_int_equal(store_delete(f.store, cdx_cstr(keys[i]), &revision), STORE_OK);
        check_present(&f, keys, i + 1);
    }
    assert_int_equal(store_bucket_overflow(&store_index_buckets(&f.store->index)[0]), 0);
    close_seeded(&f);
}

/* A count that reached its limit is not known any more: lookups must go on past the bucket for
 * good. */
static void an_overflow_count_at_its_limit_sticks(void **state)
{
    (void)state;
    static char keys[STORE_BUCKET_SLOTS + 2][16];
    const uint32_t count = sizeof keys / sizeof keys[0];
    struct fixture f;
    struct store_entry entry;
    uint32_t number = 0;
    uint64_t revision;
    open_seeded(&f);
    struct store_bucket *home = store_index_buckets(&f.store->index);
    for (uint32_t i = 0; i < count; i++) {
        colliding_key(f.store, &number, keys[i], sizeof keys[i]);
        assert_int_equal(store_put(f.store, cdx_cstr(keys[i]), CDX_STR("v"), NULL, &revision),
                         STORE_OK);
    }
    assert_int_equal(store_bucket_overflow(home), 2);
    home->state |= STORE_OVERFLOW_MAX << STORE_BUCKET_SLOTS;
    assert_int_equal(store_delete(f.store, cdx_cstr(keys[count - 1]), &revision), STORE_OK);
    assert_int_equal(store_bucket_overflow(home), STORE_OVERFLOW_MAX);
    store_read_begin(f.reader);
    assert_int_equal(store_get(f.reader, cdx_cstr(keys[count - 2]), NULL, &entry), STORE_OK);
    store_read_end(f.reader);
    assert_int_equal(store_put(f.store, cdx_cstr(keys[count - 1]), CDX_STR("v"), NULL, &revision),
                     STORE_OK);
    assert_int_equal(store_bucket_overflow(home), STORE_OVERFLOW_MAX);
    home->state &= ~((STORE_OVERFLOW_MAX ^ 2u) << STORE_BUCKET_SLOTS); /* the 2 that they are */
    close_seeded(&f);
}

static void the_table_follows_the_number_of_nodes(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t revision;
    char key[32];
    const uint32_t count = 20000;
    open_seeded(&f);
    for (uint32_t i = 0; i < 2 * count; i++) {
        bool in = i < count;
        int len = snprintf(key, sizeof key, "/%u", in ? i : 2 * count - 1 - i);
        struct cdx_bytes bytes = cdx_bytes_of(key, (size_t)len);
        enum store_status status = in ? store_put(f.store, bytes, bytes, NULL, &revision)
                                      : store_delete(f.store, bytes, &revision);
        assert_int_equal(status, STORE_OK);
        uint64_t buckets = store_index_bucket_count(&f.store->index);
        assert_true(f.store->index.used <= buckets * STORE_BUCKET_FILL_MAX);
        assert_true(buckets == STORE_BUCKETS_MIN ||
                    f.store->index.used >= buckets * STORE_BUCKET_FILL_MIN);
        if (i % 1000 == 0)
            assert_null(store_check(f.store));
    }
    assert_int_equal(store_index_bucket_count(&f.store->index), STORE_BUCKETS_MIN);
    close_seeded(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_found_in_every_slot),
        cmocka_unit_test(colliding_keys_are_all_found),
        cmocka_unit_test(an_overflow_count_at_its_limit_sticks),
        cmocka_unit_test(the_table_follows_the_number_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
