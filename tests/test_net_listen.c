/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and listening sockets: which are taken, refused, handed over, and what stays of them.
 */
#include "net_rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

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
        struct net_config config = net_rig_config(&handler_echo);
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
    struct net_config config = net_rig_config(&handler_echo);
    struct net_server *first = net_rig_open(&config);
    struct net_server *second = NULL;
    struct net_error error = {""};
    char text[128], expected[256];
    net_listener_address(first, 0, text, sizeof text);
    config.listeners[0].port = (uint16_t)atoi(strrchr(text, ':') + 1);
    assert_int_equal(net_open(&config, NULL, &second, &error), CDX_SYSTEM);
    snprintf(expected, sizeof expected, "%s: Address already in use", text);
    assert_string_equal(error.text, expected);
    net_rig_close(first);
}

static void a_socket_file_is_replaced_only_when_nobody_listens(void **state)
{
    (void)state;
    char dir[] = "/tmp/caudex-net-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    struct net_config config = net_rig_config(&handler_echo);
    config.listeners[0] = (struct net_listener_config){.family = NET_UNIX,
                                                       .host = path,
                                                       .unix_mode = 0600,
                                                       .handler = &handler_echo,
                                                       .inherited_fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* the file stays, nobody listens */
    struct net_server *first = net_rig_open(&config);

    struct net_server *second = NULL;
    struct net_error error = {""};
    assert_int_equal(net_open(&config, NULL, &second, &error), CDX_SYSTEM);
    assert_non_null(strstr(error.text, "Address already in use"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char got[8] = "";
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    net_rig_send(fd, "hello");
    assert_int_equal(net_rig_read(fd, got, 5), 5);
    assert_string_equal(got, "hello");
    close(fd);
    net_rig_close(first);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(dir);
}

static void a_handed_over_socket_serves_all_workers(void **state)
{
    (void)state;
    struct net_config config = net_rig_config(&handler_echo);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 16), 0);
    config.listeners[0].inherited_fd = listening;
    config.workers = 2;
    config.pin_workers = true;
    struct net_server *server = net_rig_open(&config);
    for (int i = 0; i < 20; i++) {
        char got[8] = "";
        int fd = net_rig_connect(server);
        net_rig_send(fd, "hello");
        assert_int_equal(net_rig_read(fd, got, 5), 5);
        assert_string_equal(got, "hello");
        close(fd);
    }
    net_rig_close(server);
}

static void a_handed_over_descriptor_that_does_not_listen_is_refused(void **state)
{
    (void)state;
    for (int connected = 0; connected < 2; connected++) {
        struct net_config config = net_rig_config(&handler_echo);
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
    struct net_config config = net_rig_config(&handler_echo);
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
        net_rig_send(fd, "hello");
        assert_int_equal(net_rig_read(fd, got, 5), 5);
        assert_string_equal(got, "hello");
        close(fd);
    }
    assert_int_equal(net_rig_stats(server).connections_accepted, 20);
    net_rig_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bad_configurations_are_refused_with_their_reason, net_rig_reset),
        cmocka_unit_test_setup(a_port_that_is_taken_is_refused_even_by_ourselves, net_rig_reset),
        cmocka_unit_test_setup(a_socket_file_is_replaced_only_when_nobody_listens, net_rig_reset),
        cmocka_unit_test_setup(a_handed_over_socket_serves_all_workers, net_rig_reset),
        cmocka_unit_test_setup(a_handed_over_descriptor_that_does_not_listen_is_refused,
                               net_rig_reset),
        cmocka_unit_test_setup(ipv6_is_served_by_two_workers, net_rig_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
