/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: LMDB, a B+tree of pages mapped from a file, with readers that do not
 * wait for the writer. Writes go to the map without a flush, WRITES_MAX to a transaction.
 */
#include "store_floor.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAP_NBYTES ((size_t)16 << 30)
#define WRITES_MAX 1024u

struct lmdb {
    char file[256];
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn; /* the writer's; NULL: none is open */
    unsigned writes;
};

struct reader {
    MDB_dbi dbi;
    MDB_txn *txn;
    MDB_cursor *cursor;
};

static void must(int status)
{
    if (status != 0) {
        fprintf(stderr, "lmdb: %s\n", mdb_strerror(status));
        abort();
    }
}

static void files_remove(const struct lmdb *lmdb)
{
    char lock[sizeof lmdb->file + 8];
    snprintf(lock, sizeof lock, "%s-lock", lmdb->file);
    (void)unlink(lmdb->file);
    (void)unlink(lock);
}

static void *lmdb_open(const char *scratch)
{
    struct lmdb *lmdb = calloc(1, sizeof *lmdb);
    if (lmdb == NULL)
        abort();
    snprintf(lmdb->file, sizeof lmdb->file, "%s/lmdb-%ld", scratch, (long)getpid());
    files_remove(lmdb);
    must(mdb_env_create(&lmdb->env));
    must(mdb_env_set_mapsize(lmdb->env, MAP_NBYTES));
    must(mdb_env_open(lmdb->env, lmdb->file,
                      MDB_NOSUBDIR | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600));
    MDB_txn *txn;
    must(mdb_txn_begin(lmdb->env, NULL, 0, &txn));
    must(mdb_dbi_open(txn, NULL, 0, &lmdb->dbi));
    must(mdb_txn_commit(txn));
    return lmdb;
}

static void lmdb_close(void *store)
{
    struct lmdb *lmdb = store;
    mdb_env_close(lmdb->env);
    files_remove(lmdb);
    free(lmdb);
}

static uint64_t lmdb_memory(void *store)
{
    const struct lmdb *lmdb = store;
    MDB_envinfo info;
    MDB_stat stat;
    must(mdb_env_info(lmdb->env, &info));
    must(mdb_env_stat(lmdb->env, &stat));
    return (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
}

static MDB_val val_of(const void *data, size_t len)
{
    return (MDB_val){len, (void *)(uintptr_t)data};
}

static void lmdb_settle(void *store)
{
    struct lmdb *lmdb = store;
    if (lmdb->txn != NULL)
        must(mdb_txn_commit(lmdb->txn));
    lmdb->txn = NULL;
    lmdb->writes = 0;
}

/* One more write of the open transaction. */
static MDB_txn *write_one(struct lmdb *lmdb)
{
    if (lmdb->writes == WRITES_MAX)
        lmdb_settle(lmdb);
    if (lmdb->txn == NULL)
        must(mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->txn));
    lmdb->writes++;
    return lmdb->txn;
}

static void lmdb_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct lmdb *lmdb = store;
    MDB_val k = val_of(key.data, key.len), v = val_of(&value, sizeof value);
    must(mdb_put(write_one(lmdb), lmdb->dbi, &k, &v, 0));
}

static bool lmdb_remove(void *store, struct cdx_bytes key)
{
    struct lmdb *lmdb = store;
    MDB_val k = val_of(key.data, key.len);
    return mdb_del(write_one(lmdb), lmdb->dbi, &k, NULL) == 0;
}

static uint64_t lmdb_drop(void *store, struct cdx_bytes key)
{
    struct lmdb *lmdb = store;
    uint8_t first[PEER_KEY_NBYTES_MAX + 1];
    MDB_cursor *cursor;
    uint64_t keys = lmdb_remove(store, key);
    memcpy(first, key.data, key.len);
    first[key.len] = '/';
    MDB_val k = val_of(first, key.len + 1), v;
    must(mdb_cursor_open(write_one(lmdb), lmdb->dbi, &cursor));
    int status = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (status == 0 && k.mv_size > key.len && memcmp(k.mv_data, first, key.len + 1) == 0) {
        must(mdb_cursor_del(cursor, 0));
        keys++;
        status = mdb_cursor_get(cursor, &k, &v, MDB_NEXT); /* the one that took its place */
    }
    mdb_cursor_close(cursor);
    lmdb_settle(store);
    return keys;
}

