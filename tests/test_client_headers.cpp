// SPDX-License-Identifier: Apache-2.0
// The public headers, hand-written and generated, are C++: this compiles, links and runs.
#include <caudex/bytes.h>
#include <caudex/client.h>
#include <caudex/client_uv.h>
#include <caudex/heap.h>
#include <caudex/kv.h>
#include <caudex/kv_client.h>
#include <caudex/kv_dispatch.h>
#include <caudex/lang.h>
#include <caudex/memcache.h>
#include <caudex/resp.h>
#include <caudex/status.h>
#include <caudex/wire.h>

#include <cstring>

// A message that is written in pieces of one byte, and read from them.
static bool memcache_goes_and_comes()
{
    memcache_request asked = {};
    asked.opcode = MEMCACHE_OPCODE_GET;
    asked.key = CDX_STR("/a");
    memcache_request_encoder encoder;
    if (memcache_request_encode_start(&encoder, &asked) != CDX_OK)
        return false;
    memcache_request_parser parser;
    memcache_request_parser_init(&parser);
    cdx_spill spill;
    cdx_spill_init(&spill);
    memcache_request came = {};
    uint8_t byte = 0;
    cdx_status written = CDX_MORE;
    cdx_status read = CDX_MORE;
    while (written == CDX_MORE && read == CDX_MORE) {
        cdx_out out = {&byte, &byte + 1};
        written = memcache_request_encode_next(&encoder, &out);
        const uint8_t *next = &byte;
        read = memcache_request_feed(&parser, &spill, &next, &byte + 1, &came);
    }
    const bool is_same = written == CDX_OK && read == CDX_OK && came.opcode == asked.opcode &&
                         cdx_bytes_equal(came.key, asked.key);
    cdx_spill_free(&spill);
    return is_same;
}

int main()
{
    if (!memcache_goes_and_comes())
        return 1;
    char text[CDX_CLIENT_TEXT_NBYTES_MAX] = "";
    cdx_client_options options = {};
    options.connect_error = text;
    kv_client *kv = nullptr;
    if (kv_connect("no port:", &options, &kv) != CDX_ADDRESS || kv != nullptr)
        return 1;
    if (std::strstr(text, "expected a port") == nullptr)
        return 1;
    uint8_t frame[64];
    cdx_out out = {frame, frame + sizeof frame};
    if (kv_match_request_encode(&out, 1, CDX_STR("/a")) != CDX_OK)
        return 1;
    return out.next == frame + kv_match_request_size(2) ? 0 : 1;
}
