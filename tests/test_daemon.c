/* SPDX-License-Identifier: Apache-2.0 */
/* Detaching: what the waiting command prints and returns, and what the server is then. */
#include "daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char printed[2 * DAEMON_TEXT_NBYTES_MAX];

/* Runs `server` detached, as the command `caudexd` does; returns that command's exit code. */
static int command(void (*server)(int report_fd))
{
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int report_fd;

        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (daemon_detach(&report_fd) == CDX_OK)
            server(report_fd);
        _exit(77); /* never seen: the command ended in daemon_detach() */
    }
    close(ends[1]);
    while ((n = read(ends[0], printed + len, sizeof printed - 1 - len)) > 0)
        len += (size_t)n;
    printed[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void run(int report_fd)
{
    daemon_report_running(report_fd);
}

static void fail_to_bind(int report_fd)
{
    daemon_report_failure(report_fd, 1, "caudexd: address in use\n");
}

static void fail_with_two(int report_fd)
{
    daemon_report_failure(report_fd, 2, "");
}

static void fail_at_length(int report_fd)
{
    static char text[2 * DAEMON_TEXT_NBYTES_MAX];

    memset(text, 'x', sizeof text - 1);
    daemon_report_failure(report_fd, 1, text);
}

static void die(int report_fd)
{
    (void)report_fd;
    kill(getpid(), SIGKILL);
}

/* Detached: in a session that it does not lead, and in /. */
static void look_around(int report_fd)
{
    char directory[16] = "", text[64];

    snprintf(text, sizeof text, "%s %s\n", getsid(0) == getpid() ? "leads" : "does not lead",
             getcwd(directory, sizeof directory));
    daemon_report_failure(report_fd, 3, text);
}

static void a_server_that_runs_means_success(void **state)
{
    (void)state;
    assert_int_equal(command(run), 0);
    assert_string_equal(printed, "");
}

static void a_server_that_fails_passes_on_its_text_and_code(void **state)
{
    (void)state;
    assert_int_equal(command(fail_to_bind), 1);
    assert_string_equal(printed, "caudexd: address in use\n");
    assert_int_equal(command(fail_with_two), 2);
    assert_string_equal(printed, "");
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    assert_int_equal(command(fail_at_length), 1);
    assert_int_equal(strlen(printed), DAEMON_TEXT_NBYTES_MAX);
}

static void a_server_that_dies_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(command(die), 1);
    assert_string_equal(printed, "caudexd: the server died before it was ready\n");
}

static void the_server_is_detached(void **state)
{
    (void)state;
    assert_int_equal(command(look_around), 3);
    assert_string_equal(printed, "does not lead /\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_runs_means_success),
        cmocka_unit_test(a_server_that_fails_passes_on_its_text_and_code),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(a_server_that_dies_is_a_failure),
        cmocka_unit_test(the_server_is_detached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
