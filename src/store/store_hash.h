/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The keyed hash that gives all prefixes of a key in one pass.
 *
 *     key     │ block 0: x0 y0 │ block 1: x1 y1 │ tail of block 2 … │     16 bytes each
 *     sum       S_0 = 0          S_1 = S_0 + m_0  S_2 = S_1 + m_1
 *
 *     m_i     = mum(x_i ^ k_2i, y_i ^ k_2i+1)
 *     H(e)    = mum(S_(e/16) + mum(a ^ t0, c ^ t1), f ^ e)
 *               where a c is the block that e lies in, its bytes from e on zeroed
 *
 * mum(a, b) folds the 128-bit product: low half xor high half. Prefixes share
 * the sums, and no multiplication waits for more than two others. The keys
 * come from a seed that nobody outside knows, so that nobody can choose keys
 * that collide.
 */
#ifndef STORE_STORE_HASH_H
#define STORE_STORE_HASH_H

#include "store.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- limits ---- */

#define STORE_HASH_BLOCK_NBYTES 16u
/** Whole blocks of the longest key, and its tail. */
#define STORE_HASH_BLOCKS_MAX (STORE_KEY_NBYTES_MAX / STORE_HASH_BLOCK_NBYTES + 1)

/* ---- types ---- */

struct store_hash_keys {
    uint64_t tail[2];
    uint64_t finish;
    uint64_t block[2 * STORE_HASH_BLOCKS_MAX];
};

/** One block of a key, as two little-endian words; bytes past the key's end are 0. */
struct store_hash_block {
    uint64_t x;
    uint64_t y;
};

/** A key with its sums: the hash of any prefix in constant time. */
struct store_path {
    const struct store_hash_keys *keys;
    struct cdx_bytes key;
    uint64_t sum[STORE_HASH_BLOCKS_MAX];
};

/* ---- lifecycle ---- */

/** Keys from `seed`; 0: from the system's random numbers. */
void store_hash_init(struct store_hash_keys *keys, uint64_t seed);

/** One pass over `key`, of at most STORE_KEY_NBYTES_MAX bytes, which must outlive the path. */
void store_path_init(struct store_path *path, const struct store_hash_keys *keys,
                     struct cdx_bytes key);

/* ---- operations ---- */

static inline uint64_t store_hash_mum(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t store_hash_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint64_t store_hash_load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

/* The block of a key shorter than one; reads inside the key only. */
static inline struct store_hash_block store_hash_short_block(struct cdx_bytes key)
{
    struct store_hash_block b = {0, 0};
    const uint8_t *p = key.data;
    size_t n = key.len;
    if (n >= 8) {
        b.x = store_hash_load64(p);
        if (n > 8)
            b.y = store_hash_load64(p + n - 8) >> (8 * (16 - n));
    } else if (n >= 4) {
        b.x = store_hash_load32(p) | store_hash_load32(p + n - 4) << (8 * (n - 4));
    } else if (n > 0) {
        b.x = (uint64_t)p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) |
              (uint64_t)p[n - 1] << (8 * (n - 1));
    }
    return b;
}

/* The last, incomplete block of a key of at least one: the key's last 16 bytes, shifted. */
static inline struct store_hash_block store_hash_last_block(struct cdx_bytes key)
{
    __extension__ typedef unsigned __int128 wide;
    wide last = store_hash_load64(key.data + key.len - 16) |
                (wide)store_hash_load64(key.data + key.len - 8) << 64;
    /* In two shifts, as one cannot be of 128 bits; without branches, as lengths cannot be foreseen.
     */
    last = last >> 8 >> (8 * (15 - (unsigned)key.len % 16));
    return (struct store_hash_block){(uint64_t)last, (uint64_t)(last >> 64)};
}

/** Block `i` of the key, which begins at or before the key's end. */
static inline struct store_hash_block store_hash_block_at(struct cdx_bytes key, size_t i)
{
    size_t start = i * STORE_HASH_BLOCK_NBYTES;
    if (key.len - start >= STORE_HASH_BLOCK_NBYTES)
        return (struct store_hash_block){store_hash_load64(key.data + start),
                                         store_hash_load64(key.data + start + 8)};
    return i == 0 ? store_hash_short_block(key) : store_hash_last_block(key);
}

