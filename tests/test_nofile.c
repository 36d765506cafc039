/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of open files: raised as needed, never lowered, refused with a remedy. */
#include "nofile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <sys/resource.h>

#include <cmocka.h>

static char error[NOFILE_ERROR_NBYTES];

static struct rlimit limit_now(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit;
}

/* The hard limit goes down for good: only this process is affected. */
static int lower_limits(void **state)
{
    const struct rlimit limit = {100, 1000};

    (void)state;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static void connections_workers_and_listeners_are_counted(void **state)
{
    (void)state;
    assert_int_equal(nofile_needed(0, 0, 0), NOFILE_RESERVE);
    assert_int_equal(nofile_needed(10000, 2, 3),
                     10000 + 2 * (NOFILE_PER_WORKER + 3) + NOFILE_RESERVE);
}

static void enough_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(nofile_raise(100, error), CDX_OK);
    assert_int_equal(limit_now().rlim_cur, 100);
}

static void the_soft_limit_is_raised_as_far_as_needed(void **state)
{
    (void)state;
    assert_int_equal(nofile_raise(101, error), CDX_OK);
    assert_int_equal(limit_now().rlim_cur, 101);
    assert_int_equal(nofile_raise(1000, error), CDX_OK);
    assert_int_equal(limit_now().rlim_cur, 1000);
    assert_int_equal(nofile_raise(50, error), CDX_OK);
    assert_int_equal(limit_now().rlim_cur, 1000);
}

static void more_than_the_hard_limit_is_refused_with_a_remedy(void **state)
{
    (void)state;
    assert_int_equal(nofile_raise(1001, error), CDX_FULL);
    assert_string_equal(error,
                        "too few open files are allowed: connections-max needs 1001, the "
                        "hard limit is 1000; raise it (LimitNOFILE=1001 in a systemd unit, "
                        "'ulimit -Hn 1001' in a shell) or lower connections-max");
    assert_int_equal(limit_now().rlim_max, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_workers_and_listeners_are_counted),
        cmocka_unit_test(enough_is_left_alone),
        cmocka_unit_test(the_soft_limit_is_raised_as_far_as_needed),
        cmocka_unit_test(more_than_the_hard_limit_is_refused_with_a_remedy),
    };

    return cmocka_run_group_tests(tests, lower_limits, NULL);
}
