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
#define CHECK_EVERY 16u

enum operation { PUT, PUT_IF, PUT_FAILING, DELETE, DROP, READ, PAGE, STALE, OPERATIONS };

struct input {
    const uint8_t *next;
    const uint8_t *end;
};

struct world {
    struct store *store;
    struct store_reader *reader;
    struct model model;
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

static void put(struct world *w, struct cdx_bytes key, struct cdx_bytes value,
                const uint64_t *expected)
{
    uint64_t revisions[2] = {0, 0};
    enum store_status status = store_put(w->store, key, value, expected, &revisions[0]);
    enum store_status right = model_put(&w->model, key, value, expected, &revisions[1]);
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
    store_write_begin(w->store);
    if (operation == PUT_FAILING)
        put_failing(w, key, value, take(in));
    else
        put(w, key, value, operation == PUT_IF ? &expected : NULL);
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
    store_probe_touch(w->reader, &probe);
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

static void step(struct world *w, struct input *in)
{
    enum operation operation = (enum operation)(take(in) % OPERATIONS);
    switch (operation) {
    case PUT:
    case PUT_IF:
    case PUT_FAILING:
        step_put(w, operation, in);
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
    struct world w;
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
    store_reader_close(w.reader);
    store_close(w.store);
    model_free(&w.model);
    agree_that(heap_fail_blocks() == 0, "memory is left behind");
    heap_fail_remove();
    return 0;
}
