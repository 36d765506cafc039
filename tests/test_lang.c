/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the code generated from tests/gen/lang.cdx, which has everything that a message can
 * consist of: bytes written by hand, and what becomes of them however they are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace.h"
#include <lang_trace.h>

TRACED_PARSER(numbers, lang_numbers);
TRACED_PARSER(record, lang_record);
TRACED_PARSER(table, lang_table);
TRACED_PARSER(packet, lang_packet);
TRACED_PARSER(setting, lang_setting);
TRACED_PARSER(line, lang_line);
TRACED_PARSER(sentence, lang_sentence);

#define BYTES(text) cdx_bytes_of(text, sizeof(text) - 1)

/* `bytes` with one byte changed must end in this error. */
static void expect_error(const struct split_parser *parser, struct cdx_bytes bytes, size_t at,
                         uint8_t value, const char *expected)
{
    uint8_t input[256];
    assert_true(bytes.len <= sizeof input && at < bytes.len);
    memcpy(input, bytes.data, bytes.len);
    input[at] = value;
    split_expect(parser, cdx_bytes_of(input, bytes.len), expected);
}

/* ---- numbers ---- */

static const char numbers_bytes[] =
    "NU\x01\x02\x03\5\4\3\2\1\1\2\3\4\5\6\7\6\5\4\3\2\1"
    "\xff\xff\xff\xff\xff\xff\xff\xfe\xfd\xff\xff\xff\xff\xff\xff\xff\xfc\x80"
    "\xac\x02\x01\0\1\x81\0\x09\0\0\0zz\2\3";

static void numbers_of_every_form_are_read(void **state)
{
    (void)state;
    split_expect(&numbers, BYTES(numbers_bytes),
                 " a=66051 b=4328719365 c=1108152157446 d=283686952306183 e=-2 f=-3 g=-4 h=-128"
                 " i=300 j=-1 colour=1 features=129 k=9 version=515\n"
                 "more need=55 field=magic between\n");
}

static void numbers_are_written_as_they_are_read(void **state)
{
    (void)state;
    const struct lang_numbers m = {.a = 66051,
                                   .b = 4328719365,
                                   .c = 1108152157446,
                                   .d = 283686952306183,
                                   .e = -2,
                                   .f = -3,
                                   .g = -4,
                                   .h = -128,
                                   .i = 300,
                                   .j = -1,
                                   .colour = 1,
                                   .features = 129,
                                   .k = 9};
    uint8_t room[100];
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, sizeof numbers_bytes - 1);
    assert_int_equal(lang_numbers_size(&m), sizeof numbers_bytes - 1);
    uint8_t expected[sizeof numbers_bytes - 1];
    memcpy(expected, numbers_bytes, sizeof expected);
    memset(expected + sizeof expected - 4, 0, 2); /* padding is written as zeros */
    assert_memory_equal(room, expected, sizeof expected);
    struct cdx_out narrow = {room, room + sizeof expected - 1};
    assert_int_equal(lang_numbers_encode(&narrow, &m), CDX_MORE);
    assert_ptr_equal(narrow.next, room);
}

static void numbers_that_do_not_fit_are_not_written(void **state)
{
    (void)state;
    uint8_t room[100];
    struct cdx_out out = {room, room + sizeof room};
    struct lang_numbers m = {.a = 1 << 24, .b = 9};
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_INVALID);
    m.a = 0;
    m.g = -INT64_C(1099511627776);
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_INVALID);
    m.g = 0;
    m.k = 10;
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_INVALID);
    m.k = 7;
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_INVALID);
    m.k = 9;
    assert_int_equal(lang_numbers_encode(&out, &m), CDX_OK);
    assert_int_equal(lang_numbers_size(&(struct lang_numbers){.k = 7}), 0);
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const struct cdx_bytes m = BYTES(numbers_bytes);
    const struct split_parser *const p = &numbers;
    expect_error(p, m, 0, 'M', "error offset=0 field=magic: not the constant that belongs here\n");
    expect_error(p, m, 48, 7, "error offset=47 field=k: k is 7\n");
    expect_error(p, m, 49, 1,
                 "error offset=49 field=reserved: not the constant that belongs here\n");
    expect_error(p, m, 55, 4,
                 "error offset=54 field=version: not the constant that belongs here\n");
    /* The second byte of a LEB128 that says nothing more. */
    expect_error(p, m, 42, 0, "error offset=41 field=i: a byte that cannot stand here\n");
    uint8_t wide[64];
    memcpy(wide, m.data, 41);
    memset(wide + 41, 0xff, 10);
    split_expect(p, cdx_bytes_of(wide, 51),
                 "error offset=41 field=i: a number outside its limits\n");
    memset(wide + 5, 0, 5); /* b is 0, and k is not */
    memcpy(wide + 41, m.data + 41, 15);
    split_expect(p, cdx_bytes_of(wide, 56), "error offset=47 field=k: k is more than b\n");
}

