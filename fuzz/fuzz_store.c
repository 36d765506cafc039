/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on the store as bytes, each carried out on the naive model too:
 *
 *     operation │ key: count, symbols … │ second key or value, where one is needed
 *
 * Symbols are few, so that keys are prefixes and neighbours of each other.
 * Any disagreement, and any broken invariant, aborts.
 */
#include "heap_fail.h"
#include "store_model.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY_NBYTES_MAX (31u * 32u)
#define VALUE_NBYTES_MAX 255u
#define CHECK_EVERY 32u

#define STEPS_ENOUGH 100000u
#define BATCH_MAX 4u
#define SNAPSHOTS 2u
#define STAGES 2u

enum operation {
    PUT,
    PUT_IF,
    PUT_FAILING,
    DELETE,
    DROP,
    READ,
    PAGE,
    STALE,
    PUT_WITH,
    TOUCH,
    BATCH,
    STAGE_OPEN,
    STAGE_PUT,
    STAGE_END,
    SNAPSHOT,
    UPKEEP,
    OPERATIONS
};

struct input {
    const uint8_t *next;
    const uint8_t *end;
};

struct world {
    struct store *store;
    struct store_reader *reader;
    struct model model;
    struct model_stage stages[STAGES];
    struct store_snapshot *snapshots[SNAPSHOTS];
    struct model past[SNAPSHOTS];
    uint32_t stage_drops; /* their places wait for snapshots, too */
};

static uint8_t take(struct input *in)
{
    return in->next != in->end ? *in->next++ : 0;
}

/* Up to 31 symbols; with the top bit of the count, each stands for a run of up to 32. */
static struct cdx_bytes take_key(struct input *in, uint8_t *room)
{
    static const uint8_t symbols[8] = {'/', '/', 'a', 'b', 0, 0xff, '.', '0'};
    uint8_t count = take(in);
    size_t len = 0;
    for (uint32_t i = 0; i < (count & 31u); i++) {
        uint8_t symbol = take(in);
        uint32_t run = (count & 0x80) != 0 ? 1u + (symbol >> 3) : 1u;
        memset(room + len, symbols[symbol & 7], run);
        len += run;
    }
    return cdx_bytes_of(room, len);
}

static struct cdx_bytes take_value(struct input *in, uint8_t *room)
{
    uint8_t len = take(in);
    memset(room, len, len);
    return cdx_bytes_of(room, len);
}

/* Ends now, soon, much later, never, or when the present value does. */
static uint64_t take_expiry(const struct world *w, struct input *in)
{
    uint8_t ends = take(in);
    return ends < 64 ? 0 : w->model.now_ms + ((uint64_t)(ends & 15u) << (ends >> 4));
}

static struct store_put_options take_options(const struct world *w, struct input *in)
{
    struct store_put_options options = {.expires_ms = take_expiry(w, in)};
    uint8_t more = take(in);
    options.keep_expiry = more % 4 == 0;
    options.mark = more % 8 < 3 ? more * UINT32_C(0x01010101) : 0;
    return options;
}

static void agree(const char *wrong)
{
    if (wrong == NULL)
        return;
    (void)fprintf(stderr, "store: %s\n", wrong);
    abort();
}

static void agree_that(bool right, const char *wrong)
{
    agree(right ? NULL : wrong);
}

/* Upkeep until nothing is left to do at once: counts are exact, the revision is known. */
static void settle(struct world *w)
{
    while (store_maintain(w->store, w->model.now_ms, STEPS_ENOUGH) == STORE_UPKEEP_NOW)
        continue;
    model_settle(&w->model);
    for (uint32_t i = 0; i < STAGES; i++) {
        w->stages[i].staged.now_ms = w->model.now_ms;
        model_settle(&w->stages[i].staged);
    }
}

/* Upkeep and failed batches may leave revisions out: it only grows. */
static void follow_revision(struct world *w)
{
    store_read_begin(w->reader);
    uint64_t revision = store_read_revision(w->reader);
    store_read_end(w->reader);
    agree_that(revision >= w->model.revision, "the revision went back");
    w->model.revision = revision;
}

