/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: rows of a file into the store. The happy path is: feed the rows, note
 * in the checkpoint now and then up to which line all is done with. It stops
 * when the feeding does; the last message says where to go on.
 */
#include "cli_feed.h"
#include "cli_file.h"
#include "cli_interrupt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nanoseconds between two checkpoints: what a crash costs at most is loaded again. */
#define CHECKPOINT_PERIOD_NS 1000000000ull

struct load {
    struct cli_feed feed;
    const char *checkpoint_path; /* NULL: none */
    uint64_t noted_ns;           /* when the checkpoint was written last */
};

/* ---- checkpoints ---- */

static enum cli_exit note_checkpoint(struct load *load, struct cli_failure *failure)
{
    const struct cli_feed_mark *done = &load->feed.done;
    const struct cli_checkpoint at = {.line = done->line, .offset = done->offset};
    return cli_checkpoint_write(load->checkpoint_path, load->feed.input, &at, failure);
}

static enum cli_exit now_and_then(void *arg, struct cli_failure *failure)
{
    struct load *load = arg;
    uint64_t now_ns = cli_now_ns();
    if (load->checkpoint_path == NULL || now_ns - load->noted_ns < CHECKPOINT_PERIOD_NS)
        return CLI_EXIT_DONE;
    load->noted_ns = now_ns;
    return note_checkpoint(load, failure);
}

/* The checkpoint of a finished load is removed; that of a stopped one is brought up to date. */
static enum cli_exit settle_checkpoint(struct load *load, enum cli_exit exit,
                                       struct cli_failure *failure)
{
    struct cli_failure ignored;
    if (load->checkpoint_path == NULL)
        return exit;
    if (exit != CLI_EXIT_DONE) {
        (void)!note_checkpoint(load, &ignored);
        return exit;
    }
    struct cli_shown shown;
    if (unlink(load->checkpoint_path) == 0 || errno == ENOENT)
        return exit;
    return cli_fail(failure, CLI_EXIT_LOCAL, "%s: cannot remove: %s",
                    cli_show(&shown, cdx_cstr(load->checkpoint_path)), strerror(errno));
}

/* ---- beginning ---- */

static enum cli_exit skip_lines(struct load *load, uint64_t from_line, struct cli_failure *failure)
{
    struct cdx_bytes line;
    while (load->feed.lines.line + 1 < from_line) {
        enum cdx_status status = cli_lines_next(&load->feed.lines, &line);
        if (status == CDX_CLOSED)
            return cli_fail(failure, CLI_EXIT_LOCAL,
                            "--from-line %" PRIu64 ": the input has only %" PRIu64 " lines",
                            from_line, load->feed.lines.line);
        if (status != CDX_OK)
            return cli_lines_failed(&load->feed.lines, status, load->feed.input, failure);
    }
    return CLI_EXIT_DONE;
}

/* Stands the input at the checkpoint; false when it cannot be positioned. */
static enum cli_exit seek_to(struct load *load, const struct cli_checkpoint *at, bool *sought,
                             struct cli_failure *failure)
{
    struct cli_shown shown;
    char before = 0;
    int fd = load->feed.fd;
    struct stat info;
    *sought = at->line != 0 && lseek(fd, (off_t)at->offset, SEEK_SET) >= 0;
    if (!*sought || at->offset == 0 || fstat(fd, &info) != 0)
        return CLI_EXIT_DONE;
    bool at_end = (uint64_t)info.st_size == at->offset;
    if (at_end || (pread(fd, &before, 1, (off_t)at->offset - 1) == 1 && before == '\n'))
        return CLI_EXIT_DONE;
    return cli_fail(failure, CLI_EXIT_LOCAL,
                    "%s: has changed since its checkpoint was written; remove the checkpoint to "
                    "load it from its beginning",
                    cli_show(&shown, cdx_cstr(load->feed.input)));
}

