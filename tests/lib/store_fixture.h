/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A small store for tables of cases: sets of keys are written as one string,
 * separated by blanks, with `-` for the empty key. A key's value is the key.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store.h"

#define FIXTURE_TEXT_NBYTES 1024u

struct fixture {
    struct store *store;
    struct store_reader *reader;
    char text[FIXTURE_TEXT_NBYTES]; /* what the last fixture_… call that returns text wrote */
    size_t text_nbytes;
};

/** A store with `keys`, inside a read section. */
void fixture_open(struct fixture *fixture, const char *keys);

/** Checks the invariants, and that all memory is given back. */
void fixture_close(struct fixture *fixture);

/** The key that one word of a table means. */
struct cdx_bytes fixture_key(const char *word);

/** What store_get, store_match and store_match_bytes find, as a word; "none" otherwise. */
const char *fixture_get(struct fixture *fixture, const char *key);
const char *fixture_match(struct fixture *fixture, const char *key);
const char *fixture_match_bytes(struct fixture *fixture, const char *key);

/** What the walks return, as words. Of children: key, `:`, number of keys, `*` when stored. */
const char *fixture_match_all(struct fixture *fixture, const char *key);
const char *fixture_list(struct fixture *fixture, const char *key, const char *after);
const char *fixture_children(struct fixture *fixture, const char *key, const char *after);

/** Writes, between the end of the read section and a new one. */
void fixture_put(struct fixture *fixture, const char *key);
enum store_status fixture_delete(struct fixture *fixture, const char *key);
uint64_t fixture_drop(struct fixture *fixture, const char *key);

#endif