static void put(struct world *w, struct cdx_bytes key, struct cdx_bytes value,
                const struct store_put_options *options)
{
    uint64_t revisions[2] = {0, 0};
    enum store_status status = store_put_with(w->store, key, value, options, &revisions[0]);
    enum store_status right = model_put(&w->model, key, value, options, &revisions[1]);
    agree_that(status == right && revisions[0] == revisions[1], "a put ends differently");
}

/* The n-th allocation fails: either the put does not need it, or nothing has changed. */
static void put_failing(struct world *w, struct cdx_bytes key, struct cdx_bytes value, uint8_t n)
{
    uint64_t revision = 0;
    heap_fail_at(1u + n % 8u, n >= 128);
    enum store_status status = store_put(w->store, key, value, NULL, &revision);
    bool failed = heap_fail_happened() != 0;
    heap_fail_at(0, 0);
    if (status == STORE_OK) {
        uint64_t right = 0;
        (void)model_put(&w->model, key, value, NULL, &right);
        agree_that(revision == right, "a put has another revision");
    } else {
        agree_that(status == STORE_NO_MEMORY && failed, "a put fails for no reason");
        agree(store_check(w->store));
    }
}

static void step_put(struct world *w, enum operation operation, struct input *in)
{
    uint8_t key_room[KEY_NBYTES_MAX];
    uint8_t value_room[VALUE_NBYTES_MAX];
    struct cdx_bytes key = take_key(in, key_room);
    struct cdx_bytes value = take_value(in, value_room);
    uint64_t expected = operation == PUT_IF ? take(in) : 0;
    struct store_put_options options = {.expected = operation == PUT_IF ? &expected : NULL};
    if (operation == PUT_WITH)
        options = take_options(w, in);
    store_write_begin(w->store);
    if (operation == PUT_FAILING)
        put_failing(w, key, value, take(in));
    else
        put(w, key, value, &options);
    store_write_end(w->store);
}

static void step_remove(struct world *w, enum operation operation, struct input *in)
{
    uint8_t room[KEY_NBYTES_MAX];
    struct cdx_bytes key = take_key(in, room);
    uint64_t revisions[2] = {0, 0};
    uint64_t keys[2] = {0, 0};
    enum store_status status = STORE_OK;
    enum store_status right = STORE_OK;
    if (operation == DROP) {
        settle(w);
        follow_revision(w);
    }
    store_write_begin(w->store);
    if (operation == DROP) {
        if (store_drop(w->store, key, &keys[0], &revisions[0]) != STORE_OK)
            abort();
        model_drop(&w->model, key, &keys[1], &revisions[1]);
    } else {
        status = store_delete(w->store, key, &revisions[0]);
        right = model_delete(&w->model, key, &revisions[1]);
    }
    store_write_end(w->store);
    agree_that(status == right && keys[0] == keys[1] && revisions[0] == revisions[1],
               "a removal ends differently");
}

static void step_read(struct world *w, enum operation operation, struct input *in)
{
    uint8_t key_room[KEY_NBYTES_MAX];
    uint8_t after_room[KEY_NBYTES_MAX];
    struct cdx_bytes key = take_key(in, key_room);
    store_read_begin(w->reader);
    if (operation == READ)
        agree(model_check_key(&w->model, w->store, w->reader, key));
    else
        agree(model_check_page(&w->model, w->reader, key, take_key(in, after_room)));
    store_read_end(w->reader);
}

/* A probe that was touched before one more write. */
static void step_stale(struct world *w, struct input *in)
{
    uint8_t room[KEY_NBYTES_MAX];
    struct cdx_bytes key = take_key(in, room);
    struct store_probe probe;
    struct store_entry entry;
    store_probe_start(w->store, STORE_PROBE_MATCH, key, &probe);
    store_read_begin(w->reader);
    store_probes_touch(w->reader, &probe, 1);
    store_read_end(w->reader);
    if (take(in) % 2 != 0)
        step_put(w, PUT, in);
    else
        step_remove(w, DELETE, in);
    store_read_begin(w->reader);
    agree(model_check_entry(model_match(&w->model, key),
                            store_match(w->reader, key, &probe, &entry), &entry));
    store_read_end(w->reader);
}

