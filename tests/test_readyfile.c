/* SPDX-License-Identifier: Apache-2.0 */
/* The ready file: complete or absent. */
#include "readyfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/test_readyfile.XXXXXX";
static char path[64];
static char error[READYFILE_ERROR_NBYTES];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/ready", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static unsigned entries(void)
{
    DIR *dir = opendir(directory);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void it_holds_the_text_and_nothing_is_left_beside_it(void **state)
{
    char text[64] = "";
    FILE *in;

    (void)state;
    assert_int_equal(readyfile_write(path, "old\nold\n", error), CDX_OK);
    assert_int_equal(readyfile_write(path, "new\n", error), CDX_OK);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof text - 1, in), 4);
    fclose(in);
    assert_string_equal(text, "new\n");
    assert_int_equal(entries(), 1);
    readyfile_remove(path);
    assert_int_equal(entries(), 0);
    readyfile_remove(path);
}

static void a_missing_directory_says_so(void **state)
{
    (void)state;
    assert_int_equal(readyfile_write("/nonexistent/ready", "x", error), CDX_SYSTEM);
    assert_string_equal(
        error, "/nonexistent/ready: cannot write the ready file: No such file or directory");
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
    const struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    char wanted[READYFILE_ERROR_NBYTES];

    (void)state;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(readyfile_write(path, "x", error), CDX_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    snprintf(wanted, sizeof wanted, "%s: cannot write the ready file: File too large", path);
    assert_string_equal(error, wanted);
    assert_int_equal(entries(), 0);
}

static void a_link_beside_it_is_not_followed(void **state)
{
    char beside[80];

    (void)state;
    snprintf(beside, sizeof beside, "%s.new", path);
    assert_int_equal(symlink("/dev/null", beside), 0);
    assert_int_equal(readyfile_write(path, "x", error), CDX_SYSTEM);
    assert_int_equal(entries(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_the_text_and_nothing_is_left_beside_it),
        cmocka_unit_test(a_missing_directory_says_so),
        cmocka_unit_test(a_failed_write_leaves_nothing_behind),
        cmocka_unit_test(a_link_beside_it_is_not_followed),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
