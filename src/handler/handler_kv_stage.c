/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the `kv` handler about stages.
 *
 * A stage is its connection's: nobody else can write into it or swap it, and it is
 * closed with the connection, so that no forgotten one stays in the way.
 */
#include "handler_kv.h"

#include <assert.h>

/* The place of the session's stage with that number; `stage_count`: it has none. */
static uint32_t stage_find(const struct handler_session *session, uint32_t stage)
{
    uint32_t i = 0;
    while (i < session->stage_count && session->stages[i] != stage)
        i++;
    return i;
}

static void stage_forget(struct handler_session *session, uint32_t at)
{
    session->stages[at] = session->stages[--session->stage_count];
}

void handler_kv_stages_drop(struct handler *h, struct handler_session *session)
{
    if (session->stage_count == 0)
        return;
    handler_section_write(&h->section);
    while (session->stage_count != 0) {
        if (store_stage_drop(h->section.store, session->stages[--session->stage_count]) != STORE_OK)
            continue; /* no memory: it stays open, unseen */
    }
    handler_section_write_end(&h->section);
}

void handler_kv_stage(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct handler_session *session = h->session;
    struct kv_staged staged = {.stage = 0};
    struct kv_refusal refusal = {.reason = KV_REASON_OCCUPIED};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    handler_section_write(&h->section);
    switch (store_stage_open(h->section.store, request->key, &staged.stage)) {
    case STORE_OK:
        assert(session->stage_count < STORE_STAGES_MAX);
        session->stages[session->stage_count++] = staged.stage;
        handler_kv_commit(h, &cursor, kv_stage_ok_encode(&cursor, request->rid, &staged));
        break;
    case STORE_OUTSIDE:
        refusal.reason = KV_REASON_SLASH;
        handler_kv_commit(h, &cursor, kv_stage_refused_encode(&cursor, request->rid, &refusal));
        break;
    case STORE_BUSY:
        handler_kv_commit(h, &cursor, kv_stage_refused_encode(&cursor, request->rid, &refusal));
        break;
    default:
        handler_kv_commit(h, &cursor, kv_stage_no_memory_encode(&cursor, request->rid));
        break;
    }
}

void handler_kv_stage_put(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_stage_put_args *args = &request->body.stage_put;
    const struct store_put_options options = {.expires_ms = handler_kv_expires(h, args->ttl_ms)};
    const struct kv_refusal refusal = {.reason = KV_REASON_OUTSIDE};
    struct kv_written written = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    if (stage_find(h->session, args->stage) == h->session->stage_count) {
        handler_kv_commit(h, &cursor, kv_stage_put_not_found_encode(&cursor, request->rid));
        return;
    }
    handler_section_write(&h->section);
    enum store_status status = store_stage_put(h->section.store, args->stage, request->key,
                                               args->value, &options, &written.revision);
    if (status == STORE_OK)
        handler_kv_commit(h, &cursor, kv_stage_put_ok_encode(&cursor, request->rid, &written));
    else if (status == STORE_OUTSIDE)
        handler_kv_commit(h, &cursor, kv_stage_put_refused_encode(&cursor, request->rid, &refusal));
    else
        handler_kv_commit(h, &cursor, kv_stage_put_no_memory_encode(&cursor, request->rid));
}

void handler_kv_swap(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    uint32_t at = stage_find(h->session, request->body.swap.stage);
    struct kv_swapped swapped = {.revision = 0};
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    if (at == h->session->stage_count) {
        handler_kv_commit(h, &cursor, kv_swap_not_found_encode(&cursor, request->rid));
        return;
    }
    handler_section_write(&h->section);
    if (store_stage_swap(h->section.store, request->body.swap.stage, &swapped.added,
                         &swapped.removed, &swapped.revision) == STORE_OK) {
        stage_forget(h->session, at);
        handler_kv_commit(h, &cursor, kv_swap_ok_encode(&cursor, request->rid, &swapped));
    } else {
        handler_kv_commit(h, &cursor, kv_swap_no_memory_encode(&cursor, request->rid));
    }
}

void handler_kv_unstage(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    uint32_t at = stage_find(h->session, request->body.unstage.stage);
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    if (at == h->session->stage_count) {
        handler_kv_commit(h, &cursor, kv_unstage_not_found_encode(&cursor, request->rid));
        return;
    }
    handler_section_write(&h->section);
    if (store_stage_drop(h->section.store, request->body.unstage.stage) == STORE_OK) {
        stage_forget(h->session, at);
        handler_kv_commit(h, &cursor, kv_unstage_ok_encode(&cursor, request->rid));
    } else {
        handler_kv_commit(h, &cursor, kv_unstage_no_memory_encode(&cursor, request->rid));
    }
}
