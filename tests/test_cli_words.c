/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of splitting a line into words. */
#include "cli_words.h"

#include "guard.h"
#include "heap_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void lines_are_split_like_a_shell_does(void **state)
{
    static const struct {
        const char *line;
        size_t count;
        const char *words[4];
    } cases[] = {
        {"", 0, {NULL}},
        {"   \t ", 0, {NULL}},
        {"get /img", 2, {"get", "/img"}},
        {"  get\t/img  ", 2, {"get", "/img"}},
        {"get /img\r", 2, {"get", "/img"}},
        {"put k 'a b' \"c d\"", 4, {"put", "k", "a b", "c d"}},
        {"put k ''", 3, {"put", "k", ""}},
        {"a'b'\"c\"d", 1, {"abcd"}},
        {"'it\"s' \"it's\"", 2, {"it\"s", "it's"}},
        {"'a\\tb'", 1, {"a\\tb"}},
        {"\"a\\tb\\\\c\\\"d\"", 1, {"a\tb\\c\"d"}},
        {"a\\ b \\#c \\'d", 3, {"a b", "#c", "'d"}},
        {"\\x41\\x2f \"\\x41\"", 2, {"A/", "A"}},
        {"get /a # the rest", 2, {"get", "/a"}},
        {"get /a#b", 2, {"get", "/a#b"}},
        {"# all", 0, {NULL}},
    };
    (void)state;
    struct cli_words words;
    cli_words_init(&words);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t at = 0;
        assert_int_equal(cli_words_split(&words, cdx_cstr(cases[i].line), &at), CDX_OK);
        if (words.count != cases[i].count)
            fail_msg("[%s]: %zu words", cases[i].line, words.count);
        for (size_t w = 0; w < words.count; w++)
            assert_string_equal((const char *)words.items[w].data, cases[i].words[w]);
    }
    cli_words_free(&words);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *line;
        enum cdx_status status;
        size_t at;
        char quote;
    } cases[] = {
        {"put k 'a b", CDX_MORE, 10, '\''},  {"put k \"a", CDX_MORE, 8, '"'},
        {"get \\", CDX_MORE, 4, 0},          {"get \\q", CDX_INVALID, 4, 0},
        {"get \"\\x4\"", CDX_INVALID, 5, 0}, {"get '\\q", CDX_MORE, 7, '\''},
    };
    (void)state;
    struct cli_words words;
    cli_words_init(&words);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t at = 0;
        assert_int_equal(cli_words_split(&words, cdx_cstr(cases[i].line), &at), cases[i].status);
        assert_int_equal(at, cases[i].at);
        assert_int_equal(words.last_quote, cases[i].quote);
    }
    cli_words_free(&words);
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    char line[2 * CLI_WORDS_MAX + 3];
    size_t at;
    struct cli_words words;
    cli_words_init(&words);
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = i % 2 == 0 ? 'w' : ' ';
    assert_int_equal(cli_words_split(&words, cdx_bytes_of(line, 2 * CLI_WORDS_MAX), &at), CDX_OK);
    assert_int_equal(words.count, CLI_WORDS_MAX);
    assert_int_equal(cli_words_split(&words, cdx_bytes_of(line, sizeof line), &at), CDX_TOO_LONG);
    cli_words_free(&words);
}

static void any_word_can_be_quoted(void **state)
{
    (void)state;
    uint32_t seed = 5;
    struct cli_words words;
    struct guard guard = guard_open(256);
    cli_words_init(&words);
    for (unsigned round = 0; round < 20000; round++) {
        static const char favourites[] = {' ', '\'', '"', '\\', '#', '\t', '\n', 0, 'x', '4'};
        uint8_t bytes[12];
        size_t n = round % (sizeof bytes + 1);
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (seed >> 16) % 2 != 0 ? (uint8_t)favourites[(seed >> 20) % COUNT(favourites)]
                                             : (uint8_t)(seed >> 24);
        }
        struct cli_buf line = {0};
        cli_buf_text(&line, "put ");
        cli_words_quote(&line, cdx_bytes_of(bytes, n));
        cli_buf_text(&line, " end");
        const uint8_t *placed = guard_place(&guard, line.data, line.len);
        assert_int_equal(cli_words_split(&words, cdx_bytes_of(placed, line.len), &at), CDX_OK);
        assert_int_equal(words.count, 3);
        assert_true(cdx_bytes_equal(words.items[1], cdx_bytes_of(bytes, n)));
        assert_string_equal((const char *)words.items[2].data, "end");
        cli_buf_free(&line);
    }
    guard_close(&guard);
    cli_words_free(&words);
}

static void any_line_is_judged_without_reading_beyond_it(void **state)
{
    (void)state;
    static const char alphabet[] = {'a', ' ', '\'', '"', '\\', 'x', '4', '#'};
    struct cli_words words;
    struct guard guard = guard_open(8);
    cli_words_init(&words);
    for (unsigned round = 0; round < 1u << 18; round++) {
        uint8_t line[6];
        size_t at = 0;
        for (size_t i = 0; i < sizeof line; i++)
            line[i] = (uint8_t)alphabet[round >> (3 * i) & 7];
        const uint8_t *placed = guard_place(&guard, line, sizeof line);
        enum cdx_status status = cli_words_split(&words, cdx_bytes_of(placed, sizeof line), &at);
        assert_true(status == CDX_OK || status == CDX_MORE || status == CDX_INVALID);
        assert_true(at <= sizeof line && words.count <= 3);
    }
    guard_close(&guard);
    cli_words_free(&words);
}

static void no_memory_is_told(void **state)
{
    (void)state;
    size_t at;
    struct cli_words words;
    heap_fail_install();
    cli_words_init(&words);
    heap_fail_at(1, 0);
    assert_int_equal(cli_words_split(&words, CDX_STR("get /img"), &at), CDX_NO_MEMORY);
    assert_int_equal(cli_words_split(&words, CDX_STR("get /img"), &at), CDX_OK);
    cli_words_free(&words);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_like_a_shell_does),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(any_word_can_be_quoted),
        cmocka_unit_test(any_line_is_judged_without_reading_beyond_it),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
