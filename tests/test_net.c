/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network layer inside the test's process, with handlers made for the
 * purpose: what cannot be steered from outside (a full queue, partial
 * consumption, failing allocations). What peers do is in e2e/test_net.py.
 */
#include "handler.h"
#include "heap_fail.h"
#include "net.h"

#include <caudex/heap.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 10000

/* ---- handlers of the tests ---- */

/*
 * Answers each byte with the byte, at most `step` per turn; '!' closes; refuses when `full_every`
 * says so.
 */
struct handler {
    size_t taken_this_turn;
};

struct slow_session {
    struct cdx_bytes input;
};

static size_t slow_step = 3;
static size_t slow_sessions_per_turn = 2;
static size_t slow_incomplete_nbytes = 0;

static enum cdx_status slow_open(const struct handler_env *env, struct handler **handler)
{
    (void)env;
    *handler = cdx_calloc(1, sizeof **handler);
    return *handler != NULL ? CDX_OK : CDX_NO_MEMORY;
}

static void slow_close(struct handler *h)
{
    cdx_free(h);
}

static void slow_session(struct handler *h, void *session)
{
    (void)h;
    (void)session;
}

static void slow_turn_begin(struct handler *h)
{
    h->taken_this_turn = 0;
}

static bool slow_accept(struct handler *h, void *session, struct cdx_bytes input)
{
    struct slow_session *s = session;
    if (h->taken_this_turn == slow_sessions_per_turn)
        return false;
    h->taken_this_turn++;
    s->input = input;
    return true;
}

static void slow_nothing(struct handler *h)
{
    (void)h;
}

static enum handler_verdict slow_answer(struct handler *h, void *session,
                                        struct handler_output *out, size_t *consumed)
{
    struct slow_session *s = session;
    (void)h;
    size_t n = s->input.len < slow_step ? s->input.len : slow_step;
    uint8_t *at = handler_output_reserve(out, n);
    if (at == NULL)
        return HANDLER_CLOSE;
    memcpy(at, s->input.data, n);
    out->len += n;
    *consumed = n;
    return memchr(s->input.data, '!', n) != NULL ? HANDLER_CLOSE : HANDLER_CONTINUE;
}

static size_t slow_incomplete(const void *session)
{
    (void)session;
    return slow_incomplete_nbytes;
}

static void slow_notice(struct handler *h, void *session, enum handler_notice notice,
                        struct handler_output *out)
{
    static const char *const words[] = {"busy", "idle", "slow", "stopping"};
    (void)h;
    (void)session;
    uint8_t *at = handler_output_reserve(out, strlen(words[notice]));
    if (at == NULL)
        return;
    memcpy(at, words[notice], strlen(words[notice]));
    out->len += strlen(words[notice]);
}

static const struct handler_class slow_class = {
    .name = "slow",
    .session_nbytes = sizeof(struct slow_session),
    .open = slow_open,
    .close = slow_close,
    .session_start = slow_session,
    .session_end = slow_session,
    .turn_begin = slow_turn_begin,
    .accept = slow_accept,
    .prefetch = slow_nothing,
    .answer = slow_answer,
    .turn_end = slow_nothing,
    .incomplete = slow_incomplete,
    .notice = slow_notice,
};

/* ---- a server ---- */

static struct net_config config_for(const struct handler_class *class)
{
    return (struct net_config){
        .listeners = {{.family = NET_TCP, .host = "127.0.0.1", .handler = class,
                       .inherited_fd = -1}},
        .listener_count = 1,
        .workers = 1,
        .backlog = 64,
        .connections_max = 100,
        .idle_timeout_ms = 60000,
        .request_timeout_ms = 60000,
        .drain_timeout_ms = 5000,
        .request_nbytes_max = 1 << 20,
        .output_high_nbytes = 1 << 16,
        .output_low_nbytes = 1 << 14,
        .keepalive_s = 60,
    };
}

static struct net_server *open_server(const struct net_config *config)
{
    struct net_server *server = NULL;
    struct net_error error = {""};
    enum cdx_status status = net_open(config, NULL, &server, &error);
    if (status != CDX_OK)
        print_error("%s\n", error.text);
    assert_int_equal(status, CDX_OK);
    assert_int_equal(net_start(server, &error), CDX_OK);
    return server;
}

