/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of what commands print, and of the colours. */
#include "cli_out.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An output into a pipe, whose other end is read back. */
static void with_pipe(struct cli_out *out, int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    cli_out_init(out, ends[1]);
    assert_false(out->terminal);
}

static void assert_printed(struct cli_out *out, int ends[2], const char *expected)
{
    char text[512] = "";
    struct cli_failure failure;
    assert_int_equal(cli_out_flush(out, &failure), CLI_EXIT_DONE);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    assert_string_equal(text, expected);
}

static void rows_are_escaped_unless_raw(void **state)
{
    (void)state;
    int ends[2];
    struct cli_out out;
    with_pipe(&out, ends);
    cli_out_row(&out, CDX_STR("/a\tb"), CDX_STR("\\\xFF"));
    cli_out_field(&out, "name", "text");
    assert_printed(&out, ends, "/a\\tb\t\\\\\\xFF\nname\ttext\n");
    out.raw = true;
    cli_out_row(&out, CDX_STR("/a\tb"), CDX_STR("\\\xFF"));
    assert_printed(&out, ends, "/a\tb\t\\\xFF\n");
    out.raw = false;
    out.json = true;
    cli_out_row(&out, CDX_STR("/a\tb"), CDX_STR("\xFF"));
    assert_printed(&out, ends, "{\"key\":\"/a\\tb\",\"value_base64\":\"/w==\"}\n");
    cli_out_free(&out);
    close(ends[0]);
    close(ends[1]);
}

static void single_values_are_bytes_on_a_pipe_and_a_line_on_a_terminal(void **state)
{
    (void)state;
    int ends[2];
    struct cli_out out;
    with_pipe(&out, ends);
    cli_out_value(&out, CDX_STR("a\n\xFF"));
    assert_printed(&out, ends, "a\n\xFF");
    out.terminal = true;
    cli_out_value(&out, CDX_STR("a\n\xFF"));
    assert_printed(&out, ends, "a\\n\\xFF\n");
    cli_out_free(&out);
    close(ends[0]);
    close(ends[1]);
}

static void keys_are_coloured_and_values_are_not(void **state)
{
    (void)state;
    int ends[2];
    struct cli_out out;
    with_pipe(&out, ends);
    out.colour = true;
    cli_out_row(&out, CDX_STR("k"), CDX_STR("v"));
    cli_out_row(&out, cdx_empty(), CDX_STR("v"));
    assert_printed(&out, ends, "\033[36mk\033[0m\tv\n\tv\n");
    cli_out_free(&out);
    close(ends[0]);
    close(ends[1]);
}

static void colours_are_for_terminals_and_never_with_no_color(void **state)
{
    static const struct {
        const char *when, *no_color;
        bool terminal, wanted;
    } cases[] = {
        {"auto", NULL, true, true}, {"auto", NULL, false, false}, {"auto", "1", true, false},
        {"auto", "", true, true},   {"always", "1", false, true}, {"never", NULL, true, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].no_color != NULL)
            setenv("NO_COLOR", cases[i].no_color, 1);
        else
            unsetenv("NO_COLOR");
        assert_int_equal(cli_colour_wanted(cases[i].when, cases[i].terminal), cases[i].wanted);
    }
    unsetenv("NO_COLOR");
}

static void output_passes_on_when_it_is_much(void **state)
{
    (void)state;
    int ends[2];
    struct cli_out out;
    struct cli_failure failure;
    with_pipe(&out, ends);
    cli_out_value(&out, CDX_STR("little"));
    assert_int_equal(cli_out_pass(&out, &failure), CLI_EXIT_DONE);
    assert_int_equal(out.buf.len, 6);
    cli_out_free(&out);
    close(ends[0]);
    close(ends[1]);
}

static void a_failing_write_is_told(void **state)
{
    (void)state;
    struct cli_out out;
    struct cli_failure failure;
    cli_out_init(&out, 999);
    cli_out_value(&out, CDX_STR("x"));
    assert_int_equal(cli_out_flush(&out, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "standard output: Bad file descriptor");
    out.buf.failed = true;
    assert_int_equal(cli_out_flush(&out, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "out of memory");
    cli_out_free(&out);
}

static void a_reader_that_has_gone_ends_the_process_silently(void **state)
{
    (void)state;
    int ends[2];
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]); /* before the fork: a reader left in either process takes the bytes */
    pid_t child = fork();
    if (child == 0) {
        struct cli_out out;
        struct cli_failure failure;
        signal(SIGPIPE, SIG_IGN);
        cli_out_init(&out, ends[1]);
        cli_out_value(&out, CDX_STR("x"));
        _exit(cli_out_flush(&out, &failure) == CLI_EXIT_DONE ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_escaped_unless_raw),
        cmocka_unit_test(single_values_are_bytes_on_a_pipe_and_a_line_on_a_terminal),
        cmocka_unit_test(keys_are_coloured_and_values_are_not),
        cmocka_unit_test(colours_are_for_terminals_and_never_with_no_color),
        cmocka_unit_test(output_passes_on_when_it_is_much),
        cmocka_unit_test(a_failing_write_is_told),
        cmocka_unit_test(a_reader_that_has_gone_ends_the_process_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
