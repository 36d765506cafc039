/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The PID file: it names the running server and keeps a second one from
 * starting. The lock, not the number, is the truth: the kernel drops it when
 * the process dies, however it dies, so a stale file cannot be mistaken for a
 * live server, nor another process for ours.
 */
#ifndef CONTROL_PIDFILE_H
#define CONTROL_PIDFILE_H

#include <caudex/status.h>
#include <limits.h>
#include <sys/types.h>

/* ---- limits ---- */

/** Longest text that says why there is no PID file: a path and a reason. */
#define PIDFILE_ERROR_NBYTES (PATH_MAX + 128)

/* ---- types ---- */

/** An open PID file. Zeroed with fd -1, it is none: see pidfile_none. */
struct pidfile {
    int fd;
    pid_t stale; /* the process number that a dead server had left; 0: none */
    char path[PATH_MAX];
};

/* ---- lifecycle ---- */

/** No PID file: closing it does nothing. */
void pidfile_none(struct pidfile *file);

/**
 * Creates or takes over, locks and fills the file. CDX_OK; otherwise `error`
 * says why and `*file` is none: CDX_FULL, a live server holds it (the text
 * names its number); CDX_INVALID, there is a file that is no PID file, which
 * is left alone; CDX_SYSTEM. Call it in the process that stays: not before a fork.
 */
CDX_MUST_CHECK enum cdx_status pidfile_open(struct pidfile *file, const char *path,
                                            char error[PIDFILE_ERROR_NBYTES]);

/** Removes the file if it is still ours, then lets the lock go. Can be called twice. */
void pidfile_close(struct pidfile *file);

#endif
