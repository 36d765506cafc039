/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of errors for people. */
#include "client_text.h"

#include "client_address.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* X(errno, text): what a client meets, in words that end a sentence. */
#define ERRNO_MAP(X)                                                                               \
    X(ECONNREFUSED, "connection refused")                                                          \
    X(ECONNRESET, "connection reset by the peer")                                                  \
    X(EPIPE, "closed by the peer")                                                                 \
    X(ETIMEDOUT, "no answer from the network in time")                                             \
    X(EHOSTUNREACH, "no route to the host")                                                        \
    X(ENETUNREACH, "the network cannot be reached")                                                \
    X(ENOENT, "no such socket")                                                                    \
    X(EACCES, "permission denied")                                                                 \
    X(EAGAIN, "the socket's queue is full")                                                        \
    X(EMFILE, "too many open files")

const char *cdx__text_of_errno(int code)
{
    switch (code) {
#define ERRNO_CASE(number, text)                                                                   \
    case number:                                                                                   \
        return text;
        ERRNO_MAP(ERRNO_CASE)
#undef ERRNO_CASE
    default:
        break;
    }
    const char *text = strerrordesc_np(code);
    return text != NULL ? text : "unknown error";
}

void cdx__text_write(char *text, const char *name, const char *cause)
{
    if (text != NULL)
        (void)snprintf(text, CDX_CLIENT_TEXT_NBYTES_MAX, "%.*s: %s", (int)CDX__NAME_NBYTES_MAX,
                       name, cause);
}

/* Where and why the peer's bytes are not the protocol. */
static void write_error(char *text, const struct cdx_parse_error *error, enum cdx_status status,
                        const char *name)
{
    const char *const what = cdx_status_text(status);
    const bool has_field = error->field != NULL;
    const bool has_reason = strcmp(error->reason, what) != 0;
    (void)snprintf(text, CDX_CLIENT_TEXT_NBYTES_MAX, "%s: %s, at byte %" PRIu64 "%s%s%s%s", name,
                   what, error->offset, has_field ? ", field " : "", has_field ? error->field : "",
                   has_reason ? ": " : "", has_reason ? error->reason : "");
}

void cdx__text_of_core(char *text, const struct cdx_core *core, const char *name, const char *cause)
{
    const enum cdx_status status = cdx_core_status(core);
    const char *notice = cdx_core_notice(core);
    struct cdx_parse_error error;
    cdx_core_error(core, &error);
    text[0] = '\0';
    if (status == CDX_OK)
        return;
    if (error.reason != NULL) {
        write_error(text, &error, status, name);
        return;
    }
    cdx__text_write(text, name, cause != NULL ? cause : cdx_status_text(status));
    const size_t at = strlen(text);
    if (notice[0] != '\0')
        (void)snprintf(text + at, CDX_CLIENT_TEXT_NBYTES_MAX - at, ", which said \"%s\"", notice);
}
