/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Generated messages as lines of a split_log: include it before a generated *_trace.h, then
 * TRACED_PARSER(name, prefix) makes the struct split_parser of a message's parser. Every message
 * that it reads is also encoded in pieces of every size, and cut at every place.
 */
#ifndef TESTS_TRACE_H
#define TESTS_TRACE_H

#include "pieces.h"
#include "split.h"

#define TRACE_TO struct split_log
#define TRACE split_print
#define TRACE_BYTES split_print_bytes

#define TRACED_PARSER(name, prefix)                                                                \
    PIECES_CHECK(name, prefix)                                                                     \
    static enum cdx_status name##_feed(void *parser, struct cdx_spill *spill,                      \
                                       const uint8_t **next, const uint8_t *end,                   \
                                       struct split_log *log)                                      \
    {                                                                                              \
        struct prefix message;                                                                     \
        const enum cdx_status status =                                                             \
            prefix##_feed((struct prefix##_parser *)parser, spill, next, end, &message);           \
        if (status == CDX_OK) {                                                                    \
            prefix##_trace(log, &message);                                                         \
            split_print(log, "\n");                                                                \
            name##_in_pieces(&message);                                                            \
        }                                                                                          \
        return status;                                                                             \
    }                                                                                              \
    SPLIT_PARSER(static, name, prefix, name##_feed)

#endif
