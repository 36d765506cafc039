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
    uint64_t expires_ms; /* 0: never */
    uint32_t mark;
    bool visited; /* by the sweep that is checked */
};

struct model {
    struct model_entry *entries; /* in path order */
    size_t count;
    size_t cap;
    uint64_t revision;
    uint64_t now_ms;
    bool past; /* of a snapshot: counts are those of another version */
};

/* A subtree that is filled unseen. */
struct model_stage {
    uint32_t number; /* the store's; 0: not open */
    uint8_t *key;
    size_t key_nbytes;
    struct model staged;
};

/* ---- lifecycle ---- */

void model_init(struct model *model);
void model_free(struct model *model);

/** A copy that is written and freed on its own. */
void model_copy(const struct model *model, struct model *copy);

/* ---- writes: like the store's, but memory never runs out ---- */

enum store_status model_put(struct model *model, struct cdx_bytes key, struct cdx_bytes value,
                            const struct store_put_options *options, uint64_t *revision);
enum store_status model_touch(struct model *model, struct cdx_bytes key, uint64_t expires_ms);
enum store_status model_delete(struct model *model, struct cdx_bytes key, uint64_t *revision);
void model_drop(struct model *model, struct cdx_bytes key, uint64_t *keys, uint64_t *revision);
enum store_status model_batch(struct model *model, const struct store_op *ops, size_t count,
                              size_t *failed, uint64_t *revision);

/** A touch as a snapshot sees it: of the value that it has too, the expiry is the same. */
void model_touch_past(struct model *past, const struct model *model, struct cdx_bytes key);

void model_stage_open(struct model_stage *stage, struct cdx_bytes key, uint32_t number);
bool model_stage_overlaps(const struct model_stage *stage, struct cdx_bytes key);
enum store_status model_stage_put(struct model *model, struct model_stage *stage,
                                  struct cdx_bytes key, struct cdx_bytes value,
                                  const struct store_put_options *options, uint64_t *revision);
void model_stage_swap(struct model *model, struct model_stage *stage, uint64_t *added,
                      uint64_t *removed, uint64_t *revision);
void model_stage_close(struct model_stage *stage);

/* ---- what the store does by itself ---- */

/** Forgets values that have expired: upkeep has removed them, counts are exact again. */
void model_settle(struct model *model);

/**
 * Follows an eviction of at most `most` keys, all in the subtree of `below`: what the
 * store lacks is gone. NULL, or what it must not lack; inside a read section.
 */
const char *model_evicted(struct model *model, struct store_reader *reader, struct cdx_bytes below,
                          uint64_t most);

/* ---- definitions ---- */

/** The boundary rule. */
bool model_answers(struct cdx_bytes stored, struct cdx_bytes path);

/** Path order: below, at or above 0. */
int model_compare(struct cdx_bytes a, struct cdx_bytes b);

/* ---- comparisons: NULL, or what disagrees; inside a read section ---- */

/** All entries, in order and by a sweep, and the counters. */
const char *model_check_all(struct model *model, struct store_reader *reader);

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
