/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of rows until the server says that nothing is left. The last row's
 * key is where the next page begins; a page that says "more" without a row
 * would never end, so it is an error.
 */
#include "cli_walk.h"

#include "cli_interrupt.h"

/* Asks for the page behind `after`. */
static enum cli_exit ask_page(struct cli *cli, const struct cli_walk *walk, struct cdx_bytes after,
                              struct kv_response *frame, struct cli_failure *failure)
{
    uint64_t left = walk->limit != 0 ? walk->limit - walk->rows : 0;
    uint32_t limit = left > UINT32_MAX ? 0 : (uint32_t)left;
    const struct kv_list_args list = {
        .limit = limit,
        .content = walk->keys_only ? KV_CONTENT_KEYS : KV_CONTENT_ENTRIES,
        .after = after,
    };
    const struct kv_children_args children = {.limit = limit, .after = after};
    struct cdx_out out;
    bool is_list = walk->call == KV_CALL_LIST;
    size_t nbytes = is_list ? kv_list_request_size(walk->key.len, &list)
                            : kv_children_request_size(walk->key.len, &children);
    enum cli_exit exit = cli_ask_begin(cli, walk->call, nbytes, &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded =
        is_list ? kv_list_request_encode(&out, cli->rid, walk->key, &list)
                : kv_children_request_encode(&out, cli->rid, walk->key, &children);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

/* Takes the rows of a page; `*frame` is its last frame, `last` the last row's key. */
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
        struct kv_response frame;
        struct kv_page_end end;
        struct cdx_parse_error error;
        uint64_t before = walk->rows;
        enum cli_exit exit = ask_page(cli, walk, after, &frame, failure);
        if (exit == CLI_EXIT_DONE)
            exit = take_rows(cli, walk, &frame, last, failure);
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

enum cli_exit cli_walk(struct cli *cli, struct cli_walk *walk, struct cli_failure *failure)
{
    struct cli_buf last = {0};
    enum cli_exit exit = walk_pages(cli, walk, &last, failure);
    cli_buf_free(&last);
    return exit;
}
