/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scan`: an answer of any length, in slices of one turn each.
 *
 *     turn 1     the version that the turn reads     row row … row   (through: ok)
 *                  snapshot ──┐
 *     turn 2     that version ┤ after the last key   row row … row
 *        …                    │
 *     turn n     that version ┘                      row row  ok
 *
 * Happy path: a slice ends when the connection's output is full, or with the
 * bound of rows, so that others have their turn. Between slices the scan is parked.
 *
 * Failure modes: too many scans, or no memory for one that has to go on: the
 * peer is told `busy`. A scan that is not through in time is told `timeout` when the
 * peer reads on; its version is let go in time even if the peer never does, by the
 * next turn of whatever handler.
 */
#include "handler_kv.h"

#include <caudex/heap.h>

#include <pthread.h>

/* What a slice needs to know of the slices before it. */
struct scan_progress {
    uint32_t rid;
    uint8_t content;
    uint64_t rows;
    uint64_t due_ms; /* on the store's clock */
};

struct handler_scan {
    struct scan_progress progress;
    struct store *store;
    struct store_snapshot *snapshot; /* NULL: let go for its age */
    struct handler_scan *next;       /* parked scans … */
    struct handler_scan **link;      /* … what points to this one; NULL: not parked */
    size_t key_nbytes;
    size_t last_nbytes; /* of the last row's key: never empty */
    uint8_t key[KV_PATH_NBYTES_MAX];
    uint8_t last[KV_PATH_NBYTES_MAX];
};

/* ---- parked scans of the process ---- */

static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler_scan *parked;
/* No parked scan is due before; read without the lock, to find out that there is nothing to do. */
static _Atomic uint64_t parked_due_ms = UINT64_MAX;

static void parked_add(struct handler_scan *scan)
{
    pthread_mutex_lock(&parked_lock);
    scan->next = parked;
    scan->link = &parked;
    if (parked != NULL)
        parked->link = &scan->next;
    parked = scan;
    if (scan->progress.due_ms < atomic_load_explicit(&parked_due_ms, memory_order_relaxed))
        atomic_store_explicit(&parked_due_ms, scan->progress.due_ms, memory_order_relaxed);
    pthread_mutex_unlock(&parked_lock);
}

static void parked_unlink(struct handler_scan *scan)
{
    *scan->link = scan->next;
    if (scan->next != NULL)
        scan->next->link = scan->link;
    scan->link = NULL;
}

static void parked_remove(struct handler_scan *scan)
{
    pthread_mutex_lock(&parked_lock);
    if (scan->link != NULL)
        parked_unlink(scan);
    pthread_mutex_unlock(&parked_lock);
}

void handler_kv_scans_expire(const struct handler *h)
{
    uint64_t now = store_now(h->store);
    if (now < atomic_load_explicit(&parked_due_ms, memory_order_relaxed))
        return;
    pthread_mutex_lock(&parked_lock);
    uint64_t due = UINT64_MAX;
    struct handler_scan *next;
    for (struct handler_scan *scan = parked; scan != NULL; scan = next) {
        next = scan->next;
        if (scan->store == h->store && scan->progress.due_ms <= now) {
            parked_unlink(scan);
            store_snapshot_close(scan->store, scan->snapshot);
            scan->snapshot = NULL;
        } else if (scan->progress.due_ms < due) {
            due = scan->progress.due_ms;
        }
    }
    atomic_store_explicit(&parked_due_ms, due, memory_order_relaxed);
    pthread_mutex_unlock(&parked_lock);
}

/* ---- the life of a scan that goes on ---- */

static void keep_last(struct handler_scan *scan, struct cdx_bytes last)
{
    memcpy(scan->last, last.data, last.len);
    scan->last_nbytes = last.len;
}

/* The scan of `request`, to go on behind the key `last`; NULL: too many, or no memory. */
static struct handler_scan *scan_new(struct handler *h, const struct kv_request *request,
                                     const struct scan_progress *progress, struct cdx_bytes last)
{
    struct handler_scan *scan = cdx_malloc(sizeof *scan);
    if (scan == NULL)
        return NULL;
    if (store_snapshot_open(h->reader, &scan->snapshot) != STORE_OK) {
        cdx_free(scan);
        return NULL;
    }
    scan->progress = *progress;
    scan->store = h->store;
    scan->link = NULL;
    scan->key_nbytes = request->key.len;
    if (request->key.len != 0)
        memcpy(scan->key, request->key.data, request->key.len);
    keep_last(scan, last);
    return scan;
}

void handler_kv_scan_drop(struct handler_session *session)
{
    struct handler_scan *scan = session->scan;
    if (scan == NULL)
        return;
    session->scan = NULL;
    parked_remove(scan);
    store_snapshot_close(scan->store, scan->snapshot);
    cdx_free(scan);
}

/* ---- slices ---- */

static void end_with_ok(struct handler *h, const struct scan_progress *progress)
{
    const struct kv_scan_end end = {.rows = progress->rows};
    struct cdx_out cursor;
    if (handler_kv_reserve(h, kv_scan_ok_size(&end), &cursor))
        handler_kv_commit(h, &cursor, kv_scan_ok_encode(&cursor, progress->rid, &end));
}

static void end_with_busy(struct handler *h, const struct scan_progress *progress)
{
    const struct cdx_bytes text = CDX_STR("too many scans, or no memory for one more");
    struct cdx_out cursor;
    h->closing = true;
    if (handler_kv_reserve(h, kv_any_busy_size(text.len), &cursor))
        handler_kv_commit(h, &cursor, kv_any_busy_encode(&cursor, progress->rid, text));
}

static void end_with_timeout(struct handler *h, const struct scan_progress *progress)
{
    const struct cdx_bytes text = CDX_STR("the scan took too long");
    struct cdx_out cursor;
    h->closing = true;
    if (handler_kv_reserve(h, kv_any_timeout_size(text.len), &cursor))
        handler_kv_commit(h, &cursor, kv_any_timeout_encode(&cursor, progress->rid, text));
}

/*
 * Appends the rows of one slice and, at the walk's end, the last frame. True: the scan goes on
 * behind the key `*last`, a view of the cursor. The empty key cannot be gone on behind.
 */
static bool slice(struct handler *h, struct scan_progress *progress, struct store_cursor *walk,
                  struct cdx_bytes *last)
{
    struct store_entry entry;
    struct cdx_out cursor;
    uint32_t rows = 0;
    while (store_next(walk, &entry) == STORE_OK) {
        if (progress->content == KV_CONTENT_KEYS)
            entry.value = cdx_empty();
        if (!handler_kv_reserve(h, kv_scan_row_size(entry.key.len, entry.value.len), &cursor))
            return false;
        handler_kv_commit(h, &cursor,
                          kv_scan_row_encode(&cursor, progress->rid, entry.key, entry.value));
        progress->rows++;
        rows++;
        if (entry.key.len != 0 &&
            (rows >= HANDLER_SCAN_ROWS_MAX || h->out->len >= h->env->output_high_nbytes)) {
            *last = entry.key;
            return true;
        }
    }
    end_with_ok(h, progress);
    return false;
}

void handler_kv_scan(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_scan_args *args = &request->body.scan;
    struct scan_progress progress = {
        .rid = request->rid,
        .content = args->content,
        .due_ms = store_now(h->store) + HANDLER_SCAN_MS_MAX,
    };
    struct store_cursor walk;
    struct cdx_bytes last;
    handler_kv_read(h);
    store_list(h->reader, request->key, args->after, &walk);
    if (!slice(h, &progress, &walk, &last))
        return;
    struct handler_scan *scan = scan_new(h, request, &progress, last);
    if (scan == NULL) {
        end_with_busy(h, &progress);
        return;
    }
    h->session->scan = scan;
    parked_add(scan);
}

void handler_kv_scan_go_on(struct handler *h)
{
    struct handler_scan *scan = h->session->scan;
    struct store_cursor walk;
    struct cdx_bytes last;
    parked_remove(scan);
    if (scan->snapshot == NULL || store_now(scan->store) >= scan->progress.due_ms) {
        end_with_timeout(h, &scan->progress);
        handler_kv_scan_drop(h->session);
        return;
    }
    handler_kv_read_at(h, scan->snapshot);
    store_list(h->reader, cdx_bytes_of(scan->key, scan->key_nbytes),
               cdx_bytes_of(scan->last, scan->last_nbytes), &walk);
    bool goes_on = slice(h, &scan->progress, &walk, &last);
    if (goes_on)
        keep_last(scan, last);
    handler_kv_read_end(h);
    if (goes_on)
        parked_add(scan);
    else
        handler_kv_scan_drop(h->session);
}
