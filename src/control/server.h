/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The server as control sees it: what it holds while it runs, and the order in
 * which that comes and goes.
 *
 *     sockets of a service manager → detach → signals → log → open files
 *       → PID file → store → net_open → net_start → ready file → READY=1
 *     … events …
 *     STOPPING=1 → drain → everything back, in reverse
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "config.h"
#include "log.h"
#include "pidfile.h"
#include "signals.h"
#include "systemd.h"

#include "net.h"

#include <stdbool.h>

/* ---- limits ---- */

/** Longest text that says why a start failed: a path and a reason. */
#define SERVER_ERROR_NBYTES (OPTIONS_PATH_NBYTES + 512u)
/** Longest bound address as text, with its NUL. */
#define SERVER_ADDRESS_NBYTES 128u

/** Exit codes; see caudexd(8). */
enum server_exit { SERVER_EXIT_OK = 0, SERVER_EXIT_FAILED = 1, SERVER_EXIT_CONFIG = 2 };

/* ---- types ---- */

struct store;

struct server {
    /** What is in force: after a reload, the reloaded values where that is possible. */
    struct config config;
    const struct config_input *input; /* to read the configuration again; borrowed */
    struct net_config net_config;     /* its texts lie in `config` and `sockets` */
    struct systemd_socket sockets[SYSTEMD_FDS_MAX];
    size_t socket_count;
    struct systemd_notifier notifier;
    int report_fd; /* to the command that waits for the daemon; -1: none */
    struct signals signals;
    struct log *log;
    struct pidfile pidfile;
    struct store *store;
    struct net_server *net;
    bool serving;  /* the workers run, or have run and not been joined */
    bool stopping; /* told to stop */
    char error[SERVER_ERROR_NBYTES];
};

/* ---- operations ---- */

/** Serves until it is told to stop; returns the exit code. `config` is copied, `input` borrowed. */
int server_run(const struct config *config, const struct config_input *input);

/** SIGHUP: reads the configuration again and applies what can change. See server_reload.c. */
void server_reload(struct server *server);

/**
 * Fills server->net_config from the options and the handed-over sockets. See server_net.c.
 * False with server->error.
 */
bool server_net_configure(struct server *server);

/** A slice of the store's upkeep, for net; `server` is a struct server. */
unsigned server_upkeep(void *server);

/** The limits that net takes, from the options. */
struct net_limits server_net_limits(const struct options *options);

/** What the store takes from the options; borrowed from them. */
struct store_config server_store_config(const struct options *options);

/** Raises the limit of open files for these options. False with server->error. */
bool server_raise_nofile(struct server *server, const struct options *options);

/** How the options want to log. The target is borrowed from them. */
struct log_config server_log_config(const struct options *options);

#endif
