/* SPDX-License-Identifier: Apache-2.0 */
/* The failing, counting allocator of the tests. */
#include "heap_fail.h"

#include <caudex/heap.h>

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* Servers under test allocate on threads of their own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t countdown;
static int stay_failed;
static int happened;
static size_t blocks;
static size_t held_nbytes;
static size_t largest;

static int must_fail(size_t nbytes)
{
    int fail = 0;
    pthread_mutex_lock(&lock);
    if (largest != 0 && nbytes > largest) {
        fail = 1;
        happened = 1;
    } else if (countdown != 0 && --countdown == 0) {
        fail = 1;
        happened = 1;
        countdown = stay_failed ? 1 : 0;
    }
    pthread_mutex_unlock(&lock);
    return fail;
}

static void count(size_t blocks_change, size_t nbytes_change)
{
    pthread_mutex_lock(&lock);
    blocks += blocks_change;
    held_nbytes += nbytes_change;
    pthread_mutex_unlock(&lock);
}

static void *fail_realloc(void *arg, void *old, size_t nbytes)
{
    (void)arg;
    if (must_fail(nbytes))
        return NULL;
    size_t before = malloc_usable_size(old);
    void *p = realloc(old, nbytes);
    if (p != NULL)
        count(old == NULL, malloc_usable_size(p) - before);
    return p;
}

static void fail_free(void *arg, void *ptr)
{
    (void)arg;
    if (ptr != NULL)
        count((size_t)-1, (size_t)0 - malloc_usable_size(ptr));
    free(ptr);
}

void heap_fail_install(void)
{
    const struct cdx_heap heap = {.realloc = fail_realloc, .free = fail_free};
    countdown = 0;
    happened = 0;
    blocks = 0;
    held_nbytes = 0;
    largest = 0;
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

void heap_fail_above(size_t nbytes)
{
    largest = nbytes;
}

int heap_fail_happened(void)
{
    return happened;
}

size_t heap_fail_blocks(void)
{
    return blocks;
}

size_t heap_fail_nbytes(void)
{
    return held_nbytes;
}
