/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the generated parsers of kv: messages, limits, errors, cuts, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "heap_fail.h"
#include "kv_split.h"
#include <caudex/kv.h>

/* ---- inputs ---- */

/* Bytes of a test's input; frames are put together by hand, not by the encoders. */
struct input {
    uint8_t *data;
    size_t len;
};

static uint8_t *input_add(struct input *in, size_t n)
{
    in->data = realloc(in->data, in->len + n);
    assert_non_null(in->data);
    in->len += n;
    return in->data + in->len - n;
}

/* A frame's head with any lengths, true or not, and `key_n` and `val_n` bytes. */
static void input_frame(struct input *in, uint8_t type, uint32_t rid, uint32_t key_len,
                        const void *key, size_t key_n, uint32_t val_len, const void *val,
                        size_t val_n)
{
    uint8_t *p = input_add(in, 7 + key_n);
    p[0] = type;
    cdx_store_be32(p + 1, rid);
    cdx_store_be16(p + 5, (uint16_t)key_len);
    memcpy(p + 7, key, key_n);
    p = input_add(in, 4 + val_n);
    cdx_store_be32(p, val_len);
    memcpy(p + 4, val, val_n);
}

static void input_message(struct input *in, uint8_t type, uint32_t rid, struct cdx_bytes key,
                          struct cdx_bytes val)
{
    static const uint8_t nothing[1];
    input_frame(in, type, rid, (uint32_t)key.len, key.len ? key.data : nothing, key.len,
                (uint32_t)val.len, val.len ? val.data : nothing, val.len);
}

static struct cdx_bytes input_view(const struct input *in)
{
    return cdx_bytes_of(in->data, in->len);
}

static void input_free(struct input *in)
{
    free(in->data);
    *in = (struct input){0};
}

/* ---- what each call allows, by hand from proto/kv.cdx ---- */

enum { PATH_MAX_ = 4096, VALUE_MAX = 16 << 20, BLOB_MAX = (16 << 20) + 64, TEXT_MAX = 1024 };

static const struct limits {
    uint8_t type;
    const char *name;
    uint32_t key_max, val_min, val_max;
} calls[] = {
    {0x01, "hello", 0, 4, 4 + TEXT_MAX},
    {0x02, "ping", 0, 0, 0},
    {0x03, "echo", 0, 0, VALUE_MAX},
    {0x10, "get", PATH_MAX_, 0, 0},
    {0x11, "match", PATH_MAX_, 0, 0},
    {0x12, "match_bytes", PATH_MAX_, 0, 0},
    {0x13, "match_all", PATH_MAX_, 0, 0},
    {0x14, "gets", PATH_MAX_, 0, 0},
    {0x15, "ttl", PATH_MAX_, 0, 0},
    {0x20, "list", PATH_MAX_, 5, 5 + PATH_MAX_},
    {0x21, "children", PATH_MAX_, 4, 4 + PATH_MAX_},
    {0x22, "count", PATH_MAX_, 0, 0},
    {0x23, "scan", PATH_MAX_, 1, 1 + PATH_MAX_},
    {0x30, "put", PATH_MAX_, 0, VALUE_MAX},
    {0x31, "put_if", PATH_MAX_, 8, 8 + VALUE_MAX},
    {0x32, "delete", PATH_MAX_, 0, 0},
    {0x33, "drop", PATH_MAX_, 0, 0},
    {0x34, "put_ttl", PATH_MAX_, 8, 8 + VALUE_MAX},
    {0x35, "touch", PATH_MAX_, 8, 8},
    {0x36, "batch", 0, 0, VALUE_MAX},
    {0x38, "stage", PATH_MAX_, 0, 0},
    {0x39, "stage_put", PATH_MAX_, 12, 12 + VALUE_MAX},
    {0x3a, "swap", 0, 4, 4},
    {0x3b, "unstage", 0, 4, 4},
    {0x40, "stats", 0, 0, 0},
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

static const struct limits *call_of(unsigned type)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (calls[i].type == type)
            return &calls[i];
    return NULL;
}

