/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: server_start() acquires everything in the order of server.h, the
 * loop waits for events, server_end() gives everything back in reverse.
 *
 * Failure modes: any step of the start fails. server->error then says why; it
 * goes to the log, and to the operator's terminal (through the waiting command
 * when the server is detached), and what was acquired is given back. Later, the
 * workers may end on their own: the server logs it and exits with 1.
 */
#include "server.h"

#include "daemon.h"
#include "handler.h"
#include "readyfile.h"

#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- start ---- */

static bool failed(struct server *s, const char *what)
{
    snprintf(s->error, sizeof s->error, "%s: %s", what, strerror(errno));
    return false;
}

static bool take_sockets(struct server *s)
{
    char error[SYSTEMD_ERROR_NBYTES];

    systemd_notifier_init(&s->notifier);
    if (systemd_take_sockets(s->sockets, &s->socket_count, error) == CDX_OK)
        return true;
    snprintf(s->error, sizeof s->error, "%s", error);
    return false;
}

static bool detach(struct server *s)
{
    if (s->config.options.daemonize == 0 || daemon_detach(&s->report_fd) == CDX_OK)
        return true;
    return failed(s, "cannot detach");
}

static bool open_signals(struct server *s)
{
    return signals_open(&s->signals) == CDX_OK || failed(s, "cannot take over signals");
}

static bool open_log(struct server *s)
{
    struct log_config config = server_log_config(&s->config.options);
    char error[LOG_ERROR_NBYTES];

    if (log_open(&config, &s->log, error) == CDX_OK)
        return true;
    snprintf(s->error, sizeof s->error, "%s", error);
    return false;
}

static bool raise_nofile(struct server *s)
{
    return server_raise_nofile(s, &s->config.options);
}

static bool open_pidfile(struct server *s)
{
    const char *path = s->config.options.pid_file;
    char error[PIDFILE_ERROR_NBYTES];

    if (!options_path_is_set(path))
        return true;
    if (pidfile_open(&s->pidfile, path, error) != CDX_OK) {
        snprintf(s->error, sizeof s->error, "%s", error);
        return false;
    }
    if (s->pidfile.stale != 0)
        log_write(
            s->log, LOG_LEVEL_WARN, "replaced the PID file of a server that was killed",
            LOG_FIELDS(LOG_TEXT("path", path), LOG_NUMBER("pid", (uint64_t)s->pidfile.stale)));
    return true;
}

/* The store's clock. */
static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct store_config server_store_config(const struct options *options)
{
    const char *below = options->memory_evict_below;

    return (struct store_config){
        .memory_max_nbytes = options->memory_max_nbytes,
        .evict = options->memory_policy == OPTIONS_MEMORY_EVICT,
        .evict_below = options_path_is_set(below) ? cdx_cstr(below) : cdx_empty(),
        .now_ms = now_ms(),
    };
}

/* Steps of a slice: some hundred microseconds. */
#define UPKEEP_STEPS 128u
/* How fine the clock of values that end is, and how long what waits for readers waits. */
#define UPKEEP_EVERY_MS 10u
#define UPKEEP_SOON_MS 2u

unsigned server_upkeep(void *arg)
{
    const struct server *s = arg;

    switch (store_maintain(s->store, now_ms(), UPKEEP_STEPS)) {
    case STORE_UPKEEP_NOW:
        return 0;
    case STORE_UPKEEP_LATER:
        return UPKEEP_SOON_MS;
    default:
        return UPKEEP_EVERY_MS;
    }
}

static bool open_store(struct server *s)
{
    const struct store_config config = server_store_config(&s->config.options);
    enum store_status status = store_open(&config, &s->store);

    if (status == STORE_OK)
        return true;
    snprintf(s->error, sizeof s->error, "cannot open the store: %s", store_status_text(status));
    return false;
}

static bool open_net(struct server *s)
{
    struct net_error error;

    if (net_open(&s->net_config, s->store, &s->net, &error) == CDX_OK)
        return true;
    snprintf(s->error, sizeof s->error, "cannot listen: %s", error.text);
    return false;
}

static void remove_ready_file(struct server *s)
{
    if (options_path_is_set(s->config.options.ready_file))
        readyfile_remove(s->config.options.ready_file);
}

static bool start_net(struct server *s)
{
    struct net_error error;

    remove_ready_file(s); /* that of a server that was killed */
    net_on_ended(s->net, signals_end, &s->signals);
    s->serving = net_start(s->net, &error) == CDX_OK;
    if (!s->serving)
        snprintf(s->error, sizeof s->error, "cannot start the workers: %s", error.text);
    return s->serving;
}

/* Not an error: it may be wanted. But nobody should find out from a stranger. */
static void tell_exposure(struct server *s, const char *bound)
{
    struct listen_address address;
    const char *expected;

    if (listen_parse(bound, &address, &expected) && !listen_is_local(&address))
        log_write(s->log, LOG_LEVEL_WARN,
                  "reachable from other machines, and the protocol has no passwords",
                  LOG_FIELDS(LOG_TEXT("address", bound)));
}

