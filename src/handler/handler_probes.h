/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Lookups of a turn's queue that run in groups, one group ahead of the other, so that
 * their cache misses overlap:
 *
 *     queue   | answered … | group g   | g+1         | g+2    | g+3   | g+4   | …
 *                            looked up   grandparent   parent   touch   start
 */
#ifndef HANDLER_HANDLER_PROBES_H
#define HANDLER_HANDLER_PROBES_H

#include "handler_section.h"

#include <assert.h>

/** Requests whose memory accesses overlap; more gain nothing. */
#define HANDLER_PROBES_GROUP 8u

/** What is done for a lookup ahead of it. */
enum handler_probes_step {
    HANDLER_PROBES_START,       /* its index lines are on the way */
    HANDLER_PROBES_TOUCH,       /* … its node */
    HANDLER_PROBES_PARENT,      /* … that one's parent */
    HANDLER_PROBES_GRANDPARENT, /* … and its parent: few lookups compare more */
    HANDLER_PROBES_STEPS,
};

/**
 * Probes that are held: those of the group that is looked up, and of all behind it. A multiple of
 * the group, so that one's probes lie next to each other, and a power of two.
 */
#define HANDLER_PROBES_MAX 64u
static_assert(HANDLER_PROBES_MAX >= (HANDLER_PROBES_STEPS + 1) * HANDLER_PROBES_GROUP &&
                  HANDLER_PROBES_MAX % HANDLER_PROBES_GROUP == 0,
              "every step's group has its probes");

/** The lookup of one request. */
struct handler_lookup {
    enum store_probe_kind kind;
    struct cdx_bytes key; /* readable until the request was carried out */
};

/** What the request at `index` of the queue looks up; false: nothing to fetch ahead. */
typedef bool handler_probes_ask(const void *arg, uint32_t index, struct handler_lookup *lookup);

struct handler_probes {
    struct handler_section *section; /* borrowed, as `arg` */
    handler_probes_ask *ask;
    const void *arg;
    uint32_t count;  /* requests in the queue */
    uint32_t probed; /* end of the group that is looked up: all before it are ready */
    struct store_probe probes[HANDLER_PROBES_MAX]; /* a ring */
};

/** Begins a turn whose queue has `count` requests, and the accesses of its first groups. */
void handler_probes_begin(struct handler_probes *probes, uint32_t count);

/** Where the probe of the request at `index` is. */
static inline struct store_probe *handler_probes_slot(struct handler_probes *probes, uint32_t index)
{
    return &probes->probes[index % HANDLER_PROBES_MAX];
}

/** Goes on with the group of the request at `index`, any behind those that are looked up. */
void handler_probes_go_on(struct handler_probes *probes, uint32_t index);

/**
 * The probe of the request at `index`, of no lookup where none was asked for, with those behind it
 * on their way. Requests may be left out, but not gone back to. May begin a read section.
 */
static inline const struct store_probe *handler_probes_at(struct handler_probes *probes,
                                                          uint32_t index)
{
    if (index >= probes->probed)
        handler_probes_go_on(probes, index);
    return handler_probes_slot(probes, index);
}

#endif
