/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A parser in bench_parser: what reads an input, and what makes the input for it.
 * Parsers of one format are contenders: they read messages of equal content, most of them
 * the very same bytes.
 */
#ifndef BENCH_PARSER_BENCH_H
#define BENCH_PARSER_BENCH_H

#include <caudex/wire.h>

/** Stays in the processor's cache. */
#define PARSE_INPUT_NBYTES_MAX (64u << 10)
/** Values that messages can be asked to have. */
#define PARSE_VALUE_NBYTES_MAX 1024u
#define PARSE_KEY_NBYTES_MAX 40u
#define PARSE_CONTENDERS_MAX 5u

/** The same messages, as one format encodes them. */
struct parse_input {
    uint8_t bytes[PARSE_INPUT_NBYTES_MAX];
    size_t len;
};

/** What a parser made of it. */
struct parse_outcome {
    uint64_t messages;
    uint64_t sum; /* over numbers and lengths, alike for all contenders */
    enum cdx_status status;
    struct cdx_parse_error error;
};

/** What a message is about: number `rid` of an input. */
struct parse_item {
    uint32_t rid;
    struct cdx_bytes key, value;
};

/** Item `rid`, from 1, with a key of 20 to 40 bytes; static texts, readable for good. */
struct parse_item parse_item(uint32_t rid, size_t value_nbytes);

/** Appends one item's message; false: no room, which ends the program. */
typedef bool parse_encode(struct cdx_out *out, const struct parse_item *item);

/** Reads the input `passes` times, in pieces of so many bytes. */
typedef struct parse_outcome parse_run(const struct parse_input *in, size_t piece, unsigned passes);

/** One parser. */
struct parse_contender {
    const char *name;
    parse_encode *encode;
    parse_run *run;
    bool whole_only; /* it takes no input in pieces */
    double
        ratio_wanted; /* its time ÷ that of the generated parser, at least; 0: nothing promised */
};

/** The parsers of one format; the first is the generated one. */
struct parse_format {
    const char *name;
    const char *left_out; /* peers that this build has not; NULL: none */
    bool (*agree)(void);  /* the same contract, also on bytes that are wrong; NULL: not claimed */
    struct parse_contender contenders[PARSE_CONTENDERS_MAX + 1]; /* up to one without a name */
};

/* ---- the peers that are built where their libraries are ---- */

parse_encode parse_encode_protobuf_c, parse_encode_nanopb;
parse_run parse_run_hiredis, parse_run_hiredis_bare, parse_run_protobuf_c,
    parse_run_protobuf_c_arena, parse_run_nanopb;

extern const struct parse_format parse_kv, parse_memcache, parse_resp;

/** Whether count, sum, status and, if there is one, the error are the same. */
bool parse_outcome_equal(const struct parse_outcome *a, const struct parse_outcome *b);

/**
 * Whether two parsers make the same of `in` with each of its bytes damaged in several ways, at
 * several sizes of pieces.
 */
bool parse_agree_when_damaged(parse_run *a, parse_run *b, struct parse_input *in);

/**
 * Defines a parse_run over a parser with the faces of generated ones; `look(o, m)` adds a
 * message to the sum. The calls are direct, as in a program.
 */
#define PARSE_RUN(name, parser_type, message_type, parser_init, parser_feed, parser_error, look)   \
    static struct parse_outcome name(const struct parse_input *in, size_t piece, unsigned passes)  \
    {                                                                                              \
        struct parser_type parser;                                                                 \
        struct cdx_spill spill;                                                                    \
        struct message_type m;                                                                     \
        struct parse_outcome o = {0, 0, CDX_MORE, {0, NULL, NULL}};                                \
        parser_init(&parser);                                                                      \
        cdx_spill_init(&spill);                                                                    \
        for (unsigned pass = 0; pass < passes && o.status == CDX_MORE; pass++) {                   \
            for (size_t at = 0; at < in->len && o.status == CDX_MORE; at += piece) {               \
                const uint8_t *next = in->bytes + at;                                              \
                const uint8_t *const end = next + (piece < in->len - at ? piece : in->len - at);   \
                while ((o.status = parser_feed(&parser, &spill, &next, end, &m)) == CDX_OK) {      \
                    o.messages++;                                                                  \
                    look(&o, &m);                                                                  \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        parser_error(&parser, &o.error);                                                           \
        cdx_spill_free(&spill);                                                                    \
        return o;                                                                                  \
    }

#endif
