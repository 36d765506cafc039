/* SPDX-License-Identifier: Apache-2.0 */
/* The table of requests that wait for an answer, and their list by deadline. */
#include "client_window.h"

#include <caudex/heap.h>

#include <assert.h>

static_assert(sizeof(struct cdx__slot) <= 48 || sizeof(void *) > 8, "the documented size");

void cdx__window_init(struct cdx__window *window, uint32_t limit, uint32_t first_rid,
                      uint32_t rid_max)
{
    *window = (struct cdx__window){.limit = limit, .next_rid = first_rid, .rid_max = rid_max};
}

void cdx__window_free(struct cdx__window *window)
{
    cdx_free(window->slots);
    window->slots = NULL;
}

static struct cdx__slot *slot_of(const struct cdx__window *window, uint32_t rid)
{
    return &window->slots[rid & (window->slot_count - 1)];
}

/* Two RIDs that differ in n low bits differ in n + 1, so every request keeps a slot of its own. */
static bool grow(struct cdx__window *window)
{
    struct cdx__window larger = *window;
    larger.slot_count = window->slots == NULL ? CDX__WINDOW_SLOTS_MIN : window->slot_count * 2;
    larger.slots = (struct cdx__slot *)cdx_calloc(larger.slot_count, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < window->slot_count; i++) {
        const struct cdx__slot *slot = &window->slots[i];
        if (slot->state != CDX__SLOT_FREE)
            *slot_of(&larger, slot->rid) = *slot;
    }
    cdx_free(window->slots);
    *window = larger;
    return true;
}

static uint32_t rid_after(const struct cdx__window *window, uint32_t rid)
{
    return rid >= window->rid_max ? 1 : rid + 1;
}

enum cdx_status cdx__window_reserve(struct cdx__window *window, uint32_t *rid)
{
    const uint32_t used = window->open + window->silent;
    if (used >= window->limit)
        return CDX_FULL;
    /* At most half full: each run of stuck requests that is skipped is paid for by as many RIDs
     * given out since it was skipped last. */
    if ((used + 1) * 2 > window->slot_count && !grow(window))
        return CDX_NO_MEMORY;
    while (slot_of(window, window->next_rid)->state != CDX__SLOT_FREE)
        window->next_rid = rid_after(window, window->next_rid);
    *rid = window->next_rid;
    return CDX_OK;
}

/* Behind the last one whose deadline is not later: with equal timeouts, the list's end. */
static void link_slot(struct cdx__window *window, struct cdx__slot *slot)
{
    uint32_t before = window->last;
    while (before != 0 && slot_of(window, before)->deadline_ms > slot->deadline_ms)
        before = slot_of(window, before)->prev;
    slot->prev = before;
    slot->next = before != 0 ? slot_of(window, before)->next : window->first;
    if (slot->prev != 0)
        slot_of(window, slot->prev)->next = slot->rid;
    else
        window->first = slot->rid;
    if (slot->next != 0)
        slot_of(window, slot->next)->prev = slot->rid;
    else
        window->last = slot->rid;
}

static void unlink_slot(struct cdx__window *window, struct cdx__slot *slot)
{
    if (slot->deadline_ms == CDX__DEADLINE_NEVER)
        return;
    if (slot->prev != 0)
        slot_of(window, slot->prev)->next = slot->next;
    else
        window->first = slot->next;
    if (slot->next != 0)
        slot_of(window, slot->next)->prev = slot->prev;
    else
        window->last = slot->prev;
}

void cdx__window_take(struct cdx__window *window, const struct cdx__slot *request)
{
    struct cdx__slot *slot = slot_of(window, window->next_rid);
    assert(slot->state == CDX__SLOT_FREE);
    *slot = *request;
    slot->rid = window->next_rid;
    slot->state = CDX__SLOT_OPEN;
    if (slot->deadline_ms != CDX__DEADLINE_NEVER)
        link_slot(window, slot);
    window->open++;
    window->next_rid = rid_after(window, window->next_rid);
}

