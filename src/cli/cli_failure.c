/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of commands that did not succeed. */
#include "cli_failure.h"

#include "cli_text.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Shown bytes of a key, value or file name: enough to recognise it, not enough to bury the rest. */
#define SHOWN_BYTES_MAX 160u

/* An escape takes four bytes per byte; quotes, the ellipsis and NUL come on top. */
static_assert(SHOWN_BYTES_MAX * 4 + 16 <= CLI_SHOWN_NBYTES_MAX, "a shown text fits");

enum cli_exit cli_fail(struct cli_failure *failure, enum cli_exit exit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    failure->exit = exit;
    return exit;
}

const char *cli_show(struct cli_shown *shown, struct cdx_bytes bytes)
{
    struct cli_buf buf;
    cli_buf_init(&buf);
    cli_escape_short(&buf, bytes, SHOWN_BYTES_MAX);
    snprintf(shown->text, sizeof shown->text, "'%.*s'", (int)buf.len,
             buf.data != NULL ? (const char *)buf.data : "");
    cli_buf_free(&buf);
    return shown->text;
}

const char *cli_show_input(struct cli_shown *shown, const char *name)
{
    if (strcmp(name, "-") == 0)
        return "stdin";
    bool plain = strlen(cli_show(shown, cdx_cstr(name))) == strlen(name) + 2;
    return plain ? name : shown->text;
}

enum cli_exit cli_exit_of(enum cdx_status status)
{
    switch (status) {
    case CDX_OK:
        return CLI_EXIT_DONE;
    case CDX_MALFORMED:
    case CDX_UNEXPECTED:
        return CLI_EXIT_REFUSED;
    case CDX_TIMEOUT:
    case CDX_CLOSED:
    case CDX_SYSTEM:
        return CLI_EXIT_UNREACHABLE;
    case CDX_INVALID:
    case CDX_TOO_LONG:
    case CDX_ADDRESS:
        return CLI_EXIT_USAGE;
    default:
        return CLI_EXIT_LOCAL;
    }
}
