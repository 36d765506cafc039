/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What can wake control's thread: signals from outside, and the word from the
 * workers that they have ended. Everything happens on that one thread, so no
 * code runs in a signal handler.
 */
#ifndef CONTROL_SIGNALS_H
#define CONTROL_SIGNALS_H

#include <caudex/status.h>

/* ---- types ---- */

enum signals_event {
    SIGNALS_STOP,   /* SIGTERM, SIGINT */
    SIGNALS_RELOAD, /* SIGHUP */
    SIGNALS_ENDED,  /* signals_end() was called */
};

struct signals {
    int signal_fd;
    int ended_fd;
};

/* ---- lifecycle ---- */

/**
 * Blocks the signals for this thread and all it will start, so that only
 * signals_wait() sees them; ignores SIGPIPE (a write then fails with EPIPE),
 * SIGUSR1 and SIGUSR2 (they would kill the process by mistake). Call it before
 * the first thread, in the process that stays. CDX_OK, or CDX_SYSTEM with errno.
 */
CDX_MUST_CHECK enum cdx_status signals_open(struct signals *signals);

/** Can be called twice. The signals stay blocked. */
void signals_close(struct signals *signals);

/* ---- operations ---- */

/** Waits for the next event; several may be waiting, the oldest signal comes first. */
enum signals_event signals_wait(struct signals *signals);

/** Makes signals_wait() return SIGNALS_ENDED, once. Any thread. `arg` is a struct signals. */
void signals_end(void *arg);

#endif
