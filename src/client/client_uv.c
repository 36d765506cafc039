/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport on the caller's libuv loop.
 *
 * The happy path: look up the name, try its addresses one after the other, read.
 * The first request of a turn starts the idle handle; that runs before the loop waits
 * again and sends what all callbacks have queued, with one uv_try_write; only what
 * the socket does not take goes to uv_write.
 *
 *     resolving ─► connecting ─┬─► connected ─► ended ─► closing ─► freed
 *                    ^ next ───┘ refused          ^ also from every state before
 *
 * Failure modes: no address; every address refuses; not in time; the peer closes,
 * resets or breaks the protocol: `end` tells all open requests, then the caller.
 * Whatever happens, memory is freed when our last handle and request has left the loop.
 */
#include "client_address.h"
#include "client_text.h"

#include <caudex/client_uv.h>
#include <caudex/heap.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

/** Bytes asked of the system at once. */
#define INPUT_NBYTES 65536u

enum state { RESOLVING, CONNECTING, CONNECTED, ENDED, CLOSING };

struct cdx_uv {
    uv_loop_t *loop;
    struct cdx_core *core;
    enum state state;
    unsigned outstanding; /* handles and requests that libuv knows of, and that hold this memory */
    bool has_stream;
    bool is_deaf;    /* the peer takes no more of our bytes */
    bool is_writing; /* write_request is in use */
    size_t writing_nbytes;
    uint64_t connect_by_ms;
    uint64_t armed_ms; /* when the timer will fire; UINT64_MAX: it is not running */
    int refusal;       /* why the last address could not be connected to: a libuv error */
    const char *cause; /* static; what the system says about the end, or NULL */
    cdx_uv_event_fn *event;
    void *event_arg;
    cdx_uv_closed_fn *closed;
    void *closed_arg;
    struct addrinfo *found; /* all addresses of the name */
    const struct addrinfo *candidate;
    struct cdx__address address;
    uv_getaddrinfo_t lookup;
    uv_connect_t connect_request;
    uv_write_t write_request;
    uv_timer_t timer;
    uv_idle_t idle;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } as;
    char text[CDX_CLIENT_TEXT_NBYTES_MAX];
    char input[INPUT_NBYTES];
};

static void try_next(struct cdx_uv *uv);
static void on_connected(uv_connect_t *request, int status);

/* ---- the end ---- */

static const char *text_of(int code)
{
    const bool is_errno = code > UV_EAI_ADDRFAMILY; /* libuv's own codes lie below */
    return is_errno ? cdx__text_of_errno(-code) : uv_strerror(code);
}

static void let_go(struct cdx_uv *uv)
{
    uv->outstanding--;
    if (uv->state != CLOSING || uv->outstanding != 0)
        return;
    cdx_uv_closed_fn *const closed = uv->closed;
    void *const arg = uv->closed_arg;
    cdx_core_destroy(uv->core);
    if (uv->found != NULL)
        uv_freeaddrinfo(uv->found);
    cdx_free(uv);
    if (closed != NULL)
        closed(arg);
}

static void on_closed(uv_handle_t *handle)
{
    let_go((struct cdx_uv *)handle->data);
}

/* Ends a connection, or the attempt at one, and says so, once. */
static void end(struct cdx_uv *uv, enum cdx_status why, const char *cause)
{
    if (uv->state >= ENDED)
        return;
    uv->state = ENDED;
    uv->cause = cause;
    if (uv->has_stream)
        (void)uv_read_stop(&uv->as.stream);
    (void)uv_idle_stop(&uv->idle);
    (void)uv_timer_stop(&uv->timer);
    cdx_core_close(uv->core, why);
    if (uv->state == ENDED && uv->event != NULL)
        uv->event(uv->event_arg, uv, why);
}

