/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network layer inside the test's process, with handlers made for the
 * purpose: what cannot be steered from outside (a full queue, partial
 * consumption, failing allocations). What peers do is in e2e/test_net.py.
 */
#include "heap_fail.h"
#include "net_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void input_that_is_not_consumed_is_offered_again(void **state)
{
    (void)state;
    struct net_config config = net_rig_config(&net_rig_class);
    struct net_server *server = net_rig_open(&config);
    char got[64] = "";
    int fd = net_rig_connect(server);
    net_rig_send(fd, "a stream in pieces of three bytes");
    assert_int_equal(net_rig_read(fd, got, 33), 33);
    assert_string_equal(got, "a stream in pieces of three bytes");
    close(fd);
    net_rig_close(server);
}

static void a_full_queue_serves_every_connection_in_turn(void **state)
{
    (void)state;
    enum { CONNECTIONS = 20 };
    struct net_config config = net_rig_config(&net_rig_class);
    struct net_server *server = net_rig_open(&config);
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = net_rig_connect(server);
    for (int i = 0; i < CONNECTIONS; i++)
        net_rig_send(fds[i], "0123456789");
    for (int i = 0; i < CONNECTIONS; i++) {
        char got[16] = "";
        assert_int_equal(net_rig_read(fds[i], got, 10), 10);
        assert_string_equal(got, "0123456789");
        close(fds[i]);
    }
    net_rig_close(server);
}

/*
 * Two hundred turns' worth of one connection, and of another if there is `company`, arrive together
 * while the worker is stalled; how many of the inputs offered were as long as one may be in
 * company.
 */
static unsigned count_cut_inputs(bool company)
{
    enum { MUCH = 40000, STEP = 200 };
    static char bytes[MUCH], got[MUCH];
    struct net_config config = net_rig_config(&net_rig_class);
    net_rig_behaviour.step = STEP;
    net_rig_behaviour.watched_nbytes = NET_READ_PER_TURN_NBYTES;
    net_rig_behaviour.stall_ms = 300;
    atomic_store(&net_rig_behaviour.watched, 0);
    atomic_store(&net_rig_behaviour.stalls, 0);
    struct net_server *server = net_rig_open(&config);
    int fds[] = {net_rig_connect(server), net_rig_connect(server), net_rig_connect(server)};
    net_rig_send(fds[2], "~");
    while (atomic_load(&net_rig_behaviour.stalls) == 0)
        usleep(1000);
    for (int i = 0; i <= company; i++)
        assert_int_equal(send(fds[i], bytes, MUCH, MSG_NOSIGNAL), MUCH);
    for (int i = 0; i <= company; i++)
        assert_int_equal(net_rig_read(fds[i], got, MUCH), MUCH);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    net_rig_close(server);
    return atomic_load(&net_rig_behaviour.watched);
}

static void a_deep_pipeline_is_cut_only_when_others_wait(void **state)
{
    (void)state;
    enum { FEW = 10 }; /* by chance, or when the machine paused the worker */
    assert_in_range(count_cut_inputs(false), 0, FEW);
    assert_true(count_cut_inputs(true) > 2 * FEW);
}

static void a_verdict_to_close_sends_the_answer_first(void **state)
{
    (void)state;
    struct net_config config = net_rig_config(&net_rig_class);
    struct net_server *server = net_rig_open(&config);
    char got[64] = "";
    int fd = net_rig_connect(server);
    net_rig_send(fd, "abcdef!not answered any more");
    assert_int_equal(net_rig_read(fd, got, sizeof got - 1), 9);
    assert_memory_equal(got, "abcdef!no", 9);
    close(fd);
    net_rig_close(server);
}

