/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of escapes, UTF-8, base64 and numbers as text. */
#include "cli_text.h"

#include "guard.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A generator of test bytes that is the same on every machine. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static size_t random_bytes(uint32_t *state, uint8_t *bytes, size_t n_max)
{
    static const uint8_t favourites[] = {0,    '\t', '\n', '\r', '\\', 'x',  '"',  0x7F, 0x80,
                                         0xC2, 0x85, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0xFF};
    size_t n = next_random(state) % (n_max + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = next_random(state) % 2 != 0 ? favourites[next_random(state) % COUNT(favourites)]
                                               : (uint8_t)next_random(state);
    return n;
}

static void assert_text(const struct cli_buf *buf, const char *expected, const char *what)
{
    if (!cdx_bytes_equal(cli_buf_bytes(buf), cdx_cstr(expected)))
        fail_msg("%s: expected [%s], got [%.*s]", what, expected, (int)buf->len, buf->data);
}

/* ---- escapes ---- */

static void escaping_is_exact(void **state)
{
    static const struct {
        struct cdx_bytes bytes;
        const char *expected;
    } cases[] = {
        {{(const uint8_t *)"", 0}, ""},
        {{(const uint8_t *)"/img", 4}, "/img"},
        {{(const uint8_t *)"a\tb\nc\rd\\e", 9}, "a\\tb\\nc\\rd\\\\e"},
        {{(const uint8_t *)"\0\x01\x1F\x7F", 4}, "\\x00\\x01\\x1F\\x7F"},
        {{(const uint8_t *)"caf\xC3\xA9", 5}, "café"},
        {{(const uint8_t *)"\xC3", 1}, "\\xC3"},
        {{(const uint8_t *)"\xC3/", 2}, "\\xC3/"},
        {{(const uint8_t *)"\xC2\x85", 2}, "\\xC2\\x85"}, /* U+0085, which terminals act on */
        {{(const uint8_t *)"\xC2\xA0", 2}, "\xC2\xA0"},
        {{(const uint8_t *)"\xED\xA0\x80", 3}, "\\xED\\xA0\\x80"}, /* a surrogate */
        {{(const uint8_t *)"\xC0\xAF", 2}, "\\xC0\\xAF"},          /* overlong */
        {{(const uint8_t *)"\xF4\x90\x80\x80", 4}, "\\xF4\\x90\\x80\\x80"},
        {{(const uint8_t *)"\xF0\x9F\x98\x80", 4}, "\xF0\x9F\x98\x80"},
    };
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    for (size_t i = 0; i < COUNT(cases); i++) {
        cli_buf_clear(&out);
        cli_escape(&out, cases[i].bytes);
        assert_text(&out, cases[i].expected, "escaped");
    }
    cli_buf_free(&out);
}

static void escaped_text_reads_back_and_is_clean_utf8(void **state)
{
    (void)state;
    uint32_t seed = 7;
    uint8_t bytes[40];
    struct cli_buf text;
    struct cli_buf back;
    struct guard guard = guard_open(sizeof bytes * 4);
    cli_buf_init(&text);
    cli_buf_init(&back);
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = random_bytes(&seed, bytes, sizeof bytes);
        size_t at = 0;
        cli_buf_clear(&text);
        cli_buf_clear(&back);
        cli_escape(&text, cdx_bytes_of(guard_place(&guard, bytes, n), n));
        assert_true(cli_utf8_valid(cli_buf_bytes(&text)));
        for (size_t i = 0; i < text.len; i++)
            assert_true(text.data[i] >= 0x20 && text.data[i] != 0x7F);
        const uint8_t *placed = guard_place(&guard, text.data, text.len);
        assert_int_equal(cli_unescape(&back, cdx_bytes_of(placed, text.len), &at), CDX_OK);
        assert_true(cdx_bytes_equal(cli_buf_bytes(&back), cdx_bytes_of(bytes, n)));
    }
    guard_close(&guard);
    cli_buf_free(&text);
    cli_buf_free(&back);
}

static void wrong_escapes_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"\\", 0},    {"ab\\", 2},  {"\\q", 0},       {"a\\x", 1}, {"a\\x1", 1},
        {"\\xG0", 0}, {"\\x0g", 0}, {"\\t\\n\\a", 4}, {"\\0", 0},  {"\\\\\\", 2},
    };
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    cli_buf_text(&out, "before");
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t at = 99;
        assert_int_equal(cli_unescape(&out, cdx_cstr(cases[i].text), &at), CDX_INVALID);
        assert_int_equal(at, cases[i].at);
        assert_text(&out, "before", "a refused text appends nothing");
    }
    cli_buf_free(&out);
}

