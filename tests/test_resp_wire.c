/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the code generated from proto/resp.cdx against a protocol that others designed:
 * byte sequences as clients and servers of Redis exchange them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace.h"
#include <resp_trace.h>

TRACED_PARSER(command, resp_command);
TRACED_PARSER(reply, resp_reply);

#define BYTES(text) cdx_bytes_of(text, sizeof(text) - 1)
#define BETWEEN "more need=1 field=first between\n"

static void commands_are_read_however_they_are_cut(void **state)
{
    (void)state;
    split_expect(&command, BYTES("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n"),
                 " first=42 form={ count=3 args=[ len=3 data=534554; len=1 data=6b;"
                 " len=0 data=; ] }\n"
                 " first=42 form={ count=1 args=[ len=4 data=50494e47; ] }\n" BETWEEN);
    split_expect(&command, BYTES("GET /a\r\n\r\n\nSET \"a b\" 1\n"),
                 " first=71 form={ text=474554202f610d }\n"
                 " first=13 form={ text=0d }\n"
                 " first=10 form={ text= }\n"
                 " first=83 form={ text=5345542022612062222031 }\n" BETWEEN);
    split_expect(&command, BYTES("*0\r\n*-1\r\n*-9223372036854775808\r\n"),
                 " first=42 form={ count=0 args=[ ] }\n"
                 " first=42 form={ count=-1 args=[ ] }\n"
                 " first=42 form={ count=-9223372036854775808 args=[ ] }\n" BETWEEN);
}

static void replies_are_read_however_they_are_cut(void **state)
{
    (void)state;
    split_expect(&reply, BYTES("+OK\r\n-ERR no\r\n:-7\r\n$2\r\nhi\r\n$0\r\n\r\n$-1\r\n"),
                 " kind=43 content={ text=4f4b }\n"
                 " kind=45 content={ text=455252206e6f }\n"
                 " kind=58 content={ value=-7 }\n"
                 " kind=36 content={ len=2 data=6869 }\n"
                 " kind=36 content={ len=0 data= }\n"
                 " kind=36 content={ len=-1 data= }\n"
                 "more need=3 field=kind between\n");
    split_expect(&reply, BYTES("*2\r\n*1\r\n:1\r\n*-1\r\n"),
                 " kind=42 content={ count=2 }\n"
                 " kind=42 content={ count=1 }\n"
                 " kind=58 content={ value=1 }\n"
                 " kind=42 content={ count=-1 }\n"
                 "more need=3 field=kind between\n");
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const struct split_parser *parser;
        const char *input, *expected;
    } cases[] = {
        {&command, "*x\r\n", "offset=1 field=words.count: a byte that cannot stand here"},
        {&command, "*01\r\n", "offset=1 field=words.count: a byte that cannot stand here"},
        {&command, "*1048577\r\n", "offset=1 field=words.count: invalid multibulk length"},
        {&command, "*9223372036854775808\r\n",
         "offset=1 field=words.count: a number outside its limits"},
        {&command, "*1\r\n+a", "offset=4 field=argument.mark: not the constant that belongs here"},
        {&command, "*1\r\n$-1\r\n", "offset=5 field=argument.len: a byte that cannot stand here"},
        {&command, "*1\r\n$16777217\r\n", "offset=5 field=argument.len: invalid bulk length"},
        {&command, "*1\r\n$1\r\nab\r\n",
         "offset=9 field=argument.end: not the constant that belongs here"},
        {&reply, "?1\r\n", "offset=0 field=kind: a value that is not in the description"},
        {&reply, "$-2\r\n", "offset=1 field=bulk_string.len: invalid bulk length"},
        {&reply, ":1\n", "offset=1 field=number_line.value: a byte that cannot stand here"},
        {&reply, "*-2\r\n", "offset=1 field=array_head.count: invalid multibulk length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[128];
        (void)snprintf(expected, sizeof expected, "error %s\n", cases[i].expected);
        split_expect(cases[i].parser, cdx_cstr(cases[i].input), expected);
    }
}

/* Feeds `n` bytes 'x' behind `head`, then `tail`, in pieces; returns the last outcome. */
static enum cdx_status feed_filled(struct cdx_bytes head, size_t n, struct cdx_bytes tail,
                                   struct resp_command *message)
{
    static uint8_t piece[4096];
    struct resp_command_parser parser;
    struct cdx_spill spill;
    resp_command_parser_init(&parser);
    cdx_spill_init(&spill);
    memset(piece, 'x', sizeof piece);
    const uint8_t *next = head.data;
    enum cdx_status status = resp_command_feed(&parser, &spill, &next, next + head.len, message);
    while (n != 0 && status == CDX_MORE) {
        const size_t taken = n < sizeof piece ? n : sizeof piece;
        next = piece;
        status = resp_command_feed(&parser, &spill, &next, piece + taken, message);
        n -= taken;
    }
    next = tail.data;
    if (status == CDX_MORE)
        status = resp_command_feed(&parser, &spill, &next, next + tail.len, message);
    if (status == CDX_OK)
        message->form.line.text.data = NULL; /* in the spill, which goes */
    cdx_spill_free(&spill);
    return status;
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct resp_command message;
    assert_int_equal(feed_filled(BYTES("x"), RESP_LINE_MAX - 1, BYTES("\n"), &message), CDX_OK);
    assert_int_equal(message.form.line.text.len, RESP_LINE_MAX);
    assert_int_equal(feed_filled(BYTES("x"), RESP_LINE_MAX, BYTES("\n"), &message), CDX_MALFORMED);
    assert_int_equal(
        feed_filled(BYTES("*1\r\n$16777216\r\n"), RESP_BULK_MAX, BYTES("\r\n"), &message), CDX_OK);
}