static void step_touch(struct world *w, struct input *in)
{
    uint8_t room[KEY_NBYTES_MAX];
    struct cdx_bytes key = take_key(in, room);
    uint64_t expires_ms = take_expiry(w, in);
    store_write_begin(w->store);
    enum store_status status = store_touch(w->store, key, expires_ms);
    store_write_end(w->store);
    agree_that(status == model_touch(&w->model, key, expires_ms), "a touch ends differently");
    for (uint32_t i = 0; i < SNAPSHOTS && status == STORE_OK; i++)
        model_touch_past(&w->past[i], &w->model, key);
}

static void step_batch(struct world *w, struct input *in)
{
    struct store_op ops[BATCH_MAX];
    uint8_t keys[BATCH_MAX][KEY_NBYTES_MAX];
    uint8_t values[BATCH_MAX][VALUE_NBYTES_MAX];
    uint64_t expected[BATCH_MAX];
    uint64_t revisions[2] = {0, 0};
    size_t failed[2] = {0, 0};
    size_t count = take(in) % (BATCH_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t kind = take(in);
        ops[i] = (struct store_op){.kind = (enum store_op_kind)(kind % 3)};
        ops[i].key = take_key(in, keys[i]);
        if (ops[i].kind == STORE_OP_PUT) {
            ops[i].value = take_value(in, values[i]);
            ops[i].options = take_options(w, in);
        }
        expected[i] = kind >> 2;
        if (kind >= 192)
            ops[i].options.expected = &expected[i];
    }
    settle(w);
    follow_revision(w);
    store_write_begin(w->store);
    enum store_status status = store_batch(w->store, ops, count, &failed[0], &revisions[0]);
    store_write_end(w->store);
    enum store_status right = model_batch(&w->model, ops, count, &failed[1], &revisions[1]);
    agree_that(status == right && failed[0] == failed[1] && revisions[0] == revisions[1],
               "a batch ends differently");
    follow_revision(w);
}

static void step_stage_open(struct world *w, struct input *in)
{
    uint8_t room[KEY_NBYTES_MAX];
    uint32_t number = 0;
    uint8_t which = take(in) % STAGES;
    struct cdx_bytes key = take_key(in, room);
    enum store_status right = STORE_OK;
    if (w->stages[which].number != 0)
        return;
    for (uint32_t i = 0; i < STAGES; i++)
        right = model_stage_overlaps(&w->stages[i], key) ? STORE_BUSY : right;
    if (key.len != 0 && key.data[key.len - 1] == '/')
        right = STORE_OUTSIDE;
    store_write_begin(w->store);
    enum store_status status = store_stage_open(w->store, key, &number);
    store_write_end(w->store);
    bool full = status == STORE_BUSY && w->stage_drops + STAGES > STORE_STAGES_MAX;
    agree_that(status == right || full, "a stage opens differently");
    if (status == STORE_OK)
        model_stage_open(&w->stages[which], key, number);
}

static void step_stage_put(struct world *w, struct input *in)
{
    uint8_t key_room[2 * KEY_NBYTES_MAX];
    uint8_t value_room[VALUE_NBYTES_MAX];
    uint8_t which = take(in);
    struct model_stage *stage = &w->stages[which % STAGES];
    uint64_t revisions[2] = {0, 0};
    if (stage->number == 0)
        return;
    memcpy(key_room, stage->key, stage->key_nbytes);
    size_t above = which < 192 ? stage->key_nbytes : 0;
    struct cdx_bytes key = take_key(in, key_room + above);
    key = cdx_bytes_of(key_room, above + key.len);
    struct cdx_bytes value = take_value(in, value_room);
    struct store_put_options options = take_options(w, in);
    store_write_begin(w->store);
    enum store_status status =
        store_stage_put(w->store, stage->number, key, value, &options, &revisions[0]);
    store_write_end(w->store);
    enum store_status right =
        model_stage_put(&w->model, stage, key, value, &options, &revisions[1]);
    agree_that(status == right && revisions[0] == revisions[1], "a stage's put ends differently");
}

