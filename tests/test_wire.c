/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the runtime under generated parsers and encoders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "heap_fail.h"
#include <caudex/window.h>

static void numbers_are_read_as_they_were_written_at_any_alignment(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        uint8_t b[16] = {0};
        cdx_store_be16(b + at, 0x0102);
        assert_memory_equal(b + at, "\x01\x02\x00", 3);
        assert_int_equal(cdx_load_be16(b + at), 0x0102);
        assert_int_equal(cdx_load_le16(b + at), 0x0201);
        cdx_store_be32(b + at, 0x01020304);
        assert_memory_equal(b + at, "\x01\x02\x03\x04\x00", 5);
        assert_int_equal(cdx_load_be32(b + at), 0x01020304);
        assert_int_equal(cdx_load_le32(b + at), 0x04030201);
        cdx_store_be64(b + at, UINT64_C(0x0102030405060708));
        assert_memory_equal(b + at, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
        assert_int_equal(cdx_load_be64(b + at), UINT64_C(0x0102030405060708));
        assert_int_equal(cdx_load_le64(b + at), UINT64_C(0x0807060504030201));
        cdx_store_le16(b + at, 0x0102);
        assert_memory_equal(b + at, "\x02\x01\x03", 3);
        cdx_store_le32(b + at, 0x01020304);
        assert_memory_equal(b + at, "\x04\x03\x02\x01\x05", 5);
        cdx_store_le64(b + at, UINT64_C(0x0102030405060708));
        assert_memory_equal(b + at, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
        cdx_store_u8(b + at, 0xfe);
        assert_int_equal(cdx_load_u8(b + at), 0xfe);
    }
}

static void put_copies_and_a_null_view_leaves_its_room(void **state)
{
    (void)state;
    uint8_t b[] = "......";
    assert_ptr_equal(cdx_put(b, CDX_STR("ab")), b + 2);
    assert_ptr_equal(cdx_put(b + 2, cdx_bytes_of(NULL, 2)), b + 4);
    assert_ptr_equal(cdx_put(b + 4, cdx_empty()), b + 4);
    assert_string_equal((char *)b, "ab....");
}

static void decimal_numbers_have_as_many_digits_as_they_need(void **state)
{
    (void)state;
    for (uint64_t power = 1; power != 0; power = power > UINT64_MAX / 10 ? 0 : power * 10) {
        const uint64_t around[] = {power - 1, power, power + 1, UINT64_MAX - power + 1};
        for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
            for (int is_negative = 0; is_negative < 2; is_negative++) {
                char expected[22];
                uint8_t b[22] = {0};
                size_t n = (size_t)snprintf(expected, sizeof expected, "%s%" PRIu64,
                                            is_negative ? "-" : "", around[i]);
                assert_int_equal(cdx_decimal_size(around[i], is_negative), n);
                assert_ptr_equal(cdx_put_decimal(b, around[i], is_negative), b + n);
                assert_string_equal((char *)b, expected);
            }
        }
    }
}

static void a_text_may_not_hold_its_end_nor_begin_one_that_its_end_completes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *end;
        bool may;
    } cases[] = {
        {"", "\r\n", true},        {"a\rb\n", "\r\n", true}, {"ab\r", "\r\n", true},
        {"a\r\nb", "\r\n", false}, {"\r\n", "\r\n", false},  {"\r\r\n", "\r\n", false},
        {"a\n", "\n", false},      {"x-", "--", false},      {"x-y", "--", true},
        {"xab", "abab", false},    {"xaba", "abab", true},   {"abxab", "abab", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(
            cdx_text_may_end(cdx_cstr(cases[i].text), cases[i].end, strlen(cases[i].end)),
            cases[i].may);
    assert_true(cdx_text_may_end(cdx_empty(), "\n", 1));
}

static void every_reason_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CDX_REASON_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(cdx_reason_text((enum cdx_reason)i),
                                    cdx_reason_text((enum cdx_reason)j));
    assert_string_equal(cdx_reason_text((enum cdx_reason)CDX_REASON_COUNT), "unknown reason");
    assert_string_equal(cdx_reason_text((enum cdx_reason) - 1), "unknown reason");
}

