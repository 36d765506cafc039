/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Memory for the index: zeroed runs of 256-byte pages inside extents that huge
 * pages can back. Runs of any length are taken and given back as the parts of
 * the index grow, so free space is a bitmap: neighbours join by themselves.
 *
 *     extent   │ run │ run of another part │ free │ run │ free …     2 MiB, the first one less
 *     bitmap     1 1   1 1 1 1 1 1 1 1 1 1   0 0 0  1 1   0 0        one bit per page
 *
 * A run is the first that fits, from the extent on where the last one was taken.
 */
#ifndef STORE_STORE_PAGES_H
#define STORE_STORE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

#define STORE_PAGE_NBYTES 256u
#define STORE_EXTENT_PAGES_MAX 8192u
#define STORE_EXTENT_PAGES_MIN 1024u

/* ---- types ---- */

struct store_extent {
    uint8_t *memory;
    uint32_t pages;
    uint32_t free_pages;
    uint64_t taken[STORE_EXTENT_PAGES_MAX / 64];
};

struct store_pages {
    struct store_extent **extent;
    uint32_t count;
    uint32_t cap;
    uint32_t last;      /* where the last run was taken: the search goes on there */
    size_t nbytes;      /* held from the heap for extents */
    size_t used_nbytes; /* in runs */
};

/* ---- operations ---- */

/** Holds no memory yet. */
void store_pages_init(struct store_pages *pages);

/** Gives everything back. */
void store_pages_clear(struct store_pages *pages);

/** `count` zeroed pages in a row (1 to STORE_EXTENT_PAGES_MAX), aligned to a cache line; NULL: no
 * memory. */
void *store_pages_get(struct store_pages *pages, uint32_t count);

/** Takes back a run that store_pages_get() gave for as many; an extent left empty is freed. */
void store_pages_free(struct store_pages *pages, void *run, uint32_t count);

#endif
