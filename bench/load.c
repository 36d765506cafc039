/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load generator for servers that are to be compared: a connection has at most
 * one batch of `pipeline` requests open; batches are encoded beforehand, as many
 * distinct requests as there are keys; answers are counted, not interpreted.
 *
 *     keys file ─► batches ─► connections ⇄ server
 *                                  └─► rate, latencies of batches, the server's CPU time
 *
 * Closed loop: a connection sends its next batch when the last is answered. Open loop (--rate):
 * batches fall due at fixed times, whether or not a connection is free, and their latency counts
 * from there: a server that pauses is charged for all who wait, not for those it let ask.
 * The latency of a batch ends with its last read; a batch without reads has none.
 *
 * Prints one JSON object, also when SIGTERM ends the window early. The server's CPU time is
 * field 1 of its threads' /proc/PID/task/T/schedstat, in ns, read before and after the window.
 *
 * Usage: bench_load --port N --protocol P --keys FILE [--connections N] [--pipeline N]
 *        [--seconds S] [--warmup S] [--pid PID] [--fill] [--rate R] [--writes PERCENT]
 *        [--announce]
 * Protocols: echo, kv-get, kv-match, redis-get, redis-mget, redis-set, memcached-mg, memcached-get;
 * of memcached's binary protocol memcache-get, memcache-getkq (a batch ends in a noop),
 * memcache-set.
 * --rate is in requests per second; --writes, only of kv: so many requests put a new value.
 * --announce prints the line `begun` when the window begins.
 */
#include "load_cpu.h"
#include "load_latency.h"

#include <caudex/kv.h>
#include <caudex/memcache.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VALUE "a value of 32 bytes, not 1 more."
#define VALUE_NBYTES 32u
/* Values of --writes; the first bytes are another number at every put. */
#define WRITE_NBYTES_MIN 8u
#define WRITE_NBYTES_MAX 32u
#define CONNECTIONS_MAX 1024
/* How long an open loop waits, after the window, for what fell due inside it. */
#define DRAIN_NS UINT64_C(120000000000)
/* Between two looks at what could not be sent at once, when nothing arrives and nothing is due. */
#define LOOK_NS UINT64_C(100000000)
#define INPUT_NBYTES (1u << 18)

enum protocol {
    ECHO,
    KV_GET,
    KV_MATCH,
    REDIS_GET,
    REDIS_MGET,
    REDIS_SET,
    MEMCACHED_MG,
    MEMCACHED_GET,
    MEMCACHE_GET,
    MEMCACHE_GETKQ,
    MEMCACHE_SET,
    PROTOCOLS
};
static const char *const protocol_names[PROTOCOLS] = {

    "echo",         "kv-get",        "kv-match",     "redis-get",      "redis-mget",  "redis-set",
    "memcached-mg", "memcached-get", "memcache-get", "memcache-getkq", "memcache-set"};

/* Requests that are sent together, and how many bytes their answers have (kv's are counted in
 * frames). */
struct batch {
    size_t start;
    size_t len;
    size_t answer_nbytes;
    unsigned requests;
    unsigned reads_end; /* the last read's place, counted from 1; 0: there is none */
    size_t first_write; /* in `writes` */
    unsigned write_count;
};

struct conn {
    int fd;
    const struct batch *batch;
    size_t sent;
    size_t got;
    unsigned frames;
    uint64_t begun_ns;
    struct kv_response_parser parser;
    struct cdx_spill spill;
};

static struct {
    int port;
    enum protocol protocol;
    const char *keys;
    unsigned connections;
    unsigned pipeline;
    double seconds;
    double warmup;
    int pid;
    bool fill;
    bool announce;
    double rate;
    unsigned writes;
} options = {.connections = 50, .pipeline = 16, .seconds = 1.0, .warmup = 0.2};