/** Adds block `i` to the sum of those before it. */
static inline uint64_t store_hash_add(const struct store_hash_keys *keys, uint64_t sum, size_t i,
                                      struct store_hash_block b)
{
    return sum + store_hash_mum(b.x ^ keys->block[2 * i], b.y ^ keys->block[2 * i + 1]);
}

/** The hash of the first `end` bytes: `b` is the block that `end` lies in, 0 from there on, `sum`
 * that before it. */
static inline uint64_t store_hash_finish(const struct store_hash_keys *keys, uint64_t sum,
                                         struct store_hash_block b, size_t end)
{
    uint64_t tail = store_hash_mum(b.x ^ keys->tail[0], b.y ^ keys->tail[1]);
    return store_hash_mum(sum + tail, keys->finish ^ end);
}

/** The first `n` (at most 15) bytes of a block, the others 0. */
static inline struct store_hash_block store_hash_cut(struct store_hash_block b, unsigned n)
{
    static const uint8_t ones[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t *mask = ones + STORE_HASH_BLOCK_NBYTES - n;
    return (struct store_hash_block){b.x & store_hash_load64(mask),
                                     b.y & store_hash_load64(mask + 8)};
}

/** The hash of the first `end` bytes: `b` is the block that `end` lies in, `sum` that before it. */
static inline uint64_t store_hash_end(const struct store_hash_keys *keys, uint64_t sum,
                                      struct store_hash_block b, size_t end)
{
    return store_hash_finish(keys, sum,
                             store_hash_cut(b, (unsigned)(end % STORE_HASH_BLOCK_NBYTES)), end);
}

/** The hash of a whole key, without keeping the sums. */
static inline uint64_t store_hash_of(const struct store_hash_keys *keys, struct cdx_bytes key)
{
    uint64_t sum = 0;
    size_t whole = key.len / STORE_HASH_BLOCK_NBYTES;
    if (whole == 0)
        return store_hash_finish(keys, 0, store_hash_short_block(key), key.len);
    for (size_t i = 0; i < whole; i++) {
        const uint8_t *from = key.data + i * STORE_HASH_BLOCK_NBYTES;
        sum = store_hash_add(
            keys, sum, i,
            (struct store_hash_block){store_hash_load64(from), store_hash_load64(from + 8)});
    }
    return store_hash_finish(keys, sum, store_hash_last_block(key), key.len);
}

/** The hash of the first `end` bytes of the path's key. */
static inline uint64_t store_path_hash(const struct store_path *path, size_t end)
{
    size_t i = end / STORE_HASH_BLOCK_NBYTES;
    return store_hash_end(path->keys, path->sum[i], store_hash_block_at(path->key, i), end);
}

/** Bit j is set when byte j of the block is '/': eight bytes at once. */
static inline uint32_t store_hash_slashes_swar(struct store_hash_block b)
{
    const uint64_t slashes = UINT64_C(0x2f2f2f2f2f2f2f2f);
    const uint64_t sevens = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t x = b.x ^ slashes;
    uint64_t y = b.y ^ slashes;
    /* 0x80 in every byte that is 0 now, without borrow between bytes. */
    x = ~(((x & sevens) + sevens) | x | sevens);
    y = ~(((y & sevens) + sevens) | y | sevens);
    /* Gathers the eight flags into the top byte. */
    const uint64_t gather = UINT64_C(0x0102040810204080);
    return (uint32_t)((x >> 7) * gather >> 56) | (uint32_t)((y >> 7) * gather >> 56) << 8;
}

#if defined(__SSE2__)
/** Like store_hash_slashes_swar(), in one comparison. */
static inline uint32_t store_hash_slashes(struct store_hash_block b)
{
    __m128i bytes = _mm_set_epi64x((long long)b.y, (long long)b.x);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')));
}
#else
static inline uint32_t store_hash_slashes(struct store_hash_block b)
{
    return store_hash_slashes_swar(b);
}
#endif

#endif