/* Many arguments in one byte after the other: each is looked at once. */
static void arguments_are_taken_one_by_one(void **state)
{
    (void)state;
    enum { ARGUMENTS = 20000 };
    static char input[16 + ARGUMENTS * 8];
    size_t len = (size_t)sprintf(input, "*%d\r\n", ARGUMENTS);
    for (int i = 0; i < ARGUMENTS; i++)
        len += (size_t)sprintf(input + len, "$1\r\n%c\r\n", 'a' + i % 26);
    struct resp_command_parser parser;
    struct resp_command message;
    struct cdx_spill spill;
    resp_command_parser_init(&parser);
    cdx_spill_init(&spill);
    enum cdx_status status = CDX_MORE;
    for (size_t at = 0; at < len; at++) {
        const uint8_t *next = (const uint8_t *)input + at;
        assert_int_equal(status, CDX_MORE);
        status = resp_command_feed(&parser, &spill, &next, next + 1, &message);
    }
    assert_int_equal(status, CDX_OK);
    assert_int_equal(message.form.words.args.count, ARGUMENTS);
    struct cdx_list args = message.form.words.args;
    struct resp_argument argument;
    for (int i = 0; i < ARGUMENTS; i++) {
        assert_int_equal(resp_argument_next(&args, &argument), CDX_OK);
        assert_int_equal(argument.data.len, 1);
        assert_int_equal(argument.data.data[0], 'a' + i % 26);
    }
    assert_int_equal(resp_argument_next(&args, &argument), CDX_MORE);
    cdx_spill_free(&spill);
}

static void commands_and_replies_are_written(void **state)
{
    (void)state;
    uint8_t list[64];
    uint8_t room[128];
    struct cdx_out elements = {list, list + sizeof list};
    struct cdx_out out = {room, room + sizeof room};
    const struct resp_argument words[] = {{.data = CDX_STR("LPM")}, {.data = CDX_STR("/a/b")}};
    assert_int_equal(resp_argument_encode(&elements, &words[0]), CDX_OK);
    assert_int_equal(resp_argument_encode(&elements, &words[1]), CDX_OK);
    struct resp_command m = {.first = '*'};
    m.form.words.count = 2;
    m.form.words.args = (struct cdx_list){cdx_bytes_of(list, (size_t)(elements.next - list)), 2};
    assert_int_equal(resp_command_encode(&out, &m), CDX_OK);
    m.form.line.text = CDX_STR("PING\r");
    m.first = 'P';
    assert_int_equal(resp_command_encode(&out, &m), CDX_OK);
    m.first = 'p';
    assert_int_equal(resp_command_encode(&out, &m), CDX_INVALID);
    struct resp_reply r = {.kind = RESP_KIND_BULK};
    r.content.bulk_string.len = 3;
    r.content.bulk_string.data = CDX_STR("abc");
    assert_int_equal(resp_reply_encode(&out, &r), CDX_OK);
    r.content.bulk_string.data = CDX_STR("ab");
    assert_int_equal(resp_reply_encode(&out, &r), CDX_INVALID);
    r.content.bulk_string.len = -1;
    r.content.bulk_string.data = cdx_empty();
    assert_int_equal(resp_reply_encode(&out, &r), CDX_OK);
    r.kind = RESP_KIND_SIMPLE;
    r.content.text_line.text = CDX_STR("O\r\nK");
    assert_int_equal(resp_reply_encode(&out, &r), CDX_INVALID);
    r.content.text_line.text = CDX_STR("OK");
    assert_int_equal(resp_reply_encode(&out, &r), CDX_OK);
    static const char expected[] =
        "*2\r\n$3\r\nLPM\r\n$4\r\n/a/b\r\nPING\r\n$3\r\nabc\r\n$-1\r\n+OK\r\n";
    assert_int_equal(out.next - room, sizeof expected - 1);
    assert_memory_equal(room, expected, sizeof expected - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_read_however_they_are_cut),
        cmocka_unit_test(replies_are_read_however_they_are_cut),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(arguments_are_taken_one_by_one),
        cmocka_unit_test(commands_and_replies_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
