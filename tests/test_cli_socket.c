/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of server addresses as people write them. */
#include "cli_socket.h"

#include "cli_interrupt.h"
#include "cli_progress.h"
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text;
        bool is_unix;
        const char *host, *port;
    } cases[] = {
        {"localhost", false, "localhost", "7117"},
        {"h:1", false, "h", "1"},
        {"127.0.0.1:65535", false, "127.0.0.1", "65535"},
        {"[::1]:80", false, "::1", "80"},
        {"[::1]", false, "::1", "7117"},
        {"::1", false, "::1", "7117"},
        {"fe80::1:2", false, "fe80::1:2", "7117"},
        {"unix:/run/x.sock", true, "/run/x.sock", ""},
        {"unix:x", true, "x", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_address address;
        struct cli_failure failure;
        if (cli_address_parse(cases[i].text, &address, &failure) != CLI_EXIT_DONE)
            fail_msg("'%s' was refused", cases[i].text);
        assert_int_equal(address.is_unix, cases[i].is_unix);
        assert_string_equal(address.host, cases[i].host);
        assert_string_equal(address.port, cases[i].port);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const texts[] = {
        "",     ":7117", "h:",   "h:0",    "h:65536",
        "h:x",  "h:1k",  "h: 1", "[::1",   "[::1]x",
        "[]:1", "unix:", "h:+1", "[::1]:", "h:99999999999999999999"};
    char long_path[200] = "unix:/";
    (void)state;
    memset(long_path + 6, 'x', sizeof long_path - 7);
    for (size_t i = 0; i <= COUNT(texts); i++) {
        const char *text = i < COUNT(texts) ? texts[i] : long_path;
        struct cli_address address;
        struct cli_failure failure;
        if (cli_address_parse(text, &address, &failure) != CLI_EXIT_USAGE)
            fail_msg("'%s' was accepted", text);
        assert_memory_equal(failure.text, "--server: expected HOST, HOST:PORT, [IPV6]:PORT or ",
                            51);
    }
}

static void waiting_ends_by_event_deadline_or_signal(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uint64_t start_ns = cli_now_ns();
    assert_int_equal(cli_wait(ends[0], POLLIN, 0), 0);
    assert_int_equal(cli_wait(ends[0], POLLIN, start_ns + 250000000), 0);
    assert_true(cli_now_ns() >= start_ns + 250000000);
    assert_int_equal(cli_wait(ends[1], POLLOUT, UINT64_MAX), 1);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(cli_wait(ends[0], POLLIN, 0), 1);
    /* A signal that came before the wait ends it too. */
    cli_interrupt_catch();
    raise(SIGINT);
    assert_true(cli_interrupted());
    assert_int_equal(cli_wait(ends[0], POLLIN, UINT64_MAX), -1);
    cli_interrupt_catch();
    assert_false(cli_interrupted());
    cli_interrupt_release();
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(waiting_ends_by_event_deadline_or_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
