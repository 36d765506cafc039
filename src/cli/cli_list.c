/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that print subtrees: list, children, count, and the hidden complete-key. */
#include "cli_walk.h"

#include "cli_keys.h"
#include "cli_text.h"

/* A row for people or programs; goes out in passes, so that a long list streams. */
static enum cli_exit print_entry(void *arg, const struct kv_response *row,
                                 struct cli_failure *failure)
{
    struct cli *cli = arg;
    cli_out_row(&cli->out, row->key, row->val);
    return cli_out_pass(&cli->out, failure);
}

static enum cli_exit print_key(void *arg, const struct kv_response *row,
                               struct cli_failure *failure)
{
    struct cli *cli = arg;
    if (cli->out.json) {
        struct cli_json json = cli_json_begin(&cli->out.buf);
        cli_json_bytes(&json, "key", row->key);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_out_bytes(&cli->out, row->key, CLI_COLOUR_KEY);
        cli_buf_byte(&cli->out.buf, '\n');
    }
    return cli_out_pass(&cli->out, failure);
}

static enum cli_exit print_child(void *arg, const struct kv_response *row,
                                 struct cli_failure *failure)
{
    struct cli *cli = arg;
    struct kv_child child;
    struct cdx_parse_error error;
    if (kv_child_decode(row->val, &child, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    bool stored = child.stored == KV_STORED_YES;
    if (cli->out.json) {
        struct cli_json json = cli_json_begin(&cli->out.buf);
        cli_json_bytes(&json, "key", row->key);
        cli_json_u64(&json, "keys", child.keys);
        cli_json_bool(&json, "stored", stored);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_out_bytes(&cli->out, row->key, CLI_COLOUR_KEY);
        cli_buf_byte(&cli->out.buf, '\t');
        cli_buf_u64(&cli->out.buf, child.keys);
        cli_buf_text(&cli->out.buf, stored ? "\tstored\n" : "\t-\n");
    }
    return cli_out_pass(&cli->out, failure);
}

/* list and children: the same walk, other rows. */
static enum cli_exit walk_command(struct cli *cli, const struct cli_args *args,
                                  struct cli_walk *walk, struct cli_failure *failure)
{
    struct cli_buf key_buf = {0};
    struct cli_buf after_buf = {0};
    const char *after = cli_opt_text(args, CLI_OPT_AFTER);
    walk->arg = cli;
    walk->limit = cli_opt_number(args, CLI_OPT_LIMIT);
    enum cli_exit exit = cli_key(cli, args, &key_buf, &walk->key, failure);
    if (exit == CLI_EXIT_DONE && after != NULL)
        exit = cli_word(cli, "--after", cdx_cstr(after), KV_PATH_NBYTES_MAX, &after_buf,
                        &walk->after, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_walk(cli, walk, failure);
    cli_buf_free(&key_buf);
    cli_buf_free(&after_buf);
    return exit;
}

enum cli_exit cli_list(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    bool keys_only = cli_given(args, CLI_OPT_KEYS);
    struct cli_walk walk = {
        .call = KV_CALL_LIST,
        .keys_only = keys_only,
        .row = keys_only ? print_key : print_entry,
    };
    return walk_command(cli, args, &walk, failure);
}

enum cli_exit cli_children(struct cli *cli, const struct cli_args *args,
                           struct cli_failure *failure)
{
    struct cli_walk walk = {.call = KV_CALL_CHILDREN, .row = print_child};
    return walk_command(cli, args, &walk, failure);
}

/* ---- count ---- */

enum cli_exit cli_count(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    struct kv_response frame;
    struct kv_total total;
    struct cdx_parse_error error;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_ask(cli, KV_CALL_COUNT, key, cdx_empty(), &frame, failure);
    if (exit == CLI_EXIT_DONE && kv_total_decode(frame.val, &total, &error) != CDX_OK)
        exit = cli_bad_body(cli, &error, failure);
    if (exit == CLI_EXIT_DONE && cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "key", key);
        cli_json_u64(&json, "keys", total.keys);
        cli_out_json_end(&cli->out, &json);
    } else if (exit == CLI_EXIT_DONE) {
        cli_buf_u64(&cli->out.buf, total.keys);
        cli_buf_byte(&cli->out.buf, '\n');
    }
    cli_buf_free(&buf);
    return exit;
}

/* ---- complete-key ---- */

static enum cli_exit print_candidate(void *arg, struct cdx_bytes key, struct cli_failure *failure)
{
    struct cli *cli = arg;
    struct cli_buf escaped = {0};
    /* What the shell could not show as it is would be completed to something else. */
    cli_escape(&escaped, key);
    if (cdx_bytes_equal(cli_buf_bytes(&escaped), key)) {
        cli_buf_add(&cli->out.buf, key.data, key.len);
        cli_buf_byte(&cli->out.buf, '\n');
    }
    cli_buf_free(&escaped);
    return cli_out_pass(&cli->out, failure);
}

enum cli_exit cli_complete_key(struct cli *cli, const struct cli_args *args,
                               struct cli_failure *failure)
{
    struct cdx_bytes start = args->count != 0 ? args->words[0] : cdx_empty();
    return cli_keys_complete(cli, start, print_candidate, cli, failure);
}