static void *lmdb_reader_open(void *store)
{
    struct lmdb *lmdb = store;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        abort();
    reader->dbi = lmdb->dbi;
    must(mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &reader->txn));
    must(mdb_cursor_open(reader->txn, lmdb->dbi, &reader->cursor));
    mdb_txn_reset(reader->txn);
    return reader;
}

static void lmdb_reader_close(void *reader)
{
    struct reader *r = reader;
    mdb_cursor_close(r->cursor);
    mdb_txn_abort(r->txn);
    free(r);
}

static void lmdb_read_begin(void *reader)
{
    struct reader *r = reader;
    must(mdb_txn_renew(r->txn));
    must(mdb_cursor_renew(r->txn, r->cursor));
}

static void lmdb_read_end(void *reader)
{
    struct reader *r = reader;
    mdb_txn_reset(r->txn);
}

static uint64_t value_of(MDB_val v)
{
    uint64_t value;
    memcpy(&value, v.mv_data, sizeof value);
    return value;
}

static uint64_t lmdb_get(void *reader, struct cdx_bytes key)
{
    struct reader *r = reader;
    MDB_val k = val_of(key.data, key.len), v;
    return mdb_get(r->txn, r->dbi, &k, &v) == 0 ? value_of(v) : 0;
}

static uint64_t lmdb_floor(void *reader, struct cdx_bytes key, struct cdx_bytes *found)
{
    struct reader *r = reader;
    MDB_val k = val_of(key.data, key.len), v;
    int status = mdb_cursor_get(r->cursor, &k, &v, MDB_SET_RANGE);
    if (status != 0)
        status = mdb_cursor_get(r->cursor, &k, &v, MDB_LAST);
    else if (k.mv_size != key.len || memcmp(k.mv_data, key.data, key.len) != 0)
        status = mdb_cursor_get(r->cursor, &k, &v, MDB_PREV);
    if (status != 0)
        return 0;
    *found = cdx_bytes_of(k.mv_data, k.mv_size);
    return value_of(v);
}

static uint64_t lmdb_match(void *reader, struct cdx_bytes key)
{
    return floor_match(lmdb_floor, reader, key, FLOOR_SEGMENTS);
}

static uint64_t lmdb_match_bytes(void *reader, struct cdx_bytes key)
{
    return floor_match(lmdb_floor, reader, key, FLOOR_BYTES);
}

static uint64_t lmdb_match_all(void *reader, struct cdx_bytes key)
{
    return floor_match(lmdb_floor, reader, key, FLOOR_ALL);
}

static uint64_t lmdb_list(void *reader, uint64_t *rows)
{
    struct reader *r = reader;
    MDB_val k, v;
    uint64_t sum = 0;
    int status = mdb_cursor_get(r->cursor, &k, &v, MDB_FIRST);
    for (; status == 0; status = mdb_cursor_get(r->cursor, &k, &v, MDB_NEXT)) {
        sum += peer_row(cdx_bytes_of(k.mv_data, k.mv_size), value_of(v));
        (*rows)++;
    }
    return sum;
}

const struct peer peer = {
    .name = "lmdb",
    .kind = "tree",
    .about = "B+tree in a mapped file in memory, no flush, 1024 writes a transaction",
    .open = lmdb_open,
    .close = lmdb_close,
    .memory = lmdb_memory,
    .put = lmdb_put,
    .remove = lmdb_remove,
    .drop = lmdb_drop,
    .settle = lmdb_settle,
    .reader_open = lmdb_reader_open,
    .reader_close = lmdb_reader_close,
    .read_begin = lmdb_read_begin,
    .read_end = lmdb_read_end,
    .get = lmdb_get,
    .match = lmdb_match,
    .match_bytes = lmdb_match_bytes,
    .match_all = lmdb_match_all,
    .list = lmdb_list,
};