/* Begins behind the checkpoint, or at --from-line. */
static enum cli_exit find_start(struct load *load, const struct cli_args *args,
                                struct cli_failure *failure)
{
    struct cli_checkpoint at = {0};
    uint64_t from_line = cli_opt_number(args, CLI_OPT_FROM_LINE);
    if (load->checkpoint_path != NULL) {
        enum cli_exit exit =
            cli_checkpoint_read(load->checkpoint_path, load->feed.input, &at, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    if (at.line != 0 && cli_given(args, CLI_OPT_FROM_LINE))
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "expected --from-line or an existing --checkpoint, got both");
    bool sought = false;
    enum cli_exit exit = seek_to(load, &at, &sought, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_lines_init(&load->feed.lines, load->feed.fd, sought ? at.line : 0, sought ? at.offset : 0);
    return skip_lines(load, at.line != 0 ? at.line + 1 : from_line, failure);
}

/* ---- ending ---- */

/* What a stopped load leaves behind, and how to go on. */
static void say_where_to_go_on(const struct load *load)
{
    if (load->feed.cli->out.json)
        return;
    fprintf(stderr, "caudex: load: stopped; all rows up to line %" PRIu64 " are done; ",
            load->feed.done.line);
    if (load->checkpoint_path != NULL)
        fprintf(stderr, "the same command goes on from there\n");
    else
        fprintf(stderr, "go on with --from-line %" PRIu64 "\n", load->feed.done.line + 1);
}

static void summary(struct cli_feed *feed, enum cli_exit exit)
{
    struct cli_buf line = {0};
    uint64_t elapsed_ns = cli_now_ns() - feed->progress.start_ns;
    if (feed->cli->out.json) {
        struct cli_json json =
            cli_out_json(&feed->cli->out, exit == CLI_EXIT_DONE ? "ok" : "error");
        cli_progress_json(&json, &feed->state, elapsed_ns);
        cli_json_u64(&json, "bad", feed->bad);
        cli_json_u64(&json, "last_line", feed->done.line);
        cli_out_json_end(&feed->cli->out, &json);
        return;
    }
    cli_progress_summary(&line, &feed->state, elapsed_ns);
    fprintf(stderr, "loaded %.*s", (int)line.len, (const char *)line.data);
    if (feed->bad != 0)
        fprintf(stderr, "; %" PRIu64 " bad row%s", feed->bad, feed->bad == 1 ? "" : "s");
    fputc('\n', stderr);
    cli_buf_free(&line);
}

/* After the rows: the rest of the answers, the checkpoint, the last words. */
static enum cli_exit load_end(struct load *load, const struct cli_args *args, enum cli_exit exit,
                              struct cli_failure *failure)
{
    struct cli_feed *feed = &load->feed;
    exit = cli_feed_finish(feed, exit, failure);
    cli_progress_clear(&feed->progress);
    exit = settle_checkpoint(load, exit, failure);
    if (exit != CLI_EXIT_DONE) {
        cli_report(feed->cli, NULL, args, failure);
        failure->text[0] = 0;
        say_where_to_go_on(load);
    }
    if (!feed->quiet || feed->cli->out.json)
        summary(feed, exit);
    return exit == CLI_EXIT_DONE ? feed->worst : exit;
}

static enum cli_exit load_rows(struct load *load, const struct cli_args *args,
                               struct cli_failure *failure)
{
    enum cli_exit exit = find_start(load, args, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_feed_begin(&load->feed, args, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    exit = cli_feed_run(&load->feed, failure);
    return load_end(load, args, exit, failure);
}

enum cli_exit cli_load(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct load load = {
        .checkpoint_path = cli_opt_text(args, CLI_OPT_CHECKPOINT),
        .noted_ns = cli_now_ns(),
    };
    enum cli_exit exit = cli_feed_init(&load.feed, cli, args, args->words[0], failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    load.feed.now_and_then = now_and_then;
    load.feed.arg = &load;
    exit = cli_feed_open(&load.feed, args, failure);
    cli_interrupt_catch();
    if (exit == CLI_EXIT_DONE)
        exit = load_rows(&load, args, failure);
    cli_interrupt_release();
    cli_feed_close(&load.feed);
    return exit;
}
