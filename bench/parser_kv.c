/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv's requests in bench_parser: `match` where there is no value, else `put`. The peers read a
 * message of the same content in their own encoding.
 */
#include "parser_bench.h"

#include "hand_parser.h"

static bool encode(struct cdx_out *out, const struct parse_item *item)
{
    const enum cdx_status status =
        item->value.len == 0 ? kv_match_request_encode(out, item->rid, item->key)
                             : kv_put_request_encode(out, item->rid, item->key, item->value);
    return status == CDX_OK;
}

static inline void look(struct parse_outcome *o, const struct kv_request *m)
{
    o->sum += m->rid + m->type + 3 * m->key.len + m->val.len;
}

PARSE_RUN(run_hand, hand_parser, kv_request, hand_parser_init, hand_feed, hand_error, look)
PARSE_RUN(run_generated, kv_request_parser, kv_request, kv_request_parser_init, kv_request_feed,
          kv_request_error, look)

/* The contract is the same: a few messages, typed ones among them. */
static bool agree(void)
{
    static struct parse_input in;
    const struct kv_list_args list = {7, KV_CONTENT_KEYS, CDX_STR("/a")};
    const struct kv_put_if_args put_if = {42, CDX_STR("value")};
    struct cdx_out out = {in.bytes, in.bytes + sizeof in.bytes};
    if (kv_put_request_encode(&out, 4, CDX_STR("/img/cats"), CDX_STR("abc")) != CDX_OK ||
        kv_list_request_encode(&out, 1, CDX_STR("/img"), &list) != CDX_OK ||
        kv_put_if_request_encode(&out, 2, CDX_STR("/img"), &put_if) != CDX_OK ||
        kv_match_request_encode(&out, 3, CDX_STR("/img/1")) != CDX_OK)
        return false;
    in.len = (size_t)(out.next - in.bytes);
    return parse_agree_when_damaged(run_hand, run_generated, &in);
}

const struct parse_format parse_kv = {
    "kv request",
#if defined BENCH_PROTOBUF_C && defined BENCH_NANOPB
    NULL,
#elif defined BENCH_PROTOBUF_C
    "nanopb",
#elif defined BENCH_NANOPB
    "protobuf-c",
#else
    "protobuf-c, nanopb",
#endif
    agree,
    {
        {"generated", encode, run_generated, false, 0},
        {"hand-written", encode, run_hand, false, 0.8},
#ifdef BENCH_PROTOBUF_C
        {"protobuf-c", parse_encode_protobuf_c, parse_run_protobuf_c, true, 10},
        {"protobuf-c, arena", parse_encode_protobuf_c, parse_run_protobuf_c_arena, true, 0},
#endif
#ifdef BENCH_NANOPB
        {"nanopb", parse_encode_nanopb, parse_run_nanopb, true, 10},
#endif
    },
};
