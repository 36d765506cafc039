/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ordered key space: keys are opaque bytes cut into segments at `/`,
 * values are opaque bytes, and the headline question is the longest stored
 * ancestor of a path. Knows bytes only: no protocol, no sockets.
 *
 *     struct store *store;                     one per process
 *     struct store_reader *reader;             one per thread that reads
 *     if (store_open(NULL, &store) != STORE_OK || store_reader_open(store, &reader) != STORE_OK)
 *         return 1;
 *     struct store_entry entry;
 *     store_read_begin(reader);                fixes the version that is seen
 *     if (store_match(reader, CDX_STR("/img/cats/1.jpg"), NULL, &entry) == STORE_OK)
 *         use(entry.key, entry.value);         borrowed until store_read_end
 *     store_read_end(reader);
 *
 * Boundary rule. A stored key K answers a path P when P equals K, or P begins
 * with K and either K ends in `/` or P has `/` right after K. So `/a` answers
 * `/a/b`, not `/ab`; `/a/` answers `/a/b`, not `/a`; `/` answers every absolute
 * path; and so does the empty key, which is a key like any other.
 *
 * Subtree of a key K: all stored keys that K would answer. One exception: the
 * subtree of the empty key is the whole store, relative keys included.
 *
 * Path order: byte order in which `/` sorts before every other byte. A key is
 * directly followed by its subtree.
 *
 * Versions. Readers see, between store_read_begin and store_read_end, one
 * version of the store; writes become visible to a read section that begins
 * after store_write_end. There is one writer at a time; a thread must not
 * write inside its own read section.
 *
 * Limits of this implementation, which its callers should not build on:
 * readers and the writer exclude each other, a waiting writer first; the index
 * grows and shrinks in one go, tens of milliseconds per million keys, and
 * store_drop() frees what it removes before it returns; every boundary of a
 * key has a node, of about 60 bytes.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <caudex/bytes.h>
#include <caudex/status.h>

/* ---- limits ---- */

/** Longest key, in bytes, inclusive: the wire format's own limit. */
#define STORE_KEY_NBYTES_MAX 4096u

/** Longest value, in bytes, inclusive: the wire format's own limit. */
#define STORE_VALUE_NBYTES_MAX (16u << 20)

/** Boundaries of a key whose hashes a probe keeps; longer keys are hashed again. */
#define STORE_PROBE_BOUNDARIES_MAX 30u

/* ---- types ---- */

struct store;
struct store_reader;

enum store_status {
    STORE_OK,
    /** Nothing stored answers the question; a cursor is at its end. */
    STORE_NOT_FOUND,
    /** The key's revision is not the expected one; nothing was changed. */
    STORE_CONFLICT,
    /** An allocation failed; nothing was changed. */
    STORE_NO_MEMORY,
    /** Key or value above its limit; nothing was changed. */
    STORE_TOO_LONG,
};

struct store_config {
    /** Keys the hash, so that chosen keys cannot make lookups slow; 0: drawn from the system. */
    uint64_t hash_seed;
};

/** One stored key. The views are borrowed from the store until store_read_end. */
struct store_entry {
    struct cdx_bytes key;
    struct cdx_bytes value;
    /** The store's revision at the write that stored the value; never 0. */
    uint64_t revision;
};

/** One level below a key. The view is borrowed until store_read_end. */
struct store_child {
    /** The child's whole path. */
    struct cdx_bytes key;
    /** Stored keys in its subtree, as store_count() says. */
    uint64_t keys;
    /** Whether the child itself is a stored key. */
    bool stored;
};

/** What a lookup is for: decides what a probe fetches ahead. */
enum store_probe_kind { STORE_PROBE_KEY, STORE_PROBE_MATCH };

/**
 * The memory accesses of a lookup, started ahead so that those of many
 * lookups overlap. Only a hint: writes between the probe and its lookup are
 * seen by the lookup. Valid for the key it was started with, which must stay
 * readable until the lookup; may be dropped at any time.
 */
struct store_probe {
    enum store_probe_kind kind;
    uint16_t boundaries; /* hashes held; 0: none, the lookup computes its own */
    struct cdx_bytes key;
    uint16_t open;     /* of the boundaries, as many as may still answer … */
    uint64_t revision; /* … while the store is at this one */
    uint64_t hash[STORE_PROBE_BOUNDARIES_MAX + 2]; /* shortest boundary first, the whole key last */
    uint16_t end[STORE_PROBE_BOUNDARIES_MAX + 2];  /* where each boundary ends */
};

/**
 * A position in an ordered walk. Lives on the caller's stack, holds no
 * memory, and is valid within one read section only.
 */
struct store_cursor {
    const struct store *store;
    struct cdx_bytes key;
    uint32_t node;
    uint32_t root;
    uint32_t state;
};

struct store_stats {
    uint64_t keys;          /* stored keys */
    uint64_t nodes;         /* boundaries of stored keys, stored themselves or not; 0 when empty */
    uint64_t revision;      /* last published write; 0: none yet */
    uint64_t key_nbytes;    /* sum of the stored keys' lengths */
    uint64_t value_nbytes;  /* sum of the stored values' lengths */
    uint64_t memory_nbytes; /* asked of the allocator for nodes, values and index */
};

/* ---- lifecycle ---- */

/**
 * An empty store. `config` is copied; NULL means all defaults.
 * STORE_NO_MEMORY: `*store` is untouched. The caller owns `*store`.
 */