/* ---- records ---- */

/* size 35; point, named and placed; head 4, what 5; name "ab"; place; head; what; tail "t!". */
static const char record_bytes[] =
    "\0\0\0\x1b\1\3\1\5\2ab\xff\xff\1\0\0head\0\1\xff\xff\xfft!"
    "\0\6\2xyext";

static void lengths_away_from_their_bytes_are_kept(void **state)
{
    (void)state;
    split_expect(&record, BYTES(record_bytes),
                 " size=27 content={ kind=1 parts=3 units=1 what_size=5 name=6162"
                 " place={ x=-1 y=1 } head=68656164 what={ x=1 y=-1 } tail=7421 }"
                 " sum=6 first_size=2 first=7879 extra=657874\n"
                 "more need=11 field=size between\n");
}

static struct lang_record a_record(void)
{
    struct lang_record m = {.first = CDX_STR("xy"), .extra = CDX_STR("ext")};
    m.content.kind = LANG_KIND_POINT;
    m.content.parts = LANG_PARTS_NAMED | LANG_PARTS_PLACED;
    m.content.name = CDX_STR("ab");
    m.content.place = (struct lang_place){-1, 1};
    m.content.head = CDX_STR("head");
    m.content.what.place = (struct lang_place){1, -1};
    m.content.tail = CDX_STR("t!");
    return m;
}

static void lengths_are_worked_out(void **state)
{
    (void)state;
    const struct lang_record m = a_record();
    uint8_t room[100];
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(lang_record_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, sizeof record_bytes - 1);
    assert_memory_equal(room, record_bytes, sizeof record_bytes - 1);
}

static void what_lengths_cannot_say_is_not_written(void **state)
{
    (void)state;
    uint8_t room[1000];
    struct cdx_out out = {room, room + sizeof room};
    struct lang_record m = a_record();
    m.content.head = CDX_STR("head?");
    assert_int_equal(lang_record_encode(&out, &m), CDX_INVALID); /* not a multiple of four */
    m.content.head = cdx_bytes_of(room, 44);
    assert_int_equal(lang_record_encode(&out, &m), CDX_TOO_LONG);
    m = a_record();
    m.content.parts = LANG_PARTS_PLACED;
    assert_int_equal(lang_record_encode(&out, &m), CDX_INVALID); /* a name that is not there */
    m = a_record();
    m.content.parts = 4;
    assert_int_equal(lang_record_encode(&out, &m), CDX_INVALID);
    m = a_record();
    m.content.kind = 9;
    assert_int_equal(lang_record_encode(&out, &m), CDX_INVALID);
    m = a_record();
    m.content.tail = cdx_bytes_of(room, 65);
    assert_int_equal(lang_record_encode(&out, &m), CDX_TOO_LONG);
    assert_ptr_equal(out.next, room);
}

static void parts_that_are_not_there_take_no_bytes(void **state)
{
    (void)state;
    split_expect(&record, BYTES("\0\0\0\x8\3\2\0\0\0\1\0\0\0\0\xa\2\0\0\2hi\0\1\0"),
                 " size=8 content={ kind=3 parts=2 units=0 what_size=0 name="
                 " place={ x=0 y=0 } head= tail= } sum=1 first_size=0 first= extra=\n"
                 " size=10 content={ kind=2 parts=0 units=0 what_size=2 name= place={ x=0 y=0 }"
                 " head= what={ text=6869 } tail= } sum=1 first_size=0 first= extra=\n"
                 "more need=11 field=size between\n");
}

