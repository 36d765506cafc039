/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the answers that wait for their next turn. */
#include "handler_parked.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler_parked *list;
/* None is due before; read without the lock, to find out that there is nothing to do. */
static _Atomic uint64_t list_due_ms = UINT64_MAX;

static void unlink_locked(struct handler_parked *parked)
{
    *parked->link = parked->next;
    if (parked->next != NULL)
        parked->next->link = parked->link;
    parked->link = NULL;
}

static void unlink_one(struct handler_parked *parked)
{
    pthread_mutex_lock(&lock);
    if (parked->link != NULL)
        unlink_locked(parked);
    pthread_mutex_unlock(&lock);
}

void handler_parked_put(struct handler_parked *parked)
{
    pthread_mutex_lock(&lock);
    parked->next = list;
    parked->link = &list;
    if (list != NULL)
        list->link = &parked->next;
    list = parked;
    if (parked->due_ms < atomic_load_explicit(&list_due_ms, memory_order_relaxed))
        atomic_store_explicit(&list_due_ms, parked->due_ms, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}

bool handler_parked_begin(struct handler_parked *parked, struct store *store,
                          struct store_reader *reader)
{
    *parked = (struct handler_parked){
        .store = store,
        .due_ms = store_now(store) + HANDLER_PARKED_MS_MAX,
    };
    if (store_snapshot_open(reader, &parked->snapshot) != STORE_OK)
        return false;
    handler_parked_put(parked);
    return true;
}

bool handler_parked_take(struct handler_parked *parked)
{
    unlink_one(parked);
    return parked->snapshot != NULL && store_now(parked->store) < parked->due_ms;
}

void handler_parked_end(struct handler_parked *parked)
{
    unlink_one(parked);
    store_snapshot_close(parked->store, parked->snapshot);
    parked->snapshot = NULL;
}

void handler_parked_expire(const struct store *store)
{
    uint64_t now = store_now(store);
    if (now < atomic_load_explicit(&list_due_ms, memory_order_relaxed))
        return;
    pthread_mutex_lock(&lock);
    uint64_t due = UINT64_MAX;
    struct handler_parked *next;
    for (struct handler_parked *parked = list; parked != NULL; parked = next) {
        next = parked->next;
        if (parked->store == store && parked->due_ms <= now) {
            unlink_locked(parked);
            store_snapshot_close(parked->store, parked->snapshot);
            parked->snapshot = NULL;
        } else if (parked->due_ms < due) {
            due = parked->due_ms;
        }
    }
    atomic_store_explicit(&list_due_ms, due, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}
