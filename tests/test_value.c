/* SPDX-License-Identifier: Apache-2.0 */
/* Typed values: what is read, what is refused, and that written values read back. */
#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    enum value_type type;
    const char *text;
    bool good;
    uint64_t value;
} cases[] = {
    {VALUE_COUNT, "0", true, 0},
    {VALUE_COUNT, "42", true, 42},
    {VALUE_COUNT, "007", true, 7},
    {VALUE_COUNT, "18446744073709551615", true, UINT64_MAX},
    {VALUE_COUNT, "18446744073709551616", false, 0},
    {VALUE_COUNT, "99999999999999999999999", false, 0},
    {VALUE_COUNT, "", false, 0},
    {VALUE_COUNT, "-1", false, 0},
    {VALUE_COUNT, "+1", false, 0},
    {VALUE_COUNT, " 1", false, 0},
    {VALUE_COUNT, "1x", false, 0},
    {VALUE_COUNT, "0x10", false, 0},
    {VALUE_COUNT, "1.5", false, 0},
    {VALUE_COUNT, "1KiB", false, 0},
    {VALUE_SIZE, "0", true, 0},
    {VALUE_SIZE, "512", true, 512},
    {VALUE_SIZE, "512B", true, 512},
    {VALUE_SIZE, "64KiB", true, 65536},
    {VALUE_SIZE, "64 KiB", true, 65536},
    {VALUE_SIZE, "17MiB", true, 17825792},
    {VALUE_SIZE, "1GiB", true, 1073741824},
    {VALUE_SIZE, "17179869183GiB", true, UINT64_MAX - 1073741823},
    {VALUE_SIZE, "17179869184GiB", false, 0},
    {VALUE_SIZE, "64K", false, 0},
    {VALUE_SIZE, "64kib", false, 0},
    {VALUE_SIZE, "64KB", false, 0},
    {VALUE_SIZE, "64KiBs", false, 0},
    {VALUE_SIZE, "KiB", false, 0},
    {VALUE_SIZE, "1s", false, 0},
    {VALUE_DURATION, "0ms", true, 0},
    {VALUE_DURATION, "250ms", true, 250},
    {VALUE_DURATION, "30s", true, 30000},
    {VALUE_DURATION, "30 s", true, 30000},
    {VALUE_DURATION, "5min", true, 300000},
    {VALUE_DURATION, "2h", true, 7200000},
    {VALUE_DURATION, "30", false, 0},
    {VALUE_DURATION, "5m", false, 0},
    {VALUE_DURATION, "1d", false, 0},
    {VALUE_DURATION, "1.5s", false, 0},
    {VALUE_DURATION, "18446744073709551615s", false, 0},
    {VALUE_SECONDS, "1s", true, 1},
    {VALUE_SECONDS, "2min", true, 120},
    {VALUE_SECONDS, "1h", true, 3600},
    {VALUE_SECONDS, "500ms", false, 0},
    {VALUE_SECONDS, "60", false, 0},
    {VALUE_BOOL, "yes", true, 1},
    {VALUE_BOOL, "no", true, 0},
    {VALUE_BOOL, "true", true, 1},
    {VALUE_BOOL, "false", true, 0},
    {VALUE_BOOL, "on", true, 1},
    {VALUE_BOOL, "off", true, 0},
    {VALUE_BOOL, "Yes", false, 0},
    {VALUE_BOOL, "1", false, 0},
    {VALUE_BOOL, "", false, 0},
};

static void each_text_is_read_or_refused(void **state)
{
    const uint64_t untouched = 4711;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t value = untouched;
        bool good = value_parse(cases[i].type, cases[i].text, &value);

        if (good != cases[i].good || value != (good ? cases[i].value : untouched))
            fail_msg("type %d '%s': %s %llu", cases[i].type, cases[i].text,
                     good ? "read" : "refused", (unsigned long long)value);
    }
}

static void written_values_read_back(void **state)
{
    static const uint64_t values[] = {0,    1,       60,      999,        1000,      1023,
                                      1024, 1048576, 3600000, 1073741825, UINT64_MAX};

    (void)state;
    for (enum value_type type = VALUE_COUNT; type < VALUE_BOOL; type++) {
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            char text[VALUE_TEXT_NBYTES];
            uint64_t value = 0;

            value_format(type, values[i], text);
            assert_true(value_parse(type, text, &value));
            assert_true(value == values[i]);
        }
    }
}

static void values_are_written_with_the_largest_unit(void **state)
{
    static const struct {
        enum value_type type;
        uint64_t value;
        const char *text;
    } written[] = {
        {VALUE_COUNT, 1024, "1024"},     {VALUE_SIZE, 1023, "1023B"},
        {VALUE_SIZE, 1024, "1KiB"},      {VALUE_SIZE, 0, "0B"},
        {VALUE_SIZE, 3u << 20, "3MiB"},  {VALUE_SIZE, 1u << 30, "1GiB"},
        {VALUE_DURATION, 0, "0ms"},      {VALUE_DURATION, 1500, "1500ms"},
        {VALUE_DURATION, 90000, "90s"},  {VALUE_DURATION, 60000, "1min"},
        {VALUE_DURATION, 3600000, "1h"}, {VALUE_SECONDS, 0, "0s"},
        {VALUE_SECONDS, 60, "1min"},     {VALUE_BOOL, 0, "no"},
        {VALUE_BOOL, 1, "yes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(written); i++) {
        char text[VALUE_TEXT_NBYTES];

        value_format(written[i].type, written[i].value, text);
        assert_string_equal(text, written[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_read_or_refused),
        cmocka_unit_test(written_values_read_back),
        cmocka_unit_test(values_are_written_with_the_largest_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
