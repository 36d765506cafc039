/* SPDX-License-Identifier: Apache-2.0 */
/** Connected, non-blocking sockets, and the clock that bounds the waiting. */
#ifndef CLIENT_SOCKET_H
#define CLIENT_SOCKET_H

#include "client_address.h"

#include <caudex/status.h>

/* ---- operations ---- */

/** Milliseconds of the monotonic clock. */
uint64_t cdx__now_ms(void);

/**
 * Like cdx__now_ms(), but up to a few milliseconds ahead, and cheap: measured 6 ns instead
 * of 52, where a pipelined request costs 15 in all. A deadline counted from it is not
 * early, unless the system itself is late with its ticks: a virtual machine that got no time
 * may be by some. `tick_ns` is cdx__tick_ns().
 */
uint64_t cdx__soon_ms(uint64_t tick_ns);

/** The constant that cdx__soon_ms() needs. */
uint64_t cdx__tick_ns(void);

/** Milliseconds for poll(2) until `deadline_ms`: 0 when it has passed, -1 for UINT64_MAX. */
int cdx__poll_ms(uint64_t now_ms, uint64_t deadline_ms);

/**
 * Connects before `deadline_ms` to the first address of the host that answers; `*fd` is
 * non-blocking, sends without delay, and is the caller's. CDX_OK; CDX_ADDRESS, CDX_SYSTEM
 * (errno is set), CDX_TIMEOUT, CDX_NO_MEMORY, with a static text in `*cause`.
 */
CDX_MUST_CHECK enum cdx_status cdx__socket_connect(const struct cdx__address *address,
                                                   uint64_t deadline_ms, int *fd,
                                                   const char **cause);

/** Makes a socket non-blocking and, where that exists, send at once. False: errno says why not. */
bool cdx__socket_prepare(int fd);

#endif