static void hexadecimal_digits_may_be_small_or_large(void **state)
{
    (void)state;
    size_t at;
    struct cli_buf out;
    cli_buf_init(&out);
    assert_int_equal(cli_unescape(&out, CDX_STR("\\xaf\\xAF\\xFa"), &at), CDX_OK);
    assert_text(&out, "\xAF\xAF\xFA", "unescaped");
    cli_buf_free(&out);
}

static void long_bytes_are_cut_between_characters(void **state)
{
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    cli_escape_short(&out, CDX_STR("abcdef"), 6);
    assert_text(&out, "abcdef", "short enough");
    cli_buf_clear(&out);
    cli_escape_short(&out, CDX_STR("abcdef"), 5);
    assert_text(&out, "abcde…", "cut");
    cli_buf_clear(&out);
    cli_escape_short(&out, CDX_STR("abcd\xE2\x82\xACxyz"), 5);
    assert_text(&out, "abcd€…", "cut behind a character");
    cli_buf_free(&out);
}

/* ---- UTF-8 ---- */

/* The definition, in the slow way: decode, then compare with the shortest form. */
static size_t naive_utf8_char(const uint8_t *text, size_t len)
{
    if (len == 0)
        return 0;
    size_t n = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : 4;
    if (n == 1)
        return 1;
    if (n > len || (n == 4 && text[0] >> 3 != 30))
        return 0;
    uint32_t point = text[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[n] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    return n;
}

static void utf8_agrees_with_its_definition(void **state)
{
    (void)state;
    struct guard guard = guard_open(4);
    for (uint32_t word = 0; word < 1u << 24; word += word % 7 + 1) {
        /* The first two bytes take every value; the last two the ones that matter. */
        static const uint8_t thirds[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
        const uint8_t bytes[4] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), thirds[word % 6],
                                  thirds[word / 6 % 6]};
        for (size_t n = 0; n <= 4; n++) {
            const uint8_t *placed = guard_place(&guard, bytes, n);
            assert_int_equal(cli_utf8_char(cdx_bytes_of(placed, n)), naive_utf8_char(bytes, n));
        }
    }
    guard_close(&guard);
}

/* ---- base64 ---- */

static void base64_follows_the_rfc(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {/* RFC 4648 §10 */
                 {"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    for (size_t i = 0; i < COUNT(cases); i++) {
        cli_buf_clear(&out);
        cli_base64_encode(&out, cdx_cstr(cases[i].bytes));
        assert_text(&out, cases[i].text, "encoded");
        cli_buf_clear(&out);
        assert_int_equal(cli_base64_decode(&out, cdx_cstr(cases[i].text)), CDX_OK);
        assert_text(&out, cases[i].bytes, "decoded");
    }
    cli_buf_free(&out);
}

static void base64_reads_back_any_bytes(void **state)
{
    (void)state;
    uint32_t seed = 3;
    uint8_t bytes[64];
    struct cli_buf text;
    struct cli_buf back;
    cli_buf_init(&text);
    cli_buf_init(&back);
    for (unsigned round = 0; round < 5000; round++) {
        size_t n = random_bytes(&seed, bytes, sizeof bytes);
        cli_buf_clear(&text);
        cli_buf_clear(&back);
        cli_base64_encode(&text, cdx_bytes_of(bytes, n));
        assert_int_equal(cli_base64_decode(&back, cli_buf_bytes(&text)), CDX_OK);
        assert_true(cdx_bytes_equal(cli_buf_bytes(&back), cdx_bytes_of(bytes, n)));
    }
    cli_buf_free(&text);
    cli_buf_free(&back);
}

static void base64_that_is_not_canonical_is_refused(void **state)
{
    static const char *const texts[] = {"Z",    "Zg",       "Zg=",  "Zh==", "Zm9=", "Z===",
                                        "====", "Zg==Zg==", "Zm 9", "Zm-_", "=Zg=", "Zm9v\n"};
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    cli_buf_text(&out, "before");
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (cli_base64_decode(&out, cdx_cstr(texts[i])) != CDX_INVALID)
            fail_msg("%s was accepted", texts[i]);
        assert_text(&out, "before", "a refused text appends nothing");
    }
    assert_int_equal(cli_base64_decode(&out, CDX_STR("Zg\0=")), CDX_INVALID);
    cli_buf_free(&out);
}

/* ---- numbers ---- */

static void numbers_are_read_with_suffixes(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } good[] = {{"0", 0},
                {"7", 7},
                {"007", 7},
                {"10k", 10000},
                {"3M", 3000000},
                {"2G", 2000000000},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",    "k",   "-1",          "+1",  " 1",
                                      "1 ",  "1K",  "1.5",         "0x1", "18446744073709551616",
                                      "1kk", "1e3", "99999999999G"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t number = 1;
        assert_int_equal(cli_number(good[i].text, &number), CDX_OK);
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t number = 42;
        if (cli_number(bad[i], &number) != CDX_INVALID)
            fail_msg("'%s' was read as a number", bad[i]);
        assert_int_equal(number, 42);
    }
}

