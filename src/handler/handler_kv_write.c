/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the `kv` handler that change the store.
 *
 * Room for the answer is taken before the write: a write that cannot be
 * answered for want of memory does not happen.
 */
#include "handler_kv.h"

/* The longest answer of a write: a head and two 64-bit numbers. */
#define WRITE_ANSWER_NBYTES_MAX (KV_RESPONSE_NBYTES_MIN + 16u)

void handler_kv_put(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_kv_write_begin(h);
    enum store_status status =
        store_put(h->store, request->key, request->val, NULL, &written.revision);
    handler_kv_write_end(h);
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_put_ok_encode(&cursor, request->rid, &written));
    else
        handler_kv_commit(h, &cursor, kv_put_no_memory_encode(&cursor, request->rid));
}

void handler_kv_put_if(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_put_if_args *args = &request->body.put_if;
    uint64_t revision = 0;
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_kv_write_begin(h);
    enum store_status status =
        store_put(h->store, request->key, args->value, &args->revision, &revision);
    handler_kv_write_end(h);
    const struct kv_written written = {.revision = revision};
    const struct kv_current current = {.revision = revision};
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_put_if_ok_encode(&cursor, request->rid, &written));
    else if (status == STORE_CONFLICT)
        handler_kv_commit(h, &cursor, kv_put_if_conflict_encode(&cursor, request->rid, &current));
    else
        handler_kv_commit(h, &cursor, kv_put_if_no_memory_encode(&cursor, request->rid));
}

void handler_kv_delete(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_kv_write_begin(h);
    enum store_status status = store_delete(h->store, request->key, &written.revision);
    handler_kv_write_end(h);
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_delete_ok_encode(&cursor, request->rid, &written));
    else
        handler_kv_commit(h, &cursor, kv_delete_not_found_encode(&cursor, request->rid));
}

void handler_kv_drop(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_dropped dropped = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_kv_write_begin(h);
    store_drop(h->store, request->key, &dropped.keys, &dropped.revision);
    handler_kv_write_end(h);
    handler_kv_commit(h, &cursor, kv_drop_ok_encode(&cursor, request->rid, &dropped));
}
