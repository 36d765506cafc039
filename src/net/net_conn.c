/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, from accept to the last callback.
 *
 * Happy path: bytes arrive in an input buffer, the loop's turn answers them,
 * the answers leave with one write.
 *
 * Failure modes, and what becomes of them:
 * - the peer does not read: what the system does not take is kept up to the
 *   high-water mark, then nothing more is read until it falls below the low one;
 * - the peer sends less than a request, for too long or too much: told, ended;
 * - the peer closes its side: what it sent is answered, then the stream ends;
 * - the peer reads its last answers so slowly that this takes too long in all: closed;
 * - a reset, or no memory for the connection: closed at once and counted;
 * - ended by us: FIN is sent behind the answers and the peer's rest is read,
 *   because closing with unread bytes would make the system throw the answers away.
 */
#include "net_internal.h"

#include <caudex/heap.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void start_reading(struct net_conn *conn);

static uint64_t limit_of(_Atomic uint64_t *limit)
{
    return atomic_load_explicit(limit, memory_order_relaxed);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    struct net_conn *conn = handle->data;
    struct net_loop *loop = conn->loop;
    if (!conn->refused)
        conn->host->class->session_end(conn->host->handler, conn->session);
    net_link_remove(&conn->all);
    if (conn->refused)
        loop->refused_count--;
    else
        atomic_fetch_sub_explicit(&loop->server->connections, 1, memory_order_relaxed);
    cdx_free(conn->stash);
    cdx_free(conn);
    net_loop_maybe_end(loop);
}

void net_conn_close(struct net_conn *conn)
{
    if (conn->state == NET_CLOSING)
        return;
    conn->state = NET_CLOSING;
    net_link_remove(&conn->ready);
    uv_close(&conn->uv.handle, on_closed);
}

static void close_reset(struct net_conn *conn)
{
    if (conn->state != NET_CLOSING)
        net_count(&conn->loop->counters.reset, 1);
    net_conn_close(conn);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct net_conn *conn = request->data;
    if (conn->state == NET_CLOSING)
        return;
    if (status != 0 || conn->eof) {
        net_conn_close(conn);
        return;
    }
    conn->state = NET_LINGERING;
    conn->deadline_ms = uv_now(&conn->loop->uv) + NET_LINGER_MS;
    start_reading(conn);
}

/* All answers are with the system: ends our side of the stream. */
static void maybe_shutdown(struct net_conn *conn)
{
    if (conn->state != NET_FLUSHING || conn->unsent != 0 || conn->shutdown.data != NULL)
        return;
    conn->shutdown.data = conn;
    if (uv_shutdown(&conn->shutdown, &conn->uv.stream, on_shutdown) != 0)
        net_conn_close(conn);
}

static void stop_reading(struct net_conn *conn)
{
    if (conn->reading)
        uv_read_stop(&conn->uv.stream);
    conn->reading = false;
}

void net_conn_finish(struct net_conn *conn)
{
    if (conn->state != NET_SERVING)
        return;
    conn->state = NET_FLUSHING;
    conn->finish_ms = uv_now(&conn->loop->uv);
    conn->deadline_ms = conn->finish_ms + NET_LINGER_MS;
    net_link_remove(&conn->ready);
    stop_reading(conn);
    maybe_shutdown(conn);
}

void net_conn_notice(struct net_conn *conn, enum handler_notice notice)
{
    struct handler_output out = {0};
    if (conn->state != NET_SERVING)
        return;
    conn->host->class->notice(conn->host->handler, conn->refused ? NULL : conn->session, notice,
                              &out);
    net_conn_send(conn, &out);
    handler_output_free(&out);
    net_conn_finish(conn);
}

/* ---- writing ---- */