static void durations_are_read_with_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"0", 0},        {"1", 1000000000},   {"1.5", 1500000000},  {"250ms", 250000000},
                {"10us", 10000}, {"0.000000001s", 1}, {"2m", 120000000000}, {"1h", 3600000000000}};
    static const char *const bad[] = {"",    "s",  "-1s",  "1.s",  "1 s",           "1d",
                                      ".5s", "1S", "1mss", "1..5", "1.0000000000s", "1000001h"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t ns = 42;
        assert_int_equal(cli_duration(good[i].text, &ns), CDX_OK);
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t ns = 42;
        if (cli_duration(bad[i], &ns) != CDX_INVALID)
            fail_msg("'%s' was read as a time", bad[i]);
        assert_int_equal(ns, 42);
    }
}

static void ends_of_keys_are_read_and_shown(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
        const char *shown;
    } good[] = {{"never", 0, "never"},        {"1ms", 1, "0.001s"},    {"1", 1000, "1.000s"},
                {"1.2345s", 1235, "1.235s"},  {"1001us", 2, "0.002s"}, {"2h", 7200000, "7200.000s"},
                {"29.998s", 29998, "29.998s"}};
    static const char *const bad[] = {"",       "0",   "0s",  "999us", "Never",
                                      "never ", "5 s", "-1s", "5x",    "1000001h"};
    char longest[128];
    struct cli_buf out;
    (void)state;
    cli_buf_init(&out);
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t ms = 42;
        assert_int_equal(cli_ttl_read(cdx_cstr(good[i].text), &ms), CDX_OK);
        assert_int_equal(ms, good[i].ms);
        cli_buf_clear(&out);
        cli_ttl_text(&out, ms);
        assert_text(&out, good[i].shown, "end");
        assert_int_equal(cli_ttl_read(cli_buf_bytes(&out), &ms), CDX_OK);
        assert_int_equal(ms, good[i].ms);
    }
    uint64_t untouched = 42;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (cli_ttl_read(cdx_cstr(bad[i]), &untouched) != CDX_INVALID)
            fail_msg("'%s' was read as the end of a key", bad[i]);
    memset(longest, '0', sizeof longest);
    assert_int_equal(cli_ttl_read(cdx_bytes_of(longest, sizeof longest), &untouched), CDX_INVALID);
    assert_int_equal(cli_ttl_read(cdx_bytes_of("1s\0s", 4), &untouched), CDX_INVALID);
    assert_int_equal(cli_ttl_read(cdx_empty(), &untouched), CDX_INVALID);
    assert_int_equal(untouched, 42);
    cli_buf_free(&out);
}

static void numbers_are_shown_with_three_digits(void **state)
{
    static const struct {
        double number;
        const char *expected;
    } scaled[] = {{0, "0"},         {999, "999"},     {999.6, "1.00k"},  {1234, "1.23k"},
                  {12345, "12.3k"}, {123456, "123k"}, {999600, "1.00M"}, {5e9, "5.00G"}};
    static const struct {
        uint64_t ns;
        const char *expected;
    } times[] = {{0, "0.00 µs"},         {1234, "1.23 µs"},     {45678, "45.7 µs"},
                 {999600, "1.00 ms"},    {12345678, "12.3 ms"}, {1500000000, "1.50 s"},
                 {123456000000, "123 s"}};
    (void)state;
    struct cli_buf out;
    cli_buf_init(&out);
    for (size_t i = 0; i < COUNT(scaled); i++) {
        cli_buf_clear(&out);
        cli_scaled(&out, scaled[i].number);
        assert_text(&out, scaled[i].expected, "scaled");
    }
    for (size_t i = 0; i < COUNT(times); i++) {
        cli_buf_clear(&out);
        cli_time_text(&out, times[i].ns);
        assert_text(&out, times[i].expected, "time");
    }
    cli_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escaping_is_exact),
        cmocka_unit_test(escaped_text_reads_back_and_is_clean_utf8),
        cmocka_unit_test(wrong_escapes_are_refused_with_their_place),
        cmocka_unit_test(hexadecimal_digits_may_be_small_or_large),
        cmocka_unit_test(long_bytes_are_cut_between_characters),
        cmocka_unit_test(utf8_agrees_with_its_definition),
        cmocka_unit_test(base64_follows_the_rfc),
        cmocka_unit_test(base64_reads_back_any_bytes),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused),
        cmocka_unit_test(numbers_are_read_with_suffixes),
        cmocka_unit_test(durations_are_read_with_units),
        cmocka_unit_test(ends_of_keys_are_read_and_shown),
        cmocka_unit_test(numbers_are_shown_with_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
