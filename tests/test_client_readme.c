/* SPDX-License-Identifier: Apache-2.0 */
/* The README's program does what the README says. Its text is taken out of README.md by the build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_server.h"

static const char *readme_address; /* stands where the README has its server's address */

int readme_main(void);
#define main readme_main
#include "readme_example.h"
#undef main

/* Runs the program with its standard output in `said`. */
static int run_example(char *said, size_t nbytes)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stdout);
    const int before = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    const int code = readme_main();
    (void)fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    (void)close(before);
    rewind(file);
    const size_t n = fread(said, 1, nbytes - 1, file);
    said[n] = '\0';
    (void)fclose(file);
    return code;
}

static void the_readme_program_prints_what_is_matched(void **state)
{
    struct fake_server server;
    char said[100];
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    readme_address = server.address;
    assert_int_equal(run_example(said, sizeof said), 0);
    fake_server_stop(&server);
    assert_string_equal(said, "/img = cdn-a\n");
    assert_int_equal(server.requests, 2);
}

static void the_readme_program_fails_without_a_server(void **state)
{
    char said[100];
    (void)state;
    readme_address = "unix:/nonexistent/s";
    assert_int_equal(run_example(said, sizeof said), 1);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readme_program_prints_what_is_matched),
        cmocka_unit_test(the_readme_program_fails_without_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
