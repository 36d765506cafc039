/* SPDX-License-Identifier: Apache-2.0 */
/** Server addresses as people write them, and connected, non-blocking sockets. */
#ifndef CLI_SOCKET_H
#define CLI_SOCKET_H

#include "cli_failure.h"

/* ---- limits ---- */

/** Longest host name or socket path, in bytes with its NUL. */
#define CLI_HOST_NBYTES_MAX 256u

/* ---- types ---- */

struct cli_address {
    bool is_unix;
    char host[CLI_HOST_NBYTES_MAX]; /* a name, an address without brackets, or the socket's path */
    char port[8];
};

/* ---- operations ---- */

/**
 * Reads HOST, HOST:PORT, [IPV6], [IPV6]:PORT or unix:PATH; without a port, the
 * protocol's. CLI_EXIT_DONE, or CLI_EXIT_USAGE with the message.
 */
CDX_MUST_CHECK enum cli_exit cli_address_parse(const char *text, struct cli_address *address,
                                               struct cli_failure *failure);

/**
 * Connects to `server` within `timeout_ns`; `*fd` is non-blocking and the
 * caller's. CLI_EXIT_DONE; CLI_EXIT_USAGE (no address), CLI_EXIT_UNREACHABLE
 * or CLI_EXIT_INTERRUPTED, with the message.
 */
CDX_MUST_CHECK enum cli_exit cli_socket_connect(const char *server, uint64_t timeout_ns, int *fd,
                                                struct cli_failure *failure);

/**
 * Waits for one of the poll() `events` on `fd`. 1 when there is one, 0 when
 * `deadline_ns` has passed, -1 when a signal that is caught has come, also just before the call.
 */
int cli_wait(int fd, short events, uint64_t deadline_ns);

#endif
