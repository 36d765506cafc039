/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The two small protocols of a service manager: telling it our state
 * (sd_notify) and getting sockets from it (socket activation). Both are stable
 * and documented for being written anew; a library for these few lines would be
 * one more to ship and to trust.
 */
#ifndef CONTROL_SYSTEMD_H
#define CONTROL_SYSTEMD_H

#include "listen.h"

#include <caudex/status.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- limits ---- */

/** The first descriptor that is handed over. */
#define SYSTEMD_FDS_START 3
/** Sockets that can be handed over: as many as there can be listeners. */
#define SYSTEMD_FDS_MAX 16u
/** Longest text that says why handed-over sockets cannot be used. */
#define SYSTEMD_ERROR_NBYTES 256u

/* ---- types ---- */

/** A listening socket that the service manager handed over. */
struct systemd_socket {
    int fd;
    /** What it is bound to; the handler is the one that the socket's name says, or kv. */
    struct listen_address address;
    /** FileDescriptorName= is a handler's name. */
    bool handler_named;
};

/** How we talk to the service manager; the address is copied. */
struct systemd_notifier {
    char path[LISTEN_HOST_NBYTES]; /* empty: there is none; a leading '@' stands for NUL */
};

/* ---- operations ---- */

/**
 * Takes the sockets over that LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES speak
 * of, and removes these variables. `*count` is 0 when there are none for this
 * process. CDX_OK, or CDX_INVALID with `error` when one is no listening stream socket.
 * Call it before daemon_detach(): the number of the process is checked.
 */
CDX_MUST_CHECK enum cdx_status systemd_take_sockets(struct systemd_socket sockets[SYSTEMD_FDS_MAX],
                                                    size_t *count,
                                                    char error[SYSTEMD_ERROR_NBYTES]);

/** Reads NOTIFY_SOCKET, and removes the variable. */
void systemd_notifier_init(struct systemd_notifier *notifier);

/**
 * Sends "READY=1" and the like, lines separated by '\n'. A manager that does not listen is its
 * own fault: no error.
 */
void systemd_notify(const struct systemd_notifier *notifier, const char *state);

/** Sends "RELOADING=1" with the time, as systemd wants it. */
void systemd_notify_reloading(const struct systemd_notifier *notifier);

#endif
