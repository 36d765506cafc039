/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: a plain hash table that knows nothing of paths. Open addressing with
 * linear probing, XXH3, doubled when 3/4 full; entries in one arena.
 *
 *     slot  {hash, where the entry is}        16 bytes, 64-bit hashes compared first
 *     entry {value, length, key}              rounded up to 8 bytes
 *
 * A match is one probe per boundary, from the longest; the batched one has all
 * slots of 32 questions on their way before it looks at the first.
 */
#include "store_peer.h"

#include <stdlib.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOTS_MIN 1024u
#define HUGE_PAGE_NBYTES (2u << 20)
/* Address space of the arena; pages come as they are touched. */
#define ARENA_NBYTES_MAX ((size_t)64 << 30)
#define UNIT_NBYTES 8u
#define FREE_LISTS 66u
/* Boundaries that a batched question keeps hashes of; deeper ones are asked alone. */
#define DEPTH_MAX 32u

struct slot {
    uint64_t hash;
    uint64_t at; /* in units of the arena; 0: free */
};

struct entry {
    uint64_t value;
    uint16_t len;
    uint8_t key[];
};

struct table {
    struct slot *slot;
    uint64_t slots, used;
    uint64_t *arena;
    uint64_t arena_units;
    uint64_t
        free_list[FREE_LISTS]; /* by size in units: first free entry, whose value is the next */
    uint64_t lengths[(PEER_KEY_NBYTES_MAX >> 6) + 1]; /* bit n: some key has had n bytes */
};

static void *pages(size_t nbytes)
{
    void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    if (nbytes >= HUGE_PAGE_NBYTES)
        (void)madvise(memory, nbytes, MADV_HUGEPAGE);
    return memory;
}

static void *xxh3_open(const char *scratch)
{
    (void)scratch;
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        abort();
    table->slots = SLOTS_MIN;
    table->slot = pages(table->slots * sizeof *table->slot);
    table->arena = pages(ARENA_NBYTES_MAX);
    table->arena_units = 1;
    return table;
}

static void xxh3_close(void *store)
{
    struct table *table = store;
    munmap(table->slot, table->slots * sizeof *table->slot);
    munmap(table->arena, ARENA_NBYTES_MAX);
    free(table);
}

static uint64_t xxh3_memory(void *store)
{
    const struct table *table = store;
    return table->slots * sizeof *table->slot + table->arena_units * UNIT_NBYTES + sizeof *table;
}

static struct entry *entry_at(const struct table *table, uint64_t at)
{
    return (struct entry *)(void *)(table->arena + at);
}

static uint64_t entry_units(size_t len)
{
    return (offsetof(struct entry, key) + len + UNIT_NBYTES - 1) / UNIT_NBYTES;
}

static bool entry_is(const struct entry *entry, struct cdx_bytes key)
{
    return entry->len == key.len && memcmp(entry->key, key.data, key.len) == 0;
}

/* The key's slot, or the free one where it would be. */
static struct slot *slot_of(const struct table *table, struct cdx_bytes key, uint64_t hash)
{
    for (uint64_t i = hash & (table->slots - 1);; i = (i + 1) & (table->slots - 1)) {
        struct slot *slot = &table->slot[i];
        if (slot->at == 0 || (slot->hash == hash && entry_is(entry_at(table, slot->at), key)))
            return slot;
    }
}

static void table_double(struct table *table)
{
    const uint64_t slots = table->slots * 2;
    struct slot *slot = pages(slots * sizeof *slot);
    for (uint64_t i = 0; i < table->slots; i++) {
        uint64_t k = table->slot[i].hash & (slots - 1);
        if (table->slot[i].at == 0)
            continue;
        while (slot[k].at != 0)
            k = (k + 1) & (slots - 1);
        slot[k] = table->slot[i];
    }
    munmap(table->slot, table->slots * sizeof *slot);
    table->slot = slot;
    table->slots = slots;
}

static uint64_t entry_new(struct table *table, uint64_t units)
{
    uint64_t at = table->free_list[units];
    if (at != 0) {
        table->free_list[units] = entry_at(table, at)->value;
        return at;
    }
    at = table->arena_units;
    table->arena_units += units;
    return at;
}

static void xxh3_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct table *table = store;
    if (++table->used > table->slots / 4 * 3)
        table_double(table);
    const uint64_t hash = XXH3_64bits(key.data, key.len);
    struct slot *slot = slot_of(table, key, hash);
    slot->hash = hash;
    slot->at = entry_new(table, entry_units(key.len));
    struct entry *entry = entry_at(table, slot->at);
    entry->value = value;
    entry->len = (uint16_t)key.len;
    memcpy(entry->key, key.data, key.len);
    table->lengths[key.len >> 6] |= UINT64_C(1) << (key.len & 63);
}

/* Moves back what probing had pushed beyond the slot that becomes free. */
static void slot_close(struct table *table, uint64_t hole)
{
    const uint64_t mask = table->slots - 1;
    for (uint64_t i = (hole + 1) & mask; table->slot[i].at != 0; i = (i + 1) & mask) {
        if (((i - table->slot[i].hash) & mask) >= ((i - hole) & mask)) {
            table->slot[hole] = table->slot[i];
            hole = i;
        }
    }
    table->slot[hole] = (struct slot){0, 0};
}

static bool xxh3_remove(void *store, struct cdx_bytes key)
{
    struct table *table = store;
    const struct slot *slot = slot_of(table, key, XXH3_64bits(key.data, key.len));
    if (slot->at == 0)
        return false;
    const uint64_t units = entry_units(key.len);
    entry_at(table, slot->at)->value = table->free_list[units];
    table->free_list[units] = slot->at;
    slot_close(table, (uint64_t)(slot - table->slot));
    table->used--;
    return true;
}

