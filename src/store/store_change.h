/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The changes that writes are made of, each complete or not made at all. They
 * keep tree, index, counts, wheel and sums in step; readers may look at any
 * moment. All are the writer's, with the view it works in (the store's or a stage's).
 */
#ifndef STORE_STORE_CHANGE_H
#define STORE_STORE_CHANGE_H

#include "store_private.h"

/* ---- limits ---- */

/** Bytes that a fork's having its whole key may cost for each of its children. */
#define STORE_WHOLE_NBYTES 20u
/** … which are told of the new block: no more than so many. */
#define STORE_WHOLE_CHILDREN_MAX STORE_ARRAY_MAX

/* ---- types ---- */

/** A key that is worked on: its path, and where its node is or would be. */
struct store_place {
    struct store_path path;
    struct store_view view;
    store_ref ref; /* the deepest node on the path */
    size_t end;    /* of its key; the key's own length: it is the key's node */
    bool inner;    /* … but that is among the segments of a leaf: it has no node of its own */
    struct store_stage *staged; /* whose subtree it is in; NULL: the store's */
};

/** What is stored at a key. */
struct store_content {
    struct cdx_bytes value; /* is copied */
    uint32_t mark;
    uint64_t expires_ms; /* 0: never */
};

/* ---- operations ---- */

/** Finds the place of a key within the length limit; `stage` may be NULL. */
void store_place_find(struct store *store, struct cdx_bytes key, struct store_stage *stage,
                      struct store_place *place);

/** The key's node; 0: there is none. */
static inline store_ref store_place_node(const struct store_place *place)
{
    return place->end == place->path.key.len && !place->inner ? place->ref : 0;
}

/** Stores a value at the revision; room in the queues was reserved. False: no memory. */
CDX_MUST_CHECK bool store_change_put(struct store *store, struct store_place *place,
                                     const struct store_content *content, uint64_t revision);

/** Takes the value of a node that is counted as stored away; room was reserved. False: no memory.
 */
CDX_MUST_CHECK bool store_change_remove(struct store *store, struct store_place *place,
                                        uint64_t revision);

/** Takes a stored value and all its versions away at once, from every reader's view. Cannot fail.
 */
void store_change_evict(struct store *store, struct store_place *place);

/** Undoes the last put or remove of a key: as it was before. */
void store_change_undo(struct store *store, struct store_place *place);

/** Gives the value of a stored node another expiry. False: no memory. */
CDX_MUST_CHECK bool store_change_expiry(struct store *store, struct store_place *place,
                                        uint64_t expires_ms);

/** Gives the place's boundary a node of its own, if it is among a leaf's segments. False: no
 * memory. */
CDX_MUST_CHECK bool store_change_expand(struct store *store, struct store_place *place);

/** Makes the node a fork, if it is none. 0: no memory. */
store_ref store_change_fork(struct store *store, store_ref ref);

/** Ends the subtree of a fork by the record `end`; its parents count less. Room was reserved. */
void store_change_end(struct store *store, store_ref fork, store_ref end, uint64_t revision);

/** A begin or end is about to be linked into a fork; one was taken out. */
void store_gates_add(struct store *store);
void store_gates_take(struct store *store);

/** Undoes store_change_end(). */
void store_change_unend(struct store *store, store_ref fork);

/**
 * Enters `leaf`, a node for the place's key that is complete and linked to
 * nothing, below the place's node (above which another may have the same key), with
 * the nodes between them. `answers`: a match may end at it. False: no memory.
 */
CDX_MUST_CHECK bool store_change_attach(struct store *store, struct store_place *place,
                                        store_ref leaf, bool answers);

/** Takes all that the index has of a node out of it. */
void store_change_unindex(struct store *store, store_ref ref);

/** Takes a node without children out of tree and index and gives its block to limbo. */
void store_change_detach(struct store *store, store_ref ref);

/** Removes nodes from `ref` up as far as they hold nothing and nothing is below them. */
void store_change_prune(struct store *store, store_ref ref);

/** Adds to the counts of the forks from `ref` up; a negative number modulo 2^32 takes. */
void store_change_count(struct store *store, store_ref ref, uint32_t keys);

/** The newest record of a fork that is neither begin nor end; 0: none. */
store_ref store_fork_newest(const struct store *store, const struct store_node *fork);

/** A fork lost its last record with a value: it answers nothing any more. */
void store_change_silence(struct store *store, store_ref fork);

/* ---- blocks, linked to nothing yet ---- */

/** A record without value; 0: no memory. */
store_ref store_record_new(struct store *store, uint32_t flags, uint64_t revision);

/** A record with a value; 0: no memory. */
store_ref store_record_of_content(struct store *store, const struct store_content *content,
                                  uint64_t revision);

/** A fork with neither children nor versions; 0: no memory. */
store_ref store_fork_new(struct store *store, struct cdx_bytes segment, uint32_t flags,
                         store_ref parent);

/** Gives back a block that no reader saw, with its heap value if it has one. */
void store_block_free(struct store *store, store_ref ref);

/** Gives a block to limbo, `with_heap` also its heap value if it has one. */
void store_block_retire(struct store *store, store_ref ref, bool with_heap);

/* ---- sums ---- */

/** Takes a stored key out of the sums. */
void store_sums_take(struct store *store, size_t key_nbytes, const struct store_node *value);

/** A node of that key's length got its first version, or lost its last. */
void store_lengths_add(struct store *store, size_t key_nbytes);
void store_lengths_take(struct store *store, size_t key_nbytes);

#endif
