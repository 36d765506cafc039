/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `memcache` handler: the turn, and which function carries out which opcode.
 *
 * Happy path: the requests of all connections of a turn are one queue, whose keys are
 * looked up in groups ahead of them. Reads of a turn see one version until something is
 * written; a connection reads its own writes.
 * An answer for which there is no memory is never sent in part: what the turn
 * appended of it is taken back and the connection closes.
 */
#include "handler_memcache.h"

#include <caudex/heap.h>

#include <pthread.h>
#include <string.h>

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler *open_handlers;

/* ---- the protocol, as the queue sees it ---- */

static void parser_init(void *parser)
{
    memcache_request_parser_init(parser);
}

static void parser_restart(void *parser, uint64_t offset)
{
    memcache_request_parser_restart(parser, offset);
}

static uint64_t parser_offset(const void *parser)
{
    return memcache_request_offset(parser);
}

static bool parser_is_between(const void *parser)
{
    return memcache_request_is_between(parser);
}

static const char *parser_check(const void *parser, const struct cdx_spill *spill)
{
    return memcache_request_parser_check(parser, spill);
}

static const struct handler_protocol protocol = {
    .request_nbytes = sizeof(struct memcache_request),
    .wire_nbytes_min = MEMCACHE_REQUEST_NBYTES_MIN,
    .init = parser_init,
    .restart = parser_restart,
    .offset = parser_offset,
    .is_between = parser_is_between,
    .check = parser_check,
};

static inline enum cdx_status feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                   const uint8_t *end, void *request)
{
    return memcache_request_feed(parser, spill, next, end, request);
}

/* ---- opcodes ---- */

/* What an opcode needs. */
enum need {
    NEEDS_KEY = 1u << 0,      /* a key */
    NEEDS_NO_KEY = 1u << 1,   /* none */
    NEEDS_NO_VALUE = 1u << 2, /* no value */
};

struct operation {
    handler_memcache_function *run; /* NULL: there is no such opcode */
    uint8_t needs;
    bool quiet;
};