static const uint8_t statuses[] = {0x00, 0x01, 0x10, 0x11, 0x12, 0x20,
                                   0x21, 0x22, 0x23, 0x24, 0x25};

/* ---- names ---- */

static void the_calls_and_statuses_are_those_of_the_description(void **state)
{
    (void)state;
    assert_int_equal(KV_CALLS_COUNT, CALL_COUNT);
    for (size_t i = 0; i < CALL_COUNT; i++)
        assert_int_equal(kv_calls[i], calls[i].type);
    for (unsigned n = 0; n < 256; n++) {
        const struct limits *call = call_of(n);
        if (call != NULL)
            assert_string_equal(kv_call_name((uint8_t)n), call->name);
        else
            assert_null(kv_call_name((uint8_t)n));
        const bool is_status = memchr(statuses, (int)n, sizeof statuses) != NULL;
        assert_int_equal(kv_status_name((uint8_t)n) != NULL, is_status);
    }
    assert_string_equal(kv_status_name(KV_STATUS_NOT_FOUND), "not_found");
}

/* ---- messages ---- */

/* A value that the call takes: as much as there may be of twelve bytes. */
static struct cdx_bytes some_value(const struct limits *call)
{
    return cdx_bytes_of("\0\0\0\1\0\0\0\2zzzz", call->val_max < 12 ? call->val_max : 12);
}

static void every_call_is_parsed_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        struct input in = {0};
        const struct cdx_bytes key = calls[i].key_max ? CDX_STR("/k") : cdx_empty();
        const struct cdx_bytes val = some_value(&calls[i]);
        input_message(&in, calls[i].type, 0xdeadbeef, key, val);
        input_message(&in, calls[i].type, 1, cdx_empty(),
                      cdx_bytes_of("\0\0\0\0\0\0\0\0\0\0\0\0", calls[i].val_min));
        struct split_log log = split_parse(&kv_split_request, input_view(&in));
        char first[96];
        (void)snprintf(first, sizeof first, "request type=%u rid=3735928559 key=%s val=%.*s",
                       calls[i].type, key.len ? "2f6b" : "", (int)(2 * val.len),
                       "00000001000000027a7a7a7a");
        assert_memory_equal(log.text, first, strlen(first));
        assert_non_null(strstr(log.text, " rid=1 key= val="));
        assert_non_null(strstr(log.text, "\nmore need=11 field=type between\n"));
        split_log_free(&log);
        input_free(&in);
    }
}

static void every_status_is_parsed_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statuses; i++) {
        struct input in = {0};
        input_message(&in, statuses[i], 9, CDX_STR("/img"), CDX_STR("cdn-a"));
        input_message(&in, statuses[i], 10, cdx_empty(), cdx_empty());
        char expected[200];
        (void)snprintf(expected, sizeof expected,
                       "response status=%u rid=9 key=2f696d67 val=63646e2d61\n"
                       "response status=%u rid=10 key= val=\n"
                       "more need=11 field=status between\n",
                       statuses[i], statuses[i]);
        split_expect(&kv_split_response, input_view(&in), expected);
        input_free(&in);
    }
}

static void typed_bodies_arrive_decoded(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_HELLO, 1, cdx_empty(), cdx_bytes_of("\0\1\0\2me", 6));
    input_message(&in, KV_CALL_LIST, 2, CDX_STR("/"), cdx_bytes_of("\0\0\0\7\1/a", 7));
    input_message(&in, KV_CALL_CHILDREN, 3, CDX_STR("/"), cdx_bytes_of("\0\0\1\0/b", 6));
    input_message(&in, KV_CALL_PUT_IF, 4, CDX_STR("/"), cdx_bytes_of("\0\0\0\1\0\0\0\2v", 9));
    split_expect(
        &kv_split_request, input_view(&in),
        "request type=1 rid=1 key= val=000100026d65 major=1 minor=2 agent=6d65\n"
        "request type=32 rid=2 key=2f val=00000007012f61 limit=7 content=1 after=2f61\n"
        "request type=33 rid=3 key=2f val=000001002f62 limit=256 after=2f62\n"
        "request type=49 rid=4 key=2f val=000000010000000276 revision=4294967298 value=76\n"
        "more need=11 field=type between\n");
    input_free(&in);
}

