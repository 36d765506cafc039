/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocking transport: one socket, driven by poll(2).
 *
 * The happy path, one turn of `drive`: parse what is left of the input, send
 * what is queued, wait until the peer can be heard or a deadline comes, read once.
 *
 * Failure modes: the peer refuses to be written to (EPIPE, ECONNRESET): what it
 * said before is still read, because that is often the reason; it closes or
 * resets: every open request fails with CDX_CLOSED; its bytes are not the protocol:
 * the core says so.
 */
#include "client_socket.h"
#include "client_text.h"

#include <caudex/client.h>
#include <caudex/heap.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/** Bytes asked of the system at once. */
#define INPUT_NBYTES 65536u

struct cdx_blocking {
    struct cdx_core *core;
    int fd;
    uint64_t tick_ns;    /* see cdx__soon_ms() */
    bool is_deaf;        /* the peer takes no more of our bytes */
    const char *cause;   /* static; what the system says about the connection's end, or NULL */
    const uint8_t *next; /* input that is not parsed yet */
    const uint8_t *end;
    char name[CDX__NAME_NBYTES_MAX];
    char text[CDX_CLIENT_TEXT_NBYTES_MAX];
    uint8_t input[INPUT_NBYTES];
};

/* ---- lifecycle ---- */

static void tell_time(void *arg)
{
    struct cdx_blocking *b = (struct cdx_blocking *)arg;
    cdx_core_set_now(b->core, cdx__soon_ms(b->tick_ns));
}

static enum cdx_status blocking_new(const char *name, const struct cdx_client_protocol *protocol,
                                    const struct cdx_client_options *options,
                                    struct cdx_blocking **blocking)
{
    struct cdx_blocking *b = (struct cdx_blocking *)cdx_malloc(sizeof *b);
    if (b == NULL)
        return CDX_NO_MEMORY;
    b->fd = -1;
    b->tick_ns = cdx__tick_ns();
    b->is_deaf = false;
    b->cause = NULL;
    b->next = b->input;
    b->end = b->input;
    b->text[0] = '\0';
    (void)snprintf(b->name, sizeof b->name, "%s", name);
    const enum cdx_status status = cdx_core_create(protocol, options, &b->core);
    if (status != CDX_OK) {
        cdx_free(b);
        return status;
    }
    cdx_core_on_wake(b->core, tell_time, b);
    *blocking = b;
    return CDX_OK;
}

static uint64_t deadline_after(uint32_t timeout_ms)
{
    return timeout_ms == CDX_CLIENT_TIMEOUT_MS_NEVER ? UINT64_MAX : cdx__now_ms() + timeout_ms;
}

static enum cdx_status connect_new(const struct cdx__address *address,
                                   const struct cdx_client_protocol *protocol,
                                   const struct cdx_client_options *options, const char **cause,
                                   struct cdx_blocking **blocking)
{
    struct cdx_blocking *b;
    enum cdx_status status = blocking_new(address->name, protocol, options, &b);
    *cause = cdx_status_text(status);
    if (status != CDX_OK)
        return status;
    const uint32_t timeout_ms = options != NULL && options->timeout_ms != 0
                                    ? options->timeout_ms
                                    : CDX_CLIENT_TIMEOUT_MS_DEFAULT;
    status = cdx__socket_connect(address, deadline_after(timeout_ms), &b->fd, cause);
    if (status != CDX_OK) {
        const int code = errno;
        cdx_blocking_close(b);
        errno = code;
        return status;
    }
    *blocking = b;
    return CDX_OK;
}

enum cdx_status cdx_blocking_connect(const char *address,
                                     const struct cdx_client_protocol *protocol,
                                     const struct cdx_client_options *options,
                                     struct cdx_blocking **blocking)
{
    char *const text = options != NULL ? options->connect_error : NULL;
    struct cdx__address parsed;
    const char *cause = cdx__address_parse(address, protocol->port, &parsed);
    if (cause != NULL) {
        cdx__text_write(text, address, cause);
        return CDX_ADDRESS;
    }
    const enum cdx_status status = connect_new(&parsed, protocol, options, &cause, blocking);
    if (status != CDX_OK)
        cdx__text_write(text, parsed.name, cause);
    return status;
}

enum cdx_status cdx_blocking_adopt(int fd, const char *name,
                                   const struct cdx_client_protocol *protocol,
                                   const struct cdx_client_options *options,
                                   struct cdx_blocking **blocking)
{
    struct cdx_blocking *b;
    const enum cdx_status status = blocking_new(name, protocol, options, &b);
    if (status != CDX_OK)
        return status;
    if (!cdx__socket_prepare(fd)) {
        const int code = errno;
        cdx_blocking_close(b);
        errno = code;
        return CDX_SYSTEM;
    }
    b->fd = fd;
    *blocking = b;
    return CDX_OK;
}

