/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the history file: where it lies, who may read it, that it comes back. */
#include "cli_history.h"

#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_path(const char *state, const char *home, const char *expected)
{
    struct cli_buf path = {0};
    setenv("XDG_STATE_HOME", state, 1);
    setenv("HOME", home, 1);
    assert_int_equal(cli_history_path(&path), expected != NULL);
    if (expected != NULL)
        assert_string_equal((const char *)path.data, expected);
    cli_buf_free(&path);
}

static void the_place_follows_the_environment(void **state)
{
    (void)state;
    assert_path("/s", "/h", "/s/caudex/history");
    assert_path("", "/h", "/h/.local/state/caudex/history");
    assert_path("relative", "/h", "/h/.local/state/caudex/history");
    assert_path("", "", NULL);
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    struct cli_buf path = {0};
    assert_false(cli_history_path(&path));
    cli_buf_free(&path);
}

static void lines_come_back_and_are_private(void **state)
{
    (void)state;
    char folder[] = "/tmp/caudex-test-XXXXXX";
    char command[64];
    HistEvent event;
    struct stat info;
    struct cli_buf path = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "%s/caudex/history", folder);
    assert_path(folder, "/h", command);
    History *first = history_init();
    history(first, &event, H_SETSIZE, 10);
    history(first, &event, H_ENTER, "put /k 'a b'\n");
    cli_history_save(first);
    history_end(first);
    assert_true(cli_history_path(&path));
    assert_int_equal(stat((const char *)path.data, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    cli_buf_free(&path);

    History *second = history_init();
    history(second, &event, H_SETSIZE, 10);
    cli_history_load(second);
    assert_int_equal(history(second, &event, H_FIRST), 0);
    assert_string_equal(event.str, "put /k 'a b'\n");
    history_end(second);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void no_history_file_is_no_error(void **state)
{
    (void)state;
    HistEvent event;
    setenv("XDG_STATE_HOME", "/proc/nowhere", 1);
    History *empty = history_init();
    history(empty, &event, H_SETSIZE, 10);
    cli_history_load(empty);
    cli_history_save(empty);
    assert_int_equal(history(empty, &event, H_GETSIZE), 0);
    assert_int_equal(event.num, 0);
    history_end(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_follows_the_environment),
        cmocka_unit_test(lines_come_back_and_are_private),
        cmocka_unit_test(no_history_file_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