static void lengths_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const struct cdx_bytes m = BYTES(record_bytes);
    const struct split_parser *const p = &record;
    expect_error(p, m, 3, 3, "error offset=4 field=content: lengths that contradict each other\n");
    expect_error(p, m, 3, 255, "error offset=4 field=content: longer than its limit\n");
    expect_error(p, m, 3, 12,
                 "error offset=11 field=place.x: reaches past the end of what holds it\n");
    expect_error(p, m, 3, 11,
                 "error offset=11 field=place.x: reaches past the end of what holds it\n");
    expect_error(p, m, 4, 0,
                 "error offset=4 field=inside.kind: a value that is not in the description\n");
    expect_error(p, m, 5, 7,
                 "error offset=5 field=inside.parts: a value that is not in the description\n");
    expect_error(p, m, 6, 11, "error offset=16 field=inside.head: longer than its limit\n");
    expect_error(p, m, 7, 6, "error offset=25 field=inside.what: bytes behind the last field\n");
    expect_error(p, m, 7, 4,
                 "error offset=22 field=place.y: reaches past the end of what holds it\n");
    expect_error(p, m, 8, 21, "error offset=8 field=inside.name: longer than its limit\n");
    expect_error(p, m, 28, 2, "error offset=32 field=extra: lengths that contradict each other\n");
    expect_error(p, m, 29, 17, "error offset=30 field=first: longer than its limit\n");
}

/* ---- tables ---- */

static const char table_bytes[] = "\0\2\1\3abc\2\0\7\3\2xy\4\1z\0\2hi\r\n";

static void arrays_are_lists_of_their_elements(void **state)
{
    (void)state;
    split_expect(&table, BYTES(table_bytes),
                 " count=2 entries=[ id=1 size=3 value=616263; id=2 size=0 value=; ] more_size=7"
                 " more=[ id=3 size=2 value=7879; id=4 size=1 value=7a; ] comment=6869\n"
                 "more need=7 field=count between\n");
}

static void lists_are_made_of_encoded_elements(void **state)
{
    (void)state;
    uint8_t entries[32];
    struct cdx_out out = {entries, entries + sizeof entries};
    const struct lang_entry a = {.id = 1, .value = CDX_STR("abc")};
    const struct lang_entry b = {.id = 2};
    assert_int_equal(lang_entry_encode(&out, &a), CDX_OK);
    assert_int_equal(lang_entry_encode(&out, &b), CDX_OK);
    struct lang_table m = {.comment = CDX_STR("hi")};
    m.entries.bytes = cdx_bytes_of(entries, (size_t)(out.next - entries));
    m.entries.count = 2;
    m.more.bytes = BYTES("\3\2xy\4\1z");
    m.more.count = 2;
    uint8_t room[64];
    out = (struct cdx_out){room, room + sizeof room};
    assert_int_equal(lang_table_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, sizeof table_bytes - 1);
    assert_memory_equal(room, table_bytes, sizeof table_bytes - 1);
    m.more.count = 1;
    assert_int_equal(lang_table_encode(&out, &m), CDX_INVALID);
    m.more.count = 3;
    assert_int_equal(lang_table_encode(&out, &m), CDX_INVALID);
    m.more.count = 5;
    assert_int_equal(lang_table_encode(&out, &m), CDX_TOO_LONG);
}

static void arrays_have_limits(void **state)
{
    (void)state;
    const struct cdx_bytes m = BYTES(table_bytes);
    const struct split_parser *const p = &table;
    expect_error(p, m, 1, 5, "error offset=2 field=entries: longer than its limit\n");
    expect_error(p, m, 3, 11, "error offset=4 field=entry.value: longer than its limit\n");
    expect_error(p, m, 9, 6,
                 "error offset=16 field=entry.value: reaches past the end of what holds it\n");
    expect_error(p, m, 9, 37, "error offset=10 field=more: longer than its limit\n");
    split_expect(p, BYTES("\0\0\x08\1\0\2\0\3\0\4\0"),
                 "error offset=9 field=more: longer than its limit\n");
    expect_error(p, m, sizeof table_bytes - 2, '\r',
                 "error offset=21 field=end: not the constant that belongs here\n");
}

/* ---- packets ---- */