static void resume(struct net_conn *conn)
{
    if (conn->state != NET_SERVING || !conn->paused ||
        conn->unsent > conn->loop->server->config.output_low_nbytes)
        return;
    conn->paused = false;
    conn->begun_ms = uv_now(&conn->loop->uv); /* the peer could not go on before */
    if (conn->stash_nbytes != 0) {
        net_link_append(&conn->loop->later, &conn->ready);
        net_loop_again(conn->loop);
    } else if (conn->eof) {
        net_conn_finish(conn);
    } else {
        start_reading(conn);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct net_write *write = request->data;
    struct net_conn *conn = write->conn;
    conn->unsent -= sizeof *write + write->nbytes;
    if (status == 0)
        net_count(&conn->loop->counters.bytes_out, write->nbytes);
    cdx_free(write);
    if (conn->state == NET_CLOSING)
        return;
    if (status != 0) {
        close_reset(conn);
        return;
    }
    conn->active_ms = uv_now(&conn->loop->uv);
    resume(conn);
    maybe_shutdown(conn);
}

/* Hands a copy of the bytes to libuv. */
static void send_later(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    struct net_write *write = cdx_malloc(sizeof *write + n);
    if (write == NULL) {
        close_reset(conn);
        return;
    }
    write->conn = conn;
    write->nbytes = n;
    write->request.data = write;
    memcpy(write->bytes, bytes, n);
    uv_buf_t buf = {.base = (char *)write->bytes, .len = n};
    if (uv_write(&write->request, &conn->uv.stream, &buf, 1, on_written) != 0) {
        cdx_free(write);
        close_reset(conn);
        return;
    }
    conn->unsent += sizeof *write + n; /* many small answers cost more than their bytes */
}

void net_conn_send(struct net_conn *conn, struct handler_output *out)
{
    size_t sent = 0;
    if (out->len == 0 || conn->state == NET_CLOSING)
        return;
    if (conn->unsent == 0) {
        uv_buf_t buf = {.base = (char *)out->data, .len = out->len};
        int rc = uv_try_write(&conn->uv.stream, &buf, 1);
        if (rc < 0 && rc != UV_EAGAIN) {
            close_reset(conn);
            return;
        }
        sent = rc > 0 ? (size_t)rc : 0;
        net_count(&conn->loop->counters.bytes_out, sent);
        if (sent != 0)
            conn->active_ms = uv_now(&conn->loop->uv); /* a long answer is no idleness */
    }
    if (sent < out->len)
        send_later(conn, out->data + sent, out->len - sent);
    out->len = 0;
}

/* ---- after a turn ---- */

/* Keeps what the handler did not consume; false: no memory. */
static bool keep_rest(struct net_conn *conn, size_t consumed)
{
    bool from_stash = conn->stash_nbytes != 0;
    size_t rest = conn->input.len - consumed;
    if (from_stash) {
        conn->stash_nbytes -= consumed;
        if (conn->stash_nbytes != 0 && consumed != 0)
            memmove(conn->stash, conn->stash + consumed, conn->stash_nbytes);
    } else if (rest != 0) {
        conn->stash = cdx_malloc(rest);
        if (conn->stash == NULL)
            return false;
        memcpy(conn->stash, conn->input.data + consumed, rest);
        conn->stash_nbytes = rest;
    }
    if (conn->stash_nbytes == 0) {
        cdx_free(conn->stash);
        conn->stash = NULL;
    }
    return true;
}

/* Notes since when a request is incomplete: trickling bytes do not move the time. */
static void note_incomplete(struct net_conn *conn, bool answered)
{
    size_t before = conn->incomplete;
    conn->incomplete = conn->host->class->incomplete(conn->session);
    if (before == 0 || answered)
        conn->begun_ms = uv_now(&conn->loop->uv);
}

void net_conn_after_turn(struct net_conn *conn, enum handler_verdict verdict, size_t consumed,
                         bool answered)
{
    if (conn->state != NET_SERVING)
        return;
    if (verdict == HANDLER_CLOSE) {
        net_conn_finish(conn);
        return;
    }
    if (!keep_rest(conn, consumed)) {
        close_reset(conn);
        return;
    }
    conn->input = cdx_empty();
    note_incomplete(conn, answered);
    if (conn->incomplete > conn->loop->server->config.request_nbytes_max) {
        net_count(&conn->loop->counters.slow_closed, 1);
        net_conn_notice(conn, HANDLER_NOTICE_SLOW);
        return;
    }
    if (conn->unsent > conn->loop->server->config.output_high_nbytes ||
        (conn->unsent > conn->loop->server->config.output_low_nbytes &&
         (conn->stash_nbytes != 0 || conn->eof))) {
        net_count(&conn->loop->counters.paused, 1);
        conn->paused = true;
        stop_reading(conn);
    } else if (conn->stash_nbytes != 0) {
        stop_reading(conn);
        net_link_append(&conn->loop->later, &conn->ready);
        net_loop_again(conn->loop);
    } else if (conn->eof) {
        net_conn_finish(conn);
    } else {
        start_reading(conn);
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct net_conn *conn = handle->data;
    struct net_inputs *in = &conn->loop->inputs;
    (void)suggested;
    *buf = (uv_buf_t){.base = NULL, .len = 0};
    if (!net_link_alone(&conn->ready))
        return; /* its input of this turn is not worked on yet: see no_room() */
    if (NET_INPUT_NBYTES - in->used < NET_INPUT_PIECE_NBYTES) {
        if (in->current + 1 == NET_INPUT_BUFFERS_MAX)
            return; /* on_read() runs the turn */
        in->current++;
        in->used = 0;
    }
    if (in->buffers[in->current] == NULL) {
        in->buffers[in->current] = cdx_malloc(NET_INPUT_NBYTES);
        if (in->buffers[in->current] == NULL)
            return;
    }
    buf->base = (char *)in->buffers[in->current] + in->used;
    size_t room = NET_INPUT_NBYTES - in->used;
    size_t most = net_loop_read_max(conn->loop);
    buf->len = room < most ? room : most;
}

static void take_input(struct net_conn *conn, const uv_buf_t *buf, size_t n)
{
    struct net_loop *loop = conn->loop;
    loop->inputs.used += n;
    net_count(&loop->counters.bytes_in, n);
    conn->active_ms = uv_now(&loop->uv);
    conn->had_input = true;
    conn->input = cdx_bytes_of(buf->base, n);
    conn->filled = n == buf->len;
    net_link_append(&conn->host->ready, &conn->ready);
}

/*
 * on_alloc() had no room. After a read that took all the room, libuv asks for
 * more at once: that is the next turn's, and costs nothing here. Otherwise the
 * buffers are used up, or libuv polled twice before the turn (it does when all of
 * the events it asks for were there): the turn is run now, then there is room.
 */
static void no_room(struct net_conn *conn)
{
    if (conn->filled)
        conn->filled = false;
    else
        net_loop_turn(conn->loop);
}

static void discard(struct net_conn *conn, size_t n)
{
    conn->discarded += n;
    if (conn->discarded > NET_LINGER_NBYTES_MAX)
        net_conn_close(conn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct net_conn *conn = stream->data;
    if (n == 0)
        return;
    if (n == UV_ENOBUFS) {
        no_room(conn);
        return;
    }
    if (n == UV_EOF) {
        conn->eof = true;
        conn->had_input = true;
        stop_reading(conn);
        if (conn->state == NET_LINGERING)
            net_conn_close(conn);
        else if (net_link_alone(&conn->ready) && !conn->paused)
            net_conn_finish(conn);
        return;
    }
    if (n < 0)
        close_reset(conn);
    else if (conn->state == NET_SERVING)
        take_input(conn, buf, (size_t)n);
    else
        discard(conn, (size_t)n);
}

static void start_reading(struct net_conn *conn)
{
    if (conn->reading || conn->eof)
        return;
    if (uv_read_start(&conn->uv.stream, on_alloc, on_read) != 0) {
        close_reset(conn);
        return;
    }
    conn->reading = true;
}

/* ---- accepting ---- */

static struct net_conn *conn_new(struct net_listener *listener)
{
    struct net_loop *loop = listener->loop;
    size_t nbytes = sizeof(struct net_conn) + listener->host->class->session_nbytes;
    struct net_conn *conn = cdx_calloc(1, nbytes);
    if (conn == NULL)
        return NULL;
    conn->loop = loop;
    conn->host = listener->host;
    conn->active_ms = uv_now(&loop->uv);
    net_link_init(&conn->ready);
    net_link_init(&conn->all);
    return conn;
}

/* Gives the descriptor to libuv; false: it is not usable, nothing was taken. */
static bool conn_open(struct net_conn *conn, enum net_family family, int fd)
{
    uv_loop_t *uv = &conn->loop->uv;
    int rc;
    if (family == NET_UNIX) {
        uv_pipe_init(uv, &conn->uv.pipe, 0);
        rc = uv_pipe_open(&conn->uv.pipe, fd);
    } else {
        uv_tcp_init(uv, &conn->uv.tcp);
        rc = uv_tcp_open(&conn->uv.tcp, fd);
    }
    conn->uv.handle.data = conn;
    net_link_append(&conn->loop->conns, &conn->all);
    return rc == 0;
}

static void tune(struct net_conn *conn, enum net_family family)
{
    if (family != NET_TCP)
        return;
    (void)uv_tcp_nodelay(&conn->uv.tcp, 1);
    (void)uv_tcp_keepalive(&conn->uv.tcp, 1, conn->loop->server->config.keepalive_s);
}

static void refuse(struct net_conn *conn)
{
    struct net_loop *loop = conn->loop;
    net_count(&loop->counters.refused, 1);
    if (loop->refused_count > NET_REFUSED_MAX)
        net_conn_close(conn);
    else
        net_conn_notice(conn, HANDLER_NOTICE_BUSY);
}

/* Counts the connection, or marks it as one too many. */
static void admit(struct net_conn *conn)
{
    struct net_server *server = conn->loop->server;
    uint32_t open = atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
    conn->refused = open >= atomic_load_explicit(&server->connections_max, memory_order_relaxed);
    if (conn->refused) {
        atomic_fetch_sub_explicit(&server->connections, 1, memory_order_relaxed);
        conn->loop->refused_count++;
    } else {
        conn->host->class->session_start(conn->host->handler, conn->session);
    }
}

static void begin(struct net_conn *conn, enum net_family family)
{
    tune(conn, family);
    if (conn->refused) {
        refuse(conn);
        return;
    }
    net_count(&conn->loop->counters.accepted, 1);
    start_reading(conn);
}

/* What accept4() failed with, as net_conn_accept() has it. */
static enum cdx_status accept_outcome(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return CDX_FULL;
    case EAGAIN:
        return CDX_MORE;
    default: /* that connection is gone already */
        return CDX_OK;
    }
}

enum cdx_status net_conn_accept(struct net_listener *listener)
{
    struct net_conn *conn = conn_new(listener);
    if (conn == NULL)
        return CDX_FULL;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        enum cdx_status outcome = accept_outcome(errno);
        cdx_free(conn);
        return outcome;
    }
    admit(conn);
    if (conn_open(conn, listener->family, fd)) {
        begin(conn, listener->family);
    } else {
        close(fd);
        net_conn_close(conn);
    }
    return CDX_OK;
}

/* ---- invariant ---- */

bool net_conn_check(const struct net_conn *conn)
{
    bool waits = !net_link_alone(&conn->ready);
    if ((conn->stash == NULL) != (conn->stash_nbytes == 0))
        return false;
    if (conn->state != NET_SERVING)
        return !waits; /* nothing is answered any more */
    if (conn->stash_nbytes != 0 || conn->paused || conn->eof) {
        /* not read; what is left is taken by the next turn, or when there is room again */
        return !conn->reading && waits != conn->paused;
    }
    return conn->reading && !conn->refused;
}

/* ---- deadlines ---- */

/* What happened behind the look's time has taken none. */
static uint64_t elapsed_ms(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}

/* A peer that reads, however slowly, is neither idle nor gone. */
static void note_progress(struct net_conn *conn, uint64_t now)
{
    size_t queued = uv_stream_get_write_queue_size(&conn->uv.stream);
    if (queued < conn->queued) {
        conn->active_ms = now;
        if (conn->state == NET_FLUSHING)
            conn->deadline_ms = now + NET_LINGER_MS;
    }
    conn->queued = queued;
}

void net_conn_tick(struct net_conn *conn, uint64_t now)
{
    struct net_server *server = conn->loop->server;
    note_progress(conn, now);
    if (conn->state == NET_FLUSHING || conn->state == NET_LINGERING) {
        if (now >= conn->deadline_ms ||
            elapsed_ms(conn->finish_ms, now) >= limit_of(&server->close_timeout_ms))
            net_conn_close(conn);
        return;
    }
    if (conn->state != NET_SERVING)
        return;
    if (conn->incomplete != 0 && !conn->paused &&
        elapsed_ms(conn->begun_ms, now) >= limit_of(&server->request_timeout_ms)) {
        net_count(&conn->loop->counters.slow_closed, 1);
        net_conn_notice(conn, HANDLER_NOTICE_SLOW);
    } else if (elapsed_ms(conn->active_ms, now) >= limit_of(&server->idle_timeout_ms)) {
        net_count(&conn->loop->counters.idle_closed, 1);
        if (conn->unsent != 0)
            net_conn_close(conn); /* it does not read: a notice would not arrive */
        else
            net_conn_notice(conn, HANDLER_NOTICE_IDLE);
    }
}
