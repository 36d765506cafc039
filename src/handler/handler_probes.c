/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups in groups. */
#include "handler_probes.h"

/* Takes the probes of the requests from `index` to `end`, of one group, through the first step. */
static void start(struct handler_probes *probes, uint32_t index, uint32_t end)
{
    const struct store *store = probes->section->store;
    struct handler_lookup lookup;
    for (; index < end; index++) {
        struct store_probe *probe = handler_probes_slot(probes, index);
        if (probes->ask(probes->arg, index, &lookup))
            store_probe_start(store, lookup.kind, lookup.key, probe);
        else
            store_probe_none(probe);
    }
}

/* Whether one of so many probes is of a lookup. */
static bool any_held(const struct store_probe *probes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (probes[i].boundaries != 0)
            return true;
    }
    return false;
}

/* … and through a later one. */
static void step(struct handler_probes *probes, enum handler_probes_step which, uint32_t index,
                 uint32_t end)
{
    struct handler_section *section = probes->section;
    struct store_probe *first = handler_probes_slot(probes, index);
    uint32_t count = end - index;
    if (!any_held(first, count))
        return; /* other writes need no read section */
    if (!section->writing || section->writes >= HANDLER_SECTION_WRITES_MAX)
        handler_section_read(section);
    /* What was found before a write may be gone; what is found now is near. */
    if (which == HANDLER_PROBES_TOUCH || section->writing)
        store_probes_touch(section->reader, first, count);
    if (which != HANDLER_PROBES_TOUCH)
        store_probes_reach(section->reader, first, count);
}

/* Takes one group more through each step: the first behind `group` that is not through `round` ago.
 */
static void advance_round(struct handler_probes *probes, uint32_t group, uint32_t round)
{
    for (uint32_t which = HANDLER_PROBES_STEPS; which-- > 0;) {
        if (which > round)
            continue;
        uint32_t index = group + (round - which) * HANDLER_PROBES_GROUP;
        uint32_t left = index < probes->count ? probes->count - index : 0;
        uint32_t end = index + (left < HANDLER_PROBES_GROUP ? left : HANDLER_PROBES_GROUP);
        if (index == end)
            continue;
        if (which == HANDLER_PROBES_START)
            start(probes, index, end);
        else
            step(probes, (enum handler_probes_step)which, index, end);
    }
}

/*
 * Brings the probes to where they are to be while the group at `group` is looked up:
 * the next one through all steps, and each behind it through a step less.
 */
static void advance(struct handler_probes *probes, uint32_t group)
{
    /* Behind the group before, nothing but the last round is new. */
    uint32_t round = group != 0 && group == probes->probed ? HANDLER_PROBES_STEPS : 0;
    for (; round <= HANDLER_PROBES_STEPS; round++)
        advance_round(probes, group, round);
    probes->probed = group + HANDLER_PROBES_GROUP;
}

void handler_probes_begin(struct handler_probes *probes, uint32_t count)
{
    probes->count = count;
    advance(probes, 0);
}

void handler_probes_go_on(struct handler_probes *probes, uint32_t index)
{
    advance(probes, index / HANDLER_PROBES_GROUP * HANDLER_PROBES_GROUP);
}
