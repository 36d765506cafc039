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
 * version of the store, the last one published; they neither lock nor write
 * memory that other threads read. There is one writer at a time; its writes
 * become visible together at store_write_end. A thread must not write inside
 * its own read section. A snapshot keeps a version beyond the read section.
 *
 * What no reader can see any more is given back in slices: a few steps at the
 * end of each write, the rest by store_maintain(), which also expires, evicts
 * and compacts. A drop or a swap of any size is one step for readers and takes
 * no longer than a put.
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

/** Nodes that a cursor sorts at a time, and levels it keeps sorted. */
#define STORE_CURSOR_ARRAY_MAX 64u
#define STORE_CURSOR_LEVELS 4u

/** Most operations of one batch: bounds how long a writer holds the others up. */
#define STORE_BATCH_OPS_MAX 65536u

/** Most open stages, and snapshots. */
#define STORE_STAGES_MAX 16u
#define STORE_SNAPSHOTS_MAX 256u

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
    /** The memory limit is reached and nothing may be evicted; nothing was changed. */
    STORE_FULL,
    /** Too many stages, snapshots, or an overlapping stage; nothing was changed. */
    STORE_BUSY,
    /** The key is not in the stage's subtree; nothing was changed. */
    STORE_OUTSIDE,
};

struct store_config {
    /** Keys the hash, so that chosen keys cannot make lookups slow; 0: drawn from the system. */
    uint64_t hash_seed;
    /** Limit of store_stats.used_nbytes for writes that add; 0: none. */
    uint64_t memory_max_nbytes;
    /**
     * At that limit: evict keys that were not read lately; otherwise refuse with STORE_FULL.
     * What is evicted is gone from all versions at once, snapshots included.
     */
    bool evict;
    /** Only keys in this subtree are evicted; copied; empty: any key. */
    struct cdx_bytes evict_below;
    /** The clock's first value, in milliseconds; see store_maintain(). */
    uint64_t now_ms;
};

/**
 * One stored key. The value is borrowed from the store until store_read_end;
 * the key is a view of the question's key or, in a walk, of the cursor, until
 * its next step.
 */
struct store_entry {
    struct cdx_bytes key;
    struct cdx_bytes value;
    /** The number that was stored with it; 0: none. */
    uint32_t mark;
    /** The store's revision at the write that stored the value; never 0. */
    uint64_t revision;
    /** When the value ends, on the store's clock; 0: never. */
    uint64_t expires_ms;
};

/** One level below a key. The view is borrowed from the cursor until its next step. */
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
    struct cdx_bytes key;
    uint64_t section;    /* the reader's read section that touched it; 0: none. In it … */
    uint32_t candidate;  /* … the node that is compared first; 0: not known */
    uint32_t node;       /* … the one that the next step begins at; 0: none */
    uint16_t open;       /* … of the boundaries, as many as may still answer */
    uint16_t boundaries; /* that are held; 0: none, the lookup finds its own */
    enum store_probe_kind kind;
    struct store_boundary {
        uint64_t hash;
        size_t end;
    } boundary[STORE_PROBE_BOUNDARIES_MAX + 2]; /* shortest first, the whole key last */
};

/**
 * A position in an ordered walk. Lives on the caller's stack (about 6 KiB), holds
 * no memory, and is valid within one read section only.
 */
struct store_cursor {
    struct store_reader *reader;
    struct cdx_bytes key;
    uint32_t state;
    uint32_t node;   /* where the walk is; 0: at its end */
    uint32_t depth;  /* of the node, for the levels below */
    uint16_t nbytes; /* of the node's key, which is in `found` */
    uint16_t root_nbytes;
    /* Children in order, at the last levels that were visited: */
    struct store_cursor_level {
        uint32_t parent; /* 0: none */
        uint32_t upper;  /* where those that follow begin */
        uint32_t count;
        uint32_t at;
        uint32_t node[STORE_CURSOR_ARRAY_MAX];
    } level[STORE_CURSOR_LEVELS];
    struct store_probe probe;
    uint8_t found[STORE_KEY_NBYTES_MAX + 1];
};

/** What a put may ask for beyond key and value; all zero: nothing. */
struct store_put_options {
    /** NULL, or the revision that the key must have (0: not stored). */
    const uint64_t *expected;
    /** When the value ends, on the store's clock; 0: never. */
    uint64_t expires_ms;
    /** Keeps the key's present expiry instead. */
    bool keep_expiry;
    /** A number that is kept beside the value, for the caller's own use; 0: none, needs no memory.
     */
    uint32_t mark;
};

enum store_op_kind { STORE_OP_PUT, STORE_OP_DELETE, STORE_OP_DROP };

/** One write of a batch. All views are borrowed for the call. */
struct store_op {
    enum store_op_kind kind;
    struct cdx_bytes key;
    struct cdx_bytes value;           /* of a put */
    struct store_put_options options; /* of a put; of a delete, `expected` */
};

/** A version that is kept beyond a read section. */
struct store_snapshot;