static void a_length_is_judged_by_its_limits(void **state)
{
    (void)state;
    static const struct {
        uint64_t len, min, span;
        enum cdx_reason reason;
    } cases[] = {
        {0, 0, 0, CDX_REASON_NONE},
        {1, 0, 0, CDX_REASON_UNUSED},
        {0, 0, 10, CDX_REASON_NONE},
        {10, 0, 10, CDX_REASON_NONE},
        {11, 0, 10, CDX_REASON_LONG},
        {4, 5, 10, CDX_REASON_SHORT},
        {5, 5, 10, CDX_REASON_NONE},
        {15, 5, 10, CDX_REASON_NONE},
        {16, 5, 10, CDX_REASON_LONG},
        {UINT64_MAX, 5, 10, CDX_REASON_LONG},
        {0, 1, 0, CDX_REASON_SHORT},
        {1, 1, 0, CDX_REASON_NONE},
        {UINT64_MAX, 0, UINT64_MAX, CDX_REASON_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(cdx_check_length(cases[i].len, cases[i].min, cases[i].span),
                         cases[i].reason);
}

static void a_spill_keeps_what_is_appended_and_at_most_doubles(void **state)
{
    (void)state;
    struct cdx_spill spill;
    cdx_spill_init(&spill);
    assert_null(spill.data);
    for (size_t n = 0; n < 10000; n++) {
        const uint8_t byte = (uint8_t)(n * 7);
        assert_int_equal(spill.len, n);
        if (n % 2 == 0)
            assert_int_equal(cdx_spill_append(&spill, &byte, 1), CDX_OK);
        else
            assert_true(cdx_spill_add(&spill, cdx_bytes_of(&byte, 1)));
        assert_true(spill.cap <= 2 * spill.len || spill.cap == CDX_SPILL_NBYTES_MIN);
    }
    for (size_t n = 0; n < 10000; n++)
        assert_int_equal(spill.data[n], (uint8_t)(n * 7));
    assert_int_equal(cdx_spill_append(&spill, NULL, 0), CDX_OK);
    assert_true(cdx_spill_add(&spill, cdx_empty()));
    assert_int_equal(spill.len, 10000);
    cdx_spill_free(&spill);
    assert_int_equal(spill.cap, 0);
}

static void clearing_a_spill_keeps_little_memory_and_gives_much_back(void **state)
{
    (void)state;
    const uint8_t bytes[600] = {0};
    struct cdx_spill spill;
    cdx_spill_init(&spill);
    assert_int_equal(cdx_spill_append(&spill, bytes, 100), CDX_OK);
    cdx_spill_clear(&spill, CDX_SPILL_NBYTES_MIN);
    assert_int_equal(spill.len, 0);
    assert_int_equal(spill.cap, CDX_SPILL_NBYTES_MIN);
    assert_int_equal(cdx_spill_append(&spill, bytes, 600), CDX_OK);
    cdx_spill_clear(&spill, CDX_SPILL_NBYTES_MIN);
    assert_int_equal(spill.cap, 0);
    assert_null(spill.data);
}

static void a_spill_that_cannot_grow_is_left_as_it_was(void **state)
{
    (void)state;
    heap_fail_install();
    uint8_t bytes[CDX_SPILL_NBYTES_MIN] = {1, 2, 3};
    struct cdx_spill spill;
    cdx_spill_init(&spill);
    heap_fail_at(1, 0);
    assert_int_equal(cdx_spill_append(&spill, bytes, 3), CDX_NO_MEMORY);
    assert_null(spill.data);
    assert_int_equal(cdx_spill_append(&spill, bytes, sizeof bytes), CDX_OK);
    heap_fail_at(1, 0);
    assert_false(cdx_spill_add(&spill, cdx_bytes_of(bytes, 1)));
    assert_int_equal(spill.len, sizeof bytes);
    assert_memory_equal(spill.data, bytes, sizeof bytes);
    assert_int_equal(cdx_spill_append(&spill, bytes, SIZE_MAX), CDX_NO_MEMORY);
    assert_int_equal(cdx_spill_append(&spill, bytes, SIZE_MAX - sizeof bytes), CDX_NO_MEMORY);
    cdx_spill_free(&spill);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_as_they_were_written_at_any_alignment),
        cmocka_unit_test(put_copies_and_a_null_view_leaves_its_room),
        cmocka_unit_test(decimal_numbers_have_as_many_digits_as_they_need),
        cmocka_unit_test(a_text_may_not_hold_its_end_nor_begin_one_that_its_end_completes),
        cmocka_unit_test(every_reason_has_a_text_of_its_own),
        cmocka_unit_test(a_length_is_judged_by_its_limits),
        cmocka_unit_test(a_spill_keeps_what_is_appended_and_at_most_doubles),
        cmocka_unit_test(clearing_a_spill_keeps_little_memory_and_gives_much_back),
        cmocka_unit_test(a_spill_that_cannot_grow_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
