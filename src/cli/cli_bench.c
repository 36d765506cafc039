/* SPDX-License-Identifier: Apache-2.0 */
/* bench: options into a plan and a setup, perhaps a fill, a run, a report. */
#include "cli_bench.h"

#include "cli.h"
#include "cli_file.h"
#include "cli_interrupt.h"
#include "cli_lines.h"
#include "cli_progress.h"
#include "cli_store.h"
#include "cli_text.h"
#include <caudex/heap.h>
#include <inttypes.h>
#include <unistd.h>

/* Puts under way while the keys are stored first. */
#define FILL_WINDOW 1000u

/* ---- keys ---- */

static enum cli_exit read_keys(const struct cli *cli, const char *path, struct cli_bench_keys *keys,
                               struct cli_failure *failure)
{
    struct cli_lines lines;
    struct cli_shown shown;
    struct cdx_bytes line;
    int fd = -1;
    enum cdx_status status;
    enum cli_exit exit = cli_open(cli, path, &fd, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_show(&shown, cdx_cstr(path));
    cli_lines_init(&lines, fd, 0, 0);
    lines.line_max = KV_PATH_NBYTES_MAX;
    while ((status = cli_lines_next(&lines, &line)) == CDX_OK && exit == CLI_EXIT_DONE)
        if (line.len != 0 && !cli_bench_key_add(keys, line))
            exit = cli_fail(failure, CLI_EXIT_LOCAL, "%s: the keys take more than %u MB",
                            shown.text, CLI_BENCH_KEYS_NBYTES_MAX >> 20);
    if (exit == CLI_EXIT_DONE && status == CDX_SYSTEM)
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "%s: cannot read: %s", shown.text,
                        strerror(lines.error));
    else if (exit == CLI_EXIT_DONE && status != CDX_CLOSED)
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "%s:%" PRIu64 ": a key is %s (%u bytes)",
                        shown.text, lines.line, cdx_status_text(status), KV_PATH_NBYTES_MAX);
    else if (exit == CLI_EXIT_DONE && keys->count == 0)
        exit =
            cli_fail(failure, CLI_EXIT_LOCAL, "%s: expected a key per line, got none", shown.text);
    cli_lines_free(&lines);
    cli_close_input(fd);
    return exit;
}

static enum cli_exit find_keys(const struct cli *cli, const struct cli_args *args,
                               struct cli_bench_keys *keys, struct cli_failure *failure)
{
    const char *path = cli_opt_text(args, CLI_OPT_KEYS_FILE);
    if (path != NULL && cli_given(args, CLI_OPT_KEYSPACE))
        return cli_fail(failure, CLI_EXIT_USAGE, "expected --keys or --keyspace, got both");
    if (path != NULL)
        return read_keys(cli, path, keys, failure);
    if (!cli_bench_keys_generate(keys, cli_opt_number(args, CLI_OPT_KEYSPACE)))
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the keys");
    return CLI_EXIT_DONE;
}

/* ---- filling ---- */

static enum cli_exit on_filled(void *arg, const void *mark, enum cli_exit outcome,
                               struct cli_failure *failure)
{
    (void)arg;
    (void)mark;
    (void)failure;
    return outcome;
}

static enum cli_exit fill_keys(struct cli_store *store, const struct cli_bench_keys *keys,
                               struct cdx_bytes value, struct cli_progress *progress,
                               struct cli_failure *failure)
{
    struct cli_progress_state state = {.unit = "keys", .total = keys->count};
    enum cli_exit exit = CLI_EXIT_DONE;
    for (size_t i = 0; i < keys->count && exit == CLI_EXIT_DONE; i++) {
        exit = cli_store_put(store, cli_bench_key(keys, i), value, "", failure);
        state.keys = i;
        state.done = i;
        if (exit == CLI_EXIT_DONE && cli_interrupted())
            exit = cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
        if (i % FILL_WINDOW == 0)
            cli_progress_update(progress, &state, cli_now_ns());
    }
    return exit == CLI_EXIT_DONE ? cli_store_finish(store, failure) : exit;
}

