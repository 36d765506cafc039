/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting, bounded in time.
 *
 * The happy path: look up the name, then for each address: a non-blocking
 * socket, connect, poll until it is writable, ask for its error. Failure modes:
 * no address; refused, so the next address is tried; not in time, which ends all;
 * a Unix socket's queue is full (EAGAIN): tried again until the time is over.
 */
#include "client_socket.h"
#include "client_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/** Milliseconds between two tries of a Unix socket whose queue is full. */
#define UNIX_RETRY_MS 2

uint64_t cdx__now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t cdx__tick_ns(void)
{
    struct timespec tick;
    (void)clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return (uint64_t)tick.tv_nsec; /* 1 to 10 ms */
}

uint64_t cdx__soon_ms(uint64_t tick_ns)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* at most one tick behind */
    return (uint64_t)now.tv_sec * 1000u + ((uint64_t)now.tv_nsec + tick_ns + 999999u) / 1000000u;
}

int cdx__poll_ms(uint64_t now_ms, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX)
        return -1;
    if (deadline_ms <= now_ms)
        return 0;
    return deadline_ms - now_ms > INT_MAX ? INT_MAX : (int)(deadline_ms - now_ms);
}

bool cdx__socket_prepare(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on Unix sockets */
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* 0, or the errno of a connect that is in progress; ETIMEDOUT with `*late` when time is over. */
static int await_connected(int fd, uint64_t deadline_ms, bool *late)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    for (;;) {
        const int n = poll(&poller, 1, cdx__poll_ms(cdx__now_ms(), deadline_ms));
        if (n > 0)
            break;
        *late = n == 0 && cdx__now_ms() >= deadline_ms;
        if (*late)
            return ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return errno;
    }
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static int connect_until(int fd, const struct sockaddr *to, socklen_t len, uint64_t deadline_ms,
                         bool *late)
{
    while (connect(fd, to, len) != 0) {
        if (errno == EINPROGRESS || errno == EINTR)
            return await_connected(fd, deadline_ms, late);
        if (errno != EAGAIN || to->sa_family != AF_UNIX)
            return errno;
        *late = cdx__now_ms() >= deadline_ms;
        if (*late)
            return EAGAIN;
        (void)poll(NULL, 0, UNIX_RETRY_MS);
    }
    return 0;
}

/* 0 and `*fd`, or an errno. */
static int try_address(const struct sockaddr *to, socklen_t len, uint64_t deadline_ms, int *fd,
                       bool *late)
{
    const int made = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return errno;
    int error = connect_until(made, to, len, deadline_ms, late);
    if (error == 0 && !cdx__socket_prepare(made))
        error = errno;
    if (error != 0)
        (void)close(made);
    else
        *fd = made;
    return error;
}

static enum cdx_status outcome(int error, bool late, const char **cause)
{
    if (error == 0)
        return CDX_OK;
    *cause = late ? "no connection in time" : cdx__text_of_errno(error);
    errno = error;
    return late ? CDX_TIMEOUT : CDX_SYSTEM;
}

static enum cdx_status connect_unix(const struct cdx__address *address, uint64_t deadline_ms,
                                    int *fd, const char **cause)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, address->host, strlen(address->host)); /* parsing has measured it */
    bool late = false;
    const int error = try_address((const struct sockaddr *)&to, sizeof to, deadline_ms, fd, &late);
    return outcome(error, late, cause);
}

static enum cdx_status connect_tcp(const struct cdx__address *address, uint64_t deadline_ms,
                                   int *fd, const char **cause)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    struct addrinfo *found;
    (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
    const int failed = getaddrinfo(address->host, port, &hints, &found);
    if (failed != 0) {
        *cause = failed == EAI_SYSTEM ? cdx__text_of_errno(errno) : gai_strerror(failed);
        return failed == EAI_MEMORY ? CDX_NO_MEMORY : CDX_ADDRESS;
    }
    int error = ECONNREFUSED;
    bool late = false;
    for (const struct addrinfo *a = found; a != NULL && error != 0 && !late; a = a->ai_next)
        error = try_address(a->ai_addr, a->ai_addrlen, deadline_ms, fd, &late);
    freeaddrinfo(found);
    return outcome(error, late, cause);
}

enum cdx_status cdx__socket_connect(const struct cdx__address *address, uint64_t deadline_ms,
                                    int *fd, const char **cause)
{
    return address->is_unix ? connect_unix(address, deadline_ms, fd, cause)
                            : connect_tcp(address, deadline_ms, fd, cause);
}
