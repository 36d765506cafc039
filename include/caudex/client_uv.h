/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A client's transport on the caller's libuv loop; the bindings' _send functions
 * work on its core. Everything happens on the loop's thread.
 *
 *     cdx_uv_connect(loop, "127.0.0.1:7117", &kv_client_protocol, NULL, on_event, arg, &uv);
 *     kv_match_send(cdx_uv_core(uv), CDX_STR("/img/1.jpg"), on_reply, arg, NULL);
 *     uv_run(loop, UV_RUN_DEFAULT);
 *
 * Requests may be sent at once; they go out when the connection stands, and all
 * that one turn of the loop has queued goes out together.
 *
 * Connecting again is left to the caller, who alone knows which requests may be
 * repeated: close this transport (inside `event`, if you like), wait as long as is
 * polite, and connect anew. libuv writes without MSG_NOSIGNAL: a program that must
 * survive a peer's reset ignores SIGPIPE.
 */
#ifndef CAUDEX_CLIENT_UV_H
#define CAUDEX_CLIENT_UV_H

#include <caudex/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* ---- types ---- */

struct cdx_uv;

/**
 * What became of the connection: CDX_OK once when it stands; then, or instead, once
 * why it has ended: CDX_ADDRESS, CDX_SYSTEM, CDX_TIMEOUT (no connection in time),
 * CDX_CLOSED, CDX_MALFORMED, CDX_UNEXPECTED, CDX_NO_MEMORY. Every open request has been
 * told before; the caller still has to close. Not called because of, nor after, cdx_uv_close().
 */
typedef void cdx_uv_event_fn(void *arg, struct cdx_uv *uv, enum cdx_status status);

/** The transport is gone: nothing of it is on the loop any more. */
typedef void cdx_uv_closed_fn(void *arg);

/* ---- lifecycle ---- */

/**
 * Starts connecting; addresses are as in cdx_blocking_connect(), but names are
 * looked up on libuv's thread pool and within the timeout. Failures that need the
 * network come to `event` (NULL: nobody) later, never inside this call; `arg` is
 * borrowed until the transport is closed. CDX_OK; CDX_ADDRESS, CDX_SYSTEM,
 * CDX_NO_MEMORY, CDX_INVALID: there is no transport, options->connect_error says why.
 */
CDX_MUST_CHECK enum cdx_status cdx_uv_connect(struct uv_loop_s *loop, const char *address,
                                              const struct cdx_client_protocol *protocol,
                                              const struct cdx_client_options *options,
                                              cdx_uv_event_fn *event, void *arg,
                                              struct cdx_uv **uv);

/**
 * Ends the connection: every open request fails with CDX_CLOSED inside this call, and
 * `closed` (NULL: nobody) comes when the loop has let go, on a later turn. Allowed inside
 * every callback, also inside those that this call makes, where it does nothing more.
 * Otherwise `uv` is not to be used after it.
 */
void cdx_uv_close(struct cdx_uv *uv, cdx_uv_closed_fn *closed, void *arg);

/* ---- operations ---- */

/** The core, to issue requests on; it lives until close. */
struct cdx_core *cdx_uv_core(struct cdx_uv *uv);

/** Why the connection has ended, or could not be made; "" while it has not. Valid until close. */
const char *cdx_uv_error_text(struct cdx_uv *uv);

#ifdef __cplusplus
}
#endif

#endif
