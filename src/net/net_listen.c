/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. They are made before any worker runs, so that every
 * reason not to start is known to the caller.
 *
 * A TCP port is opened once per loop with SO_REUSEPORT; because that would also let a
 * second server share the port without a word, a socket without it is bound
 * first, which fails when anybody has the port. A unix socket is opened once
 * and its descriptor duplicated. A socket file that nobody listens on any more is replaced.
 *
 * From the moment that a server drains, another one may put its own socket file
 * in the place. Whose it is tells the inode, of which a descriptor is kept: as long as
 * that is open, no other file gets its number.
 */
#include "net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* An address as the system takes it, and its length. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } of;
    socklen_t nbytes;
};

static void listener_text(const struct net_listener_config *l, uint16_t port, char *text,
                          size_t size)
{
    if (l->family == NET_UNIX)
        snprintf(text, size, "unix:%s", l->host);
    else if (strchr(l->host, ':') != NULL)
        snprintf(text, size, "[%s]:%u", l->host, port);
    else
        snprintf(text, size, "%s:%u", l->host, port);
}

static enum cdx_status fail(const struct net_listener_config *l, struct net_error *error,
                            const char *what, enum cdx_status status)
{
    char where[128];
    listener_text(l, l->port, where, sizeof where);
    snprintf(error->text, sizeof error->text, "%s: %s", where, what);
    return status;
}

static enum cdx_status fail_errno(const struct net_listener_config *l, struct net_error *error)
{
    return fail(l, error, strerror(errno), CDX_SYSTEM);
}

static bool parse_address(const struct net_listener_config *l, uint16_t port, struct address *a)
{
    *a = (struct address){.nbytes = 0};
    if (l->family == NET_UNIX) {
        if (strlen(l->host) >= sizeof a->of.local.sun_path)
            return false;
        a->of.local.sun_family = AF_UNIX;
        memcpy(a->of.local.sun_path, l->host, strlen(l->host) + 1);
        a->nbytes = sizeof a->of.local;
        return true;
    }
    if (inet_pton(AF_INET, l->host, &a->of.v4.sin_addr) == 1) {
        a->of.v4.sin_family = AF_INET;
        a->of.v4.sin_port = htons(port);
        a->nbytes = sizeof a->of.v4;
        return true;
    }
    if (inet_pton(AF_INET6, l->host, &a->of.v6.sin6_addr) == 1) {
        a->of.v6.sin6_family = AF_INET6;
        a->of.v6.sin6_port = htons(port);
        a->nbytes = sizeof a->of.v6;
        return true;
    }
    return false;
}

