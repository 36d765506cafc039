/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: SQLite, one table without row ids whose key is the primary key, prepared
 * statements. Writes without journal or flush, WRITES_MAX to a transaction.
 */
#include "store_floor.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITES_MAX 1024u

enum query { QUERY_GET, QUERY_FLOOR, QUERY_BEGIN, QUERY_COMMIT, QUERY_PUT, QUERY_REMOVE, QUERIES };

static const char *const query_text[QUERIES] = {
    "SELECT v FROM t WHERE k = ?1",
    "SELECT k, v FROM t WHERE k <= ?1 ORDER BY k DESC LIMIT 1",
    "BEGIN",
    "COMMIT",
    "INSERT INTO t VALUES (?1, ?2)",
    "DELETE FROM t WHERE k = ?1",
};

/* A connection: the writer's or a reader's. */
struct sqlite {
    char file[256];
    sqlite3 *db;
    sqlite3_stmt *query[QUERIES];
    unsigned writes; /* of the open transaction; 0: none is open */
};

static void must(const struct sqlite *sqlite, bool good)
{
    if (!good) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(sqlite->db));
        abort();
    }
}

static void execute(struct sqlite *sqlite, const char *text)
{
    must(sqlite, sqlite3_exec(sqlite->db, text, NULL, NULL, NULL) == SQLITE_OK);
}

static struct sqlite *connect_to(const char *file, bool create)
{
    struct sqlite *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL)
        abort();
    snprintf(sqlite->file, sizeof sqlite->file, "%s", file);
    must(sqlite, sqlite3_open_v2(file, &sqlite->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                 NULL) == SQLITE_OK);
    execute(sqlite,
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "PRAGMA cache_size = -1000000; PRAGMA mmap_size = 17179869184");
    if (create)
        execute(sqlite, "CREATE TABLE t (k BLOB PRIMARY KEY, v INTEGER) WITHOUT ROWID");
    for (unsigned i = 0; i < QUERIES; i++)
        must(sqlite, sqlite3_prepare_v3(sqlite->db, query_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &sqlite->query[i], NULL) == SQLITE_OK);
    return sqlite;
}

static void disconnect(void *connection)
{
    struct sqlite *sqlite = connection;
    for (unsigned i = 0; i < QUERIES; i++)
        sqlite3_finalize(sqlite->query[i]);
    must(sqlite, sqlite3_close(sqlite->db) == SQLITE_OK);
    free(sqlite);
}

static void step(struct sqlite *sqlite, enum query query)
{
    must(sqlite, sqlite3_step(sqlite->query[query]) == SQLITE_DONE);
    sqlite3_reset(sqlite->query[query]);
}

static void bind_key(struct sqlite *sqlite, enum query query, struct cdx_bytes key)
{
    sqlite3_bind_blob(sqlite->query[query], 1, key.data, (int)key.len, SQLITE_STATIC);
}

static void *sqlite_open(const char *scratch)
{
    char file[256];
    snprintf(file, sizeof file, "%s/sqlite-%ld", scratch, (long)getpid());
    (void)unlink(file);
    return connect_to(file, true);
}

static void sqlite_close(void *store)
{
    char file[256];
    struct sqlite *sqlite = store;
    memcpy(file, sqlite->file, sizeof file);
    disconnect(sqlite);
    (void)unlink(file);
}

static uint64_t pragma(struct sqlite *sqlite, const char *text)
{
    sqlite3_stmt *query;
    must(sqlite, sqlite3_prepare_v2(sqlite->db, text, -1, &query, NULL) == SQLITE_OK &&
                     sqlite3_step(query) == SQLITE_ROW);
    const uint64_t number = (uint64_t)sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return number;
}

/* The file; the page cache is a copy that it could do without. */
static uint64_t sqlite_memory(void *store)
{
    return pragma(store, "PRAGMA page_count") * pragma(store, "PRAGMA page_size");
}

static void sqlite_settle(void *store)
{
    struct sqlite *sqlite = store;
    if (sqlite->writes != 0)
        step(sqlite, QUERY_COMMIT);
    sqlite->writes = 0;
}

static void write_one(struct sqlite *sqlite)
{
    if (sqlite->writes == WRITES_MAX)
        sqlite_settle(sqlite);
    if (sqlite->writes++ == 0)
        step(sqlite, QUERY_BEGIN);
}

static void sqlite_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct sqlite *sqlite = store;
    write_one(sqlite);
    bind_key(sqlite, QUERY_PUT, key);
    sqlite3_bind_int64(sqlite->query[QUERY_PUT], 2, (sqlite3_int64)value);
    step(sqlite, QUERY_PUT);
}

static bool sqlite_remove(void *store, struct cdx_bytes key)
{
    struct sqlite *sqlite = store;
    write_one(sqlite);
    bind_key(sqlite, QUERY_REMOVE, key);
    step(sqlite, QUERY_REMOVE);
    return sqlite3_changes(sqlite->db) == 1;
}

