/* SPDX-License-Identifier: Apache-2.0 */
/* From options and handed-over sockets to what net is told. */
#include "server.h"

#include "handler.h"
#include "nofile.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(OPTIONS_LISTENERS_MAX == NET_LISTENERS_MAX, "every configured address is opened");

static unsigned allowed_cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return count > (int)NET_WORKERS_MAX ? NET_WORKERS_MAX : (unsigned)count;
}

static unsigned workers_of(const struct options *options)
{
    return options->workers != 0 ? (unsigned)options->workers : allowed_cores();
}

/* A kernel without IPv6 can still serve every address that it has. */
static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static const char *host_of(const struct listen_address *address)
{
    if (address->family == LISTEN_TCP && strcmp(address->host, "*") == 0)
        return has_ipv6() ? "::" : "0.0.0.0";
    return address->host;
}

static bool add_listener(struct server *s, const struct listen_address *address, int inherited_fd)
{
    struct net_config *config = &s->net_config;

    if (config->listener_count == NET_LISTENERS_MAX) {
        snprintf(s->error, sizeof s->error,
                 "more than %u listening addresses, with those handed over", NET_LISTENERS_MAX);
        return false;
    }
    config->listeners[config->listener_count++] = (struct net_listener_config){
        .family = address->family == LISTEN_UNIX ? NET_UNIX : NET_TCP,
        .host = host_of(address),
        .port = address->port,
        .unix_mode = address->mode,
        .handler = handler_class_named(listen_handler_names[address->handler]),
        .inherited_fd = inherited_fd,
    };
    return true;
}

/* The handed-over socket that is bound to this address, or NULL. */
static struct systemd_socket *socket_at(struct server *s, const struct listen_address *address)
{
    for (size_t i = 0; i < s->socket_count; i++) {
        if (listen_same_place(&s->sockets[i].address, address))
            return &s->sockets[i];
    }
    return NULL;
}

/* The configured addresses; those that a handed-over socket serves are marked in `used`. */
static bool add_configured(struct server *s, bool used[SYSTEMD_FDS_MAX])
{
    const struct options *options = &s->config.options;

    for (size_t i = 0; i < options->listener_count; i++) {
        const struct listen_address *address = &options->listeners[i];
        const struct systemd_socket *handed = socket_at(s, address);

        if (handed != NULL)
            used[handed - s->sockets] = true;
        if (!add_listener(s, address, handed != NULL ? handed->fd : -1))
            return false;
    }
    return true;
}

static bool add_listeners(struct server *s)
{
    bool only_default = s->config.origins[OPTION_LISTEN].source == CONFIG_DEFAULT;
    bool used[SYSTEMD_FDS_MAX] = {false};

    if (!(only_default && s->socket_count > 0) && !add_configured(s, used))
        return false;
    for (size_t i = 0; i < s->socket_count; i++) {
        if (!used[i] && !add_listener(s, &s->sockets[i].address, s->sockets[i].fd))
            return false;
    }
    return true;
}

bool server_net_configure(struct server *s)
{
    const struct options *o = &s->config.options;

    s->net_config = (struct net_config){
        .workers = workers_of(o),
        .backlog = (unsigned)o->backlog,
        .connections_max = (uint32_t)o->connections_max,
        .idle_timeout_ms = o->idle_timeout_ms,
        .request_timeout_ms = o->request_timeout_ms,
        .close_timeout_ms = o->close_timeout_ms,
        .drain_timeout_ms = o->drain_timeout_ms,
        .request_nbytes_max = o->request_nbytes_max,
        .output_high_nbytes = o->output_high_nbytes,
        .output_low_nbytes = o->output_low_nbytes,
        .keepalive_s = (unsigned)o->keepalive_s,
        .pin_workers = o->pin_workers != 0,
        .upkeep = server_upkeep,
        .upkeep_arg = s,
    };
    return add_listeners(s);
}

struct net_limits server_net_limits(const struct options *options)
{
    return (struct net_limits){
        .connections_max = (uint32_t)options->connections_max,
        .idle_timeout_ms = options->idle_timeout_ms,
        .request_timeout_ms = options->request_timeout_ms,
        .close_timeout_ms = options->close_timeout_ms,
        .drain_timeout_ms = options->drain_timeout_ms,
    };
}

bool server_raise_nofile(struct server *s, const struct options *options)
{
    char error[NOFILE_ERROR_NBYTES];
    uint64_t needed =
        nofile_needed(options->connections_max, workers_of(options), s->net_config.listener_count);

    if (nofile_raise(needed, error) == CDX_OK)
        return true;
    snprintf(s->error, sizeof s->error, "%s", error);
    return false;
}
