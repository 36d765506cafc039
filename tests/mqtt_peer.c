/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT from its description, against others' programs:
 *
 *     mqtt_peer talk PORT CAPTURE   a client: connects to a broker, does everything once, leaves
 *     mqtt_peer relay PORT          stands between clients and a broker; prints its own port
 *
 * Whatever passes, in both directions, is read by the generated parser whole and byte by byte, and
 * what is sent on is what the generated encoder makes of it (lib/mqtt_stream.h). `talk` writes
 * both directions to CAPTURE, a line for each send and receive: "> " or "< " and hexadecimal.
 * `relay` ends with its standard input, and prints how many packets of each type passed. Exit
 * status: 0 all went well, 1 something did not, 2 usage.
 */
#include "mqtt_stream.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 20000
#define PIECE_NBYTES 4096u
#define RELAYED_MAX 16u

static const char *const type_names[MQTT_STREAM_TYPES] = {
    "",           "connect",   "connection", "publish",     "published",    "received", "release",
    "complete",   "subscribe", "subscribed", "unsubscribe", "unsubscribed", "ping",     "pong",
    "disconnect", ""};

static void fail(const char *what)
{
    (void)fprintf(stderr, "mqtt_peer: %s\n", what);
    exit(1);
}

/* ---- sockets ---- */

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    return address;
}

static int connect_to(const char *port)
{
    const struct sockaddr_in address = local(port);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect to the broker");
    return fd;
}

static void send_all(int fd, struct cdx_bytes bytes)
{
    while (bytes.len != 0) {
        const ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            fail("cannot send");
        bytes = cdx_bytes_of(bytes.data + n, bytes.len - (size_t)n);
    }
}

static void add_seen(unsigned *sum, const struct mqtt_stream *stream)
{
    for (unsigned type = 0; type < MQTT_STREAM_TYPES; type++)
        sum[type] += stream->seen[type];
}

static void print_seen(const unsigned *seen)
{
    for (unsigned type = 1; type < MQTT_STREAM_TYPES - 1; type++)
        (void)printf("%s %u\n", type_names[type], seen[type]);
}

/* ---- talk ---- */

struct session {
    int fd;
    FILE *capture;
    struct mqtt_stream to, from;
};

static void nothing(void *arg, const struct mqtt_packet *packet)
{
    (void)arg;
    (void)packet;
}

static void capture(struct session *s, char direction, struct cdx_bytes bytes)
{
    (void)fprintf(s->capture, "%c ", direction);
    for (size_t i = 0; i < bytes.len; i++)
        (void)fprintf(s->capture, "%02x", bytes.data[i]);
    (void)fprintf(s->capture, "\n");
}

static void send_packet(struct session *s, const struct mqtt_packet *packet)
{
    uint8_t room[1024];
    struct cdx_out out = {room, room + sizeof room};
    if (mqtt_packet_encode(&out, packet) != CDX_OK)
        fail("a packet cannot be written");
    const struct cdx_bytes bytes = cdx_bytes_of(room, (size_t)(out.next - room));
    if (!mqtt_stream_feed(&s->to, bytes, nothing, NULL))
        fail(s->to.error);
    capture(s, '>', bytes);
    send_all(s->fd, bytes);
}

static void send_id(struct session *s, enum mqtt_head head, uint16_t id)
{
    struct mqtt_packet packet = {.head = (uint8_t)head};
    packet.content.id_body.id = id;
    send_packet(s, &packet);
}

/* What quality of service 1 and 2 ask of a receiver, and of a sender. */
static void answer(void *arg, const struct mqtt_packet *packet)
{
    struct session *const s = arg;
    switch (packet->head) {
    case MQTT_HEAD_PUBLISH_1:
        send_id(s, MQTT_HEAD_PUBLISHED, packet->content.publish_id_body.id);
        break;
    case MQTT_HEAD_PUBLISH_2:
        send_id(s, MQTT_HEAD_RECEIVED, packet->content.publish_id_body.id);
        break;
    case MQTT_HEAD_RECEIVED:
        send_id(s, MQTT_HEAD_RELEASE, packet->content.id_body.id);
        break;
    case MQTT_HEAD_RELEASE:
        send_id(s, MQTT_HEAD_COMPLETE, packet->content.id_body.id);
        break;
    case MQTT_HEAD_CONNECTION:
        if (packet->content.connection_body.result != MQTT_RESULT_ACCEPTED)
            fail("the broker lets nobody in");
        break;
    default:
        break;
    }
}

