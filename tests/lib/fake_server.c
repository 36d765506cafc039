/* SPDX-License-Identifier: Apache-2.0 */
/* A server of kv whose behaviour the request's key chooses. */
#include "fake_server.h"

#include <caudex/kv.h>

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/** Bytes of one answer, rows included. */
#define ANSWER_NBYTES (KV_RESPONSE_NBYTES_MAX + (1u << 20))
#define INPUT_NBYTES 65536u

struct session {
    struct fake_server *server;
    int fd;
    uint8_t *answer;
    struct cdx_out out;
    bool open;
};

/* False: the other side is gone, or the test is over. */
static bool wait_for(struct session *s, short events)
{
    struct pollfd p[2] = {{.fd = s->fd, .events = events},
                          {.fd = s->server->wake[0], .events = POLLIN}};
    return poll(p, 2, -1) > 0 && p[1].revents == 0;
}

static void send_answer(struct session *s)
{
    const uint8_t *next = s->answer;
    while (next != s->out.next && wait_for(s, POLLOUT)) {
        size_t n = (size_t)(s->out.next - next);
        if (s->server->piece != 0 && n > s->server->piece)
            n = s->server->piece;
        const ssize_t sent = send(s->fd, next, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            s->open = false;
            break;
        }
        next += sent;
    }
    s->out.next = s->answer;
}

static void reset(struct session *s)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    s->open = false;
}

static bool is(const struct kv_request *q, const char *key)
{
    return cdx_bytes_equal(q->key, cdx_cstr(key));
}

static void ok(enum cdx_status status)
{
    if (status != CDX_OK)
        abort();
}

static void answer_get(struct session *s, const struct kv_request *q)
{
    if (is(q, "/silent"))
        return;
    if (is(q, "/close")) {
        s->open = false;
    } else if (is(q, "/reset")) {
        reset(s);
    } else if (is(q, "/garbage")) {
        *s->out.next++ = 0x77;
    } else if (is(q, "/stranger")) {
        ok(kv_get_ok_encode(&s->out, q->rid + 1000, q->key));
    } else if (is(q, "/stop")) {
        ok(kv_any_stopping_encode(&s->out, 0, CDX_STR("bye")));
        s->open = false;
    } else if (is(q, "/half")) {
        ok(kv_get_ok_encode(&s->out, q->rid, q->key));
        s->out.next -= 3;
        s->open = false;
    } else if (is(q, "/none")) {
        ok(kv_get_not_found_encode(&s->out, q->rid));
    } else {
        ok(kv_get_ok_encode(&s->out, q->rid, q->key));
    }
}

static void answer_list(struct session *s, const struct kv_request *q)
{
    const struct kv_page_end end = {.rows = q->body.list.limit};
    for (uint32_t i = 0; i < end.rows; i++)
        ok(kv_list_row_encode(&s->out, q->rid, CDX_STR("/row"), CDX_STR("of many")));
    ok(kv_list_ok_encode(&s->out, q->rid, &end));
}

static void answer(struct session *s, const struct kv_request *q)
{
    const struct kv_written written = {.revision = 1};
    s->server->requests++;
    if (q->type == KV_CALL_GET)
        answer_get(s, q);
    else if (q->type == KV_CALL_LIST)
        answer_list(s, q);
    else if (q->type == KV_CALL_PUT)
        ok(kv_put_ok_encode(&s->out, q->rid, &written));
    else if (q->type == KV_CALL_MATCH)
        ok(kv_match_ok_encode(&s->out, q->rid, CDX_STR("/img"), CDX_STR("cdn-a")));
    else
        ok(kv_response_encode(&s->out, KV_STATUS_OK, q->rid, cdx_empty(), q->val));
    send_answer(s);
}

static void serve(struct fake_server *server, int fd)
{
    struct session s = {.server = server, .fd = fd, .answer = malloc(ANSWER_NBYTES), .open = true};
    uint8_t *input = malloc(INPUT_NBYTES);
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request q;
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill);
    s.out = (struct cdx_out){.next = s.answer, .end = s.answer + ANSWER_NBYTES};
    while (s.open && wait_for(&s, POLLIN)) {
        const ssize_t n = recv(fd, input, INPUT_NBYTES, 0);
        if (n <= 0)
            break;
        const uint8_t *next = input;
        while (s.open && kv_request_feed(&parser, &spill, &next, input + n, &q) == CDX_OK)
            answer(&s, &q);
    }
    cdx_spill_free(&spill);
    free(input);
    free(s.answer);
    (void)close(fd);
}

static void *run(void *arg)
{
    struct fake_server *server = arg;
    struct session waiting = {.server = server, .fd = server->listener};
    sigset_t all;
    (void)sigfillset(&all); /* signals are for the test's own thread */
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (server->adopted >= 0)
        serve(server, server->adopted);
    while (server->listener >= 0 && wait_for(&waiting, POLLIN)) {
        const int fd = accept(server->listener, NULL, NULL);
        if (fd >= 0)
            serve(server, fd);
    }
    return NULL;
}

static void start(struct fake_server *server)
{
    assert_int_equal(pipe(server->wake), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
}

static bool listen_tcp(struct fake_server *server, bool v6)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *at = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
    socklen_t len = v6 ? sizeof in6 : sizeof in4;
    if (server->listener < 0 || bind(server->listener, at, len) != 0)
        return false;
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, at, &len), 0);
    (void)snprintf(server->address, sizeof server->address, v6 ? "[::1]:%u" : "127.0.0.1:%u",
                   ntohs(v6 ? in6.sin6_port : in4.sin_port));
    return true;
}

static void listen_unix(struct fake_server *server)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/caudex-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    (void)snprintf(server->path, sizeof server->path, "%s/s", folder);
    memcpy(at.sun_path, server->path, strlen(server->path));
    assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    (void)snprintf(server->address, sizeof server->address, "unix:%s", server->path);
}

bool fake_server_start(struct fake_server *server, enum fake_family family, size_t piece)
{
    static const int domains[] = {AF_INET, AF_INET6, AF_UNIX};
    *server = (struct fake_server){.piece = piece, .adopted = -1};
    server->listener = socket(domains[family], SOCK_STREAM, 0);
    if (family == FAKE_UNIX) {
        listen_unix(server);
    } else if (!listen_tcp(server, family == FAKE_IPV6)) {
        (void)close(server->listener);
        return false;
    }
    start(server);
    return true;
}

int fake_server_pair(struct fake_server *server, size_t piece)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *server = (struct fake_server){.piece = piece, .adopted = pair[0], .listener = -1};
    start(server);
    return pair[1];
}

void fake_server_stop(struct fake_server *server)
{
    (void)close(server->wake[1]); /* readable from now on: the end */
    (void)pthread_join(server->thread, NULL);
    (void)close(server->wake[0]);
    if (server->listener >= 0)
        (void)close(server->listener);
    if (server->path[0] != '\0') {
        (void)unlink(server->path);
        *strrchr(server->path, '/') = '\0';
        (void)rmdir(server->path);
    }
}
