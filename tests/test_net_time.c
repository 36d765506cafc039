/* SPDX-License-Identifier: Apache-2.0 */
/* What net does when time passes: deadlines, slow peers, drains, upkeep. */
#include "net_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct net_limits limits_of(const struct net_config *config)
{
    return (struct net_limits){.connections_max = config->connections_max,
                               .idle_timeout_ms = config->idle_timeout_ms,
                               .request_timeout_ms = config->request_timeout_ms,
                               .close_timeout_ms = config->close_timeout_ms,
                               .drain_timeout_ms = config->drain_timeout_ms};
}

static void a_drain_says_so_and_a_stop_does_not(void **state)
{
    (void)state;
    for (int drain = 0; drain < 2; drain++) {
        struct net_config config = net_rig_config(&net_rig_class);
        struct net_server *server = net_rig_open(&config);
        char got[64] = "";
        int fd = net_rig_connect(server);
        net_rig_send(fd, "abc");
        assert_int_equal(net_rig_read(fd, got, 3), 3);
        if (drain)
            net_drain(server);
        else
            net_stop(server);
        size_t n = net_rig_read(fd, got, sizeof got);
        assert_int_equal(n, drain ? strlen("stopping") : 0);
        close(fd);
        net_join(server);
        net_close(server);
    }
}

static void limits_change_while_the_server_runs(void **state)
{
    (void)state;
    struct net_config config = net_rig_config(&net_rig_class);
    struct net_server *server = net_rig_open(&config);
    struct net_limits limits = limits_of(&config);
    int first = net_rig_connect(server);
    net_rig_send(first, "abc");
    net_rig_expect(first, "abc");
    limits.connections_max = 1;
    net_set_limits(server, &limits);
    int second = net_rig_connect(server);
    net_rig_expect(second, "busy");
    close(second);
    limits.idle_timeout_ms = 100;
    net_set_limits(server, &limits);
    net_rig_expect(first, "idle");
    close(first);
    struct net_stats stats = net_rig_stats(server);
    assert_int_equal(stats.connections_accepted, 1);
    assert_int_equal(stats.connections_refused, 1);
    assert_int_equal(stats.connections_idle_closed, 1);
    assert_int_equal(stats.bytes_in, 3);
    net_rig_close(server);
}

enum { ANSWERS_NBYTES = 10 << 20, ANSWERS_PIECE = 1 << 16, ANSWERS_PAUSE_US = 100000 };

/* More than the system keeps, to be answered with the same; no connection is paused for them. */
static struct net_config config_for_long_answers(void)
{
    struct net_config config = net_rig_config(&handler_echo);
    config.output_high_nbytes = 2 * ANSWERS_NBYTES;
    config.output_low_nbytes = 2 * ANSWERS_NBYTES - 1;
    return config;
}

