/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations of every kind against the naive model. Alphabets are tiny, so
 * that keys are prefixes, siblings and near misses of each other all the time.
 * More, or others: CAUDEX_MODEL_SEED=1000 CAUDEX_MODEL_SEEDS=500 test_store_model.
 */
#include "heap_fail.h"
#include "store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define OPERATIONS_PER_SEED 12000u
#define CHECK_EVERY 512u
#define KEY_NBYTES_MAX 48u
#define STAGES 4u
#define SNAPSHOTS 4u
#define OPS_MAX 8u
#define FAN_OUT 400u
#define STEPS_ENOUGH 1000000u

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
    {"fan-out", "/ab", 3, 0},
};

struct world_snapshot {
    struct store_snapshot *snapshot;
    struct model model;
};

struct world {
    struct store *store;
    struct store_reader *reader;
    struct model model;
    struct model_stage stages[STAGES];
    struct world_snapshot snapshots[SNAPSHOTS];
    uint32_t stage_drops; /* their places wait for snapshots, too */
    struct random random;
    const struct alphabet *alphabet;
    uint64_t seed;
    uint32_t operation;
    uint8_t key[KEY_NBYTES_MAX];
    uint8_t other[KEY_NBYTES_MAX];
    uint8_t value[256];
};

/* /a/0 … /b/399, and few of them with one more level: sets of hundreds under one node. */
static struct cdx_bytes fan_out_key(struct world *w, uint8_t *room)
{
    char text[KEY_NBYTES_MAX];
    uint32_t kind = random_below(&w->random, 16);
    int len = snprintf(text, sizeof text, "/%c/%u/x", "ab"[random_below(&w->random, 8) == 0],
                       random_below(&w->random, FAN_OUT));
    if (kind != 1)
        len = kind == 0 ? 2 : len - 2;
    memcpy(room, text, (size_t)len);
    return cdx_bytes_of(room, (size_t)len);
}

static struct cdx_bytes random_key(struct world *w, uint8_t *room)
{
    if (w->alphabet->length_max == 0)
        return fan_out_key(w, room);
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
        fail_msg("%s, seed %llu, operation %u: %s", w->alphabet->name, (unsigned long long)w->seed,
                 w->operation, wrong);
}

/* Near enough that many end during the test; some before they begin. */
static uint64_t random_expiry(struct world *w)
{
    if (random_below(&w->random, 3) != 0)
        return 0;
    return w->model.now_ms + random_below(&w->random, 8) * random_below(&w->random, 2000);
}

static uint32_t random_mark(struct world *w)
{
    return random_below(&w->random, 4) == 0 ? random_below(&w->random, UINT32_MAX) : 0;
}

/* The expected revision is often right, sometimes "none", sometimes nonsense. */
static struct store_put_options random_options(struct world *w, struct cdx_bytes key,
                                               uint64_t *expected)
{
    const struct model_entry *present = model_get(&w->model, key);
    uint32_t kind = random_below(&w->random, 12);
    *expected = kind == 0                      ? 0
                : kind == 1 || present == NULL ? w->model.revision
                                               : present->revision;
    return (struct store_put_options){
        .expected = kind < 4 ? expected : NULL,
        .expires_ms = random_expiry(w),
        .keep_expiry = random_below(&w->random, 6) == 0,
        .mark = random_mark(w),
    };
}

/* Upkeep outside write sections, in slices until nothing is left to do at once. */
static void settle(struct world *w)
{
    while (store_maintain(w->store, w->model.now_ms, STEPS_ENOUGH) == STORE_UPKEEP_NOW)
        continue;
    model_settle(&w->model);
    for (size_t i = 0; i < STAGES; i++) {
        w->stages[i].staged.now_ms = w->model.now_ms;
        model_settle(&w->stages[i].staged);
    }
}

/* What upkeep and failed batches do to the revision is theirs: it only grows. */
static void follow_revision(struct world *w)
{
    store_read_begin(w->reader);
    uint64_t revision = store_read_revision(w->reader);
    store_read_end(w->reader);
    assert_true(revision >= w->model.revision);
    w->model.revision = revision;
}

