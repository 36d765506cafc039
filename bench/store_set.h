/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A data set of bench_store: keys and the questions about them, in one file
 * that every peer's process maps, so that it is in memory once.
 *
 *     head | per section: index (8 bytes an entry), text | padding
 *
 * An index entry is `offset << 16 | length` of a text. Entries stand in the
 * order in which they are used, so that reading them costs no cache miss of its own.
 */
#ifndef BENCH_STORE_SET_H
#define BENCH_STORE_SET_H

#include <caudex/bytes.h>

#define SET_MAGIC UINT64_C(0x31746573726f7473) /* "storset1" */

/** Readable bytes behind the last text. */
#define SET_PADDING_NBYTES 4096u

enum set_section {
    SET_KEYS,  /* all keys, in random order */
    SET_GET,   /* distinct stored keys, in another random order */
    SET_MATCH, /* a quarter stored, half deeper than a stored one, a quarter siblings */
    SET_MISS,  /* siblings: none is stored */
    SET_SECTIONS,
};

struct set_head {
    uint64_t magic;
    uint64_t paths; /* 1: keys have segments; 0: match_bytes is the question */
    struct {
        uint64_t count;
        uint64_t index_at; /* in the file */
        uint64_t text_at;
    } section[SET_SECTIONS];
    uint64_t drop_nbytes; /* the subtree that is dropped: the largest of the top level; 0: none */
    uint8_t drop[512];
};

struct set {
    const uint8_t *file;
    const struct set_head *head;
};

/** Maps the file and touches all of it; exits with a message when it cannot. */
struct set set_open(const char *path);

static inline uint64_t set_count(struct set set, enum set_section section)
{
    return set.head->section[section].count;
}

/** Text `i` of a section, borrowed for as long as the set is open. */
static inline struct cdx_bytes set_text(struct set set, enum set_section section, uint64_t i)
{
    const uint64_t *index =
        (const uint64_t *)(const void *)(set.file + set.head->section[section].index_at);
    return cdx_bytes_of(set.file + set.head->section[section].text_at + (index[i] >> 16),
                        index[i] & 0xffff);
}

/** The value of key `i`: 1 … 2^63-1, and no pattern that adds up by chance. */
static inline uint64_t set_value(uint64_t i)
{
    uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return ((z ^ (z >> 29)) >> 1) | 1;
}

#endif
