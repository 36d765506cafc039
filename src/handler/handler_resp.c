/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `resp` handler: Redis's commands on the store. The turn, and how a
 * command gets its arguments.
 *
 * Happy path: the commands of all connections of a turn are one queue, whose first
 * keys are looked up in groups ahead of them. Reads of a turn see one version until
 * something is written; a connection reads its own writes.
 * An answer for which there is no memory is never sent in part: what the turn
 * appended of it is taken back and the connection closes.
 */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <caudex/heap.h>

/* ---- lifecycle ---- */

static bool ask_lookup(const void *arg, uint32_t index, struct handler_lookup *lookup)
{
    const struct handler *h = arg;
    const struct handler_resp_request *request = handler_requests_at(&h->requests, index);
    if (request->command == NULL || request->command->probe == RESP_PROBE_NONE ||
        request->count < 2)
        return false;
    lookup->kind =
        request->command->probe == RESP_PROBE_MATCH ? STORE_PROBE_MATCH : STORE_PROBE_KEY;
    lookup->key = request->words[1];
    return true;
}

static enum cdx_status resp_open(const struct handler_env *env, struct handler **handler)
{
    struct handler *h = cdx_calloc(1, sizeof *h);
    if (h == NULL)
        return CDX_NO_MEMORY;
    handler_resp_table_init();
    h->env = env;
    h->section.store = env->store;
    h->probes.section = &h->section;
    h->probes.ask = ask_lookup;
    h->probes.arg = h;
    h->calls = cdx_calloc(handler_resp_command_count, sizeof *h->calls);
    if (h->calls == NULL)
        goto err_after_handler;
    if (handler_requests_init(&h->requests, &handler_resp_protocol) != CDX_OK)
        goto err_after_calls;
    if (store_reader_open(env->store, &h->section.reader) != STORE_OK)
        goto err_after_requests;
    handler_resp_opened(h);
    *handler = h;
    return CDX_OK;

err_after_requests:
    handler_requests_free(&h->requests);
err_after_calls:
    cdx_free(h->calls);
err_after_handler:
    cdx_free(h);
    return CDX_NO_MEMORY;
}

static void resp_close(struct handler *h)
{
    handler_resp_closed(h);
    store_reader_close(h->section.reader);
    handler_requests_free(&h->requests);
    handler_output_free(&h->scratch);
    cdx_free(h->args);
    cdx_free(h->ops);
    cdx_free(h->calls);
    cdx_free(h);
}

static void resp_session_start(struct handler *h, void *session)
{
    struct handler_session *s = session;
    *s = (struct handler_session){.more = NULL};
    handler_resp_stream_init(&s->stream);
    handler_resp_client_begin(h, &s->client);
}

static void resp_session_end(struct handler *h, void *session)
{
    struct handler_session *s = session;
    (void)h;
    handler_resp_more_drop(s);
    handler_resp_client_end(&s->client);
    handler_stream_free(&s->stream.stream);
}

/* ---- arguments ---- */

/* Room for `count` arguments and, behind them, `nbytes` of their bytes; false: no memory. */
static bool args_reserve(struct handler *h, size_t count, size_t nbytes)
{
    size_t size = count * sizeof *h->args + nbytes;
    if (size <= h->args_nbytes)
        return true;
    if (size < HANDLER_RESP_KEEP_NBYTES)
        size = HANDLER_RESP_KEEP_NBYTES;
    struct cdx_bytes *args = cdx_malloc(size);
    if (args == NULL)
        return false;
    cdx_free(h->args);
    h->args = args;
    h->args_nbytes = size;
    return true;
}

/* What large commands needed is given back. */
static void args_trim(struct handler *h)
{
    if (h->args_nbytes > HANDLER_RESP_KEEP_NBYTES) {
        cdx_free(h->args);
        h->args = NULL;
        h->args_nbytes = 0;
    }
    if (h->ops_cap * sizeof *h->ops > HANDLER_RESP_KEEP_NBYTES) {
        cdx_free(h->ops);
        h->ops = NULL;
        h->ops_cap = 0;
    }
    if (h->scratch.cap > HANDLER_RESP_KEEP_NBYTES)
        handler_output_free(&h->scratch);
}

static void run_words(struct handler *h, const struct handler_resp_request *request)
{
    if (request->count <= HANDLER_RESP_WORDS_HELD) {
        handler_resp_run(h, request->command, request->words, request->count);
        return;
    }
    if (!args_reserve(h, request->count, 0)) {
        handler_resp_error(h, RESP_ERROR_MEMORY);
        return;
    }
    handler_resp_words(request, h->args);
    handler_resp_run(h, request->command, h->args, request->count);
}

