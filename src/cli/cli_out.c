/* SPDX-License-Identifier: Apache-2.0 */
/* What a command prints on standard output. */
#include "cli_out.h"

#include "cli_file.h"
#include "cli_rows.h"
#include "cli_text.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

void cli_out_init(struct cli_out *out, int fd)
{
    *out = (struct cli_out){.fd = fd, .terminal = isatty(fd) == 1};
}

void cli_out_free(struct cli_out *out)
{
    cli_buf_free(&out->buf);
}

bool cli_colour_wanted(const char *when, bool terminal)
{
    const char *no_color = getenv("NO_COLOR");
    if (strcmp(when, "auto") == 0)
        return terminal && (no_color == NULL || no_color[0] == 0);
    return strcmp(when, "always") == 0;
}

void cli_colour_text(struct cli_buf *out, enum cli_colour colour)
{
    static const char *const sequences[] = {
        [CLI_COLOUR_NONE] = "\033[0m",
        [CLI_COLOUR_KEY] = "\033[36m",
        [CLI_COLOUR_DIM] = "\033[2m",
        [CLI_COLOUR_ERROR] = "\033[1;31m",
    };
    cli_buf_text(out, sequences[colour]);
}

void cli_out_bytes(struct cli_out *out, struct cdx_bytes bytes, enum cli_colour colour)
{
    bool coloured = out->colour && colour != CLI_COLOUR_NONE && bytes.len != 0;
    if (coloured)
        cli_colour_text(&out->buf, colour);
    if (out->raw)
        cli_buf_add(&out->buf, bytes.data, bytes.len);
    else
        cli_escape(&out->buf, bytes);
    if (coloured)
        cli_colour_text(&out->buf, CLI_COLOUR_NONE);
}

void cli_out_row(struct cli_out *out, struct cdx_bytes key, struct cdx_bytes value)
{
    if (out->json) {
        cli_rows_write(&out->buf, CLI_FORMAT_JSON, key, value);
        return;
    }
    cli_out_bytes(out, key, CLI_COLOUR_KEY);
    cli_buf_byte(&out->buf, '\t');
    cli_out_bytes(out, value, CLI_COLOUR_NONE);
    cli_buf_byte(&out->buf, '\n');
}

void cli_out_field(struct cli_out *out, const char *name, const char *text)
{
    cli_out_bytes(out, cdx_cstr(name), CLI_COLOUR_KEY);
    cli_buf_byte(&out->buf, '\t');
    cli_out_bytes(out, cdx_cstr(text), CLI_COLOUR_NONE);
    cli_buf_byte(&out->buf, '\n');
}

void cli_out_value(struct cli_out *out, struct cdx_bytes value)
{
    if (!out->terminal) {
        cli_buf_add(&out->buf, value.data, value.len);
        return;
    }
    cli_out_bytes(out, value, CLI_COLOUR_NONE);
    cli_buf_byte(&out->buf, '\n');
}

struct cli_json cli_out_json(struct cli_out *out, const char *status)
{
    struct cli_json json = cli_json_begin(&out->buf);
    cli_json_text(&json, "status", status);
    return json;
}

void cli_out_json_end(struct cli_out *out, struct cli_json *json)
{
    cli_json_end(json);
    cli_buf_byte(&out->buf, '\n');
}

enum cli_exit cli_out_pass(struct cli_out *out, struct cli_failure *failure)
{
    return out->buf.len >= CLI_OUT_NBYTES || out->buf.failed ? cli_out_flush(out, failure)
                                                             : CLI_EXIT_DONE;
}

/* The reader of our output is gone: end as if SIGPIPE had not been ignored. */
static void end_by_sigpipe(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

enum cli_exit cli_out_flush(struct cli_out *out, struct cli_failure *failure)
{
    if (out->buf.failed) {
        cli_buf_clear(&out->buf);
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    }
    bool written = cli_write_all(out->fd, cli_buf_bytes(&out->buf));
    cli_buf_clear(&out->buf);
    if (written)
        return CLI_EXIT_DONE;
    if (errno == EPIPE)
        end_by_sigpipe();
    return cli_fail(failure, CLI_EXIT_LOCAL, "standard output: %s", strerror(errno));
}