static void longer_input_is_parsed_however_it_is_cut(void **state)
{
    (void)state;
    struct input in = {0};
    uint8_t bytes[700];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
    for (uint32_t i = 0; i < 12; i++) {
        const bool with_val = i % 3 != 0;
        input_message(&in, with_val ? KV_CALL_PUT : KV_CALL_MATCH, i,
                      cdx_bytes_of(bytes + i, i * 17 % 40),
                      cdx_bytes_of(bytes, with_val ? i * 57 : 0));
    }
    struct split_log log = split_parse(&kv_split_request, input_view(&in));
    size_t lines = 0;
    for (const char *p = log.text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 13);
    split_log_free(&log);
    input_free(&in);
}

static void what_is_still_missing_is_known_at_every_byte(void **state)
{
    (void)state;
    static const struct {
        size_t need;
        const char *field;
    } expected[] = {
        /* put_if: TYPE RID KEYLEN "ab" VALLEN=9 */
        {11, "type"}, {18, "rid"}, {17, "rid"}, {16, "rid"}, {15, "rid"},  {14, "key"},
        {13, "key"},  {14, "key"}, {13, "key"}, {12, "val"}, {11, "val"},  {10, "val"},
        {9, "val"},   {9, "val"},  {8, "val"},  {7, "val"},  {6, "val"},   {5, "val"},
        {4, "val"},   {3, "val"},  {2, "val"},  {1, "val"},  {11, "type"},
    };
    struct input in = {0};
    input_message(&in, KV_CALL_PUT_IF, 4, CDX_STR("ab"), cdx_bytes_of("\0\0\0\1\0\0\0\2v", 9));
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    for (size_t i = 0; i <= in.len; i++) {
        const char *field;
        assert_int_equal(kv_request_need(&parser, &field), expected[i].need);
        assert_int_equal(kv_request_need(&parser, NULL), expected[i].need);
        assert_string_equal(field, expected[i].field);
        assert_int_equal(kv_request_offset(&parser), i);
        assert_int_equal(kv_request_is_between(&parser), i == 0 || i == in.len);
        assert_int_equal(kv_request_rid(&parser), i >= 5 && i < in.len ? 4 : 0);
        const uint8_t *next = in.data + i;
        if (i < in.len)
            assert_int_equal(kv_request_feed(&parser, &spill, &next, next + 1, &m),
                             i + 1 < in.len ? CDX_MORE : CDX_OK);
    }
    cdx_spill_free(&spill);
    input_free(&in);
}

static void the_rid_of_the_last_message_is_forgotten_when_the_next_begins(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_PING, 0xffffffff, cdx_empty(), cdx_empty());
    input_message(&in, KV_CALL_PING, 0x01020304, cdx_empty(), cdx_empty());
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    for (size_t i = 1; i < in.len; i++) {
        (void)!kv_request_feed(&parser, &spill, &next, in.data + i, &m);
        const uint32_t expected = i < 5 || i == 11 ? 0
                                  : i < 11         ? 0xffffffff
                                  : i < 16         ? 0
                                                   : 0x01020304;
        assert_int_equal(kv_request_rid(&parser), expected);
    }
    input_free(&in);
}

