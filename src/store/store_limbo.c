/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grace periods by liburcu's QSBR flavour.
 *
 * A thread is registered at its first read section and leaves when it ends.
 * Between sections it is offline, so a thread that sleeps in poll delays nobody.
 * The grace period is waited for by liburcu's own thread (call_rcu); what it
 * touches, struct store_grace, outlives the limbo if need be.
 *
 * liburcu orders reader and writer by means that a race detector does not see.
 * The counters below say the same in C11 atomics: each thread counts the sections it
 * has left, on a line of its own, and the writer reads all counters after a
 * grace period. The writer counts the waits it asks for, and liburcu's thread reads that
 * count before it touches a struct store_grace.
 */
#include "store_limbo.h"
#include "store_memory.h"

#include <caudex/heap.h>

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

/* ---- reader threads ---- */

struct reader_thread {
    alignas(STORE_LINE_NBYTES) atomic_uint_fast64_t left; /* sections */
    uint64_t depth;
    struct reader_thread *next;
    bool ended;
};

static _Thread_local struct reader_thread *self;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader_thread *threads;
static pthread_once_t threads_once = PTHREAD_ONCE_INIT;
static pthread_key_t threads_key;

static void thread_end(void *arg)
{
    struct reader_thread *thread = arg;
    urcu_qsbr_unregister_thread();
    pthread_mutex_lock(&threads_lock);
    thread->ended = true;
    pthread_mutex_unlock(&threads_lock);
    self = NULL;
}

static void threads_init(void)
{
    if (pthread_key_create(&threads_key, thread_end) != 0)
        abort();
}

/* A record of an ended thread, or a new one. The few that there are live as long as the process. */
static struct reader_thread *thread_record(void)
{
    pthread_mutex_lock(&threads_lock);
    struct reader_thread *thread = threads;
    while (thread != NULL && !thread->ended)
        thread = thread->next;
    if (thread == NULL) {
        /* Not by the seam: a section has no way to fail, and tests make the seam fail. */
        thread = aligned_alloc(STORE_LINE_NBYTES, sizeof *thread);
        if (thread == NULL)
            abort();
        memset(thread, 0, sizeof *thread);
        thread->next = threads;
        threads = thread;
    }
    thread->ended = false;
    pthread_mutex_unlock(&threads_lock);
    return thread;
}

static void thread_begin(void)
{
    (void)pthread_once(&threads_once, threads_init);
    self = thread_record();
    urcu_qsbr_register_thread();
    urcu_qsbr_thread_offline();
    if (pthread_setspecific(threads_key, self) != 0)
        abort();
}

void store_limbo_enter(void)
{
    if (self == NULL)
        thread_begin();
    if (self->depth++ == 0)
        urcu_qsbr_thread_online();
}

void store_limbo_leave(void)
{
    assert(self != NULL && self->depth != 0);
    if (--self->depth != 0)
        return;
    uint64_t left = atomic_load_explicit(&self->left, memory_order_relaxed);
    atomic_store_explicit(&self->left, left + 1, memory_order_release);
    urcu_qsbr_thread_offline();
}

/* Everything that sections did which have ended happened before this returns. */
static void threads_acquire(void)
{
    pthread_mutex_lock(&threads_lock);
    for (const struct reader_thread *t = threads; t != NULL; t = t->next)
        (void)atomic_load_explicit(&t->left, memory_order_acquire);
    pthread_mutex_unlock(&threads_lock);
}

/* ---- bags ---- */

#define BAG_ENTRIES 1020u

struct bag_entry {
    void *address; /* NULL: a block of the arena */
    uint32_t ref;
    uint32_t count; /* units or pages; 0: a heap block */
};

struct store_bag {
    struct store_bag *next;
    uint32_t count;
    struct bag_entry entry[BAG_ENTRIES];
};

struct store_grace {
    struct rcu_head head;
    atomic_bool over;
};

bool store_limbo_init(struct store_limbo *limbo, struct store_arena *arena,
                      struct store_pages *pages)
{
    memset(limbo, 0, sizeof *limbo);
    limbo->arena = arena;
    limbo->pages = pages;
    limbo->grace = cdx_calloc(1, sizeof *limbo->grace);
    if (limbo->grace == NULL)
        return false;
    limbo->spare = cdx_malloc(sizeof *limbo->spare);
    if (limbo->spare == NULL) {
        cdx_free(limbo->grace);
        return false;
    }
    limbo->bags_nbytes = sizeof *limbo->spare;
    return true;
}

static size_t entry_nbytes(const struct bag_entry *entry)
{
    if (entry->address == NULL)
        return (size_t)entry->count * STORE_UNIT_NBYTES;
    return entry->count != 0 ? (size_t)entry->count * STORE_PAGE_NBYTES
                             : malloc_usable_size(entry->address);
}