static uint8_t *bytes;
static size_t bytes_len, bytes_cap;
static struct batch *batches;
static size_t batch_count, next_batch;
static size_t *writes; /* where the values of puts begin */
static size_t write_count, write_cap;
static uint64_t answered;
static uint8_t input[INPUT_NBYTES];
/* Free connections of an open loop: a ring, so that each has its turn. */
static struct conn *idle[CONNECTIONS_MAX];
static unsigned idle_first, idle_count;
static volatile sig_atomic_t is_terminated;

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* What is wrong is not a system call. */
static void fail(const char *what)
{
    fprintf(stderr, "bench_load: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- encoding ---- */

static void put(const void *data, size_t n)
{
    if (bytes_len + n > bytes_cap) {
        bytes_cap = (bytes_len + n) * 2;
        bytes = realloc(bytes, bytes_cap);
        if (bytes == NULL)
            die("memory");
    }
    memcpy(bytes + bytes_len, data, n);
    bytes_len += n;
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

static void put_kv(uint8_t call, uint32_t rid, struct cdx_bytes key, struct cdx_bytes val)
{
    uint8_t frame[KV_PATH_NBYTES_MAX + 256];
    struct cdx_out out = {.next = frame, .end = frame + sizeof frame};
    if (kv_request_encode(&out, call, rid, key, val) != CDX_OK)
        fail("a key that is too long");
    put(frame, (size_t)(out.next - frame));
}

static void put_resp_word(struct cdx_bytes word)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", word.len);
    put_text(head);
    put(word.data, word.len);
    put_text("\r\n");
}

static void put_redis_set(struct cdx_bytes key, struct batch *b)
{
    put_text("*3\r\n$3\r\nSET\r\n");
    put_resp_word(key);
    put_resp_word((struct cdx_bytes)CDX_STR(VALUE));
    b->answer_nbytes += 5; /* +OK */
}

static void put_memcache(uint8_t opcode, struct cdx_bytes key, struct cdx_bytes value)
{
    uint8_t room[MEMCACHE_REQUEST_NBYTES_MIN + MEMCACHE_KEY_MAX + 64];
    struct cdx_out out = {.next = room, .end = room + sizeof room};
    const struct memcache_request request = {.opcode = opcode, .key = key, .value = value};
    if (memcache_request_encode(&out, &request) != CDX_OK)
        fail("a key that is too long");
    put(room, (size_t)(out.next - room));
}

static void put_memcache_set(struct cdx_bytes key, struct batch *b)
{
    put_memcache(MEMCACHE_OPCODE_SET, key, (struct cdx_bytes)CDX_STR(VALUE));
    b->answer_nbytes += MEMCACHE_RESPONSE_NBYTES_MIN;
}

/* What `match` is asked: a quarter stored keys, half deeper ones, a quarter siblings of their last
 * segment. */
static struct cdx_bytes match_path(struct cdx_bytes key, size_t i, uint8_t *room)
{
    memcpy(room, key.data, key.len);
    if (i % 4 == 0)
        return key;
    if (i % 4 == 3) {
        room[key.len - 1] = '~';
        return cdx_bytes_of(room, key.len);
    }
    memcpy(room + key.len, "/x/y", 4);
    return cdx_bytes_of(room, key.len + 4);
}

static void fill_one(struct cdx_bytes key, uint32_t rid, struct batch *b)
{
    struct cdx_bytes value = CDX_STR(VALUE);
    char head[64];
    switch (options.protocol) {
    case REDIS_GET:
    case REDIS_MGET:
    case REDIS_SET:
        put_redis_set(key, b);
        break;
    case MEMCACHE_GET:
    case MEMCACHE_GETKQ:
    case MEMCACHE_SET:
        put_memcache_set(key, b);
        break;
    case MEMCACHED_MG:
    case MEMCACHED_GET:
        put_text("ms ");
        put(key.data, key.len);
        snprintf(head, sizeof head, " %zu\r\n", value.len);
        put_text(head);
        put(value.data, value.len);
        put_text("\r\n");
        b->answer_nbytes += 4; /* HD */
        break;
    default:
        put_kv(KV_CALL_PUT, rid, key, value);
        b->reads_end = b->requests + 1; /* there are none: the puts' latency */
        break;
    }
}

static bool is_write(size_t i)
{
    return ((i * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % 100 < options.writes;
}

static void write_one(struct cdx_bytes key, size_t i, struct batch *b)
{
    static const uint8_t filler[WRITE_NBYTES_MAX] = VALUE;
    size_t len = WRITE_NBYTES_MIN + i / 7 % (WRITE_NBYTES_MAX - WRITE_NBYTES_MIN + 1);
    put_kv(KV_CALL_PUT, (uint32_t)i + 1, key, cdx_bytes_of(filler, len));
    if (write_count == write_cap) {
        write_cap = write_cap != 0 ? write_cap * 2 : 1024;
        writes = realloc(writes, write_cap * sizeof *writes);
        if (writes == NULL)
            die("memory");
    }
    writes[write_count++] = bytes_len - len;
    b->write_count++;
}

/* A put must not store what it stored the last time round. */
static void renew_values(const struct batch *b)
{
    static uint64_t number;
    for (unsigned i = 0; i < b->write_count; i++) {
        number++;
        memcpy(bytes + writes[b->first_write + i], &number, sizeof number);
    }
}

static void ask_one(struct cdx_bytes key, size_t i, struct batch *b)
{
    uint8_t room[KV_PATH_NBYTES_MAX + 8];
    uint32_t rid = (uint32_t)i + 1;
    if (is_write(i)) {
        write_one(key, i, b);
        return;
    }
    b->reads_end = b->requests + 1;
    switch (options.protocol) {
    case ECHO:
        put_kv(KV_CALL_GET, rid, key, cdx_empty());
        b->answer_nbytes += kv_request_size(key.len, 0);
        break;
    case KV_GET:
        put_kv(KV_CALL_GET, rid, key, cdx_empty());
        break;
    case KV_MATCH:
        put_kv(KV_CALL_MATCH, rid, match_path(key, i, room), cdx_empty());
        break;
    case REDIS_GET:
        put_text("*2\r\n$3\r\nGET\r\n");
        put_resp_word(key);
        b->answer_nbytes += 5 + VALUE_NBYTES + 2;
        break;
    case REDIS_MGET:
        put_resp_word(key);
        b->answer_nbytes += 5 + VALUE_NBYTES + 2;
        break;
    case REDIS_SET:
        put_redis_set(key, b);
        break;
    case MEMCACHE_GET:
        put_memcache(MEMCACHE_OPCODE_GET, key, cdx_empty());
        b->answer_nbytes += MEMCACHE_RESPONSE_NBYTES_MIN + 4 + VALUE_NBYTES;
        break;
    case MEMCACHE_GETKQ:
        put_memcache(MEMCACHE_OPCODE_GET_KEY_QUIET, key, cdx_empty());
        b->answer_nbytes += MEMCACHE_RESPONSE_NBYTES_MIN + 4 + key.len + VALUE_NBYTES;
        break;
    case MEMCACHE_SET:
        put_memcache_set(key, b);
        break;
    case MEMCACHED_MG:
        put_text("mg ");
        put(key.data, key.len);
        put_text(" v\r\n");
        b->answer_nbytes += 7 + VALUE_NBYTES + 2;
        break;
    default: /* VALUE key 0 32\r\n…\r\n */
        put_text(" ");
        put(key.data, key.len);
        b->answer_nbytes += 6 + key.len + 7 + VALUE_NBYTES + 2;
        break;
    }
}

static void batch_begin(struct batch *b)
{
    char head[64];
    *b = (struct batch){.start = bytes_len, .first_write = write_count};
    if (options.fill)
        return;
    if (options.protocol == REDIS_MGET) {
        snprintf(head, sizeof head, "*%u\r\n$4\r\nMGET\r\n", options.pipeline + 1);
        put_text(head);
        b->answer_nbytes = (size_t)snprintf(head, sizeof head, "*%u\r\n", options.pipeline);
    } else if (options.protocol == MEMCACHED_GET) {
        put_text("get");
        b->answer_nbytes = 5; /* END */
    }
}

static void batch_end(struct batch *b)
{
    if (!options.fill && options.protocol == MEMCACHED_GET)
        put_text("\r\n");
    if (!options.fill && options.protocol == MEMCACHE_GETKQ) {
        put_memcache(MEMCACHE_OPCODE_NOOP, cdx_empty(), cdx_empty());
        b->answer_nbytes += MEMCACHE_RESPONSE_NBYTES_MIN;
    }
    b->len = bytes_len - b->start;
}

/* Keys that do not fill a last batch are left out, except when filling. */
static void encode_all(void)
{
    char line[KV_PATH_NBYTES_MAX + 2];
    size_t i = 0, cap = 1024;
    FILE *file = fopen(options.keys, "r");
    if (file == NULL)
        die(options.keys);
    batches = malloc(cap * sizeof *batches);
    while (fgets(line, sizeof line, file) != NULL) {
        struct cdx_bytes key = cdx_bytes_of(line, strcspn(line, "\n"));
        if (batch_count + 1 >= cap)
            batches = realloc(batches, (cap *= 2) * sizeof *batches);
        struct batch *b = &batches[batch_count];
        if (i % options.pipeline == 0)
            batch_begin(b);
        if (options.fill)
            fill_one(key, (uint32_t)i + 1, b);
        else
            ask_one(key, i, b);
        b->requests++;
        if (++i % options.pipeline == 0) {
            batch_end(b);
            batch_count++;
        }
    }
    fclose(file);
    if (options.fill && i % options.pipeline != 0)
        batch_end(&batches[batch_count++]);
    if (batch_count == 0)
        fail("fewer keys than a batch has");
}

/* ---- connections ---- */

static bool counts_frames(void)
{
    return options.fill ? options.protocol <= KV_MATCH
                        : options.protocol == KV_GET || options.protocol == KV_MATCH;
}

static void send_more(struct conn *c)
{
    while (c->sent < c->batch->len) {
        ssize_t n =
            send(c->fd, bytes + c->batch->start + c->sent, c->batch->len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->sent += (size_t)n;
    }
}

/* The next batch, due at `due_ns`; false when all were sent once and that was wanted. */
static bool start_batch(struct conn *c, uint64_t due_ns)
{
    if (options.fill && next_batch == batch_count) {
        c->batch = NULL;
        return false;
    }
    c->batch = &batches[next_batch];
    next_batch = next_batch + 1 == batch_count && !options.fill ? 0 : next_batch + 1;
    c->sent = 0;
    c->got = 0;
    c->frames = 0;
    c->begun_ns = due_ns;
    renew_values(c->batch);
    send_more(c);
    return true;
}

static void count_latency(const struct conn *c)
{
    load_latency_add(now_ns() - c->begun_ns);
}

static void count_input(struct conn *c, size_t n)
{
    const uint8_t *next = input, *end = input + n;
    struct kv_response frame;
    enum cdx_status status;
    while ((status = kv_response_feed(&c->parser, &c->spill, &next, end, &frame)) == CDX_OK) {
        if (frame.status != KV_STATUS_OK && frame.status != KV_STATUS_NOT_FOUND)
            fail("an answer that is an error");
        if (++c->frames == c->batch->reads_end)
            count_latency(c);
    }
    if (status != CDX_MORE)
        fail("an answer that is not kv");
}

static bool is_answered(struct conn *c)
{
    if (counts_frames())
        return c->frames >= c->batch->requests;
    if (c->got > c->batch->answer_nbytes)
        fail("answers of another length than expected");
    if (c->got < c->batch->answer_nbytes)
        return false;
    count_latency(c);
    return true;
}

/* Reads; true when the connection's batch is answered. */
static bool receive(struct conn *c)
{
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0)
        die("recv");
    if (n == 0)
        fail("the server closed a connection");
    if (c->batch == NULL)
        fail("an answer that nobody asked for");
    c->got += (size_t)n;
    if (counts_frames())
        count_input(c, (size_t)n);
    if (!is_answered(c))
        return false;
    answered += c->batch->requests;
    return true;
}

static void connect_one(struct conn *c, int epoll)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    const int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* a server that waits until its answers are read must not stop the reading */
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = c}) != 0)
        die("epoll_ctl");
    kv_response_parser_init(&c->parser);
    cdx_spill_init(&c->spill);
}

