/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump: a subtree as a file that load reads. The happy path is: walk, write
 * rows to standard output or to a file that takes its place at the end. It can
 * fail on either side; a file named by --output is then left as it was.
 */
#include "cli_file.h"
#include "cli_interrupt.h"
#include "cli_progress.h"
#include "cli_rows.h"
#include "cli_walk.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct dump {
    struct cli *cli;
    enum cli_format format;
    bool pages;               /* wanted instead of one scan */
    bool has_no_scan;         /* the server: these are pages all the same */
    struct cli_new_file file; /* fd -1: standard output */
    struct cli_progress progress;
    struct cli_progress_state state;
};

/* Writes what was gathered. */
static enum cli_exit dump_flush(struct dump *dump, struct cli_failure *failure)
{
    struct cli_buf *buf = &dump->cli->out.buf;
    if (dump->file.fd < 0)
        return cli_out_flush(&dump->cli->out, failure);
    if (buf->failed)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    bool written = cli_write_all(dump->file.fd, cli_buf_bytes(buf));
    int error = errno;
    cli_buf_clear(buf);
    if (written)
        return CLI_EXIT_DONE;
    struct cli_shown shown;
    return cli_fail(failure, CLI_EXIT_LOCAL, "%s: cannot write: %s",
                    cli_show(&shown, cdx_cstr(dump->file.path)), strerror(error));
}

static enum cli_exit dump_row(void *arg, const struct kv_response *row, struct cli_failure *failure)
{
    struct dump *dump = arg;
    struct cli_buf *buf = &dump->cli->out.buf;
    size_t before = buf->len;
    cli_rows_write(buf, dump->format, row->key, row->val);
    dump->state.keys++;
    dump->state.done++;
    dump->state.nbytes += buf->len - before;
    if (buf->len < CLI_OUT_NBYTES && !buf->failed)
        return CLI_EXIT_DONE;
    if (cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    cli_progress_update(&dump->progress, &dump->state, cli_now_ns());
    return dump_flush(dump, failure);
}

static enum cli_format dump_format(const struct cli *cli, const struct cli_args *args)
{
    const char *given = cli_opt_text(args, CLI_OPT_FORMAT);
    const char *output = cli_opt_text(args, CLI_OPT_OUTPUT);
    enum cli_format format = cli->out.json ? CLI_FORMAT_JSON : CLI_FORMAT_TSV;
    if (strcmp(given, "auto") != 0)
        return strcmp(given, "json") == 0 ? CLI_FORMAT_JSON : CLI_FORMAT_TSV;
    if (output != NULL && !cli->out.json)
        (void)cli_format_of_name(output, &format);
    return format;
}

/* How many keys there are to dump, for the progress. */
static enum cli_exit dump_total(struct dump *dump, struct cdx_bytes key,
                                struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_total total;
    struct cdx_parse_error error;
    enum cli_exit exit = cli_ask(dump->cli, KV_CALL_COUNT, key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (kv_total_decode(frame.val, &total, &error) != CDX_OK)
        return cli_bad_body(dump->cli, &error, failure);
    dump->state.total = total.keys;
    return CLI_EXIT_DONE;
}

/* All rows into the open output. */
static enum cli_exit dump_rows(struct dump *dump, struct cdx_bytes key, struct cli_failure *failure)
{
    uint8_t call = dump->pages ? KV_CALL_LIST : KV_CALL_SCAN;
    struct cli_walk walk = {.call = call, .key = key, .row = dump_row, .arg = dump};
    enum cli_exit exit = dump_total(dump, key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_walk(dump->cli, &walk, failure);
    if (exit == CLI_EXIT_REFUSED && walk.status == KV_STATUS_TIMEOUT) {
        struct cli_failure why = *failure;
        cli_fail(failure, exit, "%s (with --pages there is no such limit)", why.text);
    }
    dump->has_no_scan = walk.call != call;
    if (exit == CLI_EXIT_DONE)
        exit = dump_flush(dump, failure);
    cli_buf_clear(&dump->cli->out.buf);
    cli_progress_clear(&dump->progress);
    return exit;
}

/* One line on standard error; with --json an object on standard output, unless rows are there. */
static void dump_summary(const struct dump *dump, bool to_file)
{
    struct cli_buf line = {0};
    struct cli_out *out = &dump->cli->out;
    uint64_t elapsed_ns = cli_now_ns() - dump->progress.start_ns;
    if (out->json && to_file) {
        struct cli_json json = cli_out_json(out, "ok");
        cli_progress_json(&json, &dump->state, elapsed_ns);
        cli_out_json_end(out, &json);
    } else if (!out->json) {
        cli_progress_summary(&line, &dump->state, elapsed_ns);
        fprintf(stderr, "dumped %.*s%s\n", (int)line.len, (const char *)line.data,
                dump->has_no_scan ? "; this server has no scan: not of one moment" : "");
    }
    cli_buf_free(&line);
}

static enum cli_exit dump_key(struct dump *dump, struct cdx_bytes key, const char *output,
                              bool quiet, struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_DONE;
    if (output != NULL)
        exit = cli_new_file_open(&dump->file, output, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_interrupt_catch();
    exit = dump_rows(dump, key, failure);
    if (exit == CLI_EXIT_DONE && output != NULL)
        exit = cli_new_file_commit(&dump->file, failure);
    cli_new_file_discard(&dump->file);
    cli_interrupt_release();
    /* Beside rows on a terminal a summary would only be in the way. */
    if (exit == CLI_EXIT_DONE && !quiet && (output != NULL || !dump->cli->out.terminal))
        dump_summary(dump, output != NULL);
    return exit;
}

enum cli_exit cli_dump(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    const char *output = cli_opt_text(args, CLI_OPT_OUTPUT);
    bool quiet = cli_given(args, CLI_OPT_QUIET);
    bool drawn = !quiet && isatty(STDERR_FILENO) == 1 && (output != NULL || !cli->out.terminal);
    struct dump dump = {
        .cli = cli,
        .format = dump_format(cli, args),
        .pages = cli_given(args, CLI_OPT_PAGES),
        .file = {.fd = -1},
        .state = {.unit = "keys"},
    };
    cli_progress_init(&dump.progress, drawn ? STDERR_FILENO : -1, cli_now_ns());
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = dump_key(&dump, key, output, quiet, failure);
    cli_buf_free(&buf);
    return exit;
}
