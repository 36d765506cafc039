/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look a key up: get, match, match-all. */
#include "cli.h"

/* ---- get ---- */

static void print_value(struct cli *cli, struct cdx_bytes key, struct cdx_bytes value,
                        const uint64_t *revision)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "key", key);
        cli_json_bytes(&json, "value", value);
        if (revision != NULL)
            cli_json_u64(&json, "revision", *revision);
        cli_out_json_end(&cli->out, &json);
    } else if (revision != NULL) {
        struct cli_buf number;
        cli_buf_init(&number);
        cli_buf_u64(&number, *revision);
        cli_out_row(&cli->out, cli_buf_bytes(&number), value);
        cli_buf_free(&number);
    } else {
        cli_out_value(&cli->out, value);
    }
}

static enum cli_exit get_key(struct cli *cli, bool revision, struct cdx_bytes key,
                             struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_revised revised;
    struct cdx_parse_error error;
    uint8_t call = revision ? KV_CALL_GETS : KV_CALL_GET;
    enum cli_exit exit = cli_ask(cli, call, key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_NOT_FOUND)
        return cli_no(cli, "not_found", key);
    if (!revision) {
        print_value(cli, key, frame.val, NULL);
        return CLI_EXIT_DONE;
    }
    if (kv_revised_decode(frame.val, &revised, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    print_value(cli, key, revised.value, &revised.revision);
    return CLI_EXIT_DONE;
}

enum cli_exit cli_get(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = get_key(cli, cli_given(args, CLI_OPT_REVISION), key, failure);
    cli_buf_free(&buf);
    return exit;
}

/* ---- match ---- */

static void print_match(struct cli *cli, bool value_only, struct cdx_bytes path,
                        const struct kv_response *frame)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "path", path);
        cli_json_bytes(&json, "key", frame->key);
        cli_json_bytes(&json, "value", frame->val);
        cli_out_json_end(&cli->out, &json);
    } else if (value_only) {
        cli_out_value(&cli->out, frame->val);
    } else {
        cli_out_row(&cli->out, frame->key, frame->val);
    }
}

enum cli_exit cli_match(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes path;
    struct kv_response frame = {0};
    uint8_t call = cli_given(args, CLI_OPT_BYTES) ? KV_CALL_MATCH_BYTES : KV_CALL_MATCH;
    enum cli_exit exit = cli_key(cli, args, &buf, &path, failure);
    if (exit == CLI_EXIT_DONE)
        exit = cli_ask(cli, call, path, cdx_empty(), &frame, failure);
    if (exit == CLI_EXIT_DONE && frame.status == KV_STATUS_NOT_FOUND)
        exit = cli_no(cli, "not_found", path);
    else if (exit == CLI_EXIT_DONE)
        print_match(cli, cli_given(args, CLI_OPT_VALUE_ONLY), path, &frame);
    cli_buf_free(&buf);
    return exit;
}

static enum cli_exit match_all_path(struct cli *cli, struct cdx_bytes path,
                                    struct cli_failure *failure)
{
    struct kv_response frame;
    bool any = false;
    enum cli_exit exit = cli_ask(cli, KV_CALL_MATCH_ALL, path, cdx_empty(), &frame, failure);
    while (exit == CLI_EXIT_DONE && frame.status == KV_STATUS_ROW) {
        any = true;
        cli_out_row(&cli->out, frame.key, frame.val);
        exit = cli_out_pass(&cli->out, failure);
        if (exit == CLI_EXIT_DONE)
            exit = cli_ask_more(cli, &frame, failure);
    }
    if (exit != CLI_EXIT_DONE || any)
        return exit;
    return cli_no(cli, "not_found", path);
}

enum cli_exit cli_match_all(struct cli *cli, const struct cli_args *args,
                            struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes path;
    enum cli_exit exit = cli_key(cli, args, &buf, &path, failure);
    if (exit == CLI_EXIT_DONE)
        exit = match_all_path(cli, path, failure);
    cli_buf_free(&buf);
    return exit;
}
