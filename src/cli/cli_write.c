/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change the store: put, delete, drop. */
#include "cli.h"

#include "cli_file.h"
#include "cli_ops.h"
#include "cli_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Keys above which drop asks first, on a terminal. */
#define DROP_ASK_KEYS 1000u

/* ---- values and conditions ---- */

/* The value: the second argument, standard input or a file. */
static enum cli_exit put_value(const struct cli *cli, const struct cli_args *args,
                               struct cli_buf *buf, struct cdx_bytes *value,
                               struct cli_failure *failure)
{
    const char *file = cli_opt_text(args, CLI_OPT_FILE);
    if ((file != NULL) == (args->count == 2)) {
        failure->help = args->command->name;
        return file != NULL
                   ? cli_fail(failure, CLI_EXIT_USAGE, "expected VALUE or --file, got both")
                   : cli_fail(failure, CLI_EXIT_USAGE, "expected KEY VALUE, got 1 argument");
    }
    bool dash = file == NULL && cdx_bytes_equal(args->words[1], CDX_STR("-"));
    if (file == NULL && !dash)
        return cli_word(cli, "VALUE", args->words[1], KV_VALUE_NBYTES_MAX, buf, value, failure);
    int fd = -1;
    enum cli_exit exit = cli_open(cli, dash ? "-" : file, &fd, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    exit = cli_read_all(fd, dash ? "standard input" : file, KV_VALUE_NBYTES_MAX, buf, failure);
    cli_close_input(fd);
    *value = cli_buf_bytes(buf);
    return exit;
}

/* What a put or delete asks for beside key and value. */
struct condition {
    bool given;
    uint64_t revision; /* that the key must have; 0: not stored */
};

static struct condition condition_of(const struct cli_args *args)
{
    return (struct condition){
        .given = cli_given(args, CLI_OPT_IF_REVISION) || cli_given(args, CLI_OPT_IF_ABSENT),
        .revision = cli_opt_number(args, CLI_OPT_IF_REVISION), /* 0 for --if-absent */
    };
}

/* ---- answers ---- */

static void print_revision(struct cli *cli, const char *status, struct cdx_bytes key,
                           uint64_t revision, bool wanted)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, status);
        cli_json_bytes(&json, "key", key);
        cli_json_u64(&json, "revision", revision);
        cli_out_json_end(&cli->out, &json);
    } else if (wanted) {
        cli_buf_u64(&cli->out.buf, revision);
        cli_buf_byte(&cli->out.buf, '\n');
    }
}

static enum cli_exit conflict(struct cli *cli, struct cdx_bytes key, uint64_t revision,
                              struct cli_failure *failure)
{
    struct cli_shown shown;
    if (cli->out.json) {
        print_revision(cli, "conflict", key, revision, true);
        return CLI_EXIT_NO;
    }
    if (revision == 0)
        return cli_fail(failure, CLI_EXIT_NO, "%s is not stored", cli_show(&shown, key));
    return cli_fail(failure, CLI_EXIT_NO, "%s has revision %" PRIu64, cli_show(&shown, key),
                    revision);
}

