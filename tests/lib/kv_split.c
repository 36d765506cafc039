/* SPDX-License-Identifier: Apache-2.0 */
/* What split.c sees of kv's parsers. */
#include "kv_split.h"

#include <caudex/kv.h>

/* Bodies of requests that carry no value. */
static void print_small_body(struct split_log *log, const struct kv_request *m)
{
    switch (m->type) {
    case KV_CALL_SCAN:
        split_print(log, " content=%u", m->body.scan.content);
        split_print_bytes(log, "after", m->body.scan.after);
        break;
    case KV_CALL_TOUCH:
        split_print(log, " ttl_ms=%llu", (unsigned long long)m->body.touch.ttl_ms);
        break;
    case KV_CALL_SWAP:
        split_print(log, " stage=%u", m->body.swap.stage);
        break;
    case KV_CALL_UNSTAGE:
        split_print(log, " stage=%u", m->body.unstage.stage);
        break;
    default:
        break;
    }
}

static void print_body(struct split_log *log, const struct kv_request *m)
{
    switch (m->type) {
    case KV_CALL_HELLO:
        split_print(log, " major=%u minor=%u", m->body.hello.major, m->body.hello.minor);
        split_print_bytes(log, "agent", m->body.hello.agent);
        break;
    case KV_CALL_LIST:
        split_print(log, " limit=%u content=%u", m->body.list.limit, m->body.list.content);
        split_print_bytes(log, "after", m->body.list.after);
        break;
    case KV_CALL_CHILDREN:
        split_print(log, " limit=%u", m->body.children.limit);
        split_print_bytes(log, "after", m->body.children.after);
        break;
    case KV_CALL_PUT_IF:
        split_print(log, " revision=%llu", (unsigned long long)m->body.put_if.revision);
        split_print_bytes(log, "value", m->body.put_if.value);
        break;
    case KV_CALL_PUT_TTL:
        split_print(log, " ttl_ms=%llu", (unsigned long long)m->body.put_ttl.ttl_ms);
        split_print_bytes(log, "value", m->body.put_ttl.value);
        break;
    case KV_CALL_STAGE_PUT:
        split_print(log, " stage=%u ttl_ms=%llu", m->body.stage_put.stage,
                    (unsigned long long)m->body.stage_put.ttl_ms);
        split_print_bytes(log, "value", m->body.stage_put.value);
        break;
    default:
        print_small_body(log, m);
        break;
    }
}

static enum cdx_status request_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                    const uint8_t *end, struct split_log *log)
{
    struct kv_request m;
    const enum cdx_status status = kv_request_feed(parser, spill, next, end, &m);
    if (status == CDX_OK) {
        split_print(log, "request type=%u rid=%u", m.type, m.rid);
        split_print_bytes(log, "key", m.key);
        split_print_bytes(log, "val", m.val);
        print_body(log, &m);
        split_print(log, "\n");
    }
    return status;
}

static enum cdx_status response_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                     const uint8_t *end, struct split_log *log)
{
    struct kv_response m;
    const enum cdx_status status = kv_response_feed(parser, spill, next, end, &m);
    if (status == CDX_OK) {
        split_print(log, "response status=%u rid=%u", m.status, m.rid);
        split_print_bytes(log, "key", m.key);
        split_print_bytes(log, "val", m.val);
        split_print(log, "\n");
    }
    return status;
}

SPLIT_PARSER(, kv_split_request, kv_request, request_feed);
SPLIT_PARSER(, kv_split_response, kv_response, response_feed);
