/* SPDX-License-Identifier: Apache-2.0 */
/* The failing, counting allocator of the tests. */
#include "heap_fail.h"

#include <caudex/heap.h>

#include <stdlib.h>

static size_t countdown;
static int stay_failed;
static int happened;
static size_t blocks;

static int must_fail(void)
{
    if (countdown == 0)
        return 0;
    if (--countdown != 0)
        return 0;
    happened = 1;
    if (stay_failed)
        countdown = 1;
    return 1;
}

static void *fail_realloc(void *arg, void *old, size_t nbytes)
{
    (void)arg;
    if (must_fail())
        return NULL;
    void *p = realloc(old, nbytes);
    if (p != NULL && old == NULL)
        blocks++;
    return p;
}

static void fail_free(void *arg, void *ptr)
{
    (void)arg;
    if (ptr != NULL)
        blocks--;
    free(ptr);
}

void heap_fail_install(void)
{
    const struct cdx_heap heap = {.realloc = fail_realloc, .free = fail_free};
    countdown = 0;
    happened = 0;
    blocks = 0;
    cdx_heap_set(&heap);
}

void heap_fail_remove(void)
{
    cdx_heap_set(NULL);
}

void heap_fail_at(size_t n, int sticky)
{
    countdown = n;
    stay_failed = sticky;
    happened = 0;
}

int heap_fail_happened(void)
{
    return happened;
}

size_t heap_fail_blocks(void)
{
    return blocks;
}
