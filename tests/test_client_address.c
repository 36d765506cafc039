/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of peers' addresses: what is understood, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client_address.h"

static void addresses_are_understood(void **state)
{
    static const struct {
        const char *text;
        bool is_unix;
        const char *host;
        unsigned port;
        const char *name;
    } cases[] = {
        {"127.0.0.1:7117", false, "127.0.0.1", 7117, "127.0.0.1:7117"},
        {"127.0.0.1", false, "127.0.0.1", 99, "127.0.0.1:99"},
        {"[::1]:7117", false, "::1", 7117, "[::1]:7117"},
        {"[::1]", false, "::1", 99, "[::1]:99"},
        {"localhost:1", false, "localhost", 1, "localhost:1"},
        {"localhost:65535", false, "localhost", 65535, "localhost:65535"},
        {"localhost", false, "localhost", 99, "localhost:99"},
        {"unix:/run/x", true, "/run/x", 99, "unix:/run/x"},
        {"unix:x:1", true, "x:1", 99, "unix:x:1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cdx__address a;
        assert_null(cdx__address_parse(cases[i].text, 99, &a));
        assert_int_equal(a.is_unix, cases[i].is_unix);
        assert_string_equal(a.host, cases[i].host);
        assert_int_equal(a.port, cases[i].port);
        assert_string_equal(a.name, cases[i].name);
    }
}

#define FORM "expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH"
#define PORT "expected a port from 1 to 65535 after the last ':'"
#define BRACKETS "expected brackets around an IPv6 address, as in [::1]:7117"
#define HOST "expected a host name of at most 253 bytes"
#define PATH "expected a path of at most 107 bytes after 'unix:'"

static void what_is_no_address_is_told_what_is_expected(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", FORM},           {":7117", FORM},        {"[]:7117", FORM},
        {"[::1", FORM},       {"[::1]7117", FORM},    {"host:", PORT},
        {"host:0", PORT},     {"host:65536", PORT},   {"host:070000", PORT},
        {"host:7117x", PORT}, {"host:-1", PORT},      {"host: 1", PORT},
        {"::1", BRACKETS},    {"::1:7117", BRACKETS}, {"a:b:c", BRACKETS},
        {"unix:", PATH},      {"[::1]:x", PORT},
    };
    struct cdx__address untouched = {.port = 5};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *said = cdx__address_parse(cases[i].text, 99, &untouched);
        assert_non_null(said);
        assert_string_equal(said, cases[i].expected);
    }
    assert_int_equal(untouched.port, 5);
}

static void too_long_names_are_refused_and_the_longest_taken(void **state)
{
    char text[400] = "unix:";
    struct cdx__address a;
    (void)state;
    memset(text + 5, 'x', 107);
    assert_null(cdx__address_parse(text, 1, &a));
    assert_int_equal(strlen(a.host), 107);
    text[112] = 'x';
    assert_string_equal(cdx__address_parse(text, 1, &a), PATH);
    memset(text, 'h', sizeof text - 1);
    text[CDX__HOST_NBYTES_MAX] = '\0';
    assert_string_equal(cdx__address_parse(text, 1, &a), HOST);
    text[CDX__HOST_NBYTES_MAX - 1] = '\0';
    assert_null(cdx__address_parse(text, 65535, &a));
    assert_int_equal(strlen(a.name), CDX__HOST_NBYTES_MAX - 1 + strlen(":65535"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_understood),
        cmocka_unit_test(what_is_no_address_is_told_what_is_expected),
        cmocka_unit_test(too_long_names_are_refused_and_the_longest_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