/* The answer to a put, put_if, put_ttl or delete: the revision of the write, or no. */
static enum cli_exit write_answer(struct cli *cli, const struct cli_args *args,
                                  struct cdx_bytes key, const struct kv_response *frame,
                                  struct cli_failure *failure)
{
    struct kv_written written;
    struct kv_current current;
    struct cdx_parse_error error;
    if (frame->status == KV_STATUS_NOT_FOUND)
        return cli_no(cli, "not_found", key);
    if (frame->status == KV_STATUS_CONFLICT) {
        if (kv_current_decode(frame->val, &current, &error) != CDX_OK)
            return cli_bad_body(cli, &error, failure);
        return conflict(cli, key, current.revision, failure);
    }
    if (kv_written_decode(frame->val, &written, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    print_revision(cli, "ok", key, written.revision, cli_given(args, CLI_OPT_REVISION));
    return CLI_EXIT_DONE;
}

/* A write that no single request stands for, as a batch of its own. */
static enum cli_exit write_batch(struct cli *cli, const struct cli_args *args, struct cdx_bytes key,
                                 const struct cli_ops *ops, struct cli_failure *failure)
{
    struct cli_ops_answer answer;
    enum cli_exit exit = cli_ops_send(cli, ops, &answer, failure);
    if (exit == CLI_EXIT_NO)
        return conflict(cli, key, answer.revision, failure);
    if (exit == CLI_EXIT_DONE)
        print_revision(cli, "ok", key, answer.revision, cli_given(args, CLI_OPT_REVISION));
    return exit;
}

/* ---- put ---- */

/* Asks for a put_if or put_ttl; not for both. */
static enum cli_exit ask_put(struct cli *cli, struct cdx_bytes key, struct cdx_bytes value,
                             const struct condition *condition, uint64_t ttl_ms,
                             struct kv_response *frame, struct cli_failure *failure)
{
    const struct kv_put_if_args put_if = {.revision = condition->revision, .value = value};
    const struct kv_put_ttl_args put_ttl = {.ttl_ms = ttl_ms, .value = value};
    struct cdx_out out;
    uint8_t call = condition->given ? KV_CALL_PUT_IF : KV_CALL_PUT_TTL;
    size_t nbytes = condition->given ? kv_put_if_request_size(key.len, &put_if)
                                     : kv_put_ttl_request_size(key.len, &put_ttl);
    enum cli_exit exit = cli_ask_begin(cli, call, nbytes, &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = condition->given
                                  ? kv_put_if_request_encode(&out, cli->rid, key, &put_if)
                                  : kv_put_ttl_request_encode(&out, cli->rid, key, &put_ttl);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

static enum cli_exit put_key(struct cli *cli, const struct cli_args *args, struct cdx_bytes key,
                             struct cdx_bytes value, struct cli_failure *failure)
{
    struct kv_response frame;
    struct cli_ops ops = {0};
    enum cli_exit exit;
    const struct condition condition = condition_of(args);
    const uint64_t *expected = condition.given ? &condition.revision : NULL;
    uint64_t ttl_ms = cli_opt_ms(args, CLI_OPT_TTL);
    if (cli->ops != NULL)
        return cli_ops_put(cli->ops, key, value, expected, ttl_ms, failure);
    if (expected != NULL && ttl_ms != 0) {
        exit = cli_ops_put(&ops, key, value, expected, ttl_ms, failure);
        if (exit == CLI_EXIT_DONE)
            exit = write_batch(cli, args, key, &ops, failure);
        cli_ops_free(&ops);
        return exit;
    }
    if (expected != NULL || ttl_ms != 0)
        exit = ask_put(cli, key, value, &condition, ttl_ms, &frame, failure);
    else
        exit = cli_ask(cli, KV_CALL_PUT, key, value, &frame, failure);
    return exit == CLI_EXIT_DONE ? write_answer(cli, args, key, &frame, failure) : exit;
}

enum cli_exit cli_put(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf key_buf = {0};
    struct cli_buf value_buf = {0};
    struct cdx_bytes key;
    struct cdx_bytes value = cdx_empty();
    if (cli_given(args, CLI_OPT_IF_ABSENT) && cli_given(args, CLI_OPT_IF_REVISION))
        return cli_fail(failure, CLI_EXIT_USAGE, "expected --if-absent or --if-revision, got both");
    enum cli_exit exit = cli_key(cli, args, &key_buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = put_value(cli, args, &value_buf, &value, failure);
    if (exit == CLI_EXIT_DONE)
        exit = put_key(cli, args, key, value, failure);
    cli_buf_free(&key_buf);
    cli_buf_free(&value_buf);
    return exit;
}

/* ---- delete ---- */

static enum cli_exit delete_key(struct cli *cli, const struct cli_args *args, struct cdx_bytes key,
                                struct cli_failure *failure)
{
    struct kv_response frame;
    struct cli_ops ops = {0};
    enum cli_exit exit;
    const struct condition condition = condition_of(args);
    const uint64_t *expected = condition.given ? &condition.revision : NULL;
    if (cli->ops != NULL)
        return cli_ops_delete(cli->ops, key, expected, failure);
    if (expected != NULL) {
        exit = cli_ops_delete(&ops, key, expected, failure);
        if (exit == CLI_EXIT_DONE)
            exit = write_batch(cli, args, key, &ops, failure);
        cli_ops_free(&ops);
        return exit;
    }
    exit = cli_ask(cli, KV_CALL_DELETE, key, cdx_empty(), &frame, failure);
    return exit == CLI_EXIT_DONE ? write_answer(cli, args, key, &frame, failure) : exit;
}

enum cli_exit cli_delete(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE)
        exit = delete_key(cli, args, key, failure);
    cli_buf_free(&buf);
    return exit;
}

/* ---- drop ---- */

/* Asks on the terminal; only `y` and `yes` mean yes. */
static bool confirmed(struct cdx_bytes key, uint64_t keys)
{
    struct cli_shown shown;
    char line[16] = "";
    if (key.len == 0)
        fprintf(stderr, "drop the whole store, %" PRIu64 " keys? [y/N] ", keys);
    else
        fprintf(stderr, "drop %" PRIu64 " keys at and below %s? [y/N] ", keys,
                cli_show(&shown, key));
    fflush(stderr);
    if (fgets(line, sizeof line, stdin) == NULL)
        return false;
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, "y") == 0 || strcmp(line, "yes") == 0;
}

/* May the drop go on? Asks, on a terminal, when much is at stake. */
static enum cli_exit drop_allowed(struct cli *cli, struct cdx_bytes key,
                                  struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_total total;
    struct cdx_parse_error error;
    bool terminal = cli->ops == NULL && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
    if (!terminal && key.len == 0)
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "the empty key means the whole store: expected --yes with it");
    if (!terminal)
        return CLI_EXIT_DONE;
    enum cli_exit exit = cli_ask(cli, KV_CALL_COUNT, key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (kv_total_decode(frame.val, &total, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    if ((key.len != 0 && total.keys <= DROP_ASK_KEYS) || confirmed(key, total.keys))
        return CLI_EXIT_DONE;
    return cli_fail(failure, CLI_EXIT_NO, "nothing was dropped");
}

static enum cli_exit drop_key(struct cli *cli, struct cdx_bytes key, struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_dropped dropped;
    struct cdx_parse_error error;
    enum cli_exit exit = cli_ask(cli, KV_CALL_DROP, key, cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (kv_dropped_decode(frame.val, &dropped, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "key", key);
        cli_json_u64(&json, "keys", dropped.keys);
        cli_json_u64(&json, "revision", dropped.revision);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_buf_u64(&cli->out.buf, dropped.keys);
        cli_buf_byte(&cli->out.buf, '\n');
    }
    return CLI_EXIT_DONE;
}

enum cli_exit cli_drop(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf buf = {0};
    struct cdx_bytes key;
    enum cli_exit exit = cli_key(cli, args, &buf, &key, failure);
    if (exit == CLI_EXIT_DONE && !cli_given(args, CLI_OPT_YES))
        exit = drop_allowed(cli, key, failure);
    if (exit == CLI_EXIT_DONE)
        exit =
            cli->ops != NULL ? cli_ops_drop(cli->ops, key, failure) : drop_key(cli, key, failure);
    cli_buf_free(&buf);
    return exit;
}
