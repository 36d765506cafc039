/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of all prefixes in one pass. */
#include "guard.h"
#include "store_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

static struct store_hash_keys keys;

static void fill(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * i + i / 7);
}

/* The path knows all of the key; the hash of a prefix must not depend on what follows. */
static void a_prefix_hashes_like_a_key_of_its_own(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 100, 4096};
    struct guard guard = guard_open(STORE_KEY_NBYTES_MAX);
    uint8_t bytes[STORE_KEY_NBYTES_MAX];
    fill(bytes, sizeof bytes);
    store_hash_init(&keys, 1);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i];
        struct store_path path;
        struct cdx_bytes whole = cdx_bytes_of(guard_place(&guard, bytes, n), n);
        store_path_init(&path, &keys, whole);
        uint8_t *own = malloc(n + 1);
        assert_non_null(own);
        for (size_t end = 0; end <= n; end++) {
            memcpy(own, bytes, end);
            own[end] = 0xee; /* behind the key: must not count */
            assert_true(store_path_hash(&path, end) ==
                        store_hash_of(&keys, cdx_bytes_of(own, end)));
        }
        free(own);
    }
    guard_close(&guard);
}

static void keys_of_zeros_differ_by_their_length(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    store_hash_init(&keys, 2);
    for (size_t a = 0; a < sizeof zeros; a++) {
        for (size_t b = 0; b < a; b++)
            assert_true(store_hash_of(&keys, cdx_bytes_of(zeros, a)) !=
                        store_hash_of(&keys, cdx_bytes_of(zeros, b)));
    }
}

/* One flipped bit flips about half of the hash, wherever it is: 64 bits, 8 of 32 allowed off. */
static void every_bit_counts(void **state)
{
    (void)state;
    uint8_t bytes[45];
    fill(bytes, sizeof bytes);
    uint64_t flipped = 0;
    const uint64_t seeds = 20;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        store_hash_init(&keys, seed);
        uint64_t hash = store_hash_of(&keys, cdx_bytes_of(bytes, sizeof bytes));
        for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            uint64_t other = store_hash_of(&keys, cdx_bytes_of(bytes, sizeof bytes));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(other != hash);
            flipped += (uint64_t)__builtin_popcountll(hash ^ other);
        }
    }
    uint64_t mean = flipped / (seeds * 8 * sizeof bytes);
    assert_in_range(mean, 30, 34);
}

static void seeds_give_different_hashes(void **state)
{
    (void)state;
    static struct store_hash_keys other;
    struct cdx_bytes key = CDX_STR("/a/b");
    store_hash_init(&keys, 7);
    store_hash_init(&other, 7);
    assert_true(store_hash_of(&keys, key) == store_hash_of(&other, key));
    store_hash_init(&other, 8);
    assert_true(store_hash_of(&keys, key) != store_hash_of(&other, key));
    store_hash_init(&keys, 0); /* both from the system: not the same */
    store_hash_init(&other, 0);
    assert_true(store_hash_of(&keys, key) != store_hash_of(&other, key));
}

static void slashes_are_found_at_every_place(void **state)
{
    (void)state;
    static const uint8_t near[] = {0x00, 0x2e, 0x30, 0xaf, 0xae, 0xb0, 0x7f, 0x80, 0xff};
    for (size_t n = 0; n < sizeof near; n++) {
        for (uint32_t places = 0; places < 1u << 16; places += 3) {
            uint8_t bytes[16];
            for (size_t i = 0; i < 16; i++)
                bytes[i] = (places >> i & 1) != 0 ? '/' : near[n];
            struct store_hash_block block =
                store_hash_block_at(cdx_bytes_of(bytes, sizeof bytes), 0);
            assert_int_equal(store_hash_slashes(block), places);
            assert_int_equal(store_hash_slashes_swar(block), places);
        }
    }
}

/* Two hundred keys that share the first ten bits of their hash under a key that is known. */
static void keys_that_collide_under_one_seed_do_not_under_another(void **state)
{
    (void)state;
    enum { FLOOD = 200, PARTS = 1024 };
    static struct store_hash_keys other;
    static bool used[PARTS];
    uint32_t found = 0;
    uint32_t parts = 0;
    store_hash_init(&keys, 1);
    store_hash_init(&other, 2);
    for (uint32_t i = 0; found < FLOOD; i++) {
        uint8_t key[] = {'/', 'a', (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
        struct cdx_bytes bytes = cdx_bytes_of(key, sizeof key);
        if (store_hash_of(&keys, bytes) >> 54 != 0)
            continue;
        bool *part = &used[store_hash_of(&other, bytes) >> 54];
        parts += !*part;
        *part = true;
        found++;
    }
    /* By chance it would be 182. */
    assert_in_range(parts, 160, FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_hashes_like_a_key_of_its_own),
        cmocka_unit_test(keys_of_zeros_differ_by_their_length),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(seeds_give_different_hashes),
        cmocka_unit_test(slashes_are_found_at_every_place),
        cmocka_unit_test(keys_that_collide_under_one_seed_do_not_under_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
