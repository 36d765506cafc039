/* SPDX-License-Identifier: Apache-2.0 */
/* The PID file: one live owner, stale files replaced, foreign files left alone. */
#include "pidfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static char directory[] = "/tmp/test_pidfile.XXXXXX";
static char path[64], other[64];
static char error[PIDFILE_ERROR_NBYTES], wanted[PIDFILE_ERROR_NBYTES];
static struct pidfile file;

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/pid", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    pidfile_close(&file);
    unlink(path);
    unlink(other);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static const char *content(const char *name)
{
    static char text[256];
    FILE *in = fopen(name, "r");
    size_t len;

    assert_non_null(in);
    len = fread(text, 1, sizeof text - 1, in);
    text[len] = '\0';
    assert_int_equal(fclose(in), 0);
    return text;
}

static const char *own_content(void)
{
    static char text[32];

    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return text;
}

static void it_holds_our_number_while_it_is_open(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(file.stale, 0);
    assert_string_equal(content(path), own_content());
    pidfile_close(&file);
    assert_int_equal(access(path, F_OK), -1);
    pidfile_close(&file);
}

static void a_second_owner_is_told_who_the_first_is(void **state)
{
    struct pidfile second;

    (void)state;
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(pidfile_open(&second, path, error), CDX_FULL);
    snprintf(wanted, sizeof wanted, "%s: a server is running already, as process %ld", path,
             (long)getpid());
    assert_string_equal(error, wanted);
    assert_string_equal(content(path), own_content());
    pidfile_close(&second);
    assert_int_equal(access(path, F_OK), 0);
}

static void an_owner_that_has_not_written_yet_is_named_so(void **state)
{
    struct pidfile second;

    (void)state;
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(pidfile_open(&second, path, error), CDX_FULL);
    snprintf(wanted, sizeof wanted, "%s: a server is starting already", path);
    assert_string_equal(error, wanted);
}

/* What a killed server leaves: the file, and no lock. Even the number of a live process is no
 * owner. */
static void a_stale_file_is_replaced(void **state)
{
    static const char *const numbers[] = {"1\n", "999999999\n", "42", "17 \n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        write_file(path, numbers[i]);
        assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
        assert_int_equal(file.stale, atol(numbers[i]));
        assert_string_equal(content(path), own_content());
        pidfile_close(&file);
    }
}

static void an_empty_file_is_taken(void **state)
{
    (void)state;
    write_file(path, "");
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(file.stale, 0);
}

static void the_lock_ends_with_a_killed_process(void **state)
{
    pid_t child;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        bool opened = pidfile_open(&file, path, error) == CDX_OK;

        if (write(ends[1], opened ? "y" : "n", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(pidfile_open(&file, path, error), CDX_FULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(file.stale, child);
    close(ends[0]);
    close(ends[1]);
}

static void a_file_with_anything_else_is_left_alone(void **state)
{
    static const char *const texts[] = {
        "root:x:0:0\n", "-1\n",
        "0\n",          "12 13\n",
        "\n",           "99999999999\n",
        "4294967297\n", "0000000000000000000000000000000000000000000000001\n",
        "1.5\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        write_file(path, texts[i]);
        assert_int_equal(pidfile_open(&file, path, error), CDX_INVALID);
        snprintf(wanted, sizeof wanted, "%s: holds something else than a process number", path);
        assert_string_equal(error, wanted);
        assert_string_equal(content(path), texts[i]);
    }
}

static void a_symbolic_link_is_not_followed(void **state)
{
    (void)state;
    write_file(other, "");
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(pidfile_open(&file, path, error), CDX_SYSTEM);
    assert_string_equal(content(other), "");
}

static void a_missing_directory_says_so(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&file, "/nonexistent/pid", error), CDX_SYSTEM);
    assert_string_equal(error,
                        "/nonexistent/pid: cannot open the PID file: No such file or directory");
}

/* Every write fails, as on a full disk. */
static void a_failed_write_says_so_and_leaves_nothing(void **state)
{
    const struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};

    (void)state;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(pidfile_open(&file, path, error), CDX_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    snprintf(wanted, sizeof wanted, "%s: cannot write the PID file: File too large", path);
    assert_string_equal(error, wanted);
    assert_int_equal(file.fd, -1);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_device_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&file, "/dev/zero", error), CDX_INVALID);
    assert_int_equal(file.fd, -1);
}

static void a_file_that_somebody_replaced_is_not_removed(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&file, path, error), CDX_OK);
    assert_int_equal(unlink(path), 0);
    write_file(path, "42\n");
    pidfile_close(&file);
    assert_string_equal(content(path), "42\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_holds_our_number_while_it_is_open, remove_files),
        cmocka_unit_test_teardown(a_second_owner_is_told_who_the_first_is, remove_files),
        cmocka_unit_test_teardown(an_owner_that_has_not_written_yet_is_named_so, remove_files),
        cmocka_unit_test_teardown(a_stale_file_is_replaced, remove_files),
        cmocka_unit_test_teardown(an_empty_file_is_taken, remove_files),
        cmocka_unit_test_teardown(the_lock_ends_with_a_killed_process, remove_files),
        cmocka_unit_test_teardown(a_file_with_anything_else_is_left_alone, remove_files),
        cmocka_unit_test_teardown(a_symbolic_link_is_not_followed, remove_files),
        cmocka_unit_test_teardown(a_missing_directory_says_so, remove_files),
        cmocka_unit_test_teardown(a_failed_write_says_so_and_leaves_nothing, remove_files),
        cmocka_unit_test_teardown(a_device_is_left_alone, remove_files),
        cmocka_unit_test_teardown(a_file_that_somebody_replaced_is_not_removed, remove_files),
    };

    pidfile_none(&file);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
