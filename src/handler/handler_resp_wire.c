/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's commands in the queue, and what is wrong with a stream that has none. */
#include "handler_resp_wire.h"
#include "handler_resp.h"

#include <stdio.h>

static void parser_init(void *parser)
{
    resp_command_parser_init(parser);
}

static void parser_restart(void *parser, uint64_t offset)
{
    resp_command_parser_restart(parser, offset);
}

static uint64_t parser_offset(const void *parser)
{
    return resp_command_offset(parser);
}

static bool parser_is_between(const void *parser)
{
    return resp_command_is_between(parser);
}

static const char *parser_check(const void *parser, const struct cdx_spill *spill)
{
    return resp_command_parser_check(parser, spill);
}

const struct handler_protocol handler_resp_protocol = {
    .request_nbytes = sizeof(struct handler_resp_request),
    .wire_nbytes_min = RESP_COMMAND_NBYTES_MIN,
    .init = parser_init,
    .restart = parser_restart,
    .offset = parser_offset,
    .is_between = parser_is_between,
    .check = parser_check,
};

/* ---- commands ---- */

/* The next word of a list that is known to have one. */
static inline struct cdx_bytes next_word(struct cdx_list *list)
{
    struct resp_argument word = {.data = cdx_empty()};
    if (resp_argument_next(list, &word) != CDX_OK)
        return cdx_empty();
    return word.data;
}

static inline void take_words(struct handler_resp_request *request, struct cdx_list list)
{
    uint32_t held = list.count;
    if (held > HANDLER_RESP_WORDS_HELD)
        held = HANDLER_RESP_WORDS_HELD;
    request->count = list.count;
    for (uint32_t i = 0; i < held; i++)
        request->words[i] = next_word(&list);
    request->rest = list;
    request->command = handler_resp_find(request->words[0]);
}

/* A line, without the '\r' that most have at their end. */
static void take_line(struct handler_resp_request *request, struct cdx_bytes line)
{
    if (line.len != 0 && line.data[line.len - 1] == '\r')
        line.len--;
    request->command = NULL;
    request->count = 0;
    request->line = line;
}

static inline enum cdx_status feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                   const uint8_t *end, void *request)
{
    struct resp_command message;
    enum cdx_status status = resp_command_feed(parser, spill, next, end, &message);
    if (status != CDX_OK)
        return status;
    if (message.first != '*')
        take_line(request, message.form.line.text);
    else if (message.form.words.count > 0)
        take_words(request, message.form.words.args);
    else
        take_line(request, cdx_empty());
    return CDX_OK;
}

bool handler_resp_stream_accept(struct handler_requests *queue, struct handler_resp_stream *stream,
                                struct cdx_bytes input)
{
    bool had_failed = stream->stream.failed != CDX_OK;
    if (!handler_requests_accept(queue, &stream->stream, input, feed))
        return false;
    if (stream->stream.failed == CDX_MALFORMED && !had_failed) {
        struct cdx_parse_error error;
        resp_command_error(&stream->parser, &error);
        uint64_t at = error.offset - stream->stream.base;
        stream->refused = at < input.len ? input.data[at] : 0;
    }
    return true;
}

void handler_resp_words(const struct handler_resp_request *request, struct cdx_bytes *words)
{
    struct cdx_list rest = request->rest;
    for (uint32_t i = 0; i < request->count; i++)
        words[i] = i < HANDLER_RESP_WORDS_HELD ? request->words[i] : next_word(&rest);
}

/* ---- mistakes ---- */

void handler_resp_reason(const struct handler_resp_stream *stream,
                         char text[HANDLER_RESP_REASON_NBYTES])
{
    static const struct {
        const char *field;
        const char *reason;
    } known[] = {
        {"words.count", "invalid multibulk length"},
        {"argument.len", "invalid bulk length"},
        {"argument.end", "expected a line end behind a bulk string"},
        {"line.text", "too big inline request"},
    };
    struct cdx_parse_error error;
    resp_command_error(&stream->parser, &error);
    if (strcmp(error.field, "argument.mark") == 0 && stream->refused != '$') {
        snprintf(text, HANDLER_RESP_REASON_NBYTES, "expected '$', got '%c'", stream->refused);
        return;
    }
    const char *reason = error.reason;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(error.field, known[i].field) == 0)
            reason = known[i].reason;
    }
    snprintf(text, HANDLER_RESP_REASON_NBYTES, "%s", reason);
}
