/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connected sockets. The happy path is: the text is an address, its name is
 * resolved, and the first of its addresses that accepts is taken. It can fail
 * because the text is none, the name is unknown, nobody listens, or nobody
 * answers in time; the message then says so and names --server.
 */
#include "cli_socket.h"

#include "cli_interrupt.h"
#include "cli_progress.h"
#include "cli_text.h"
#include <caudex/kv.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT_MAX 65535u

/* ---- addresses ---- */

static enum cli_exit no_address(const char *text, struct cli_failure *failure)
{
    struct cli_shown shown;
    return cli_fail(failure, CLI_EXIT_USAGE,
                    "--server: expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH, got %s",
                    cli_show(&shown, cdx_cstr(text)));
}

static bool host_set(struct cli_address *address, const char *text, size_t n)
{
    if (n == 0 || n >= sizeof address->host)
        return false;
    memcpy(address->host, text, n);
    address->host[n] = 0;
    return true;
}

/* `text` is empty or `:PORT`. */
static bool port_set(struct cli_address *address, const char *text)
{
    uint64_t port = KV_PORT;
    if (*text != 0 && (*text != ':' || strspn(text + 1, "0123456789") != strlen(text + 1) ||
                       cli_number(text + 1, &port) != CDX_OK || port == 0 || port > PORT_MAX))
        return false;
    snprintf(address->port, sizeof address->port, "%u", (unsigned)port);
    return true;
}

enum cli_exit cli_address_parse(const char *text, struct cli_address *address,
                                struct cli_failure *failure)
{
    *address = (struct cli_address){0};
    const char *colon = strchr(text, ':');
    if (strncmp(text, "unix:", 5) == 0) {
        address->is_unix = true;
        bool fits = strlen(text + 5) < sizeof((struct sockaddr_un *)NULL)->sun_path;
        return fits && host_set(address, text + 5, strlen(text + 5)) ? CLI_EXIT_DONE
                                                                     : no_address(text, failure);
    }
    const char *host = text;
    size_t host_len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    const char *rest = text + host_len;
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL)
            return no_address(text, failure);
        host = text + 1;
        host_len = (size_t)(bracket - host);
        rest = bracket + 1;
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        host_len = strlen(text); /* an IPv6 address without brackets, so without a port */
        rest = "";
    }
    return host_set(address, host, host_len) && port_set(address, rest) ? CLI_EXIT_DONE
                                                                        : no_address(text, failure);
}

/* ---- connecting ---- */

/*
 * Longest single wait, in milliseconds: a signal that comes between the look
 * at the flag and poll() is seen after it.
 */
#define WAIT_SLICE_MS 100u

int cli_wait(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd look = {.fd = fd, .events = events};
        uint64_t now_ns = cli_now_ns();
        uint64_t ms = deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
        if (cli_interrupted())
            return -1;
        if (poll(&look, 1, (int)(ms < WAIT_SLICE_MS ? ms : WAIT_SLICE_MS)) > 0)
            return 1;
        if (ms == 0)
            return 0;
    }
}

/* Waits until the connection stands. 0, or the errno of why not. */
static int await(int fd, uint64_t deadline_ns)
{
    int error = 0;
    socklen_t len = sizeof error;
    int waited = cli_wait(fd, POLLOUT, deadline_ns);
    if (waited <= 0)
        return waited == 0 ? ETIMEDOUT : EINTR;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* One address. 0 with `*fd`, or the errno of why not. */
static int connect_one(int family, const struct sockaddr *address, socklen_t len,
                       uint64_t deadline_ns, int *fd)
{
    int one = 1;
    int made = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return errno;
    int error = connect(made, address, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = await(made, deadline_ns);
    if (error != 0) {
        close(made);
        return error;
    }
    /* Requests are gathered before they are sent: the kernel must not wait for more. */
    if (family != AF_UNIX)
        (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *fd = made;
    return 0;
}

static enum cli_exit unreachable(const char *server, const char *why, struct cli_failure *failure)
{
    if (cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    return cli_fail(failure, CLI_EXIT_UNREACHABLE,
                    "cannot reach the server at %s: %s (--server or CAUDEX_SERVER names another)",
                    server, why);
}

static enum cli_exit connect_unix(const char *server, const struct cli_address *where,
                                  uint64_t deadline_ns, int *fd, struct cli_failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, where->host, strlen(where->host));
    int error =
        connect_one(AF_UNIX, (const struct sockaddr *)&address, sizeof address, deadline_ns, fd);
    return error == 0 ? CLI_EXIT_DONE : unreachable(server, strerror(error), failure);
}

enum cli_exit cli_socket_connect(const char *server, uint64_t timeout_ns, int *fd,
                                 struct cli_failure *failure)
{
    uint64_t deadline_ns = cli_now_ns() + timeout_ns;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct cli_address where;
    enum cli_exit exit = cli_address_parse(server, &where, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (where.is_unix)
        return connect_unix(server, &where, deadline_ns, fd, failure);
    int resolved = getaddrinfo(where.host, where.port, &hints, &found);
    if (resolved != 0)
        return unreachable(server, gai_strerror(resolved), failure);
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL && error != 0; at = at->ai_next)
        error = connect_one(at->ai_family, at->ai_addr, at->ai_addrlen, deadline_ns, fd);
    freeaddrinfo(found);
    return error == 0 ? CLI_EXIT_DONE : unreachable(server, strerror(error), failure);
}
