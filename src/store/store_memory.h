/* SPDX-License-Identifier: Apache-2.0 */
/** Aligned memory from the allocation seam, in huge pages where they pay. */
#ifndef STORE_STORE_MEMORY_H
#define STORE_STORE_MEMORY_H

#include <stddef.h>

/* ---- limits ---- */

/** Bytes of a cache line: what is shared between threads or prefetched is aligned to it. */
#define STORE_LINE_NBYTES 64u

/** Bytes of a huge page; blocks of at least this size are aligned to it. */
#define STORE_HUGE_NBYTES ((size_t)2 << 20)

/* ---- operations ---- */

/** `nbytes` uninitialised bytes that begin a cache line (a huge page when large), or NULL. */
void *store_memory_get(size_t nbytes);

/** Gives back what store_memory_get() returned; NULL is ignored. */
void store_memory_free(void *block);

/**
 * Asks for the cache line at `address`, which need not be valid. The empty
 * instruction keeps GCC from taking a function that only prefetches for one
 * without effects, and dropping its calls.
 */
static inline void store_prefetch(const void *address)
{
    __builtin_prefetch(address);
    __asm__ volatile("" : : "r"(address));
}

#endif