static uint64_t value_of(const struct table *table, struct cdx_bytes key, uint64_t hash)
{
    const struct slot *slot = slot_of(table, key, hash);
    return slot->at != 0 ? entry_at(table, slot->at)->value : 0;
}

static uint64_t xxh3_get(void *reader, struct cdx_bytes key)
{
    return value_of(reader, key, XXH3_64bits(key.data, key.len));
}

static uint64_t xxh3_match(void *reader, struct cdx_bytes key)
{
    uint64_t value = xxh3_get(reader, key);
    for (size_t len = peer_boundary(key, key.len); value == 0 && len > 0;
         len = peer_boundary(key, len - 1))
        value = xxh3_get(reader, cdx_bytes_of(key.data, len));
    return value;
}

/* Skips lengths that no key has. */
static uint64_t xxh3_match_bytes(void *reader, struct cdx_bytes key)
{
    const struct table *table = reader;
    uint64_t value = 0;
    size_t len = key.len < PEER_KEY_NBYTES_MAX ? key.len : PEER_KEY_NBYTES_MAX;
    for (; value == 0 && len > 0; len--) {
        if (table->lengths[len >> 6] >> (len & 63) & 1)
            value = xxh3_get(reader, cdx_bytes_of(key.data, len));
    }
    return value;
}

static uint64_t xxh3_match_all(void *reader, struct cdx_bytes key)
{
    uint64_t sum = xxh3_get(reader, key);
    for (size_t len = peer_boundary(key, key.len); len > 0; len = peer_boundary(key, len - 1))
        sum += xxh3_get(reader, cdx_bytes_of(key.data, len));
    return sum;
}

static void fetch(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(&table->slot[hash & (table->slots - 1)]);
}

/* The entry whose hash is the question's, most likely its own. */
static const struct entry *candidate(const struct table *table, uint64_t hash)
{
    for (uint64_t i = hash & (table->slots - 1);; i = (i + 1) & (table->slots - 1)) {
        const struct slot *slot = &table->slot[i];
        if (slot->at == 0)
            return NULL;
        if (slot->hash == hash)
            return entry_at(table, slot->at);
    }
}

static void xxh3_get_batch(void *reader, const struct cdx_bytes *keys, size_t count,
                           uint64_t *answers)
{
    const struct table *table = reader;
    uint64_t hash[PEER_BATCH];
    for (size_t i = 0; i < count; i++) {
        hash[i] = XXH3_64bits(keys[i].data, keys[i].len);
        fetch(table, hash[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = candidate(table, hash[i]);
        if (entry != NULL) {
            __builtin_prefetch(entry);
            __builtin_prefetch((const uint8_t *)entry + 64);
        }
    }
    for (size_t i = 0; i < count; i++)
        answers[i] = value_of(table, keys[i], hash[i]);
}

/* Of one question of a batch: all its boundaries, the longest first. */
struct question {
    size_t depth; /* DEPTH_MAX + 1: too deep */
    uint16_t len[DEPTH_MAX];
    uint64_t hash[DEPTH_MAX];
    size_t next; /* from here on it may answer */
};

static void question_start(const struct table *table, struct cdx_bytes key, struct question *q)
{
    q->depth = 0;
    for (size_t len = key.len; len > 0; len = peer_boundary(key, len - 1)) {
        if (q->depth == DEPTH_MAX) {
            q->depth++;
            return;
        }
        q->len[q->depth] = (uint16_t)len;
        q->hash[q->depth] = XXH3_64bits(key.data, len);
        fetch(table, q->hash[q->depth++]);
    }
}

static void question_touch(const struct table *table, struct question *q)
{
    for (q->next = 0; q->next < q->depth && q->depth <= DEPTH_MAX; q->next++) {
        const struct entry *entry = candidate(table, q->hash[q->next]);
        if (entry != NULL) {
            __builtin_prefetch(entry);
            __builtin_prefetch((const uint8_t *)entry + 64);
            return;
        }
    }
}

static void xxh3_match_batch(void *reader, const struct cdx_bytes *keys, size_t count,
                             uint64_t *answers)
{
    const struct table *table = reader;
    struct question questions[PEER_BATCH];
    for (size_t i = 0; i < count; i++)
        question_start(table, keys[i], &questions[i]);
    for (size_t i = 0; i < count; i++)
        question_touch(table, &questions[i]);
    for (size_t i = 0; i < count; i++) {
        const struct question *q = &questions[i];
        answers[i] = 0;
        if (q->depth > DEPTH_MAX)
            answers[i] = xxh3_match(reader, keys[i]);
        for (size_t k = q->next; k < q->depth && answers[i] == 0 && q->depth <= DEPTH_MAX; k++)
            answers[i] = value_of(table, cdx_bytes_of(keys[i].data, q->len[k]), q->hash[k]);
    }
}

const struct peer peer = {
    .name = "xxh3",
    .kind = "hash table",
    .about = "open addressing, doubled at 3/4, XXH3 of libxxhash; one probe per boundary; no order",
    .open = xxh3_open,
    .close = xxh3_close,
    .memory = xxh3_memory,
    .put = xxh3_put,
    .remove = xxh3_remove,
    .get = xxh3_get,
    .match = xxh3_match,
    .match_bytes = xxh3_match_bytes,
    .match_all = xxh3_match_all,
    .get_batch = xxh3_get_batch,
    .match_batch = xxh3_match_batch,
};
