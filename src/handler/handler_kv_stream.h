/* SPDX-License-Identifier: Apache-2.0 */
/** What the handlers that speak the kv protocol share: how its requests get into their queue. */
#ifndef HANDLER_HANDLER_KV_STREAM_H
#define HANDLER_HANDLER_KV_STREAM_H

#include "handler_requests.h"

#include <caudex/kv.h>

/** Its requests are struct kv_request. */
extern const struct handler_protocol handler_kv_protocol;

/** One connection. */
struct handler_kv_stream {
    struct handler_stream stream;
    struct kv_request_parser parser;
};

static inline void handler_kv_stream_init(struct handler_kv_stream *stream)
{
    handler_stream_init(&stream->stream, &handler_kv_protocol, &stream->parser);
}

static inline enum cdx_status handler_kv_feed(void *parser, struct cdx_spill *spill,
                                              const uint8_t **next, const uint8_t *end,
                                              void *request)
{
    return kv_request_feed((struct kv_request_parser *)parser, spill, next, end,
                           (struct kv_request *)request);
}

/** Appends the frame that tells the peer why its stream cannot be parsed on. */
void handler_kv_refuse(const struct handler_kv_stream *stream, struct handler_output *out);

/** Appends the frame of a notice; see handler_class.notice(). */
void handler_kv_tell(enum handler_notice notice, struct handler_output *out);

#endif
