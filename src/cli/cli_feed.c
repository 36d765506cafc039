/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a file on their way into the store. The happy path is: read a
 * line, queue its row, take answers in order, remember the last line up to
 * which all is done with. It stops when a line is wrong or refused (unless
 * told to keep going), when the connection ends, or at Ctrl-C; rows under way
 * are waited for as long as the connection lasts.
 */
#include "cli_feed.h"

#include "cli_file.h"
#include "cli_interrupt.h"
#include "cli_socket.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines between two looks at the clock. */
#define LINES_PER_LOOK 256u

/* ---- messages ---- */

/* Reports a bad row as FILE:LINE. DONE to go on with --keep-going, else what the row ended as. */
static enum cli_exit bad_row(struct cli_feed *feed, uint64_t line, struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cli_failure row = *failure;
    cli_fail(failure, row.exit, "%s:%" PRIu64 ": %s", cli_show_input(&shown, feed->input), line,
             row.text);
    feed->bad++;
    feed->worst = row.exit;
    if (!feed->keep_going)
        return row.exit;
    cli_progress_clear(&feed->progress);
    cli_report(feed->cli, NULL, NULL, failure);
    *failure = (struct cli_failure){0};
    return CLI_EXIT_DONE;
}

/* ---- answers ---- */

static enum cli_exit on_stored(void *arg, const void *mark, enum cli_exit outcome,
                               struct cli_failure *failure)
{
    struct cli_feed *feed = arg;
    struct cli_feed_mark row;
    memcpy(&row, mark, sizeof row);
    if (outcome == CLI_EXIT_DONE) {
        feed->state.keys++;
    } else if (feed->stopping) {
        feed->frozen = true;
        outcome = CLI_EXIT_DONE;
    } else {
        outcome = bad_row(feed, row.line, failure);
        feed->frozen = outcome != CLI_EXIT_DONE;
    }
    if (feed->frozen)
        return outcome;
    feed->state.nbytes += row.offset - feed->done.offset;
    feed->state.done = row.offset;
    feed->done = row;
    return CLI_EXIT_DONE;
}

/* ---- rows ---- */

static enum cli_exit feed_line(struct cli_feed *feed, struct cdx_bytes line,
                               struct cli_failure *failure)
{
    struct cdx_bytes key;
    struct cdx_bytes value;
    const struct cli_feed_mark mark = {.line = feed->lines.line, .offset = feed->lines.offset};
    if (line.len == 0)
        return CLI_EXIT_DONE;
    enum cdx_status status = cli_rows_read(&feed->rows, line, &key, &value, failure);
    if (status == CDX_NO_MEMORY)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    if (status != CDX_OK)
        return bad_row(feed, mark.line, failure);
    return cli_store_put(&feed->store, key, value, &mark, failure);
}