static void no_input_changes_nothing(void **state)
{
    (void)state;
    struct kv_request_parser parser, before;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    for (size_t i = 0; i < 11; i++) {
        const uint8_t zero[11] = {KV_CALL_PING};
        const uint8_t *next = zero + i;
        before = parser;
        assert_int_equal(kv_request_feed(&parser, &spill, &next, next, &m), CDX_MORE);
        assert_memory_equal(&parser, &before, sizeof parser);
        assert_int_equal(kv_request_feed(&parser, &spill, &next, next + 1, &m),
                         i < 10 ? CDX_MORE : CDX_OK);
    }
    cdx_spill_free(&spill);
}

/* ---- zero copy and lifetimes ---- */

static void fields_that_lie_in_one_input_are_not_copied(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_PUT, 1, CDX_STR("/key"), CDX_STR("value"));
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    for (size_t cut = 0; cut < in.len; cut++) {
        kv_request_parser_init(&parser);
        const uint8_t *next = in.data;
        if (cut != 0)
            assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + cut, &m), CDX_MORE);
        assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_OK);
        const bool key_in_input = cut <= 7;
        const bool val_in_input = cut <= 15;
        assert_ptr_equal(m.key.data, key_in_input ? in.data + 7 : spill.data);
        assert_ptr_equal(m.val.data, val_in_input ? in.data + 15 : spill.data + 4);
        assert_true(cdx_bytes_equal(m.key, CDX_STR("/key")));
        assert_true(cdx_bytes_equal(m.val, CDX_STR("value")));
        assert_int_equal(spill.len, (key_in_input ? 0 : 4) + (val_in_input ? 0 : 5));
        cdx_spill_clear(&spill, SIZE_MAX);
    }
    cdx_spill_free(&spill);
    input_free(&in);
}

static void views_stay_true_when_the_spill_moves_while_a_message_ends(void **state)
{
    (void)state;
    struct input in = {0};
    static uint8_t value[3 * CDX_SPILL_NBYTES_MIN];
    memset(value, 'v', sizeof value);
    input_message(&in, KV_CALL_PUT, 1, CDX_STR("/key"), cdx_bytes_of(value, sizeof value));
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + 20, &m), CDX_MORE);
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_OK);
    assert_true(spill.cap > CDX_SPILL_NBYTES_MIN);
    assert_ptr_equal(m.key.data, spill.data);
    assert_true(cdx_bytes_equal(m.key, CDX_STR("/key")));
    assert_true(cdx_bytes_equal(m.val, cdx_bytes_of(value, sizeof value)));
    cdx_spill_free(&spill);
    input_free(&in);
}

static void the_spill_is_emptied_when_the_next_message_begins_and_not_before(void **state)
{
    (void)state;
    struct input in = {0};
    static uint8_t value[2 * CDX_SPILL_NBYTES_KEPT];
    input_message(&in, KV_CALL_PUT, 1, CDX_STR("/key"), cdx_bytes_of(value, sizeof value));
    input_message(&in, KV_CALL_PING, 2, cdx_empty(), cdx_empty());
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + 100, &m), CDX_MORE);
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_OK);
    assert_int_equal(spill.len, 4 + sizeof value);
    assert_int_equal(kv_request_feed(&parser, &spill, &next, next, &m), CDX_MORE);
    assert_int_equal(spill.len, 4 + sizeof value);
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_OK);
    assert_int_equal(m.rid, 2);
    assert_int_equal(spill.len, 0);
    assert_true(spill.cap <= CDX_SPILL_NBYTES_KEPT);
    cdx_spill_free(&spill);
    input_free(&in);
}

/* ---- limits ---- */

/* What the head alone, fed whole or byte by byte, makes of these lengths: a log's text. */
static void expect_lengths(const struct split_parser *parser, uint8_t type, uint32_t key_len,
                           uint32_t val_len, bool with_val_len, const char *expected)
{
    struct input in = {0};
    static const uint8_t key[PATH_MAX_ + 1];
    input_message(&in, parser == &kv_split_request ? KV_CALL_PING : KV_STATUS_OK, 1, cdx_empty(),
                  cdx_empty());
    input_frame(&in, type, 2, key_len, key, with_val_len ? key_len : 0, val_len, key, 0);
    if (!with_val_len)
        in.len -= 4;
    struct split_log log = split_parse(parser, input_view(&in));
    const char *last = strchr(log.text, '\n') + 1;
    assert_string_equal(last, expected);
    split_log_free(&log);
    input_free(&in);
}

