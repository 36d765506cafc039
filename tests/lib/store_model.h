/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the store must answer, by definition: a sorted array and loops over all
 * of it. Tests and the fuzzer do the same to both and compare.
 */
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "store.h"

/* ---- types ---- */

struct model_entry {
    uint8_t *key;
    size_t key_nbytes;
    uint8_t *value;
    size_t value_nbytes;
    uint64_t revision;
};

struct model {
    struct model_entry *entries; /* in path order */
    size_t count;
    size_t cap;
    uint64_t revision;
};

/* ---- lifecycle ---- */

void model_init(struct model *model);
void model_free(struct model *model);

/* ---- writes: like the store's, but memory never runs out ---- */

enum store_status model_put(struct model *model, struct cdx_bytes key, struct cdx_bytes value,
                            const uint64_t *expected, uint64_t *revision);
enum store_status model_delete(struct model *model, struct cdx_bytes key, uint64_t *revision);
void model_drop(struct model *model, struct cdx_bytes key, uint64_t *keys, uint64_t *revision);

/* ---- definitions ---- */

/** The boundary rule. */
bool model_answers(struct cdx_bytes stored, struct cdx_bytes path);

/** Path order: below, at or above 0. */
int model_compare(struct cdx_bytes a, struct cdx_bytes b);

/* ---- comparisons: NULL, or what disagrees; inside a read section ---- */

/** All entries, and the counters. */
const char *model_check_all(const struct model *model, struct store_reader *reader);

/** get, match, match_bytes, match_all and count of `key`, with and without probes. */
const char *model_check_key(const struct model *model, const struct store *store,
                            struct store_reader *reader, struct cdx_bytes key);

/** list and children of `key` from `after` on. */
const char *model_check_page(const struct model *model, struct store_reader *reader,
                             struct cdx_bytes key, struct cdx_bytes after);

/** Both outcomes of a lookup: the model's entry (NULL: none) and the store's. */
const char *model_check_entry(const struct model_entry *expected, enum store_status status,
                              const struct store_entry *entry);

/** The entry that store_match() must find, or NULL. */
const struct model_entry *model_match(const struct model *model, struct cdx_bytes path);

/** The entry at exactly `key`, or NULL. */
const struct model_entry *model_get(const struct model *model, struct cdx_bytes key);

#endif
