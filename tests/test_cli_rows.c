/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of load and dump rows: what is written reads back; what is wrong is told. */
#include "cli_rows.h"

#include "cli_text.h"
#include "guard.h"
#include "heap_fail.h"
#include <caudex/kv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static void good_lines_are_read(void **state)
{
    static const struct {
        enum cli_format format;
        const char *line;
        struct cdx_bytes key, value;
    } cases[] = {
        {CLI_FORMAT_TSV, "/img\tcdn-a", BYTES("/img"), BYTES("cdn-a")},
        {CLI_FORMAT_TSV, "\t", BYTES(""), BYTES("")},
        {CLI_FORMAT_TSV, "a\\tb\tc\\nd\\\\\\x00", BYTES("a\tb"), BYTES("c\nd\\\0")},
        {CLI_FORMAT_TSV, "k\tv\r", BYTES("k"), BYTES("v\r")},
        {CLI_FORMAT_JSON, "{\"key\":\"/a\",\"value\":\"b\"}", BYTES("/a"), BYTES("b")},
        {CLI_FORMAT_JSON, " { \"value\" : \"\\u00e9\\u0000\" , \"key\" : \"\" } ", BYTES(""),
         BYTES("\xC3\xA9\0")},
        {CLI_FORMAT_JSON, "{\"key_base64\":\"/wA=\",\"value_base64\":\"\",\"revision\":7}",
         BYTES("\xFF\0"), BYTES("")},
        {CLI_FORMAT_KEYS, "/a\\tb\tc", BYTES("/a\\tb\tc"), BYTES("V")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_rows rows;
        struct cli_failure failure;
        struct cdx_bytes key;
        struct cdx_bytes value;
        cli_rows_init(&rows, cases[i].format, CDX_STR("V"));
        assert_int_equal(cli_rows_read(&rows, cdx_cstr(cases[i].line), &key, &value, &failure),
                         CDX_OK);
        assert_true(cdx_bytes_equal(key, cases[i].key));
        assert_true(cdx_bytes_equal(value, cases[i].value));
        cli_rows_free(&rows);
    }
}

static void bad_lines_are_told_exactly(void **state)
{
    static const struct {
        enum cli_format format;
        const char *line;
        const char *text;
    } cases[] = {
        {CLI_FORMAT_TSV, "/img cdn-a",
         "expected KEY, a tab, VALUE; found no tab in '/img cdn-a' (plain keys: --keys)"},
        {CLI_FORMAT_TSV, "a\tb\tc",
         "expected one tab, found a second (a tab in a value is written \\t)"},
        {CLI_FORMAT_TSV, "a\\q\tb",
         "the key has a wrong escape '\\\\q' at its byte 2: expected \\t, \\n, \\r, \\\\ or \\xNN "
         "after a backslash"},
        {CLI_FORMAT_TSV, "a\tb\\x1",
         "the value has a wrong escape '\\\\x1' at its byte 2: expected \\t, \\n, \\r, \\\\ or "
         "\\xNN after a backslash"},
        {CLI_FORMAT_JSON, "[1]", "expected a JSON object"},
        {CLI_FORMAT_JSON, "{\"key\":\"a\"}",
         "expected one member \"value\" or \"value_base64\", found neither"},
        {CLI_FORMAT_JSON, "{\"key\":\"a\",\"key_base64\":\"\",\"value\":\"b\"}",
         "expected one member \"key\" or \"key_base64\", found both"},
        {CLI_FORMAT_JSON, "{\"key\":1,\"value\":\"b\"}", "\"key\": expected a string"},
        {CLI_FORMAT_JSON, "{\"key\":\"a\",\"value_base64\":\"b\"}",
         "\"value_base64\": expected base64 (RFC 4648, with padding)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_rows rows;
        struct cli_failure failure;
        struct cdx_bytes key;
        struct cdx_bytes value;
        cli_rows_init(&rows, cases[i].format, cdx_empty());
        assert_int_equal(cli_rows_read(&rows, cdx_cstr(cases[i].line), &key, &value, &failure),
                         CDX_INVALID);
        assert_string_equal(failure.text, cases[i].text);
        assert_int_equal(failure.exit, CLI_EXIT_LOCAL);
        cli_rows_free(&rows);
    }
}

static void what_is_not_json_is_told_with_its_place(void **state)
{
    static const char *const lines[] = {
        "{\"key\":\"a\",\"value\":",
        "{\"key\":\"a\"}}",
        "{'key':1}",
        "nothing",
        "{\"key\":\"\xFF\",\"value\":\"\"}",
        "{\"key\":\"a\",\"key\":\"b\",\"value\":\"\"}",
        "{\"key\":\"\\ud800\",\"value\":\"\"}",
    };
    (void)state;
    struct cli_rows rows;
    cli_rows_init(&rows, CLI_FORMAT_JSON, cdx_empty());
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct cli_failure failure;
        struct cdx_bytes key;
        struct cdx_bytes value;
        assert_int_equal(cli_rows_read(&rows, cdx_cstr(lines[i]), &key, &value, &failure),
                         CDX_INVALID);
        assert_memory_equal(failure.text, "not JSON, at byte ", 18);
        assert_true(cli_utf8_valid(cdx_cstr(failure.text)));
    }
    cli_rows_free(&rows);
}

static void the_protocols_limits_hold(void **state)
{
    (void)state;
    struct cli_rows rows;
    struct cli_failure failure;
    struct cdx_bytes key;
    struct cdx_bytes value;
    char line[KV_PATH_NBYTES_MAX + 2];
    memset(line, 'k', sizeof line);
    cli_rows_init(&rows, CLI_FORMAT_KEYS, cdx_empty());
    assert_int_equal(
        cli_rows_read(&rows, cdx_bytes_of(line, KV_PATH_NBYTES_MAX), &key, &value, &failure),
        CDX_OK);
    assert_int_equal(
        cli_rows_read(&rows, cdx_bytes_of(line, KV_PATH_NBYTES_MAX + 1), &key, &value, &failure),
        CDX_INVALID);
    assert_string_equal(failure.text, "the key has 4097 bytes, the limit is 4096");
    cli_rows_free(&rows);
}

static void rows_read_back_as_the_same_bytes(void **state)
{
    (void)state;
    uint32_t seed = 9;
    struct guard guard = guard_open(1024);
    for (unsigned round = 0; round < 20000; round++) {
        enum cli_format format = round % 2 != 0 ? CLI_FORMAT_TSV : CLI_FORMAT_JSON;
        uint8_t bytes[2][16];
        size_t n[2];
        for (size_t part = 0; part < 2; part++) {
            seed = seed * 1664525u + 1013904223u;
            n[part] = (seed >> 8) % (sizeof bytes[0] + 1);
            for (size_t i = 0; i < n[part]; i++) {
                seed = seed * 1664525u + 1013904223u;
                bytes[part][i] = (uint8_t)(seed >> 24) & (round % 3 != 0 ? 0x7F : 0xFF);
            }
        }
        struct cli_buf line = {0};
        struct cli_rows rows;
        struct cli_failure failure;
        struct cdx_bytes key;
        struct cdx_bytes value;
        cli_rows_write(&line, format, cdx_bytes_of(bytes[0], n[0]), cdx_bytes_of(bytes[1], n[1]));
        assert_int_equal(line.data[line.len - 1], '\n');
        assert_null(memchr(line.data, '\n', line.len - 1));
        assert_true(cli_utf8_valid(cli_buf_bytes(&line)));
        const uint8_t *placed = guard_place(&guard, line.data, line.len - 1);
        cli_rows_init(&rows, format, cdx_empty());
        assert_int_equal(
            cli_rows_read(&rows, cdx_bytes_of(placed, line.len - 1), &key, &value, &failure),
            CDX_OK);
        assert_true(cdx_bytes_equal(key, cdx_bytes_of(bytes[0], n[0])));
        assert_true(cdx_bytes_equal(value, cdx_bytes_of(bytes[1], n[1])));
        cli_rows_free(&rows);
        cli_buf_free(&line);
    }
    guard_close(&guard);
}

static void every_failing_allocation_is_told(void **state)
{
    static const struct {
        enum cli_format format;
        const char *line;
    } cases[] = {{CLI_FORMAT_TSV, "a\\tb\tc\\td"},
                 {CLI_FORMAT_JSON, "{\"key\":\"a\",\"value_base64\":\"AAAA\"}"}};
    (void)state;
    heap_fail_install();
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t n = 1;; n++) {
            struct cli_rows rows;
            struct cli_failure failure;
            struct cdx_bytes key;
            struct cdx_bytes value;
            cli_rows_init(&rows, cases[i].format, cdx_empty());
            heap_fail_at(n, 0);
            enum cdx_status status =
                cli_rows_read(&rows, cdx_cstr(cases[i].line), &key, &value, &failure);
            bool happened = heap_fail_happened() != 0;
            heap_fail_at(0, 0);
            cli_rows_free(&rows);
            assert_int_equal(heap_fail_blocks(), 0);
            assert_int_equal(status, happened ? CDX_NO_MEMORY : CDX_OK);
            if (!happened)
                break;
        }
    }
    heap_fail_remove();
}

static void names_tell_the_format(void **state)
{
    static const struct {
        const char *name;
        bool tells;
        enum cli_format format;
    } cases[] = {
        {"a.tsv", true, CLI_FORMAT_TSV},
        {"a.json", true, CLI_FORMAT_JSON},
        {"a.b.jsonl", true, CLI_FORMAT_JSON},
        {"x.ndjson", true, CLI_FORMAT_JSON},
        {"a.txt", false, 0},
        {".tsv", false, 0},
        {"tsv", false, 0},
        {"-", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum cli_format format = 0;
        assert_int_equal(cli_format_of_name(cases[i].name, &format), cases[i].tells);
        assert_int_equal(format, cases[i].format);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_read),
        cmocka_unit_test(bad_lines_are_told_exactly),
        cmocka_unit_test(what_is_not_json_is_told_with_its_place),
        cmocka_unit_test(the_protocols_limits_hold),
        cmocka_unit_test(rows_read_back_as_the_same_bytes),
        cmocka_unit_test(every_failing_allocation_is_told),
        cmocka_unit_test(names_tell_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