/* Sends what the server takes. */
static void send_as_far_as_it_goes(int fd, const char *bytes, size_t n)
{
    while (n != 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

/* Several connections of which each gets all its bytes back, or the first ones and then its end. */
static void exchange_much(const struct net_server *server)
{
    enum { PEERS = 3, NBYTES = 40000 };
    static char sent[NBYTES], got[NBYTES];
    int fds[PEERS];
    for (size_t i = 0; i < NBYTES; i++)
        sent[i] = (char)(i % 251);
    for (size_t i = 0; i < PEERS; i++)
        fds[i] = net_rig_connect(server);
    for (size_t i = 0; i < PEERS; i++)
        send_as_far_as_it_goes(fds[i], sent, NBYTES);
    size_t whole = 0;
    for (size_t i = 0; i < PEERS; i++) {
        size_t n = net_rig_read(fds[i], got, NBYTES);
        assert_memory_equal(got, sent, n);
        whole += n == NBYTES;
        close(fds[i]);
    }
    assert_true(whole >= PEERS - 1);
}

/*
 * An exchange on a server whose n-th allocation fails; it may not start, or lose one connection,
 * never hang or leak.
 */
static bool exchange_with_failure(size_t n)
{
    struct net_config config = net_rig_config(&handler_echo);
    struct net_server *server = NULL;
    struct net_error error = {""};
    heap_fail_install();
    heap_fail_at(n, 0);
    if (net_open(&config, NULL, &server, &error) != CDX_OK) {
        assert_true(heap_fail_happened());
        assert_true(error.text[0] != '\0');
    } else {
        assert_int_equal(net_start(server, &error), CDX_OK);
        exchange_much(server);
        net_rig_close(server);
    }
    bool happened = heap_fail_happened();
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
    return happened;
}

static void a_failing_allocation_costs_at_most_its_connection(void **state)
{
    (void)state;
    size_t n = 1;
    while (exchange_with_failure(n))
        n++;
    assert_true(n > 5);
}

/*
 * libuv asks the system again, before the turn, when all of the 1024 events it asks for were
 * there.
 */
static void more_connections_than_one_poll_reports_lose_nothing(void **state)
{
    (void)state;
    enum { CONNECTIONS = 1400, ROUNDS = 64 };
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < 2 * CONNECTIONS + 100)
        skip();
    struct net_config config = net_rig_config(&handler_echo);
    config.connections_max = CONNECTIONS;
    config.backlog = CONNECTIONS;
    struct net_server *server = net_rig_open(&config);
    static int fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = net_rig_connect(server);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            const char byte = (char)('0' + round);
            assert_int_equal(send(fds[i], &byte, 1, MSG_NOSIGNAL), 1);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        char got[ROUNDS];
        assert_int_equal(net_rig_read(fds[i], got, ROUNDS), ROUNDS);
        for (size_t round = 0; round < ROUNDS; round++)
            assert_int_equal(got[round], '0' + round);
        close(fds[i]);
    }
    net_rig_close(server);
}

/* A byte there and back: what the worker read before it is answered as far as the peers let it. */
static void ping(int fd)
{
    net_rig_send(fd, ".");
    net_rig_expect(fd, ".");
}

/* Answers wait at the server; the byte that was sent last may have gone and not be counted yet. */
static bool answers_wait(const struct net_server *server)
{
    struct net_stats stats = net_rig_stats(server);
    return stats.bytes_out + 1 < stats.bytes_in;
}

/* Each answer that waits costs more than its bytes: that counts too. */
static void small_answers_that_wait_are_bounded_by_the_memory_they_take(void **state)
{
    (void)state;
    enum { PIECE = 16384, SMALL_MAX = 4000 };
    static char bytes[PIECE];
    struct net_config config = net_rig_config(&handler_echo);
    config.output_high_nbytes = 1 << 18;
    config.output_low_nbytes = 1 << 17;
    struct net_server *server = net_rig_open(&config);
    int fd = net_rig_connect_small(server);
    int other = net_rig_connect(server);
    uint64_t sent = 0, pings = 0;
    while (!answers_wait(server) && sent < 1 << 26) {
        assert_int_equal(send(fd, bytes, PIECE, MSG_NOSIGNAL), PIECE);
        sent += PIECE;
        net_rig_wait_bytes_in(server, sent + pings);
        ping(other);
        pings++;
    }
    assert_int_equal(net_rig_stats(server).paused, 0);
    size_t small = 0;
    while (net_rig_stats(server).paused == 0 && small < SMALL_MAX) {
        assert_int_equal(send(fd, bytes, 1, MSG_NOSIGNAL), 1);
        small++;
        net_rig_wait_bytes_in(server, sent + small + pings);
        ping(other);
        pings++;
    }
    assert_true(small < SMALL_MAX);
    for (uint64_t got = 0; got < sent + small;) {
        size_t rest = sent + small - got;
        size_t n = net_rig_read(fd, bytes, rest < PIECE ? rest : PIECE);
        assert_int_not_equal(n, 0);
        got += n;
    }
    close(fd);
    close(other);
    net_rig_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(input_that_is_not_consumed_is_offered_again, net_rig_reset),
        cmocka_unit_test_setup(a_full_queue_serves_every_connection_in_turn, net_rig_reset),
        cmocka_unit_test_setup(a_deep_pipeline_is_cut_only_when_others_wait, net_rig_reset),
        cmocka_unit_test_setup(a_verdict_to_close_sends_the_answer_first, net_rig_reset),
        cmocka_unit_test_setup(a_failing_allocation_costs_at_most_its_connection, net_rig_reset),
        cmocka_unit_test_setup(more_connections_than_one_poll_reports_lose_nothing, net_rig_reset),
        cmocka_unit_test_setup(small_answers_that_wait_are_bounded_by_the_memory_they_take,
                               net_rig_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
