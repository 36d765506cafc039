/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The blocks that the tree is made of. A node is a prefix of stored keys that
 * ends at a boundary; it keeps what it adds to its parent's key only. Every
 * block begins with a word that says what it is:
 *
 *     head   │ kind 2 │ flags 7 │ text length 13 │ inline value length 10 │     32 bits
 *
 *     leaf   │ head │ parent │ revision 48 bits │ segments │ value │   stored once, nothing below
 *     pass   │ head │ parent │ child │ segment │                       one node below, not stored
 *     fork   │ head │ parent │ children │ keys │ version │ segment │   everything else
 *     record │ head │ older │ revision 48 bits │ value │               a version of a fork's value
 *     record │ head │ older │ revision 48 bits, pad │ expiry │ value │ … that has an expiry
 *
 * A fork with many children has the whole key as its text, so that a lookup of
 * one of them is done there. A leaf has all segments of which it is the only key, so most keys are
 * one block below a fork. The index knows it by each boundary among them; a write that needs one of
 * these as a node of its own takes the leaf apart into passes:
 *
 *     /img ─► leaf "/cats/1.jpg"       /img ─► pass "/cats" ─► leaf "/1.jpg"
 *
 * Leaf, pass and the versions of a fork never change once readers can find
 * them, but for the parent: what a write changes becomes a fork, in the same
 * place of tree and index, and there a new record in front of the others:
 *
 *     fork ─version─► value, revision 9 ─older─► gone, 7 ─older─► value, 2
 *
 * A reader of revision 8 takes the first record that is not newer: it is gone.
 * Two more kinds of record stand for the whole subtree: `end` (it is not there
 * from this revision on: a drop) and `begin` (not before it: a swap).
 */
#ifndef STORE_STORE_NODE_H
#define STORE_STORE_NODE_H

#include "store_arena.h"
#include "store.h"

#include <stdatomic.h>

/* ---- limits ---- */

/** A value up to this length lies in its block; a longer one on the heap. */
#define STORE_INLINE_NBYTES_MAX 512u

/** Segments that a leaf may have. */
#define STORE_LEAF_SEGMENTS_MAX 8u

/** The largest revision; the one above stands for "not yet". */
#define STORE_REVISION_MAX ((UINT64_C(1) << 48) - 2)
#define STORE_REVISION_NEVER ((UINT64_C(1) << 48) - 1)

/* ---- types ---- */

enum store_kind { STORE_LEAF, STORE_PASS, STORE_FORK, STORE_RECORD };

#define STORE_FLAG(n) (UINT32_C(4) << (n))

enum store_flag {
    /** Leaf, record: the inline value is a struct store_heap_value. */
    STORE_HEAP = STORE_FLAG(0),
    /** Leaf, record: behind the inline value, in its length, is the caller's mark. */
    STORE_MARKED = STORE_FLAG(6),
    /** Leaf, fork: read since the eviction's hand last passed. */
    STORE_REFERENCED = STORE_FLAG(1),
    /** Pass, fork: the child with the segment '/' has or had a value. */
    STORE_SLASH_ANSWERS = STORE_FLAG(2),
    /** Fork: the empty key's node; `parent` is the root that it replaced. */
    STORE_ROOT = STORE_FLAG(3),
    /** Fork: among its records is a begin or an end. */
    STORE_GATED = STORE_FLAG(4),
    /** Fork: waits in the queue of store_reclaim. */
    STORE_QUEUED = STORE_FLAG(5),
    /** Fork: out of tree and index; the block waits for the queue only. */
    STORE_REMOVED = STORE_FLAG(6),

    /** Fork: the text is the whole key, of which the label is the last segment. */
    STORE_WHOLE = STORE_FLAG(0),

    /* of records, besides STORE_HEAP */
    STORE_RECORD_GONE = STORE_FLAG(1),
    STORE_RECORD_END = STORE_FLAG(2),
    STORE_RECORD_BEGIN = STORE_FLAG(3),
    STORE_RECORD_EXPIRES = STORE_FLAG(4),
    /** … but it is in the timer wheel no more. */
    STORE_RECORD_UNTIMED = STORE_FLAG(5),
};

#define STORE_RECORD_KINDS ((uint32_t)STORE_RECORD_GONE | STORE_RECORD_END | STORE_RECORD_BEGIN)

/** Any block, as far as all have it in common; `link` is `parent` or `older`. */
struct store_node {
    _Atomic uint32_t head;
    _Atomic uint32_t link;
};

/** Its first fields are a record's. */
struct store_leaf {
    struct store_node node;
    _Atomic uint32_t revision_low;
    _Atomic uint16_t revision_high;
    uint8_t text[];
};

struct store_pass {
    struct store_node node;
    _Atomic uint32_t child;
    uint8_t text[];
};

struct store_fork {
    struct store_node node;
    _Atomic uint32_t children; /* a set, see store_set.h; 0: none */
    _Atomic uint32_t keys;     /* stored keys at and below, as of the last write */
    _Atomic uint32_t version;  /* newest record; 0: none */
    uint8_t text[];
};

