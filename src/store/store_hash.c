/* SPDX-License-Identifier: Apache-2.0 */
/* The keyed hash: its keys, and a key's sums. The formula is in store_hash.h. */
#include "store_hash.h"

#include <sys/random.h>
#include <time.h>

/* splitmix64 (Steele, Lea, Flood 2014): spreads one seed over all keys. */
static uint64_t next_key(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t system_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed)
        return seed;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^ (uint64_t)(uintptr_t)&now;
}

void store_hash_init(struct store_hash_keys *keys, uint64_t seed)
{
    uint64_t state = seed != 0 ? seed : system_seed();
    keys->tail[0] = next_key(&state);
    keys->tail[1] = next_key(&state);
    keys->finish = next_key(&state);
    for (size_t i = 0; i < sizeof keys->block / sizeof keys->block[0]; i++)
        keys->block[i] = next_key(&state);
}

void store_path_init(struct store_path *path, const struct store_hash_keys *keys,
                     struct cdx_bytes key)
{
    size_t blocks = key.len / STORE_HASH_BLOCK_NBYTES;
    path->keys = keys;
    path->key = key;
    path->sum[0] = 0;
    for (size_t i = 0; i < blocks; i++)
        path->sum[i + 1] = store_hash_add(keys, path->sum[i], i, store_hash_block_at(key, i));
}