static void send_rest(struct conn *conns)
{
    for (unsigned i = 0; i < options.connections; i++) {
        if (conns[i].batch != NULL && conns[i].sent < conns[i].batch->len)
            send_more(&conns[i]);
    }
}

/* Runs until `until_ns`, or, when filling, until all is answered. */
static void run_closed(struct conn *conns, int epoll, uint64_t until_ns)
{
    struct epoll_event events[256];
    unsigned busy = options.connections;
    while (busy != 0 && !is_terminated && now_ns() < until_ns) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (receive(c) && !start_batch(c, now_ns()))
                busy--;
        }
        send_rest(conns);
    }
}

static void put_idle(struct conn *c)
{
    c->batch = NULL;
    idle[(idle_first + idle_count++) % CONNECTIONS_MAX] = c;
}

static struct conn *take_idle(void)
{
    struct conn *c = idle[idle_first];
    idle_first = (idle_first + 1) % CONNECTIONS_MAX;
    idle_count--;
    return c;
}

/* Sends what is due, as far as connections are free; returns when the next batch is due. */
static uint64_t send_due(uint64_t begin_ns, uint64_t *sent, uint64_t until_ns)
{
    const double gap_ns = 1e9 * options.pipeline / options.rate;
    for (;;) {
        uint64_t due = begin_ns + (uint64_t)((double)*sent * gap_ns);
        if (due >= until_ns || due > now_ns() || idle_count == 0)
            return due;
        start_batch(take_idle(), due);
        ++*sent;
    }
}