struct store_record {
    struct store_node node;
    /* Atomic for the one record that changes: the `begin` of a stage. The value follows. */
    _Atomic uint32_t revision_low;
    _Atomic uint16_t revision_high;
};

/** A record with an expiry: also an entry of the timer wheel. */
struct store_expiring {
    struct store_record record;
    _Atomic uint32_t expires_low; /* milliseconds of the store's clock */
    _Atomic uint32_t expires_high;
    uint32_t prev; /* in its slot of the wheel; 0: the first */
    uint32_t next;
    uint32_t fork; /* whose record it is */
    uint8_t text[];
};

/** Where a long value is. */
struct store_heap_value {
    uint8_t *data;
    uint32_t nbytes;
};

#define STORE_LEAF_NBYTES 14u
#define STORE_PASS_NBYTES 12u
#define STORE_FORK_NBYTES 20u
#define STORE_RECORD_NBYTES 14u
#define STORE_EXPIRING_NBYTES 36u
#define STORE_HEAP_VALUE_NBYTES 12u
#define STORE_MARK_NBYTES 4u

/* ---- the head ---- */

#define STORE_TEXT_SHIFT 9u
#define STORE_VALUE_SHIFT 22u
#define STORE_TEXT_MASK ((1u << (STORE_VALUE_SHIFT - STORE_TEXT_SHIFT)) - 1)

static inline uint32_t store_head_of(enum store_kind kind, uint32_t flags, size_t text,
                                     size_t value)
{
    return (uint32_t)kind | flags | (uint32_t)text << STORE_TEXT_SHIFT |
           (uint32_t)value << STORE_VALUE_SHIFT;
}

static inline uint32_t store_head(const struct store_node *node)
{
    return atomic_load_explicit(&node->head, memory_order_relaxed);
}

static inline enum store_kind store_head_kind(uint32_t head)
{
    return (enum store_kind)(head & 3);
}

static inline size_t store_head_text(uint32_t head)
{
    return head >> STORE_TEXT_SHIFT & STORE_TEXT_MASK;
}

static inline size_t store_head_value(uint32_t head)
{
    return head >> STORE_VALUE_SHIFT;
}

static inline enum store_kind store_node_kind(const struct store_node *node)
{
    return store_head_kind(store_head(node));
}

static inline bool store_node_is(const struct store_node *node, uint32_t flags)
{
    return (store_head(node) & flags) != 0;
}

/** Only the writer. */
static inline void store_node_mark(struct store_node *node, uint32_t flags)
{
    atomic_store_explicit(&node->head, store_head(node) | flags, memory_order_relaxed);
}

/** Only the writer. */
static inline void store_node_unmark(struct store_node *node, uint32_t flags)
{
    atomic_store_explicit(&node->head, store_head(node) & ~flags, memory_order_relaxed);
}

/* ---- parts ---- */

static inline struct store_node *store_node_at(const struct store_arena *arena, store_ref ref)
{
    return store_arena_at(arena, ref);
}

static inline store_ref store_node_link(const struct store_node *node)
{
    return atomic_load_explicit(&node->link, memory_order_acquire);
}

/** A reference that readers follow: what it refers to is complete. */
static inline store_ref store_load_ref(const _Atomic uint32_t *from)
{
    return atomic_load_explicit(from, memory_order_acquire);
}

static inline void store_set_ref(_Atomic uint32_t *to, store_ref ref)
{
    atomic_store_explicit(to, ref, memory_order_release);
}

static inline struct store_leaf *store_leaf_of(const struct store_node *node)
{
    return (struct store_leaf *)(uintptr_t)node;
}

static inline struct store_pass *store_pass_of(const struct store_node *node)
{
    return (struct store_pass *)(uintptr_t)node;
}

static inline struct store_fork *store_fork_of(const struct store_node *node)
{
    return (struct store_fork *)(uintptr_t)node;
}

static inline struct store_record *store_record_of(const struct store_node *node)
{
    return (struct store_record *)(uintptr_t)node;
}

static inline struct store_expiring *store_expiring_of(const struct store_node *node)
{
    return (struct store_expiring *)(uintptr_t)node;
}

/** Bytes before the text of a block with this head. */
static inline size_t store_head_text_at(uint32_t head)
{
    /* leaf, pass, fork: one load instead of branches that are hard to foresee */
    static const uint8_t at[4] = {STORE_LEAF_NBYTES, STORE_PASS_NBYTES, STORE_FORK_NBYTES,
                                  STORE_RECORD_NBYTES};
    return at[head & 3];
}

static inline const uint8_t *store_node_text(const struct store_node *node, uint32_t head)
{
    return (const uint8_t *)node + store_head_text_at(head);
}

/** Whether it is a fork whose text is the whole key. */
static inline bool store_head_is_whole(uint32_t head)
{
    return (head & (3u | STORE_WHOLE)) == ((uint32_t)STORE_FORK | STORE_WHOLE);
}

