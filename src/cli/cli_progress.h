/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The line that tells how far a long command is: on a terminal redrawn in
 * place ten times a second, elsewhere never; and the one-line summary at the end.
 *
 *     [#########...........]  46 %  1.20M keys  75.3 MB  812k keys/s  0:02 left
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli_json.h"

/* ---- limits ---- */

/** Nanoseconds between two redraws. */
#define CLI_PROGRESS_PERIOD_NS 100000000ull
/** Cells of the bar itself. */
#define CLI_PROGRESS_CELLS 20u

/* ---- types ---- */

struct cli_progress {
    int fd;            /* a terminal to draw on; -1: draw nothing */
    uint64_t start_ns; /* when it began */
    uint64_t drawn_ns; /* when it was drawn last */
    bool visible;      /* a line stands on the terminal */
};

/** How far the work is. */
struct cli_progress_state {
    const char *unit; /* what is counted, in the plural: "keys" */
    uint64_t keys;    /* done by this run */
    uint64_t nbytes;  /* done by this run; 0: not shown */
    uint64_t done;    /* of `total`, in its unit, with what earlier runs did … */
    uint64_t before;  /* … which is so much */
    uint64_t total;   /* 0: unknown, so no bar and no time left */
};

/* ---- operations ---- */

/** Nanoseconds of the monotonic clock. */
uint64_t cli_now_ns(void);

/** Begins at `now_ns`; `fd` as in the struct. */
void cli_progress_init(struct cli_progress *progress, int fd, uint64_t now_ns);

/** Redraws when it is time. */
void cli_progress_update(struct cli_progress *progress, const struct cli_progress_state *state,
                         uint64_t now_ns);

/** Removes the line, so that a message can be printed. */
void cli_progress_clear(struct cli_progress *progress);

/** Appends the line's text, at most `columns` wide, `elapsed_ns` after the beginning. */
void cli_progress_render(struct cli_buf *out, const struct cli_progress_state *state,
                         uint64_t elapsed_ns, size_t columns);

/** Appends "3 keys, 12.3kB in 1.20 s (2.50 keys/s)". */
void cli_progress_summary(struct cli_buf *out, const struct cli_progress_state *state,
                          uint64_t elapsed_ns);

/** The same as members "keys", "bytes", "elapsed_s" and "per_second". */
void cli_progress_json(struct cli_json *json, const struct cli_progress_state *state,
                       uint64_t elapsed_ns);

#endif
