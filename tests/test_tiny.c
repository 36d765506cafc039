/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the code generated from tests/gen/tiny.cdx, which differs from kv in all that the
 * language lets differ: the generator must not be shaped to one protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pieces.h"
#include "split.h"
#include <caudex/tiny.h>

/* ---- the parsers behind split.h's face ---- */

static enum cdx_status request_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                    const uint8_t *end, struct split_log *log)
{
    struct tiny_request m;
    const enum cdx_status status = tiny_request_feed(parser, spill, next, end, &m);
    if (status != CDX_OK)
        return status;
    split_print(log, "serial=%u op=%u moment=%llx flags=%x sum=%x", m.serial, m.op,
                (unsigned long long)m.moment, m.flags, m.sum);
    split_print_bytes(log, "name", m.name);
    split_print_bytes(log, "data", m.data);
    if (m.op == TINY_CALL_MOVE) {
        split_print(log, " x=%u y=%llu mode=%x", m.body.move.x, (unsigned long long)m.body.move.y,
                    m.body.move.mode);
        split_print_bytes(log, "tail", m.body.move.tail);
    }
    split_print(log, "\n");
    return status;
}

static enum cdx_status response_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                     const uint8_t *end, struct split_log *log)
{
    struct tiny_response m;
    const enum cdx_status status = tiny_response_feed(parser, spill, next, end, &m);
    if (status != CDX_OK)
        return status;
    split_print(log, "serial=%u result=%x", m.serial, m.result);
    split_print_bytes(log, "words", m.words);
    split_print_bytes(log, "note", m.note);
    split_print_bytes(log, "data", m.data);
    split_print(log, "\n");
    return status;
}

SPLIT_PARSER(static, request_parser, tiny_request, request_feed);
SPLIT_PARSER(static, response_parser, tiny_response, response_feed);

/* ---- tests ---- */

#define SERIAL 0x01020304u
#define MOMENT UINT64_C(0x1112131415161718)

/* Everything encoded as `serial … op … moment … name flags data sum`, least byte first. */
static const char everything[] =
    "\4\3\2\1\xff\x18\x17\x16\x15\x14\x13\x12\x11\2ab\xcd\xab\3\0xyz"
    "\x78\x56\x34\x12";
static const char move[] =
    "\4\3\2\1\x7f\x18\x17\x16\x15\x14\x13\x12\x11\1n\xcd\xab\x12\0"
    "\7\0\0\0\x8\0\0\0\0\0\0\0\4\3\2\1tl\x78\x56\x34\x12";

static void requests_are_written_in_the_order_of_the_description(void **state)
{
    (void)state;
    uint8_t room[128];
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(tiny_everything_request_encode(&out, SERIAL, MOMENT, CDX_STR("ab"), 0xabcd,
                                                    CDX_STR("xyz"), 0x12345678),
                     CDX_OK);
    assert_int_equal(out.next - room, sizeof everything - 1);
    assert_int_equal(tiny_everything_request_size(2, 3), sizeof everything - 1);
    assert_memory_equal(room, everything, sizeof everything - 1);

    const struct tiny_point point = {7, 8, TINY_MODE_FAST, CDX_STR("tl")};
    out.next = room;
    assert_int_equal(
        tiny_move_request_encode(&out, SERIAL, MOMENT, CDX_STR("n"), 0xabcd, &point, 0x12345678),
        CDX_OK);
    assert_int_equal(out.next - room, sizeof move - 1);
    assert_memory_equal(room, move, sizeof move - 1);
}

static void responses_are_written_in_the_order_of_the_description(void **state)
{
    (void)state;
    uint8_t room[128];
    struct cdx_out out = {room, room + sizeof room};
    const struct tiny_tally tally = {0x0506};
    assert_int_equal(
        tiny_everything_part_encode(&out, CDX_STR("w"), SERIAL, CDX_STR("nn"), CDX_STR("d")),
        CDX_OK);
    assert_int_equal(tiny_everything_fine_encode(&out, CDX_STR("w"), SERIAL, &tally), CDX_OK);
    assert_int_equal(tiny_everything_bad_encode(&out, SERIAL, CDX_STR("n")), CDX_OK);
    static const char expected[] =
        "\1w\4\3\2\1\2nn\1\0d\2\1"
        "\1w\4\3\2\1\0\2\0\6\5\0\0"
        "\0\4\3\2\1\1n\0\0\xff\xff";
    assert_int_equal(out.next - room, sizeof expected - 1);
    assert_memory_equal(room, expected, sizeof expected - 1);
    split_expect(&response_parser, cdx_bytes_of(room, (size_t)(out.next - room)),
                 "serial=16909060 result=102 words=77 note=6e6e data=64\n"
                 "serial=16909060 result=0 words=77 note= data=0605\n"
                 "serial=16909060 result=ffff words= note=6e data=\n"
                 "more need=10 field=words between\n");
}

static void start_request(void *encoder, const void *message)
{
    const struct tiny_request *m = message;
    assert_int_equal(tiny_request_encode_start(encoder, m->serial, m->op, m->moment, m->name,
                                               m->flags, m->data, m->sum),
                     CDX_OK);
}

static enum cdx_status next_request(void *encoder, struct cdx_out *out)
{
    return tiny_request_encode_next(encoder, out);
}

static void start_response(void *encoder, const void *message)
{
    const struct tiny_response *m = message;
    assert_int_equal(
        tiny_response_encode_start(encoder, m->words, m->serial, m->note, m->data, m->result),
        CDX_OK);
}

static enum cdx_status next_response(void *encoder, struct cdx_out *out)
{
    return tiny_response_encode_next(encoder, out);
}