static const char *reason_for(uint32_t len, uint32_t min, uint32_t max)
{
    if (len >= min && len <= max)
        return NULL;
    return len < min  ? "shorter than its lower limit"
           : max == 0 ? "must be empty here"
                      : "longer than its limit";
}

static void key_lengths_are_judged_by_the_call_as_soon_as_they_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        const uint32_t lens[] = {0, 1, PATH_MAX_, PATH_MAX_ + 1, UINT16_MAX};
        for (size_t j = 0; j < 5; j++) {
            const char *reason = reason_for(lens[j], 0, calls[i].key_max);
            char expected[128];
            if (reason != NULL)
                (void)snprintf(expected, sizeof expected, "error offset=16 field=key: %s\n",
                               reason);
            else
                (void)snprintf(expected, sizeof expected, "more need=%u field=%s\n",
                               lens[j] + 4 + calls[i].val_min, lens[j] ? "key" : "val");
            expect_lengths(&kv_split_request, calls[i].type, lens[j], 0, false, expected);
        }
    }
}

static void value_lengths_are_judged_by_the_call_as_soon_as_they_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        const uint32_t min = calls[i].val_min, max = calls[i].val_max;
        const uint32_t lens[] = {min - 1, min + 1, max, max + 1, BLOB_MAX + 1, UINT32_MAX};
        for (size_t j = 0; j < 6; j++) {
            const char *reason = reason_for(lens[j], min, max);
            const uint32_t key_len = calls[i].key_max ? 3 : 0;
            char expected[128];
            if (reason != NULL)
                (void)snprintf(expected, sizeof expected, "error offset=%u field=val: %s\n",
                               18 + key_len, reason);
            else if (lens[j] != 0)
                (void)snprintf(expected, sizeof expected, "more need=%u field=val\n", lens[j]);
            else
                continue; /* a whole message: see above */
            expect_lengths(&kv_split_request, calls[i].type, key_len, lens[j], true, expected);
        }
    }
}

/* A whole frame in one input, with this much key and value: its error, or NULL. */
static const char *whole_frame_error(uint8_t type, uint32_t key_len, uint32_t val_len)
{
    struct input in = {0};
    uint8_t *bytes = calloc(1, (size_t)VALUE_MAX + PATH_MAX_);
    assert_non_null(bytes);
    input_message(&in, type, 1, cdx_bytes_of(bytes, key_len), cdx_bytes_of(bytes, val_len));
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    struct cdx_parse_error error;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    const enum cdx_status status = kv_request_feed(&parser, &spill, &next, in.data + in.len, &m);
    kv_request_error(&parser, &error);
    assert_int_equal(status, error.reason != NULL ? CDX_MALFORMED : CDX_OK);
    if (error.reason != NULL)
        assert_int_equal(error.offset, strcmp(error.field, "key") == 0 ? 5 : 7 + key_len);
    assert_null(spill.data);
    free(bytes);
    input_free(&in);
    return error.reason;
}

static void lengths_are_judged_also_when_all_bytes_are_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        const struct limits *call = &calls[i];
        const char *over = reason_for(call->key_max + 1, 0, call->key_max);
        assert_string_equal(whole_frame_error(call->type, call->key_max + 1, call->val_min), over);
        over = reason_for(call->val_max + 1, call->val_min, call->val_max);
        assert_string_equal(whole_frame_error(call->type, 0, call->val_max + 1), over);
        assert_null(whole_frame_error(call->type, call->key_max, call->val_min));
        assert_null(whole_frame_error(call->type, 0, call->val_max));
        if (call->val_min != 0)
            assert_string_equal(whole_frame_error(call->type, 0, call->val_min - 1),
                                reason_for(0, 1, 1));
    }
}