static void await_answers(int epoll, uint64_t wait_ns)
{
    struct epoll_event events[256];
    struct timespec t = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                         .tv_nsec = (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(epoll, events, 256, &t, NULL);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (receive(c))
            put_idle(c);
    }
}

/* Runs until all that falls due before `until_ns` is answered. */
static void run_open(struct conn *conns, int epoll, uint64_t until_ns)
{
    const uint64_t begin_ns = now_ns();
    uint64_t sent = 0;
    for (;;) {
        if (is_terminated && now_ns() < until_ns)
            until_ns = now_ns();
        uint64_t due = send_due(begin_ns, &sent, until_ns), now = now_ns();
        uint64_t wake = due < until_ns ? due : until_ns;
        if (now >= until_ns && due >= until_ns && idle_count == options.connections)
            return;
        if (now > wake + DRAIN_NS)
            fail("the server does not keep up");
        if (idle_count == 0 || now >= until_ns)
            await_answers(epoll, LOOK_NS);
        else
            await_answers(epoll, wake > now ? wake - now : 0);
        send_rest(conns);
    }
}

static void run(struct conn *conns, int epoll, uint64_t until_ns)
{
    if (options.rate != 0)
        run_open(conns, epoll, until_ns);
    else
        run_closed(conns, epoll, until_ns);
}