/* A peer that has sent that much and closed its side. */
static int connect_for_long_answers(const struct net_server *server)
{
    static const char bytes[ANSWERS_PIECE];
    int fd = net_rig_connect_small(server);
    for (size_t sent = 0; sent < ANSWERS_NBYTES;) {
        ssize_t n = send(fd, bytes, ANSWERS_PIECE, MSG_NOSIGNAL);
        assert_int_equal(n, ANSWERS_PIECE);
        sent += (size_t)n;
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    return fd;
}

static size_t read_to_the_end(int fd)
{
    static char bytes[ANSWERS_PIECE];
    size_t got = 0;
    for (size_t n = 1; n != 0; got += n)
        n = net_rig_read(fd, bytes, sizeof bytes);
    return got;
}

/*
 * The answers of a peer that closed its side, or of a drain, are not cut off while they are read.
 */
static void answers_arrive_however_slowly_they_are_read(void **state)
{
    (void)state;
    enum { SLOW_PIECES = 70 };
    static char bytes[ANSWERS_PIECE];
    struct net_config config = config_for_long_answers();
    struct net_server *server = net_rig_open(&config);
    int fd = connect_for_long_answers(server);
    size_t got = 0;
    for (size_t i = 0; i < SLOW_PIECES; i++) {
        got += net_rig_read(fd, bytes, sizeof bytes);
        usleep(ANSWERS_PAUSE_US);
    }
    assert_int_equal(got + read_to_the_end(fd), ANSWERS_NBYTES);
    assert_int_equal(net_rig_stats(server).connections_reset, 0);
    close(fd);
    net_rig_close(server);
}

/* … but not for ever. */
static void a_connection_that_ends_takes_no_longer_than_its_limit(void **state)
{
    (void)state;
    static char bytes[ANSWERS_PIECE];
    struct net_config config = config_for_long_answers();
    config.close_timeout_ms = 1000;
    struct net_server *server = net_rig_open(&config);
    int fd = connect_for_long_answers(server);
    size_t got = 0;
    while (got < ANSWERS_NBYTES && net_rig_stats(server).connections_open != 0) {
        got += net_rig_read(fd, bytes, sizeof bytes);
        usleep(ANSWERS_PAUSE_US);
    }
    assert_true(got + read_to_the_end(fd) < ANSWERS_NBYTES);
    close(fd);
    net_rig_close(server);
}

/* Sends until the server has paused the connection, and never waits for it; how much was taken. */
static uint64_t send_until_paused(const struct net_server *server, int fd)
{
    static const char bytes[1 << 14];
    uint64_t sent = 0;
    while (net_rig_stats(server).paused == 0) {
        ssize_t n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += (uint64_t)n;
        else
            assert_int_equal(errno, EAGAIN);
    }
    return sent;
}

/* While the server itself does not read, the peer cannot complete its request. */
static void a_request_is_not_slow_while_its_connection_is_paused(void **state)
{
    (void)state;
    enum { PIECE = 1 << 14, SLOW_MS = 300 };
    static char bytes[PIECE];
    struct net_config config = net_rig_config(&net_rig_class);
    net_rig_behaviour.step = PIECE;
    net_rig_behaviour.incomplete_nbytes = 1;
    struct net_server *server = net_rig_open(&config);
    int fd = net_rig_connect_small(server);
    uint64_t sent = send_until_paused(server, fd);
    struct net_limits limits = limits_of(&config);
    limits.request_timeout_ms = SLOW_MS;
    net_set_limits(server, &limits);
    usleep(2000 * 1000); /* deadlines are looked at once a second until this one is known */
    assert_int_equal(net_rig_stats(server).connections_slow_closed, 0);
    for (uint64_t got = 0; got < sent;) {
        size_t n = net_rig_read(fd, bytes, sent - got < PIECE ? sent - got : PIECE);
        assert_int_not_equal(n, 0);
        got += n;
    }
    net_rig_expect(fd, "slow"); /* now it was read, and nothing more came */
    close(fd);
    net_rig_close(server);
}

/*
 * A worker that was kept from its work finds many deadlines passed: what has arrived counts. The
 * limit begins to hold while the worker is kept, so that no pause of the test's own is too long.
 */
static void no_peer_is_late_for_what_the_worker_has_not_read(void **state)
{
    (void)state;
    enum { SLOW_MS = 400, STALL_MS = 1000 };
    for (int idle = 0; idle < 2; idle++) {
        struct net_config config = net_rig_config(&net_rig_class);
        struct net_limits limits = limits_of(&config);
        *(idle ? &limits.idle_timeout_ms : &limits.request_timeout_ms) = SLOW_MS;
        net_rig_reset(state);
        net_rig_behaviour.incomplete_nbytes = 1;
        net_rig_behaviour.stall_ms = STALL_MS;
        struct net_server *server = net_rig_open(&config);
        int stalling = net_rig_connect(server);
        int fd = net_rig_connect(server);
        net_rig_send(fd, "a");
        net_rig_expect(fd, "a");
        net_rig_send(stalling, "~");
        while (atomic_load(&net_rig_behaviour.stalls) == 0)
            usleep(1000);
        net_rig_send(fd, "b");
        net_set_limits(server, &limits);
        net_rig_expect(fd, "b");
        net_rig_expect(fd, idle ? "idle" : "slow"); /* nothing more came */
        close(fd);
        close(stalling);
        net_rig_close(server);
    }
}

/* ---- upkeep ---- */

static unsigned count_upkeep(void *arg)
{
    enum { AGAIN_MS = 5 };
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
    return AGAIN_MS;
}

/* Without a peer the loop has only its clock to wake up for. */
static void upkeep_comes_when_it_asked_to_though_nobody_is_connected(void **state)
{
    (void)state;
    enum { CALLS = 100 }; /* with the ticks alone they took as many seconds */
    _Atomic unsigned calls = 0;
    struct net_config config = net_rig_config(&net_rig_class);
    config.upkeep = count_upkeep;
    config.upkeep_arg = &calls;
    struct net_server *server = net_rig_open(&config);
    for (int i = 0; i < NET_RIG_WAIT_MS && atomic_load(&calls) < CALLS; i++)
        usleep(1000);
    assert_true(atomic_load(&calls) >= CALLS);
    net_rig_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_drain_says_so_and_a_stop_does_not, net_rig_reset),
        cmocka_unit_test_setup(limits_change_while_the_server_runs, net_rig_reset),
        cmocka_unit_test_setup(answers_arrive_however_slowly_they_are_read, net_rig_reset),
        cmocka_unit_test_setup(a_connection_that_ends_takes_no_longer_than_its_limit,
                               net_rig_reset),
        cmocka_unit_test_setup(a_request_is_not_slow_while_its_connection_is_paused, net_rig_reset),
        cmocka_unit_test_setup(no_peer_is_late_for_what_the_worker_has_not_read, net_rig_reset),
        cmocka_unit_test_setup(upkeep_comes_when_it_asked_to_though_nobody_is_connected,
                               net_rig_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
