/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Redis's commands as the queue of requests sees them.
 *
 *     *2\r\n $3\r\nGET\r\n $1\r\nk\r\n        PING\r\n
 *            └─ words, rest ──┘               └line┘
 */
#ifndef HANDLER_HANDLER_RESP_WIRE_H
#define HANDLER_HANDLER_RESP_WIRE_H

#include "handler_requests.h"

#include <caudex/resp.h>

/* ---- limits ---- */

/** Words of a command that are at hand without walking it again: those of most commands. */
#define HANDLER_RESP_WORDS_HELD 4u

/** Longest text of what is wrong with a stream, with its NUL. */
#define HANDLER_RESP_REASON_NBYTES 128u

/* ---- types ---- */

struct handler_resp_command;

/** One command; its views are borrowed until it was carried out. */
struct handler_resp_request {
    const struct handler_resp_command *command; /* by the first word; NULL: there is none */
    uint32_t count; /* of words; 0: it is a line, perhaps an empty one */
    struct cdx_bytes words[HANDLER_RESP_WORDS_HELD]; /* the first of them */
    union {
        struct cdx_list rest; /* the others, as they arrived */
        struct cdx_bytes line;
    };
};

/** One connection. */
struct handler_resp_stream {
    struct handler_stream stream;
    struct resp_command_parser parser;
    uint8_t refused; /* the byte that the parser could not take */
};

/* ---- operations ---- */

extern const struct handler_protocol handler_resp_protocol;

static inline void handler_resp_stream_init(struct handler_resp_stream *stream)
{
    handler_stream_init(&stream->stream, &handler_resp_protocol, &stream->parser);
}

/** handler_class.accept() for the stream. */
bool handler_resp_stream_accept(struct handler_requests *queue, struct handler_resp_stream *stream,
                                struct cdx_bytes input);

/** Writes all words of a command to `words`, which has room for them. */
void handler_resp_words(const struct handler_resp_request *request, struct cdx_bytes *words);

/** Why the stream's parser stopped, in Redis's words where it has any. */
void handler_resp_reason(const struct handler_resp_stream *stream,
                         char text[HANDLER_RESP_REASON_NBYTES]);

#endif