static void lengths_of_a_response_are_judged_by_the_frame(void **state)
{
    (void)state;
    expect_lengths(&kv_split_response, 0, PATH_MAX_, 0, false, "more need=4100 field=key\n");
    expect_lengths(&kv_split_response, 0, PATH_MAX_ + 1, 0, false,
                   "error offset=16 field=key: longer than its limit\n");
    expect_lengths(&kv_split_response, 0, 5, BLOB_MAX, true, "more need=16777280 field=val\n");
    expect_lengths(&kv_split_response, 0, 5, BLOB_MAX + 1, true,
                   "error offset=23 field=val: longer than its limit\n");
}

static void unknown_calls_and_statuses_are_refused_at_their_byte(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        const uint8_t bytes[12] = {(uint8_t)n};
        if (call_of(n) == NULL)
            for (size_t len = 1; len <= sizeof bytes; len++)
                split_expect(&kv_split_request, cdx_bytes_of(bytes, len),
                             "error offset=0 field=type: a value that is not in the description\n");
        if (memchr(statuses, (int)n, sizeof statuses) == NULL)
            for (size_t len = 1; len <= sizeof bytes; len++)
                split_expect(
                    &kv_split_response, cdx_bytes_of(bytes, len),
                    "error offset=0 field=status: a value that is not in the description\n");
    }
}

static void a_body_with_an_unknown_value_is_refused_where_the_value_stands(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_PING, 1, cdx_empty(), cdx_empty());
    input_message(&in, KV_CALL_LIST, 77, CDX_STR("/img"), cdx_bytes_of("\0\0\0\7\2/a", 7));
    input_message(&in, KV_CALL_PING, 2, cdx_empty(), cdx_empty());
    split_expect(
        &kv_split_request, input_view(&in),
        "request type=2 rid=1 key= val=\n"
        "error offset=30 field=list_args.content: a value that is not in the description\n");
    input_free(&in);
}

static void the_rid_of_a_refused_message_is_known_once_it_has_arrived(void **state)
{
    (void)state;
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t unknown[] = {0xff, 0, 0, 0, 7};
    const uint8_t *next = unknown;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, unknown + 5, &m), CDX_MALFORMED);
    assert_int_equal(kv_request_rid(&parser), 0);
    assert_ptr_equal(next, unknown + 1);

    struct input in = {0};
    input_message(&in, KV_CALL_LIST, 77, cdx_empty(), cdx_bytes_of("\0\0\0\7\2", 5));
    kv_request_parser_init(&parser);
    next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_MALFORMED);
    assert_int_equal(kv_request_rid(&parser), 77);
    const char *field;
    assert_int_equal(kv_request_need(&parser, &field), 0);
    assert_string_equal(field, "list_args.content");
    assert_false(kv_request_is_between(&parser));
    cdx_spill_free(&spill);
    input_free(&in);
}

static void a_message_is_written_only_when_it_is_whole(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_LIST, 77, CDX_STR("/img"), cdx_bytes_of("\0\0\0\7\2", 5));
    for (size_t len = 0; len <= in.len; len++) {
        struct kv_request_parser parser;
        struct cdx_spill spill;
        struct kv_request m, before;
        memset(&m, 0x5a, sizeof m);
        before = m;
        cdx_spill_init(&spill);
        kv_request_parser_init(&parser);
        const uint8_t *next = in.data;
        assert_int_not_equal(kv_request_feed(&parser, &spill, &next, in.data + len, &m), CDX_OK);
        assert_memory_equal(&m, &before, sizeof m);
        cdx_spill_free(&spill);
    }
    input_free(&in);
}

