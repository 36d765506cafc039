/* SPDX-License-Identifier: Apache-2.0 */
/** The limit of open files: every connection takes one. */
#ifndef CONTROL_NOFILE_H
#define CONTROL_NOFILE_H

#include <caudex/status.h>
#include <stdint.h>

/* ---- limits ---- */

/** Longest text that says how the limit can be raised. */
#define NOFILE_ERROR_NBYTES 512u
/**
 * Files besides connections and workers: stdio, log, PID file, signals, and what the C library
 * opens.
 */
#define NOFILE_RESERVE 64u
/** Files of a worker besides its listening sockets: epoll, wake-ups, and room for libuv's own. */
#define NOFILE_PER_WORKER 16u

/* ---- operations ---- */

/** Files that a server of this size needs. */
uint64_t nofile_needed(uint64_t connections, uint64_t workers, uint64_t listeners);

/**
 * Raises the soft limit as far as needed and allowed; never lowers it. CDX_OK;
 * CDX_FULL when the hard limit is lower than `needed`, CDX_SYSTEM when the
 * kernel refuses: `error` says what is needed and how to get it.
 */
CDX_MUST_CHECK enum cdx_status nofile_raise(uint64_t needed, char error[NOFILE_ERROR_NBYTES]);

#endif
