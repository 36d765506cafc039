/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: rows of a file into the store. The happy path is: read a line, queue
 * its put, take answers in order, remember the last line up to which all is
 * done with, note it in the checkpoint now and then. It stops when a line is
 * wrong or refused (unless --keep-going), when the connection ends, or at
 * Ctrl-C; rows under way are waited for as long as the connection lasts, and
 * the last message says where to go on.
 */
#include "cli.h"
#include "cli_file.h"
#include "cli_interrupt.h"
#include "cli_lines.h"
#include "cli_progress.h"
#include "cli_rows.h"
#include "cli_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nanoseconds between two checkpoints: what a crash costs at most is loaded again. */
#define CHECKPOINT_PERIOD_NS 1000000000ull
/* Lines between two looks at the clock. */
#define LINES_PER_LOOK 256u

/* The place of a row in the input: its put's mark. */
struct mark {
    uint64_t line;
    uint64_t offset; /* where the line ends */
};

struct load {
    struct cli *cli;
    const char *input;           /* as given */
    const char *checkpoint_path; /* NULL: none */
    bool keep_going;
    bool quiet;
    bool stopping; /* no more lines are read; what is under way is waited for */
    bool frozen;   /* a row is not stored: `done` stays before it */
    struct cli_lines lines;
    struct cli_rows rows;
    struct cli_store store;
    struct mark done;    /* all rows up to here are stored, or reported */
    uint64_t bad;        /* rows reported */
    enum cli_exit worst; /* of those */
    uint64_t noted_ns;   /* when the checkpoint was written last */
    struct cli_progress progress;
    struct cli_progress_state state;
};

/* ---- messages ---- */

/* Reports a bad row as FILE:LINE. DONE to go on with --keep-going, else what the row ended as. */
static enum cli_exit bad_row(struct load *load, uint64_t line, struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cli_failure row = *failure;
    const char *name = load->input;
    if (strcmp(name, "-") == 0)
        name = "stdin";
    else if (strlen(cli_show(&shown, cdx_cstr(name))) != strlen(name) + 2)
        name = shown.text; /* quoted, as its name needs escapes */
    cli_fail(failure, row.exit, "%s:%" PRIu64 ": %s", name, line, row.text);
    load->bad++;
    load->worst = row.exit;
    if (!load->keep_going)
        return row.exit;
    cli_progress_clear(&load->progress);
    cli_report(load->cli, NULL, NULL, failure);
    *failure = (struct cli_failure){0};
    return CLI_EXIT_DONE;
}

/* ---- answers ---- */

static enum cli_exit note_checkpoint(struct load *load, struct cli_failure *failure)
{
    const struct cli_checkpoint at = {.line = load->done.line, .offset = load->done.offset};
    return cli_checkpoint_write(load->checkpoint_path, load->input, &at, failure);
}

static enum cli_exit on_stored(void *arg, const void *mark, enum cli_exit outcome,
                               struct cli_failure *failure)
{
    struct load *load = arg;
    struct mark row;
    memcpy(&row, mark, sizeof row);
    if (outcome == CLI_EXIT_DONE) {
        load->state.keys++;
    } else if (load->stopping) {
        load->frozen = true;
        outcome = CLI_EXIT_DONE;
    } else {
        outcome = bad_row(load, row.line, failure);
        load->frozen = outcome != CLI_EXIT_DONE;
    }
    if (load->frozen)
        return outcome;
    load->state.nbytes += row.offset - load->done.offset;
    load->state.done = row.offset;
    load->done = row;
    return CLI_EXIT_DONE;
}

