/* SPDX-License-Identifier: Apache-2.0 */
/* The server as control sees it: open, start, drain, stop, join, close. */
#include "net_internal.h"

#include <caudex/heap.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The counters as the `stats` call shows them. */
static void show_stats(void *arg, void (*row)(void *row_arg, const char *name, uint64_t value),
                       void *row_arg)
{
    struct net_stats s;
    net_read_stats(arg, &s);
    row(row_arg, "net.connections_open", s.connections_open);
    row(row_arg, "net.connections_accepted", s.connections_accepted);
    row(row_arg, "net.connections_refused", s.connections_refused);
    row(row_arg, "net.connections_idle_closed", s.connections_idle_closed);
    row(row_arg, "net.connections_slow_closed", s.connections_slow_closed);
    row(row_arg, "net.connections_reset", s.connections_reset);
    row(row_arg, "net.bytes_in", s.bytes_in);
    row(row_arg, "net.bytes_out", s.bytes_out);
    row(row_arg, "net.turns", s.turns);
    row(row_arg, "net.paused", s.paused);
    row(row_arg, "net.accept_paused", s.accept_paused);
}

static void loop_prepare(struct net_server *server, unsigned index)
{
    struct net_loop *loop = &server->loops[index];
    loop->server = server;
    loop->index = index;
    loop->env = (struct handler_env){
        .store = server->store,
        .output_high_nbytes = server->config.output_high_nbytes,
        .stats = show_stats,
        .stats_arg = server,
    };
    for (size_t i = 0; i < NET_LISTENERS_MAX; i++)
        loop->listeners[i].fd = -1;
}

static enum cdx_status open_all(struct net_server *server, struct net_error *error)
{
    for (size_t i = 0; i < server->config.listener_count; i++) {
        enum cdx_status status = net_listen_open(server, i, error);
        if (status != CDX_OK)
            return status;
    }
    for (unsigned w = 0; w < server->config.workers; w++) {
        enum cdx_status status = net_loop_init(&server->loops[w]);
        if (status != CDX_OK) {
            snprintf(error->text, sizeof error->text, "worker %u: %s", w, cdx_status_text(status));
            return status;
        }
    }
    return CDX_OK;
}

enum cdx_status net_open(const struct net_config *config, struct store *store,
                         struct net_server **server, struct net_error *error)
{
    if (config->workers == 0 || config->workers > NET_WORKERS_MAX || config->listener_count == 0 ||
        config->listener_count > NET_LISTENERS_MAX ||
        config->output_low_nbytes >= config->output_high_nbytes) {
        snprintf(error->text, sizeof error->text,
                 "a number of workers or listeners, or the marks "
                 "of unsent output, are out of range");
        net_listen_refuse(config);
        return CDX_INVALID;
    }
    struct net_server *s = cdx_calloc(1, sizeof *s);
    if (s == NULL)
        goto no_memory;
    s->config = *config;
    s->store = store;
    s->loops = cdx_calloc(config->workers, sizeof *s->loops);
    if (s->loops == NULL) {
        cdx_free(s);
        goto no_memory;
    }
    for (unsigned w = 0; w < config->workers; w++)
        loop_prepare(s, w);
    net_listen_take(s);
    net_set_limits(s, &(struct net_limits){config->connections_max, config->idle_timeout_ms,
                                           config->request_timeout_ms, config->close_timeout_ms,
                                           config->drain_timeout_ms});
    enum cdx_status status = open_all(s, error);
    if (status != CDX_OK) {
        net_close(s);
        return status;
    }
    *server = s;
    return CDX_OK;

no_memory:
    net_listen_refuse(config);
    snprintf(error->text, sizeof error->text, "no memory for the server");
    return CDX_NO_MEMORY;
}

enum cdx_status net_start(struct net_server *server, struct net_error *error)
{
    atomic_store(&server->live, server->config.workers);
    for (unsigned w = 0; w < server->config.workers; w++) {
        struct net_loop *loop = &server->loops[w];
        int rc = pthread_create(&loop->thread, NULL, net_loop_run, loop);
        if (rc != 0) {
            snprintf(error->text, sizeof error->text, "worker %u: %s", w, strerror(rc));
            server->ended = NULL;
            net_stop(server);
            net_join(server);
            return CDX_SYSTEM;
        }
        server->running = w + 1;
    }
    return CDX_OK;
}

static void command_all(struct net_server *server, enum net_command command)
{
    /*
     * Sequentially consistent, before the wake-up: uv_async_send begins with a plain
     * read. Should a machine re-order them still, the next tick obeys. No fence: the
     * thread sanitizer does not know them.
     */
    atomic_store(&server->command, (int)command);
    for (unsigned w = 0; w < server->running; w++)
        uv_async_send(&server->loops[w].control);
}

void net_drain(struct net_server *server)
{
    command_all(server, NET_COMMAND_DRAIN);
}

void net_stop(struct net_server *server)
{
    command_all(server, NET_COMMAND_STOP);
}

void net_join(struct net_server *server)
{
    for (unsigned w = 0; w < server->running; w++)
        pthread_join(server->loops[w].thread, NULL);
    server->running = 0;
}

void net_close(struct net_server *server)
{
    if (server == NULL)
        return;
    net_listen_close_all(server);
    for (unsigned w = 0; w < server->config.workers; w++)
        net_loop_free(&server->loops[w]);
    cdx_free(server->loops);
    cdx_free(server);
}

void net_set_limits(struct net_server *server, const struct net_limits *limits)
{
    atomic_store_explicit(&server->connections_max, limits->connections_max, memory_order_relaxed);
    atomic_store_explicit(&server->idle_timeout_ms, limits->idle_timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&server->request_timeout_ms, limits->request_timeout_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&server->close_timeout_ms, limits->close_timeout_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&server->drain_timeout_ms, limits->drain_timeout_ms,
                          memory_order_relaxed);
}

void net_on_ended(struct net_server *server, void (*ended)(void *arg), void *arg)
{
    server->ended = ended;
    server->ended_arg = arg;
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void net_read_stats(const struct net_server *server, struct net_stats *stats)
{
    *stats = (struct net_stats){
        .connections_open = atomic_load_explicit(&server->connections, memory_order_relaxed)};
    for (unsigned w = 0; w < server->config.workers; w++) {
        const struct net_counters *c = &server->loops[w].counters;
        stats->connections_accepted += value_of(&c->accepted);
        stats->connections_refused += value_of(&c->refused);
        stats->connections_idle_closed += value_of(&c->idle_closed);
        stats->connections_slow_closed += value_of(&c->slow_closed);
        stats->connections_reset += value_of(&c->reset);
        stats->bytes_in += value_of(&c->bytes_in);
        stats->bytes_out += value_of(&c->bytes_out);
        stats->turns += value_of(&c->turns);
        stats->paused += value_of(&c->paused);
        stats->accept_paused += value_of(&c->accept_paused);
    }
}
