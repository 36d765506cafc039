/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the generated encoders and body decoders of kv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guard.h"
#include "kv_split.h"
#include <caudex/kv.h>

#define RID 0x01020304u
#define RID_BYTES "\x01\x02\x03\x04"
#define KEY CDX_STR("/img")
#define VAL CDX_STR("cdn-a")

static const struct kv_hello_args hello_args = {1, 2, {(const uint8_t *)"me", 2}};
static const struct kv_hello_info hello_info = {1, 2, 4096, 1 << 24, {(const uint8_t *)"d", 1}};
static const struct kv_revised revised = {UINT64_C(0x1122334455667788), {(const uint8_t *)"v", 1}};
static const struct kv_list_args list_args = {7, KV_CONTENT_KEYS, {(const uint8_t *)"/a", 2}};
static const struct kv_children_args children_args = {256, {NULL, 0}};
static const struct kv_page_end page_end = {3, KV_REMAINDER_MORE};
static const struct kv_rows_end rows_end = {9};
static const struct kv_child child = {5, KV_STORED_YES};
static const struct kv_total total = {6};
static const struct kv_written written = {UINT64_C(0x0102030405060708)};
static const struct kv_current current = {43};
static const struct kv_put_if_args put_if = {42, {(const uint8_t *)"v", 1}};
static const struct kv_dropped dropped = {45, 2};
static const struct kv_lifetime lifetime = {59990};
static const struct kv_scan_args scan_args = {KV_CONTENT_KEYS, {(const uint8_t *)"/a", 2}};
static const struct kv_scan_end scan_end = {UINT64_C(0x100000000)};
static const struct kv_put_ttl_args put_ttl = {60000, {(const uint8_t *)"v", 1}};
static const struct kv_touch_args touch = {60000};
static const struct kv_batched batched = {48, 2};
static const struct kv_mismatch mismatch = {1, 47};
static const struct kv_misfit misfit = {3, KV_REASON_UNFIT};
static const struct kv_refusal refusal = {KV_REASON_OCCUPIED};
static const struct kv_staged staged = {7};
static const struct kv_stage_put_args stage_put = {7, 60000, {(const uint8_t *)"v", 1}};
static const struct kv_swapped swapped = {1, 2, 50};

#define HELLO_ARGS "\0\1\0\2me"
#define HELLO_INFO "\0\1\0\2\0\0\x10\0\1\0\0\0d"
#define REVISED "\x11\x22\x33\x44\x55\x66\x77\x88v"
#define LIST_ARGS "\0\0\0\7\1/a"
#define WRITTEN "\1\2\3\4\5\6\7\x8"
#define MINUTE "\0\0\0\0\0\0\xea\x60"
#define SWAPPED "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\x32"

/* X(name, request or response, first byte, arguments behind the RID, key, value on the wire,
 * arguments of the size) */
