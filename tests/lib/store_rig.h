/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A store with one reader over the counting allocator, for tests that look inside; and the
 * store's memory alone, for tests of what stands on it.
 */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include "store_limbo.h"
#include "store.h"

#define RIG_TAKEN_MAX 32768u

struct rig {
    struct store *store;
    struct store_reader *reader;
};

/** Opens a store; `config` NULL: a fixed hash seed and nothing else. */
void rig_open(struct rig *rig, const struct store_config *config);

/** Checks the invariants, and that all memory is given back. */
void rig_close(struct rig *rig);

/** Fails the test with the invariant that is broken, if one is. */
void rig_check(const struct rig *rig);

/** One put as a write of its own. */
enum store_status rig_put_with(struct rig *rig, struct cdx_bytes key, struct cdx_bytes value,
                               const struct store_put_options *options);

/** … of a key whose value is the key, and which must be accepted. */
void rig_put(struct rig *rig, const char *key);

enum store_status rig_delete(struct rig *rig, const char *key);

/** Drops a subtree and returns how many keys it had. */
uint64_t rig_drop(struct rig *rig, const char *key);

/** Whether a key is stored, in the snapshot's version if one is given. */
bool rig_has(struct rig *rig, const struct store_snapshot *snapshot, const char *key);

/** Rows of a listing of the subtree, which must be in path order. */
uint64_t rig_rows(struct rig *rig, const struct store_snapshot *snapshot, const char *key);

uint64_t rig_count(struct rig *rig, const char *key);

struct store_stats rig_stats(struct rig *rig);

/** A snapshot of the version that is published now. */
struct store_snapshot *rig_snapshot(struct rig *rig);

/** Upkeep at a time of the clock until nothing is left that only waits for readers. */
void rig_settle(struct rig *rig, uint64_t now_ms);

/* ---- a store that is out of memory ---- */

/** Memory that is kept from a store. */
struct rig_hunger {
    struct store_arena *arena;
    struct store_pages *pages;
    uint32_t blocks;
    uint32_t runs;
    store_ref block[RIG_TAKEN_MAX];
    uint16_t units[RIG_TAKEN_MAX];
    void *run[STORE_EXTENT_PAGES_MAX];
};

/**
 * From now on the store has a block of `units` (at most STORE_BLOCK_UNITS_MAX) and `runs` single
 * pages, and gets from the heap what is small only.
 */
void rig_starve(struct rig *rig, struct rig_hunger *hunger, uint32_t units, uint32_t runs);

/** Gives back what was kept. */
void rig_feed(struct rig_hunger *hunger);

/* ---- memory without a store ---- */

struct rig_memory {
    struct store_arena arena;
    struct store_pages pages;
    struct store_limbo limbo;
};

void rig_memory_open(struct rig_memory *memory);

/** Checks the arena, and that all memory is given back. */
void rig_memory_close(struct rig_memory *memory);

/** Takes all free blocks of the arena but one of `units` (0: none); its heap must fail by then. */
void rig_memory_starve(struct rig_memory *memory, uint32_t units);

/** The next of a fixed series of numbers. */
uint32_t rig_random(uint64_t *state);

#endif
