/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A parser of memcached's binary requests written by hand, as well as we can: what the
 * generated one is measured against. Same contract as memcache_request_feed(): one message per
 * call, zero copy, extras decoded, the same checks at the same byte, errors that are final and do
 * not depend on how input is cut.
 */
#ifndef BENCH_HAND_MEMCACHE_H
#define BENCH_HAND_MEMCACHE_H

#include <caudex/memcache.h>

/** What the next byte belongs to. */
enum hand_memcache_phase {
    HAND_MEMCACHE_HEAD,
    HAND_MEMCACHE_EXTRAS,
    HAND_MEMCACHE_BYTES,
    HAND_MEMCACHE_KEY,
    HAND_MEMCACHE_VALUE,
    HAND_MEMCACHE_FAILED
};

struct hand_memcache_parser {
    uint64_t offset;    /* stream bytes taken */
    uint64_t begin;     /* where the message began */
    uint64_t error_at;  /* offset of the error */
    uint64_t number;    /* one that is being read */
    const char *field;  /* of the error */
    const char *reason; /* of the error; NULL: none */
    enum hand_memcache_phase phase;
    enum cdx_status status;          /* of the error */
    uint32_t left;                   /* what is missing of the phase, or of the number */
    uint32_t value_len;              /* bytes of the value */
    uint8_t extra;                   /* number of extras that are there */
    uint8_t extras_at;               /* bytes that they have */
    struct memcache_request message; /* its numbers */
};

void hand_memcache_init(struct hand_memcache_parser *parser);

/** Like memcache_request_feed(). */
CDX_MUST_CHECK enum cdx_status hand_memcache_feed(struct hand_memcache_parser *parser,
                                                  struct cdx_spill *spill, const uint8_t **next,
                                                  const uint8_t *end,
                                                  struct memcache_request *message);

/** Like memcache_request_error(). */
void hand_memcache_error(const struct hand_memcache_parser *parser, struct cdx_parse_error *error);

#endif
