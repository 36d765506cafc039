/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: exact escapes, and lines that stay well-formed wherever they are cut. */
#include "log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct log_line line;

/* One field with these bytes, as a whole line. */
static const char *line_with(enum log_format format, const void *bytes, size_t len)
{
    const struct log_field field = LOG_BYTES("k", cdx_bytes_of(bytes, len));
    static char text[LOG_LINE_NBYTES_MAX + 1];

    log_line_begin(&line, format);
    log_line_add(&line, &field);
    log_line_end(&line);
    memcpy(text, line.text, line.len);
    text[line.len] = '\0';
    return text;
}

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
    const char *bytes;
    size_t len;
    const char *text; /* logfmt */
    const char *json;
} cases[] = {
    {BYTES("plain-1.2:3/[x]"), "plain-1.2:3/[x]", "\"plain-1.2:3/[x]\""},
    {BYTES(""), "\"\"", "\"\""},
    {BYTES("two words"), "\"two words\"", "\"two words\""},
    {BYTES("a=b"), "\"a=b\"", "\"a=b\""},
    {BYTES("say \"x\""), "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""},
    {BYTES("back\\slash"), "\"back\\\\slash\"", "\"back\\\\slash\""},
    {BYTES("line\nfeed\r\ttab"), "\"line\\nfeed\\r\\ttab\"", "\"line\\nfeed\\r\\ttab\""},
    {BYTES("nul\0byte"), "\"nul\\x00byte\"", "\"nul\\u0000byte\""},
    {BYTES("\x1b[31m"), "\"\\x1b[31m\"", "\"\\u001b[31m\""},
    {BYTES("\x7f"), "\"\\x7f\"", "\"\\u007f\""},
    {BYTES("\xc2\x9b"), "\"\\xc2\\x9b\"", "\"\\u009b\""}, /* C1: CSI */
    {BYTES("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\""},
    {BYTES("\xe2\x82\xac"), "\"\xe2\x82\xac\"", "\"\xe2\x82\xac\""},
    {BYTES("\xf0\x9f\x8c\xb3"), "\"\xf0\x9f\x8c\xb3\"", "\"\xf0\x9f\x8c\xb3\""},
    {BYTES("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\""},
    {BYTES("\x80"), "\"\\x80\"", "\"\\ufffd\""}, /* a continuation alone */
    {BYTES("\xc3"), "\"\\xc3\"", "\"\\ufffd\""}, /* cut short */
    {BYTES("\xe2\x82"), "\"\\xe2\\x82\"", "\"\\ufffd\\ufffd\""},
    {BYTES("\xc3x"), "\"\\xc3x\"", "\"\\ufffdx\""},
    {BYTES("\xc0\xaf"), "\"\\xc0\\xaf\"", "\"\\ufffd\\ufffd\""}, /* overlong */
    {BYTES("\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\"", "\"\\ufffd\\ufffd\\ufffd\""},
    {BYTES("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
    {BYTES("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {BYTES("\xff\xfe"), "\"\\xff\\xfe\"", "\"\\ufffd\\ufffd\""},
};

static void each_value_is_escaped_exactly(void **state)
{
    char wanted[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(wanted, sizeof wanted, "k=%s\n", cases[i].text);
        assert_string_equal(line_with(LOG_FORMAT_TEXT, cases[i].bytes, cases[i].len), wanted);
        snprintf(wanted, sizeof wanted, "{\"k\":%s}\n", cases[i].json);
        assert_string_equal(line_with(LOG_FORMAT_JSON, cases[i].bytes, cases[i].len), wanted);
    }
}

static void fields_are_separated_and_numbers_are_bare(void **state)
{
    const struct log_field fields[] = {LOG_TEXT("a", "x"), LOG_NUMBER("n", UINT64_MAX),
                                       LOG_TEXT("b", "")};
    static const char *const wanted[] = {
        "a=x n=18446744073709551615 b=\"\"\n",
        "{\"a\":\"x\",\"n\":18446744073709551615,\"b\":\"\"}\n",
    };

    (void)state;
    for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_line_begin(&line, format);
        for (size_t i = 0; i < COUNT_OF(fields); i++)
            log_line_add(&line, &fields[i]);
        log_line_end(&line);
        assert_int_equal(line.len, strlen(wanted[format]));
        assert_memory_equal(line.text, wanted[format], line.len);
    }
}

/* No quote is open, no escape is cut in half, and the line ends once. */
static void assert_well_formed(enum log_format format)
{
    const char *mark = format == LOG_FORMAT_JSON ? ",\"cut\":true}\n" : " cut=true\n";
    size_t mark_len = strlen(mark);
    bool open = false;

    assert_null(log_line_check(&line));
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.text[i];

        assert_true((c >= 0x20 && c != 0x7f) || i == line.len - 1);
        if (open && c == '\\')
            i += line.text[i + 1] == 'u' ? 5 : line.text[i + 1] == 'x' ? 3 : 1;
        else if (c == '"')
            open = !open;
    }
    assert_false(open);
    assert_true(line.text[line.len - 1] == '\n');
    if (line.cut)
        assert_memory_equal(line.text + line.len - mark_len, mark, mark_len);
}

/* A value of `len` bytes that repeats `pattern`, then a field that may not fit. */
static void make_long_line(enum log_format format, const char *pattern, size_t len)
{
    static char value[2 * LOG_LINE_NBYTES_MAX];
    const struct log_field fields[] = {LOG_BYTES("value", cdx_bytes_of(value, len)),
                                       LOG_NUMBER("last", 7)};

    for (size_t i = 0; i < len; i++)
        value[i] = pattern[i % strlen(pattern)];
    log_line_begin(&line, format);
    log_line_add(&line, &fields[0]);
    log_line_add(&line, &fields[1]);
    log_line_end(&line);
}

static void a_line_is_well_formed_wherever_it_is_cut(void **state)
{
    static const char *const patterns[] = {"x",    "\"",           "\n",    "\x01",
                                           "\xff", "\xe2\x82\xac", "x y\\", "\xf0\x9f\x8c\xb3\x80"};

    (void)state;
    for (size_t p = 0; p < COUNT_OF(patterns); p++) {
        for (size_t len = 0; len < LOG_LINE_NBYTES_MAX + 50; len += len < 400 ? 1 : 7) {
            make_long_line(LOG_FORMAT_TEXT, patterns[p], len);
            assert_well_formed(LOG_FORMAT_TEXT);
            make_long_line(LOG_FORMAT_JSON, patterns[p], len);
            assert_well_formed(LOG_FORMAT_JSON);
        }
    }
    assert_true(line.cut);
}

static void a_line_near_its_limit_is_cut_exactly_when_it_must(void **state)
{
    bool was_cut = false;

    (void)state;
    for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        was_cut = false;
        for (size_t len = LOG_LINE_NBYTES_MAX - 100; len < LOG_LINE_NBYTES_MAX + 10; len++) {
            make_long_line(format, "x", len);
            assert_well_formed(format);
            assert_true(line.cut || !was_cut); /* once too long, longer does not fit either */
            was_cut = line.cut;
        }
        assert_true(was_cut);
    }
}

static void nothing_follows_a_cut_value(void **state)
{
    static char value[LOG_LINE_NBYTES_MAX];
    const struct log_field fields[] = {LOG_BYTES("value", cdx_bytes_of(value, sizeof value)),
                                       LOG_NUMBER("after", 1)};

    (void)state;
    memset(value, 'x', sizeof value);
    log_line_begin(&line, LOG_FORMAT_TEXT);
    log_line_add(&line, &fields[0]);
    log_line_add(&line, &fields[1]);
    log_line_end(&line);
    assert_true(line.cut);
    assert_memory_equal(line.text + line.len - 14, "xxx\" cut=true\n", 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_is_escaped_exactly),
        cmocka_unit_test(fields_are_separated_and_numbers_are_bare),
        cmocka_unit_test(a_line_is_well_formed_wherever_it_is_cut),
        cmocka_unit_test(a_line_near_its_limit_is_cut_exactly_when_it_must),
        cmocka_unit_test(nothing_follows_a_cut_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
