/* SPDX-License-Identifier: Apache-2.0 */
/* Peer: Caudex's own store. Each put, remove and drop is a write of its own, visible at once. */
#include "store_peer.h"
#include "store.h"

#include <stdlib.h>

/* Steps of one slice of upkeep. */
#define UPKEEP_STEPS 1024u
/* Any: what is done at a put is then the same in every fill. */
#define HASH_SEED 42u

static void must(enum store_status status)
{
    if (status != STORE_OK)
        abort();
}

static void *caudex_open(const char *scratch)
{
    (void)scratch;
    const struct store_config config = {.hash_seed = HASH_SEED};
    struct store *store = NULL;
    must(store_open(&config, &store));
    return store;
}

static void caudex_close(void *store)
{
    store_close(store);
}

/* A thread's reader, and the probes of its batch. */
struct reader {
    struct store *store;
    struct store_reader *reader;
    struct store_probe probe[PEER_BATCH];
};

static void *caudex_reader_open(void *store)
{
    struct reader *r = malloc(sizeof *r);
    if (r == NULL)
        abort();
    r->store = store;
    must(store_reader_open(store, &r->reader));
    return r;
}

static void caudex_reader_close(void *reader)
{
    struct reader *r = reader;
    store_reader_close(r->reader);
    free(r);
}

static void caudex_read_begin(void *reader)
{
    const struct reader *r = reader;
    store_read_begin(r->reader);
}

static void caudex_read_end(void *reader)
{
    const struct reader *r = reader;
    store_read_end(r->reader);
}

static uint64_t caudex_memory(void *store)
{
    struct store_stats stats;
    struct store_reader *reader = NULL;
    must(store_reader_open(store, &reader));
    store_read_begin(reader);
    store_read_stats(reader, &stats);
    store_read_end(reader);
    store_reader_close(reader);
    return stats.memory_nbytes;
}

static void caudex_put(void *store, struct cdx_bytes key, uint64_t value)
{
    uint64_t revision;
    store_write_begin(store);
    must(store_put(store, key, cdx_bytes_of(&value, sizeof value), NULL, &revision));
    store_write_end(store);
}

static bool caudex_remove(void *store, struct cdx_bytes key)
{
    uint64_t revision;
    store_write_begin(store);
    const enum store_status status = store_delete(store, key, &revision);
    store_write_end(store);
    return status == STORE_OK;
}

static uint64_t caudex_drop(void *store, struct cdx_bytes key)
{
    uint64_t keys, revision;
    store_write_begin(store);
    must(store_drop(store, key, &keys, &revision));
    store_write_end(store);
    return keys;
}

static void caudex_settle(void *store)
{
    while (store_maintain(store, store_now(store), UPKEEP_STEPS) != STORE_UPKEEP_NONE) {
    }
}

static uint64_t answer(enum store_status status, const struct store_entry *entry)
{
    uint64_t value = 0;
    if (status == STORE_OK)
        memcpy(&value, entry->value.data, sizeof value);
    return value;
}

static uint64_t caudex_get(void *reader, struct cdx_bytes key)
{
    const struct reader *r = reader;
    struct store_entry entry;
    return answer(store_get(r->reader, key, NULL, &entry), &entry);
}

static uint64_t caudex_match(void *reader, struct cdx_bytes key)
{
    const struct reader *r = reader;
    struct store_entry entry;
    return answer(store_match(r->reader, key, NULL, &entry), &entry);
}

static uint64_t caudex_match_bytes(void *reader, struct cdx_bytes key)
{
    const struct reader *r = reader;
    struct store_entry entry;
    return answer(store_match_bytes(r->reader, key, &entry), &entry);
}

static uint64_t caudex_match_all(void *reader, struct cdx_bytes key)
{
    const struct reader *r = reader;
    struct store_cursor cursor;
    struct store_entry entry;
    uint64_t sum = 0;
    store_match_all(r->reader, key, &cursor);
    while (store_next(&cursor, &entry) == STORE_OK)
        sum += answer(STORE_OK, &entry);
    return sum;
}

static void probe_all(struct reader *r, enum store_probe_kind kind, const struct cdx_bytes *keys,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_probe_start(r->store, kind, keys[i], &r->probe[i]);
    store_probes_touch(r->reader, r->probe, count);
    store_probes_reach(r->reader, r->probe, count);
    store_probes_reach(r->reader, r->probe, count);
}

static void caudex_get_batch(void *reader, const struct cdx_bytes *keys, size_t count,
                             uint64_t *answers)
{
    struct reader *r = reader;
    struct store_entry entry;
    probe_all(r, STORE_PROBE_KEY, keys, count);
    for (size_t i = 0; i < count; i++)
        answers[i] = answer(store_get(r->reader, keys[i], &r->probe[i], &entry), &entry);
}

static void caudex_match_batch(void *reader, const struct cdx_bytes *keys, size_t count,
                               uint64_t *answers)
{
    struct reader *r = reader;
    struct store_entry entry;
    probe_all(r, STORE_PROBE_MATCH, keys, count);
    for (size_t i = 0; i < count; i++)
        answers[i] = answer(store_match(r->reader, keys[i], &r->probe[i], &entry), &entry);
}

static uint64_t caudex_list(void *reader, uint64_t *rows)
{
    const struct reader *r = reader;
    struct store_cursor cursor;
    struct store_entry entry;
    uint64_t sum = 0;
    store_list(r->reader, cdx_empty(), cdx_empty(), &cursor);
    while (store_next(&cursor, &entry) == STORE_OK) {
        sum += peer_row(entry.key, answer(STORE_OK, &entry));
        (*rows)++;
    }
    return sum;
}

const struct peer peer = {
    .name = "caudex",
    .kind = "ours",
    .about = "this store; every write published by itself",
    .open = caudex_open,
    .close = caudex_close,
    .memory = caudex_memory,
    .put = caudex_put,
    .remove = caudex_remove,
    .drop = caudex_drop,
    .settle = caudex_settle,
    .reader_open = caudex_reader_open,
    .reader_close = caudex_reader_close,
    .read_begin = caudex_read_begin,
    .read_end = caudex_read_end,
    .get = caudex_get,
    .match = caudex_match,
    .match_bytes = caudex_match_bytes,
    .match_all = caudex_match_all,
    .get_batch = caudex_get_batch,
    .match_batch = caudex_match_batch,
    .list = caudex_list,
};
