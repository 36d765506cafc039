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

/* What a slice needs to know of the slices before it. */
struct scan_progress {
    uint32_t rid;
    uint8_t content;
    uint64_t rows;
};

struct handler_scan {
    struct handler_parked parked;
    struct scan_progress progress;
    size_t key_nbytes;
    size_t last_nbytes; /* of the last row's key: never empty */
    uint8_t key[KV_PATH_NBYTES_MAX];
    uint8_t last[KV_PATH_NBYTES_MAX];
};

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
    if (!handler_parked_begin(&scan->parked, h->section.store, h->section.reader)) {
        cdx_free(scan);
        return NULL;
    }
    scan->progress = *progress;
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
    handler_parked_end(&scan->parked);
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
    };
    struct store_cursor walk;
    struct cdx_bytes last;
    handler_section_read(&h->section);
    store_list(h->section.reader, request->key, args->after, &walk);
    if (!slice(h, &progress, &walk, &last))
        return;
    struct handler_scan *scan = scan_new(h, request, &progress, last);
    if (scan == NULL) {
        end_with_busy(h, &progress);
        return;
    }
    h->session->scan = scan;
}

void handler_kv_scan_go_on(struct handler *h)
{
    struct handler_scan *scan = h->session->scan;
    struct store_cursor walk;
    struct cdx_bytes last;
    if (!handler_parked_take(&scan->parked)) {
        end_with_timeout(h, &scan->progress);
        handler_kv_scan_drop(h->session);
        return;
    }
    handler_section_read_at(&h->section, scan->parked.snapshot);
    store_list(h->section.reader, cdx_bytes_of(scan->key, scan->key_nbytes),
               cdx_bytes_of(scan->last, scan->last_nbytes), &walk);
    bool goes_on = slice(h, &scan->progress, &walk, &last);
    if (goes_on)
        keep_last(scan, last);
    handler_section_read_end(&h->section);
    if (goes_on)
        handler_parked_put(&scan->parked);
    else
        handler_kv_scan_drop(h->session);
}
