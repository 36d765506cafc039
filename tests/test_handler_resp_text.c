/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, patterns and inline commands are taken as Redis takes them. */
#include "handler_resp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_are_decimal_and_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"a", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t number = 42;
        bool valid = handler_resp_text_number(cdx_cstr(cases[i].text), &number);
        if (valid != cases[i].valid)
            print_error("\"%s\"\n", cases[i].text);
        assert_int_equal(valid, cases[i].valid);
        assert_true(number == (valid ? cases[i].number : 42));
    }
}

static void digits_are_read_back_as_the_number(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 4096, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char digits[RESP_NUMBER_NBYTES_MAX];
        int64_t number;
        size_t n = handler_resp_text_digits(numbers[i], digits);
        assert_true(handler_resp_text_number(cdx_bytes_of(digits, n), &number));
        assert_true(number == numbers[i]);
    }
}

static void words_are_known_in_any_case(void **state)
{
    (void)state;
    assert_true(handler_resp_text_is(CDX_STR("GeT"), "get"));
    assert_false(handler_resp_text_is(CDX_STR("ge"), "get"));
    assert_false(handler_resp_text_is(CDX_STR("gets"), "get"));
    assert_false(handler_resp_text_is(CDX_STR("get\0"), "get"));
    assert_true(handler_resp_text_is(CDX_STR(""), ""));
}

static void patterns_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"*b", "abc", false},
        {"a*c*", "abcd", true},
        {"a**c", "abbc", true},
        {"*ab*ab", "abxaab", true},
        {"*aab", "aaab", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"?", "", false},
        {"h[ae]llo", "hello", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-b]llo", "hbllo", true},
        {"h[b-a]llo", "hallo", true},
        {"h[a-b]llo", "hcllo", false},
        {"[\\]]", "]", true},
        {"[a", "a", true},
        {"[", "[", false},
        {"[]", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"*[0-9]x", "a1b2x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t steps = 0;
        bool matches =
            handler_resp_text_matches(cdx_cstr(cases[i].pattern), cdx_cstr(cases[i].text), &steps);
        if (matches != cases[i].matches)
            print_error("\"%s\" against \"%s\"\n", cases[i].pattern, cases[i].text);
        assert_int_equal(matches, cases[i].matches);
    }
}

static void no_pattern_takes_more_steps_than_the_product_of_the_lengths(void **state)
{
    (void)state;
    enum { PATTERN = 200, TEXT = 2000 };
    static char pattern[PATTERN], text[TEXT];
    for (size_t i = 0; i < PATTERN; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[PATTERN - 1] = 'b';
    memset(text, 'a', TEXT);
    uint64_t steps = 0;
    assert_false(handler_resp_text_matches(cdx_bytes_of(pattern, PATTERN), cdx_bytes_of(text, TEXT),
                                           &steps));
    assert_true(steps <= 2u * PATTERN * TEXT);
}

static void the_literal_beginning_of_a_pattern_is_known(void **state)
{
    (void)state;
    assert_int_equal(handler_resp_text_literal(CDX_STR("/img/*")), 5);
    assert_int_equal(handler_resp_text_literal(CDX_STR("abc")), 3);
    assert_int_equal(handler_resp_text_literal(CDX_STR("a\\*")), 1);
    assert_int_equal(handler_resp_text_literal(CDX_STR("[a]")), 0);
    assert_int_equal(handler_resp_text_literal(CDX_STR("")), 0);
}

static void inline_commands_are_split_into_words(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *words; /* each in brackets; NULL: quotes are not balanced */
    } cases[] = {
        {"", ""},
        {"  \t ", ""},
        {"PING", "[PING]"},
        {"  SET  a   b ", "[SET][a][b]"},
        {"ECHO \"a b\"", "[ECHO][a b]"},
        {"ECHO \"\"", "[ECHO][]"},
        {"ECHO ''", "[ECHO][]"},
        {"ECHO 'a\"b'", "[ECHO][a\"b]"},
        {"ECHO 'a\\'b'", "[ECHO][a'b]"},
        {"ECHO 'a\\nb'", "[ECHO][a\\nb]"},
        {"ECHO \"\\x41\\x4A\\xzz\"", "[ECHO][AJxzz]"},
        {"ECHO \"\\q\\\"\\\\\"", "[ECHO][q\"\\]"},
        {"ECHO \"\\t\"", "[ECHO][\t]"},
        {"ECHO a\"b c\"", "[ECHO][ab c]"},
        {"a\\b", "[a\\b]"},
        {"ECHO \"abc", NULL},
        {"ECHO 'abc", NULL},
        {"ECHO \"abc\\\"", NULL},
        {"ECHO \"a\"b", NULL},
        {"ECHO 'a'b", NULL},
        {"ECHO \"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cdx_bytes line = cdx_cstr(cases[i].line);
        uint8_t *room = malloc(line.len != 0 ? line.len : 1);
        struct cdx_bytes *words = malloc((line.len / 2 + 1) * sizeof *words);
        char text[128] = "";
        size_t count;
        bool split = handler_resp_text_split(line, room, words, &count);
        for (size_t w = 0; split && w < count; w++) {
            size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "[%.*s]", (int)words[w].len,
                     (const char *)words[w].data);
        }
        assert_int_equal(split, cases[i].words != NULL);
        if (split)
            assert_string_equal(text, cases[i].words);
        free(words);
        free(room);
    }
}

static void an_inline_command_ends_at_a_nul(void **state)
{
    (void)state;
    uint8_t room[8];
    struct cdx_bytes words[4];
    size_t count;
    assert_true(handler_resp_text_split(CDX_STR("a\0b c"), room, words, &count));
    assert_int_equal(count, 1);
    assert_int_equal(words[0].len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_and_fit),
        cmocka_unit_test(digits_are_read_back_as_the_number),
        cmocka_unit_test(words_are_known_in_any_case),
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(no_pattern_takes_more_steps_than_the_product_of_the_lengths),
        cmocka_unit_test(the_literal_beginning_of_a_pattern_is_known),
        cmocka_unit_test(inline_commands_are_split_into_words),
        cmocka_unit_test(an_inline_command_ends_at_a_nul),
    };
    return cmocka_run_group_tests_name("handler_resp_text", tests, NULL, NULL);
}
