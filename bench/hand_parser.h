/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A parser of kv requests written by hand, as well as we can: what the
 * generated one is measured against. Same contract as kv_request_feed(): one
 * message per call, zero copy, the same limits checked at the same byte, typed
 * bodies decoded, errors that are final and do not depend on how input is cut.
 */
#ifndef BENCH_HAND_PARSER_H
#define BENCH_HAND_PARSER_H

#include <caudex/kv.h>

/** What the next byte belongs to. */
enum hand_phase { HAND_HEAD, HAND_KEY, HAND_VAL_LEN, HAND_VAL, HAND_FAILED };

struct hand_parser {
    uint64_t offset;   /* stream bytes taken */
    uint64_t begin;    /* where the message began */
    uint64_t error_at; /* offset of the error */
    const char *field; /* of the error */
    enum cdx_reason reason;
    enum hand_phase phase;
    uint32_t acc;  /* a number that is being read */
    uint32_t left; /* what is missing of the phase */
    uint32_t rid;
    uint32_t val_len;
    uint16_t key_len;
    uint8_t type;
};

void hand_parser_init(struct hand_parser *parser);

/** Like kv_request_feed(). */
CDX_MUST_CHECK enum cdx_status hand_feed(struct hand_parser *parser, struct cdx_spill *spill,
                                         const uint8_t **next, const uint8_t *end,
                                         struct kv_request *message);

/** Like kv_request_error(). */
void hand_error(const struct hand_parser *parser, struct cdx_parse_error *error);

#endif
