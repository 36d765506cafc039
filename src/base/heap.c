/* SPDX-License-Identifier: Apache-2.0 */
/* The allocation seam. */
#include <caudex/heap.h>

#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *arg, void *old, size_t nbytes)
{
    (void)arg;
    return realloc(old, nbytes);
}

static void libc_free(void *arg, void *ptr)
{
    (void)arg;
    free(ptr);
}

static const struct cdx_heap libc_heap = {.realloc = libc_realloc, .free = libc_free};
static struct cdx_heap heap = {.realloc = libc_realloc, .free = libc_free};

void *cdx_malloc(size_t nbytes)
{
    return heap.realloc(heap.arg, NULL, nbytes != 0 ? nbytes : 1);
}

void *cdx_calloc(size_t count, size_t nbytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, nbytes, &total))
        return NULL;
    void *p = cdx_malloc(total);
    if (p != NULL)
        memset(p, 0, total);
    return p;
}

void *cdx_realloc(void *old, size_t nbytes)
{
    return heap.realloc(heap.arg, old, nbytes);
}

void cdx_free(void *ptr)
{
    heap.free(heap.arg, ptr);
}

void cdx_heap_set(const struct cdx_heap *replacement)
{
    heap = replacement != NULL ? *replacement : libc_heap;
}