/* ---- the program ---- */

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {{"port", 1, 0, 'p'},
                                          {"protocol", 1, 0, 'P'},
                                          {"keys", 1, 0, 'k'},
                                          {"connections", 1, 0, 'c'},
                                          {"pipeline", 1, 0, 'd'},
                                          {"seconds", 1, 0, 's'},
                                          {"warmup", 1, 0, 'w'},
                                          {"pid", 1, 0, 'i'},
                                          {"fill", 0, 0, 'f'},
                                          {"rate", 1, 0, 'r'},
                                          {"writes", 1, 0, 'W'},
                                          {"announce", 0, 0, 'a'},
                                          {0, 0, 0, 0}};
    bool named = false;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (o) {
        case 'p':
            options.port = atoi(optarg);
            break;
        case 'k':
            options.keys = optarg;
            break;
        case 'c':
            options.connections = (unsigned)atoi(optarg);
            break;
        case 'd':
            options.pipeline = (unsigned)atoi(optarg);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'w':
            options.warmup = atof(optarg);
            break;
        case 'i':
            options.pid = atoi(optarg);
            break;
        case 'f':
            options.fill = true;
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'a':
            options.announce = true;
            break;
        case 'W':
            options.writes = (unsigned)atoi(optarg);
            break;
        case 'P':
            for (int p = 0; p < PROTOCOLS; p++) {
                if (strcmp(optarg, protocol_names[p]) == 0) {
                    options.protocol = (enum protocol)p;
                    named = true;
                }
            }
            break;
        default:
            exit(2);
        }
    }
    if (options.port == 0 || options.keys == NULL || !named || options.pipeline == 0 ||
        options.connections == 0 || options.connections > CONNECTIONS_MAX) {
        fprintf(stderr,
                "bench_load: --port, --protocol and --keys are needed; see bench/README.md\n");
        exit(2);
    }
    if (options.writes > 100 || options.rate < 0 ||
        (options.writes != 0 && (options.fill || !counts_frames())) ||
        (options.rate != 0 && options.fill)) {
        fprintf(stderr,
                "bench_load: --writes is a percentage, of kv-get and kv-match; "
                "--fill has neither --writes nor --rate\n");
        exit(2);
    }
}