struct store_stats {
    uint64_t keys;              /* stored keys */
    uint64_t nodes;             /* nodes of the tree, those that wait to be freed included */
    uint64_t revision;          /* last published write; 0: none yet */
    uint64_t key_nbytes;        /* sum of the stored keys' lengths */
    uint64_t value_nbytes;      /* sum of the stored values' lengths */
    uint64_t memory_nbytes;     /* held from the allocator, to the byte */
    uint64_t used_nbytes;       /* of that in use: without free blocks */
    uint64_t memory_max_nbytes; /* the limit; 0: none */
    uint64_t pending;           /* what waits to be freed: versions and dropped subtrees */
    uint64_t snapshots;         /* open now */
    uint64_t expiring;          /* stored values that have an expiry */
    uint64_t expired;           /* keys removed by their expiry, since the start */
    uint64_t evicted;           /* keys removed for want of memory, since the start */
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

/** A reader, used by one thread at a time. STORE_NO_MEMORY: `*reader` is untouched. */
CDX_MUST_CHECK enum store_status store_reader_open(struct store *store,
                                                   struct store_reader **reader);

/** Outside a read section. NULL is ignored. */
void store_reader_close(struct store_reader *reader);

/* ---- reading: only between begin and end ---- */

/** Fixes the version that this reader sees. Sections do not nest. */
void store_read_begin(struct store_reader *reader);

/** Lets the version go: all views handed out since begin are invalid. */
void store_read_end(struct store_reader *reader);

/**
 * Keeps the version of the present read section until store_snapshot_close(),
 * by any thread: what is replaced meanwhile stays in memory. STORE_OK,
 * STORE_BUSY (STORE_SNAPSHOTS_MAX are open) or STORE_NO_MEMORY.
 */
CDX_MUST_CHECK enum store_status store_snapshot_open(struct store_reader *reader,
                                                     struct store_snapshot **snapshot);

/** Lets the version go. NULL is ignored. No read section may be using it. */
void store_snapshot_close(struct store *store, struct store_snapshot *snapshot);

/** Like store_read_begin(), for the version that the snapshot keeps. */
void store_read_begin_at(struct store_reader *reader, const struct store_snapshot *snapshot);

/** The revision of the version that is seen. */
uint64_t store_read_revision(const struct store_reader *reader);

/**
 * Starts a lookup: hashes `key` and asks the memory for the index lines.
 * Needs no read section. A key above STORE_KEY_NBYTES_MAX is allowed and finds nothing.
 */
void store_probe_start(const struct store *store, enum store_probe_kind kind, struct cdx_bytes key,
                       struct store_probe *probe);

/** A probe of no lookup: the steps pass over it. */
static inline void store_probe_none(struct store_probe *probe)
{
    probe->boundaries = 0;
}

/**
 * Second step, inside a read section or by the writer: asks for the nodes that the lookups of
 * `count` probes will compare. What it leaves in the probes holds until the section's end, or the
 * writer's next write.
 */
void store_probes_touch(struct store_reader *reader, struct store_probe *probes, size_t count);

/**
 * Further steps, while that holds: each asks for the parents of the last nodes, which will be
 * compared too. More than two are seldom of use. Probes that were touched in another read
 * section are touched again.
 */
void store_probes_reach(struct store_reader *reader, struct store_probe *probes, size_t count);

/**
 * The entry at exactly `key`: STORE_OK or STORE_NOT_FOUND (`*entry` untouched).
 * `probe` was started with this key (either kind), is of no lookup, or NULL.
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

/**
 * Stored keys in the subtree of `key`, without walking it: of the last
 * version published, also with a snapshot.
 */
uint64_t store_count(struct store_reader *reader, struct cdx_bytes key);

/**
 * Visits the stored keys a few at a time, in no order that means anything. `position`
 * says where to go on, 0 at the beginning; what is returned is the next one,
 * 0 at the end. A position is only a number and stays valid whatever is written: a key that is
 * stored from the first call to the last is visited at least once. Any number is
 * a position, so one drawn by chance leads to keys drawn nearly so.
 * `visit` is called within the call; the entry's key is borrowed until it returns.
 */
uint64_t store_sweep(struct store_reader *reader, uint64_t position,
                     void (*visit)(void *arg, const struct store_entry *entry), void *arg);

/** Positions are below it. */
#define STORE_SWEEP_END (UINT64_C(1) << 33)

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

/**
 * store_put() with options (NULL: none). Also STORE_FULL at the memory limit.
 */
CDX_MUST_CHECK enum store_status store_put_with(struct store *store, struct cdx_bytes key,
                                                struct cdx_bytes value,
                                                const struct store_put_options *options,
                                                uint64_t *revision);

/**
 * The entry at exactly `key` as the writer has it, its own writes included: STORE_OK
 * or STORE_NOT_FOUND (`*entry` untouched). Borrowed from the store until the next write.
 */
CDX_MUST_CHECK enum store_status store_peek(struct store *store, struct cdx_bytes key,
                                            struct store_entry *entry);

/**
 * Gives a stored value another expiry (0: none); value, mark and revision stay.
 * STORE_OK, STORE_NOT_FOUND or STORE_NO_MEMORY.
 */
CDX_MUST_CHECK enum store_status store_touch(struct store *store, struct cdx_bytes key,
                                             uint64_t expires_ms);

/**
 * Carries out all operations, in their order, or none. STORE_OK, with the
 * store's revision afterwards; otherwise the outcome of the first operation
 * that failed, with its number in `*failed`: a delete of a key that is not
 * stored does not fail, a drop never; STORE_TOO_LONG with `*failed` = `count`
 * when there are more than STORE_BATCH_OPS_MAX. On STORE_CONFLICT `*revision`
 * is the key's present one. A batch that fails may leave revisions out.
 */
CDX_MUST_CHECK enum store_status store_batch(struct store *store, const struct store_op *ops,
                                             size_t count, size_t *failed, uint64_t *revision);

/**
 * Removes one key. STORE_OK, STORE_NOT_FOUND or STORE_NO_MEMORY (`*revision`
 * untouched, nothing changed).
 */
CDX_MUST_CHECK enum store_status store_delete(struct store *store, struct cdx_bytes key,
                                              uint64_t *revision);

/**
 * Removes the subtree of `key`: `*keys` is the number removed and `*revision`
 * the store's revision afterwards (unchanged when it is 0). A key that ends in '/'
 * spares the value before that '/', which counts as written anew. Takes no longer
 * than a put, but for "/" in a store that also holds relative keys: then as
 * long as a delete of each top-level name. STORE_OK or STORE_NO_MEMORY (nothing changed).
 */
CDX_MUST_CHECK enum store_status store_drop(struct store *store, struct cdx_bytes key,
                                            uint64_t *keys, uint64_t *revision);

/* ---- staging: a subtree that is filled unseen and replaces another at once ---- */

/**
 * Opens a stage for the subtree of `key`, which must not end in '/'. STORE_OK,
 * with its number (never 0); STORE_BUSY: a stage of an overlapping subtree is
 * open, or STORE_STAGES_MAX are; STORE_TOO_LONG; STORE_OUTSIDE: the key ends in '/';
 * STORE_NO_MEMORY.
 */
CDX_MUST_CHECK enum store_status store_stage_open(struct store *store, struct cdx_bytes key,
                                                  uint32_t *stage);

/**
 * store_put_with() into the stage: no reader sees it. `options` without
 * `expected`. Also STORE_NOT_FOUND: no such stage; STORE_OUTSIDE.
 */
CDX_MUST_CHECK enum store_status store_stage_put(struct store *store, uint32_t stage,
                                                 struct cdx_bytes key, struct cdx_bytes value,
                                                 const struct store_put_options *options,
                                                 uint64_t *revision);

/**
 * Removes the subtree that is stored and puts the staged one in its place, as
 * one write; the stage is closed. `*added` and `*removed` count keys. STORE_OK,
 * STORE_NOT_FOUND: no such stage, or STORE_NO_MEMORY: the stage is as it was.
 */
CDX_MUST_CHECK enum store_status store_stage_swap(struct store *store, uint32_t stage,
                                                  uint64_t *added, uint64_t *removed,
                                                  uint64_t *revision);

/** Closes a stage and throws its keys away. STORE_OK or STORE_NOT_FOUND: no such stage. */
CDX_MUST_CHECK enum store_status store_stage_drop(struct store *store, uint32_t stage);

/* ---- upkeep ---- */

/** What store_maintain() says about when to call it again. */
enum store_upkeep {
    STORE_UPKEEP_NONE,  /* with the next change of the clock */
    STORE_UPKEEP_LATER, /* something waits for readers: in some milliseconds */
    STORE_UPKEEP_NOW,   /* there is more to do at once */
};

/**
 * One slice of upkeep, by any thread, outside read sections: sets the clock to
 * `now_ms` (any clock of the caller that never goes back), expires, evicts,
 * frees what was dropped, compacts; at most `steps` steps, of about a
 * microsecond each. Values whose expiry is at or before the clock are gone for
 * readers at once, but store_count() counts them until upkeep has removed them.
 * When another thread is the writer, only the clock is set.
 */
enum store_upkeep store_maintain(struct store *store, uint64_t now_ms, unsigned steps);

/** The clock, in milliseconds. */
uint64_t store_now(const struct store *store);

/** Changes the limit and what is done at it, see struct store_config. STORE_NO_MEMORY: nothing
 * changed. */
CDX_MUST_CHECK enum store_status store_limit(struct store *store, uint64_t memory_max_nbytes,
                                             bool evict, struct cdx_bytes evict_below);

/* ---- inspection ---- */

/**
 * Checks every invariant of the structure; NULL, or a static text that names
 * the broken one. Slow: for tests and debugging. No writer may be active.
 */
const char *store_check(const struct store *store);

/** The outcome's text: a static string. */
const char *store_status_text(enum store_status status);

#endif