static void run_inline(struct handler *h, struct cdx_bytes line)
{
    size_t words = line.len / 2 + 1;
    size_t count;
    if (!args_reserve(h, words, line.len)) {
        handler_resp_error(h, RESP_ERROR_MEMORY);
        return;
    }
    if (!handler_resp_text_split(line, (uint8_t *)(h->args + words), h->args, &count)) {
        handler_resp_error(h, "ERR Protocol error: unbalanced quotes in request");
        h->closing = true;
    } else if (count != 0) {
        handler_resp_run(h, handler_resp_find(h->args[0]), h->args, count);
    }
}

/* ---- turns ---- */

static void resp_turn_begin(struct handler *h)
{
    h->requests.count = 0;
    handler_parked_expire(h->section.store);
}

static bool resp_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct handler_session *s = session;
    if (s->more != NULL)
        return true; /* the input waits until its answer is through */
    return handler_resp_stream_accept(&h->requests, &s->stream, input);
}

static void resp_prefetch(struct handler *h)
{
    handler_probes_begin(&h->probes, h->requests.count);
}

/* Carries out the command at `index` of the queue; false: its answer had no room. */
static bool carry_out(struct handler *h, uint32_t index)
{
    const struct handler_resp_request *request = handler_requests_at(&h->requests, index);
    h->probe = handler_probes_at(&h->probes, index);
    h->no_room = false;
    h->answer_begun = h->out->len;
    if (request->count != 0)
        run_words(h, request);
    else
        run_inline(h, request->line);
    if (h->no_room)
        h->out->len = h->answer_begun;
    return !h->no_room;
}

/* The peer is told in its protocol why it cannot be parsed on. */
static void refuse(struct handler *h)
{
    char reason[HANDLER_RESP_REASON_NBYTES];
    if (h->session->stream.stream.failed == CDX_NO_MEMORY) {
        handler_resp_error(h, "ERR no memory for the command");
        return;
    }
    handler_resp_reason(&h->session->stream, reason);
    handler_resp_error_of(h, "ERR Protocol error: %s", reason);
}

/* Carries out what the session sent, until its output is full or an answer goes on. */
static enum handler_verdict answer_commands(struct handler *h, size_t *consumed)
{
    struct handler_stream *stream = &h->session->stream.stream;
    uint32_t done = 0;
    while (done < stream->count && h->out->len < h->env->output_high_nbytes) {
        if (!carry_out(h, stream->first + done) || h->closing)
            return HANDLER_CLOSE;
        done++;
        if (h->session->more != NULL) {
            *consumed = handler_requests_hold(&h->requests, stream, done);
            return HANDLER_CONTINUE;
        }
    }
    bool all = done == stream->count;
    *consumed = handler_requests_finish(&h->requests, stream, done);
    if (all && stream->failed != CDX_OK) {
        refuse(h);
        return HANDLER_CLOSE;
    }
    return HANDLER_CONTINUE;
}

/* The next slice of the session's answer; its command's last byte is the input's first. */
static enum handler_verdict answer_on(struct handler *h, size_t *consumed)
{
    h->answer_begun = h->out->len;
    h->no_room = false;
    handler_resp_go_on(h);
    if (h->no_room)
        h->out->len = h->answer_begun;
    *consumed = h->session->more == NULL;
    return h->no_room || h->closing ? HANDLER_CLOSE : HANDLER_CONTINUE;
}

static enum handler_verdict resp_answer(struct handler *h, void *session,
                                        struct handler_output *out, size_t *consumed)
{
    h->session = session;
    h->out = out;
    h->no_room = false;
    h->closing = false;
    atomic_store_explicit(&h->session->client.active_ms, store_now(h->section.store),
                          memory_order_relaxed);
    enum handler_verdict verdict =
        h->session->more != NULL ? answer_on(h, consumed) : answer_commands(h, consumed);
    handler_section_write_end(&h->section);
    args_trim(h);
    return verdict;
}

static void resp_turn_end(struct handler *h)
{
    handler_section_read_end(&h->section);
}

static size_t resp_incomplete(const void *session)
{
    const struct handler_session *s = session;
    return handler_stream_incomplete(&s->stream.stream);
}

/* Redis says nothing to a client that is idle or still connected when it ends. */
static void resp_notice(struct handler *h, void *session, enum handler_notice notice,
                        struct handler_output *out)
{
    (void)session;
    h->out = out;
    h->no_room = false;
    if (notice == HANDLER_NOTICE_BUSY)
        handler_resp_error(h, "ERR max number of clients reached");
    else if (notice == HANDLER_NOTICE_SLOW)
        handler_resp_error(h, "ERR a command is too long, or took too long to arrive");
}

const struct handler_class handler_resp = {
    .name = "resp",
    .session_nbytes = sizeof(struct handler_session),
    .open = resp_open,
    .close = resp_close,
    .session_start = resp_session_start,
    .session_end = resp_session_end,
    .turn_begin = resp_turn_begin,
    .accept = resp_accept,
    .prefetch = resp_prefetch,
    .answer = resp_answer,
    .turn_end = resp_turn_end,
    .incomplete = resp_incomplete,
    .notice = resp_notice,
};