static void tell_listeners(struct server *s)
{
    for (size_t i = 0; i < s->net_config.listener_count; i++) {
        const char *handler = s->net_config.listeners[i].handler->name;
        char address[SERVER_ADDRESS_NBYTES];

        net_listener_address(s->net, i, address, sizeof address);
        log_write(s->log, LOG_LEVEL_INFO, "listening",
                  LOG_FIELDS(LOG_TEXT("address", address), LOG_TEXT("handler", handler)));
        tell_exposure(s, address);
    }
}

static bool tell_started(struct server *s)
{
    log_write(s->log, LOG_LEVEL_INFO, "started",
              LOG_FIELDS(LOG_TEXT("version", CAUDEXD_VERSION),
                         LOG_NUMBER("pid", (uint64_t)getpid()),
                         LOG_NUMBER("workers", s->net_config.workers)));
    tell_listeners(s);
    return true;
}

/* After the log: whoever waits for the file finds everything there. */
static bool write_ready_file(struct server *s)
{
    char text[NET_LISTENERS_MAX * (SERVER_ADDRESS_NBYTES + 1)] = "";
    char error[READYFILE_ERROR_NBYTES];
    size_t len = 0;

    if (!options_path_is_set(s->config.options.ready_file))
        return true;
    for (size_t i = 0; i < s->net_config.listener_count; i++) {
        char address[SERVER_ADDRESS_NBYTES];

        net_listener_address(s->net, i, address, sizeof address);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", address);
    }
    if (readyfile_write(s->config.options.ready_file, text, error) == CDX_OK)
        return true;
    snprintf(s->error, sizeof s->error, "%s", error);
    return false;
}

static bool start(struct server *s)
{
    static bool (*const steps[])(struct server *) = {
        take_sockets, detach,     open_signals, open_log,  server_net_configure, raise_nofile,
        open_pidfile, open_store, open_net,     start_net, tell_started,         write_ready_file,
    };

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (!steps[i](s))
            return false;
    }
    return true;
}

/* ---- telling ---- */

/* Once, on the ways that somebody reads. */
static void tell_failure(struct server *s)
{
    bool logs_to_stderr = s->log != NULL && strcmp(s->config.options.log_target, "stderr") == 0;
    char line[SERVER_ERROR_NBYTES + 16];

    log_write(s->log, LOG_LEVEL_ERROR, "cannot start", LOG_FIELDS(LOG_TEXT("error", s->error)));
    snprintf(line, sizeof line, "caudexd: %s\n", s->error);
    if (s->report_fd >= 0)
        daemon_report_failure(s->report_fd, SERVER_EXIT_FAILED, line);
    else if (!logs_to_stderr)
        fputs(line, stderr);
    s->report_fd = -1;
}

static void tell_running(struct server *s)
{
    systemd_notify(&s->notifier, "READY=1");
    if (s->report_fd >= 0)
        daemon_report_running(s->report_fd);
    s->report_fd = -1;
}

static void tell_stopped(struct server *s)
{
    struct net_stats stats;

    net_read_stats(s->net, &stats);
    log_write(s->log, LOG_LEVEL_INFO, "stopped",
              LOG_FIELDS(LOG_NUMBER("connections", stats.connections_accepted),
                         LOG_NUMBER("bytes_in", stats.bytes_in),
                         LOG_NUMBER("bytes_out", stats.bytes_out)));
}

/* ---- run ---- */

static void stop(struct server *s)
{
    if (s->stopping) {
        log_write(s->log, LOG_LEVEL_WARN, "stopping at once", LOG_NO_FIELDS);
        net_stop(s->net);
        return;
    }
    s->stopping = true;
    log_write(s->log, LOG_LEVEL_INFO, "stopping", LOG_NO_FIELDS);
    systemd_notify(&s->notifier, "STOPPING=1");
    remove_ready_file(s);
    net_drain(s->net);
}

static int serve(struct server *s)
{
    enum signals_event event;

    while ((event = signals_wait(&s->signals)) != SIGNALS_ENDED) {
        if (event == SIGNALS_STOP)
            stop(s);
        else if (!s->stopping)
            server_reload(s);
    }
    net_join(s->net);
    s->serving = false;
    remove_ready_file(s);
    if (s->stopping) {
        tell_stopped(s);
        return SERVER_EXIT_OK;
    }
    log_write(s->log, LOG_LEVEL_ERROR, "the workers ended without being told to", LOG_NO_FIELDS);
    return SERVER_EXIT_FAILED;
}

/* ---- end ---- */

/* After a start that failed half-way, too: whatever is not there is skipped. */
static void end(struct server *s)
{
    if (s->serving) {
        net_stop(s->net);
        net_join(s->net);
    }
    net_close(s->net);
    store_close(s->store);
    pidfile_close(&s->pidfile);
    log_close(s->log);
    signals_close(&s->signals);
}

int server_run(const struct config *config, const struct config_input *input)
{
    static struct server server; /* too large for a stack, and there is one per process */
    struct server *s = &server;
    int code = SERVER_EXIT_FAILED;

    *s = (struct server){.input = input, .report_fd = -1, .signals = {-1, -1}};
    s->config = *config;
    pidfile_none(&s->pidfile);
    if (start(s)) {
        tell_running(s);
        code = serve(s);
    } else {
        tell_failure(s);
    }
    end(s);
    return code;
}