static void a_parser_can_start_again_inside_a_stream(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_PING, 1, cdx_empty(), cdx_empty());
    in.data[0] = 0xff;
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    struct cdx_parse_error error;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_MALFORMED);
    kv_request_parser_restart(&parser, 1000);
    assert_true(kv_request_is_between(&parser));
    assert_null(kv_request_parser_check(&parser, &spill));
    next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + in.len, &m), CDX_MALFORMED);
    kv_request_error(&parser, &error);
    assert_int_equal(error.offset, 1000);
    cdx_spill_free(&spill);
    input_free(&in);
}

/* ---- memory ---- */

static void the_spill_grows_with_what_arrives_not_with_what_is_announced(void **state)
{
    (void)state;
    struct input in = {0};
    static const uint8_t value[100000];
    input_frame(&in, KV_CALL_PUT, 1, 0, value, 0, VALUE_MAX, value, sizeof value);
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + 11, &m), CDX_MORE);
    assert_int_equal(spill.cap, 0);
    assert_int_equal(kv_request_need(&parser, NULL), VALUE_MAX);
    while (next < in.data + in.len) {
        const uint8_t *end = next + 10 < in.data + in.len ? next + 10 : in.data + in.len;
        assert_int_equal(kv_request_feed(&parser, &spill, &next, end, &m), CDX_MORE);
        assert_true(spill.cap <= 2 * spill.len || spill.cap == CDX_SPILL_NBYTES_MIN);
        assert_null(kv_request_parser_check(&parser, &spill));
    }
    assert_int_equal(spill.len, sizeof value);
    cdx_spill_free(&spill);
    input_free(&in);
}

/* Feeds in pieces of 100 until the status is not CDX_MORE. */
static enum cdx_status feed_pieces(struct kv_request_parser *parser, struct cdx_spill *spill,
                                   const struct input *in, struct kv_request *m)
{
    const uint8_t *next = in->data;
    const uint8_t *const end = in->data + in->len;
    enum cdx_status status = CDX_MORE;
    while (status == CDX_MORE && next < end)
        status = kv_request_feed(parser, spill, &next, next + 100 < end ? next + 100 : end, m);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct input in = {0};
    static uint8_t value[3000];
    input_message(&in, KV_CALL_PUT, 5, CDX_STR("/key"), cdx_bytes_of(value, sizeof value));
    heap_fail_install();
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        struct kv_request_parser parser;
        struct cdx_spill spill;
        struct kv_request m;
        struct cdx_parse_error error;
        cdx_spill_init(&spill);
        kv_request_parser_init(&parser);
        heap_fail_at(n, 0);
        const enum cdx_status status = feed_pieces(&parser, &spill, &in, &m);
        const bool failed = heap_fail_happened();
        heap_fail_at(0, 0);
        assert_int_equal(status, failed ? CDX_NO_MEMORY : CDX_OK);
        assert_null(kv_request_parser_check(&parser, &spill));
        if (failed) {
            failures++;
            const uint8_t *next = value;
            assert_int_equal(kv_request_feed(&parser, &spill, &next, value + 1, &m), CDX_NO_MEMORY);
            assert_ptr_equal(next, value);
            kv_request_error(&parser, &error);
            assert_string_equal(error.field, "val");
            assert_string_equal(error.reason, cdx_reason_text(CDX_REASON_MEMORY));
            assert_int_equal(kv_request_rid(&parser), 5);
        }
        cdx_spill_free(&spill);
        assert_int_equal(heap_fail_blocks(), 0);
        if (!failed)
            break;
    }
    heap_fail_remove();
    assert_true(failures >= 3);
    input_free(&in);
}

