/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Detaching from the terminal, with the outcome of the start reported to the
 * command that the operator typed:
 *
 *     caudexd ──fork──► child ──setsid, fork──► server: starts, then reports
 *        │                                         │
 *        └──── waits, prints, exits ◄──── pipe ────┘
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include <caudex/status.h>

/* ---- limits ---- */

/** Longest failure text that is passed on, in bytes; the rest is cut. */
#define DAEMON_TEXT_NBYTES_MAX 8192u

/* ---- operations ---- */

/**
 * Returns in the detached process with the descriptor to report through, and
 * CDX_OK. The calling process does not return: it prints the reported text on
 * stderr and exits with the reported code, or with 1 when the server dies
 * unreported. CDX_SYSTEM: still the calling process, errno is set.
 * Call it before the first thread.
 */
CDX_MUST_CHECK enum cdx_status daemon_detach(int *report_fd);

/**
 * The server runs: the waiting command exits with 0. Also lets go of the terminal. Closes
 * `report_fd`.
 */
void daemon_report_running(int report_fd);

/**
 * The server did not start: the waiting command prints `text` and exits with `code`. Closes
 * `report_fd`.
 */
void daemon_report_failure(int report_fd, int code, const char *text);

#endif
