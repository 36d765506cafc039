/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about when a key ends: touch, ttl. */
#include "cli.h"

#include "cli_text.h"
#include <inttypes.h>

/* ---- touch ---- */

/* The second argument: a time, or never. */
static enum cli_exit read_ttl(const struct cli_args *args, uint64_t *ttl_ms,
                              struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cdx_bytes word = args->words[1];
    if (cli_ttl_read(word, ttl_ms) == CDX_OK)
        return CLI_EXIT_DONE;
    failure->help = args->command->name;
    return cli_fail(failure, CLI_EXIT_USAGE,
                    "TIME: expected a time like 500ms, 30s or 2h, from 1ms, or never, got %s",
                    cli_show(&shown, word));
}

static enum cli_exit touch_key(struct cli *cli, struct cdx_bytes key, uint64_t ttl_ms,
                               struct cli_failure *failure)
{
    const struct kv_touch_args body = {.ttl_ms = ttl_ms};
    struct cdx_out out;
    struct kv_response frame;
    enum cli_exit exit =
        cli_ask_begin(cli, KV_CALL_TOUCH, kv_touch_request_size(key.len, &body), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_touch_request_encode(&out, cli->rid, key, &body);
    exit = cli_ask_end(cli, &out, encoded, &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_NOT_FOUND)
        return cli_no(cli, "not_found", key);
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "key", key);
        cli_out_json_end(&cli->out, &json);
    }
    return CLI_EXIT_DONE;
}

enum cli_exit cli_touch(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    uint64_t ttl_ms = 0;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = read_ttl(args, &ttl_ms, failure);
    if (exit == CLI_EXIT_DONE)
        exit = touch_key(cli, key, ttl_ms, failure);
    cli_buf_free(&buf);
    return exit;
}

/* ---- ttl ---- */

static void print_ttl(struct cli *cli, struct cdx_bytes key, uint64_t ttl_ms)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "key", key);
        cli_json_bool(&json, "expires", ttl_ms != 0);
        if (ttl_ms != 0)
            cli_json_u64(&json, "ttl_ms", ttl_ms);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_ttl_text(&cli->out.buf, ttl_ms);
        cli_buf_byte(&cli->out.buf, '\n');
    }
}

static enum cli_exit ask_ttl(struct cli *cli, struct cdx_bytes key, struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_lifetime lifetime;
    struct cdx_parse_error error;
    enum cli_exit exit = cli_ask(cli, KV_CALL_TTL, key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_NOT_FOUND)
        return cli_no(cli, "not_found", key);
    if (kv_lifetime_decode(frame.val, &lifetime, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    print_ttl(cli, key, lifetime.remaining_ms);
    return CLI_EXIT_DONE;
}

enum cli_exit cli_ttl(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = ask_ttl(cli, key, failure);
    cli_buf_free(&buf);
    return exit;
}