/** What a leaf, pass or fork adds to its parent's key: a segment, of a leaf one or more. */
static inline struct cdx_bytes store_node_label(const struct store_node *node)
{
    uint32_t head = store_head(node);
    struct cdx_bytes label = cdx_bytes_of(store_node_text(node, head), store_head_text(head));
    if (store_head_is_whole(head)) {
        size_t start = label.len - 1;
        while (start > 0 && label.data[start] != '/')
            start--;
        label = cdx_bytes_of(label.data + start, label.len - start);
    }
    return label;
}

/** The first segment of the label. */
static inline struct cdx_bytes store_node_segment(const struct store_node *node)
{
    struct cdx_bytes label = store_node_label(node);
    if (label.len > 1 && store_node_kind(node) == STORE_LEAF) {
        const uint8_t *slash = memchr(label.data + 1, '/', label.len - 1);
        if (slash != NULL)
            label.len = (size_t)(slash - label.data);
    }
    return label;
}

/** Whether the first segment is '/' alone. */
static inline bool store_node_is_slash(const struct store_node *node)
{
    struct cdx_bytes segment = store_node_segment(node);
    return segment.len == 1 && segment.data[0] == '/';
}

/** The size of a block with this head. */
static inline uint32_t store_head_units(uint32_t head)
{
    size_t nbytes = store_head_text_at(head) + store_head_text(head);
    if (store_head_kind(head) == STORE_LEAF)
        nbytes += store_head_value(head);
    if (store_head_kind(head) == STORE_RECORD)
        nbytes =
            ((head & STORE_RECORD_EXPIRES) != 0 ? STORE_EXPIRING_NBYTES : STORE_RECORD_NBYTES) +
            store_head_value(head);
    return (uint32_t)((nbytes + STORE_UNIT_NBYTES - 1) / STORE_UNIT_NBYTES);
}

/** Where the inline value of a leaf or record is. */
static inline uint8_t *store_node_inline(const struct store_node *node)
{
    uint32_t head = store_head(node);
    size_t at = STORE_RECORD_NBYTES;
    if (store_head_kind(head) == STORE_LEAF)
        at = STORE_LEAF_NBYTES + store_head_text(head);
    else if ((head & STORE_RECORD_EXPIRES) != 0)
        at = STORE_EXPIRING_NBYTES;
    return (uint8_t *)(uintptr_t)node + at;
}

static inline struct store_heap_value store_node_heap(const struct store_node *node)
{
    struct store_heap_value heap;
    const uint8_t *from = store_node_inline(node);
    memcpy(&heap.data, from, sizeof heap.data);
    memcpy(&heap.nbytes, from + sizeof heap.data, sizeof heap.nbytes);
    return heap;
}

/** The value of a leaf or of a record that has one. */
static inline struct cdx_bytes store_node_value(const struct store_node *node)
{
    uint32_t head = store_head(node);
    if ((head & STORE_HEAP) != 0) {
        struct store_heap_value heap = store_node_heap(node);
        return cdx_bytes_of(heap.data, heap.nbytes);
    }
    size_t mark = (head & STORE_MARKED) != 0 ? STORE_MARK_NBYTES : 0;
    return cdx_bytes_of(store_node_inline(node), store_head_value(head) - mark);
}

/** The mark of a leaf or of a record that has a value; 0: none. */
static inline uint32_t store_node_value_mark(const struct store_node *node)
{
    uint32_t head = store_head(node);
    uint32_t mark = 0;
    if ((head & STORE_MARKED) != 0)
        memcpy(&mark, store_node_inline(node) + store_head_value(head) - sizeof mark, sizeof mark);
    return mark;
}

/** Of a record or a leaf. */
static inline uint64_t store_record_revision(const struct store_record *record)
{
    uint64_t high = atomic_load_explicit(&record->revision_high, memory_order_acquire);
    return atomic_load_explicit(&record->revision_low, memory_order_relaxed) | high << 32;
}

/** The low half first: until the high half follows, "never" stays far in the future. */
static inline void store_record_set_revision(struct store_record *record, uint64_t revision)
{
    atomic_store_explicit(&record->revision_low, (uint32_t)revision, memory_order_relaxed);
    atomic_store_explicit(&record->revision_high, (uint16_t)(revision >> 32), memory_order_release);
}

/** When a record's value ends; 0: never. */
static inline uint64_t store_record_expires(const struct store_node *node)
{
    if (!store_node_is(node, STORE_RECORD_EXPIRES))
        return 0;
    const struct store_expiring *e = store_expiring_of(node);
    uint64_t high = atomic_load_explicit(&e->expires_high, memory_order_relaxed);
    return atomic_load_explicit(&e->expires_low, memory_order_relaxed) | high << 32;
}

/** Whether a record is in the timer wheel, being the newest of its fork. */
static inline bool store_record_is_timed(const struct store_node *node)
{
    return store_record_expires(node) != 0 && !store_node_is(node, STORE_RECORD_UNTIMED);
}

#endif