void cdx_uv_close(struct cdx_uv *uv, cdx_uv_closed_fn *closed, void *arg)
{
    if (uv->state == CLOSING)
        return;
    const bool is_resolving = uv->state == RESOLVING;
    uv->state = CLOSING;
    uv->closed = closed;
    uv->closed_arg = arg;
    if (is_resolving)
        (void)uv_cancel((uv_req_t *)&uv->lookup); /* its callback comes in either case */
    if (uv->has_stream && !uv_is_closing(&uv->as.handle))
        uv_close(&uv->as.handle, on_closed);
    uv_close((uv_handle_t *)&uv->timer, on_closed);
    uv_close((uv_handle_t *)&uv->idle, on_closed);
    cdx_core_close(uv->core, CDX_CLOSED);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

/* A timer that fires too early is armed again then: cheaper than moving it at every request. */
static void arm(struct cdx_uv *uv)
{
    if (uv->state >= ENDED)
        return;
    uint64_t due_ms = cdx_core_next_deadline(uv->core);
    if (uv->state < CONNECTED && uv->connect_by_ms < due_ms)
        due_ms = uv->connect_by_ms;
    if (due_ms >= uv->armed_ms)
        return;
    const uint64_t now_ms = uv_now(uv->loop);
    uv->armed_ms = due_ms;
    (void)uv_timer_start(&uv->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct cdx_uv *uv = (struct cdx_uv *)timer->data;
    const uint64_t now_ms = uv_now(uv->loop);
    uv->armed_ms = UINT64_MAX;
    cdx_core_expire(uv->core, now_ms);
    if (uv->state < CONNECTED && now_ms >= uv->connect_by_ms)
        end(uv, CDX_TIMEOUT, "no connection in time");
    arm(uv);
}

/* ---- output ---- */

static void flush(struct cdx_uv *uv);

static void write_failed(struct cdx_uv *uv, int code)
{
    /* What the peer has said before it went away is still read: it is often the reason. */
    if (code == UV_EPIPE || code == UV_ECONNRESET || code == UV_ECANCELED)
        uv->is_deaf = true;
    else
        end(uv, CDX_SYSTEM, text_of(code));
}

static void on_written(uv_write_t *request, int status)
{
    struct cdx_uv *uv = (struct cdx_uv *)request->data;
    uv->is_writing = false;
    if (status < 0) {
        write_failed(uv, status);
        return;
    }
    cdx_core_output_sent(uv->core, uv->writing_nbytes);
    flush(uv);
}

/* What the socket does not take at once: libuv sends it when it can, from where it is. */
static void write_rest(struct cdx_uv *uv, const uv_buf_t *buffers, unsigned count, size_t nbytes)
{
    const int code = uv_write(&uv->write_request, &uv->as.stream, buffers, count, on_written);
    if (code < 0) {
        write_failed(uv, code);
        return;
    }
    uv->is_writing = true;
    uv->writing_nbytes = nbytes;
}

static unsigned take_buffers(const struct cdx_uv *uv, uv_buf_t *buffers, size_t *nbytes)
{
    struct cdx_bytes views[CDX_CLIENT_VIEWS_MAX];
    const size_t count = cdx_core_output(uv->core, views, CDX_CLIENT_VIEWS_MAX);
    *nbytes = 0;
    for (size_t i = 0; i < count; i++) {
        buffers[i] = uv_buf_init((char *)(uintptr_t)views[i].data, (unsigned)views[i].len);
        *nbytes += views[i].len;
    }
    return (unsigned)count;
}

static void flush(struct cdx_uv *uv)
{
    uv_buf_t buffers[CDX_CLIENT_VIEWS_MAX];
    size_t nbytes;
    while (uv->state == CONNECTED && !uv->is_deaf && !uv->is_writing) {
        const unsigned count = take_buffers(uv, buffers, &nbytes);
        if (count == 0)
            return;
        const int n = uv_try_write(&uv->as.stream, buffers, count);
        if (n > 0)
            cdx_core_output_sent(uv->core, (size_t)n);
        else if (n == UV_EAGAIN)
            write_rest(uv, buffers, count, nbytes);
        else if (n < 0)
            write_failed(uv, n);
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct cdx_uv *uv = (struct cdx_uv *)idle->data;
    (void)uv_idle_stop(idle);
    flush(uv);
    arm(uv);
}

/* A request begins. The loop's time may be old: its callbacks take time, and it may not run yet. */
static void on_wake(void *arg)
{
    struct cdx_uv *uv = (struct cdx_uv *)arg;
    if (!uv_is_active((uv_handle_t *)&uv->idle)) {
        uv_update_time(uv->loop);
        (void)uv_idle_start(&uv->idle, on_idle);
    }
    cdx_core_set_now(uv->core, uv_now(uv->loop));
}

/* ---- input ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct cdx_uv *uv = (struct cdx_uv *)handle->data;
    (void)suggested;
    *buffer = uv_buf_init(uv->input, INPUT_NBYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct cdx_uv *uv = (struct cdx_uv *)stream->data;
    if (n == UV_EOF) {
        end(uv, CDX_CLOSED, "closed by the peer");
    } else if (n < 0) {
        const bool gone = n == UV_ECONNRESET || n == UV_EPIPE || n == UV_ETIMEDOUT;
        end(uv, gone ? CDX_CLOSED : CDX_SYSTEM, text_of((int)n));
    }
    if (n <= 0)
        return;
    const uint8_t *next = (const uint8_t *)buffer->base;
    const uint8_t *const input_end = next + n;
    enum cdx_status status = CDX_OK;
    cdx_core_set_now(uv->core, uv_now(uv->loop));
    while (status == CDX_OK && next != input_end) /* again where a callback has paused */
        status = cdx_core_input(uv->core, &next, input_end);
    if (status != CDX_OK)
        end(uv, status, NULL);
}

/* ---- connecting ---- */

static void on_connection(struct cdx_uv *uv)
{
    uv->state = CONNECTED;
    if (!uv->address.is_unix)
        (void)uv_tcp_nodelay(&uv->as.tcp, 1);
    const int code = uv_read_start(&uv->as.stream, on_room, on_read);
    if (code < 0) {
        end(uv, CDX_SYSTEM, text_of(code));
        return;
    }
    if (uv->event != NULL)
        uv->event(uv->event_arg, uv, CDX_OK);
    if (uv->state == CONNECTED)
        flush(uv);
}

/* The handle of an address that has refused is closed: on to the next address. */
static void on_refused_closed(uv_handle_t *handle)
{
    struct cdx_uv *uv = (struct cdx_uv *)handle->data;
    uv->has_stream = false;
    if (uv->state == CONNECTING)
        try_next(uv);
    let_go(uv);
}

static void refused(struct cdx_uv *uv, int code)
{
    uv->refusal = code;
    uv_close(&uv->as.handle, on_refused_closed);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct cdx_uv *uv = (struct cdx_uv *)request->data;
    if (uv->state != CONNECTING)
        return;
    if (status < 0)
        refused(uv, status);
    else
        on_connection(uv);
}

static void has_stream(struct cdx_uv *uv)
{
    uv->has_stream = true;
    uv->as.handle.data = uv;
    uv->connect_request.data = uv;
    uv->write_request.data = uv;
    uv->outstanding++;
}

static void try_next(struct cdx_uv *uv)
{
    const struct addrinfo *to = uv->candidate;
    if (to == NULL) {
        end(uv, CDX_SYSTEM, text_of(uv->refusal));
        return;
    }
    uv->candidate = to->ai_next;
    const int made = uv_tcp_init(uv->loop, &uv->as.tcp);
    if (made < 0) {
        end(uv, CDX_SYSTEM, text_of(made));
        return;
    }
    has_stream(uv);
    const int code = uv_tcp_connect(&uv->connect_request, &uv->as.tcp, to->ai_addr, on_connected);
    if (code < 0)
        refused(uv, code);
}

static void on_resolved(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct cdx_uv *uv = (struct cdx_uv *)lookup->data;
    uv->found = found;
    uv->candidate = found;
    if (uv->state == RESOLVING && status < 0) {
        end(uv, CDX_ADDRESS, text_of(status));
    } else if (uv->state == RESOLVING) {
        uv->state = CONNECTING;
        try_next(uv);
    }
    let_go(uv);
}

static int start_lookup(struct cdx_uv *uv)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)uv->address.port);
    uv->state = RESOLVING;
    uv->lookup.data = uv;
    const int code =
        uv_getaddrinfo(uv->loop, &uv->lookup, on_resolved, uv->address.host, port, &hints);
    if (code == 0)
        uv->outstanding++;
    else
        uv->state = ENDED;
    return code;
}