static void a_choice_is_made_by_what_is_worked_out(void **state)
{
    (void)state;
    split_expect(&packet, BYTES("\x1f\0\1\2\0\0.\x20\2hi.\x35\0.\xf7."),
                 " head=31 what={ x=1 y=2 }\n"
                 " head=32 what={ text=6869 }\n"
                 " head=53 what={ text= }\n"
                 " head=247\n"
                 "more need=2 field=head between\n");
    split_expect(&packet, BYTES("\x41."),
                 "error offset=1 field=what: a value that is not in the description\n");
    uint8_t room[16];
    struct cdx_out out = {room, room + sizeof room};
    struct lang_packet m = {.head = 0x35, .what.tagged.text = CDX_STR("hi")};
    assert_int_equal(lang_packet_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, 5);
    assert_memory_equal(room, "\x35\2hi.", 5);
    m.head = 0x45;
    assert_int_equal(lang_packet_encode(&out, &m), CDX_INVALID);
}

/* ---- letters ---- */

static struct {
    uint8_t text[64];
    size_t len;
    unsigned pieces;
} letter_text;

static void collect(struct cdx_bytes piece)
{
    assert_true(piece.len <= sizeof letter_text.text - letter_text.len);
    if (piece.len != 0)
        memcpy(letter_text.text + letter_text.len, piece.data, piece.len);
    letter_text.len += piece.len;
}

/* One line for a letter, with its text as all pieces together. */
static enum cdx_status letter_feed(void *parser, struct cdx_spill *spill, const uint8_t **next,
                                   const uint8_t *end, struct split_log *log)
{
    struct lang_letter letter;
    enum cdx_status status;
    if (lang_letter_is_between(parser))
        letter_text.len = 0;
    while ((status = lang_letter_feed(parser, spill, next, end, &letter)) == CDX_PIECE) {
        assert_true(letter.what.text.len != 0);
        assert_int_equal(letter.name.len, 2);
        assert_memory_equal(letter.name.data, "Al", 2);
        collect(letter.what.text);
        letter_text.pieces++;
    }
    if (status != CDX_OK)
        return status;
    collect(letter.what.text);
    assert_int_equal(letter.what.junk.len, 0);
    assert_int_equal(letter.rest.len, 0);
    split_print_bytes(log, "name", letter.name);
    split_print_bytes(log, "text", cdx_bytes_of(letter_text.text, letter_text.len));
    split_print(log, " mark=%u\n", letter.what.mark);
    return status;
}

SPLIT_PARSER(static, letter_parser, lang_letter, letter_feed);

static const char letter_bytes[] = "\2Al\0\0\0\x0d\3xyz\0\0\0\4text*\0\3?!?.";

static void fields_come_in_pieces(void **state)
{
    (void)state;
    letter_text.pieces = 0;
    split_expect(&letter_parser, BYTES(letter_bytes),
                 " name=416c text=74657874 mark=42\nmore need=14 field=name between\n");
    assert_true(letter_text.pieces != 0);
    split_expect(&letter_parser, BYTES("\2Al\0\0\0\6\0\0\0\0\0*\0\0."),
                 " name=416c text= mark=42\nmore need=14 field=name between\n");
}

static void errors_behind_pieces_tell_their_place(void **state)
{
    (void)state;
    const struct cdx_bytes m = BYTES(letter_bytes);
    expect_error(&letter_parser, m, 6, 12,
                 "error offset=19 field=contents.mark: reaches past the end of what holds it\n");
    expect_error(&letter_parser, m, 6, 11,
                 "error offset=15 field=contents.text: reaches past the end of what holds it\n");
    expect_error(&letter_parser, m, 6, 14,
                 "error offset=20 field=what: bytes behind the last field\n");
    expect_error(&letter_parser, m, 7, 201,
                 "error offset=7 field=contents.junk: longer than its limit\n");
    expect_error(&letter_parser, m, sizeof letter_bytes - 2, '!',
                 "error offset=25 field=end: not the constant that belongs here\n");
    split_expect(&letter_parser, cdx_bytes_of(m.data, 17), "more need=6 field=contents.text\n");
}

