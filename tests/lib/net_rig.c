/* SPDX-License-Identifier: Apache-2.0 */
/* A server of net's and its peers: see net_rig.h. */
#include "net_rig.h"

#include <caudex/heap.h>

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the handler ---- */

struct handler {
    size_t taken_this_turn;
};

struct session {
    struct cdx_bytes input;
};

struct net_rig_behaviour net_rig_behaviour;

int net_rig_reset(void **state)
{
    (void)state;
    net_rig_behaviour.step = 3;
    net_rig_behaviour.sessions_per_turn = 2;
    net_rig_behaviour.incomplete_nbytes = 0;
    net_rig_behaviour.watched_nbytes = 0;
    atomic_store(&net_rig_behaviour.watched, 0);
    net_rig_behaviour.stall_ms = 0;
    atomic_store(&net_rig_behaviour.stalls, 0);
    return 0;
}

static enum cdx_status open_handler(const struct handler_env *env, struct handler **handler)
{
    (void)env;
    *handler = cdx_calloc(1, sizeof **handler);
    return *handler != NULL ? CDX_OK : CDX_NO_MEMORY;
}

static void close_handler(struct handler *h)
{
    cdx_free(h);
}

static void session_nothing(struct handler *h, void *session)
{
    (void)h;
    (void)session;
}

static void turn_begin(struct handler *h)
{
    h->taken_this_turn = 0;
}

static bool accept_input(struct handler *h, void *session, struct cdx_bytes input)
{
    struct session *s = session;
    if (h->taken_this_turn == net_rig_behaviour.sessions_per_turn)
        return false;
    h->taken_this_turn++;
    if (input.len == net_rig_behaviour.watched_nbytes)
        atomic_fetch_add(&net_rig_behaviour.watched, 1);
    s->input = input;
    return true;
}

static void turn_nothing(struct handler *h)
{
    (void)h;
}

static void stall(void)
{
    atomic_fetch_add(&net_rig_behaviour.stalls, 1);
    usleep(net_rig_behaviour.stall_ms * 1000);
}

static enum handler_verdict answer(struct handler *h, void *session, struct handler_output *out,
                                   size_t *consumed)
{
    struct session *s = session;
    (void)h;
    size_t n = s->input.len < net_rig_behaviour.step ? s->input.len : net_rig_behaviour.step;
    uint8_t *at = handler_output_reserve(out, n);
    if (at == NULL)
        return HANDLER_CLOSE;
    if (memchr(s->input.data, '~', n) != NULL)
        stall();
    memcpy(at, s->input.data, n);
    out->len += n;
    *consumed = n;
    return memchr(s->input.data, '!', n) != NULL ? HANDLER_CLOSE : HANDLER_CONTINUE;
}

static size_t incomplete(const void *session)
{
    (void)session;
    return net_rig_behaviour.incomplete_nbytes;
}

static void notice(struct handler *h, void *session, enum handler_notice notice,
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

const struct handler_class net_rig_class = {
    .name = "rig",
    .session_nbytes = sizeof(struct session),
    .open = open_handler,
    .close = close_handler,
    .session_start = session_nothing,
    .session_end = session_nothing,
    .turn_begin = turn_begin,
    .accept = accept_input,
    .prefetch = turn_nothing,
    .answer = answer,
    .turn_end = turn_nothing,
    .incomplete = incomplete,
    .notice = notice,
};

/* ---- a server ---- */

struct net_config net_rig_config(const struct handler_class *class)
{
    return (struct net_config){
        .listeners =
            {{.family = NET_TCP, .host = "127.0.0.1", .handler = class, .inherited_fd = -1}},
        .listener_count = 1,
        .workers = 1,
        .backlog = 64,
        .connections_max = 100,
        .idle_timeout_ms = 60000,
        .request_timeout_ms = 60000,
        .close_timeout_ms = 60000,
        .drain_timeout_ms = 5000,
        .request_nbytes_max = 1 << 20,
        .output_high_nbytes = 1 << 16,
        .output_low_nbytes = 1 << 14,
        .keepalive_s = 60,
    };
}

struct net_server *net_rig_open(const struct net_config *config)
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

void net_rig_close(struct net_server *server)
{
    net_drain(server);
    net_join(server);
    net_close(server);
}

struct net_stats net_rig_stats(const struct net_server *server)
{
    struct net_stats stats;
    net_read_stats(server, &stats);
    return stats;
}

void net_rig_wait_bytes_in(const struct net_server *server, uint64_t nbytes)
{
    for (int i = 0; i < NET_RIG_WAIT_MS && net_rig_stats(server).bytes_in < nbytes; i++)
        usleep(1000);
    assert_int_equal(net_rig_stats(server).bytes_in, nbytes);
}

/* ---- peers ---- */

int net_rig_connect(const struct net_server *server)
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

int net_rig_connect_small(const struct net_server *server)
{
    int fd = net_rig_connect(server);
    const int room = 1 << 17;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    return fd;
}

size_t net_rig_read(int fd, char *bytes, size_t n)
{
    size_t got = 0;
    while (got < n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, NET_RIG_WAIT_MS) <= 0)
            break;
        ssize_t piece = recv(fd, bytes + got, n - got, 0);
        if (piece <= 0)
            break;
        got += (size_t)piece;
    }
    return got;
}

void net_rig_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void net_rig_expect(int fd, const char *text)
{
    char got[64] = "";
    size_t n = strlen(text);
    assert_in_range(n, 1, sizeof got - 1);
    assert_int_equal(net_rig_read(fd, got, n), n);
    assert_string_equal(got, text);
}
