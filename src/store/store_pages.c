/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of pages. Taking and giving back scan bitmaps of a kilobyte per extent:
 * microseconds, a few times per doubling of the index.
 */
#include "store_pages.h"
#include "store_memory.h"

#include <caudex/heap.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void store_pages_init(struct store_pages *pages)
{
    memset(pages, 0, sizeof *pages);
}

void store_pages_clear(struct store_pages *pages)
{
    for (uint32_t i = 0; i < pages->count; i++) {
        store_memory_free(pages->extent[i]->memory);
        cdx_free(pages->extent[i]);
    }
    cdx_free(pages->extent);
    store_pages_init(pages);
}

#ifndef NDEBUG
static bool taken(const struct store_extent *extent, uint32_t page)
{
    return (extent->taken[page / 64] >> page % 64 & 1) != 0;
}
#endif

/* The first page from `page` on that is taken, or is not; `pages` when there is none. */
static uint32_t next_page(const struct store_extent *extent, uint32_t page, bool wanted)
{
    while (page < extent->pages) {
        uint64_t word = extent->taken[page / 64];
        word = (wanted ? word : ~word) >> page % 64;
        if (word != 0) {
            page += (uint32_t)__builtin_ctzll(word);
            return page < extent->pages ? page : extent->pages;
        }
        page = (page / 64 + 1) * 64;
    }
    return extent->pages;
}

static void mark(struct store_extent *extent, uint32_t page, uint32_t count, bool as_taken)
{
    for (uint32_t i = page; i < page + count; i++) {
        assert(taken(extent, i) != as_taken);
        extent->taken[i / 64] ^= UINT64_C(1) << i % 64;
    }
    extent->free_pages = as_taken ? extent->free_pages - count : extent->free_pages + count;
}

/* A run in one extent; NULL: none is long enough. */
static uint8_t *run_take(struct store_extent *extent, uint32_t count)
{
    if (extent->free_pages < count)
        return NULL;
    uint32_t page = 0;
    while ((page = next_page(extent, page, false)) < extent->pages) {
        uint32_t end = next_page(extent, page, true);
        if (end - page >= count) {
            mark(extent, page, count, true);
            return extent->memory + (size_t)page * STORE_PAGE_NBYTES;
        }
        page = end;
    }
    return NULL;
}

static struct store_extent *extent_new(uint32_t pages)
{
    struct store_extent *extent = cdx_calloc(1, sizeof *extent);
    if (extent == NULL)
        return NULL;
    extent->memory = store_memory_get((size_t)pages * STORE_PAGE_NBYTES);
    if (extent->memory == NULL) {
        cdx_free(extent);
        return NULL;
    }
    extent->pages = pages;
    extent->free_pages = pages;
    return extent;
}

static struct store_extent *extent_add(struct store_pages *pages, uint32_t count)
{
    if (pages->count == pages->cap) {
        uint32_t cap = pages->cap != 0 ? pages->cap * 2 : 4;
        struct store_extent **grown = cdx_realloc(pages->extent, cap * sizeof(void *));
        if (grown == NULL)
            return NULL;
        pages->extent = grown;
        pages->cap = cap;
    }
    bool small = pages->count == 0 && count <= STORE_EXTENT_PAGES_MIN;
    struct store_extent *extent =
        extent_new(small ? STORE_EXTENT_PAGES_MIN : STORE_EXTENT_PAGES_MAX);
    if (extent == NULL)
        return NULL;
    pages->extent[pages->count++] = extent;
    pages->nbytes += (size_t)extent->pages * STORE_PAGE_NBYTES;
    return extent;
}

void *store_pages_get(struct store_pages *pages, uint32_t count)
{
    assert(count > 0 && count <= STORE_EXTENT_PAGES_MAX);
    uint8_t *run = NULL;
    for (uint32_t i = 0; i < pages->count && run == NULL; i++) {
        uint32_t at = (pages->last + i) % pages->count;
        run = run_take(pages->extent[at], count);
        if (run != NULL)
            pages->last = at;
    }
    if (run == NULL) {
        struct store_extent *extent = extent_add(pages, count);
        if (extent == NULL)
            return NULL;
        run = run_take(extent, count);
    }
    size_t nbytes = (size_t)count * STORE_PAGE_NBYTES;
    pages->used_nbytes += nbytes;
    return memset(run, 0, nbytes);
}

static void extent_remove(struct store_pages *pages, uint32_t i)
{
    struct store_extent *extent = pages->extent[i];
    pages->nbytes -= (size_t)extent->pages * STORE_PAGE_NBYTES;
    store_memory_free(extent->memory);
    cdx_free(extent);
    pages->extent[i] = pages->extent[--pages->count];
}

void store_pages_free(struct store_pages *pages, void *run, uint32_t count)
{
    pages->used_nbytes -= (size_t)count * STORE_PAGE_NBYTES;
    for (uint32_t i = 0; i < pages->count; i++) {
        struct store_extent *extent = pages->extent[i];
        uintptr_t at = (uintptr_t)run - (uintptr_t)extent->memory;
        if (at >= (size_t)extent->pages * STORE_PAGE_NBYTES)
            continue;
        mark(extent, (uint32_t)(at / STORE_PAGE_NBYTES), count, false);
        if (extent->free_pages == extent->pages)
            extent_remove(pages, i);
        return;
    }
    abort(); /* not a run of ours: a bug */
}
