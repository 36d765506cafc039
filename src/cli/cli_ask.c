/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the server, one at a time. The happy path is: connect if need
 * be, send, take the frames that carry the request's RID. A frame of another
 * RID, or of a status that refuses, ends the connection and is the message.
 */
#include "cli.h"

#include "cli_file.h"
#include "cli_text.h"
#include <caudex/heap.h>

void cli_disconnect(struct cli *cli)
{
    cli_link_close(&cli->link);
    cdx_free(cli->linked_to);
    cli->linked_to = NULL;
}

static char *copy_text(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = cdx_malloc(n);
    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

enum cli_exit cli_connect(struct cli *cli, struct cli_failure *failure)
{
    bool linked = cli->linked_to != NULL && strcmp(cli->linked_to, cli->settings.server) == 0 &&
                  !cli_link_is_stale(&cli->link);
    if (linked) {
        cli->link.timeout_ns = cli->settings.timeout_ns;
        return CLI_EXIT_DONE;
    }
    cli_disconnect(cli);
    enum cli_exit exit =
        cli_link_open(&cli->link, cli->settings.server, cli->settings.timeout_ns, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli->linked_to = copy_text(cli->settings.server);
    if (cli->linked_to != NULL)
        return CLI_EXIT_DONE;
    cli_disconnect(cli);
    return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
}

enum cli_exit cli_ask_begin(struct cli *cli, uint8_t call, size_t nbytes, struct cdx_out *out,
                            struct cli_failure *failure)
{
    enum cli_exit exit = cli_connect(cli, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli->call = call;
    cli->rid = cli->rid == UINT32_MAX ? 1 : cli->rid + 1;
    *out = cli_link_room(&cli->link, nbytes);
    if (out->next != NULL)
        return CLI_EXIT_DONE;
    cli_disconnect(cli);
    return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the request");
}

/* The RID first: a frame that answers no request carries 0 and says why the connection ends. */
static enum cli_exit judge(struct cli *cli, const struct kv_response *frame,
                           struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_REFUSED;
    if (frame->rid == cli->rid && frame->status == KV_STATUS_NO_MEMORY)
        return cli_link_refused(frame, failure);
    if (frame->rid == cli->rid && cli_status_fits(cli->call, frame->status))
        return CLI_EXIT_DONE;
    if (frame->rid == cli->rid || frame->rid == 0)
        exit = cli_link_refused(frame, failure);
    else
        cli_fail(failure, CLI_EXIT_REFUSED, "expected the answer to request %u, got one to %u",
                 cli->rid, frame->rid);
    cli_disconnect(cli);
    return exit;
}

enum cli_exit cli_ask_more(struct cli *cli, struct kv_response *frame, struct cli_failure *failure)
{
    enum cli_exit exit = cli_link_next(&cli->link, frame, failure);
    if (exit == CLI_EXIT_DONE)
        return judge(cli, frame, failure);
    cli_disconnect(cli);
    return exit;
}

enum cli_exit cli_ask_end(struct cli *cli, const struct cdx_out *out, enum cdx_status encoded,
                          struct kv_response *frame, struct cli_failure *failure)
{
    if (encoded != CDX_OK)
        return cli_fail(failure, CLI_EXIT_USAGE, "the request cannot be sent: %s",
                        cdx_status_text(encoded));
    cli_link_commit(&cli->link, out);
    return cli_ask_more(cli, frame, failure);
}

enum cli_exit cli_ask(struct cli *cli, uint8_t call, struct cdx_bytes key, struct cdx_bytes val,
                      struct kv_response *frame, struct cli_failure *failure)
{
    struct cdx_out out;
    enum cli_exit exit = cli_ask_begin(cli, call, kv_request_size(key.len, val.len), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_request_encode(&out, call, cli->rid, key, val);
    return cli_ask_end(cli, &out, encoded, frame, failure);
}

enum cli_exit cli_bad_body(struct cli *cli, const struct cdx_parse_error *error,
                           struct cli_failure *failure)
{
    cli_disconnect(cli);
    return cli_fail(failure, CLI_EXIT_REFUSED,
                    "the server's answer does not follow the protocol: %s: %s", error->field,
                    error->reason);
}

/* ---- arguments ---- */

enum cli_exit cli_word(const struct cli *cli, const char *name, struct cdx_bytes word, size_t max,
                       struct cli_buf *buf, struct cdx_bytes *bytes, struct cli_failure *failure)
{
    size_t at = 0;
    struct cdx_bytes read = word;
    if (cli->settings.escaped) {
        cli_buf_clear(buf);
        enum cdx_status status = cli_unescape(buf, word, &at);
        if (status == CDX_INVALID)
            return cli_fail(failure, CLI_EXIT_USAGE, "%s: wrong escape at its byte %zu: %s", name,
                            at + 1, CLI_ESCAPES_KNOWN);
        if (status != CDX_OK)
            return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
        read = cli_buf_bytes(buf);
    }
    if (read.len > max)
        return cli_fail(failure, CLI_EXIT_USAGE, "%s: has %zu bytes, the limit is %zu", name,
                        read.len, max);
    *bytes = read;
    return CLI_EXIT_DONE;
}

/* Nanoseconds. */
#define MS 1000000u

uint64_t cli_opt_ms(const struct cli_args *args, enum cli_option_id id)
{
    return (cli_opt_number(args, id) + MS - 1) / MS;
}

enum cli_exit cli_key(const struct cli *cli, const struct cli_args *args, struct cli_buf *buf,
                      struct cdx_bytes *key, struct cli_failure *failure)
{
    struct cdx_bytes word = args->count != 0 ? args->words[0] : cdx_empty();
    return cli_word(cli, "KEY", word, KV_PATH_NBYTES_MAX, buf, key, failure);
}

enum cli_exit cli_open(const struct cli *cli, const char *path, int *fd,
                       struct cli_failure *failure)
{
    if (cli->input_is_commands && strcmp(path, "-") == 0)
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "- means standard input, but the commands are read from there");
    return cli_open_input(path, fd, failure);
}