static void close_server(struct net_server *server)
{
    net_drain(server);
    net_join(server);
    net_close(server);
}

static int connect_tcp(const struct net_server *server)
{
    char text[128];
    struct sockaddr_in address = {.sin_family = AF_INET};
    net_listener_address(server, 0, text, sizeof text);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(text, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Reads up to `n` bytes, until the stream ends or nothing comes for too long; how many. */
static size_t read_some(int fd, char *bytes, size_t n)
{
    size_t got = 0;
    while (got < n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) <= 0)
            break;
        ssize_t piece = recv(fd, bytes + got, n - got, 0);
        if (piece <= 0)
            break;
        got += (size_t)piece;
    }
    return got;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static struct net_stats stats_of(const struct net_server *server)
{
    struct net_stats stats;
    net_read_stats(server, &stats);
    return stats;
}

/* Waits until `server` has read `nbytes` in all. */
static void wait_bytes_in(const struct net_server *server, uint64_t nbytes)
{
    for (int i = 0; i < WAIT_MS && stats_of(server).bytes_in < nbytes; i++)
        usleep(1000);
    assert_int_equal(stats_of(server).bytes_in, nbytes);
}

/* A connection with little room for answers, so that they pile up at the server. */
static int connect_small(const struct net_server *server)
{
    int fd = connect_tcp(server);
    const int room = 1 << 17;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    return fd;
}

/* ---- tests ---- */

static void input_that_is_not_consumed_is_offered_again(void **state)
{
    (void)state;
    struct net_config config = config_for(&slow_class);
    struct net_server *server = open_server(&config);
    char got[64] = "";
    int fd = connect_tcp(server);
    send_text(fd, "a stream in pieces of three bytes");
    assert_int_equal(read_some(fd, got, 33), 33);
    assert_string_equal(got, "a stream in pieces of three bytes");
    close(fd);
    close_server(server);
}

static void a_full_queue_serves_every_connection_in_turn(void **state)
{
    (void)state;
    enum { CONNECTIONS = 20 };
    struct net_config config = config_for(&slow_class);
    struct net_server *server = open_server(&config);
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = connect_tcp(server);
    for (int i = 0; i < CONNECTIONS; i++)
        send_text(fds[i], "0123456789");
    for (int i = 0; i < CONNECTIONS; i++) {
        char got[16] = "";
        assert_int_equal(read_some(fds[i], got, 10), 10);
        assert_string_equal(got, "0123456789");
        close(fds[i]);
    }
    close_server(server);
}

static void a_verdict_to_close_sends_the_answer_first(void **state)
{
    (void)state;
    struct net_config config = config_for(&slow_class);
    struct net_server *server = open_server(&config);
    char got[64] = "";
    int fd = connect_tcp(server);
    send_text(fd, "abcdef!not answered any more");
    assert_int_equal(read_some(fd, got, sizeof got - 1), 9);
    assert_memory_equal(got, "abcdef!no", 9);
    close(fd);
    close_server(server);
}

static void a_drain_says_so_and_a_stop_does_not(void **state)
{
    (void)state;
    for (int drain = 0; drain < 2; drain++) {
        struct net_config config = config_for(&slow_class);
        struct net_server *server = open_server(&config);
        char got[64] = "";
        int fd = connect_tcp(server);
        send_text(fd, "abc");
        assert_int_equal(read_some(fd, got, 3), 3);
        if (drain)
            net_drain(server);
        else
            net_stop(server);
        size_t n = read_some(fd, got, sizeof got);
        assert_int_equal(n, drain ? strlen("stopping") : 0);
        close(fd);
        net_join(server);
        net_close(server);
    }
}

static void limits_change_while_the_server_runs(void **state)
{
    (void)state;
    struct net_config config = config_for(&slow_class);
    struct net_server *server = open_server(&config);
    const struct net_limits limits = {.connections_max = 1, .idle_timeout_ms = 100,
                                      .request_timeout_ms = 100, .drain_timeout_ms = 1000};
    char got[64] = "";
    int first = connect_tcp(server);
    send_text(first, "abc");
    assert_int_equal(read_some(first, got, 3), 3);
    net_set_limits(server, &limits);
    int second = connect_tcp(server);
    assert_int_equal(read_some(second, got, sizeof got), 4);
    assert_memory_equal(got, "busy", 4);
    close(second);
    assert_int_equal(read_some(first, got, sizeof got), 4);
    assert_memory_equal(got, "idle", 4);
    close(first);
    struct net_stats stats;
    net_read_stats(server, &stats);
    assert_int_equal(stats.connections_accepted, 1);
    assert_int_equal(stats.connections_refused, 1);
    assert_int_equal(stats.connections_idle_closed, 1);
    assert_int_equal(stats.bytes_in, 3);
    close_server(server);
}

static void bad_configurations_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        uint16_t port;
        unsigned workers;
        size_t low;
        enum cdx_status status;
        const char *text;
    } cases[] = {
        {"localhost", 0, 1, 1, CDX_ADDRESS, "localhost:0: not an IPv4 or IPv6 address"},
        {"192.0.2.1", 0, 1, 1, CDX_SYSTEM, "192.0.2.1:0: Cannot assign requested address"},
        {"127.0.0.1", 0, 0, 1, CDX_INVALID, NULL},
        {"127.0.0.1", 0, NET_WORKERS_MAX + 1, 1, CDX_INVALID, NULL},
        {"127.0.0.1", 0, 1, 1 << 16, CDX_INVALID, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_config config = config_for(&handler_echo);
        struct net_server *server = NULL;
        struct net_error error = {""};
        config.listeners[0].host = cases[i].host;
        config.listeners[0].port = cases[i].port;
        config.workers = cases[i].workers;
        config.output_low_nbytes = cases[i].low;
        assert_int_equal(net_open(&config, NULL, &server, &error), cases[i].status);
        assert_null(server);
        if (cases[i].text != NULL)
            assert_string_equal(error.text, cases[i].text);
        assert_true(error.text[0] != '\0');
    }
}

