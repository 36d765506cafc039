/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life cycle, read and write sections, counters.
 *
 * Readers and the writer exclude each other by one lock that prefers a waiting
 * writer, so that a stream of readers cannot starve it. A read section is one
 * turn of an event loop, so a writer waits for microseconds.
 */
#include "store_private.h"

#include <assert.h>

static bool lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    if (pthread_rwlockattr_init(&attr) != 0)
        return false;
#ifdef __GLIBC__
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    bool ok = pthread_rwlock_init(lock, &attr) == 0;
    (void)pthread_rwlockattr_destroy(&attr);
    return ok;
}

/* The empty key's node, with room for a small value. */
static bool root_init(struct store *store)
{
    const size_t nbytes = STORE_NODE_NBYTES + STORE_INLINE_NBYTES_MAX;
    uint32_t units = (uint32_t)((nbytes + STORE_UNIT_NBYTES - 1) / STORE_UNIT_NBYTES);
    store_ref ref = store_arena_get(&store->arena, units);
    if (ref == 0)
        return false;
    assert(ref == STORE_ROOT);
    struct store_node *root = store_at(store, ref);
    memset(root, 0, STORE_NODE_NBYTES);
    root->units = (uint16_t)units;
    root->flags = STORE_NODE_WHOLE;
    return true;
}

enum store_status store_open(const struct store_config *config, struct store **out)
{
    struct store *store = store_memory_get(sizeof *store);
    if (store == NULL)
        return STORE_NO_MEMORY;
    memset(store, 0, sizeof *store);
    store_hash_init(&store->keys, config != NULL ? config->hash_seed : 0);
    store->priority_seed = store_hash_mum(store->keys.finish, store->keys.tail[0]);
    store_arena_init(&store->arena);
    if (!root_init(store))
        goto err_after_arena;
    if (!store_index_init(&store->index, &store->arena, &store->keys))
        goto err_after_arena;
    if (!lock_init(&store->lock))
        goto err_after_index;
    *out = store;
    return STORE_OK;

err_after_index:
    store_index_free(&store->index);
err_after_arena:
    store_arena_clear(&store->arena);
    store_memory_free(store);
    return STORE_NO_MEMORY;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    uint64_t keys;
    uint64_t revision;
    store_drop(store, cdx_empty(), &keys, &revision);
    (void)pthread_rwlock_destroy(&store->lock);
    store_index_free(&store->index);
    store_arena_clear(&store->arena);
    store_memory_free(store);
}

enum store_status store_reader_open(struct store *store, struct store_reader **out)
{
    struct store_reader *reader = store_memory_get(sizeof *reader);
    if (reader == NULL)
        return STORE_NO_MEMORY;
    reader->store = store;
    *out = reader;
    return STORE_OK;
}

void store_reader_close(struct store_reader *reader)
{
    store_memory_free(reader);
}

/* The lock's calls fail only on misuse, which is a bug of ours. */
static void must(int error)
{
    assert(error == 0);
    (void)error;
}

void store_read_begin(struct store_reader *reader)
{
    must(pthread_rwlock_rdlock(&reader->store->lock));
}

void store_read_end(struct store_reader *reader)
{
    must(pthread_rwlock_unlock(&reader->store->lock));
}

void store_write_begin(struct store *store)
{
    must(pthread_rwlock_wrlock(&store->lock));
}

void store_write_end(struct store *store)
{
    must(pthread_rwlock_unlock(&store->lock));
}

uint64_t store_read_revision(const struct store_reader *reader)
{
    return reader->store->revision;
}

void store_read_stats(struct store_reader *reader, struct store_stats *stats)
{
    const struct store *store = reader->store;
    *stats = (struct store_stats){
        .keys = store_at(store, STORE_ROOT)->keys,
        .nodes = store->nodes,
        .revision = store->revision,
        .key_nbytes = store->key_nbytes,
        .value_nbytes = store->value_nbytes,
        .memory_nbytes =
            store->arena.extents_nbytes + store_index_nbytes(&store->index) + store->heap_nbytes,
    };
}

const char *store_status_text(enum store_status status)
{
    switch (status) {
    case STORE_OK:
        return "ok";
    case STORE_NOT_FOUND:
        return "no stored key answers";
    case STORE_CONFLICT:
        return "the key has another revision";
    case STORE_NO_MEMORY:
        return "out of memory";
    case STORE_TOO_LONG:
        return "key or value longer than its limit";
    }
    return "unknown status";
}
