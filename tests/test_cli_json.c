/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the JSON writer; jansson is the judge of what is JSON. */
#include "cli_json.h"

#include "cli_text.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void objects_are_exact(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    struct cli_json json = cli_json_begin(&out);
    cli_json_text(&json, "status", "ok");
    cli_json_bytes(&json, "key", CDX_STR("/img"));
    cli_json_bytes(&json, "value", CDX_STR("\xFF\x00"));
    cli_json_u64(&json, "n", UINT64_MAX);
    cli_json_real(&json, "r", 1.5);
    cli_json_bool(&json, "b", true);
    cli_json_array(&json, "list");
    cli_json_object(&json, NULL);
    cli_json_end(&json);
    cli_json_u64(&json, NULL, 7);
    cli_json_end(&json);
    cli_json_object(&json, "o");
    cli_json_bool(&json, "c", false);
    cli_json_end(&json);
    cli_json_end(&json);
    cli_buf_byte(&out, 0);
    assert_string_equal((const char *)out.data,
                        "{\"status\":\"ok\",\"key\":\"/img\",\"value_base64\":\"/wA=\","
                        "\"n\":18446744073709551615,\"r\":1.500,\"b\":true,\"list\":[{},7],"
                        "\"o\":{\"c\":false}}");
    cli_buf_free(&out);
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    cli_json_quote(&out, CDX_STR("\b\t\n\f\r\"\\\x01\x7F"
                                 "é"));
    cli_buf_byte(&out, 0);
    assert_string_equal((const char *)out.data, "\"\\b\\t\\n\\f\\r\\\"\\\\\\u0001\\u007Fé\"");
    cli_buf_free(&out);
}

/* What the member of that name, in either form, stands for. */
static void member_bytes(const json_t *object, const char *name, struct cli_buf *bytes)
{
    char base64_name[32];
    snprintf(base64_name, sizeof base64_name, "%s_base64", name);
    const json_t *text = json_object_get(object, name);
    const json_t *base64 = json_object_get(object, base64_name);
    assert_true((text == NULL) != (base64 == NULL));
    if (text != NULL)
        cli_buf_add(bytes, json_string_value(text), json_string_length(text));
    else
        assert_int_equal(cli_base64_decode(bytes, cdx_bytes_of(json_string_value(base64),
                                                               json_string_length(base64))),
                         CDX_OK);
}

static void any_bytes_are_valid_json_and_read_back(void **state)
{
    (void)state;
    uint32_t seed = 11;
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t bytes[24];
        size_t n = round % (sizeof bytes + 1);
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            /* Half of the rounds are ASCII, so that both forms are taken. */
            bytes[i] = (uint8_t)(seed >> 24) & (round % 2 != 0 ? 0x7F : 0xFF);
        }
        struct cli_buf out = {0};
        struct cli_buf back = {0};
        struct cli_json json = cli_json_begin(&out);
        cli_json_bytes(&json, "key", cdx_bytes_of(bytes, n));
        cli_json_end(&json);
        assert_true(cli_utf8_valid(cli_buf_bytes(&out)));
        json_t *object = json_loadb((const char *)out.data, out.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        member_bytes(object, "key", &back);
        assert_true(cdx_bytes_equal(cli_buf_bytes(&back), cdx_bytes_of(bytes, n)));
        json_decref(object);
        cli_buf_free(&out);
        cli_buf_free(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_exact),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(any_bytes_are_valid_json_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
