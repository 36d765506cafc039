/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the command line's byte buffer. */
#include "cli_buf.h"

#include "heap_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void appends_are_kept_in_order(void **state)
{
    (void)state;
    struct cli_buf buf;
    cli_buf_init(&buf);
    for (unsigned i = 0; i < 1000; i++) {
        cli_buf_byte(&buf, 'a');
        cli_buf_text(&buf, "bc");
        cli_buf_printf(&buf, "%u", i % 10);
        cli_buf_u64(&buf, UINT64_MAX);
        cli_buf_add(&buf, NULL, 0);
        assert_null(cli_buf_check(&buf));
    }
    assert_int_equal(buf.len, 1000 * 24);
    for (unsigned i = 0; i < 1000; i++) {
        char expected[25];
        snprintf(expected, sizeof expected, "abc%u18446744073709551615", i % 10);
        assert_memory_equal(buf.data + (size_t)i * 24, expected, 24);
    }
    cli_buf_free(&buf);
}

static void numbers_are_decimal(void **state)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, 99, 100, 1234567890, UINT64_MAX};
    (void)state;
    struct cli_buf buf;
    cli_buf_init(&buf);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char expected[24];
        cli_buf_clear(&buf);
        cli_buf_u64(&buf, numbers[i]);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
        assert_true(cdx_bytes_equal(cli_buf_bytes(&buf), cdx_cstr(expected)));
    }
    cli_buf_free(&buf);
}

static void shift_removes_the_front(void **state)
{
    (void)state;
    struct cli_buf buf;
    cli_buf_init(&buf);
    cli_buf_shift(&buf, 0);
    cli_buf_text(&buf, "abcdef");
    cli_buf_shift(&buf, 2);
    assert_true(cdx_bytes_equal(cli_buf_bytes(&buf), CDX_STR("cdef")));
    cli_buf_shift(&buf, 4);
    assert_int_equal(buf.len, 0);
    cli_buf_free(&buf);
}

static void failure_is_sticky_until_cleared(void **state)
{
    (void)state;
    struct cli_buf buf;
    heap_fail_install();
    cli_buf_init(&buf);
    cli_buf_text(&buf, "kept");
    heap_fail_at(1, 0);
    assert_null(cli_buf_reserve(&buf, 100000));
    assert_true(buf.failed);
    cli_buf_text(&buf, "ignored");
    cli_buf_byte(&buf, 'x');
    cli_buf_printf(&buf, "%d", 1);
    assert_true(cdx_bytes_equal(cli_buf_bytes(&buf), CDX_STR("kept")));
    assert_null(cli_buf_check(&buf));
    cli_buf_clear(&buf);
    cli_buf_text(&buf, "again");
    assert_true(cdx_bytes_equal(cli_buf_bytes(&buf), CDX_STR("again")));
    cli_buf_free(&buf);
    heap_fail_remove();
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    struct cli_buf buf;
    cli_buf_init(&buf);
    cli_buf_text(&buf, "abc");
    assert_null(cli_buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    cli_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_are_kept_in_order),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(shift_removes_the_front),
        cmocka_unit_test(failure_is_sticky_until_cleared),
        cmocka_unit_test(impossible_sizes_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
