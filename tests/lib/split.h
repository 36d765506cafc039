/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Proves that a generated parser does not care how its input is cut.
 *
 *     input ─► whole ─┬─► log          log: one line per message, then why the
 *           ─► 1 byte ├─► log = log         stream stopped: "error …" or "more …"
 *           ─► cuts   └─► log = log
 *
 * Every piece ends at an inaccessible page and is destroyed when it has been
 * fed; the parser's state is moved to new memory after every piece; the
 * invariant is checked at each step.
 */
#ifndef TESTS_SPLIT_H
#define TESTS_SPLIT_H

#include <caudex/wire.h>

/** Inputs up to this long are also cut at every pair of places. */
#define SPLIT_PAIRS_NBYTES_MAX 96u

/** A growing text. */
struct split_log {
    char *text;
    size_t len;
    size_t cap;
};

/** A generated parser behind one face. */
struct split_parser {
    size_t nbytes; /* of the state */
    void (*init)(void *parser);
    /** Feeds; on CDX_OK writes the message to `log` as one line. */
    enum cdx_status (*feed)(void *parser, struct cdx_spill *spill, const uint8_t **next,
                            const uint8_t *end, struct split_log *log);
    void (*error)(const void *parser, struct cdx_parse_error *error);
    size_t (*need)(const void *parser, const char **field);
    bool (*is_between)(const void *parser);
    uint64_t (*offset)(const void *parser);
    const char *(*check)(const void *parser, const struct cdx_spill *spill);
};

/**
 * Defines the `storage` const struct split_parser `name` of the generated parser `prefix`
 * (kv_request, …). The generated functions take their own parser's type: each gets a face that
 * takes any.
 */
#define SPLIT_PARSER(storage, name, prefix, feed_and_log)                                          \
    static void name##_init(void *parser)                                                          \
    {                                                                                              \
        prefix##_parser_init((struct prefix##_parser *)parser);                                    \
    }                                                                                              \
    static void name##_error(const void *parser, struct cdx_parse_error *error)                    \
    {                                                                                              \
        prefix##_error((const struct prefix##_parser *)parser, error);                             \
    }                                                                                              \
    static size_t name##_need(const void *parser, const char **field)                              \
    {                                                                                              \
        return prefix##_need((const struct prefix##_parser *)parser, field);                       \
    }                                                                                              \
    static bool name##_is_between(const void *parser)                                              \
    {                                                                                              \
        return prefix##_is_between((const struct prefix##_parser *)parser);                        \
    }                                                                                              \
    static uint64_t name##_offset(const void *parser)                                              \
    {                                                                                              \
        return prefix##_offset((const struct prefix##_parser *)parser);                            \
    }                                                                                              \
    static const char *name##_check(const void *parser, const struct cdx_spill *spill)             \
    {                                                                                              \
        return prefix##_parser_check((const struct prefix##_parser *)parser, spill);               \
    }                                                                                              \
    storage const struct split_parser name = {.nbytes = sizeof(struct prefix##_parser),            \
                                              .init = name##_init,                                 \
                                              .feed = feed_and_log,                                \
                                              .error = name##_error,                               \
                                              .need = name##_need,                                 \
                                              .is_between = name##_is_between,                     \
                                              .offset = name##_offset,                             \
                                              .check = name##_check}

/** Adds formatted text to the log. */
__attribute__((format(printf, 2, 3))) void split_print(struct split_log *log, const char *format,
                                                       ...);

/** Adds ` name=` and the bytes in hexadecimal. */
void split_print_bytes(struct split_log *log, const char *name, struct cdx_bytes bytes);

void split_log_free(struct split_log *log);

/**
 * Parses `input` whole, byte by byte, at every single cut and, when it is short, at
 * every two cuts, and fails the running test unless all logs are equal. Returns the log.
 */
struct split_log split_parse(const struct split_parser *parser, struct cdx_bytes input);

/** Like split_parse(), but fails the running test unless the log is `expected`. */
void split_expect(const struct split_parser *parser, struct cdx_bytes input, const char *expected);

#endif