static int start_pipe(struct cdx_uv *uv)
{
    const int code = uv_pipe_init(uv->loop, &uv->as.pipe, 0);
    uv->state = CONNECTING;
    if (code < 0)
        return code;
    has_stream(uv);
    uv_pipe_connect(&uv->connect_request, &uv->as.pipe, uv->address.host, on_connected);
    return 0;
}

/* ---- lifecycle ---- */

static enum cdx_status uv_new(uv_loop_t *loop, const struct cdx__address *address,
                              const struct cdx_client_protocol *protocol,
                              const struct cdx_client_options *options, struct cdx_uv **made)
{
    struct cdx_uv *uv = (struct cdx_uv *)cdx_calloc(1, sizeof *uv);
    if (uv == NULL)
        return CDX_NO_MEMORY;
    const enum cdx_status status = cdx_core_create(protocol, options, &uv->core);
    if (status != CDX_OK) {
        cdx_free(uv);
        return status;
    }
    uv->loop = loop;
    uv->address = *address;
    uv->armed_ms = UINT64_MAX;
    (void)uv_timer_init(loop, &uv->timer); /* cannot fail, nor can the next */
    (void)uv_idle_init(loop, &uv->idle);
    uv->outstanding = 2;
    /* The socket keeps the loop running; these two only serve it. */
    uv_unref((uv_handle_t *)&uv->timer);
    uv_unref((uv_handle_t *)&uv->idle);
    uv->timer.data = uv;
    uv->idle.data = uv;
    cdx_core_on_wake(uv->core, on_wake, uv);
    *made = uv;
    return CDX_OK;
}

