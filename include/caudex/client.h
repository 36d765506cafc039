/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The client's half that is the same for every protocol: a transport-free core
 * that gives out RIDs, keeps a window of open requests, matches answers, times
 * out and cancels; and two transports that carry its bytes. Generated bindings
 * (caudex/kv_client.h) put typed calls on top: most programs use only those.
 *
 *     typed call ─► core ─► output bytes ─► transport ─► peer
 *     callback   ◄─ core ◄─ input bytes  ◄─ transport ◄─ peer
 *
 * The core does no I/O and reads no clock: the caller hands it bytes and the time.
 */
#ifndef CAUDEX_CLIENT_H
#define CAUDEX_CLIENT_H

#include <caudex/bytes.h>
#include <caudex/status.h>
#include <caudex/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- limits ---- */

/** Open requests of one core when the options say nothing. */
#define CDX_CLIENT_WINDOW_DEFAULT 16384u
/** The most that the options may ask for. */
#define CDX_CLIENT_WINDOW_MAX (1u << 20)
/** Unsent bytes above which a new request is refused with CDX_FULL when the options say nothing. */
#define CDX_CLIENT_OUTPUT_NBYTES_DEFAULT (64u << 20)
/** Milliseconds after which a request fails with CDX_TIMEOUT when the options say nothing. */
#define CDX_CLIENT_TIMEOUT_MS_DEFAULT 30000u

/* ---- types ---- */

/** One parsed frame of the peer, as the core needs it. */
struct cdx_client_frame {
    uint32_t rid;
    bool last;            /* no more frames for this RID */
    bool unasked;         /* answers no request: the peer speaks for the whole connection */
    const void *message;  /* the generated message struct; borrowed during the callback */
};

/**
 * What the core must know of a protocol: filled in by generated code as one
 * static const object.
 */
struct cdx_client_protocol {
    const char *name;
    uint16_t port;        /* the default, host byte order */
    size_t parser_nbytes; /* size of the generated response parser */
    size_t message_nbytes;
    void (*parser_init)(void *parser);
    /** Like the generated feed: CDX_OK (frame ready), CDX_MORE, CDX_MALFORMED, CDX_NO_MEMORY. */
    enum cdx_status (*feed)(void *parser, struct cdx_spill *spill, const uint8_t **next,
                            const uint8_t *end, void *message, struct cdx_client_frame *frame);
    void (*error)(const void *parser, struct cdx_parse_error *error);
};

/** Zeroed means all defaults. Copied. */
struct cdx_client_options {
    uint32_t window;        /* most open requests */
    size_t output_nbytes;   /* most unsent bytes */
    uint32_t timeout_ms;    /* per request, from its call; also for connecting */
};

struct cdx_core;

/**
 * What happened to a request. Called once per frame of its answer, `status`
 * CDX_OK, `frame->last` true the last time; or once with `frame` NULL and why
 * there will be no (further) answer: CDX_TIMEOUT, CDX_CANCELLED, CDX_CLOSED, CDX_MALFORMED.
 * May issue new requests; must not destroy the core.
 */
typedef void cdx_client_fn(void *arg, enum cdx_status status,
                           const struct cdx_client_frame *frame);

#ifdef __cplusplus
}
#endif

#endif
