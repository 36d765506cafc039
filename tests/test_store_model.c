/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations against the naive model. Alphabets are tiny, so that keys
 * are prefixes, siblings and near misses of each other all the time.
 */
#include "heap_fail.h"
#include "store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define OPERATIONS_PER_SEED 40000u
#define CHECK_EVERY 64u
#define KEY_NBYTES_MAX 48u

struct random {
    uint64_t state;
};

static uint32_t random_below(struct random *random, uint32_t bound)
{
    random->state = random->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((random->state >> 33) % bound);
}

struct alphabet {
    const char *name;
    const char *bytes;
    uint32_t size;
    uint32_t length_max;
};

static const struct alphabet alphabets[] = {
    {"structure", "/a", 2, 5},
    {"boundaries", "/ab", 3, 7},
    {"odd bytes", "/a\0\xff", 4, 5},
    {"around the slash", "/.0\x2e", 4, 6},
    {"digits", "0123", 4, 6},
    {"long segments", "/aaaaaaaaa", 10, KEY_NBYTES_MAX},
    {"many boundaries", "//////a", 7, KEY_NBYTES_MAX},
};

struct world {
    struct store *store;
    struct store_reader *reader;
    struct model model;
    struct random random;
    const struct alphabet *alphabet;
    uint8_t key[KEY_NBYTES_MAX];
    uint8_t other[KEY_NBYTES_MAX];
    uint8_t value[256];
};

static struct cdx_bytes random_key(struct world *w, uint8_t *room)
{
    size_t len = random_below(&w->random, w->alphabet->length_max + 1);
    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t)w->alphabet->bytes[random_below(&w->random, w->alphabet->size)];
    return cdx_bytes_of(room, len);
}

/* Lengths around the limit of inline values, and often none at all. */
static struct cdx_bytes random_value(struct world *w)
{
    static const size_t lengths[] = {0, 1, 8, 63, 64, 65, 100, sizeof w->value};
    size_t len = lengths[random_below(&w->random, sizeof lengths / sizeof lengths[0])];
    memset(w->value, (int)random_below(&w->random, 256), sizeof w->value);
    return cdx_bytes_of(w->value, len);
}

static void agree(const struct world *w, const char *wrong)
{
    if (wrong != NULL)
        fail_msg("%s: %s", w->alphabet->name, wrong);
}

static void step_put(struct world *w, struct cdx_bytes key)
{
    struct cdx_bytes value = random_value(w);
    uint64_t revisions[2] = {7, 7};
    uint64_t guess = random_below(&w->random, 3) == 0 ? 0 : w->model.revision;
    const uint64_t *expected = random_below(&w->random, 4) == 0 ? &guess : NULL;
    enum store_status status = store_put(w->store, key, value, expected, &revisions[0]);
    assert_int_equal(status, model_put(&w->model, key, value, expected, &revisions[1]));
    assert_int_equal(revisions[0], revisions[1]);
}

static void step_delete(struct world *w, struct cdx_bytes key)
{
    uint64_t revisions[2] = {7, 7};
    enum store_status status = store_delete(w->store, key, &revisions[0]);
    assert_int_equal(status, model_delete(&w->model, key, &revisions[1]));
    assert_int_equal(revisions[0], revisions[1]);
}

static void step_drop(struct world *w, struct cdx_bytes key)
{
    uint64_t revisions[2] = {7, 7};
    uint64_t keys[2] = {7, 7};
    assert_int_equal(store_drop(w->store, key, &keys[0], &revisions[0]), STORE_OK);
    model_drop(&w->model, key, &keys[1], &revisions[1]);
    assert_int_equal(keys[0], keys[1]);
    assert_int_equal(revisions[0], revisions[1]);
}

static void step_write(struct world *w, bool shrinking)
{
    struct cdx_bytes key = random_key(w, w->key);
    store_write_begin(w->store);
    uint32_t kind = random_below(&w->random, 100);
    if (kind < (shrinking ? 30u : 60u))
        step_put(w, key);
    else if (kind < 97)
        step_delete(w, key);
    else if (shrinking || key.len > 1)
        step_drop(w, key);
    store_write_end(w->store);
}

static void step_read(struct world *w)
{
    struct cdx_bytes key = random_key(w, w->key);
    struct cdx_bytes other = random_key(w, w->other);
    store_read_begin(w->reader);
    agree(w, model_check_key(&w->model, w->store, w->reader, key));
    agree(w, model_check_page(&w->model, w->reader, key, other));
    store_read_end(w->reader);
}

static void check_all(struct world *w)
{
    store_read_begin(w->reader);
    agree(w, model_check_all(&w->model, w->reader));
    store_read_end(w->reader);
    agree(w, store_check(w->store));
}

static void world_open(struct world *w, uint64_t seed, const struct alphabet *alphabet)
{
    const struct store_config config = {.hash_seed = seed};
    *w = (struct world){.random = {seed * 977 + alphabet->size}, .alphabet = alphabet};
    heap_fail_install();
    assert_int_equal(store_open(&config, &w->store), STORE_OK);
    assert_int_equal(store_reader_open(w->store, &w->reader), STORE_OK);
    model_init(&w->model);
}

