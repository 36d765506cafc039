/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The requests that wait for an answer: found by RID, ordered by deadline.
 *
 *     slots   | . | 17 | 18 | . | 4 | 21 | . | . |   a request stands at RID & mask;
 *               └──── power of two, at least twice   where an old one is stuck, the
 *                     as many as there are requests  RID is skipped: never two at one slot
 *
 *     first ─► 18 ─► 17 ─► 21 ◄─ last                by deadline, linked by RID: links
 *                                                    stay true when the table grows
 *
 * A silent request (timed out, cancelled) keeps its slot until its last frame
 * comes, so that the frame is recognised; it is on no list.
 */
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <caudex/client.h>

/* ---- limits ---- */

/** Slots of the first allocation: a blocking client needs no more. */
#define CDX__WINDOW_SLOTS_MIN 16u
/** As a deadline: none. */
#define CDX__DEADLINE_NEVER UINT64_MAX

/* ---- types ---- */

enum cdx__slot_state { CDX__SLOT_FREE, CDX__SLOT_OPEN, CDX__SLOT_SILENT };

struct cdx__slot {
    cdx_client_fn *fn;
    void *arg;
    uint64_t deadline_ms;
    uint32_t timeout_ms; /* from one frame to the next; when there is a deadline */
    uint32_t rid;
    uint32_t prev; /* RIDs of the neighbours on the list; 0: none */
    uint32_t next;
    uint16_t call;
    uint8_t state;
};

struct cdx__window {
    struct cdx__slot *slots; /* NULL until the first request */
    uint32_t slot_count;
    uint32_t limit; /* most requests */
    uint32_t open;
    uint32_t silent;
    uint32_t next_rid; /* the next to be tried: 1..rid_max */
    uint32_t rid_max;
    uint32_t first; /* RIDs of the list's ends; 0: empty */
    uint32_t last;
};

/* ---- lifecycle ---- */

/** An empty window; no memory is taken yet. */
void cdx__window_init(struct cdx__window *window, uint32_t limit, uint32_t first_rid,
                      uint32_t rid_max);
void cdx__window_free(struct cdx__window *window);

/* ---- operations ---- */

/** An RID that can be taken. CDX_OK, CDX_FULL, CDX_NO_MEMORY. */
CDX_MUST_CHECK enum cdx_status cdx__window_reserve(struct cdx__window *window, uint32_t *rid);

/** Makes the RID reserved last an open request. `slot->rid` is set here, `slot->state` too. */
void cdx__window_take(struct cdx__window *window, const struct cdx__slot *request);

/** The open or silent request with that RID, or NULL. */
static inline struct cdx__slot *cdx__window_find(const struct cdx__window *window, uint32_t rid)
{
    if (window->slots == NULL || rid == 0)
        return NULL;
    struct cdx__slot *slot = &window->slots[rid & (window->slot_count - 1)];
    return slot->rid == rid ? slot : NULL;
}

/** An open request with the earliest deadline, or NULL when none has a deadline. */
struct cdx__slot *cdx__window_first(const struct cdx__window *window);

/** A frame of an open request has come at `now_ms`: its deadline, if it has one, counts from there.
 */
void cdx__window_renew(struct cdx__window *window, struct cdx__slot *slot, uint64_t now_ms);

/** Nobody waits for this open request any more. */
void cdx__window_silence(struct cdx__window *window, struct cdx__slot *slot);

/** Forgets an open or silent request. */
void cdx__window_release(struct cdx__window *window, struct cdx__slot *slot);

/* ---- inspection ---- */

/** The invariant: NULL, or a static text that names what does not hold. */
const char *cdx__window_check(const struct cdx__window *window);

#endif