static void step_put(struct world *w, struct cdx_bytes key)
{
    struct cdx_bytes value = random_value(w);
    uint64_t revisions[2] = {7, 7};
    uint64_t expected;
    struct store_put_options options = random_options(w, key, &expected);
    enum store_status status = store_put_with(w->store, key, value, &options, &revisions[0]);
    assert_int_equal(status, model_put(&w->model, key, value, &options, &revisions[1]));
    assert_int_equal(revisions[0], revisions[1]);
    struct store_entry entry;
    assert_null(
        model_check_entry(model_get(&w->model, key), store_peek(w->store, key, &entry), &entry));
}

static void step_touch(struct world *w, struct cdx_bytes key)
{
    uint64_t expires_ms = random_expiry(w);
    enum store_status status = store_touch(w->store, key, expires_ms);
    assert_int_equal(status, model_touch(&w->model, key, expires_ms));
    for (size_t i = 0; i < SNAPSHOTS && status == STORE_OK; i++)
        model_touch_past(&w->snapshots[i].model, &w->model, key);
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

/* Half of the batches have one expectation that is not met. */
static bool step_batch(struct world *w)
{
    static const uint64_t never = 1u << 30;
    struct store_op ops[OPS_MAX];
    uint8_t keys[OPS_MAX][KEY_NBYTES_MAX];
    uint64_t expected[OPS_MAX];
    uint64_t revisions[2] = {7, 7};
    size_t failed[2] = {7, 7};
    size_t count = random_below(&w->random, OPS_MAX + 1);
    struct cdx_bytes value = random_value(w);
    for (size_t i = 0; i < count; i++) {
        uint32_t kind = random_below(&w->random, 16);
        struct cdx_bytes key = random_key(w, keys[i]);
        if (kind == 0 && key.len < 2)
            kind = 1;
        ops[i] = (struct store_op){
            .kind = kind == 0  ? STORE_OP_DROP
                    : kind < 6 ? STORE_OP_DELETE
                               : STORE_OP_PUT,
            .key = key,
            .value = value,
            .options = random_options(w, key, &expected[i]),
        };
        if (random_below(&w->random, 3) != 0)
            ops[i].options.expected = NULL;
    }
    if (count != 0 && random_below(&w->random, 2) == 0)
        ops[random_below(&w->random, (uint32_t)count)].options.expected = &never;
    enum store_status status = store_batch(w->store, ops, count, &failed[0], &revisions[0]);
    assert_int_equal(status, model_batch(&w->model, ops, count, &failed[1], &revisions[1]));
    assert_int_equal(failed[0], failed[1]);
    if (status == STORE_OK || status == STORE_CONFLICT)
        assert_int_equal(revisions[0], revisions[1]);
    return status == STORE_OK;
}

static void step_stage_open(struct world *w, struct model_stage *stage, struct cdx_bytes key)
{
    uint32_t number = 0;
    enum store_status right = STORE_OK;
    for (size_t i = 0; i < STAGES; i++)
        right = model_stage_overlaps(&w->stages[i], key) ? STORE_BUSY : right;
    if (key.len != 0 && key.data[key.len - 1] == '/')
        right = STORE_OUTSIDE;
    enum store_status status = store_stage_open(w->store, key, &number);
    if (status == STORE_BUSY && right == STORE_OK && w->stage_drops + STAGES > STORE_STAGES_MAX)
        return;
    assert_int_equal(status, right);
    if (status == STORE_OK)
        model_stage_open(stage, key, number);
}

static void step_stage_put(struct world *w, struct model_stage *stage, struct cdx_bytes key)
{
    struct cdx_bytes value = random_value(w);
    uint64_t revisions[2] = {7, 7};
    uint8_t room[2 * KEY_NBYTES_MAX + 1];
    size_t len = stage->key_nbytes;
    memcpy(room, stage->key, len);
    if (key.len != 0 && key.data[0] != '/')
        room[len++] = '/';
    memcpy(room + len, key.data, key.len);
    if (random_below(&w->random, 8) != 0)
        key = cdx_bytes_of(room, len + key.len);
    const struct store_put_options options = {.expires_ms = random_expiry(w),
                                              .keep_expiry = random_below(&w->random, 6) == 0,
                                              .mark = random_mark(w)};
    enum store_status status =
        store_stage_put(w->store, stage->number, key, value, &options, &revisions[0]);
    assert_int_equal(status,
                     model_stage_put(&w->model, stage, key, value, &options, &revisions[1]));
    assert_int_equal(revisions[0], revisions[1]);
}

static void step_stage_end(struct world *w, struct model_stage *stage, bool swap)
{
    uint64_t revisions[2] = {7, 7};
    uint64_t added[2] = {7, 7};
    uint64_t removed[2] = {7, 7};
    uint32_t number = stage->number;
    if (swap) {
        assert_int_equal(store_stage_swap(w->store, number, &added[0], &removed[0], &revisions[0]),
                         STORE_OK);
        model_stage_swap(&w->model, stage, &added[1], &removed[1], &revisions[1]);
        assert_int_equal(revisions[0], revisions[1]);
        assert_int_equal(added[0], added[1]);
        assert_int_equal(removed[0], removed[1]);
    } else {
        assert_int_equal(store_stage_drop(w->store, number), STORE_OK);
        model_stage_close(stage);
        w->stage_drops++;
    }
    assert_int_equal(store_stage_drop(w->store, number), STORE_NOT_FOUND);
    assert_int_equal(store_stage_swap(w->store, number, &added[0], &removed[0], &revisions[0]),
                     STORE_NOT_FOUND);
}

/* One step of a stage's life. */
static void step_stage(struct world *w, struct cdx_bytes key)
{
    struct model_stage *stage = &w->stages[random_below(&w->random, STAGES)];
    uint32_t kind = random_below(&w->random, 24);
    if (stage->number == 0)
        step_stage_open(w, stage, key);
    else if (kind == 0)
        step_stage_end(w, stage, random_below(&w->random, 4) != 0);
    else
        step_stage_put(w, stage, key);
}

/*
 * Kinds of writes, by their frequency: while the store grows, and while it shrinks.
 * What drops, batches and swaps return is exact only where no expired key is left.
 * False: the revision may have gone further than the model's.
 */
static bool step_one(struct world *w, bool shrinking, bool settled, struct cdx_bytes key)
{
    uint32_t kind = random_below(&w->random, 100);
    if (kind < (shrinking ? 15u : 40u))
        step_put(w, key);
    else if (kind < 58)
        step_delete(w, key);
    else if (kind < 68)
        step_touch(w, key);
    else if (!settled)
        step_put(w, key);
    else if (kind < 78)
        return step_batch(w);
    else if (kind < 96)
        step_stage(w, key);
    else if (shrinking || key.len > 1)
        step_drop(w, key);
    return kind < 78 || kind >= 96;
}

static void step_write(struct world *w, bool shrinking)
{
    bool settled = random_below(&w->random, 3) != 0;
    if (settled) {
        settle(w);
        follow_revision(w);
    }
    store_write_begin(w->store);
    bool more = true;
    for (uint32_t i = random_below(&w->random, 3); i < 3 && more; i++)
        more = step_one(w, shrinking, settled, random_key(w, w->key));
    store_write_end(w->store);
    follow_revision(w);
}

/* Time passes, and upkeep does a little, or nothing. */
static void step_time(struct world *w)
{
    w->model.now_ms += random_below(&w->random, 2) * random_below(&w->random, 600);
    (void)store_maintain(w->store, w->model.now_ms, random_below(&w->random, 20));
    follow_revision(w);
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

static void snapshot_close(struct world *w, struct world_snapshot *s)
{
    store_snapshot_close(w->store, s->snapshot);
    model_free(&s->model);
    s->snapshot = NULL;
}

/* Opens a snapshot, or looks at one, and sometimes lets it go. */
static void step_snapshot(struct world *w)
{
    struct world_snapshot *s = &w->snapshots[random_below(&w->random, SNAPSHOTS)];
    struct cdx_bytes key = random_key(w, w->key);
    struct cdx_bytes other = random_key(w, w->other);
    if (s->snapshot == NULL) {
        store_read_begin(w->reader);
        assert_int_equal(store_snapshot_open(w->reader, &s->snapshot), STORE_OK);
        store_read_end(w->reader);
        model_copy(&w->model, &s->model);
        s->model.past = true;
    }
    s->model.now_ms = w->model.now_ms;
    store_read_begin_at(w->reader, s->snapshot);
    agree(w, model_check_key(&s->model, w->store, w->reader, key));
    agree(w, model_check_page(&s->model, w->reader, key, other));
    agree(w, model_check_all(&s->model, w->reader));
    store_read_end(w->reader);
    if (random_below(&w->random, 8) == 0)
        snapshot_close(w, s);
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
    *w =
        (struct world){.random = {seed * 977 + alphabet->size}, .alphabet = alphabet, .seed = seed};
    heap_fail_install();
    assert_int_equal(store_open(&config, &w->store), STORE_OK);
    assert_int_equal(store_reader_open(w->store, &w->reader), STORE_OK);
    model_init(&w->model);
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < SNAPSHOTS; i++)
        snapshot_close(w, &w->snapshots[i]);
    for (size_t i = 0; i < STAGES; i++)
        model_stage_close(&w->stages[i]);
    model_free(&w->model);
    store_reader_close(w->reader);
    store_close(w->store);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void world_run(uint64_t seed, const struct alphabet *alphabet)
{
    struct world w;
    world_open(&w, seed, alphabet);
    for (uint32_t i = 0; i < OPERATIONS_PER_SEED; i++) {
        w.operation = i;
        step_write(&w, i / 2000 % 3 == 2);
        step_time(&w);
        if (i % 4 == 0)
            step_read(&w);
        if (i % 32 == 0)
            step_snapshot(&w);
        if (i % CHECK_EVERY == 0)
            check_all(&w);
    }
    settle(&w);
    follow_revision(&w);
    check_all(&w);
    world_close(&w);
}

static uint64_t wanted(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void the_store_agrees_with_the_model(void **state)
{
    (void)state;
    const size_t count = sizeof alphabets / sizeof alphabets[0];
    uint64_t first = wanted("CAUDEX_MODEL_SEED", 1);
    uint64_t seeds = wanted("CAUDEX_MODEL_SEEDS", count);
    for (uint64_t seed = first; seed < first + seeds; seed++)
        world_run(seed, &alphabets[(seed - 1) % count]);
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
        for (uint32_t i = 0; i < 200; i++) {
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
    for (uint32_t i = 0; i < 5000; i++) {
        struct cdx_bytes key = random_key(&w, w.other);
        struct store_probe probe;
        struct store_entry entry;
        store_probe_start(w.store, i % 3 != 0 ? STORE_PROBE_MATCH : STORE_PROBE_KEY, key, &probe);
        store_read_begin(w.reader);
        store_probes_touch(w.reader, &probe, 1);
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
    for (uint32_t round = 0; round < 100; round++) {
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

/* A put at the limit: evicts first, or is refused; nothing else disappears. */
static void evicting_put(struct world *w, struct cdx_bytes key, struct cdx_bytes below)
{
    struct store_stats before;
    struct store_stats after;
    uint64_t revision = 0;
    uint64_t right = 0;
    struct cdx_bytes value = random_value(w);
    store_read_begin(w->reader);
    store_read_stats(w->reader, &before);
    store_read_end(w->reader);
    store_write_begin(w->store);
    enum store_status status = store_put(w->store, key, value, NULL, &revision);
    store_write_end(w->store);
    store_read_begin(w->reader);
    store_read_stats(w->reader, &after);
    uint64_t evicted = after.evicted - before.evicted;
    if (status == STORE_OK) {
        assert_int_equal(model_put(&w->model, key, value, NULL, &right), STORE_OK);
        assert_int_equal(revision, right);
    } else {
        assert_int_equal(status, STORE_FULL);
    }
    agree(w, model_evicted(&w->model, w->reader, below, evicted));
    store_read_end(w->reader);
}

/* A slice of upkeep under a limit: only what was evicted is gone. */
static void evicting_upkeep(struct world *w, struct cdx_bytes below)
{
    struct store_stats before;
    struct store_stats after;
    store_read_begin(w->reader);
    store_read_stats(w->reader, &before);
    store_read_end(w->reader);
    (void)store_maintain(w->store, 0, random_below(&w->random, 200));
    store_read_begin(w->reader);
    store_read_stats(w->reader, &after);
    agree(w, model_evicted(&w->model, w->reader, below, after.evicted - before.evicted));
    store_read_end(w->reader);
}

static void only_what_is_evicted_disappears(void **state)
{
    (void)state;
    static const char *const tops[] = {"", "/a", "/b"};
    for (size_t t = 0; t < sizeof tops / sizeof tops[0]; t++) {
        struct world w;
        struct store_stats stats;
        struct cdx_bytes below = cdx_cstr(tops[t]);
        world_open(&w, 11 + t, &alphabets[sizeof alphabets / sizeof alphabets[0] - 1]);
        for (uint32_t i = 0; i < 2 * FAN_OUT; i++)
            evicting_put(&w, random_key(&w, w.key), below);
        store_read_begin(w.reader);
        store_read_stats(w.reader, &stats);
        store_read_end(w.reader);
        store_write_begin(w.store);
        assert_int_equal(store_limit(w.store, stats.used_nbytes, true, below), STORE_OK);
        store_write_end(w.store);
        for (uint32_t i = 0; i < 4000; i++) {
            evicting_put(&w, random_key(&w, w.key), below);
            if (i % 16 == 0)
                evicting_upkeep(&w, below);
            if (i % 16 == 8)
                step_read(&w);
            if (i % CHECK_EVERY == 0)
                check_all(&w);
        }
        store_read_begin(w.reader);
        store_read_stats(w.reader, &stats);
        store_read_end(w.reader);
        assert_true(stats.evicted != 0);
        check_all(&w);
        world_close(&w);
    }
}

#define FULL_NBYTES (UINT64_C(4) << 20)
#define FULL_PUTS 300000u

static void full_put(struct store *store, uint32_t i)
{
    char key[48];
    uint64_t revision;
    int len = snprintf(key, sizeof key, "/shop/%u/articles/%u", i % 97, i);
    store_write_begin(store);
    assert_int_equal(
        store_put(store, cdx_bytes_of(key, (size_t)len), CDX_STR("12345678"), NULL, &revision),
        STORE_OK);
    store_write_end(store);
    if (i % 16 == 0)
        (void)store_maintain(store, i / 1000, 64);
}

/* Eviction goes on no further than to the limit, whatever waits to be given back meanwhile. */
static void a_full_store_stays_full(void **state)
{
    (void)state;
    const struct store_config config = {.memory_max_nbytes = FULL_NBYTES, .evict = true};
    struct store *store;
    struct store_reader *reader;
    struct store_stats stats;
    uint64_t fitted = 0;
    assert_int_equal(store_open(&config, &store), STORE_OK);
    assert_int_equal(store_reader_open(store, &reader), STORE_OK);
    for (uint32_t i = 0; i < FULL_PUTS; i++) {
        full_put(store, i);
        if (i % 1000 != 0)
            continue;
        store_read_begin(reader);
        store_read_stats(reader, &stats);
        store_read_end(reader);
        /* What waits for readers comes on top: a grace period is long for a writer like this. */
        assert_true(stats.used_nbytes < 4 * FULL_NBYTES);
        if (stats.evicted == 0)
            fitted = stats.keys;
        assert_true(stats.keys >= fitted - fitted / 4);
    }
    assert_true(stats.evicted > FULL_PUTS / 4);
    store_reader_close(reader);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_store_stays_full),
        cmocka_unit_test(the_store_agrees_with_the_model),
        cmocka_unit_test(a_write_without_memory_changes_nothing),
        cmocka_unit_test(stale_probes_find_what_is_there_now),
        cmocka_unit_test(pages_stay_in_order_while_keys_change),
        cmocka_unit_test(only_what_is_evicted_disappears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