static void the_largest_message_passes(void **state)
{
    (void)state;
    struct input in = {0};
    uint8_t *value = calloc(1, VALUE_MAX);
    assert_non_null(value);
    value[VALUE_MAX - 1] = 'z';
    uint8_t key[PATH_MAX_];
    memset(key, 'k', sizeof key);
    input_message(&in, KV_CALL_PUT, 5, cdx_bytes_of(key, sizeof key),
                  cdx_bytes_of(value, VALUE_MAX));
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    enum cdx_status status = CDX_MORE;
    while (status == CDX_MORE)
        status = kv_request_feed(
            &parser, &spill, &next,
            (size_t)(in.data + in.len - next) > 65536 ? next + 65536 : in.data + in.len, &m);
    assert_int_equal(status, CDX_OK);
    assert_int_equal(m.val.len, VALUE_MAX);
    assert_int_equal(m.val.data[VALUE_MAX - 1], 'z');
    assert_true(spill.len <= KV_REQUEST_SPILL_NBYTES_MAX);
    assert_true(in.len <= KV_REQUEST_NBYTES_MAX);
    cdx_spill_free(&spill);
    free(value);
    input_free(&in);
}

static void broken_states_are_noticed(void **state)
{
    (void)state;
    struct input in = {0};
    input_message(&in, KV_CALL_PUT, 5, CDX_STR("/key"), CDX_STR("value"));
    struct kv_request_parser parser, broken;
    struct cdx_spill spill;
    struct kv_request m;
    cdx_spill_init(&spill);
    kv_request_parser_init(&parser);
    const uint8_t *next = in.data;
    assert_int_equal(kv_request_feed(&parser, &spill, &next, in.data + 17, &m), CDX_MORE);
    assert_null(kv_request_parser_check(&parser, &spill));
    for (int which = 0; which < 8; which++) {
        struct cdx_spill odd = spill;
        broken = parser;
        switch (which) {
        case 0:
            broken.left++;
            break;
        case 1:
            broken.key_len = PATH_MAX_ + 1;
            break;
        case 2:
            broken.begin = broken.offset;
            break;
        case 3:
            broken.reason = CDX_REASON_COUNT;
            break;
        case 4:
            odd.len--;
            break;
        case 5:
            broken.cs = 16;
            break;
        case 6:
            broken.cs = -1;
            break;
        default:
            odd.cap = 0;
            break;
        }
        assert_non_null(kv_request_parser_check(&broken, &odd));
    }
    cdx_spill_free(&spill);
    input_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calls_and_statuses_are_those_of_the_description),
        cmocka_unit_test(every_call_is_parsed_however_it_is_cut),
        cmocka_unit_test(every_status_is_parsed_however_it_is_cut),
        cmocka_unit_test(typed_bodies_arrive_decoded),
        cmocka_unit_test(longer_input_is_parsed_however_it_is_cut),
        cmocka_unit_test(what_is_still_missing_is_known_at_every_byte),
        cmocka_unit_test(the_rid_of_the_last_message_is_forgotten_when_the_next_begins),
        cmocka_unit_test(no_input_changes_nothing),
        cmocka_unit_test(fields_that_lie_in_one_input_are_not_copied),
        cmocka_unit_test(views_stay_true_when_the_spill_moves_while_a_message_ends),
        cmocka_unit_test(the_spill_is_emptied_when_the_next_message_begins_and_not_before),
        cmocka_unit_test(key_lengths_are_judged_by_the_call_as_soon_as_they_arrive),
        cmocka_unit_test(value_lengths_are_judged_by_the_call_as_soon_as_they_arrive),
        cmocka_unit_test(lengths_are_judged_also_when_all_bytes_are_there),
        cmocka_unit_test(lengths_of_a_response_are_judged_by_the_frame),
        cmocka_unit_test(unknown_calls_and_statuses_are_refused_at_their_byte),
        cmocka_unit_test(a_body_with_an_unknown_value_is_refused_where_the_value_stands),
        cmocka_unit_test(the_rid_of_a_refused_message_is_known_once_it_has_arrived),
        cmocka_unit_test(a_message_is_written_only_when_it_is_whole),
        cmocka_unit_test(a_parser_can_start_again_inside_a_stream),
        cmocka_unit_test(the_spill_grows_with_what_arrives_not_with_what_is_announced),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_largest_message_passes),
        cmocka_unit_test(broken_states_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
