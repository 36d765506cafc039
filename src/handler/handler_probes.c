/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups in groups. */
#include "handler_probes.h"

#include <string.h>

static void start(struct handler_probes *probes, uint32_t index)
{
    struct handler_lookup lookup;
    uint32_t slot = index % HANDLER_PROBES_MAX;
    probes->held[slot] = probes->ask(probes->arg, index, &lookup);
    if (probes->held[slot])
        store_probe_start(probes->section->store, lookup.kind, lookup.key, &probes->probes[slot]);
}

static void step_one(struct handler_probes *probes, enum handler_probes_step step, uint32_t index)
{
    struct handler_section *section = probes->section;
    uint32_t slot = index % HANDLER_PROBES_MAX;
    if (step == HANDLER_PROBES_START) {
        start(probes, index);
        return;
    }
    if (!probes->held[slot])
        return;
    if (!section->writing || section->writes >= HANDLER_SECTION_WRITES_MAX)
        handler_section_read(section);
    /* What was found before a write may be gone; what is found now is near. */
    if (step == HANDLER_PROBES_TOUCH || section->writing ||
        probes->touched[slot] != section->reads) {
        store_probe_touch(section->reader, &probes->probes[slot]);
        probes->touched[slot] = section->reads;
    }
    if (step != HANDLER_PROBES_TOUCH)
        store_probe_reach(section->reader, &probes->probes[slot]);
}

/* Takes the probes of the requests before `end` through a step, as far as the step before went. */
static void step_until(struct handler_probes *probes, enum handler_probes_step step, uint32_t end)
{
    uint32_t last = step == HANDLER_PROBES_START ? probes->count : probes->stepped[step - 1];
    if (last > end)
        last = end;
    for (; probes->stepped[step] < last; probes->stepped[step]++)
        step_one(probes, step, probes->stepped[step]);
}

/*
 * Brings the probes to where they are to be while the group at `group` is looked up:
 * the next one through all steps, and each behind it through a step less.
 */
static void advance(struct handler_probes *probes, uint32_t group)
{
    /* Nothing but the last round is new, unless requests were left out. */
    for (uint32_t round = 0; round <= HANDLER_PROBES_STEPS; round++) {
        for (uint32_t step = HANDLER_PROBES_STEPS; step-- > 0;) {
            if (step <= round)
                step_until(probes, (enum handler_probes_step)step,
                           group + (round - step + 1) * HANDLER_PROBES_GROUP);
        }
    }
    probes->probed = group + HANDLER_PROBES_GROUP;
}

void handler_probes_begin(struct handler_probes *probes, uint32_t count)
{
    probes->count = count;
    memset(probes->stepped, 0, sizeof probes->stepped);
    advance(probes, 0);
}

/* Goes on with the group of the request at `index`, which may be any later one than the last. */
static void go_on(struct handler_probes *probes, uint32_t index)
{
    uint32_t group = index / HANDLER_PROBES_GROUP * HANDLER_PROBES_GROUP;
    for (uint32_t step = 0; step < HANDLER_PROBES_STEPS; step++) {
        if (probes->stepped[step] < group)
            probes->stepped[step] = group;
    }
    advance(probes, group);
}

const struct store_probe *handler_probes_at(struct handler_probes *probes, uint32_t index)
{
    uint32_t slot = index % HANDLER_PROBES_MAX;
    if (index >= probes->probed)
        go_on(probes, index);
    return probes->held[slot] ? &probes->probes[slot] : NULL;
}