/* One piece from the broker; false at the end. */
static bool receive(struct session *s)
{
    uint8_t room[PIECE_NBYTES];
    struct pollfd poll_for = {.fd = s->fd, .events = POLLIN};
    if (poll(&poll_for, 1, WAIT_MS) != 1)
        fail("the broker is silent");
    const ssize_t n = recv(s->fd, room, sizeof room, 0);
    if (n <= 0)
        return false;
    capture(s, '<', cdx_bytes_of(room, (size_t)n));
    if (!mqtt_stream_feed(&s->from, cdx_bytes_of(room, (size_t)n), answer, s))
        fail(s->from.error);
    return true;
}

/* Until so many packets of that type have come. */
static void await(struct session *s, enum mqtt_head head, unsigned count)
{
    while (s->from.seen[head >> 4] < count) {
        if (!receive(s))
            fail("the broker has gone");
    }
}

static void introduce(struct session *s)
{
    struct mqtt_packet packet = {.head = MQTT_HEAD_CONNECT};
    struct mqtt_connect_body *const body = &packet.content.connect_body;
    body->level = 4;
    body->options = MQTT_OPTIONS_CLEAN | MQTT_OPTIONS_WILL | MQTT_OPTIONS_WILL_1 |
                    MQTT_OPTIONS_USER | MQTT_OPTIONS_PASSWORD;
    body->keep_alive = 60;
    body->client = CDX_STR("caudex");
    body->will_topic = CDX_STR("caudex/gone");
    body->will_payload = CDX_STR("without a word");
    body->user = CDX_STR("ana");
    body->password = CDX_STR("secret");
    send_packet(s, &packet);
    await(s, MQTT_HEAD_CONNECTION, 1);
}

static void subscribe(struct session *s)
{
    uint8_t room[128];
    struct cdx_out out = {room, room + sizeof room};
    const struct mqtt_subscription wanted[] = {{CDX_STR("caudex/#"), 2}, {CDX_STR("+/news"), 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (mqtt_subscription_encode(&out, &wanted[i]) != CDX_OK)
            fail("a filter cannot be written");
    }
    struct mqtt_packet packet = {.head = MQTT_HEAD_SUBSCRIBE};
    packet.content.subscribe_body.id = 1;
    packet.content.subscribe_body.filters.bytes = cdx_bytes_of(room, (size_t)(out.next - room));
    packet.content.subscribe_body.filters.count = 2;
    send_packet(s, &packet);
    await(s, MQTT_HEAD_SUBSCRIBED, 1);
}

static void unsubscribe(struct session *s)
{
    uint8_t room[128];
    struct cdx_out out = {room, room + sizeof room};
    const struct mqtt_former_filter former = {CDX_STR("caudex/#")};
    if (mqtt_former_filter_encode(&out, &former) != CDX_OK)
        fail("a filter cannot be written");
    struct mqtt_packet packet = {.head = MQTT_HEAD_UNSUBSCRIBE};
    packet.content.unsubscribe_body.id = 2;
    packet.content.unsubscribe_body.filters.bytes = cdx_bytes_of(room, (size_t)(out.next - room));
    packet.content.unsubscribe_body.filters.count = 1;
    send_packet(s, &packet);
    await(s, MQTT_HEAD_UNSUBSCRIBED, 1);
}

static void publish(struct session *s)
{
    struct mqtt_packet packet = {.head = MQTT_HEAD_PUBLISH};
    packet.content.publish_body.topic = CDX_STR("caudex/once");
    packet.content.publish_body.payload = CDX_STR("at most");
    send_packet(s, &packet);
    await(s, MQTT_HEAD_PUBLISH, 1);
    packet = (struct mqtt_packet){.head = MQTT_HEAD_PUBLISH_1};
    packet.content.publish_id_body.topic = CDX_STR("caudex/once");
    packet.content.publish_id_body.id = 3;
    packet.content.publish_id_body.payload = CDX_STR("at least");
    send_packet(s, &packet);
    await(s, MQTT_HEAD_PUBLISHED, 1);
    await(s, MQTT_HEAD_PUBLISH, 2);
    packet.head = MQTT_HEAD_PUBLISH_2;
    packet.content.publish_id_body.id = 4;
    packet.content.publish_id_body.payload = CDX_STR("");
    send_packet(s, &packet);
    await(s, MQTT_HEAD_COMPLETE, 1);
    await(s, MQTT_HEAD_RELEASE, 1);
}

static int talk(const char *port, const char *path)
{
    struct session s = {.fd = connect_to(port), .capture = fopen(path, "w")};
    unsigned seen[MQTT_STREAM_TYPES] = {0};
    if (s.capture == NULL)
        fail("cannot write the capture");
    mqtt_stream_init(&s.to);
    mqtt_stream_init(&s.from);
    introduce(&s);
    subscribe(&s);
    publish(&s);
    send_packet(&s, &(struct mqtt_packet){.head = MQTT_HEAD_PING});
    await(&s, MQTT_HEAD_PONG, 1);
    unsubscribe(&s);
    send_packet(&s, &(struct mqtt_packet){.head = MQTT_HEAD_DISCONNECT});
    while (receive(&s))
        continue;
    if (!mqtt_stream_is_between(&s.from))
        fail("the broker ends inside a packet");
    add_seen(seen, &s.to);
    add_seen(seen, &s.from);
    print_seen(seen);
    mqtt_stream_free(&s.to);
    mqtt_stream_free(&s.from);
    (void)close(s.fd);
    return fclose(s.capture) == 0 ? 0 : 1;
}

/* ---- relay ---- */

/* A connection and the one to the broker. */
struct pair {
    int fds[2];
    struct mqtt_stream streams[2]; /* what came from fds[i] */
    bool is_open;
};

struct relay {
    struct pair pairs[RELAYED_MAX];
    unsigned seen[MQTT_STREAM_TYPES];
};

static int listen_anywhere(void)
{
    struct sockaddr_in address = local("0");
    socklen_t len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, RELAYED_MAX) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        fail("cannot listen");
    (void)printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void pair_open(struct relay *relay, int client, const char *port)
{
    for (size_t i = 0; i < RELAYED_MAX; i++) {
        struct pair *const pair = &relay->pairs[i];
        if (pair->is_open)
            continue;
        *pair = (struct pair){.fds = {client, connect_to(port)}, .is_open = true};
        mqtt_stream_init(&pair->streams[0]);
        mqtt_stream_init(&pair->streams[1]);
        return;
    }
    fail("too many connections");
}

static void pair_close(struct relay *relay, struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        if (!mqtt_stream_is_between(&pair->streams[i]))
            fail("a connection ends inside a packet");
        add_seen(relay->seen, &pair->streams[i]);
        mqtt_stream_free(&pair->streams[i]);
        (void)close(pair->fds[i]);
    }
    pair->is_open = false;
}

