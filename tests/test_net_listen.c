/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and listening sockets: which are taken, refused, handed over, and what stays of them.
 */
#include "heap_fail.h"
#include "net_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
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

/* ---- socket files ---- */

/* A directory for a socket, and a server's configuration for that. */
struct place {
    char dir[32];
    char path[64];
    struct net_config config;
};

static void place_make(struct place *place)
{
    strcpy(place->dir, "/tmp/caudex-net-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof place->path, "%s/socket", place->dir);
    place->config = net_rig_config(&handler_echo);
    place->config.listeners[0] = (struct net_listener_config){.family = NET_UNIX,
                                                              .host = place->path,
                                                              .unix_mode = 0600,
                                                              .handler = &handler_echo,
                                                              .inherited_fd = -1};
}

/* Fails the test unless the directory is empty again. */
static void place_remove(const struct place *place)
{
    assert_int_equal(rmdir(place->dir), 0);
}

static struct sockaddr_un address_of(const struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, place->path, strlen(place->path));
    return address;
}

/* Fails the test unless somebody answers there. */
static void expect_service(const struct place *place)
{
    struct sockaddr_un address = address_of(place);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    net_rig_send(fd, "hello");
    net_rig_expect(fd, "hello");
    close(fd);
}

static void a_socket_file_is_replaced_only_when_nobody_listens(void **state)
{
    (void)state;
    struct place place;
    place_make(&place);
    struct sockaddr_un address = address_of(&place);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* the file stays, nobody listens */
    struct net_server *first = net_rig_open(&place.config);
    struct net_server *second = NULL;
    struct net_error error = {""};
    assert_int_equal(net_open(&place.config, NULL, &second, &error), CDX_SYSTEM);
    assert_non_null(strstr(error.text, "Address already in use"));
    expect_service(&place);
    net_rig_close(first);
    place_remove(&place);
}

/* A server that drains does not listen any more, so the next one may begin before it has ended. */
static void the_socket_file_of_the_next_server_stays(void **state)
{
    (void)state;
    struct place place;
    place_make(&place);
    struct net_server *first = net_rig_open(&place.config);
    net_drain(first);
    net_join(first);
    struct net_server *second = net_rig_open(&place.config);
    net_close(first);
    expect_service(&place);
    net_rig_close(second);
    place_remove(&place);
}

/* ---- handed-over sockets ---- */

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
        assert_int_equal(fcntl(ends[0], F_GETFD), -1);
        close(ends[1]);
    }
}

/* Two listeners, the second of which is handed over. */
static struct net_config config_with_handed_over(void)
{
    struct net_config config = net_rig_config(&handler_echo);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(listen(fd, 1), 0);
    config.listeners[1] = config.listeners[0];
    config.listeners[1].inherited_fd = fd;
    config.listener_count = 2;
    return config;
}

/* Opens with the n-th allocation failing; false: it did not come to that. */
static bool open_with_failure(size_t n)
{
    struct net_config config = config_with_handed_over();
    struct net_server *server = NULL;
    struct net_error error = {""};
    heap_fail_install();
    heap_fail_at(n, 0);
    enum cdx_status status = net_open(&config, NULL, &server, &error);
    bool happened = heap_fail_happened();
    assert_int_equal(status, happened ? CDX_NO_MEMORY : CDX_OK);
    net_close(server);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
    assert_int_equal(fcntl(config.listeners[1].inherited_fd, F_GETFD), -1);
    return happened;
}

static void a_handed_over_socket_is_closed_whatever_is_refused(void **state)
{
    (void)state;
    struct net_server *server = NULL;
    struct net_error error = {""};
    struct net_config config = config_with_handed_over();
    config.workers = 0;
    assert_int_equal(net_open(&config, NULL, &server, &error), CDX_INVALID);
    assert_int_equal(fcntl(config.listeners[1].inherited_fd, F_GETFD), -1);
    config = config_with_handed_over();
    config.listeners[0].host = "localhost";
    assert_int_equal(net_open(&config, NULL, &server, &error), CDX_ADDRESS);
    assert_int_equal(fcntl(config.listeners[1].inherited_fd, F_GETFD), -1);
    size_t n = 1;
    while (open_with_failure(n))
        n++;
    assert_true(n > 3);
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
        cmocka_unit_test_setup(the_socket_file_of_the_next_server_stays, net_rig_reset),
        cmocka_unit_test_setup(a_handed_over_socket_serves_all_workers, net_rig_reset),
        cmocka_unit_test_setup(a_handed_over_descriptor_that_does_not_listen_is_refused,
                               net_rig_reset),
        cmocka_unit_test_setup(a_handed_over_socket_is_closed_whatever_is_refused, net_rig_reset),
        cmocka_unit_test_setup(ipv6_is_served_by_two_workers, net_rig_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