static uint64_t sqlite_drop(void *store, struct cdx_bytes key)
{
    struct sqlite *sqlite = store;
    sqlite3_stmt *query;
    uint8_t range[2][PEER_KEY_NBYTES_MAX + 1];
    for (int i = 0; i < 2; i++) {
        memcpy(range[i], key.data, key.len);
        range[i][key.len] = (uint8_t)('/' + i);
    }
    must(sqlite, sqlite3_prepare_v2(sqlite->db, "DELETE FROM t WHERE k = ?1 OR (k > ?2 AND k < ?3)",
                                    -1, &query, NULL) == SQLITE_OK);
    sqlite3_bind_blob(query, 1, key.data, (int)key.len, SQLITE_STATIC);
    for (int i = 0; i < 2; i++)
        sqlite3_bind_blob(query, 2 + i, range[i], (int)key.len + 1, SQLITE_STATIC);
    must(sqlite, sqlite3_step(query) == SQLITE_DONE);
    sqlite3_finalize(query);
    return (uint64_t)sqlite3_changes(sqlite->db);
}

static void *sqlite_reader_open(void *store)
{
    const struct sqlite *sqlite = store;
    return connect_to(sqlite->file, false);
}

static void sqlite_read_begin(void *reader)
{
    step(reader, QUERY_BEGIN);
}

static void sqlite_read_end(void *reader)
{
    step(reader, QUERY_COMMIT);
}

static uint64_t sqlite_get(void *reader, struct cdx_bytes key)
{
    struct sqlite *sqlite = reader;
    sqlite3_stmt *query = sqlite->query[QUERY_GET];
    bind_key(sqlite, QUERY_GET, key);
    const bool found = sqlite3_step(query) == SQLITE_ROW;
    const uint64_t value = found ? (uint64_t)sqlite3_column_int64(query, 0) : 0;
    sqlite3_reset(query);
    return value;
}

/* The key found is copied: it ends with the statement. */
static uint64_t sqlite_floor(void *reader, struct cdx_bytes key, struct cdx_bytes *found)
{
    static _Thread_local uint8_t copy[PEER_KEY_NBYTES_MAX];
    struct sqlite *sqlite = reader;
    sqlite3_stmt *query = sqlite->query[QUERY_FLOOR];
    uint64_t value = 0;
    bind_key(sqlite, QUERY_FLOOR, key);
    if (sqlite3_step(query) == SQLITE_ROW) {
        *found = cdx_bytes_of(copy, (size_t)sqlite3_column_bytes(query, 0));
        memcpy(copy, sqlite3_column_blob(query, 0), found->len);
        value = (uint64_t)sqlite3_column_int64(query, 1);
    }
    sqlite3_reset(query);
    return value;
}

static uint64_t sqlite_match(void *reader, struct cdx_bytes key)
{
    return floor_match(sqlite_floor, reader, key, FLOOR_SEGMENTS);
}

static uint64_t sqlite_match_bytes(void *reader, struct cdx_bytes key)
{
    return floor_match(sqlite_floor, reader, key, FLOOR_BYTES);
}

static uint64_t sqlite_match_all(void *reader, struct cdx_bytes key)
{
    return floor_match(sqlite_floor, reader, key, FLOOR_ALL);
}

static uint64_t sqlite_list(void *reader, uint64_t *rows)
{
    struct sqlite *sqlite = reader;
    sqlite3_stmt *query;
    uint64_t sum = 0;
    must(sqlite, sqlite3_prepare_v2(sqlite->db, "SELECT k, v FROM t ORDER BY k", -1, &query,
                                    NULL) == SQLITE_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
        const struct cdx_bytes key =
            cdx_bytes_of(sqlite3_column_blob(query, 0), (size_t)sqlite3_column_bytes(query, 0));
        sum += peer_row(key, (uint64_t)sqlite3_column_int64(query, 1));
        (*rows)++;
    }
    sqlite3_finalize(query);
    return sum;
}

const struct peer peer = {
    .name = "sqlite",
    .kind = "tree",
    .about =
        "table without row ids in a file in memory, no journal, no flush, 1024 writes a "
        "transaction",
    .open = sqlite_open,
    .close = sqlite_close,
    .memory = sqlite_memory,
    .put = sqlite_put,
    .remove = sqlite_remove,
    .drop = sqlite_drop,
    .settle = sqlite_settle,
    .reader_open = sqlite_reader_open,
    .reader_close = disconnect,
    .read_begin = sqlite_read_begin,
    .read_end = sqlite_read_end,
    .get = sqlite_get,
    .match = sqlite_match,
    .match_bytes = sqlite_match_bytes,
    .match_all = sqlite_match_all,
    .list = sqlite_list,
};
