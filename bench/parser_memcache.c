/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached's binary requests in bench_parser: `get` where there is no value, else `set`.
 */
#include "parser_bench.h"

#include "hand_memcache.h"

static bool encode(struct cdx_out *out, const struct parse_item *item)
{
    struct memcache_request m = {.opaque = item->rid, .key = item->key, .value = item->value};
    m.opcode = item->value.len == 0 ? MEMCACHE_OPCODE_GET : MEMCACHE_OPCODE_SET;
    return memcache_request_encode(out, &m) == CDX_OK;
}

static inline void look(struct parse_outcome *o, const struct memcache_request *m)
{
    o->sum += m->opaque + m->opcode + 3 * m->key.len + m->value.len;
}

PARSE_RUN(run_hand, hand_memcache_parser, memcache_request, hand_memcache_init, hand_memcache_feed,
          hand_memcache_error, look)
PARSE_RUN(run_generated, memcache_request_parser, memcache_request, memcache_request_parser_init,
          memcache_request_feed, memcache_request_error, look)

/* ---- the contract is the same: every member counts ---- */

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9e3779b97f4a7c15u + (sum >> 29);
}

static uint64_t mix_bytes(uint64_t sum, struct cdx_bytes bytes)
{
    sum = mix(sum, bytes.len);
    for (size_t i = 0; i < bytes.len; i++)
        sum = mix(sum, bytes.data[i]);
    return sum;
}

static uint64_t mix_extras(uint64_t sum, const struct memcache_request *m)
{
    switch (m->opcode) {
    case MEMCACHE_OPCODE_SET:
        return mix(mix(sum, m->extras.store_extras.flags), m->extras.store_extras.expiration);
    case MEMCACHE_OPCODE_INCREMENT:
        return mix(mix(mix(sum, m->extras.counter_extras.delta), m->extras.counter_extras.initial),
                   m->extras.counter_extras.expiration);
    case MEMCACHE_OPCODE_TOUCH:
        return mix(sum, m->extras.expiration_extras.expiration);
    case MEMCACHE_OPCODE_VERBOSITY:
        return mix(sum, m->extras.level_extras.level);
    case 0x7f: /* none that is known */
        return mix_bytes(sum, m->extras.other_extras.data);
    case MEMCACHE_OPCODE_FLUSH:
        return mix_bytes(sum, m->extras.delay_extras.delay);
    default:
        return sum;
    }
}

static void look_closely(struct parse_outcome *o, const struct memcache_request *m)
{
    const uint64_t numbers[] = {m->magic,   m->opcode, m->key_len, m->extras_len, m->data_type,
                                m->vbucket, m->total,  m->opaque,  m->cas};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        o->sum = mix(o->sum, numbers[i]);
    o->sum = mix_bytes(mix_bytes(mix_extras(o->sum, m), m->key), m->value);
}

PARSE_RUN(check_hand, hand_memcache_parser, memcache_request, hand_memcache_init,
          hand_memcache_feed, hand_memcache_error, look_closely)
PARSE_RUN(check_generated, memcache_request_parser, memcache_request, memcache_request_parser_init,
          memcache_request_feed, memcache_request_error, look_closely)

/* One request of each form of extras. */
static bool agree(void)
{
    static struct parse_input in;
    struct memcache_request requests[] = {
        {.opcode = MEMCACHE_OPCODE_SET,
         .opaque = 1,
         .cas = 7,
         .key = CDX_STR("one"),
         .value = CDX_STR("value"),
         .extras.store_extras = {0xdeadbeef, 7200}},
        {.opcode = MEMCACHE_OPCODE_INCREMENT,
         .opaque = 2,
         .vbucket = 3,
         .key = CDX_STR("two"),
         .extras.counter_extras = {1, 2, 3600}},
        {.opcode = MEMCACHE_OPCODE_TOUCH,
         .opaque = 3,
         .key = CDX_STR("three"),
         .extras.expiration_extras = {60}},
        {.opcode = MEMCACHE_OPCODE_FLUSH,
         .opaque = 4,
         .extras.delay_extras = {CDX_STR("\0\0\0\1")}},
        {.opcode = MEMCACHE_OPCODE_FLUSH, .opaque = 5},
        {.opcode = MEMCACHE_OPCODE_GET, .opaque = 6, .key = CDX_STR("four")},
        {.opcode = MEMCACHE_OPCODE_APPEND,
         .opaque = 7,
         .key = CDX_STR("five"),
         .value = CDX_STR("more")},
        {.opcode = MEMCACHE_OPCODE_VERBOSITY, .opaque = 9, .extras.level_extras = {1}},
        {.opcode = 0x7f, .opaque = 10, .extras.other_extras = {CDX_STR("any")}},
        {.opcode = MEMCACHE_OPCODE_NOOP, .opaque = 8},
    };
    struct cdx_out out = {in.bytes, in.bytes + sizeof in.bytes};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (memcache_request_encode(&out, &requests[i]) != CDX_OK)
            return false;
    }
    in.len = (size_t)(out.next - in.bytes);
    return parse_agree_when_damaged(check_hand, check_generated, &in);
}

const struct parse_format parse_memcache = {
    "memcached, binary",
    NULL,
    agree,
    {
        {"generated", encode, run_generated, false, 0},
        {"hand-written", encode, run_hand, false, 0.8},
    },
};
