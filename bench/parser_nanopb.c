/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nanopb in bench_parser: messages equal to kv's, each behind its length, their bytes copied into
 * the struct, which has room for the longest.
 */
#include "parser_bench.h"

#include "kv_message.pb.h"
#include <pb_decode.h>
#include <pb_encode.h>

#include <caudex/kv.h>

bool parse_encode_nanopb(struct cdx_out *out, const struct parse_item *item)
{
    static bench_KvRequest m;
    m.type = item->value.len == 0 ? KV_CALL_MATCH : KV_CALL_PUT;
    m.rid = item->rid;
    m.has_key = true;
    m.key.size = (pb_size_t)item->key.len;
    memcpy(m.key.bytes, item->key.data, item->key.len);
    m.has_val = item->value.len != 0;
    m.val.size = (pb_size_t)item->value.len;
    memcpy(m.val.bytes, item->value.data, item->value.len);
    pb_ostream_t stream = pb_ostream_from_buffer(out->next, (size_t)(out->end - out->next));
    if (!pb_encode_ex(&stream, bench_KvRequest_fields, &m, PB_ENCODE_DELIMITED))
        return false;
    out->next += stream.bytes_written;
    return true;
}

struct parse_outcome parse_run_nanopb(const struct parse_input *in, size_t piece, unsigned passes)
{
    (void)piece;
    static bench_KvRequest m;
    struct parse_outcome o = {0, 0, CDX_MORE, {0, NULL, NULL}};
    for (unsigned pass = 0; pass < passes && o.status == CDX_MORE; pass++) {
        pb_istream_t stream = pb_istream_from_buffer(in->bytes, in->len);
        while (stream.bytes_left != 0 && o.status == CDX_MORE) {
            if (!pb_decode_ex(&stream, bench_KvRequest_fields, &m, PB_DECODE_DELIMITED))
                o.status = CDX_MALFORMED;
            o.messages++;
            o.sum += m.rid + m.type + 3u * m.key.size + (m.has_val ? m.val.size : 0u);
        }
    }
    return o;
}
