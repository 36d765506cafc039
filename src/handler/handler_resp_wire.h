/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Redis's commands as the queue of requests sees them: arrays of bulk strings, and lines.
 *
 *     *2\r\n $3\r\nGET\r\n $1\r\nk\r\n        PING\r\n
 *            └────── body ───────────┘        └body┘
 *
 * A command's arguments are walked when it is carried out; only its name, and its key if it is
 * looked up ahead, are looked at before.
 */
#ifndef HANDLER_HANDLER_RESP_WIRE_H
#define HANDLER_HANDLER_RESP_WIRE_H

#include "handler_requests.h"

/* ---- limits: of Redis, but for the second ---- */

/** Longest line, in bytes: an inline command, or a number with its kind. */
#define HANDLER_RESP_LINE_NBYTES_MAX 65536u

/** Longest argument, in bytes: a value of the store. */
#define HANDLER_RESP_BULK_NBYTES_MAX (16u << 20)

/** Most arguments. */
#define HANDLER_RESP_ARGS_MAX (1u << 20)

/* ---- types ---- */

struct handler_resp_command;

/** One command; its views are borrowed until it was carried out. */
struct handler_resp_request {
    const struct handler_resp_command *command; /* of an array, by its first string; NULL: none */
    struct cdx_bytes key;                       /* its second string */
    struct cdx_bytes body;
    uint32_t count; /* of strings; 0: the body is a line, which may be empty */
};

/** What a command's next bytes are. */
enum handler_resp_awaits {
    RESP_AWAITS_COMMAND, /* its first byte */
    RESP_AWAITS_LINE,    /* the rest of an inline command */
    RESP_AWAITS_COUNT,   /* the rest of the number of strings */
    RESP_AWAITS_LENGTH,  /* a string's length */
    RESP_AWAITS_STRING,  /* a string and its line end */
};

/** Resumes at any byte. Places are counted from the command's first byte. */
struct handler_resp_parser {
    uint64_t offset; /* of the stream */
    size_t body;     /* where the strings begin */
    size_t item;     /* where the present line or string begins */
    size_t searched; /* as far as a line has no end */
    size_t end;      /* of the string */
    uint32_t count;
    uint32_t left;      /* strings still to come */
    uint8_t awaits;     /* enum handler_resp_awaits */
    uint8_t got;        /* what stood in the place of a '$'; 0: nothing did */
    const char *reason; /* NULL, or why it failed */
};

/** One connection. */
struct handler_resp_stream {
    struct handler_stream stream;
    struct handler_resp_parser parser;
};

/* ---- operations ---- */

extern const struct handler_protocol handler_resp_protocol;

static inline void handler_resp_stream_init(struct handler_resp_stream *stream)
{
    handler_stream_init(&stream->stream, &handler_resp_protocol, &stream->parser);
}

/** handler_feed of `parser`, a struct handler_resp_parser, and `request`, a struct
 * handler_resp_request. */
enum cdx_status handler_resp_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                  const uint8_t *end, void *request);

/** The next string of a command's body, which moves behind it. */
struct cdx_bytes handler_resp_next(struct cdx_bytes *body);

#endif
