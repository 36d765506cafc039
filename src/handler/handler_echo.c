/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `echo` handler: the bytes of a turn go back as they came. It is what
 * the net layer costs alone, and so the ceiling of everything else.
 */
#include "handler.h"

#include <caudex/heap.h>

struct handler {
    char unused; /* a class without state still has an object */
};

/* What a connection sent this turn; borrowed until it is answered. */
struct echo_session {
    struct cdx_bytes input;
};

static enum cdx_status echo_open(const struct handler_env *env, struct handler **handler)
{
    (void)env;
    *handler = cdx_calloc(1, sizeof **handler);
    return *handler != NULL ? CDX_OK : CDX_NO_MEMORY;
}

static void echo_close(struct handler *h)
{
    cdx_free(h);
}

static void echo_session_start(struct handler *h, void *session)
{
    struct echo_session *s = session;
    (void)h;
    s->input = cdx_empty();
}

static void echo_session_end(struct handler *h, void *session)
{
    (void)h;
    (void)session;
}

static void echo_turn_begin(struct handler *h)
{
    (void)h;
}

static bool echo_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct echo_session *s = session;
    (void)h;
    s->input = input;
    return true;
}

static void echo_prefetch(struct handler *h)
{
    (void)h;
}

static enum handler_verdict echo_answer(struct handler *h, void *session,
                                        struct handler_output *out, size_t *consumed)
{
    struct echo_session *s = session;
    (void)h;
    uint8_t *at = handler_output_reserve(out, s->input.len);
    if (at == NULL)
        return HANDLER_CLOSE;
    if (s->input.len != 0)
        memcpy(at, s->input.data, s->input.len);
    out->len += s->input.len;
    *consumed = s->input.len;
    s->input = cdx_empty();
    return HANDLER_CONTINUE;
}

static void echo_turn_end(struct handler *h)
{
    (void)h;
}

static size_t echo_incomplete(const void *session)
{
    (void)session;
    return 0;
}

static void echo_notice(struct handler *h, void *session, enum handler_notice notice,
                        struct handler_output *out)
{
    (void)h;
    (void)session;
    (void)notice;
    (void)out;
}

const struct handler_class handler_echo = {
    .name = "echo",
    .session_nbytes = sizeof(struct echo_session),
    .open = echo_open,
    .close = echo_close,
    .session_start = echo_session_start,
    .session_end = echo_session_end,
    .turn_begin = echo_turn_begin,
    .accept = echo_accept,
    .prefetch = echo_prefetch,
    .answer = echo_answer,
    .turn_end = echo_turn_end,
    .incomplete = echo_incomplete,
    .notice = echo_notice,
};