static void step_stage_end(struct world *w, struct input *in)
{
    uint8_t which = take(in);
    struct model_stage *stage = &w->stages[which % STAGES];
    uint64_t sums[2][3] = {{0, 0, 0}, {0, 0, 0}};
    if (stage->number == 0)
        return;
    settle(w);
    follow_revision(w);
    store_write_begin(w->store);
    if (which < 64) {
        agree_that(store_stage_drop(w->store, stage->number) == STORE_OK, "a stage is lost");
        model_stage_close(stage);
        w->stage_drops++;
    } else {
        agree_that(store_stage_swap(w->store, stage->number, &sums[0][0], &sums[0][1],
                                    &sums[0][2]) == STORE_OK,
                   "a stage is lost");
        model_stage_swap(&w->model, stage, &sums[1][0], &sums[1][1], &sums[1][2]);
    }
    store_write_end(w->store);
    agree_that(memcmp(sums[0], sums[1], sizeof sums[0]) == 0, "a swap ends differently");
    follow_revision(w);
}

static void snapshot_close(struct world *w, uint32_t which)
{
    store_snapshot_close(w->store, w->snapshots[which]);
    model_free(&w->past[which]);
    w->snapshots[which] = NULL;
}

/* Opens a snapshot, or compares one with its model, and may let it go. */
static void step_snapshot(struct world *w, struct input *in)
{
    uint8_t room[KEY_NBYTES_MAX];
    uint8_t command = take(in);
    uint32_t which = command % SNAPSHOTS;
    if (w->snapshots[which] == NULL) {
        store_read_begin(w->reader);
        agree_that(store_snapshot_open(w->reader, &w->snapshots[which]) == STORE_OK,
                   "a snapshot was refused");
        store_read_end(w->reader);
        model_copy(&w->model, &w->past[which]);
        w->past[which].past = true;
        return;
    }
    struct model *past = &w->past[which];
    struct cdx_bytes key = take_key(in, room);
    past->now_ms = w->model.now_ms;
    store_read_begin_at(w->reader, w->snapshots[which]);
    agree(model_check_key(past, w->store, w->reader, key));
    agree(model_check_page(past, w->reader, key, cdx_empty()));
    agree(model_check_all(past, w->reader));
    store_read_end(w->reader);
    if (command >= 192)
        snapshot_close(w, which);
}

static void step_upkeep(struct world *w, struct input *in)
{
    w->model.now_ms += take(in);
    (void)store_maintain(w->store, w->model.now_ms, take(in));
    follow_revision(w);
}

static void step(struct world *w, struct input *in)
{
    enum operation operation = (enum operation)(take(in) % OPERATIONS);
    switch (operation) {
    case PUT:
    case PUT_IF:
    case PUT_FAILING:
    case PUT_WITH:
        step_put(w, operation, in);
        break;
    case TOUCH:
        step_touch(w, in);
        break;
    case BATCH:
        step_batch(w, in);
        break;
    case STAGE_OPEN:
        step_stage_open(w, in);
        break;
    case STAGE_PUT:
        step_stage_put(w, in);
        break;
    case STAGE_END:
        step_stage_end(w, in);
        break;
    case SNAPSHOT:
        step_snapshot(w, in);
        break;
    case UPKEEP:
        step_upkeep(w, in);
        break;
    case DELETE:
    case DROP:
        step_remove(w, operation, in);
        break;
    case READ:
    case PAGE:
        step_read(w, operation, in);
        break;
    default:
        step_stale(w, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct store_config config = {.hash_seed = 1}; /* the same input does the same */
    struct input in = {data, data + size};
    struct world w = {.store = NULL};
    heap_fail_install();
    model_init(&w.model);
    agree_that(store_open(&config, &w.store) == STORE_OK &&
                   store_reader_open(w.store, &w.reader) == STORE_OK,
               "no memory at the start");
    for (uint32_t i = 1; in.next != in.end; i++) {
        step(&w, &in);
        if (i % CHECK_EVERY == 0)
            agree(store_check(w.store));
    }
    store_read_begin(w.reader);
    agree(model_check_all(&w.model, w.reader));
    store_read_end(w.reader);
    agree(store_check(w.store));
    for (uint32_t i = 0; i < SNAPSHOTS; i++)
        snapshot_close(&w, i);
    for (uint32_t i = 0; i < STAGES; i++)
        model_stage_close(&w.stages[i]);
    store_reader_close(w.reader);
    store_close(w.store);
    model_free(&w.model);
    agree_that(heap_fail_blocks() == 0, "memory is left behind");
    heap_fail_remove();
    return 0;
}