struct cdx__slot *cdx__window_first(const struct cdx__window *window)
{
    return window->first != 0 ? slot_of(window, window->first) : NULL;
}

void cdx__window_renew(struct cdx__window *window, struct cdx__slot *slot, uint64_t now_ms)
{
    const uint64_t deadline_ms = now_ms + slot->timeout_ms;
    assert(slot->state == CDX__SLOT_OPEN);
    if (slot->deadline_ms == CDX__DEADLINE_NEVER || slot->deadline_ms == deadline_ms)
        return;
    unlink_slot(window, slot);
    slot->deadline_ms = deadline_ms;
    link_slot(window, slot);
}

void cdx__window_silence(struct cdx__window *window, struct cdx__slot *slot)
{
    assert(slot->state == CDX__SLOT_OPEN);
    unlink_slot(window, slot);
    slot->deadline_ms = CDX__DEADLINE_NEVER;
    slot->state = CDX__SLOT_SILENT;
    window->open--;
    window->silent++;
}

void cdx__window_release(struct cdx__window *window, struct cdx__slot *slot)
{
    assert(slot->state != CDX__SLOT_FREE);
    unlink_slot(window, slot);
    if (slot->state == CDX__SLOT_OPEN)
        window->open--;
    else
        window->silent--;
    *slot = (struct cdx__slot){0};
}

/* ---- the invariant ---- */

static const char *check_slots(const struct cdx__window *window, uint32_t *listed)
{
    uint32_t count[3] = {0};
    *listed = 0;
    for (uint32_t i = 0; i < window->slot_count; i++) {
        const struct cdx__slot *slot = &window->slots[i];
        if (slot->state > CDX__SLOT_SILENT)
            return "a slot has one of three states";
        count[slot->state]++;
        if (slot->state == CDX__SLOT_FREE) {
            if (slot->rid != 0)
                return "a free slot has no RID";
            continue;
        }
        if (slot->rid == 0 || slot->rid > window->rid_max || slot_of(window, slot->rid) != slot)
            return "a request stands at its RID's slot";
        if (slot->state == CDX__SLOT_SILENT && slot->deadline_ms != CDX__DEADLINE_NEVER)
            return "a silent request has no deadline";
        *listed += slot->deadline_ms != CDX__DEADLINE_NEVER;
    }
    if (count[CDX__SLOT_OPEN] != window->open || count[CDX__SLOT_SILENT] != window->silent)
        return "open and silent requests are counted";
    return NULL;
}

static const char *check_list(const struct cdx__window *window, uint32_t listed)
{
    uint32_t prev = 0;
    uint64_t deadline_ms = 0;
    for (uint32_t rid = window->first; rid != 0; listed--) {
        const struct cdx__slot *slot = cdx__window_find(window, rid);
        if (slot == NULL || slot->state != CDX__SLOT_OPEN || listed == 0)
            return "exactly the open requests with a deadline are on the list";
        if (slot->prev != prev)
            return "the list is linked in both directions";
        if (slot->deadline_ms < deadline_ms)
            return "the list is in order of the deadlines";
        deadline_ms = slot->deadline_ms;
        prev = rid;
        rid = slot->next;
    }
    if (listed != 0 || window->last != prev)
        return "the list holds every open request with a deadline";
    return NULL;
}

const char *cdx__window_check(const struct cdx__window *window)
{
    if ((window->slots == NULL) != (window->slot_count == 0) ||
        (window->slot_count & (window->slot_count - 1)) != 0)
        return "the slots are a power of two";
    if (window->open + window->silent > window->limit)
        return "the window is within its limit";
    if ((window->open + window->silent) * 2 > window->slot_count)
        return "at most half of the slots are taken";
    if (window->next_rid == 0 || window->next_rid > window->rid_max)
        return "the next RID is one that fits";
    uint32_t listed;
    const char *broken = check_slots(window, &listed);
    return broken != NULL ? broken : check_list(window, listed);
}