static enum cli_exit look_around(struct cli_feed *feed, struct cli_failure *failure)
{
    if (cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    cli_progress_update(&feed->progress, &feed->state, cli_now_ns());
    return feed->now_and_then != NULL ? feed->now_and_then(feed->arg, failure) : CLI_EXIT_DONE;
}

/* Who feeds us slowly must not wait for a full window to see a row stored. */
static enum cli_exit wait_for_lines(struct cli_feed *feed, struct cli_failure *failure)
{
    enum cli_exit exit = cli_store_finish(&feed->store, failure);
    if (exit == CLI_EXIT_DONE && cli_wait(feed->fd, POLLIN, UINT64_MAX) < 0)
        exit = cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    return exit;
}

enum cli_exit cli_feed_run(struct cli_feed *feed, struct cli_failure *failure)
{
    struct cdx_bytes line;
    enum cli_exit exit = CLI_EXIT_DONE;
    while (exit == CLI_EXIT_DONE) {
        if (!cli_lines_ready(&feed->lines))
            exit = wait_for_lines(feed, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        enum cdx_status status = cli_lines_next(&feed->lines, &line);
        if (status == CDX_CLOSED)
            return CLI_EXIT_DONE;
        if (status != CDX_OK)
            return cli_lines_failed(&feed->lines, status, feed->input, failure);
        exit = feed_line(feed, line, failure);
        if (exit == CLI_EXIT_DONE && feed->lines.line % LINES_PER_LOOK == 0)
            exit = look_around(feed, failure);
    }
    return exit;
}

enum cli_exit cli_feed_finish(struct cli_feed *feed, enum cli_exit exit,
                              struct cli_failure *failure)
{
    struct cli_failure lost = {0};
    if (exit == CLI_EXIT_DONE)
        exit = cli_store_finish(&feed->store, failure);
    if (exit == CLI_EXIT_DONE || exit == CLI_EXIT_UNREACHABLE)
        return exit;
    /* After an interruption the flag would end the waiting too: the second Ctrl-C still does. */
    if (exit == CLI_EXIT_INTERRUPTED)
        cli_interrupt_catch();
    feed->stopping = true;
    (void)!cli_store_finish(&feed->store, &lost);
    return exit;
}

/* ---- beginning and end ---- */

/* The format that was asked for, or that name or content tells. */
static enum cli_exit find_format(struct cli_feed *feed, const struct cli_args *args,
                                 enum cli_format *format, struct cli_failure *failure)
{
    const char *given = cli_opt_text(args, CLI_OPT_FORMAT);
    struct cdx_bytes line;
    *format = CLI_FORMAT_TSV;
    if (cli_given(args, CLI_OPT_KEYS) || strcmp(given, "keys") == 0)
        *format = CLI_FORMAT_KEYS;
    else if (strcmp(given, "json") == 0)
        *format = CLI_FORMAT_JSON;
    else if (strcmp(given, "auto") == 0 && !cli_format_of_name(feed->input, format)) {
        enum cdx_status status = cli_lines_peek(&feed->lines, &line);
        if (status != CDX_OK && status != CDX_CLOSED)
            return cli_lines_failed(&feed->lines, status, feed->input, failure);
        if (status == CDX_OK && line.len != 0 && line.data[0] == '{')
            *format = CLI_FORMAT_JSON;
    }
    if (cli_given(args, CLI_OPT_KEYS) && strcmp(given, "auto") != 0 && strcmp(given, "keys") != 0)
        return cli_fail(failure, CLI_EXIT_USAGE, "expected --keys or --format %s, got both", given);
    if (cli_given(args, CLI_OPT_VALUE) && *format != CLI_FORMAT_KEYS)
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "--value: expected with --keys only; these rows have values");
    return CLI_EXIT_DONE;
}

enum cli_exit cli_feed_init(struct cli_feed *feed, struct cli *cli, const struct cli_args *args,
                            struct cdx_bytes word, struct cli_failure *failure)
{
    bool quiet = cli_given(args, CLI_OPT_QUIET);
    bool drawn = !quiet && isatty(STDERR_FILENO) == 1;
    *feed = (struct cli_feed){
        .cli = cli,
        .input = (const char *)word.data,
        .fd = -1,
        .keep_going = cli_given(args, CLI_OPT_KEEP_GOING),
        .quiet = quiet,
        .state = {.unit = "keys"},
    };
    cli_progress_init(&feed->progress, drawn ? STDERR_FILENO : -1, cli_now_ns());
    if (memchr(feed->input, 0, word.len) != NULL)
        return cli_fail(failure, CLI_EXIT_USAGE, "FILE: expected a name without NUL bytes");
    return CLI_EXIT_DONE;
}

enum cli_exit cli_feed_open(struct cli_feed *feed, const struct cli_args *args,
                            struct cli_failure *failure)
{
    uint32_t window = (uint32_t)cli_opt_number(args, CLI_OPT_PIPELINE);
    enum cli_exit exit = cli_open(feed->cli, feed->input, &feed->fd, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_connect(feed->cli, failure);
    if (exit == CLI_EXIT_DONE && !cli_store_init(&feed->store, &feed->cli->link, window,
                                                 sizeof(struct cli_feed_mark), on_stored, feed))
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    feed->store.ttl_ms = cli_opt_ms(args, CLI_OPT_TTL);
    return exit;
}

void cli_feed_close(struct cli_feed *feed)
{
    if (feed->store.ring != NULL)
        cli_disconnect(feed->cli); /* its requests were numbered by the store */
    cli_store_free(&feed->store);
    cli_lines_free(&feed->lines);
    cli_rows_free(&feed->rows);
    if (feed->fd >= 0)
        cli_close_input(feed->fd);
    feed->fd = -1;
}

enum cli_exit cli_feed_begin(struct cli_feed *feed, const struct cli_args *args,
                             struct cli_failure *failure)
{
    struct cdx_bytes value = cdx_cstr(cli_opt_text(args, CLI_OPT_VALUE));
    enum cli_format format;
    struct stat info;
    feed->done = (struct cli_feed_mark){.line = feed->lines.line, .offset = feed->lines.offset};
    feed->state.before = feed->done.offset;
    enum cli_exit exit = find_format(feed, args, &format, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_rows_init(&feed->rows, format, value);
    if (fstat(feed->fd, &info) == 0 && S_ISREG(info.st_mode))
        feed->state.total = (uint64_t)info.st_size;
    return CLI_EXIT_DONE;
}
