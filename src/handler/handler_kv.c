/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `kv` handler: the turn, and what the calls share. The calls themselves
 * are in handler_kv_read.c, handler_kv_write.c and handler_kv_server.c.
 *
 * Happy path: the requests of all connections of a turn are one queue; while
 * a group of them is looked up, the next group's nodes and the one after's
 * index lines are on their way from memory. All reads of a turn see one
 * version; a write ends the section, writes, and the next read begins a new
 * one, so a connection reads its own writes.
 * An answer for which there is no memory is never sent in part: what was
 * appended of it is taken back and the connection closes.
 */
#include "handler_kv.h"

#include <caudex/heap.h>
#include <caudex/kv_dispatch.h>

#include <pthread.h>

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler *open_handlers;

const struct kv_handlers handler_kv_calls = {
    .hello = handler_kv_hello,
    .ping = handler_kv_ping,
    .echo = handler_kv_echo,
    .get = handler_kv_get,
    .match = handler_kv_match,
    .match_bytes = handler_kv_match_bytes,
    .match_all = handler_kv_match_all,
    .gets = handler_kv_gets,
    .list = handler_kv_list,
    .children = handler_kv_children,
    .count = handler_kv_count,
    .put = handler_kv_put,
    .put_if = handler_kv_put_if,
    .delete_ = handler_kv_delete,
    .drop = handler_kv_drop,
    .stats = handler_kv_stats,
};

void handler_kv_each(void (*visit)(void *arg, const struct handler *h), void *arg)
{
    pthread_mutex_lock(&open_lock);
    for (const struct handler *h = open_handlers; h != NULL; h = h->next_open)
        visit(arg, h);
    pthread_mutex_unlock(&open_lock);
}

static enum cdx_status kv_open(const struct handler_env *env, struct handler **handler)
{
    struct handler *h = cdx_calloc(1, sizeof *h);
    if (h == NULL)
        return CDX_NO_MEMORY;
    h->store = env->store;
    h->env = env;
    if (handler_requests_init(&h->requests) != CDX_OK)
        goto err_after_handler;
    if (store_reader_open(env->store, &h->reader) != STORE_OK)
        goto err_after_requests;
    pthread_mutex_lock(&open_lock);
    h->next_open = open_handlers;
    open_handlers = h;
    pthread_mutex_unlock(&open_lock);
    *handler = h;
    return CDX_OK;

err_after_requests:
    handler_requests_free(&h->requests);
err_after_handler:
    cdx_free(h);
    return CDX_NO_MEMORY;
}

static void kv_close(struct handler *h)
{
    pthread_mutex_lock(&open_lock);
    struct handler **link = &open_handlers;
    while (*link != h)
        link = &(*link)->next_open;
    *link = h->next_open;
    pthread_mutex_unlock(&open_lock);
    store_reader_close(h->reader);
    handler_requests_free(&h->requests);
    cdx_free(h);
}

static void kv_session_start(struct handler *h, void *session)
{
    (void)h;
    handler_stream_init(session);
}

static void kv_session_end(struct handler *h, void *session)
{
    (void)h;
    handler_stream_free(session);
}

void handler_kv_read(struct handler *h)
{
    if (!h->reading) {
        store_read_begin(h->reader);
        h->reading = true;
    }
}

static void read_end(struct handler *h)
{
    if (h->reading) {
        store_read_end(h->reader);
        h->reading = false;
    }
}

void handler_kv_write_begin(struct handler *h)
{
    read_end(h);
    store_write_begin(h->store);
}

void handler_kv_write_end(struct handler *h)
{
    store_write_end(h->store);
}

static struct store_probe *probe_at(struct handler *h, uint32_t index)
{
    return &h->probes[index % (3 * HANDLER_PROBE_GROUP)];
}

/* What a call looks up by key; false: nothing to fetch ahead. */
static bool probe_kind(uint8_t call, enum store_probe_kind *kind)
{
    switch (call) {
    case KV_CALL_MATCH:
        *kind = STORE_PROBE_MATCH;
        return true;
    case KV_CALL_GET:
    case KV_CALL_GETS:
        *kind = STORE_PROBE_KEY;
        return true;
    default:
        return false;
    }
}

/* Starts the probes of the requests before `end`. */
static void probes_start(struct handler *h, uint32_t end)
{
    for (; h->started < end && h->started < h->requests.count; h->started++) {
        const struct kv_request *request = &h->requests.entries[h->started].request;
        enum store_probe_kind kind;
        if (probe_kind(request->type, &kind))
            store_probe_start(h->store, kind, request->key, probe_at(h, h->started));
    }
}

