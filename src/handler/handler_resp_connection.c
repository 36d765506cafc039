/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler about the connection itself. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <inttypes.h>

/* What a protocol version is that is not spoken. */
#define ERROR_VERSION "NOPROTO unsupported protocol version"

#define ERROR_PASSWORD "WRONGPASS invalid username-password pair or user is disabled."

void handler_resp_ping(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    if (count > 2)
        handler_resp_arity_error(h);
    else if (count == 2)
        handler_resp_bulk(h, args[1]);
    else
        handler_resp_status(h, "PONG");
}

void handler_resp_echo(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    handler_resp_bulk(h, args[1]);
}

void handler_resp_select(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    int64_t number;
    (void)count;
    if (!handler_resp_number_arg(h, args[1], &number))
        return;
    if (number < INT32_MIN || number > INT32_MAX)
        handler_resp_error_of(
            h, "ERR value is out of range, value must between %" PRId32 " and %" PRId32, INT32_MIN,
            INT32_MAX);
    else if (number != 0)
        handler_resp_error(h, "ERR DB index is out of range");
    else
        handler_resp_ok(h);
}

/* There is one user, whom any password suits. */
static bool is_the_user(struct cdx_bytes name)
{
    return cdx_bytes_equal(name, CDX_STR("default"));
}

void handler_resp_auth(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    if (count > 3)
        handler_resp_error(h, RESP_ERROR_SYNTAX);
    else if (count == 2)
        handler_resp_error(h,
                           "ERR AUTH <password> called without any password configured for the "
                           "default user. Are you sure your configuration is correct?");
    else if (is_the_user(args[1]))
        handler_resp_ok(h);
    else
        handler_resp_error(h, ERROR_PASSWORD);
}

static void answer_hello(struct handler *h)
{
    handler_resp_array(h, 14);
    handler_resp_bulk_text(h, "server");
    handler_resp_bulk_text(h, "caudexd");
    handler_resp_bulk_text(h, "version");
    handler_resp_bulk_text(h, CAUDEX_VERSION);
    handler_resp_bulk_text(h, "proto");
    handler_resp_integer(h, 2);
    handler_resp_bulk_text(h, "id");
    handler_resp_integer(h, (int64_t)h->session->client.id);
    handler_resp_bulk_text(h, "mode");
    handler_resp_bulk_text(h, "standalone");
    handler_resp_bulk_text(h, "role");
    handler_resp_bulk_text(h, "master");
    handler_resp_bulk_text(h, "modules");
    handler_resp_array(h, 0);
}

/* What HELLO asks for besides the version. */
struct hello_options {
    struct cdx_bytes user; /* NULL: none */
    struct cdx_bytes name; /* NULL: none */
};

/* False: an error was answered. */
static bool take_hello_options(struct handler *h, const struct cdx_bytes *args, size_t count,
                               struct hello_options *options)
{
    *options = (struct hello_options){.user = cdx_empty()};
    for (size_t i = 2; i < count; i++) {
        if (handler_resp_text_is(args[i], "auth") && count - i > 2) {
            options->user = args[i + 1];
            i += 2;
        } else if (handler_resp_text_is(args[i], "setname") && count - i > 1) {
            options->name = args[++i];
        } else {
            handler_resp_error_of(h, "ERR Syntax error in HELLO option '%.*s'",
                                  (int)(args[i].len < 128 ? args[i].len : 128),
                                  (const char *)args[i].data);
            return false;
        }
    }
    return true;
}

void handler_resp_hello(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct hello_options options;
    int64_t version = 2;
    if (count > 1 && !handler_resp_text_number(args[1], &version)) {
        handler_resp_error(h, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2) {
        handler_resp_error(h, ERROR_VERSION);
        return;
    }
    if (!take_hello_options(h, args, count, &options))
        return;
    if (options.user.data != NULL && !is_the_user(options.user)) {
        handler_resp_error(h, ERROR_PASSWORD);
        return;
    }
    if (options.name.data == NULL || handler_resp_client_name(h, options.name))
        answer_hello(h);
}

void handler_resp_quit(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    handler_resp_ok(h);
    h->closing = true;
}

void handler_resp_reset(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    handler_resp_client_reset(&h->session->client);
    handler_resp_status(h, "RESET");
}