void cdx_blocking_close(struct cdx_blocking *blocking)
{
    if (blocking == NULL)
        return;
    cdx_core_destroy(blocking->core);
    if (blocking->fd >= 0)
        (void)close(blocking->fd);
    cdx_free(blocking);
}

/* ---- bytes ---- */

static void end_connection(struct cdx_blocking *b, enum cdx_status why, const char *cause)
{
    b->cause = cause;
    cdx_core_close(b->core, why);
}

static bool is_gone(int code)
{
    return code == EPIPE || code == ECONNRESET;
}

static void send_some(struct cdx_blocking *b)
{
    struct cdx_bytes views[CDX_CLIENT_VIEWS_MAX];
    struct iovec vectors[CDX_CLIENT_VIEWS_MAX];
    const size_t count = b->is_deaf ? 0 : cdx_core_output(b->core, views, CDX_CLIENT_VIEWS_MAX);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        vectors[i] =
            (struct iovec){.iov_base = (void *)(uintptr_t)views[i].data, .iov_len = views[i].len};
    const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    const ssize_t n = sendmsg(b->fd, &message, MSG_NOSIGNAL);
    if (n >= 0)
        cdx_core_output_sent(b->core, (size_t)n);
    else if (is_gone(errno))
        b->is_deaf = true;
    else if (errno != EAGAIN && errno != EINTR)
        end_connection(b, CDX_SYSTEM, cdx__text_of_errno(errno));
}

static void receive_some(struct cdx_blocking *b)
{
    const ssize_t n = recv(b->fd, b->input, sizeof b->input, 0);
    if (n > 0) {
        b->next = b->input;
        b->end = b->input + n;
        tell_time(b); /* the wait may have been long, and rows count from now */
    } else if (n == 0) {
        end_connection(b, CDX_CLOSED, "closed by the peer");
    } else if (is_gone(errno) || errno == ETIMEDOUT) {
        end_connection(b, CDX_CLOSED, cdx__text_of_errno(errno));
    } else if (errno != EAGAIN && errno != EINTR) {
        end_connection(b, CDX_SYSTEM, cdx__text_of_errno(errno));
    }
}

static void wait_and_receive(struct cdx_blocking *b, uint64_t now_ms, uint64_t deadline_ms)
{
    struct pollfd poller = {.fd = b->fd, .events = POLLIN};
    if (!b->is_deaf && cdx_core_output_nbytes(b->core) != 0)
        poller.events |= POLLOUT;
    const int n = poll(&poller, 1, cdx__poll_ms(now_ms, deadline_ms));
    if (n < 0 && errno != EINTR)
        end_connection(b, CDX_SYSTEM, cdx__text_of_errno(errno));
    else if (n > 0 && (poller.revents & ~POLLOUT) != 0)
        receive_some(b);
}

/* ---- waiting ---- */

static bool is_finished(const struct cdx_blocking *b, const bool *done, bool has_looked)
{
    return done != NULL ? *done : has_looked && cdx_core_open_count(b->core) == 0;
}

/*
 * Turns until finished, or until `deadline_ms`. Without `done` the socket is looked at once even
 * when nothing is open: the peer may have closed it, or spoken unasked.
 */
static enum cdx_status drive(struct cdx_blocking *b, const bool *done, uint64_t deadline_ms)
{
    if (cdx_core_is_inside(b->core))
        return CDX_INVALID;
    for (bool has_looked = false;; has_looked = true) {
        enum cdx_status status = cdx_core_input(b->core, &b->next, b->end);
        if (is_finished(b, done, has_looked))
            return status == CDX_OK || done != NULL ? CDX_OK : status;
        const uint64_t now_ms = cdx__now_ms();
        cdx_core_expire(b->core, now_ms);
        if (is_finished(b, done, has_looked))
            return CDX_OK;
        if (status != CDX_OK)
            return status;
        if (has_looked && now_ms >= deadline_ms)
            return CDX_TIMEOUT;
        send_some(b);
        const uint64_t due_ms = cdx_core_next_deadline(b->core);
        const bool idle = done == NULL && cdx_core_open_count(b->core) == 0;
        wait_and_receive(b, now_ms, idle ? 0 : due_ms < deadline_ms ? due_ms : deadline_ms);
    }
}

enum cdx_status cdx_blocking_run(struct cdx_blocking *blocking, uint32_t timeout_ms)
{
    return drive(blocking, NULL, deadline_after(timeout_ms));
}

enum cdx_status cdx_blocking_wait(struct cdx_blocking *blocking, const bool *done)
{
    return drive(blocking, done, UINT64_MAX);
}

/* ---- inspection ---- */

struct cdx_core *cdx_blocking_core(struct cdx_blocking *blocking)
{
    return blocking->core;
}

int cdx_blocking_fd(const struct cdx_blocking *blocking)
{
    return blocking->fd;
}

const char *cdx_blocking_error_text(struct cdx_blocking *blocking)
{
    cdx__text_of_core(blocking->text, blocking->core, blocking->name, blocking->cause);
    return blocking->text;
}
