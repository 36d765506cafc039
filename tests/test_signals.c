/* SPDX-License-Identifier: Apache-2.0 */
/* Events of control's thread: each signal's meaning, the workers' end, and what is ignored. */
#include "signals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

static struct signals signals;

static int open_signals(void **state)
{
    (void)state;
    return signals_open(&signals) == CDX_OK ? 0 : -1;
}

static int close_signals(void **state)
{
    (void)state;
    signals_close(&signals);
    signals_close(&signals);
    return 0;
}

static void each_signal_is_its_event(void **state)
{
    static const struct {
        int number;
        enum signals_event event;
    } cases[] = {{SIGTERM, SIGNALS_STOP}, {SIGINT, SIGNALS_STOP}, {SIGHUP, SIGNALS_RELOAD}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(kill(getpid(), cases[i].number), 0);
        assert_int_equal(signals_wait(&signals), cases[i].event);
    }
}

static void ignored_signals_do_nothing(void **state)
{
    (void)state;
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(kill(getpid(), SIGPIPE), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(signals_wait(&signals), SIGNALS_RELOAD);
}

static void *end_later(void *arg)
{
    usleep(20000);
    signals_end(arg);
    return NULL;
}

static void the_end_wakes_the_waiting_thread_once(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, end_later, &signals), 0);
    assert_int_equal(signals_wait(&signals), SIGNALS_ENDED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(signals_wait(&signals), SIGNALS_STOP);
}

/* A worker that took the signal would die of it. */
static void threads_started_later_do_not_see_the_signals(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, end_later, &signals), 0);
    assert_int_equal(pthread_kill(thread, SIGTERM), 0);
    assert_int_equal(signals_wait(&signals), SIGNALS_ENDED);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_signal_is_its_event, open_signals, close_signals),
        cmocka_unit_test_setup_teardown(ignored_signals_do_nothing, open_signals, close_signals),
        cmocka_unit_test_setup_teardown(the_end_wakes_the_waiting_thread_once, open_signals,
                                        close_signals),
        cmocka_unit_test_setup_teardown(threads_started_later_do_not_see_the_signals, open_signals,
                                        close_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