CDX_MUST_CHECK enum store_status store_open(const struct store_config *config,
                                            struct store **store);

/** Frees everything. No reader may be open. NULL is ignored. */
void store_close(struct store *store);

/** Registers the calling thread as a reader. STORE_NO_MEMORY: `*reader` is untouched. */
CDX_MUST_CHECK enum store_status store_reader_open(struct store *store,
                                                   struct store_reader **reader);

/** Outside a read section. NULL is ignored. */
void store_reader_close(struct store_reader *reader);

/* ---- reading: only between begin and end ---- */

/** Fixes the version that this reader sees. Sections do not nest. */
void store_read_begin(struct store_reader *reader);

/** Lets the version go: all views handed out since begin are invalid. */
void store_read_end(struct store_reader *reader);

/** The revision of the version that is seen. */
uint64_t store_read_revision(const struct store_reader *reader);

/**
 * Starts a lookup: hashes `key` and asks the memory for the index lines.
 * Needs no read section. A key above STORE_KEY_NBYTES_MAX is allowed and finds nothing.
 */
void store_probe_start(const struct store *store, enum store_probe_kind kind, struct cdx_bytes key,
                       struct store_probe *probe);

/** Second step, inside a read section: asks for the node that the lookup will compare. */
void store_probe_touch(struct store_reader *reader, struct store_probe *probe);

/**
 * The entry at exactly `key`: STORE_OK or STORE_NOT_FOUND (`*entry` untouched).
 * `probe` was started with this key (either kind), or is NULL.
 */
CDX_MUST_CHECK enum store_status store_get(struct store_reader *reader, struct cdx_bytes key,
                                           const struct store_probe *probe,
                                           struct store_entry *entry);

/** The longest stored key that answers the path `key`. Otherwise like store_get(). */
CDX_MUST_CHECK enum store_status store_match(struct store_reader *reader, struct cdx_bytes key,
                                             const struct store_probe *probe,
                                             struct store_entry *entry);

/** The longest stored key that is a prefix of `key` byte by byte, segments or not. */
CDX_MUST_CHECK enum store_status store_match_bytes(struct store_reader *reader,
                                                   struct cdx_bytes key, struct store_entry *entry);

/**
 * Starts a walk over all stored keys that answer `key`, shortest first.
 * `key` must outlive the walk.
 */
void store_match_all(struct store_reader *reader, struct cdx_bytes key,
                     struct store_cursor *cursor);

/**
 * Starts a walk over the subtree of `key` in path order, with the first stored
 * key after `after`; an empty `after` starts at the beginning. `after` need be
 * neither stored nor in the subtree. Both views must outlive the walk.
 */
void store_list(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                struct store_cursor *cursor);

/** The next entry of a walk, or STORE_NOT_FOUND at its end (also ever after). */
CDX_MUST_CHECK enum store_status store_next(struct store_cursor *cursor, struct store_entry *entry);

/**
 * Starts a walk over the level below `key`: of the subtree's keys other than
 * `key`, the distinct prefixes that end at the first boundary after `key`,
 * after `after` in path order. For the empty key: the top level, relative names included.
 *
 *     stored: /a /a/ /a/b/c /a//d         below /a:  /a/  /a/b
 *                                         below /a/: /a//d  /a/b
 */
void store_children(struct store_reader *reader, struct cdx_bytes key, struct cdx_bytes after,
                    struct store_cursor *cursor);

/** The next child, or STORE_NOT_FOUND at the end. Only for cursors of store_children(). */
CDX_MUST_CHECK enum store_status store_next_child(struct store_cursor *cursor,
                                                  struct store_child *child);

/** Stored keys in the subtree of `key`, without walking it. */
uint64_t store_count(struct store_reader *reader, struct cdx_bytes key);

/** Counters of the version that is seen. */
void store_read_stats(struct store_reader *reader, struct store_stats *stats);

/* ---- writing: only between begin and end, by one thread at a time ---- */

/** Waits for the other writer, if any, and becomes the writer. */
void store_write_begin(struct store *store);

/** Makes all writes since begin visible together. */
void store_write_end(struct store *store);

/**
 * Stores a copy of `value` at a copy of `key` and returns the write's revision.
 * `expected`: NULL, or the revision that the key must have (0: not stored).
 * STORE_OK; STORE_CONFLICT (`*revision` is the key's present one, 0 if none);
 * STORE_NO_MEMORY, STORE_TOO_LONG (`*revision` untouched, nothing changed).
 */
CDX_MUST_CHECK enum store_status store_put(struct store *store, struct cdx_bytes key,
                                           struct cdx_bytes value, const uint64_t *expected,
                                           uint64_t *revision);

/** Removes one key. STORE_OK, or STORE_NOT_FOUND (`*revision` untouched). */
CDX_MUST_CHECK enum store_status store_delete(struct store *store, struct cdx_bytes key,
                                              uint64_t *revision);

/**
 * Removes the subtree of `key`. Never fails; `*keys` is the number removed
 * and `*revision` the store's revision afterwards (unchanged when it is 0).
 */
void store_drop(struct store *store, struct cdx_bytes key, uint64_t *keys, uint64_t *revision);

/* ---- inspection ---- */

/**
 * Checks every invariant of the structure; NULL, or a static text that names
 * the broken one. Slow: for tests and debugging. No writer may be active.
 */
const char *store_check(const struct store *store);

/** The outcome's text: a static string. */
const char *store_status_text(enum store_status status);

#endif
