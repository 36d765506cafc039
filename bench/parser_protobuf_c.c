/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c in bench_parser: messages equal to kv's, each behind its length. With malloc, as it
 * comes, and with an allocator that only moves a pointer, which is the least that it can cost.
 */
#include "parser_bench.h"

#include "kv_message.pb-c.h"
#include <caudex/window.h>

#include <caudex/kv.h>

bool parse_encode_protobuf_c(struct cdx_out *out, const struct parse_item *item)
{
    Bench__KvRequest m = BENCH__KV_REQUEST__INIT;
    uint8_t bytes[PARSE_VALUE_NBYTES_MAX + 128];
    m.type = item->value.len == 0 ? KV_CALL_MATCH : KV_CALL_PUT;
    m.rid = item->rid;
    m.has_key = true;
    m.key.data = (uint8_t *)(uintptr_t)item->key.data;
    m.key.len = item->key.len;
    m.has_val = item->value.len != 0;
    m.val.data = (uint8_t *)(uintptr_t)item->value.data;
    m.val.len = item->value.len;
    const size_t len = bench__kv_request__pack(&m, bytes);
    if ((size_t)(out->end - out->next) < len + cdx_varint_size(len))
        return false;
    out->next = cdx_put(cdx_put_varint(out->next, len), cdx_bytes_of(bytes, len));
    return true;
}

/* ---- an arena ---- */

#define ARENA_NBYTES (PARSE_VALUE_NBYTES_MAX + 512u)
#define ARENA_ALIGN 16u

struct arena {
    _Alignas(ARENA_ALIGN) uint8_t bytes[ARENA_NBYTES];
    size_t len;
};

static void *arena_alloc(void *data, size_t nbytes)
{
    struct arena *const arena = data;
    const size_t taken = (nbytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (taken > sizeof arena->bytes - arena->len)
        return NULL;
    arena->len += taken;
    return arena->bytes + arena->len - taken;
}

static void arena_free(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

/* ---- reading ---- */

static inline bool read_one(const uint8_t **next, const uint8_t *end, ProtobufCAllocator *allocator,
                            struct parse_outcome *o)
{
    const uint8_t *p = *next;
    size_t len = *p++;
    if (len >= 128) /* the longest message here has a length of two bytes */
        len = (len & 127) | (size_t)*p++ << 7;
    if (len > (size_t)(end - p))
        return false;
    Bench__KvRequest *const m = bench__kv_request__unpack(allocator, len, p);
    if (m == NULL)
        return false;
    o->messages++;
    o->sum += m->rid + m->type + 3 * m->key.len + m->val.len;
    if (allocator == NULL)
        bench__kv_request__free_unpacked(m, NULL);
    *next = p + len;
    return true;
}

struct parse_outcome parse_run_protobuf_c(const struct parse_input *in, size_t piece,
                                          unsigned passes)
{
    (void)piece;
    struct parse_outcome o = {0, 0, CDX_MORE, {0, NULL, NULL}};
    for (unsigned pass = 0; pass < passes; pass++) {
        const uint8_t *next = in->bytes;
        while (next != in->bytes + in->len) {
            if (!read_one(&next, in->bytes + in->len, NULL, &o)) {
                o.status = CDX_MALFORMED;
                return o;
            }
        }
    }
    return o;
}

struct parse_outcome parse_run_protobuf_c_arena(const struct parse_input *in, size_t piece,
                                                unsigned passes)
{
    (void)piece;
    static struct arena arena;
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
    struct parse_outcome o = {0, 0, CDX_MORE, {0, NULL, NULL}};
    for (unsigned pass = 0; pass < passes; pass++) {
        const uint8_t *next = in->bytes;
        while (next != in->bytes + in->len) {
            arena.len = 0;
            if (!read_one(&next, in->bytes + in->len, &allocator, &o)) {
                o.status = CDX_MALFORMED;
                return o;
            }
        }
    }
    return o;
}
