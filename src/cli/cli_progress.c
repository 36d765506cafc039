/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line of load, dump and bench. */
#include "cli_progress.h"

#include "cli_text.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000ull
/* Columns when the terminal does not tell. */
#define COLUMNS_DEFAULT 80u

uint64_t cli_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void cli_progress_init(struct cli_progress *progress, int fd, uint64_t now_ns)
{
    *progress = (struct cli_progress){.fd = fd, .start_ns = now_ns, .drawn_ns = now_ns};
}

static double per_second(uint64_t n, uint64_t elapsed_ns)
{
    return elapsed_ns != 0 ? (double)n * 1e9 / (double)elapsed_ns : 0;
}

static void bar(struct cli_buf *out, double share)
{
    size_t full = (size_t)(share * CLI_PROGRESS_CELLS);
    cli_buf_byte(out, '[');
    for (size_t i = 0; i < CLI_PROGRESS_CELLS; i++)
        cli_buf_byte(out, i < full ? '#' : '.');
    cli_buf_printf(out, "] %3u %%  ", (unsigned)(share * 100));
}

/* Seconds as 1:02:03 or 2:03. */
static void clock_text(struct cli_buf *out, uint64_t seconds)
{
    if (seconds >= 3600)
        cli_buf_printf(out, "%llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
                       (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
    else
        cli_buf_printf(out, "%llu:%02llu", (unsigned long long)(seconds / 60),
                       (unsigned long long)(seconds % 60));
}

void cli_progress_render(struct cli_buf *out, const struct cli_progress_state *state,
                         uint64_t elapsed_ns, size_t columns)
{
    size_t before = out->len;
    bool known = state->total != 0;
    uint64_t done = state->done < state->total ? state->done : state->total;
    double share = known ? (double)done / (double)state->total : 0;
    if (known)
        bar(out, share);
    cli_scaled(out, (double)state->keys);
    cli_buf_printf(out, " %s  ", state->unit);
    if (state->nbytes != 0) {
        cli_scaled(out, (double)state->nbytes);
        cli_buf_text(out, "B  ");
    }
    cli_scaled(out, per_second(state->keys, elapsed_ns));
    cli_buf_printf(out, " %s/s", state->unit);
    if (known && done > state->before && elapsed_ns >= SECOND_NS) {
        double pace = (double)elapsed_ns / 1e9 / (double)(done - state->before);
        cli_buf_text(out, "  ");
        clock_text(out, (uint64_t)(pace * (double)(state->total - done) + 0.5));
        cli_buf_text(out, " left");
    }
    if (out->len - before > columns)
        out->len = before + columns;
}

static size_t terminal_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
        return COLUMNS_DEFAULT;
    return size.ws_col - 1u; /* the last cell would wrap on some terminals */
}

/* A failed write to the terminal costs a picture of progress, nothing else. */
static void draw(int fd, const struct cli_buf *line)
{
    ssize_t written = line->failed ? 0 : write(fd, line->data, line->len);
    (void)written;
}

void cli_progress_update(struct cli_progress *progress, const struct cli_progress_state *state,
                         uint64_t now_ns)
{
    if (progress->fd < 0 || now_ns - progress->drawn_ns < CLI_PROGRESS_PERIOD_NS)
        return;
    struct cli_buf line;
    cli_buf_init(&line);
    cli_buf_text(&line, "\r\033[K");
    cli_progress_render(&line, state, now_ns - progress->start_ns, terminal_columns(progress->fd));
    draw(progress->fd, &line);
    cli_buf_free(&line);
    progress->drawn_ns = now_ns;
    progress->visible = true;
}

void cli_progress_clear(struct cli_progress *progress)
{
    struct cli_buf line;
    if (!progress->visible)
        return;
    cli_buf_init(&line);
    cli_buf_text(&line, "\r\033[K");
    draw(progress->fd, &line);
    cli_buf_free(&line);
    progress->visible = false;
}

void cli_progress_summary(struct cli_buf *out, const struct cli_progress_state *state,
                          uint64_t elapsed_ns)
{
    cli_buf_u64(out, state->keys);
    cli_buf_printf(out, " %s, ", state->unit);
    cli_scaled(out, (double)state->nbytes);
    cli_buf_text(out, "B in ");
    cli_time_text(out, elapsed_ns);
    cli_buf_text(out, " (");
    cli_scaled(out, per_second(state->keys, elapsed_ns));
    cli_buf_printf(out, " %s/s)", state->unit);
}

void cli_progress_json(struct cli_json *json, const struct cli_progress_state *state,
                       uint64_t elapsed_ns)
{
    cli_json_u64(json, state->unit, state->keys);
    cli_json_u64(json, "bytes", state->nbytes);
    cli_json_real(json, "elapsed_s", (double)elapsed_ns / 1e9);
    cli_json_real(json, "per_second", per_second(state->keys, elapsed_ns));
}