/* Passes on what has come from one side, written anew; false at its end. */
static bool pass(struct pair *pair, size_t from)
{
    uint8_t room[PIECE_NBYTES];
    struct mqtt_stream *const stream = &pair->streams[from];
    const ssize_t n = recv(pair->fds[from], room, sizeof room, 0);
    if (n <= 0)
        return false;
    if (!mqtt_stream_feed(stream, cdx_bytes_of(room, (size_t)n), nothing, NULL))
        fail(stream->error);
    send_all(pair->fds[1 - from], cdx_bytes_of(stream->again.data, stream->again.len));
    stream->again.len = 0;
    return true;
}

static void relay_turn(struct relay *relay, const struct pollfd *polled, const char *port)
{
    for (size_t i = 0; i < RELAYED_MAX; i++) {
        struct pair *const pair = &relay->pairs[i];
        const struct pollfd *const sides = &polled[2 + 2 * i];
        if (!pair->is_open)
            continue;
        if ((sides[0].revents != 0 && !pass(pair, 0)) || (sides[1].revents != 0 && !pass(pair, 1)))
            pair_close(relay, pair);
    }
    if (polled[1].revents != 0) {
        const int client = accept(polled[1].fd, NULL, NULL);
        if (client < 0)
            fail("cannot accept");
        pair_open(relay, client, port);
    }
}

static bool has_pairs(const struct relay *relay)
{
    for (size_t i = 0; i < RELAYED_MAX; i++) {
        if (relay->pairs[i].is_open)
            return true;
    }
    return false;
}

static int run_relay(const char *port)
{
    static struct relay relay;
    struct pollfd polled[2 + 2 * RELAYED_MAX];
    const int listening = listen_anywhere();
    bool is_wanted = true;
    while (is_wanted || has_pairs(&relay)) {
        polled[0] = (struct pollfd){.fd = is_wanted ? STDIN_FILENO : -1, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = listening, .events = POLLIN};
        for (size_t i = 0; i < 2 * RELAYED_MAX; i++) {
            const struct pair *const pair = &relay.pairs[i / 2];
            polled[2 + i] =
                (struct pollfd){.fd = pair->is_open ? pair->fds[i % 2] : -1, .events = POLLIN};
        }
        if (poll(polled, sizeof polled / sizeof *polled, WAIT_MS) <= 0)
            fail("nobody comes");
        relay_turn(&relay, polled, port);
        is_wanted = is_wanted && polled[0].revents == 0;
    }
    print_seen(relay.seen);
    (void)close(listening);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "talk") == 0)
        return talk(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "relay") == 0)
        return run_relay(argv[2]);
    (void)fprintf(stderr, "usage: mqtt_peer talk PORT CAPTURE | relay PORT\n");
    return 2;
}
