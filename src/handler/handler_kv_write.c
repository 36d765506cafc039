/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the `kv` handler that change one key or drop a subtree.
 *
 * Room for the answer is taken before the write: a write that cannot be
 * answered for want of memory does not happen.
 */
#include "handler_kv.h"

void handler_kv_put(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    if (store_put(h->section.store, request->key, request->val, NULL, &written.revision) ==
        STORE_OK)
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
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    enum store_status status =
        store_put(h->section.store, request->key, args->value, &args->revision, &revision);
    const struct kv_written written = {.revision = revision};
    const struct kv_current current = {.revision = revision};
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_put_if_ok_encode(&cursor, request->rid, &written));
    else if (status == STORE_CONFLICT)
        handler_kv_commit(h, &cursor, kv_put_if_conflict_encode(&cursor, request->rid, &current));
    else
        handler_kv_commit(h, &cursor, kv_put_if_no_memory_encode(&cursor, request->rid));
}

void handler_kv_put_ttl(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_put_ttl_args *args = &request->body.put_ttl;
    const struct store_put_options options = {.expires_ms = handler_kv_expires(h, args->ttl_ms)};
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    if (store_put_with(h->section.store, request->key, args->value, &options, &written.revision) ==
        STORE_OK)
        handler_kv_commit(h, &cursor, kv_put_ttl_ok_encode(&cursor, request->rid, &written));
    else
        handler_kv_commit(h, &cursor, kv_put_ttl_no_memory_encode(&cursor, request->rid));
}

void handler_kv_touch(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    uint64_t expires_ms = handler_kv_expires(h, request->body.touch.ttl_ms);
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    enum store_status status = store_touch(h->section.store, request->key, expires_ms);
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_touch_ok_encode(&cursor, request->rid));
    else if (status == STORE_NOT_FOUND)
        handler_kv_commit(h, &cursor, kv_touch_not_found_encode(&cursor, request->rid));
    else
        handler_kv_commit(h, &cursor, kv_touch_no_memory_encode(&cursor, request->rid));
}

void handler_kv_delete(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    enum store_status status = store_delete(h->section.store, request->key, &written.revision);
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_delete_ok_encode(&cursor, request->rid, &written));
    else if (status == STORE_NOT_FOUND)
        handler_kv_commit(h, &cursor, kv_delete_not_found_encode(&cursor, request->rid));
    else
        handler_kv_commit(h, &cursor, kv_delete_no_memory_encode(&cursor, request->rid));
}

void handler_kv_drop(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct kv_dropped dropped = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    if (store_drop(h->section.store, request->key, &dropped.keys, &dropped.revision) == STORE_OK)
        handler_kv_commit(h, &cursor, kv_drop_ok_encode(&cursor, request->rid, &dropped));
    else
        handler_kv_commit(h, &cursor, kv_drop_no_memory_encode(&cursor, request->rid));
}