static void pieces_are_not_kept(void **state)
{
    (void)state;
    enum { TEXT = 1 << 20, STEP = 1000 };
    static uint8_t text[STEP];
    const uint8_t head[] = {2, 'A', 'l', 0, 0x10, 0, 6, 0, 0, 0x10, 0, 0};
    const uint8_t tail[] = {'*', 0, 0, '.'};
    struct lang_letter_parser parser;
    struct cdx_spill spill = {0};
    struct lang_letter letter;
    lang_letter_parser_init(&parser);
    const uint8_t *next = head;
    assert_int_equal(lang_letter_feed(&parser, &spill, &next, head + sizeof head, &letter),
                     CDX_MORE);
    size_t got = 0;
    while (got < TEXT) {
        const size_t n = TEXT - got < STEP ? TEXT - got : STEP;
        next = text;
        assert_int_equal(lang_letter_need(&parser, NULL), TEXT - got + 4);
        assert_int_equal(lang_letter_feed(&parser, &spill, &next, text + n, &letter), CDX_PIECE);
        assert_ptr_equal(letter.what.text.data, text);
        assert_int_equal(letter.what.text.len, n);
        assert_ptr_equal(next, text + n);
        assert_null(lang_letter_parser_check(&parser, &spill));
        assert_int_equal(lang_letter_feed(&parser, &spill, &next, next, &letter), CDX_MORE);
        got += n;
    }
    next = tail;
    assert_int_equal(lang_letter_feed(&parser, &spill, &next, tail + sizeof tail, &letter), CDX_OK);
    assert_int_equal(letter.what.text.len, 0);
    assert_int_equal(lang_letter_offset(&parser), sizeof head + TEXT + sizeof tail);
    assert_true(spill.len <= LANG_LETTER_SPILL_NBYTES_MAX);
    assert_true(LANG_LETTER_SPILL_NBYTES_MAX < 100);
    cdx_spill_free(&spill);
}

static void letters_are_written_whole(void **state)
{
    (void)state;
    uint8_t room[64];
    struct cdx_out out = {room, room + sizeof room};
    const struct lang_letter m = {
        .name = CDX_STR("Al"),
        .what = {.junk = CDX_STR("xyz"), .text = CDX_STR("text"), .mark = '*'},
        .rest = CDX_STR("?!?")};
    assert_int_equal(lang_letter_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, sizeof letter_bytes - 1);
    assert_memory_equal(room, letter_bytes, sizeof letter_bytes - 1);
}

/* ---- settings ---- */

static void texts_match_their_pattern(void **state)
{
    (void)state;
    split_expect(&setting, BYTES("a=v1.20.3\r\n_b2=\r\nlast_one=\"\r \xff=\"\r\n"),
                 " name=61 value=76312e32302e33\n"
                 " name=5f6232 value=\n"
                 " name=6c6173745f6f6e65 value=220d20ff3d22\n"
                 "more need=3 field=name between\n");
    static const struct {
        const char *bytes;
        const char *expected;
    } cases[] = {
        {"=", "error offset=0 field=name: a byte that cannot stand here\n"},
        {"2a=", "error offset=0 field=name: a byte that cannot stand here\n"},
        {"nine_char=", "error offset=0 field=name: a byte that cannot stand here\n"},
        {"thirteen_long", "error offset=0 field=name: longer than its limit\n"},
        {"a=v\r\n", "error offset=2 field=value: a byte that cannot stand here\n"},
        {"a=v1.\r\n", "error offset=2 field=value: a byte that cannot stand here\n"},
        {"a=\"\r\n", "error offset=2 field=value: a byte that cannot stand here\n"},
        {"a=\"\"\"\r\n", "error offset=2 field=value: a byte that cannot stand here\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        split_expect(&setting, cdx_bytes_of(cases[i].bytes, strlen(cases[i].bytes)),
                     cases[i].expected);
}

static void texts_that_do_not_match_are_not_written(void **state)
{
    (void)state;
    uint8_t room[64];
    struct cdx_out out = {room, room + sizeof room};
    struct lang_setting m = {.name = CDX_STR("a1"), .value = CDX_STR("v10")};
    assert_int_equal(lang_setting_encode(&out, &m), CDX_OK);
    assert_memory_equal(room, "a1=v10\r\n", 8);
    m.value = CDX_STR("10");
    assert_int_equal(lang_setting_encode(&out, &m), CDX_INVALID);
    m = (struct lang_setting){.value = CDX_STR("v10")};
    assert_int_equal(lang_setting_encode(&out, &m), CDX_INVALID);
    m.name = CDX_STR("a=");
    assert_int_equal(lang_setting_encode(&out, &m), CDX_INVALID);
    assert_ptr_equal(out.next, room + 8);
}

/* ---- lines ---- */

static void decimal_numbers_end_at_their_delimiter(void **state)
{
    (void)state;
    split_expect(&line, BYTES("-9223372036854775808 0\r\n9223372036854775807 1000\r\n0 7\r\n-1"),
                 " number=-9223372036854775808 count=0\n"
                 " number=9223372036854775807 count=1000\n"
                 " number=0 count=7\n"
                 "more need=4 field=number\n");
}

static void decimal_numbers_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *expected;
    } cases[] = {
        {"01 ", "error offset=0 field=number: a byte that cannot stand here\n"},
        {"-0 ", "error offset=0 field=number: a byte that cannot stand here\n"},
        {"+1 ", "error offset=0 field=number: a byte that cannot stand here\n"},
        {" ", "error offset=0 field=number: a byte that cannot stand here\n"},
        {"- ", "error offset=0 field=number: a byte that cannot stand here\n"},
        {"1\r", "error offset=0 field=number: a byte that cannot stand here\n"},
        {"1 2\rx", "error offset=2 field=count: a byte that cannot stand here\n"},
        {"1 -2\r", "error offset=2 field=count: a byte that cannot stand here\n"},
        {"9223372036854775808", "error offset=0 field=number: a number outside its limits\n"},
        {"-9223372036854775809", "error offset=0 field=number: a number outside its limits\n"},
        {"1 4294967296", "error offset=2 field=count: a number outside its limits\n"},
        {"1 1001\r\n", "error offset=2 field=count: more than a thousand\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        split_expect(&line, cdx_bytes_of(cases[i].bytes, strlen(cases[i].bytes)),
                     cases[i].expected);
}

