/* SPDX-License-Identifier: Apache-2.0 */
/** The one seam through which Caudex allocates, so that tests can fail the n-th call. */
#ifndef CAUDEX_HEAP_H
#define CAUDEX_HEAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The functions behind the seam. `realloc` is called with NULL to allocate and
 * with a pointer to resize; `free` may be called with NULL. Both take `arg`.
 */
struct cdx_heap {
    void *(*realloc)(void *arg, void *old, size_t nbytes);
    void (*free)(void *arg, void *ptr);
    void *arg;
};

/** `nbytes` uninitialised bytes, or NULL when there is no memory. */
void *cdx_malloc(size_t nbytes);

/** `count` zeroed elements of `nbytes` each, or NULL (also when the product overflows). */
void *cdx_calloc(size_t count, size_t nbytes);

/** Like realloc(3); on failure NULL, and `old` stays valid. `nbytes` must not be 0. */
void *cdx_realloc(void *old, size_t nbytes);

/** Gives back what the functions above returned; NULL is ignored. */
void cdx_free(void *ptr);

/**
 * Puts `heap` (copied) behind the seam, or the C library's again when it is
 * NULL. Not thread-safe: call it before the first allocation, or, in a test,
 * while no other thread allocates.
 */
void cdx_heap_set(const struct cdx_heap *heap);

#ifdef __cplusplus
}
#endif

#endif
