/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned memory over the allocation seam, which knows no alignment:
 *
 *     raw │ slack │ raw's address │ block, aligned │
 */
#include "store_memory.h"

#include <caudex/heap.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>

/* Advice only: without huge pages everything works, at twice the TLB misses. */
static void advise_huge(void *block, size_t nbytes)
{
    (void)madvise(block, nbytes & ~(STORE_HUGE_NBYTES - 1), MADV_HUGEPAGE);
}
#else
static void advise_huge(void *block, size_t nbytes)
{
    (void)block;
    (void)nbytes;
}
#endif

void *store_memory_get(size_t nbytes)
{
    bool huge = nbytes >= STORE_HUGE_NBYTES;
    size_t align = huge ? STORE_HUGE_NBYTES : STORE_LINE_NBYTES;
    size_t slack = align - 1 + sizeof(void *);
    if (nbytes > SIZE_MAX - slack)
        return NULL;
    uint8_t *raw = cdx_malloc(nbytes + slack);
    if (raw == NULL)
        return NULL;
    uint8_t *block = raw + slack;
    block -= (uintptr_t)block & (align - 1);
    memcpy(block - sizeof raw, &raw, sizeof raw);
    if (huge)
        advise_huge(block, nbytes);
    return block;
}

void store_memory_free(void *block)
{
    if (block == NULL)
        return;
    void *raw;
    memcpy(&raw, (uint8_t *)block - sizeof raw, sizeof raw);
    cdx_free(raw);
}
