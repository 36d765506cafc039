/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `batch`: its value is a stream of whole requests of its own.
 *
 * Happy path: the frames are parsed where they lie, each becomes one operation
 * of the store, and the store carries out all of them.
 *
 * Failure modes: a frame that cannot be parsed, or that a batch may not hold, is
 * refused with its place, before anything is written; an expected revision that is
 * not met, or no memory, is the store's answer, and it has changed nothing.
 */
#include "handler_kv.h"

/* What became of the frames. */
enum taken { TAKEN_ALL, TAKEN_MISFIT, TAKEN_NO_MEMORY };

/* Appends the write that the request asks for; false: a batch cannot hold it. */
static bool add_op(struct handler *h, const struct kv_request *request)
{
    struct handler_batch *batch = &h->batch;
    struct store_op op = {.kind = STORE_OP_PUT, .key = request->key};
    switch (request->type) {
    case KV_CALL_PUT:
        op.value = request->val;
        break;
    case KV_CALL_PUT_IF:
        batch->expected[batch->count] = request->body.put_if.revision;
        op.options.expected = &batch->expected[batch->count];
        op.value = request->body.put_if.value;
        break;
    case KV_CALL_PUT_TTL:
        op.options.expires_ms = handler_kv_expires(h, request->body.put_ttl.ttl_ms);
        op.value = request->body.put_ttl.value;
        break;
    case KV_CALL_DELETE:
        op.kind = STORE_OP_DELETE;
        break;
    case KV_CALL_DROP:
        op.kind = STORE_OP_DROP;
        break;
    default:
        return false;
    }
    batch->ops[batch->count++] = op;
    return true;
}

static enum taken take_frame(struct handler *h, struct kv_request_parser *parser,
                             struct cdx_spill *spill, struct cdx_bytes *rest, uint8_t *reason)
{
    const uint8_t *next = rest->data;
    const uint8_t *end = rest->data + rest->len;
    struct kv_request request;
    if (h->batch.count == HANDLER_KV_BATCH_OPS_MAX) {
        *reason = KV_REASON_TOO_MANY;
        return TAKEN_MISFIT;
    }
    enum cdx_status status = kv_request_feed(parser, spill, &next, end, &request);
    if (status == CDX_NO_MEMORY)
        return TAKEN_NO_MEMORY;
    if (status != CDX_OK) {
        *reason = KV_REASON_MALFORMED;
        return TAKEN_MISFIT;
    }
    if (!add_op(h, &request)) {
        *reason = KV_REASON_UNFIT;
        return TAKEN_MISFIT;
    }
    *rest = cdx_bytes_of(next, (size_t)(end - next));
    return TAKEN_ALL;
}

/* Fills the handler's batch; the operations point into `frames`. */
static enum taken take_frames(struct handler *h, struct cdx_bytes frames, uint8_t *reason)
{
    struct kv_request_parser parser;
    struct cdx_spill spill;
    enum taken taken = TAKEN_ALL;
    h->batch.count = 0;
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill); /* only a last frame that is not whole gets there */
    while (taken == TAKEN_ALL && frames.len != 0)
        taken = take_frame(h, &parser, &spill, &frames, reason);
    cdx_spill_free(&spill);
    return taken;
}

static enum cdx_status encode_outcome(struct cdx_out *cursor, uint32_t rid,
                                      const struct handler_batch *batch, enum store_status status,
                                      size_t failed, uint64_t revision)
{
    const struct kv_batched batched = {.revision = revision, .writes = batch->count};
    const struct kv_mismatch mismatch = {.index = (uint32_t)failed, .revision = revision};
    if (status == STORE_OK)
        return kv_batch_ok_encode(cursor, rid, &batched);
    if (status == STORE_CONFLICT)
        return kv_batch_conflict_encode(cursor, rid, &mismatch);
    return kv_batch_no_memory_encode(cursor, rid);
}

void handler_kv_batch(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct handler_batch *batch = &h->batch;
    struct kv_misfit misfit = {.index = 0};
    size_t failed = 0;
    uint64_t revision = 0;
    struct cdx_out cursor;
    if (!handler_kv_reserve(h, HANDLER_WRITE_ANSWER_NBYTES_MAX, &cursor))
        return;
    switch (take_frames(h, request->val, &misfit.reason)) {
    case TAKEN_MISFIT:
        misfit.index = batch->count;
        handler_kv_commit(h, &cursor, kv_batch_refused_encode(&cursor, request->rid, &misfit));
        return;
    case TAKEN_NO_MEMORY:
        handler_kv_commit(h, &cursor, kv_batch_no_memory_encode(&cursor, request->rid));
        return;
    case TAKEN_ALL:
        break;
    }
    handler_section_write(&h->section);
    enum store_status status =
        store_batch(h->section.store, batch->ops, batch->count, &failed, &revision);
    handler_kv_commit(h, &cursor,
                      encode_outcome(&cursor, request->rid, batch, status, failed, revision));
}