static void set_connect_deadline(struct cdx_uv *uv, const struct cdx_client_options *options)
{
    const uint32_t asked_ms = options != NULL ? options->timeout_ms : 0;
    const uint32_t timeout_ms = asked_ms != 0 ? asked_ms : CDX_CLIENT_TIMEOUT_MS_DEFAULT;
    uv_update_time(uv->loop);
    uv->connect_by_ms =
        timeout_ms == CDX_CLIENT_TIMEOUT_MS_NEVER ? UINT64_MAX : uv_now(uv->loop) + timeout_ms;
    arm(uv);
}

enum cdx_status cdx_uv_connect(struct uv_loop_s *loop, const char *address,
                               const struct cdx_client_protocol *protocol,
                               const struct cdx_client_options *options, cdx_uv_event_fn *event,
                               void *arg, struct cdx_uv **uv)
{
    char *const text = options != NULL ? options->connect_error : NULL;
    struct cdx__address parsed;
    const char *expected = cdx__address_parse(address, protocol->port, &parsed);
    if (expected != NULL) {
        cdx__text_write(text, address, expected);
        return CDX_ADDRESS;
    }
    struct cdx_uv *made;
    const enum cdx_status status = uv_new(loop, &parsed, protocol, options, &made);
    if (status != CDX_OK) {
        cdx__text_write(text, parsed.name, cdx_status_text(status));
        return status;
    }
    const int code = parsed.is_unix ? start_pipe(made) : start_lookup(made);
    if (code < 0) {
        cdx__text_write(text, parsed.name, text_of(code));
        cdx_uv_close(made, NULL, NULL);
        return code == UV_ENOMEM ? CDX_NO_MEMORY : CDX_SYSTEM;
    }
    made->event = event;
    made->event_arg = arg;
    set_connect_deadline(made, options);
    *uv = made;
    return CDX_OK;
}

/* ---- inspection ---- */

struct cdx_core *cdx_uv_core(struct cdx_uv *uv)
{
    return uv->core;
}

const char *cdx_uv_error_text(struct cdx_uv *uv)
{
    cdx__text_of_core(uv->text, uv->core, uv->address.name, uv->cause);
    return uv->text;
}
