/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swap: rows of a file in the place of a subtree. The happy path is: open a
 * stage, feed the rows into it, swap. When anything fails before the swap the
 * stage is closed, by request or by the end of the connection that it belongs
 * to, and the store is as it was.
 */
#include "cli_feed.h"

#include "cli_interrupt.h"

#include <inttypes.h>
#include <stdio.h>

struct swap {
    struct cli_feed feed;
    struct cdx_bytes key;
    bool may_be_empty;
    bool sent; /* the swap itself: it may have been carried out */
};

/* ---- requests ---- */

static enum cli_exit open_stage(struct swap *swap, struct cli_failure *failure)
{
    struct cli *cli = swap->feed.cli;
    struct kv_response frame;
    struct kv_staged staged;
    struct cdx_parse_error error;
    enum cli_exit exit = cli_ask(cli, KV_CALL_STAGE, swap->key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_REFUSED)
        return cli_link_refused(&frame, failure);
    if (kv_staged_decode(frame.val, &staged, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    swap->feed.store.stage = staged.stage;
    return CLI_EXIT_DONE;
}

/* A swap or unstage of the open stage. */
static enum cli_exit ask_stage(struct swap *swap, uint8_t call, struct kv_response *frame,
                               struct cli_failure *failure)
{
    struct cli *cli = swap->feed.cli;
    const struct kv_staged staged = {.stage = swap->feed.store.stage};
    struct cdx_out out;
    enum cli_exit exit = cli_ask_begin(cli, call, kv_swap_request_size(&staged), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = call == KV_CALL_SWAP
                                  ? kv_swap_request_encode(&out, cli->rid, &staged)
                                  : kv_unstage_request_encode(&out, cli->rid, &staged);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

static enum cli_exit do_swap(struct swap *swap, struct kv_swapped *swapped,
                             struct cli_failure *failure)
{
    struct kv_response frame;
    struct cdx_parse_error error;
    swap->sent = true;
    enum cli_exit exit = ask_stage(swap, KV_CALL_SWAP, &frame, failure);
    swap->sent = exit == CLI_EXIT_UNREACHABLE;
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_NOT_FOUND)
        return cli_fail(failure, CLI_EXIT_UNREACHABLE,
                        "the connection to the server ended, and the new rows with it");
    if (kv_swapped_decode(frame.val, swapped, &error) != CDX_OK)
        return cli_bad_body(swap->feed.cli, &error, failure);
    return CLI_EXIT_DONE;
}

/* Closes the stage. What cannot be told the server it learns from the connection's end. */
static void close_stage(struct swap *swap)
{
    struct kv_response frame;
    struct cli_failure lost;
    if (swap->feed.store.stage != 0)
        (void)!ask_stage(swap, KV_CALL_UNSTAGE, &frame, &lost);
}

/* ---- rows ---- */

static enum cli_exit stage_rows(struct swap *swap, struct cli_failure *failure)
{
    struct cli_feed *feed = &swap->feed;
    enum cli_exit exit = cli_feed_run(feed, failure);
    exit = cli_feed_finish(feed, exit, failure);
    cli_progress_clear(&feed->progress);
    if (exit == CLI_EXIT_DONE && cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    if (exit != CLI_EXIT_DONE || feed->state.keys != 0 || swap->may_be_empty)
        return exit;
    return cli_fail(failure, CLI_EXIT_LOCAL,
                    "there are no rows: expected --empty, to remove what is stored");
}

static void say_done(struct swap *swap, const struct kv_swapped *swapped)
{
    struct cli_feed *feed = &swap->feed;
    struct cli_out *out = &feed->cli->out;
    struct cli_buf line = {0};
    uint64_t elapsed_ns = cli_now_ns() - feed->progress.start_ns;
    if (out->json) {
        struct cli_json json = cli_out_json(out, "ok");
        cli_json_bytes(&json, "key", swap->key);
        cli_json_u64(&json, "added", swapped->added);
        cli_json_u64(&json, "removed", swapped->removed);
        cli_json_u64(&json, "revision", swapped->revision);
        cli_progress_json(&json, &feed->state, elapsed_ns);
        cli_out_json_end(out, &json);
        return;
    }
    cli_buf_printf(&out->buf, "added\t%" PRIu64 "\nremoved\t%" PRIu64 "\n", swapped->added,
                   swapped->removed);
    if (feed->quiet)
        return;
    cli_progress_summary(&line, &feed->state, elapsed_ns);
    fprintf(stderr, "swapped in %.*s\n", (int)line.len, (const char *)line.data);
    cli_buf_free(&line);
}

/* From the open stage to the swap, or to its closing. */
static enum cli_exit fill_and_swap(struct swap *swap, struct cli_failure *failure)
{
    struct kv_swapped swapped = {0};
    enum cli_exit exit = stage_rows(swap, failure);
    if (exit == CLI_EXIT_DONE)
        exit = do_swap(swap, &swapped, failure);
    if (exit == CLI_EXIT_DONE) {
        say_done(swap, &swapped);
        return exit;
    }
    if (exit != CLI_EXIT_UNREACHABLE)
        close_stage(swap);
    struct cli_failure why = *failure;
    return cli_fail(failure, exit, "%s; %s", why.text,
                    swap->sent ? "the swap may or may not have been carried out"
                               : "nothing was changed");
}

enum cli_exit cli_swap(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct swap swap = {.may_be_empty = cli_given(args, CLI_OPT_EMPTY)};
    struct cli_buf buf = {0};
    struct cdx_bytes file = args->count == 2 ? args->words[1] : CDX_STR("-");
    enum cli_exit exit = cli_feed_init(&swap.feed, cli, args, file, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_key(cli, args, &buf, &swap.key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_feed_open(&swap.feed, args, failure);
    cli_lines_init(&swap.feed.lines, swap.feed.fd, 0, 0);
    cli_interrupt_catch();
    if (exit == CLI_EXIT_DONE)
        exit = cli_feed_begin(&swap.feed, args, failure);
    if (exit == CLI_EXIT_DONE)
        exit = open_stage(&swap, failure);
    if (exit == CLI_EXIT_DONE)
        exit = fill_and_swap(&swap, failure);
    cli_interrupt_release();
    cli_feed_close(&swap.feed);
    cli_buf_free(&buf);
    return exit;
}