static void decimal_numbers_are_written_shortest(void **state)
{
    (void)state;
    uint8_t room[40];
    struct cdx_out out = {room, room + sizeof room};
    const struct lang_line m = {.number = INT64_MIN, .count = 10};
    assert_int_equal(lang_line_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, 25);
    assert_memory_equal(room, "-9223372036854775808 10\r\n", 25);
}

/* ---- texts, and what is looked at ahead ---- */

static void texts_end_where_they_are_said_to(void **state)
{
    (void)state;
    split_expect(&sentence, BYTES("\"a\"b;\";xy\0hello\n\0\1\2\1\1!\2\2zz"),
                 " first=34 part={ text=6122623b } next=31096 bytes=[ value=120; value=121; ]"
                 " count=0 entries=[ ]\n"
                 " first=104 part={ text=68656c6c6f } next=256 bytes=[ value=0; value=1; ] count=2"
                 " entries=[ id=1 size=1 value=21; id=2 size=2 value=7a7a; ]\n"
                 "more need=4 field=first between\n");
    split_expect(&sentence, BYTES("\"\";\0\0\0\n"),
                 " first=34 part={ text= } next=0 bytes=[ value=0; value=0; ] count=0 entries=[ ]\n"
                 "more need=3 field=next\n");
}

static void texts_that_do_not_end_are_refused(void **state)
{
    (void)state;
    split_expect(&sentence, BYTES("\"123456789012\";xy\0\"1234567890123\";xy"),
                 " first=34 part={ text=313233343536373839303132 } next=31096"
                 " bytes=[ value=120; value=121; ] count=0 entries=[ ]\n"
                 "error offset=19 field=quoted.text: longer than its limit\n");
    split_expect(&sentence, BYTES("1234567890123\n"),
                 "error offset=0 field=plain.text: longer than its limit\n");
    split_expect(&sentence, BYTES("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""),
                 "error offset=1 field=quoted.text: longer than its limit\n");
}

static void what_was_looked_at_can_be_refused(void **state)
{
    (void)state;
    split_expect(&sentence, BYTES("\nzz\0"), "error offset=1 field=next: zz is not wanted\n");
}

static void elements_together_stay_within_their_bytes(void **state)
{
    (void)state;
    split_expect(&sentence, BYTES("\nxy\2\0\6abcdef\0\6abcdef"),
                 " first=10 part={ text= } next=31096 bytes=[ value=120; value=121; ] count=2"
                 " entries=[ id=0 size=6 value=616263646566; id=0 size=6 value=616263646566; ]\n"
                 "more need=4 field=first between\n");
    split_expect(&sentence, BYTES("\nxy\2\0\6abcdef\0\7abcdefg"),
                 "error offset=14 field=entry.value: reaches past the end of what holds it\n");
    split_expect(&sentence, BYTES("\nxy\3\0\6abcdef\0\6abcdef\0\0"),
                 "error offset=20 field=entry.id: reaches past the end of what holds it\n");
}

static void sentences_are_written_only_as_they_can_be_read(void **state)
{
    (void)state;
    uint8_t room[64];
    const uint8_t two[] = "xy";
    struct lang_sentence m = {.first = '"', .next = 'x' | 'y' << 8};
    m.part.quoted.text = CDX_STR("a\"b;");
    m.bytes = (struct cdx_list){cdx_bytes_of(two, 2), 2};
    struct cdx_out out = {room, room + sizeof room};
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_OK);
    assert_int_equal(out.next - room, 10);
    assert_memory_equal(room, "\"a\"b;\";xy", 10);
    /* Ends too early, or announces what does not come. */
    m.part.quoted.text = CDX_STR("a\";b");
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_INVALID);
    m.part.quoted.text = CDX_STR("1234567890123");
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_TOO_LONG);
    m.first = 'p';
    m.part.plain.text = CDX_STR("plain");
    m.next++;
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_INVALID);
    m.next--;
    m.first = 'q';
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_INVALID);
    m.first = '"';
    m.part.plain.text = CDX_STR("plain");
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_OK); /* the arm that `first` says */
    static const uint8_t many[20];
    m.entries = (struct cdx_list){cdx_bytes_of(many, 16), 8};
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_OK);
    m.entries = (struct cdx_list){cdx_bytes_of(many, 18), 9};
    assert_int_equal(lang_sentence_encode(&out, &m), CDX_TOO_LONG);
}