/* A bound TCP socket, or -1 with errno. */
static int bind_tcp(const struct address *a, bool reuse_port)
{
    int fd = socket(a->of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    const int on = 1;
    /* `::` also takes IPv4, whatever the system's default; any other address is one family's. */
    const int only6 =
        a->of.any.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&a->of.v6.sin6_addr);
    int rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (rc == 0 && reuse_port)
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (rc == 0 && a->of.any.sa_family == AF_INET6)
        rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
    if (rc == 0)
        rc = bind(fd, &a->of.any, a->nbytes);
    if (rc != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct address a = {.nbytes = sizeof a.of};
    if (getsockname(fd, &a.of.any, &a.nbytes) != 0)
        return 0;
    if (a.of.any.sa_family == AF_INET)
        return ntohs(a.of.v4.sin_port);
    return a.of.any.sa_family == AF_INET6 ? ntohs(a.of.v6.sin6_port) : 0;
}

/* True when nobody has the port; else errno says why not. */
static bool port_is_free(const struct address *a, unsigned backlog)
{
    int fd = bind_tcp(a, false);
    if (fd < 0)
        return false;
    int rc = listen(fd, (int)backlog);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc == 0;
}

static enum cdx_status open_tcp(struct net_server *server, size_t index, struct net_error *error)
{
    const struct net_listener_config *l = &server->config.listeners[index];
    struct address a;
    if (!parse_address(l, l->port, &a))
        return fail(l, error, "not an IPv4 or IPv6 address", CDX_ADDRESS);
    if (l->port != 0 && !port_is_free(&a, server->config.backlog))
        return fail_errno(l, error);
    server->ports[index] = l->port;
    for (unsigned w = 0; w < server->config.workers; w++) {
        if (!parse_address(l, server->ports[index], &a))
            return fail(l, error, "not an IPv4 or IPv6 address", CDX_ADDRESS);
        int fd = bind_tcp(&a, true);
        if (fd < 0)
            return fail_errno(l, error);
        server->loops[w].listeners[index].fd = fd;
        if (listen(fd, (int)server->config.backlog) != 0)
            return fail_errno(l, error);
        server->ports[index] = port_of(fd);
    }
    return CDX_OK;
}

/* True when a socket file stands there that nobody listens on. */
static bool is_stale(const struct address *a)
{
    struct stat st;
    if (lstat(a->of.local.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, &a->of.any, a->nbytes) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(const struct address *a, const struct net_listener_config *l)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int rc = bind(fd, &a->of.any, a->nbytes);
    if (rc != 0 && errno == EADDRINUSE && is_stale(a)) {
        unlink(a->of.local.sun_path);
        rc = bind(fd, &a->of.any, a->nbytes);
    } else if (rc != 0 && errno != EADDRINUSE) {
        /* keep errno */
    } else if (rc != 0) {
        errno = EADDRINUSE;
    }
    if (rc == 0)
        rc = chmod(a->of.local.sun_path, (mode_t)l->unix_mode);
    if (rc != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Such a descriptor may be of anything: accepting from it would fail for ever. */
static bool is_listening(int fd)
{
    int on = 0;
    socklen_t nbytes = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &nbytes) == 0 && on != 0;
}

/* Every loop gets the same socket; the first has the descriptor itself. */
static enum cdx_status share_fd(struct net_server *server, size_t index, struct net_error *error)
{
    const struct net_listener_config *l = &server->config.listeners[index];
    int fd = server->loops[0].listeners[index].fd;
    for (unsigned w = 1; w < server->config.workers; w++) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            return fail_errno(l, error);
        server->loops[w].listeners[index].fd = copy;
    }
    return CDX_OK;
}

static enum cdx_status open_unix(struct net_server *server, size_t index, struct net_error *error)
{
    const struct net_listener_config *l = &server->config.listeners[index];
    struct address a;
    if (!parse_address(l, 0, &a))
        return fail(l, error, "the path of a unix socket is too long", CDX_ADDRESS);
    int fd = bind_unix(&a, l);
    if (fd < 0)
        return fail_errno(l, error);
    server->loops[0].listeners[index].fd = fd;
    server->path_fds[index] = open(l->host, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (server->path_fds[index] < 0) {
        enum cdx_status failed = fail_errno(l, error);
        unlink(l->host);
        return failed;
    }
    enum cdx_status status = share_fd(server, index, error);
    if (status == CDX_OK && listen(fd, (int)server->config.backlog) != 0)
        status = fail_errno(l, error);
    return status;
}

enum cdx_status net_listen_open(struct net_server *server, size_t index, struct net_error *error)
{
    const struct net_listener_config *l = &server->config.listeners[index];
    if (l->inherited_fd >= 0) {
        if (!is_listening(l->inherited_fd))
            return fail(l, error, "the descriptor handed over is not a listening socket",
                        CDX_INVALID);
        server->ports[index] = port_of(l->inherited_fd);
        return share_fd(server, index, error);
    }
    return l->family == NET_UNIX ? open_unix(server, index, error) : open_tcp(server, index, error);
}

void net_listen_take(struct net_server *server)
{
    for (size_t i = 0; i < server->config.listener_count; i++) {
        server->loops[0].listeners[i].fd = server->config.listeners[i].inherited_fd;
        server->path_fds[i] = -1;
    }
}

void net_listen_refuse(const struct net_config *config)
{
    for (size_t i = 0; i < config->listener_count && i < NET_LISTENERS_MAX; i++) {
        if (config->listeners[i].inherited_fd >= 0)
            close(config->listeners[i].inherited_fd);
    }
}

/* Removes the socket file unless it is another server's by now. */
static void remove_path(const char *path, int path_fd)
{
    struct stat ours, there;
    if (fstat(path_fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino)
        unlink(path);
    close(path_fd);
}

void net_listen_close_all(struct net_server *server)
{
    for (size_t i = 0; i < server->config.listener_count; i++) {
        for (unsigned w = 0; w < server->config.workers; w++) {
            struct net_listener *l = &server->loops[w].listeners[i];
            if (l->fd >= 0)
                close(l->fd);
            l->fd = -1;
        }
        if (server->path_fds[i] >= 0)
            remove_path(server->config.listeners[i].host, server->path_fds[i]);
    }
}

void net_listener_address(const struct net_server *server, size_t index, char *text, size_t size)
{
    listener_text(&server->config.listeners[index], server->ports[index], text, size);
}