#define FRAMES(X)                                                                                  \
    X(hello_request, request, 0x01, (&o, RID, &hello_args), "", HELLO_ARGS, (&hello_args))         \
    X(hello_ok, response, 0x00, (&o, RID, &hello_info), "", HELLO_INFO, (&hello_info))             \
    X(hello_unsupported, response, 0x21, (&o, RID, &hello_info), "", HELLO_INFO, (&hello_info))    \
    X(ping_request, request, 0x02, (&o, RID), "", "", ())                                          \
    X(ping_ok, response, 0x00, (&o, RID), "", "", ())                                              \
    X(echo_request, request, 0x03, (&o, RID, VAL), "", "cdn-a", (5))                               \
    X(echo_ok, response, 0x00, (&o, RID, VAL), "", "cdn-a", (5))                                   \
    X(get_request, request, 0x10, (&o, RID, KEY), "/img", "", (4))                                 \
    X(get_ok, response, 0x00, (&o, RID, VAL), "", "cdn-a", (5))                                    \
    X(get_not_found, response, 0x10, (&o, RID), "", "", ())                                        \
    X(match_request, request, 0x11, (&o, RID, KEY), "/img", "", (4))                               \
    X(match_ok, response, 0x00, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                      \
    X(match_not_found, response, 0x10, (&o, RID), "", "", ())                                      \
    X(match_bytes_request, request, 0x12, (&o, RID, KEY), "/img", "", (4))                         \
    X(match_bytes_ok, response, 0x00, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                \
    X(match_bytes_not_found, response, 0x10, (&o, RID), "", "", ())                                \
    X(match_all_request, request, 0x13, (&o, RID, KEY), "/img", "", (4))                           \
    X(match_all_row, response, 0x01, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                 \
    X(match_all_ok, response, 0x00, (&o, RID, &rows_end), "", "\0\0\0\x9", (&rows_end))            \
    X(gets_request, request, 0x14, (&o, RID, KEY), "/img", "", (4))                                \
    X(gets_ok, response, 0x00, (&o, RID, &revised), "", REVISED, (&revised))                       \
    X(gets_not_found, response, 0x10, (&o, RID), "", "", ())                                       \
    X(ttl_request, request, 0x15, (&o, RID, KEY), "/img", "", (4))                                 \
    X(ttl_ok, response, 0x00, (&o, RID, &lifetime), "", "\0\0\0\0\0\0\xea\x56", (&lifetime))       \
    X(ttl_not_found, response, 0x10, (&o, RID), "", "", ())                                        \
    X(list_request, request, 0x20, (&o, RID, KEY, &list_args), "/img", LIST_ARGS, (4, &list_args)) \
    X(list_row, response, 0x01, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                      \
    X(list_ok, response, 0x00, (&o, RID, &page_end), "", "\0\0\0\3\1", (&page_end))                \
    X(children_request, request, 0x21, (&o, RID, KEY, &children_args), "/img", "\0\0\1\0",         \
      (4, &children_args))                                                                         \
    X(children_row, response, 0x01, (&o, RID, KEY, &child), "/img", "\0\0\0\0\0\0\0\5\1",          \
      (4, &child))                                                                                 \
    X(children_ok, response, 0x00, (&o, RID, &page_end), "", "\0\0\0\3\1", (&page_end))            \
    X(count_request, request, 0x22, (&o, RID, KEY), "/img", "", (4))                               \
    X(count_ok, response, 0x00, (&o, RID, &total), "", "\0\0\0\0\0\0\0\6", (&total))               \
    X(scan_request, request, 0x23, (&o, RID, KEY, &scan_args), "/img", "\1/a", (4, &scan_args))    \
    X(scan_row, response, 0x01, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                      \
    X(scan_ok, response, 0x00, (&o, RID, &scan_end), "", "\0\0\0\1\0\0\0\0", (&scan_end))          \
    X(put_request, request, 0x30, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                    \
    X(put_ok, response, 0x00, (&o, RID, &written), "", WRITTEN, (&written))                        \
    X(put_no_memory, response, 0x22, (&o, RID), "", "", ())                                        \
    X(put_if_request, request, 0x31, (&o, RID, KEY, &put_if), "/img", "\0\0\0\0\0\0\0\x2av",       \
      (4, &put_if))                                                                                \
    X(put_if_ok, response, 0x00, (&o, RID, &written), "", WRITTEN, (&written))                     \
    X(put_if_conflict, response, 0x11, (&o, RID, &current), "", "\0\0\0\0\0\0\0\x2b", (&current))  \
    X(put_if_no_memory, response, 0x22, (&o, RID), "", "", ())                                     \
    X(delete_request, request, 0x32, (&o, RID, KEY), "/img", "", (4))                              \
    X(delete_ok, response, 0x00, (&o, RID, &written), "", WRITTEN, (&written))                     \
    X(delete_not_found, response, 0x10, (&o, RID), "", "", ())                                     \
    X(delete_no_memory, response, 0x22, (&o, RID), "", "", ())                                     \
    X(drop_request, request, 0x33, (&o, RID, KEY), "/img", "", (4))                                \
    X(drop_ok, response, 0x00, (&o, RID, &dropped), "", "\0\0\0\0\0\0\0\x2d\0\0\0\0\0\0\0\2",      \
      (&dropped))                                                                                  \
    X(drop_no_memory, response, 0x22, (&o, RID), "", "", ())                                       \
    X(put_ttl_request, request, 0x34, (&o, RID, KEY, &put_ttl), "/img", MINUTE "v", (4, &put_ttl)) \
    X(put_ttl_ok, response, 0x00, (&o, RID, &written), "", WRITTEN, (&written))                    \
    X(put_ttl_no_memory, response, 0x22, (&o, RID), "", "", ())                                    \
    X(touch_request, request, 0x35, (&o, RID, KEY, &touch), "/img", MINUTE, (4, &touch))           \
    X(touch_ok, response, 0x00, (&o, RID), "", "", ())                                             \
    X(touch_not_found, response, 0x10, (&o, RID), "", "", ())                                      \
    X(touch_no_memory, response, 0x22, (&o, RID), "", "", ())                                      \
    X(batch_request, request, 0x36, (&o, RID, VAL), "", "cdn-a", (5))                              \
    X(batch_ok, response, 0x00, (&o, RID, &batched), "", "\0\0\0\0\0\0\0\x30\0\0\0\2", (&batched)) \
    X(batch_conflict, response, 0x11, (&o, RID, &mismatch), "", "\0\0\0\1\0\0\0\0\0\0\0\x2f",      \
      (&mismatch))                                                                                 \
    X(batch_refused, response, 0x12, (&o, RID, &misfit), "", "\0\0\0\3\2", (&misfit))              \
    X(batch_no_memory, response, 0x22, (&o, RID), "", "", ())                                      \
    X(stage_request, request, 0x38, (&o, RID, KEY), "/img", "", (4))                               \
    X(stage_ok, response, 0x00, (&o, RID, &staged), "", "\0\0\0\7", (&staged))                     \
    X(stage_refused, response, 0x12, (&o, RID, &refusal), "", "\4", (&refusal))                    \
    X(stage_no_memory, response, 0x22, (&o, RID), "", "", ())                                      \
    X(stage_put_request, request, 0x39, (&o, RID, KEY, &stage_put), "/img", "\0\0\0\7" MINUTE "v", \
      (4, &stage_put))                                                                             \
    X(stage_put_ok, response, 0x00, (&o, RID, &written), "", WRITTEN, (&written))                  \
    X(stage_put_not_found, response, 0x10, (&o, RID), "", "", ())                                  \
    X(stage_put_refused, response, 0x12, (&o, RID, &refusal), "", "\4", (&refusal))                \
    X(stage_put_no_memory, response, 0x22, (&o, RID), "", "", ())                                  \
    X(swap_request, request, 0x3a, (&o, RID, &staged), "", "\0\0\0\7", (&staged))                  \
    X(swap_ok, response, 0x00, (&o, RID, &swapped), "", SWAPPED, (&swapped))                       \
    X(swap_not_found, response, 0x10, (&o, RID), "", "", ())                                       \
    X(swap_no_memory, response, 0x22, (&o, RID), "", "", ())                                       \
    X(unstage_request, request, 0x3b, (&o, RID, &staged), "", "\0\0\0\7", (&staged))               \
    X(unstage_ok, response, 0x00, (&o, RID), "", "", ())                                           \
    X(unstage_not_found, response, 0x10, (&o, RID), "", "", ())                                    \
    X(unstage_no_memory, response, 0x22, (&o, RID), "", "", ())                                    \
    X(stats_request, request, 0x40, (&o, RID), "", "", ())                                         \
    X(stats_row, response, 0x01, (&o, RID, KEY, VAL), "/img", "cdn-a", (4, 5))                     \
    X(stats_ok, response, 0x00, (&o, RID, &rows_end), "", "\0\0\0\x9", (&rows_end))                \
    X(any_malformed, response, 0x20, (&o, RID, VAL), "", "cdn-a", (5))                             \
    X(any_busy, response, 0x23, (&o, RID, VAL), "", "cdn-a", (5))                                  \
    X(any_timeout, response, 0x24, (&o, RID, VAL), "", "cdn-a", (5))                               \
    X(any_stopping, response, 0x25, (&o, RID, VAL), "", "cdn-a", (5))

/* One typed encoder: what it writes, and the same frame put together by hand. */
struct frame {
    const char *name;
    enum cdx_status (*encode)(struct cdx_out *out);
    size_t (*size)(void);
    bool is_request;
    uint8_t first;
    struct cdx_bytes key, val;
};

#define FUNCTIONS(name, direction, first, args, key, val, sizes)                                   \
    static enum cdx_status encode_##name(struct cdx_out *out)                                      \
    {                                                                                              \
        struct cdx_out o = *out;                                                                   \
        const enum cdx_status status = kv_##name##_encode args;                                    \
        *out = o;                                                                                  \
        return status;                                                                             \
    }                                                                                              \
    static size_t size_##name(void)                                                                \
    {                                                                                              \
        return kv_##name##_size sizes;                                                             \
    }
FRAMES(FUNCTIONS)

enum { request = 1, response = 0 };
#define ROW(name, direction, first, args, key, val, sizes)                                         \
    {#name,                                                                                        \
     encode_##name,                                                                                \
     size_##name,                                                                                  \
     direction,                                                                                    \
     first,                                                                                        \
     {(const uint8_t *)(key), sizeof(key) - 1},                                                    \
     {(const uint8_t *)(val), sizeof(val) - 1}},
static const struct frame frames[] = {FRAMES(ROW)};
enum { FRAME_COUNT = sizeof frames / sizeof *frames };

/* The frame's bytes by hand; returns how many. */
static size_t by_hand(const struct frame *f, uint8_t *to)
{
    uint8_t *p = to;
    *p++ = f->first;
    memcpy(p, RID_BYTES, 4);
    p[4] = 0;
    p[5] = (uint8_t)f->key.len;
    memcpy(p + 6, f->key.data, f->key.len);
    p += 6 + f->key.len;
    memcpy(p, "\0\0\0", 3);
    p[3] = (uint8_t)f->val.len;
    memcpy(p + 4, f->val.data, f->val.len);
    return (size_t)(p + 4 + f->val.len - to);
}

static void every_typed_encoder_writes_the_frame_of_the_description(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAME_COUNT; i++) {
        uint8_t expected[64], actual[64];
        const size_t n = by_hand(&frames[i], expected);
        struct cdx_out out = {actual, actual + sizeof actual};
        assert_int_equal(frames[i].encode(&out), CDX_OK);
        if ((size_t)(out.next - actual) != n || memcmp(actual, expected, n) != 0)
            fail_msg("%s", frames[i].name);
        assert_int_equal(frames[i].size(), n);
    }
}

static void an_encoder_without_room_writes_nothing(void **state)
{
    (void)state;
    struct guard guard = guard_open(64);
    for (size_t i = 0; i < FRAME_COUNT; i++) {
        const size_t n = frames[i].size();
        uint8_t mark[64];
        memset(mark, 0xa5, sizeof mark);
        for (size_t room = 0; room <= n; room++) {
            uint8_t *start = guard_place(&guard, mark, room);
            struct cdx_out out = {start, start + room};
            assert_int_equal(frames[i].encode(&out), room < n ? CDX_MORE : CDX_OK);
            assert_ptr_equal(out.next, room < n ? start : start + n);
            if (room < n)
                assert_memory_equal(start, mark, room);
        }
    }
    guard_close(&guard);
}

static void a_typed_frame_is_written_in_pieces_with_its_body_encoded_before(void **state)
{
    (void)state;
    uint8_t body[9], whole[64], piece[64];
    struct cdx_out out = {body, body + sizeof body - 1};
    assert_int_equal(kv_put_if_args_encode(&out, &put_if), CDX_MORE);
    assert_ptr_equal(out.next, body);
    out.end++;
    assert_int_equal(kv_put_if_args_encode(&out, &put_if), CDX_OK);
    assert_ptr_equal(out.next, body + sizeof body);
    out = (struct cdx_out){whole, whole + sizeof whole};
    assert_int_equal(kv_put_if_request_encode(&out, RID, KEY, &put_if), CDX_OK);
    const size_t n = (size_t)(out.next - whole);

    struct kv_request_encoder encoder;
    assert_int_equal(kv_request_encode_start(&encoder, KV_CALL_PUT_IF, RID, KEY,
                                             cdx_bytes_of(body, sizeof body)),
                     CDX_OK);
    for (size_t at = 0; at < n; at++) {
        out = (struct cdx_out){piece + at, piece + at + 1};
        assert_int_equal(kv_request_encode_next(&encoder, &out), at + 1 < n ? CDX_MORE : CDX_OK);
    }
    assert_memory_equal(piece, whole, n);
}

static void an_encoder_refuses_before_the_first_byte(void **state)
{
    (void)state;
    static const uint8_t key[KV_PATH_NBYTES_MAX + 1];
    struct kv_request_encoder asking;
    struct kv_response_encoder answering;
    const struct kv_list_args unknown = {7, 99, {NULL, 0}};
    uint8_t room[64];
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(kv_request_encode_start(&asking, 0xfe, RID, KEY, VAL), CDX_INVALID);
    assert_int_equal(kv_request_encode_start(&asking, KV_CALL_GET, RID,
                                             cdx_bytes_of(key, sizeof key), cdx_empty()),
                     CDX_TOO_LONG);
    assert_int_equal(kv_request_encode_start(&asking, KV_CALL_GET, RID, KEY, VAL), CDX_TOO_LONG);
    assert_int_equal(kv_response_encode_start(&answering, 0xfe, RID, KEY, VAL), CDX_INVALID);
    assert_int_equal(kv_list_args_encode(&out, &unknown), CDX_INVALID);
    assert_ptr_equal(out.next, room);
}

/* Parses the frame at every cut; the log's first line. */
static void expect_parsed(const struct frame *f, struct cdx_bytes wire)
{
    const struct split_parser *parser = f->is_request ? &kv_split_request : &kv_split_response;
    struct split_log expected = {0};
    split_print(&expected, "%s=%u rid=%u", f->is_request ? "request type" : "response status",
                f->first, RID);
    split_print_bytes(&expected, "key", f->key);
    split_print_bytes(&expected, "val", f->val);
    struct split_log log = split_parse(parser, wire);
    assert_memory_equal(log.text, expected.text, expected.len);
    assert_non_null(strstr(log.text, " between\n"));
    split_log_free(&expected);
    split_log_free(&log);
}

static void what_is_encoded_is_parsed_and_encodes_to_the_same(void **state)
{
    (void)state;
    bool sent[256] = {false}, answered[256] = {false};
    for (size_t i = 0; i < FRAME_COUNT; i++) {
        const struct frame *f = &frames[i];
        uint8_t first[64], second[64];
        struct cdx_out out = {first, first + sizeof first};
        assert_int_equal(f->encode(&out), CDX_OK);
        const size_t n = (size_t)(out.next - first);
        expect_parsed(f, cdx_bytes_of(first, n));
        out = (struct cdx_out){second, second + sizeof second};
        assert_int_equal(f->is_request ? kv_request_encode(&out, f->first, RID, f->key, f->val)
                                       : kv_response_encode(&out, f->first, RID, f->key, f->val),
                         CDX_OK);
        assert_int_equal(out.next - second, n);
        assert_memory_equal(first, second, n);
        (f->is_request ? sent : answered)[f->first] = true;
    }
    for (unsigned n = 0; n < 256; n++) {
        assert_int_equal(sent[n], kv_call_name((uint8_t)n) != NULL);
        assert_int_equal(answered[n], kv_status_name((uint8_t)n) != NULL);
    }
}

/* ---- refusals ---- */

static void fields_over_their_limits_are_not_encoded(void **state)
{
    (void)state;
    static uint8_t bytes[KV_BLOB_NBYTES_MAX + 1];
    static uint8_t room[KV_REQUEST_NBYTES_MAX];
    const struct cdx_bytes key = cdx_bytes_of(bytes, KV_PATH_NBYTES_MAX + 1);
    const struct cdx_bytes value = cdx_bytes_of(bytes, KV_VALUE_NBYTES_MAX + 1);
    const struct cdx_bytes text = cdx_bytes_of(bytes, KV_TEXT_NBYTES_MAX + 1);
    const struct kv_list_args after = {0, 0, key};
    const struct kv_put_if_args large = {0, value};
    const struct kv_hello_args agent = {0, 0, text};
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(kv_get_request_encode(&out, RID, key), CDX_TOO_LONG);
    assert_int_equal(kv_put_request_encode(&out, RID, KEY, value), CDX_TOO_LONG);
    assert_int_equal(kv_list_request_encode(&out, RID, key, &list_args), CDX_TOO_LONG);
    assert_int_equal(kv_list_request_encode(&out, RID, KEY, &after), CDX_TOO_LONG);
    assert_int_equal(kv_put_if_request_encode(&out, RID, KEY, &large), CDX_TOO_LONG);
    assert_int_equal(kv_hello_request_encode(&out, RID, &agent), CDX_TOO_LONG);
    assert_int_equal(kv_any_busy_encode(&out, RID, text), CDX_TOO_LONG);
    assert_int_equal(kv_match_ok_encode(&out, RID, key, VAL), CDX_TOO_LONG);
    assert_int_equal(kv_request_encode(&out, KV_CALL_GET, RID, key, cdx_empty()), CDX_TOO_LONG);
    assert_int_equal(kv_request_encode(&out, KV_CALL_GET, RID, KEY, VAL), CDX_TOO_LONG);
    assert_int_equal(kv_response_encode(&out, KV_STATUS_OK, RID, key, VAL), CDX_TOO_LONG);
    assert_int_equal(kv_response_encode(&out, KV_STATUS_OK, RID, KEY,
                                        cdx_bytes_of(bytes, KV_BLOB_NBYTES_MAX + 1)),
                     CDX_TOO_LONG);
    assert_ptr_equal(out.next, room);
    assert_int_equal(kv_put_request_encode(&out, RID, cdx_bytes_of(bytes, KV_PATH_NBYTES_MAX),
                                           cdx_bytes_of(bytes, KV_VALUE_NBYTES_MAX)),
                     CDX_OK);
}

static void values_that_the_description_lacks_are_not_encoded(void **state)
{
    (void)state;
    uint8_t room[64];
    struct cdx_out out = {room, room + sizeof room};
    const struct kv_list_args odd_content = {0, 2, {NULL, 0}};
    const struct kv_page_end odd_remainder = {0, 2};
    assert_int_equal(kv_list_request_encode(&out, RID, KEY, &odd_content), CDX_INVALID);
    assert_int_equal(kv_list_ok_encode(&out, RID, &odd_remainder), CDX_INVALID);
    assert_int_equal(kv_request_encode(&out, 0xff, RID, KEY, VAL), CDX_INVALID);
    assert_int_equal(kv_response_encode(&out, 0xff, RID, KEY, VAL), CDX_INVALID);
    assert_int_equal(kv_request_encode(&out, KV_CALL_PUT_IF, RID, KEY, VAL), CDX_INVALID);
    assert_ptr_equal(out.next, room);
}

/* ---- bodies ---- */

static void bodies_are_decoded_to_what_was_encoded(void **state)
{
    (void)state;
    struct kv_hello_info info;
    assert_int_equal(kv_hello_info_decode(cdx_bytes_of(HELLO_INFO, 13), &info, NULL), CDX_OK);
    assert_int_equal(info.major, 1);
    assert_int_equal(info.minor, 2);
    assert_int_equal(info.key_max, 4096);
    assert_int_equal(info.value_max, 1 << 24);
    assert_true(cdx_bytes_equal(info.agent, CDX_STR("d")));
    assert_int_equal(kv_hello_info_size(&info), 13);
    struct kv_revised r;
    assert_int_equal(kv_revised_decode(cdx_bytes_of(REVISED, 9), &r, NULL), CDX_OK);
    assert_int_equal(r.revision, revised.revision);
    assert_true(cdx_bytes_equal(r.value, CDX_STR("v")));
    assert_int_equal(kv_revised_decode(cdx_bytes_of(REVISED, 8), &r, NULL), CDX_OK);
    assert_int_equal(r.value.len, 0);
}

static void a_body_of_nothing_is_judged_like_any_other(void **state)
{
    (void)state;
    struct kv_list_args args;
    struct cdx_parse_error error;
    assert_int_equal(kv_list_args_decode(cdx_empty(), &args, &error), CDX_MALFORMED);
    assert_int_equal(error.offset, 0);
    assert_string_equal(error.field, "list_args.limit");
}

static void bodies_that_do_not_fit_are_refused_at_the_field(void **state)
{
    (void)state;
    static uint8_t bytes[5 + KV_PATH_REST_NBYTES_MAX + 1];
    static const struct {
        size_t len;
        uint64_t offset;
        const char *field;
        enum cdx_reason reason;
    } cases[] = {
        {0, 0, "list_args.limit", CDX_REASON_OVERRUN},
        {3, 0, "list_args.limit", CDX_REASON_OVERRUN},
        {4, 4, "list_args.content", CDX_REASON_OVERRUN},
        {sizeof bytes, 5, "list_args.after", CDX_REASON_LONG},
    };
    struct guard guard = guard_open(sizeof bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kv_list_args args = {77, 77, {NULL, 77}};
        struct cdx_parse_error error;
        const struct cdx_bytes wire =
            cdx_bytes_of(guard_place(&guard, bytes, cases[i].len), cases[i].len);
        assert_int_equal(kv_list_args_decode(wire, &args, &error), CDX_MALFORMED);
        assert_int_equal(kv_list_args_decode(wire, &args, NULL), CDX_MALFORMED);
        assert_int_equal(error.offset, cases[i].offset);
        assert_string_equal(error.field, cases[i].field);
        assert_string_equal(error.reason, cdx_reason_text(cases[i].reason));
        assert_int_equal(args.limit, 77);
    }
    guard_close(&guard);
    struct kv_total t;
    struct cdx_parse_error error;
    assert_int_equal(kv_total_decode(cdx_bytes_of(bytes, 9), &t, &error), CDX_MALFORMED);
    assert_int_equal(error.offset, 8);
    assert_string_equal(error.reason, cdx_reason_text(CDX_REASON_TRAILING));
    struct kv_child c;
    assert_int_equal(kv_child_decode(cdx_bytes_of("\0\0\0\0\0\0\0\0\2", 9), &c, &error),
                     CDX_MALFORMED);
    assert_int_equal(error.offset, 8);
    assert_string_equal(error.field, "child.stored");
    assert_string_equal(error.reason, cdx_reason_text(CDX_REASON_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_typed_encoder_writes_the_frame_of_the_description),
        cmocka_unit_test(an_encoder_without_room_writes_nothing),
        cmocka_unit_test(a_typed_frame_is_written_in_pieces_with_its_body_encoded_before),
        cmocka_unit_test(an_encoder_refuses_before_the_first_byte),
        cmocka_unit_test(what_is_encoded_is_parsed_and_encodes_to_the_same),
        cmocka_unit_test(fields_over_their_limits_are_not_encoded),
        cmocka_unit_test(values_that_the_description_lacks_are_not_encoded),
        cmocka_unit_test(bodies_are_decoded_to_what_was_encoded),
        cmocka_unit_test(a_body_of_nothing_is_judged_like_any_other),
        cmocka_unit_test(bodies_that_do_not_fit_are_refused_at_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