static void what_is_parsed_is_written_in_pieces_as_it_came(void **state)
{
    (void)state;
    static const char answer[] = "\1w\4\3\2\1\2nn\1\0d\2\1";
    const struct cdx_bytes asked[] = {cdx_bytes_of(everything, sizeof everything - 1),
                                      cdx_bytes_of(move, sizeof move - 1)};
    struct cdx_spill spill;
    cdx_spill_init(&spill);
    for (size_t i = 0; i < 2; i++) {
        struct tiny_request_parser parser;
        struct tiny_request_encoder encoder;
        struct tiny_request m;
        const uint8_t *next = asked[i].data;
        tiny_request_parser_init(&parser);
        assert_int_equal(tiny_request_feed(&parser, &spill, &next, cdx_bytes_end(asked[i]), &m),
                         CDX_OK);
        pieces_expect(&(struct pieces_source){&encoder, start_request, next_request, &m}, asked[i]);
    }
    const struct cdx_bytes answered = cdx_bytes_of(answer, sizeof answer - 1);
    struct tiny_response_parser parser;
    struct tiny_response_encoder encoder;
    struct tiny_response m;
    const uint8_t *next = answered.data;
    tiny_response_parser_init(&parser);
    assert_int_equal(tiny_response_feed(&parser, &spill, &next, cdx_bytes_end(answered), &m),
                     CDX_OK);
    pieces_expect(&(struct pieces_source){&encoder, start_response, next_response, &m}, answered);
    cdx_spill_free(&spill);
}

static void requests_are_parsed_however_they_are_cut(void **state)
{
    (void)state;
    uint8_t input[256];
    uint8_t *p = cdx_put(input, cdx_bytes_of(everything, sizeof everything - 1));
    p = cdx_put(p, cdx_bytes_of(move, sizeof move - 1));
    struct cdx_out out = {p, input + sizeof input};
    assert_int_equal(tiny_nothing_request_encode(&out, 5, 6, 7, 8), CDX_OK);
    split_expect(&request_parser, cdx_bytes_of(input, (size_t)(out.next - input)),
                 "serial=16909060 op=255 moment=1112131415161718 flags=abcd sum=12345678"
                 " name=6162 data=78797a\n"
                 "serial=16909060 op=127 moment=1112131415161718 flags=abcd sum=12345678"
                 " name=6e data=070000000800000000000000040302"
                 "01746c x=7 y=8 mode=1020304 tail=746c\n"
                 "serial=5 op=0 moment=6 flags=7 sum=8 name= data=\n"
                 "more need=22 field=serial between\n");
}

static void every_end_inside_a_message_says_what_is_missing(void **state)
{
    (void)state;
    for (size_t n = 1; n < sizeof move - 1; n++) {
        struct split_log log = split_parse(&request_parser, cdx_bytes_of(move, n));
        size_t need = 0;
        assert_int_equal(sscanf(log.text, "more need=%zu", &need), 1);
        assert_true(need >= 1 && need <= sizeof move - 1 - n);
        if (n >= 19)
            assert_int_equal(need, sizeof move - 1 - n);
        split_log_free(&log);
    }
}

/* `bytes` with one byte changed must end in this error. */
static void expect_error(const struct split_parser *parser, const char *bytes, size_t n, size_t at,
                         uint8_t value, const char *expected)
{
    uint8_t input[128];
    memcpy(input, bytes, n);
    input[at] = value;
    split_expect(parser, cdx_bytes_of(input, n), expected);
}

static void errors_stand_where_the_field_begins(void **state)
{
    (void)state;
    const size_t n = sizeof move - 1;
    expect_error(&request_parser, move, n, 4, 0x33,
                 "error offset=4 field=op: a value that is not in the description\n");
    expect_error(&request_parser, move, n, 4, 0x00,
                 "error offset=13 field=name: must be empty here\n");
    expect_error(&request_parser, move, n, 13, 21,
                 "error offset=13 field=name: longer than its limit\n");
    expect_error(&request_parser, move, n, 17, 15,
                 "error offset=17 field=data: shorter than its lower limit\n");
    expect_error(&request_parser, move, n, 18, 1,
                 "error offset=17 field=data: longer than its limit\n");
    expect_error(&request_parser, move, n, 31, 5,
                 "error offset=31 field=point.mode: a value that is not in the description\n");
    static const char bad[] = "\0\4\3\2\1\1n\0\0\xff\xff";
    expect_error(&response_parser, bad, sizeof bad - 1, 10, 0xfe,
                 "error offset=9 field=result: a value that is not in the description\n");
    expect_error(&response_parser, bad, sizeof bad - 1, 0, 21,
                 "error offset=0 field=words: longer than its limit\n");
}

static void the_sizes_are_those_of_the_description(void **state)
{
    (void)state;
    assert_int_equal(TINY_REQUEST_NBYTES_MIN, 4 + 1 + 8 + 1 + 2 + 2 + 4);
    assert_int_equal(TINY_REQUEST_NBYTES_MAX, TINY_REQUEST_NBYTES_MIN + 20 + 300);
    assert_int_equal(TINY_RESPONSE_NBYTES_MIN, 1 + 4 + 1 + 2 + 2);
    assert_int_equal(TINY_RESPONSE_SPILL_NBYTES_MAX, 20 + 20 + 300);
    assert_int_equal(TINY_VERSION_MAJOR, 2);
    assert_int_equal(TINY_PORT, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_written_in_the_order_of_the_description),
        cmocka_unit_test(responses_are_written_in_the_order_of_the_description),
        cmocka_unit_test(requests_are_parsed_however_they_are_cut),
        cmocka_unit_test(what_is_parsed_is_written_in_pieces_as_it_came),
        cmocka_unit_test(every_end_inside_a_message_says_what_is_missing),
        cmocka_unit_test(errors_stand_where_the_field_begins),
        cmocka_unit_test(the_sizes_are_those_of_the_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