static void what_cannot_be_read_is_refused_before_the_first_byte_is_written(void **state)
{
    (void)state;
    struct lang_sentence_encoder encoder;
    struct lang_sentence m = {.first = 'p', .next = 'x' | 'y' << 8};
    m.part.plain.text = CDX_STR("plain");
    m.bytes = (struct cdx_list){CDX_STR("xy"), 2};
    assert_int_equal(lang_sentence_encode_start(&encoder, &m), CDX_OK);
    sentence_in_pieces(&m);
    m.next++; /* announces what does not come */
    assert_int_equal(lang_sentence_encode_start(&encoder, &m), CDX_INVALID);
    sentence_in_pieces(&m);
    m.next--;
    m.first = 'q';
    assert_int_equal(lang_sentence_encode_start(&encoder, &m), CDX_INVALID);
    m.first = 'p';
    m.entries = (struct cdx_list){CDX_STR("\0\0\0\0"), 3};
    assert_int_equal(lang_sentence_encode_start(&encoder, &m), CDX_INVALID);
    static const uint8_t many[18];
    m.entries = (struct cdx_list){cdx_bytes_of(many, sizeof many), 9};
    assert_int_equal(lang_sentence_encode_start(&encoder, &m), CDX_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_form_are_read),
        cmocka_unit_test(numbers_are_written_as_they_are_read),
        cmocka_unit_test(numbers_that_do_not_fit_are_not_written),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(lengths_away_from_their_bytes_are_kept),
        cmocka_unit_test(lengths_are_worked_out),
        cmocka_unit_test(what_lengths_cannot_say_is_not_written),
        cmocka_unit_test(parts_that_are_not_there_take_no_bytes),
        cmocka_unit_test(lengths_that_contradict_each_other_are_refused),
        cmocka_unit_test(arrays_are_lists_of_their_elements),
        cmocka_unit_test(lists_are_made_of_encoded_elements),
        cmocka_unit_test(arrays_have_limits),
        cmocka_unit_test(a_choice_is_made_by_what_is_worked_out),
        cmocka_unit_test(fields_come_in_pieces),
        cmocka_unit_test(errors_behind_pieces_tell_their_place),
        cmocka_unit_test(pieces_are_not_kept),
        cmocka_unit_test(letters_are_written_whole),
        cmocka_unit_test(texts_match_their_pattern),
        cmocka_unit_test(texts_that_do_not_match_are_not_written),
        cmocka_unit_test(decimal_numbers_end_at_their_delimiter),
        cmocka_unit_test(decimal_numbers_have_one_form),
        cmocka_unit_test(decimal_numbers_are_written_shortest),
        cmocka_unit_test(texts_end_where_they_are_said_to),
        cmocka_unit_test(texts_that_do_not_end_are_refused),
        cmocka_unit_test(what_was_looked_at_can_be_refused),
        cmocka_unit_test(elements_together_stay_within_their_bytes),
        cmocka_unit_test(sentences_are_written_only_as_they_can_be_read),
        cmocka_unit_test(what_cannot_be_read_is_refused_before_the_first_byte_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
