// SPDX-License-Identifier: Apache-2.0
// The public headers, hand-written and generated, are C++: this compiles, links and runs.
#include <caudex/bytes.h>
#include <caudex/client.h>
#include <caudex/client_uv.h>
#include <caudex/heap.h>
#include <caudex/kv.h>
#include <caudex/kv_client.h>
#include <caudex/kv_dispatch.h>
#include <caudex/status.h>
#include <caudex/wire.h>

#include <cstring>

int main()
{
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
