/* SPDX-License-Identifier: Apache-2.0 */
/* A server of the kv protocol for tests of its clients. */
#include "peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections at once: more than any test makes. */
#define CONNECTIONS_MAX 64u

struct connection {
    int fd;
    struct kv_request_parser parser;
    struct cdx_spill spill;
};

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

/* Sends all of it; a client that has gone is no error of the peer's. */
static void send_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n != 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

static enum peer_next answer(struct peer *peer, int fd, const struct kv_request *request)
{
    static uint8_t bytes[PEER_ANSWER_NBYTES];
    struct cdx_out out = {.next = bytes, .end = bytes + sizeof bytes};
    atomic_fetch_add(&peer->requests, 1);
    enum peer_next next = peer->answer(peer->arg, request, &out);
    send_all(fd, bytes, (size_t)(out.next - bytes));
    return next;
}

/* Serves what one read brings; false when the connection is over. */
static int serve(struct peer *peer, struct connection *connection)
{
    uint8_t bytes[65536];
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, 0);
    if (n <= 0)
        return 0;
    const uint8_t *next = bytes;
    struct kv_request request;
    while (kv_request_feed(&connection->parser, &connection->spill, &next, bytes + n, &request) ==
           CDX_OK)
        if (answer(peer, connection->fd, &request) == PEER_HANG_UP)
            return 0;
    return 1;
}

static void hang_up(struct connection *connection)
{
    close(connection->fd);
    cdx_spill_free(&connection->spill);
}

static void greet(struct peer *peer, struct connection *connections, size_t *count)
{
    int fd = accept(peer->listener, NULL, NULL);
    must(fd >= 0 && *count < CONNECTIONS_MAX, "accept");
    connections[*count].fd = fd;
    kv_request_parser_init(&connections[*count].parser);
    cdx_spill_init(&connections[*count].spill);
    ++*count;
    atomic_fetch_add(&peer->connections, 1);
}

/* Waits; false when the peer is to stop. looks[2 + i] tells about connections[i]. */
static int look(struct peer *peer, const struct connection *connections, size_t count,
                struct pollfd *looks)
{
    looks[0] = (struct pollfd){.fd = peer->wake[0], .events = POLLIN};
    looks[1] = (struct pollfd){.fd = peer->listener, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        looks[2 + i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
    must(poll(looks, 2 + (nfds_t)count, -1) > 0, "poll");
    return looks[0].revents == 0;
}

static void *run(void *arg)
{
    struct peer *peer = arg;
    struct connection connections[CONNECTIONS_MAX];
    struct pollfd looks[CONNECTIONS_MAX + 2];
    size_t count = 0;
    while (look(peer, connections, count, looks)) {
        for (size_t i = count; i-- != 0;) {
            if (looks[2 + i].revents == 0 || serve(peer, &connections[i]))
                continue;
            hang_up(&connections[i]);
            connections[i] = connections[--count];
        }
        if (looks[1].revents != 0)
            greet(peer, connections, &count);
    }
    for (size_t i = 0; i < count; i++)
        hang_up(&connections[i]);
    return NULL;
}

void peer_open(struct peer *peer, peer_answer_fn *answer_fn, void *arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/caudex-peer-XXXXXX";
    *peer = (struct peer){.answer = answer_fn, .arg = arg};
    must(mkdtemp(folder) != NULL, "mkdtemp");
    snprintf(peer->path, sizeof peer->path, "%s/peer.sock", folder);
    snprintf(peer->address, sizeof peer->address, "unix:%s", peer->path);
    memcpy(address.sun_path, peer->path, strlen(peer->path) + 1);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(peer->listener, (const struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(peer->listener, 64) == 0, "listen");
    must(pipe(peer->wake) == 0, "pipe");
    must(pthread_create(&peer->thread, NULL, run, peer) == 0, "pthread_create");
}

void peer_close(struct peer *peer)
{
    close(peer->wake[1]);
    pthread_join(peer->thread, NULL);
    close(peer->wake[0]);
    close(peer->listener);
    unlink(peer->path);
    *strrchr(peer->path, '/') = 0;
    rmdir(peer->path);
}