#define ABOUT_KEY (NEEDS_KEY | NEEDS_NO_VALUE)
#define ABOUT_NOTHING (NEEDS_NO_KEY | NEEDS_NO_VALUE)
#define BOTH(name, function, needs)                                                                \
    [MEMCACHE_OPCODE_##name] = {function, needs, false},                                           \
    [MEMCACHE_OPCODE_##name##_QUIET] = {function, needs, true}

static const struct operation operations[256] = {
    BOTH(GET, handler_memcache_get, ABOUT_KEY),
    BOTH(GET_KEY, handler_memcache_get, ABOUT_KEY),
    BOTH(GET_TOUCH, handler_memcache_touch, ABOUT_KEY),
    BOTH(GET_TOUCH_KEY, handler_memcache_touch, ABOUT_KEY),
    [MEMCACHE_OPCODE_TOUCH] = {handler_memcache_touch, ABOUT_KEY, false},
    BOTH(SET, handler_memcache_store, NEEDS_KEY),
    BOTH(ADD, handler_memcache_store, NEEDS_KEY),
    BOTH(REPLACE, handler_memcache_store, NEEDS_KEY),
    BOTH(APPEND, handler_memcache_extend, NEEDS_KEY),
    BOTH(PREPEND, handler_memcache_extend, NEEDS_KEY),
    BOTH(DELETE, handler_memcache_delete, ABOUT_KEY),
    BOTH(INCREMENT, handler_memcache_count, ABOUT_KEY),
    BOTH(DECREMENT, handler_memcache_count, ABOUT_KEY),
    BOTH(FLUSH, handler_memcache_flush, ABOUT_NOTHING),
    BOTH(QUIT, handler_memcache_quit, ABOUT_NOTHING),
    [MEMCACHE_OPCODE_NOOP] = {handler_memcache_noop, ABOUT_NOTHING, false},
    [MEMCACHE_OPCODE_VERSION] = {handler_memcache_version, ABOUT_NOTHING, false},
    [MEMCACHE_OPCODE_STAT] = {handler_memcache_stat, NEEDS_NO_VALUE, false},
    [MEMCACHE_OPCODE_VERBOSITY] = {handler_memcache_verbosity, ABOUT_NOTHING, false},
};

static bool fits(uint8_t needs, const struct memcache_request *request)
{
    return ((needs & NEEDS_KEY) == 0 || request->key.len != 0) &&
           ((needs & NEEDS_NO_KEY) == 0 || request->key.len == 0) &&
           ((needs & NEEDS_NO_VALUE) == 0 || request->value.len == 0);
}

static bool ask_lookup(const void *arg, uint32_t index, struct handler_lookup *lookup)
{
    const struct handler *h = arg;
    const struct memcache_request *request = handler_requests_at(&h->requests, index);
    lookup->kind = STORE_PROBE_KEY;
    lookup->key = request->key;
    return (operations[request->opcode].needs & NEEDS_KEY) != 0;
}

/* ---- lifecycle ---- */

static enum cdx_status memcache_open(const struct handler_env *env, struct handler **handler)
{
    struct handler *h = cdx_calloc(1, sizeof *h);
    if (h == NULL)
        return CDX_NO_MEMORY;
    h->section.store = env->store;
    h->env = env;
    h->probes.section = &h->section;
    h->probes.ask = ask_lookup;
    h->probes.arg = h;
    if (handler_requests_init(&h->requests, &protocol) != CDX_OK)
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

static void memcache_close(struct handler *h)
{
    pthread_mutex_lock(&open_lock);
    struct handler **link = &open_handlers;
    while (*link != h)
        link = &(*link)->next_open;
    *link = h->next_open;
    pthread_mutex_unlock(&open_lock);
    store_reader_close(h->section.reader);
    handler_requests_free(&h->requests);
    handler_output_free(&h->scratch);
    cdx_free(h);
}

void handler_memcache_each(void (*visit)(void *arg, const struct handler *h), void *arg)
{
    pthread_mutex_lock(&open_lock);
    for (const struct handler *h = open_handlers; h != NULL; h = h->next_open)
        visit(arg, h);
    pthread_mutex_unlock(&open_lock);
}

static void memcache_session_start(struct handler *h, void *session)
{
    struct handler_session *s = session;
    (void)h;
    handler_stream_init(&s->stream, &protocol, &s->parser);
}

static void memcache_session_end(struct handler *h, void *session)
{
    struct handler_session *s = session;
    (void)h;
    handler_stream_free(&s->stream);
}

/* ---- turns ---- */

static void memcache_turn_begin(struct handler *h)
{
    h->requests.count = 0;
    handler_memcache_flush_due(h);
}

static bool memcache_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct handler_session *s = session;
    return handler_requests_accept(&h->requests, &s->stream, input, feed);
}

static void memcache_prefetch(struct handler *h)
{
    handler_probes_begin(&h->probes, h->requests.count);
}

/* Carries out the request at `index` of the queue; false: its answer had no room. */
static bool carry_out(struct handler *h, uint32_t index)
{
    h->request = handler_requests_at(&h->requests, index);
    h->probe = handler_probes_at(&h->probes, index);
    h->no_room = false;
    const struct operation *operation = &operations[h->request->opcode];
    h->quiet = operation->quiet;
    size_t before = h->out->len;
    if (operation->run == NULL) {
        handler_memcache_error(h, MEMCACHE_STATUS_UNKNOWN_COMMAND);
    } else if (!fits(operation->needs, h->request)) {
        handler_memcache_error(h, MEMCACHE_STATUS_INVALID);
        h->closing = true;
    } else {
        operation->run(h);
    }
    if (h->no_room)
        h->out->len = before;
    return !h->no_room;
}

/*
 * The peer is told what memcached says of bytes that are no request: nothing at all when
 * they do not begin as one.
 */
static void refuse(struct handler *h, const struct handler_session *session)
{
    struct memcache_request refused;
    struct cdx_parse_error error;
    uint16_t status = MEMCACHE_STATUS_INVALID;
    memcache_request_numbers(&session->parser, &refused);
    h->request = &refused;
    h->no_room = false;
    memcache_request_error(&session->parser, &error);
    if (session->stream.failed == CDX_NO_MEMORY)
        status = MEMCACHE_STATUS_NO_MEMORY;
    else if (strcmp(error.field, "magic") == 0)
        return;
    else if (strcmp(error.field, "value") == 0)
        status = strcmp(error.reason, cdx_reason_text(CDX_REASON_LONG)) == 0
                     ? MEMCACHE_STATUS_TOO_LARGE
                     : MEMCACHE_STATUS_UNKNOWN_COMMAND;
    handler_memcache_error(h, status);
    h->request = NULL;
}

static enum handler_verdict memcache_answer(struct handler *h, void *session,
                                            struct handler_output *out, size_t *consumed)
{
    struct handler_session *s = session;
    uint32_t done = 0;
    h->out = out;
    h->closing = false;
    while (done < s->stream.count && out->len < h->env->output_high_nbytes) {
        if (!carry_out(h, s->stream.first + done) || h->closing) {
            handler_section_write_end(&h->section);
            return HANDLER_CLOSE;
        }
        done++;
    }
    handler_section_write_end(&h->section);
    if (h->scratch.cap > HANDLER_MEMCACHE_KEEP_NBYTES)
        handler_output_free(&h->scratch);
    bool all = done == s->stream.count;
    *consumed = handler_requests_finish(&h->requests, &s->stream, done);
    if (!all || s->stream.failed == CDX_OK)
        return HANDLER_CONTINUE;
    refuse(h, s);
    return HANDLER_CLOSE;
}

static void memcache_turn_end(struct handler *h)
{
    handler_section_read_end(&h->section);
}

static size_t memcache_incomplete(const void *session)
{
    const struct handler_session *s = session;
    return handler_stream_incomplete(&s->stream);
}

/* The protocol has no words for it: the connection just ends. */
static void memcache_notice(struct handler *h, void *session, enum handler_notice notice,
                            struct handler_output *out)
{
    (void)h;
    (void)session;
    (void)notice;
    (void)out;
}

const struct handler_class handler_memcache = {
    .name = "memcache",
    .session_nbytes = sizeof(struct handler_session),
    .open = memcache_open,
    .close = memcache_close,
    .session_start = memcache_session_start,
    .session_end = memcache_session_end,
    .turn_begin = memcache_turn_begin,
    .accept = memcache_accept,
    .prefetch = memcache_prefetch,
    .answer = memcache_answer,
    .turn_end = memcache_turn_end,
    .incomplete = memcache_incomplete,
    .notice = memcache_notice,
};