static void a_port_that_is_taken_is_refused_even_by_ourselves(void **state)
{
    (void)state;
    struct net_config config = config_for(&handler_echo);
    struct net_server *first = open_server(&config);
    struct net_server *second = NULL;
    struct net_error error = {""};
    char text[128], expected[256];
    net_listener_address(first, 0, text, sizeof text);
    config.listeners[0].port = (uint16_t)atoi(strrchr(text, ':') + 1);
    assert_int_equal(net_open(&config, NULL, &second, &error), CDX_SYSTEM);
    snprintf(expected, sizeof expected, "%s: Address already in use", text);
    assert_string_equal(error.text, expected);
    close_server(first);
}

static void a_socket_file_is_replaced_only_when_nobody_listens(void **state)
{
    (void)state;
    char dir[] = "/tmp/caudex-net-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    struct net_config config = config_for(&handler_echo);
    config.listeners[0] = (struct net_listener_config){.family = NET_UNIX, .host = path,
                                                       .unix_mode = 0600,
                                                       .handler = &handler_echo,
                                                       .inherited_fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* the file stays, nobody listens */
    struct net_server *first = open_server(&config);

    struct net_server *second = NULL;
    struct net_error error = {""};
    assert_int_equal(net_open(&config, NULL, &second, &error), CDX_SYSTEM);
    assert_non_null(strstr(error.text, "Address already in use"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char got[8] = "";
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    send_text(fd, "hello");
    assert_int_equal(read_some(fd, got, 5), 5);
    assert_string_equal(got, "hello");
    close(fd);
    close_server(first);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(dir);
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
        fds[i] = connect_tcp(server);
    for (size_t i = 0; i < PEERS; i++)
        send_as_far_as_it_goes(fds[i], sent, NBYTES);
    size_t whole = 0;
    for (size_t i = 0; i < PEERS; i++) {
        size_t n = read_some(fds[i], got, NBYTES);
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
    struct net_config config = config_for(&handler_echo);
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
        close_server(server);
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
    struct net_config config = config_for(&handler_echo);
    config.connections_max = CONNECTIONS;
    config.backlog = CONNECTIONS;
    struct net_server *server = open_server(&config);
    static int fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = connect_tcp(server);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            const char byte = (char)('0' + round);
            assert_int_equal(send(fds[i], &byte, 1, MSG_NOSIGNAL), 1);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        char got[ROUNDS];
        assert_int_equal(read_some(fds[i], got, ROUNDS), ROUNDS);
        for (size_t round = 0; round < ROUNDS; round++)
            assert_int_equal(got[round], '0' + round);
        close(fds[i]);
    }
    close_server(server);
}

/* Each answer that waits costs more than its bytes: that counts too. */
static void small_answers_that_wait_are_bounded_by_the_memory_they_take(void **state)
{
    (void)state;
    enum { PIECE = 16384, SMALL_MAX = 4000 };
    static char bytes[PIECE];
    struct net_config config = config_for(&handler_echo);
    config.output_high_nbytes = 1 << 18;
    config.output_low_nbytes = 1 << 17;
    struct net_server *server = open_server(&config);
    int fd = connect_small(server);
    uint64_t sent = 0;
    while (stats_of(server).bytes_in == stats_of(server).bytes_out && sent < 1 << 26) {
        assert_int_equal(send(fd, bytes, PIECE, MSG_NOSIGNAL), PIECE);
        sent += PIECE;
        wait_bytes_in(server, sent);
        usleep(1000);
    }
    assert_int_equal(stats_of(server).paused, 0);
    size_t small = 0;
    while (stats_of(server).paused == 0 && small < SMALL_MAX) {
        assert_int_equal(send(fd, bytes, 1, MSG_NOSIGNAL), 1);
        small++;
        wait_bytes_in(server, sent + small);
        usleep(50);
    }
    assert_true(small < SMALL_MAX);
    uint64_t got = 0;
    while (got < sent + small) {
        size_t n = read_some(fd, bytes, sent + small - got < PIECE ? sent + small - got : PIECE);
        assert_int_not_equal(n, 0);
        got += n;
    }
    close(fd);
    close_server(server);
}

/*
 * The answers of a peer that closed its side, or of a drain, are not cut off while they are read.
 */
static void answers_arrive_however_slowly_they_are_read(void **state)
{
    (void)state;
    enum { TOTAL = 10 << 20, PIECE = 1 << 16, SLOW_PIECES = 70, PAUSE_US = 100000 };
    static char bytes[PIECE];
    struct net_config config = config_for(&handler_echo);
    config.output_high_nbytes = 2 * TOTAL;
    config.output_low_nbytes = 2 * TOTAL - 1;
    struct net_server *server = open_server(&config);
    int fd = connect_small(server);
    for (size_t sent = 0; sent < TOTAL; sent += PIECE) {
        for (size_t done = 0; done < PIECE;) {
            ssize_t n = send(fd, bytes, PIECE - done, MSG_NOSIGNAL);
            assert_true(n > 0);
            done += (size_t)n;
        }
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    size_t got = 0;
    for (size_t i = 0; i < SLOW_PIECES; i++) {
        got += read_some(fd, bytes, PIECE);
        usleep(PAUSE_US);
    }
    for (size_t n = 1; n != 0; got += n)
        n = read_some(fd, bytes, PIECE);
    assert_int_equal(got, TOTAL);
    assert_int_equal(stats_of(server).connections_reset, 0);
    close(fd);
    close_server(server);
}

/* While the server itself does not read, the peer cannot complete its request. */
static void a_request_is_not_slow_while_its_connection_is_paused(void **state)
{
    (void)state;
    enum { PIECE = 1 << 14 };
    static char bytes[PIECE];
    struct net_config config = config_for(&slow_class);
    config.request_timeout_ms = 300;
    slow_step = PIECE;
    slow_incomplete_nbytes = 1;
    struct net_server *server = open_server(&config);
    int fd = connect_small(server);
    uint64_t sent = 0;
    while (stats_of(server).paused == 0) {
        ssize_t n = send(fd, bytes, PIECE, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (uint64_t)n;
    }
    usleep(1000 * 1000);
    assert_int_equal(stats_of(server).connections_slow_closed, 0);
    for (uint64_t got = 0; got < sent;) {
        size_t n = read_some(fd, bytes, sent - got < PIECE ? sent - got : PIECE);
        assert_int_not_equal(n, 0);
        got += n;
    }
    char why[8] = "";
    assert_int_equal(read_some(fd, why, 4), 4);
    assert_string_equal(why, "slow"); /* now it was read, and nothing more came */
    close(fd);
    close_server(server);
    slow_step = 3;
    slow_incomplete_nbytes = 0;
}

static void a_handed_over_socket_serves_all_workers(void **state)
{
    (void)state;
    struct net_config config = config_for(&handler_echo);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 16), 0);
    config.listeners[0].inherited_fd = listening;
    config.workers = 2;
    config.pin_workers = true;
    struct net_server *server = open_server(&config);
    for (int i = 0; i < 20; i++) {
        char got[8] = "";
        int fd = connect_tcp(server);
        send_text(fd, "hello");
        assert_int_equal(read_some(fd, got, 5), 5);
        assert_string_equal(got, "hello");
        close(fd);
    }
    close_server(server);
}

static void a_handed_over_descriptor_that_does_not_listen_is_refused(void **state)
{
    (void)state;
    for (int connected = 0; connected < 2; connected++) {
        struct net_config config = config_for(&handler_echo);
        struct net_server *server = NULL;
        struct net_error error = {""};
        int ends[2];
        assert_int_equal(connected ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        config.listeners[0].inherited_fd = ends[0];
        assert_int_equal(net_open(&config, NULL, &server, &error), CDX_INVALID);
        assert_non_null(strstr(error.text, "the descriptor handed over is not a listening socket"));
        close(ends[1]);
    }
}

static void ipv6_is_served_by_two_workers(void **state)
{
    (void)state;
    struct net_config config = config_for(&handler_echo);
    struct net_server *server = NULL;
    struct net_error error = {""};
    config.listeners[0].host = "::1";
    config.workers = 2;
    if (net_open(&config, NULL, &server, &error) != CDX_OK)
        skip(); /* a machine without IPv6 */
    assert_int_equal(net_start(server, &error), CDX_OK);
    char text[128];
    net_listener_address(server, 0, text, sizeof text);
    assert_memory_equal(text, "[::1]:", 6);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    address.sin6_port = htons((uint16_t)atoi(text + 6));
    for (int i = 0; i < 20; i++) {
        char got[8] = "";
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        send_text(fd, "hello");
        assert_int_equal(read_some(fd, got, 5), 5);
        assert_string_equal(got, "hello");
        close(fd);
    }
    assert_int_equal(stats_of(server).connections_accepted, 20);
    close_server(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_that_is_not_consumed_is_offered_again),
        cmocka_unit_test(a_full_queue_serves_every_connection_in_turn),
        cmocka_unit_test(a_verdict_to_close_sends_the_answer_first),
        cmocka_unit_test(a_drain_says_so_and_a_stop_does_not),
        cmocka_unit_test(limits_change_while_the_server_runs),
        cmocka_unit_test(bad_configurations_are_refused_with_their_reason),
        cmocka_unit_test(a_port_that_is_taken_is_refused_even_by_ourselves),
        cmocka_unit_test(a_socket_file_is_replaced_only_when_nobody_listens),
        cmocka_unit_test(a_failing_allocation_costs_at_most_its_connection),
        cmocka_unit_test(more_connections_than_one_poll_reports_lose_nothing),
        cmocka_unit_test(small_answers_that_wait_are_bounded_by_the_memory_they_take),
        cmocka_unit_test(answers_arrive_however_slowly_they_are_read),
        cmocka_unit_test(a_request_is_not_slow_while_its_connection_is_paused),
        cmocka_unit_test(a_handed_over_socket_serves_all_workers),
        cmocka_unit_test(a_handed_over_descriptor_that_does_not_listen_is_refused),
        cmocka_unit_test(ipv6_is_served_by_two_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
