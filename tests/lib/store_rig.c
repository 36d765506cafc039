/* SPDX-License-Identifier: Apache-2.0 */
/* Stores and parts of stores for tests. */
#include "store_rig.h"

#include "heap_fail.h"
#include "store_model.h"
#include "store_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

void rig_open(struct rig *rig, const struct store_config *config)
{
    const struct store_config defaults = {.hash_seed = 1};
    heap_fail_install();
    assert_int_equal(store_open(config != NULL ? config : &defaults, &rig->store), STORE_OK);
    assert_int_equal(store_reader_open(rig->store, &rig->reader), STORE_OK);
}

void rig_check(const struct rig *rig)
{
    const char *broken = store_check(rig->store);
    if (broken != NULL)
        fail_msg("%s", broken);
}

void rig_close(struct rig *rig)
{
    rig_check(rig);
    store_reader_close(rig->reader);
    store_close(rig->store);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

/* ---- writing ---- */

enum store_status rig_put_with(struct rig *rig, struct cdx_bytes key, struct cdx_bytes value,
                               const struct store_put_options *options)
{
    uint64_t revision;
    store_write_begin(rig->store);
    enum store_status status = store_put_with(rig->store, key, value, options, &revision);
    store_write_end(rig->store);
    return status;
}

void rig_put(struct rig *rig, const char *key)
{
    assert_int_equal(rig_put_with(rig, cdx_cstr(key), cdx_cstr(key), NULL), STORE_OK);
}

enum store_status rig_delete(struct rig *rig, const char *key)
{
    uint64_t revision;
    store_write_begin(rig->store);
    enum store_status status = store_delete(rig->store, cdx_cstr(key), &revision);
    store_write_end(rig->store);
    return status;
}

uint64_t rig_drop(struct rig *rig, const char *key)
{
    uint64_t keys;
    uint64_t revision;
    store_write_begin(rig->store);
    assert_int_equal(store_drop(rig->store, cdx_cstr(key), &keys, &revision), STORE_OK);
    store_write_end(rig->store);
    return keys;
}

void rig_settle(struct rig *rig, uint64_t now_ms)
{
    const struct timespec pause = {.tv_nsec = 100000};
    enum store_upkeep upkeep;
    while ((upkeep = store_maintain(rig->store, now_ms, 4096)) != STORE_UPKEEP_NONE) {
        if (upkeep == STORE_UPKEEP_LATER)
            (void)nanosleep(&pause, NULL);
    }
}

/* ---- reading ---- */

static void read_begin(struct rig *rig, const struct store_snapshot *snapshot)
{
    if (snapshot != NULL)
        store_read_begin_at(rig->reader, snapshot);
    else
        store_read_begin(rig->reader);
}

bool rig_has(struct rig *rig, const struct store_snapshot *snapshot, const char *key)
{
    struct store_entry entry;
    read_begin(rig, snapshot);
    bool has = store_get(rig->reader, cdx_cstr(key), NULL, &entry) == STORE_OK;
    store_read_end(rig->reader);
    return has;
}

uint64_t rig_rows(struct rig *rig, const struct store_snapshot *snapshot, const char *key)
{
    struct store_cursor cursor;
    struct store_entry entry;
    uint8_t before[STORE_KEY_NBYTES_MAX];
    size_t before_nbytes = 0;
    uint64_t rows = 0;
    bool sorted = true;
    read_begin(rig, snapshot);
    store_list(rig->reader, cdx_cstr(key), cdx_empty(), &cursor);
    while (store_next(&cursor, &entry) == STORE_OK) {
        struct cdx_bytes last = cdx_bytes_of(before, before_nbytes);
        sorted = sorted && (rows == 0 || model_compare(last, entry.key) < 0);
        if (entry.key.len != 0)
            memcpy(before, entry.key.data, entry.key.len);
        before_nbytes = entry.key.len;
        rows++;
    }
    store_read_end(rig->reader);
    assert_true(sorted);
    return rows;
}

uint64_t rig_count(struct rig *rig, const char *key)
{
    store_read_begin(rig->reader);
    uint64_t keys = store_count(rig->reader, cdx_cstr(key));
    store_read_end(rig->reader);
    return keys;
}

struct store_stats rig_stats(struct rig *rig)
{
    struct store_stats stats;
    store_read_begin(rig->reader);
    store_read_stats(rig->reader, &stats);
    store_read_end(rig->reader);
    return stats;
}

struct store_snapshot *rig_snapshot(struct rig *rig)
{
    struct store_snapshot *snapshot;
    store_read_begin(rig->reader);
    assert_int_equal(store_snapshot_open(rig->reader, &snapshot), STORE_OK);
    store_read_end(rig->reader);
    return snapshot;
}

/* ---- a store that is out of memory ---- */

/* Below a span and an extent of pages, above all else that a write may need. */
#define SMALL_NBYTES ((size_t)32 << 10)

void rig_starve(struct rig *rig, struct rig_hunger *hunger, uint32_t units, uint32_t runs)
{
    struct store_arena *arena = &rig->store->arena;
    struct store_pages *pages = &rig->store->pages;
    *hunger = (struct rig_hunger){.arena = arena, .pages = pages};
    store_ref left = units != 0 ? store_arena_get(arena, units) : 0;
    while (hunger->runs < runs) {
        hunger->run[hunger->runs] = store_pages_get(pages, 1);
        assert_non_null(hunger->run[hunger->runs++]);
    }
    heap_fail_above(SMALL_NBYTES);
    store_ref ref;
    for (uint32_t take = STORE_BLOCK_UNITS_MAX; take > 0; take--) {
        while ((ref = store_arena_get(arena, take)) != 0) {
            assert_true(hunger->blocks < RIG_TAKEN_MAX);
            hunger->block[hunger->blocks] = ref;
            hunger->units[hunger->blocks++] = (uint16_t)take;
        }
    }
    void *run;
    while ((run = store_pages_get(pages, 1)) != NULL) {
        assert_true(hunger->runs < STORE_EXTENT_PAGES_MAX);
        hunger->run[hunger->runs++] = run;
    }
    for (uint32_t i = 0; i < runs; i++)
        store_pages_free(pages, hunger->run[i], 1);
    hunger->runs -= runs;
    memmove(hunger->run, hunger->run + runs, hunger->runs * sizeof hunger->run[0]);
    if (left != 0)
        store_arena_free(arena, left, units);
}

void rig_feed(struct rig_hunger *hunger)
{
    heap_fail_above(0);
    while (hunger->blocks > 0) {
        hunger->blocks--;
        store_arena_free(hunger->arena, hunger->block[hunger->blocks],
                         hunger->units[hunger->blocks]);
    }
    while (hunger->runs > 0)
        store_pages_free(hunger->pages, hunger->run[--hunger->runs], 1);
}

/* ---- memory without a store ---- */

void rig_memory_open(struct rig_memory *memory)
{
    heap_fail_install();
    store_arena_init(&memory->arena);
    store_pages_init(&memory->pages);
    assert_true(store_limbo_init(&memory->limbo, &memory->arena, &memory->pages));
}

void rig_memory_close(struct rig_memory *memory)
{
    heap_fail_at(0, 0);
    store_limbo_free(&memory->limbo);
    assert_null(store_arena_check(&memory->arena));
    store_arena_clear(&memory->arena);
    store_pages_clear(&memory->pages);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

void rig_memory_starve(struct rig_memory *memory, uint32_t units)
{
    store_ref kept = units != 0 ? store_arena_get(&memory->arena, units) : 0;
    heap_fail_at(1, 1);
    for (uint32_t take = STORE_BLOCK_UNITS_MAX; take > 0; take--) {
        while (store_arena_get(&memory->arena, take) != 0)
            ;
    }
    if (kept != 0)
        store_arena_free(&memory->arena, kept, units);
}

uint32_t rig_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}