static enum cli_exit fill(struct cli *cli, const struct cli_bench_keys *keys,
                          struct cdx_bytes value, int progress_fd, struct cli_failure *failure)
{
    struct cli_store store;
    struct cli_progress progress;
    enum cli_exit exit = cli_connect(cli, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_progress_init(&progress, progress_fd, cli_now_ns());
    if (cli_store_init(&store, &cli->link, FILL_WINDOW, 1, on_filled, NULL))
        exit = fill_keys(&store, keys, value, &progress, failure);
    else
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    cli_progress_clear(&progress);
    cli_store_free(&store);
    cli_disconnect(cli);
    return exit;
}

/* ---- the command ---- */

static void setup_read(const struct cli *cli, const struct cli_args *args,
                       struct cli_bench_setup *setup)
{
    bool counted = cli_given(args, CLI_OPT_REQUESTS);
    *setup = (struct cli_bench_setup){
        .server = cli->settings.server,
        .timeout_ns = cli->settings.timeout_ns,
        .connections = (uint32_t)cli_opt_number(args, CLI_OPT_CONNECTIONS),
        .pipeline = (uint32_t)cli_opt_number(args, CLI_OPT_PIPELINE),
        .threads = (uint32_t)cli_opt_number(args, CLI_OPT_THREADS),
        .duration_ns = counted ? 0 : cli_opt_number(args, CLI_OPT_DURATION),
        .requests = cli_opt_number(args, CLI_OPT_REQUESTS),
        .rate = cli_opt_number(args, CLI_OPT_RATE),
        .progress_fd = isatty(STDERR_FILENO) == 1 ? STDERR_FILENO : -1,
    };
    if (setup->threads > setup->connections)
        setup->threads = setup->connections;
}

/* Plan, fill, run: whatever takes time can be interrupted. */
static enum cli_exit measure(struct cli *cli, const struct cli_args *args,
                             struct cli_bench_plan *plan, const struct cli_bench_setup *setup,
                             struct cli_bench_result *result, struct cli_failure *failure)
{
    struct cli_buf value = {0};
    size_t size = (size_t)cli_opt_number(args, CLI_OPT_VALUE_SIZE);
    uint8_t *bytes = cli_buf_reserve(&value, size + 1);
    if (bytes == NULL)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    memset(bytes, 'v', size);
    struct cdx_bytes view = cdx_bytes_of(bytes, size);
    enum cli_exit exit = find_keys(cli, args, &plan->keys, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_bench_tape(plan, view, cli_opt_number(args, CLI_OPT_SEED), failure);
    cli_interrupt_catch();
    if (exit == CLI_EXIT_DONE && cli_given(args, CLI_OPT_FILL))
        exit = fill(cli, &plan->keys, view, setup->progress_fd, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_bench_run(plan, setup, result, failure);
    cli_interrupt_release();
    cli_buf_free(&value);
    return exit;
}

enum cli_exit cli_bench(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_bench_plan plan = {0};
    struct cli_bench_setup setup;
    if (cli_given(args, CLI_OPT_REQUESTS) && cli_given(args, CLI_OPT_DURATION))
        return cli_fail(failure, CLI_EXIT_USAGE, "expected --requests or --duration, got both");
    struct cli_bench_result *result = cdx_malloc(sizeof *result); /* too large for a stack */
    if (result == NULL)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    setup_read(cli, args, &setup);
    enum cli_exit exit = cli_bench_ratio(&plan, cli_opt_text(args, CLI_OPT_RATIO), failure);
    if (exit == CLI_EXIT_DONE)
        exit = measure(cli, args, &plan, &setup, result, failure);
    if (exit == CLI_EXIT_DONE && cli->out.json)
        cli_bench_report_json(&cli->out.buf, &plan, &setup, result);
    else if (exit == CLI_EXIT_DONE)
        cli_bench_report(&cli->out.buf, &plan, &setup, result);
    if (exit == CLI_EXIT_DONE && result->interrupted)
        exit = CLI_EXIT_INTERRUPTED;
    cli_bench_plan_free(&plan);
    cdx_free(result);
    return exit;
}
