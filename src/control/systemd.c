/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3): one datagram of KEY=VALUE lines to the unix socket named in
 * NOTIFY_SOCKET. sd_listen_fds(3): descriptors from 3 on, LISTEN_FDS of them,
 * meant for process LISTEN_PID, with names in LISTEN_FDNAMES.
 *
 * Failure modes: a descriptor that is no listening stream socket, of a family
 * that we do not serve, or more than we can take.
 */
#include "systemd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- sockets ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

static bool int_option_is(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

static bool read_address(int fd, struct listen_address *address)
{
    union any_address bound;
    socklen_t len = sizeof bound;

    memset(&bound, 0, sizeof bound);
    if (getsockname(fd, &bound.any, &len) < 0)
        return false;
    address->family = LISTEN_TCP;
    if (bound.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &bound.in.sin_addr, address->host, sizeof address->host);
        address->port = ntohs(bound.in.sin_port);
    } else if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.in6.sin6_addr, address->host, sizeof address->host);
        address->port = ntohs(bound.in6.sin6_port);
    } else if (bound.any.sa_family == AF_UNIX && bound.un.sun_path[0] == '/') {
        address->family = LISTEN_UNIX;
        memcpy(address->host, bound.un.sun_path, sizeof address->host - 1);
    } else {
        return false;
    }
    return true;
}

/* The `index`-th of the names separated by colons; empty when there is none. */
static void name_at(const char *names, size_t index, char *name, size_t size)
{
    for (; index > 0 && *names != '\0'; index--) {
        names += strcspn(names, ":");
        names += *names == ':';
    }
    snprintf(name, size, "%.*s", (int)strcspn(names, ":"), names);
}

static void read_handler(const char *name, struct systemd_socket *taken)
{
    taken->address.handler = LISTEN_KV;
    for (size_t i = 0; listen_handler_names[i] != NULL; i++) {
        if (strcmp(name, listen_handler_names[i]) == 0) {
            taken->address.handler = (enum listen_handler)i;
            taken->handler_named = true;
        }
    }
}

static bool take_socket(int fd, const char *name, struct systemd_socket *taken,
                        char error[SYSTEMD_ERROR_NBYTES])
{
    memset(taken, 0, sizeof *taken);
    taken->fd = fd;
    taken->address.mode = LISTEN_MODE_DEFAULT;
    read_handler(name, taken);
    if (!int_option_is(fd, SO_TYPE, SOCK_STREAM) || !int_option_is(fd, SO_ACCEPTCONN, 1) ||
        !read_address(fd, &taken->address)) {
        snprintf(error, SYSTEMD_ERROR_NBYTES,
                 "LISTEN_FDS: descriptor %d ('%.64s'): expected a listening TCP or unix stream "
                 "socket",
                 fd, name);
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return true;
}

/* A positive number in the environment; 0: none. */
static unsigned long env_number(const char *name)
{
    const char *text = getenv(name);

    if (text == NULL || strspn(text, "0123456789") != strlen(text) || strlen(text) > 10)
        return 0;
    return strtoul(text, NULL, 10);
}

static enum cdx_status take_all(size_t wanted, struct systemd_socket *sockets, size_t *count,
                                char error[SYSTEMD_ERROR_NBYTES])
{
    const char *names = getenv("LISTEN_FDNAMES");

    if (wanted > SYSTEMD_FDS_MAX) {
        snprintf(error, SYSTEMD_ERROR_NBYTES, "LISTEN_FDS: got %zu sockets, expected at most %u",
                 wanted, SYSTEMD_FDS_MAX);
        return CDX_INVALID;
    }
    for (size_t i = 0; i < wanted; i++) {
        char name[256]; /* systemd's own limit for a name is 255 */

        name_at(names != NULL ? names : "", i, name, sizeof name);
        if (!take_socket(SYSTEMD_FDS_START + (int)i, name, &sockets[i], error))
            return CDX_INVALID;
    }
    *count = wanted;
    return CDX_OK;
}

enum cdx_status systemd_take_sockets(struct systemd_socket sockets[SYSTEMD_FDS_MAX], size_t *count,
                                     char error[SYSTEMD_ERROR_NBYTES])
{
    enum cdx_status status = CDX_OK;

    *count = 0;
    if (env_number("LISTEN_PID") == (unsigned long)getpid())
        status = take_all(env_number("LISTEN_FDS"), sockets, count, error);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return status;
}

/* ---- notification ---- */

void systemd_notifier_init(struct systemd_notifier *notifier)
{
    const char *path = getenv("NOTIFY_SOCKET");

    memset(notifier, 0, sizeof *notifier);
    if (path != NULL && (path[0] == '/' || path[0] == '@') && strlen(path) < sizeof notifier->path)
        memcpy(notifier->path, path, strlen(path));
    unsetenv("NOTIFY_SOCKET");
}

void systemd_notify(const struct systemd_notifier *notifier, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t path_len = strlen(notifier->path);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
    int fd;

    if (path_len == 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    memcpy(address.sun_path, notifier->path, path_len);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, len);
    close(fd);
}

void systemd_notify_reloading(const struct systemd_notifier *notifier)
{
    struct timespec now;
    char state[64];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    systemd_notify(notifier, state);
}