/* Progress and checkpoint, when it is time. */
static enum cli_exit now_and_then(struct load *load, struct cli_failure *failure)
{
    uint64_t now_ns = cli_now_ns();
    if (cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    cli_progress_update(&load->progress, &load->state, now_ns);
    if (load->checkpoint_path == NULL || now_ns - load->noted_ns < CHECKPOINT_PERIOD_NS)
        return CLI_EXIT_DONE;
    load->noted_ns = now_ns;
    return note_checkpoint(load, failure);
}

/* ---- rows ---- */

static enum cli_exit store_line(struct load *load, struct cdx_bytes line,
                                struct cli_failure *failure)
{
    struct cdx_bytes key;
    struct cdx_bytes value;
    const struct mark mark = {.line = load->lines.line, .offset = load->lines.offset};
    if (line.len == 0)
        return CLI_EXIT_DONE;
    enum cdx_status status = cli_rows_read(&load->rows, line, &key, &value, failure);
    if (status == CDX_NO_MEMORY)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    if (status != CDX_OK)
        return bad_row(load, mark.line, failure);
    return cli_store_put(&load->store, key, value, &mark, failure);
}

static enum cli_exit input_failed(const struct load *load, enum cdx_status status,
                                  struct cli_failure *failure)
{
    struct cli_shown shown;
    cli_show(&shown, cdx_cstr(load->input));
    if (status == CDX_SYSTEM && cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    if (status == CDX_SYSTEM)
        return cli_fail(failure, CLI_EXIT_LOCAL, "%s: cannot read: %s", shown.text,
                        strerror(load->lines.error));
    return cli_fail(failure, CLI_EXIT_LOCAL, "%s:%" PRIu64 ": the line is %s (%zu bytes)",
                    shown.text, load->lines.line, cdx_status_text(status), load->lines.line_max);
}

static enum cli_exit store_lines(struct load *load, struct cli_failure *failure)
{
    struct cdx_bytes line;
    enum cli_exit exit = CLI_EXIT_DONE;
    while (exit == CLI_EXIT_DONE) {
        /* Who feeds us slowly must not wait for a full window to see a row stored. */
        if (!cli_lines_ready(&load->lines))
            exit = cli_store_finish(&load->store, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        enum cdx_status status = cli_lines_next(&load->lines, &line);
        if (status == CDX_CLOSED)
            return CLI_EXIT_DONE;
        if (status != CDX_OK)
            return input_failed(load, status, failure);
        exit = store_line(load, line, failure);
        if (exit == CLI_EXIT_DONE && load->lines.line % LINES_PER_LOOK == 0)
            exit = now_and_then(load, failure);
    }
    return exit;
}

/* ---- beginning ---- */

static enum cli_exit skip_lines(struct load *load, uint64_t from_line, struct cli_failure *failure)
{
    struct cdx_bytes line;
    while (load->lines.line + 1 < from_line) {
        enum cdx_status status = cli_lines_next(&load->lines, &line);
        if (status == CDX_CLOSED)
            return cli_fail(failure, CLI_EXIT_LOCAL,
                            "--from-line %" PRIu64 ": the input has only %" PRIu64 " lines",
                            from_line, load->lines.line);
        if (status != CDX_OK)
            return input_failed(load, status, failure);
    }
    return CLI_EXIT_DONE;
}

/* Stands the input at the checkpoint; false when it cannot be positioned. */
static enum cli_exit seek_to(struct load *load, int fd, const struct cli_checkpoint *at,
                             bool *sought, struct cli_failure *failure)
{
    struct cli_shown shown;
    char before = 0;
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
                    cli_show(&shown, cdx_cstr(load->input)));
}

/* Begins behind the checkpoint, or at --from-line. */
static enum cli_exit find_start(struct load *load, const struct cli_args *args, int fd,
                                struct cli_failure *failure)
{
    struct cli_checkpoint at = {0};
    uint64_t from_line = cli_opt_number(args, CLI_OPT_FROM_LINE);
    if (load->checkpoint_path != NULL) {
        enum cli_exit exit = cli_checkpoint_read(load->checkpoint_path, load->input, &at, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    if (at.line != 0 && cli_given(args, CLI_OPT_FROM_LINE))
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "expected --from-line or an existing --checkpoint, got both");
    bool sought = false;
    enum cli_exit exit = seek_to(load, fd, &at, &sought, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_lines_init(&load->lines, fd, sought ? at.line : 0, sought ? at.offset : 0);
    exit = skip_lines(load, at.line != 0 ? at.line + 1 : from_line, failure);
    load->done = (struct mark){.line = load->lines.line, .offset = load->lines.offset};
    load->state.before = load->done.offset;
    return exit;
}

/* The format that was asked for, or that name or content tells. */
static enum cli_exit find_format(struct load *load, const struct cli_args *args,
                                 enum cli_format *format, struct cli_failure *failure)
{
    const char *given = cli_opt_text(args, CLI_OPT_FORMAT);
    struct cdx_bytes line;
    *format = CLI_FORMAT_TSV;
    if (cli_given(args, CLI_OPT_KEYS) || strcmp(given, "keys") == 0)
        *format = CLI_FORMAT_KEYS;
    else if (strcmp(given, "json") == 0)
        *format = CLI_FORMAT_JSON;
    else if (strcmp(given, "auto") == 0 && !cli_format_of_name(load->input, format)) {
        enum cdx_status status = cli_lines_peek(&load->lines, &line);
        if (status != CDX_OK && status != CDX_CLOSED)
            return input_failed(load, status, failure);
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

/* ---- ending ---- */

/* Rows under way are still answered, unless the connection is what failed. */
static enum cli_exit finish_after(struct load *load, enum cli_exit exit,
                                  struct cli_failure *failure)
{
    struct cli_failure lost = {0};
    if (exit == CLI_EXIT_DONE)
        return cli_store_finish(&load->store, failure);
    if (exit == CLI_EXIT_UNREACHABLE)
        return exit;
    /* After an interruption the flag would end the waiting too: the second Ctrl-C still does. */
    if (exit == CLI_EXIT_INTERRUPTED)
        cli_interrupt_catch();
    load->stopping = true;
    (void)!cli_store_finish(&load->store, &lost);
    return exit;
}

/* What a stopped load leaves behind, and how to go on. */
static void say_where_to_go_on(const struct load *load)
{
    if (load->cli->out.json)
        return;
    fprintf(stderr, "caudex: load: stopped; all rows up to line %" PRIu64 " are done; ",
            load->done.line);
    if (load->checkpoint_path != NULL)
        fprintf(stderr, "the same command goes on from there\n");
    else
        fprintf(stderr, "go on with --from-line %" PRIu64 "\n", load->done.line + 1);
}

static void summary(struct load *load, enum cli_exit exit)
{
    struct cli_buf line = {0};
    uint64_t elapsed_ns = cli_now_ns() - load->progress.start_ns;
    if (load->cli->out.json) {
        struct cli_json json =
            cli_out_json(&load->cli->out, exit == CLI_EXIT_DONE ? "ok" : "error");
        cli_progress_json(&json, &load->state, elapsed_ns);
        cli_json_u64(&json, "bad", load->bad);
        cli_json_u64(&json, "last_line", load->done.line);
        cli_out_json_end(&load->cli->out, &json);
        return;
    }
    cli_progress_summary(&line, &load->state, elapsed_ns);
    fprintf(stderr, "loaded %.*s", (int)line.len, (const char *)line.data);
    if (load->bad != 0)
        fprintf(stderr, "; %" PRIu64 " bad row%s", load->bad, load->bad == 1 ? "" : "s");
    fputc('\n', stderr);
    cli_buf_free(&line);
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

/* After the rows: the rest of the answers, the checkpoint, the last words. */
static enum cli_exit load_end(struct load *load, const struct cli_args *args, enum cli_exit exit,
                              struct cli_failure *failure)
{
    exit = finish_after(load, exit, failure);
    cli_progress_clear(&load->progress);
    exit = settle_checkpoint(load, exit, failure);
    if (exit != CLI_EXIT_DONE) {
        cli_report(load->cli, NULL, args, failure);
        failure->text[0] = 0;
        say_where_to_go_on(load);
    }
    if (!load->quiet || load->cli->out.json)
        summary(load, exit);
    return exit == CLI_EXIT_DONE ? load->worst : exit;
}

static enum cli_exit load_stream(struct load *load, const struct cli_args *args, int fd,
                                 struct cli_failure *failure)
{
    struct cdx_bytes value = cdx_cstr(cli_opt_text(args, CLI_OPT_VALUE));
    enum cli_format format;
    struct stat info;
    enum cli_exit exit = find_start(load, args, fd, failure);
    if (exit == CLI_EXIT_DONE)
        exit = find_format(load, args, &format, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_rows_init(&load->rows, format, value);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        load->state.total = (uint64_t)info.st_size;
    exit = store_lines(load, failure);
    return load_end(load, args, exit, failure);
}

static enum cli_exit load_file(struct load *load, const struct cli_args *args,
                               struct cli_failure *failure)
{
    int fd = -1;
    uint32_t window = (uint32_t)cli_opt_number(args, CLI_OPT_PIPELINE);
    enum cli_exit exit = cli_open(load->cli, load->input, &fd, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_connect(load->cli, failure);
    if (exit == CLI_EXIT_DONE && !cli_store_init(&load->store, &load->cli->link, window,
                                                 sizeof(struct mark), on_stored, load))
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    cli_interrupt_catch();
    if (exit == CLI_EXIT_DONE)
        exit = load_stream(load, args, fd, failure);
    cli_interrupt_release();
    if (load->store.ring != NULL)
        cli_disconnect(load->cli); /* its requests were numbered by the store */
    cli_store_free(&load->store);
    cli_lines_free(&load->lines);
    cli_rows_free(&load->rows);
    if (fd >= 0)
        cli_close_input(fd);
    return exit;
}

enum cli_exit cli_load(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    bool quiet = cli_given(args, CLI_OPT_QUIET);
    struct load load = {
        .cli = cli,
        .input = (const char *)args->words[0].data,
        .checkpoint_path = cli_opt_text(args, CLI_OPT_CHECKPOINT),
        .keep_going = cli_given(args, CLI_OPT_KEEP_GOING),
        .quiet = quiet,
        .state = {.unit = "keys"},
        .noted_ns = cli_now_ns(),
    };
    if (memchr(load.input, 0, args->words[0].len) != NULL)
        return cli_fail(failure, CLI_EXIT_USAGE, "FILE: expected a name without NUL bytes");
    bool drawn = !quiet && isatty(STDERR_FILENO) == 1;
    cli_progress_init(&load.progress, drawn ? STDERR_FILENO : -1, cli_now_ns());
    return load_file(&load, args, failure);
}
