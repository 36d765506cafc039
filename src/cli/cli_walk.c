/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one answer, or pages of rows until the server says that nothing is left. The last row's
 * key is where the next page begins; a page that says "more" without a row
 * would never end, so it is an error.
 */
#include "cli_walk.h"

#include "cli_interrupt.h"
#include <inttypes.h>

static enum cli_exit ask_list(struct cli *cli, const struct cli_walk *walk, uint32_t limit,
                              struct cdx_bytes after, struct kv_response *frame,
                              struct cli_failure *failure)
{
    const struct kv_list_args args = {
        .limit = limit,
        .content = walk->keys_only ? KV_CONTENT_KEYS : KV_CONTENT_ENTRIES,
        .after = after,
    };
    struct cdx_out out;
    enum cli_exit exit =
        cli_ask_begin(cli, KV_CALL_LIST, kv_list_request_size(walk->key.len, &args), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_list_request_encode(&out, cli->rid, walk->key, &args);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

static enum cli_exit ask_children(struct cli *cli, const struct cli_walk *walk, uint32_t limit,
                                  struct cdx_bytes after, struct kv_response *frame,
                                  struct cli_failure *failure)
{
    const struct kv_children_args args = {.limit = limit, .after = after};
    struct cdx_out out;
    enum cli_exit exit = cli_ask_begin(
        cli, KV_CALL_CHILDREN, kv_children_request_size(walk->key.len, &args), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_children_request_encode(&out, cli->rid, walk->key, &args);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

static enum cli_exit ask_scan(struct cli *cli, const struct cli_walk *walk,
                              struct kv_response *frame, struct cli_failure *failure)
{
    const struct kv_scan_args args = {
        .content = walk->keys_only ? KV_CONTENT_KEYS : KV_CONTENT_ENTRIES,
        .after = walk->after,
    };
    struct cdx_out out;
    enum cli_exit exit =
        cli_ask_begin(cli, KV_CALL_SCAN, kv_scan_request_size(walk->key.len, &args), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_scan_request_encode(&out, cli->rid, walk->key, &args);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

/* Asks for the page behind `after`. */
static enum cli_exit ask_page(struct cli *cli, const struct cli_walk *walk, struct cdx_bytes after,
                              struct kv_response *frame, struct cli_failure *failure)
{
    uint64_t left = walk->limit != 0 ? walk->limit - walk->rows : 0;
    uint32_t limit = left > UINT32_MAX ? 0 : (uint32_t)left;
    return walk->call == KV_CALL_LIST ? ask_list(cli, walk, limit, after, frame, failure)
                                      : ask_children(cli, walk, limit, after, frame, failure);
}

/* Takes the rows of an answer; `*frame` is its last frame, `last` the last row's key. */
static enum cli_exit take_rows(struct cli *cli, struct cli_walk *walk, struct kv_response *frame,
                               struct cli_buf *last, struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_DONE;
    while (exit == CLI_EXIT_DONE && frame->status == KV_STATUS_ROW) {
        walk->rows++;
        cli_buf_clear(last);
        cli_buf_add(last, frame->key.data, frame->key.len);
        exit = walk->row(walk->arg, frame, failure);
        if (exit == CLI_EXIT_DONE && cli_interrupted())
            exit = cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
        if (exit != CLI_EXIT_DONE)
            cli_disconnect(cli); /* the rest of the answer is not wanted */
        else
            exit = cli_ask_more(cli, frame, failure);
    }
    if (exit == CLI_EXIT_DONE && last->failed)
        exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    return exit;
}

static enum cli_exit walk_pages(struct cli *cli, struct cli_walk *walk, struct cli_buf *last,
                                struct cli_failure *failure)
{
    struct cdx_bytes after = walk->after;
    for (;;) {
        struct kv_response frame = {0};
        struct kv_page_end end;
        struct cdx_parse_error error;
        uint64_t before = walk->rows;
        enum cli_exit exit = ask_page(cli, walk, after, &frame, failure);
        if (exit == CLI_EXIT_DONE)
            exit = take_rows(cli, walk, &frame, last, failure);
        walk->status = frame.status;
        if (exit != CLI_EXIT_DONE)
            return exit;
        if (kv_page_end_decode(frame.val, &end, &error) != CDX_OK)
            return cli_bad_body(cli, &error, failure);
        if (end.remainder == KV_REMAINDER_NONE || (walk->limit != 0 && walk->rows >= walk->limit))
            return CLI_EXIT_DONE;
        if (walk->rows == before) {
            cli_disconnect(cli);
            return cli_fail(failure, CLI_EXIT_REFUSED,
                            "the server announced more rows but sent none");
        }
        after = cli_buf_bytes(last);
    }
}

static enum cli_exit walk_scan(struct cli *cli, struct cli_walk *walk, struct cli_buf *last,
                               struct cli_failure *failure)
{
    struct kv_response frame = {0};
    struct kv_scan_end end;
    struct cdx_parse_error error;
    enum cli_exit exit = ask_scan(cli, walk, &frame, failure);
    if (exit == CLI_EXIT_DONE)
        exit = take_rows(cli, walk, &frame, last, failure);
    walk->status = frame.status;
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (kv_scan_end_decode(frame.val, &end, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    if (end.rows == walk->rows)
        return CLI_EXIT_DONE;
    cli_disconnect(cli);
    return cli_fail(failure, CLI_EXIT_REFUSED,
                    "the server announced %" PRIu64 " rows but sent %" PRIu64, end.rows,
                    walk->rows);
}

enum cli_exit cli_walk(struct cli *cli, struct cli_walk *walk, struct cli_failure *failure)
{
    struct cli_buf last = {0};
    enum cli_exit exit = CLI_EXIT_DONE;
    if (walk->call == KV_CALL_SCAN)
        exit = walk_scan(cli, walk, &last, failure);
    /* What a server answers to a call that it does not know. */
    if (exit == CLI_EXIT_REFUSED && walk->status == KV_STATUS_MALFORMED && walk->rows == 0) {
        walk->call = KV_CALL_LIST;
        *failure = (struct cli_failure){0};
    }
    if (walk->call != KV_CALL_SCAN)
        exit = walk_pages(cli, walk, &last, failure);
    cli_buf_free(&last);
    return exit;
}