static void on_terminate(int number)
{
    (void)number;
    is_terminated = 1;
}

static void connect_all(struct conn *conns, int epoll)
{
    for (unsigned i = 0; i < options.connections; i++)
        connect_one(&conns[i], epoll);
    for (unsigned i = 0; i < options.connections; i++) {
        if (options.rate != 0)
            put_idle(&conns[i]);
        else
            start_batch(&conns[i], now_ns());
    }
}

static void report(uint64_t wall, uint64_t cpu)
{
    double n = answered != 0 ? (double)answered : 1.0;
    printf(
        "{\"protocol\": \"%s\", \"connections\": %u, \"pipeline\": %u, \"writes\": %u, "
        "\"asked_rate\": %.0f, \"answers\": %llu, "
        "\"seconds\": %.3f, \"rate\": %.0f, \"cpu_us\": %.5f, \"utilisation\": %.3f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
        protocol_names[options.protocol], options.connections, options.pipeline, options.writes,
        options.rate, (unsigned long long)answered, (double)wall / 1e9, n * 1e9 / (double)wall,
        (double)cpu / 1e3 / n, (double)cpu / (double)wall,
        (double)load_latency_percentile_ns(.5) / 1e3, (double)load_latency_percentile_ns(.99) / 1e3,
        (double)load_latency_percentile_ns(.999) / 1e3, (double)load_latency_max_ns() / 1e3);
}

int main(int argc, char **argv)
{
    static struct conn conns[CONNECTIONS_MAX];
    read_options(argc, argv);
    encode_all();
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_terminate}, NULL);
    /* the open loop's waits end when they should */
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    int epoll = epoll_create1(0);
    connect_all(conns, epoll);
    if (!options.fill) {
        run(conns, epoll, now_ns() + (uint64_t)(options.warmup * 1e9));
        load_latency_clear();
        answered = 0;
    }
    if (options.announce) {
        puts("begun");
        fflush(stdout);
    }
    uint64_t begin = now_ns(), cpu = load_cpu_ns(options.pid);
    run(conns, epoll, options.fill ? UINT64_MAX : begin + (uint64_t)(options.seconds * 1e9));
    report(now_ns() - begin, load_cpu_ns(options.pid) - cpu);
    return 0;
}
