/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `reply` handler: parses every request and gives each the same answer.
 * Against `echo` it shows what parser and encoder cost, against `kv` what the
 * store costs.
 */
#include "handler_kv_stream.h"

#include <caudex/heap.h>

/* As long as the value in the benchmarks, so that as many bytes go back. */
#define REPLY_VALUE "a fixed value of 32 bytes, always"

struct handler {
    struct handler_requests requests;
    size_t output_high_nbytes;
};

static enum cdx_status reply_open(const struct handler_env *env, struct handler **handler)
{
    struct handler *h = cdx_calloc(1, sizeof *h);
    if (h == NULL)
        return CDX_NO_MEMORY;
    h->output_high_nbytes = env->output_high_nbytes;
    if (handler_requests_init(&h->requests, &handler_kv_protocol) != CDX_OK) {
        cdx_free(h);
        return CDX_NO_MEMORY;
    }
    *handler = h;
    return CDX_OK;
}

static void reply_close(struct handler *h)
{
    handler_requests_free(&h->requests);
    cdx_free(h);
}

static void reply_session_start(struct handler *h, void *session)
{
    (void)h;
    handler_kv_stream_init(session);
}

static void reply_session_end(struct handler *h, void *session)
{
    struct handler_kv_stream *s = session;
    (void)h;
    handler_stream_free(&s->stream);
}

static void reply_turn_begin(struct handler *h)
{
    h->requests.count = 0;
}

static bool reply_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct handler_kv_stream *s = session;
    return handler_requests_accept(&h->requests, &s->stream, input, handler_kv_feed);
}

static void reply_prefetch(struct handler *h)
{
    (void)h;
}

static enum handler_verdict reply_answer(struct handler *h, void *session,
                                         struct handler_output *out, size_t *consumed)
{
    struct handler_kv_stream *s = session;
    struct handler_stream *stream = &s->stream;
    const struct kv_request *request = handler_requests_at(&h->requests, stream->first);
    const struct cdx_bytes value = CDX_STR(REPLY_VALUE);
    const size_t nbytes = kv_get_ok_size(value.len);
    uint32_t done = 0;
    for (; done < stream->count && out->len < h->output_high_nbytes; done++) {
        uint8_t *at = handler_output_reserve(out, nbytes);
        if (at == NULL)
            return HANDLER_CLOSE;
        struct cdx_out cursor = {.next = at, .end = at + nbytes};
        if (kv_get_ok_encode(&cursor, request[done].rid, value) != CDX_OK)
            return HANDLER_CLOSE;
        out->len += nbytes;
    }
    bool all = done == stream->count;
    *consumed = handler_requests_finish(&h->requests, stream, done);
    if (all && stream->failed != CDX_OK) {
        handler_kv_refuse(s, out);
        return HANDLER_CLOSE;
    }
    return HANDLER_CONTINUE;
}

static void reply_turn_end(struct handler *h)
{
    (void)h;
}

static size_t reply_incomplete(const void *session)
{
    const struct handler_kv_stream *s = session;
    return handler_stream_incomplete(&s->stream);
}

static void reply_notice(struct handler *h, void *session, enum handler_notice notice,
                         struct handler_output *out)
{
    (void)h;
    (void)session;
    handler_kv_tell(notice, out);
}

const struct handler_class handler_reply = {
    .name = "reply",
    .session_nbytes = sizeof(struct handler_kv_stream),
    .open = reply_open,
    .close = reply_close,
    .session_start = reply_session_start,
    .session_end = reply_session_end,
    .turn_begin = reply_turn_begin,
    .accept = reply_accept,
    .prefetch = reply_prefetch,
    .answer = reply_answer,
    .turn_end = reply_turn_end,
    .incomplete = reply_incomplete,
    .notice = reply_notice,
};