static void entry_give_back(struct store_limbo *limbo, const struct bag_entry *entry)
{
    limbo->count--;
    limbo->nbytes -= entry_nbytes(entry);
    if (entry->address == NULL)
        store_arena_free(limbo->arena, entry->ref, entry->count);
    else if (entry->count != 0)
        store_pages_free(limbo->pages, entry->address, entry->count);
    else
        store_limbo_heap_free(limbo, entry->address);
}

bool store_limbo_empty(struct store_limbo *limbo, unsigned steps)
{
    if (limbo->waiting)
        return false;
    while (limbo->closed != NULL) {
        struct store_bag *bag = limbo->closed;
        while (bag->count != 0) {
            if (steps-- == 0)
                return true;
            entry_give_back(limbo, &bag->entry[--bag->count]);
        }
        limbo->closed = bag->next;
        if (limbo->spare == NULL) {
            limbo->spare = bag;
            continue;
        }
        limbo->bags_nbytes -= sizeof *bag;
        cdx_free(bag);
    }
    limbo->rounds = limbo->started;
    return false;
}

static atomic_uint_fast64_t waits_asked_for; /* of all stores */

static void on_grace(struct rcu_head *head)
{
    struct store_grace *grace = caa_container_of(head, struct store_grace, head);
    (void)atomic_load_explicit(&waits_asked_for, memory_order_acquire);
    atomic_store_explicit(&grace->over, true, memory_order_release);
}

bool store_limbo_start(struct store_limbo *limbo)
{
    if (limbo->waiting || limbo->closed != NULL)
        return false;
    limbo->closed = limbo->open;
    limbo->open = NULL;
    limbo->waiting = true;
    limbo->started++;
    atomic_store_explicit(&limbo->grace->over, false, memory_order_relaxed);
    atomic_fetch_add_explicit(&waits_asked_for, 1, memory_order_release);
    urcu_qsbr_call_rcu(&limbo->grace->head, on_grace);
    return true;
}

bool store_limbo_poll(struct store_limbo *limbo)
{
    if (!limbo->waiting || !atomic_load_explicit(&limbo->grace->over, memory_order_acquire))
        return false;
    threads_acquire();
    limbo->waiting = false;
    return true;
}

uint64_t store_limbo_waiting_nbytes(const struct store_limbo *limbo)
{
    size_t spare_nbytes = limbo->spare != NULL ? sizeof *limbo->spare : 0;
    return limbo->nbytes + limbo->bags_nbytes - spare_nbytes;
}

void store_limbo_wait(struct store_limbo *limbo)
{
    const struct timespec pause = {.tv_nsec = 200000};
    while (limbo->waiting && !atomic_load_explicit(&limbo->grace->over, memory_order_acquire))
        (void)nanosleep(&pause, NULL);
}

void store_limbo_drain(struct store_limbo *limbo)
{
    do {
        store_limbo_wait(limbo);
        (void)store_limbo_poll(limbo);
        while (store_limbo_empty(limbo, UINT32_MAX))
            ;
    } while (limbo->open != NULL && store_limbo_start(limbo));
}

void store_limbo_free(struct store_limbo *limbo)
{
    store_limbo_drain(limbo);
    cdx_free(limbo->spare);
    cdx_free(limbo->grace);
}

/* ---- what goes in ---- */

static void put_in(struct store_limbo *limbo, struct bag_entry entry)
{
    limbo->count++;
    limbo->nbytes += entry_nbytes(&entry);
    struct store_bag *bag = limbo->open;
    if (bag == NULL || bag->count == BAG_ENTRIES) {
        bag = limbo->spare;
        limbo->spare = NULL;
        if (bag == NULL) {
            bag = cdx_malloc(sizeof *bag);
            if (bag == NULL) {
                urcu_qsbr_synchronize_rcu();
                threads_acquire();
                entry_give_back(limbo, &entry);
                return;
            }
            limbo->bags_nbytes += sizeof *bag;
        }
        bag->count = 0;
        bag->next = limbo->open;
        limbo->open = bag;
    }
    bag->entry[bag->count++] = entry;
}

void store_limbo_block(struct store_limbo *limbo, store_ref ref, uint32_t units)
{
    put_in(limbo, (struct bag_entry){.ref = ref, .count = units});
}

void store_limbo_run(struct store_limbo *limbo, void *run, uint32_t pages)
{
    put_in(limbo, (struct bag_entry){.address = run, .count = pages});
}

void store_limbo_heap(struct store_limbo *limbo, void *block)
{
    put_in(limbo, (struct bag_entry){.address = block});
}

/* ---- heap blocks ---- */

void *store_limbo_heap_get(struct store_limbo *limbo, size_t nbytes)
{
    void *block = cdx_malloc(nbytes);
    if (block != NULL)
        limbo->heap_nbytes += malloc_usable_size(block);
    return block;
}

void store_limbo_heap_free(struct store_limbo *limbo, void *block)
{
    limbo->heap_nbytes -= malloc_usable_size(block);
    cdx_free(block);
}