/* Touches the probes of the requests before `end`, which were started. */
static void probes_touch(struct handler *h, uint32_t end)
{
    for (; h->touched < end && h->touched < h->started; h->touched++) {
        enum store_probe_kind kind;
        if (!probe_kind(h->requests.entries[h->touched].request.type, &kind))
            continue;
        handler_kv_read(h);
        store_probe_touch(h->reader, probe_at(h, h->touched));
    }
}

/*
 * Brings the probes to where the request at `index` needs them: its own group
 * touched, the next one too, the one after started. A session that stopped early
 * leaves requests out, so the group may be any later one than the last.
 */
static void probes_advance(struct handler *h, uint32_t index)
{
    uint32_t group = index / HANDLER_PROBE_GROUP * HANDLER_PROBE_GROUP;
    if (h->started < group)
        h->started = group;
    if (h->touched < group)
        h->touched = group;
    probes_start(h, group + 2 * HANDLER_PROBE_GROUP);
    probes_touch(h, group + 2 * HANDLER_PROBE_GROUP);
    probes_start(h, group + 3 * HANDLER_PROBE_GROUP);
    h->probed = group + HANDLER_PROBE_GROUP;
}

static void kv_turn_begin(struct handler *h)
{
    h->requests.count = 0;
    h->started = 0;
    h->touched = 0;
    h->probed = 0;
}

static bool kv_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    return handler_requests_accept(&h->requests, session, input);
}

static void kv_prefetch(struct handler *h)
{
    probes_start(h, HANDLER_PROBE_GROUP);
    probes_touch(h, HANDLER_PROBE_GROUP);
    probes_start(h, 2 * HANDLER_PROBE_GROUP);
}

bool handler_kv_reserve(struct handler *h, size_t nbytes, struct cdx_out *cursor)
{
    uint8_t *at = h->no_room ? NULL : handler_output_reserve(h->out, nbytes);
    if (at == NULL) {
        h->no_room = true;
        return false;
    }
    *cursor = (struct cdx_out){.next = at, .end = at + nbytes};
    return true;
}

void handler_kv_commit(struct handler *h, const struct cdx_out *cursor, enum cdx_status status)
{
    if (status != CDX_OK) {
        h->no_room = true;
        return;
    }
    h->out->len = (size_t)(cursor->next - h->out->data);
}

/* Carries out the request at `index` of the queue; false: its answer had no room. */
static bool carry_out(struct handler *h, uint32_t index)
{
    const struct kv_request *request = &h->requests.entries[index].request;
    if (index >= h->probed)
        probes_advance(h, index);
    enum store_probe_kind kind;
    h->probe = probe_kind(request->type, &kind) ? probe_at(h, index) : NULL;
    h->no_room = false;
    atomic_store_explicit(
        &h->calls[request->type],
        atomic_load_explicit(&h->calls[request->type], memory_order_relaxed) + 1,
        memory_order_relaxed);
    size_t before = h->out->len;
    kv_dispatch(&handler_kv_calls, h, request);
    if (h->no_room)
        h->out->len = before;
    return !h->no_room;
}

static enum handler_verdict kv_answer(struct handler *h, void *session, struct handler_output *out,
                                      size_t *consumed)
{
    struct handler_stream *stream = session;
    uint32_t done = 0;
    h->out = out;
    for (; done < stream->count && out->len < h->env->output_high_nbytes; done++) {
        if (!carry_out(h, stream->first + done))
            return HANDLER_CLOSE;
    }
    bool all = done == stream->count;
    *consumed = handler_requests_finish(&h->requests, stream, done);
    if (all && stream->failed != CDX_OK) {
        handler_stream_refuse(stream, out);
        return HANDLER_CLOSE;
    }
    return HANDLER_CONTINUE;
}

static void kv_turn_end(struct handler *h)
{
    read_end(h);
}

static size_t kv_incomplete(const void *session)
{
    return handler_stream_incomplete(session);
}

static void kv_notice(struct handler *h, void *session, enum handler_notice notice,
                      struct handler_output *out)
{
    (void)h;
    (void)session;
    handler_requests_notice(notice, out);
}

const struct handler_class handler_kv = {
    .name = "kv",
    .session_nbytes = sizeof(struct handler_stream),
    .open = kv_open,
    .close = kv_close,
    .session_start = kv_session_start,
    .session_end = kv_session_end,
    .turn_begin = kv_turn_begin,
    .accept = kv_accept,
    .prefetch = kv_prefetch,
    .answer = kv_answer,
    .turn_end = kv_turn_end,
    .incomplete = kv_incomplete,
    .notice = kv_notice,
};