static void world_close(struct world *w)
{
    model_free(&w->model);
    store_reader_close(w->reader);
    store_close(w->store);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void the_store_agrees_with_the_model(void **state)
{
    (void)state;
    for (size_t a = 0; a < sizeof alphabets / sizeof alphabets[0]; a++) {
        struct world w;
        world_open(&w, a + 1, &alphabets[a]);
        for (uint32_t i = 0; i < OPERATIONS_PER_SEED; i++) {
            step_write(&w, i / 2000 % 3 == 2);
            if (i % 4 == 0)
                step_read(&w);
            if (i % CHECK_EVERY == 0)
                check_all(&w);
        }
        check_all(&w);
        world_close(&w);
    }
}

/* What is tried until it succeeds: with the n-th allocation failing, for n from 1 on. */
enum trial { TRIAL_PUT, TRIAL_DELETE, TRIAL_DROP };

static enum store_status trial_run(struct world *w, enum trial trial, struct cdx_bytes key,
                                   struct cdx_bytes value, uint64_t *keys, uint64_t *revision)
{
    switch (trial) {
    case TRIAL_PUT:
        return store_put(w->store, key, value, NULL, revision);
    case TRIAL_DELETE:
        return store_delete(w->store, key, revision);
    default:
        return store_drop(w->store, key, keys, revision);
    }
}

static enum store_status trial_model(struct world *w, enum trial trial, struct cdx_bytes key,
                                     struct cdx_bytes value, uint64_t *keys, uint64_t *revision)
{
    switch (trial) {
    case TRIAL_PUT:
        return model_put(&w->model, key, value, NULL, revision);
    case TRIAL_DELETE:
        return model_delete(&w->model, key, revision);
    default:
        model_drop(&w->model, key, keys, revision);
        return STORE_OK;
    }
}

/* A write whose n-th allocation fails leaves everything as it was; then it succeeds. */
static void failing_write(struct world *w, enum trial trial, struct cdx_bytes key,
                          struct cdx_bytes value)
{
    uint64_t keys[2] = {7, 7};
    for (size_t n = 1;; n++) {
        uint64_t revisions[2] = {7, 7};
        store_write_begin(w->store);
        heap_fail_at(n, n % 2 == 0);
        enum store_status status = trial_run(w, trial, key, value, &keys[0], &revisions[0]);
        bool failed = heap_fail_happened() != 0;
        heap_fail_at(0, 0);
        store_write_end(w->store);
        if (status != STORE_NO_MEMORY) {
            assert_int_equal(status, trial_model(w, trial, key, value, &keys[1], &revisions[1]));
            assert_int_equal(revisions[0], revisions[1]);
            assert_int_equal(keys[0], keys[1]);
            return;
        }
        assert_true(failed);
        assert_int_equal(revisions[0], 7);
        check_all(w);
    }
}

static void a_write_without_memory_changes_nothing(void **state)
{
    (void)state;
    for (size_t a = 0; a < sizeof alphabets / sizeof alphabets[0]; a++) {
        struct world w;
        world_open(&w, a + 100, &alphabets[a]);
        for (uint32_t i = 0; i < 600; i++) {
            failing_write(&w, TRIAL_PUT, random_key(&w, w.key), random_value(&w));
            if (i % 5 == 0)
                failing_write(&w, TRIAL_DELETE, random_key(&w, w.other), cdx_empty());
            if (i % 97 == 0)
                failing_write(&w, TRIAL_DROP, random_key(&w, w.other), cdx_empty());
        }
        check_all(&w);
        world_close(&w);
    }
}

static void stale_probes_find_what_is_there_now(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 5, &alphabets[1]);
    for (uint32_t i = 0; i < 20000; i++) {
        struct cdx_bytes key = random_key(&w, w.other);
        struct store_probe probe;
        struct store_entry entry;
        store_probe_start(w.store, i % 3 != 0 ? STORE_PROBE_MATCH : STORE_PROBE_KEY, key, &probe);
        store_read_begin(w.reader);
        store_probe_touch(w.reader, &probe);
        store_read_end(w.reader);
        for (uint32_t writes = random_below(&w.random, 4); writes > 0; writes--)
            step_write(&w, i / 1000 % 2 == 1);
        store_read_begin(w.reader);
        agree(&w, model_check_entry(model_match(&w.model, key),
                                    store_match(w.reader, key, &probe, &entry), &entry));
        agree(&w, model_check_entry(model_get(&w.model, key),
                                    store_get(w.reader, key, &probe, &entry), &entry));
        store_read_end(w.reader);
    }
    world_close(&w);
}

/* A listing in pages of random size, with writes between the pages. */
static void pages_stay_in_order_while_keys_change(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 9, &alphabets[1]);
    for (uint32_t round = 0; round < 300; round++) {
        uint8_t after_room[KEY_NBYTES_MAX];
        struct cdx_bytes after = cdx_empty();
        for (bool more = true; more;) {
            struct store_cursor cursor;
            struct store_entry entry = {.revision = 0};
            store_read_begin(w.reader);
            agree(&w, model_check_page(&w.model, w.reader, cdx_empty(), after));
            store_list(w.reader, cdx_empty(), after, &cursor);
            for (uint32_t rows = 1 + random_below(&w.random, 9); rows > 0 && more; rows--)
                more = store_next(&cursor, &entry) == STORE_OK;
            if (more) {
                assert_true(entry.key.len == 0 || model_compare(entry.key, after) > 0);
                after = cdx_bytes_of(after_room, entry.key.len);
                memcpy(after_room, entry.key.data, entry.key.len);
                more = after.len != 0; /* the empty key as `after` means from the start */
            }
            store_read_end(w.reader);
            for (uint32_t i = 0; i < 5; i++)
                step_write(&w, round % 4 == 3);
        }
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_agrees_with_the_model),
        cmocka_unit_test(a_write_without_memory_changes_nothing),
        cmocka_unit_test(stale_probes_find_what_is_there_now),
        cmocka_unit_test(pages_stay_in_order_while_keys_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
