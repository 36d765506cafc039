/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `kv` handler: the turn, and what the calls share. The calls themselves
 * are in handler_kv_read.c, _scan.c, _write.c, _batch.c, _stage.c and _server.c.
 *
 * Happy path: the requests of all connections of a turn are one queue; while
 * a group of them is looked up, the next group's nodes and the one after's
 * index lines are on their way from memory. All reads of a turn see one
 * version; a write ends the section, and the next read begins a new one, so a
 * connection reads its own writes. Writes without a read between them are one
 * write section, which ends before their answers are sent.
 * An answer for which there is no memory is never sent in part: what the turn
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
    .ttl = handler_kv_ttl,
    .list = handler_kv_list,
    .children = handler_kv_children,
    .count = handler_kv_count,
    .scan = handler_kv_scan,
    .put = handler_kv_put,
    .put_if = handler_kv_put_if,
    .delete_ = handler_kv_delete,
    .drop = handler_kv_drop,
    .put_ttl = handler_kv_put_ttl,
    .touch = handler_kv_touch,
    .batch = handler_kv_batch,
    .stage = handler_kv_stage,
    .stage_put = handler_kv_stage_put,
    .swap = handler_kv_swap,
    .unstage = handler_kv_unstage,
    .stats = handler_kv_stats,
};

void handler_kv_each(void (*visit)(void *arg, const struct handler *h), void *arg)
{
    pthread_mutex_lock(&open_lock);
    for (const struct handler *h = open_handlers; h != NULL; h = h->next_open)
        visit(arg, h);
    pthread_mutex_unlock(&open_lock);
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
    case KV_CALL_TTL:
    case KV_CALL_PUT:
    case KV_CALL_PUT_IF:
    case KV_CALL_PUT_TTL:
    case KV_CALL_DELETE:
    case KV_CALL_TOUCH:
        *kind = STORE_PROBE_KEY;
        return true;
    default:
        return false;
    }
}

static bool ask_lookup(const void *arg, uint32_t index, struct handler_lookup *lookup)
{
    const struct handler *h = arg;
    const struct kv_request *request = handler_requests_at(&h->requests, index);
    lookup->key = request->key;
    return probe_kind(request->type, &lookup->kind);
}

static enum cdx_status kv_open(const struct handler_env *env, struct handler **handler)
{
    struct handler *h = cdx_calloc(1, sizeof *h);
    if (h == NULL)
        return CDX_NO_MEMORY;
    h->section.store = env->store;
    h->env = env;
    h->probes.section = &h->section;
    h->probes.ask = ask_lookup;
    h->probes.arg = h;
    if (handler_requests_init(&h->requests, &handler_kv_protocol) != CDX_OK)
        goto err_after_handler;
    if (store_reader_open(env->store, &h->section.reader) != STORE_OK)
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
    store_reader_close(h->section.reader);
    handler_requests_free(&h->requests);
    cdx_free(h);
}

static void kv_session_start(struct handler *h, void *session)
{
    struct handler_session *s = session;
    (void)h;
    *s = (struct handler_session){0};
    handler_kv_stream_init(&s->stream);
}

static void kv_session_end(struct handler *h, void *session)
{
    struct handler_session *s = session;
    handler_kv_scan_drop(s);
    handler_kv_stages_drop(h, s);
    handler_stream_free(&s->stream.stream);
}

uint64_t handler_kv_expires(const struct handler *h, uint64_t ttl_ms)
{
    uint64_t expires_ms;
    if (ttl_ms == 0 || __builtin_add_overflow(store_now(h->section.store), ttl_ms, &expires_ms))
        return 0;
    return expires_ms;
}

static void kv_turn_begin(struct handler *h)
{
    h->requests.count = 0;
    handler_parked_expire(h->section.store);
}

static bool kv_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct handler_session *s = session;
    if (s->scan != NULL)
        return true; /* the input waits until its answer is through */
    return handler_requests_accept(&h->requests, &s->stream.stream, input, handler_kv_feed);
}

static void kv_prefetch(struct handler *h)
{
    handler_probes_begin(&h->probes, h->requests.count);
}

/* Carries out the request at `index` of the queue; false: its answer had no room. */
static bool carry_out(struct handler *h, uint32_t index)
{
    const struct kv_request *request = handler_requests_at(&h->requests, index);
    h->probe = handler_probes_at(&h->probes, index);
    h->no_room = false;
    atomic_store_explicit(&h->calls[request->type],
                          atomic_load_explicit(&h->calls[request->type], memory_order_relaxed) + 1,
                          memory_order_relaxed);
    size_t before = h->out->len;
    kv_dispatch(&handler_kv_calls, h, request);
    if (h->no_room)
        h->out->len = before;
    return !h->no_room;
}

/* Carries out what the session sent, until its output is full or an answer goes on. */
static enum handler_verdict answer_requests(struct handler *h, size_t *consumed)
{
    struct handler_stream *stream = &h->session->stream.stream;
    uint32_t done = 0;
    while (done < stream->count && h->out->len < h->env->output_high_nbytes) {
        if (!carry_out(h, stream->first + done) || h->closing)
            return HANDLER_CLOSE;
        done++;
        if (h->session->scan != NULL) {
            *consumed = handler_requests_hold(&h->requests, stream, done);
            return HANDLER_CONTINUE;
        }
    }
    bool all = done == stream->count;
    *consumed = handler_requests_finish(&h->requests, stream, done);
    if (all && stream->failed != CDX_OK) {
        handler_kv_refuse(&h->session->stream, h->out);
        return HANDLER_CLOSE;
    }
    return HANDLER_CONTINUE;
}

/* The next rows of the session's scan; its request's last byte is the input's first. */
static enum handler_verdict answer_scan(struct handler *h, size_t *consumed)
{
    size_t before = h->out->len;
    h->no_room = false;
    handler_kv_scan_go_on(h);
    if (h->no_room)
        h->out->len = before;
    *consumed = h->session->scan == NULL;
    return h->no_room || h->closing ? HANDLER_CLOSE : HANDLER_CONTINUE;
}

static enum handler_verdict kv_answer(struct handler *h, void *session, struct handler_output *out,
                                      size_t *consumed)
{
    h->session = session;
    h->out = out;
    h->closing = false;
    enum handler_verdict verdict =
        h->session->scan != NULL ? answer_scan(h, consumed) : answer_requests(h, consumed);
    handler_section_write_end(&h->section);
    return verdict;
}

static void kv_turn_end(struct handler *h)
{
    handler_section_read_end(&h->section);
}

static size_t kv_incomplete(const void *session)
{
    const struct handler_session *s = session;
    return handler_stream_incomplete(&s->stream.stream);
}

static void kv_notice(struct handler *h, void *session, enum handler_notice notice,
                      struct handler_output *out)
{
    (void)h;
    (void)session;
    handler_kv_tell(notice, out);
}

const struct handler_class handler_kv = {
    .name = "kv",
    .session_nbytes = sizeof(struct handler_session),
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
