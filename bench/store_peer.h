/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What bench_store asks of a store, ours or another's. An adapter is one
 * source file that defines `peer`; with bench_store.c and store_set.c it makes
 * one program, which measures that peer alone; as a shared object it is loaded
 * by any of these programs (bench/peers):
 *
 *     static void *my_open(const char *scratch) { … }
 *     …
 *     const struct peer peer = {.name = "rax", .about = "…", .open = my_open, …};
 *
 * Keys are 1 to PEER_KEY_NBYTES_MAX bytes without NUL and never end in '/'.
 * They lie in a buffer that goes on for at least 128 readable bytes and are
 * borrowed for the call: a peer stores a copy. Values are 1 … 2^63-1, and a
 * value is the answer to every question; 0: nothing answers.
 *
 * A function that a peer has no honest form of is NULL, and so is its cell in
 * the table. `open`, `close`, `put` and `get` are never NULL. When memory runs
 * out an adapter calls abort().
 */
#ifndef BENCH_STORE_PEER_H
#define BENCH_STORE_PEER_H

#include <caudex/bytes.h>

/** Longest key of any data set: LMDB stores none above 511 bytes. */
#define PEER_KEY_NBYTES_MAX 500u

/** Questions of one read section, and of one batch. */
#define PEER_BATCH 32u

struct peer {
    /** One word, [a-z0-9-]: the peer's name in tables. */
    const char *name;
    /** "trie", "hash table", "tree", "array": tables set ours against the best trie. */
    const char *kind;
    /** One line: version, what it stores and how it answers. */
    const char *about;

    /** Takes all keys together: there is no single insert to be timed. */
    bool at_once;

    /* ---- lifecycle ---- */

    /** An empty store; files, if any, below the directory `scratch`. */
    void *(*open)(const char *scratch);
    /** Frees everything. No reader is open. */
    void (*close)(void *store);
    /** Bytes held for keys, values and structure; NULL: the growth of malloc's heap is taken. */
    uint64_t (*memory)(void *store);

    /* ---- writing, by one thread and while nobody reads ---- */

    /** Stores `value` at a key that is not stored yet. */
    void (*put)(void *store, struct cdx_bytes key, uint64_t value);
    /** Removes a stored key; false: it was not there. */
    bool (*remove)(void *store, struct cdx_bytes key);
    /** Removes `key` and all keys that begin with it and a '/'; how many. */
    uint64_t (*drop)(void *store, struct cdx_bytes key);
    /**
     * Finishes what writes have put off (a commit, a sort, upkeep). Called, and
     * its time counted, after the last write of a kind.
     */
    void (*settle)(void *store);

    /* ---- reading, by one or two threads, each with a reader of its own ---- */

    /** NULL: the store itself is the reader. */
    void *(*reader_open)(void *store);
    void (*reader_close)(void *reader);
    /** Around every PEER_BATCH questions, and around a list. */
    void (*read_begin)(void *reader);
    void (*read_end)(void *reader);

    /** The value at exactly `key`. */
    uint64_t (*get)(void *reader, struct cdx_bytes key);
    /** The value of the longest stored K that equals `key`, or that `key` follows with a '/'. */
    uint64_t (*match)(void *reader, struct cdx_bytes key);
    /** The value of the longest stored key that is a prefix of `key`, byte by byte. */
    uint64_t (*match_bytes)(void *reader, struct cdx_bytes key);
    /** The sum of the values of all stored keys that match() considers. */
    uint64_t (*match_all)(void *reader, struct cdx_bytes key);
    /** `count` <= PEER_BATCH questions at once, for peers that gain by it. */
    void (*get_batch)(void *reader, const struct cdx_bytes *keys, size_t count, uint64_t *answers);
    void (*match_batch)(void *reader, const struct cdx_bytes *keys, size_t count,
                        uint64_t *answers);
    /** Visits all keys in an order of the peer's, at least sorted within a directory; the sum of
     * peer_row() over all rows, whose number goes to `*rows`. */
    uint64_t (*list)(void *reader, uint64_t *rows);
};

/** The one peer of this program or shared object. */
extern const struct peer peer;

/** What a listed row adds to the sum: proves that the whole key was at hand. */
static inline uint64_t peer_row(struct cdx_bytes key, uint64_t value)
{
    return value + key.len + key.data[key.len - 1];
}

/**
 * The longest proper boundary of `key` of at most `len` bytes: the length of a
 * prefix that a '/' follows; 0: none.
 */
static inline size_t peer_boundary(struct cdx_bytes key, size_t len)
{
    if (len >= key.len)
        len = key.len - 1;
    while (len > 0 && key.data[len] != '/')
        len--;
    return len;
}

#endif
