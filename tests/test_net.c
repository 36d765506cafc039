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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 10000

/* ---- handlers of the tests ---- */

/* Answers each byte with the byte, at most `step` per turn; '!' closes; refuses when `full_every` says so. */
struct handler {
    size_t taken_this_turn;
};

struct slow_session {
    struct cdx_bytes input;
};

static size_t slow_step = 3;
static size_t slow_sessions_per_turn = 2;

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
    return 0;
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

/* One exchange on a server whose n-th allocation fails; it may fail to start, close or answer, never hang or leak. */
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
        int fd = connect_tcp(server);
        char got[8] = "";
        send_text(fd, "hello");
        size_t len = read_some(fd, got, 5);
        assert_true(len == 0 || len == 5);
        if (len == 5)
            assert_memory_equal(got, "hello", 5);
        close(fd);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
