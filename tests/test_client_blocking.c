/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the blocking client against a server on a thread: addresses, waiting, every kind of end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_server.h"
#include "heap_fail.h"

#include <caudex/kv_client.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Milliseconds by which a deadline may be early: see cdx__soon_ms(). */
#define EARLY_MS 20u

/* That since `before` at least so many milliseconds have gone by, and no eternity. */
#define assert_took(before, least_ms)                                                              \
    assert_in_range(now_ms() - (before), (least_ms)-EARLY_MS, 2000)

/* The number that the next file gets: the same before and after what leaks none. */
static int next_fd(void)
{
    const int fd = dup(STDERR_FILENO);
    (void)close(fd);
    return fd;
}

static void check(struct kv_client *kv)
{
    const char *broken = cdx_core_check(kv_client_core(kv));
    if (broken != NULL)
        fail_msg("invariant: %s", broken);
}

static void expect_bytes(struct cdx_bytes value, const char *expected)
{
    assert_int_equal(value.len, strlen(expected));
    assert_memory_equal(value.data, expected, value.len);
}

static void expect_get(struct kv_client *kv, const char *key)
{
    struct kv_reply reply;
    assert_int_equal(kv_get(kv, cdx_cstr(key), &reply), CDX_OK);
    assert_int_equal(reply.status, KV_STATUS_OK);
    expect_bytes(reply.val, key);
    check(kv);
}

static struct kv_client *connect_to(const struct fake_server *server)
{
    struct kv_client *kv = NULL;
    assert_int_equal(kv_connect(server->address, NULL, &kv), CDX_OK);
    return kv;
}

/* ---- addresses ---- */

static void every_family_of_address_is_reached(void **state)
{
    (void)state;
    for (int family = FAKE_IPV4; family <= FAKE_UNIX; family++) {
        struct fake_server server;
        if (!fake_server_start(&server, (enum fake_family)family, 0))
            continue; /* a machine without IPv6 */
        struct kv_client *kv = connect_to(&server);
        expect_get(kv, "/a");
        assert_string_equal(kv_client_error_text(kv), "");
        assert_true(cdx_blocking_fd(kv_client_blocking(kv)) >= 0);
        kv_close(kv);
        fake_server_stop(&server);
    }
}

static void a_name_is_looked_up_and_all_its_addresses_tried(void **state)
{
    struct fake_server server;
    char address[64];
    struct kv_client *kv = NULL;
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0)); /* [::1] refuses */
    (void)snprintf(address, sizeof address, "localhost:%s", strrchr(server.address, ':') + 1);
    assert_int_equal(kv_connect(address, NULL, &kv), CDX_OK);
    expect_get(kv, "/a");
    kv_close(kv);
    fake_server_stop(&server);
}

static void what_cannot_be_connected_to_is_explained(void **state)
{
    static const struct {
        const char *address;
        enum cdx_status status;
        const char *text;
    } cases[] = {
        {"nonsense:", CDX_ADDRESS, "nonsense:: expected a port from 1 to 65535 after the last ':'"},
        {"::1", CDX_ADDRESS, "::1: expected brackets around an IPv6 address, as in [::1]:7117"},
        {"unix:/nonexistent/s", CDX_SYSTEM, "unix:/nonexistent/s: no such socket"},
        {"127.0.0.1:1", CDX_SYSTEM, "127.0.0.1:1: connection refused"},
        {"[::zz]:1", CDX_ADDRESS, "[::zz]:1: Name or service not known"}, /* needs no network */
    };
    const int fd = next_fd();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CDX_CLIENT_TEXT_NBYTES_MAX] = "";
        const struct cdx_client_options options = {.connect_error = text};
        struct kv_client *kv = NULL;
        assert_int_equal(kv_connect(cases[i].address, &options, &kv), cases[i].status);
        assert_string_equal(text, cases[i].text);
        assert_null(kv);
        errno = 0;
        assert_int_equal(kv_connect(cases[i].address, NULL, &kv), cases[i].status);
        if (cases[i].status == CDX_SYSTEM)
            assert_true(errno == ECONNREFUSED || errno == ENOENT);
    }
    assert_int_equal(next_fd(), fd);
}

static void what_is_no_socket_is_not_taken(void **state)
{
    struct kv_client *kv = NULL;
    (void)state;
    assert_int_equal(kv_client_adopt(-1, "none", NULL, &kv), CDX_SYSTEM);
    assert_int_equal(errno, EBADF);
    assert_null(kv);
}

static void an_overlong_address_is_cut_in_its_error_text(void **state)
{
    char text[CDX_CLIENT_TEXT_NBYTES_MAX] = "";
    char address[2000];
    const struct cdx_client_options options = {.connect_error = text};
    struct kv_client *kv = NULL;
    (void)state;
    memset(address, 'x', sizeof address);
    address[sizeof address - 1] = '\0';
    assert_int_equal(kv_connect(address, &options, &kv), CDX_ADDRESS);
    assert_non_null(strstr(text, "xxx: expected a host name"));
}

/* A Unix socket whose queue is full never lets a client in. */
static void connecting_ends_at_its_timeout(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/caudex-test-XXXXXX";
    char address[128];
    char text[CDX_CLIENT_TEXT_NBYTES_MAX] = "";
    const struct cdx_client_options options = {.timeout_ms = 60, .connect_error = text};
    struct kv_client *kv = NULL;
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/s", folder);
    (void)snprintf(address, sizeof address, "unix:%s", at.sun_path);
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    const int filler = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&at, sizeof at), 0);
    const uint64_t before = now_ms();
    assert_int_equal(kv_connect(address, &options, &kv), CDX_TIMEOUT);
    assert_took(before, 60);
    assert_non_null(strstr(text, ": no connection in time"));
    (void)close(filler);
    (void)close(listener);
    (void)unlink(at.sun_path);
    (void)rmdir(folder);
}

static void ignore_signal(int number)
{
    (void)number;
}

/* Interrupts every wait, again and again. */
static void signals(bool on)
{
    const struct sigaction action = {.sa_handler = ignore_signal}; /* without SA_RESTART */
    const struct itimerval often = {{.tv_usec = on ? 2000 : 0}, {.tv_usec = on ? 2000 : 0}};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

/* A listener whose queue is full neither takes nor refuses, whatever signals come. */
static void connecting_over_tcp_ends_at_its_timeout_too(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int filler[4];
    char address[64];
    const struct cdx_client_options options = {.timeout_ms = 60};
    struct kv_client *kv = NULL;
    (void)state;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    for (size_t i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&at, sizeof at);
    }
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    const int fd = next_fd();
    const uint64_t before = now_ms();
    signals(true);
    assert_int_equal(kv_connect(address, &options, &kv), CDX_TIMEOUT);
    signals(false);
    assert_took(before, 60);
    assert_int_equal(next_fd(), fd);
    for (size_t i = 0; i < 4; i++)
        (void)close(filler[i]);
    (void)close(listener);
}

/* ---- calls ---- */

static void answers_in_any_pieces_are_the_same(void **state)
{
    static const size_t pieces[] = {1, 3, 0};
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct fake_server server;
        struct kv_client *kv = NULL;
        struct kv_reply reply;
        const int fd = fake_server_pair(&server, pieces[i]);
        assert_int_equal(kv_client_adopt(fd, "pair", NULL, &kv), CDX_OK);
        for (int k = 0; k < 5; k++)
            expect_get(kv, "/some/key");
        assert_int_equal(kv_get(kv, CDX_STR("/none"), &reply), CDX_OK);
        assert_int_equal(reply.status, KV_STATUS_NOT_FOUND);
        assert_int_equal(reply.val.len, 0);
        kv_close(kv);
        fake_server_stop(&server);
    }
}

static void the_largest_value_goes_both_ways(void **state)
{
    struct fake_server server;
    struct kv_reply reply;
    uint8_t *value = malloc(KV_VALUE_NBYTES_MAX);
    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < KV_VALUE_NBYTES_MAX; i++)
        value[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kv_echo(kv, cdx_bytes_of(value, KV_VALUE_NBYTES_MAX), &reply), CDX_OK);
        assert_int_equal(reply.val.len, KV_VALUE_NBYTES_MAX);
        assert_memory_equal(reply.val.data, value, KV_VALUE_NBYTES_MAX);
    }
    kv_close(kv);
    fake_server_stop(&server);
    free(value);
}

struct rows {
    unsigned count;
    unsigned wanted;
    struct kv_client *kv;
};

static bool count_row(void *arg, const struct kv_reply *row)
{
    struct rows *rows = arg;
    assert_int_equal(row->status, KV_STATUS_ROW);
    assert_false(row->is_last);
    expect_bytes(row->key, "/row");
    expect_bytes(row->val, "of many");
    return ++rows->count != rows->wanted;
}

static void rows_come_one_by_one_and_may_be_stopped(void **state)
{
    struct fake_server server;
    struct kv_reply reply = {.status = 99};
    struct rows rows = {.wanted = 0};
    const struct kv_list_args args = {.limit = 10000};
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    assert_int_equal(kv_list(kv, CDX_STR("/"), &args, count_row, &rows, &reply), CDX_OK);
    assert_int_equal(rows.count, 10000);
    assert_int_equal(reply.body.page_end.rows, 10000);
    rows = (struct rows){.wanted = 7};
    reply.status = 99;
    assert_int_equal(kv_list(kv, CDX_STR("/"), &args, count_row, &rows, &reply), CDX_CANCELLED);
    assert_int_equal(rows.count, 7);
    assert_int_equal(reply.status, 99); /* only success writes */
    expect_get(kv, "/behind/the/rest/of/the/rows");
    assert_int_equal(kv_list(kv, CDX_STR("/"), &args, NULL, NULL, &reply), CDX_OK);
    kv_close(kv);
    fake_server_stop(&server);
}

static void copy_value(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    char *text = arg;
    (void)snprintf(text, 32, "%s %.*s", cdx_status_name(status),
                   reply != NULL ? (int)reply->val.len : 0,
                   reply != NULL ? (const char *)reply->val.data : "");
}

/* What the socket has brought behind the answer waits until the next call. */
static void a_reply_stays_valid_although_more_has_arrived(void **state)
{
    int pair[2];
    uint8_t frames[200];
    struct cdx_out out = {.next = frames, .end = frames + sizeof frames};
    struct kv_client *kv = NULL;
    struct kv_reply reply;
    char later[32] = "";
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(kv_client_adopt(pair[1], "pair", NULL, &kv), CDX_OK);
    assert_int_equal(kv_get_send(kv_client_core(kv), CDX_STR("/a"), copy_value, later, NULL),
                     CDX_OK);
    assert_int_equal(kv_get_ok_encode(&out, 2, CDX_STR("first")), CDX_OK);
    assert_int_equal(kv_get_ok_encode(&out, 1, CDX_STR("second")), CDX_OK);
    assert_int_equal(write(pair[0], frames, (size_t)(out.next - frames)), out.next - frames);
    assert_int_equal(kv_get(kv, CDX_STR("/b"), &reply), CDX_OK);
    expect_bytes(reply.val, "first");
    assert_string_equal(later, "");
    assert_int_equal(cdx_blocking_run(kv_client_blocking(kv), 1000), CDX_OK);
    assert_string_equal(later, "OK second");
    kv_close(kv);
    (void)close(pair[0]);
}

static void an_answer_that_does_not_come_times_out_and_the_connection_goes_on(void **state)
{
    struct fake_server server;
    const struct cdx_client_options options = {.timeout_ms = 50};
    struct kv_client *kv = NULL;
    struct kv_reply reply;
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    assert_int_equal(kv_connect(server.address, &options, &kv), CDX_OK);
    for (int i = 0; i < 2; i++) {
        const uint64_t before = now_ms();
        assert_int_equal(kv_get(kv, CDX_STR("/silent"), &reply), CDX_TIMEOUT);
        assert_took(before, 50);
        assert_string_equal(kv_client_error_text(kv), "");
        cdx_core_set_timeout(kv_client_core(kv), 5000);
        expect_get(kv, "/a");
        cdx_core_set_timeout(kv_client_core(kv), 0);
    }
    assert_int_equal(cdx_core_silent_count(kv_client_core(kv)), 2);
    kv_close(kv);
    fake_server_stop(&server);
}

#define SLOW_ROWS 6u
#define SLOW_ROW_MS 100u

/* Answers the first request, whatever it is, with rows that take their time. */
static void *send_slow_rows(void *arg)
{
    const int fd = *(const int *)arg;
    const struct kv_rows_end end = {.rows = SLOW_ROWS};
    uint8_t bytes[256];
    assert_true(read(fd, bytes, sizeof bytes) > 0);
    for (unsigned i = 0; i <= SLOW_ROWS; i++) {
        struct cdx_out out = {.next = bytes, .end = bytes + sizeof bytes};
        (void)poll(NULL, 0, SLOW_ROW_MS);
        if (i < SLOW_ROWS)
            assert_int_equal(kv_match_all_row_encode(&out, 1, CDX_STR("/"), CDX_STR("v")), CDX_OK);
        else
            assert_int_equal(kv_match_all_ok_encode(&out, 1, &end), CDX_OK);
        assert_int_equal(write(fd, bytes, (size_t)(out.next - bytes)), out.next - bytes);
    }
    return NULL;
}

static bool count_slow_row(void *arg, const struct kv_reply *row)
{
    unsigned *rows = arg;
    (void)row;
    ++*rows;
    return true;
}

static void an_answer_may_last_longer_than_the_timeout_while_rows_come(void **state)
{
    const struct cdx_client_options options = {.timeout_ms = 4 * SLOW_ROW_MS};
    struct kv_client *kv = NULL;
    struct kv_reply reply;
    pthread_t thread;
    unsigned rows = 0;
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_slow_rows, &pair[0]), 0);
    assert_int_equal(kv_client_adopt(pair[1], "pair", &options, &kv), CDX_OK);
    assert_int_equal(kv_match_all(kv, CDX_STR("/"), count_slow_row, &rows, &reply), CDX_OK);
    assert_int_equal(rows, SLOW_ROWS);
    assert_int_equal(reply.body.rows_end.rows, SLOW_ROWS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kv_close(kv);
    (void)close(pair[0]);
}

/* ---- ends ---- */

static void every_end_has_its_status_and_its_text(void **state)
{
    static const struct {
        const char *key;
        enum cdx_status status;
        const char *text; /* behind the address */
    } cases[] = {
        {"/close", CDX_CLOSED, ": closed by the peer"},
        {"/half", CDX_CLOSED, ": closed by the peer"},
        {"/reset", CDX_CLOSED, ": connection reset by the peer"},
        {"/stop", CDX_CLOSED, ": closed by the peer, which said \"stopping: bye\""},
        {"/garbage", CDX_MALFORMED,
         ": the bytes do not follow the protocol, at byte 13, field status: a value that is not in "
         "the description"},
        {"/stranger", CDX_UNEXPECTED, ": an answer that fits no open request, at byte 13"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_server server;
        struct kv_reply reply;
        char expected[CDX_CLIENT_TEXT_NBYTES_MAX];
        const int fd = next_fd();
        assert_true(fake_server_start(&server, FAKE_IPV4, 0));
        struct kv_client *kv = connect_to(&server);
        expect_get(kv, "/a"); /* 13 bytes of answer */
        assert_int_equal(kv_get(kv, cdx_cstr(cases[i].key), &reply), cases[i].status);
        check(kv);
        (void)snprintf(expected, sizeof expected, "%s%s", server.address, cases[i].text);
        assert_string_equal(kv_client_error_text(kv), expected);
        assert_int_equal(kv_get(kv, CDX_STR("/a"), &reply), cases[i].status);
        assert_int_equal(cdx_blocking_run(kv_client_blocking(kv), 0), cases[i].status);
        kv_close(kv);
        fake_server_stop(&server);
        assert_int_equal(next_fd(), fd);
    }
}

static void a_peer_that_went_away_while_nothing_was_open_is_noticed(void **state)
{
    struct fake_server server;
    struct kv_reply reply;
    struct pollfd p;
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    expect_get(kv, "/a");
    assert_int_equal(cdx_blocking_run(kv_client_blocking(kv), 0), CDX_OK);
    fake_server_stop(&server);
    p = (struct pollfd){.fd = cdx_blocking_fd(kv_client_blocking(kv)), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(cdx_blocking_run(kv_client_blocking(kv), 0), CDX_CLOSED);
    assert_int_equal(kv_get(kv, CDX_STR("/a"), &reply), CDX_CLOSED);
    kv_close(kv);
}

/* The reason was said before we write, and writing fails: it is heard all the same. */
static void what_the_peer_said_before_it_closed_is_heard(void **state)
{
    int pair[2];
    uint8_t frame[100];
    struct cdx_out out = {.next = frame, .end = frame + sizeof frame};
    struct kv_client *kv = NULL;
    struct kv_reply reply;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(kv_client_adopt(pair[1], "pair", NULL, &kv), CDX_OK);
    assert_int_equal(kv_any_busy_encode(&out, 0, CDX_STR("too many")), CDX_OK);
    assert_int_equal(write(pair[0], frame, (size_t)(out.next - frame)), out.next - frame);
    (void)close(pair[0]);
    assert_int_equal(kv_get(kv, CDX_STR("/a"), &reply), CDX_CLOSED); /* and no SIGPIPE */
    assert_string_equal(kv_client_error_text(kv),
                        "pair: closed by the peer, which said \"busy: too many\"");
    kv_close(kv);
}

/* ---- many at once ---- */

#define MANY 5000u

struct counter {
    unsigned ok;
    unsigned other;
};

static void count_answer(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct counter *counter = arg;
    (void)reply;
    if (status == CDX_OK)
        counter->ok++;
    else
        counter->other++;
}

static void many_requests_are_sent_together_and_run(void **state)
{
    struct fake_server server;
    struct counter counter = {0};
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    struct cdx_blocking *blocking = kv_client_blocking(kv);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(
            kv_get_send(kv_client_core(kv), CDX_STR("/key"), count_answer, &counter, NULL), CDX_OK);
    assert_int_equal(cdx_blocking_run(blocking, CDX_CLIENT_TIMEOUT_MS_NEVER), CDX_OK);
    check(kv);
    assert_int_equal(counter.ok, MANY);
    assert_int_equal(
        kv_get_send(kv_client_core(kv), CDX_STR("/silent"), count_answer, &counter, NULL), CDX_OK);
    const uint64_t before = now_ms();
    assert_int_equal(cdx_blocking_run(blocking, 40), CDX_TIMEOUT); /* it stays open */
    assert_took(before, 40);
    assert_int_equal(cdx_core_open_count(kv_client_core(kv)), 1);
    kv_close(kv);
    assert_int_equal(counter.other, 1);
    fake_server_stop(&server);
    assert_int_equal(server.requests, MANY + 1);
}

/* More than both sockets hold, in both directions: nobody waits for the other for ever. */
static void a_full_socket_does_not_stop_the_reading(void **state)
{
    struct fake_server server;
    struct counter counter = {0};
    static uint8_t value[256 << 10];
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(kv_echo_send(kv_client_core(kv), cdx_bytes_of(value, sizeof value),
                                      count_answer, &counter, NULL),
                         CDX_OK);
    assert_int_equal(cdx_blocking_run(kv_client_blocking(kv), 20000), CDX_OK);
    assert_int_equal(counter.ok, 100);
    kv_close(kv);
    fake_server_stop(&server);
}

static bool call_inside(void *arg, const struct kv_reply *row)
{
    struct rows *rows = arg;
    struct kv_reply reply;
    (void)row;
    rows->count++;
    assert_int_equal(kv_ping(rows->kv, &reply), CDX_INVALID);
    assert_int_equal(cdx_blocking_run(kv_client_blocking(rows->kv), 0), CDX_INVALID);
    return true;
}

static void a_blocking_call_inside_a_callback_is_refused(void **state)
{
    struct fake_server server;
    struct kv_reply reply;
    const struct kv_list_args args = {.limit = 3};
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct rows rows = {.kv = connect_to(&server)};
    assert_int_equal(kv_list(rows.kv, CDX_STR("/"), &args, call_inside, &rows, &reply), CDX_OK);
    assert_int_equal(rows.count, 3);
    assert_int_equal(cdx_core_open_count(kv_client_core(rows.kv)), 0);
    kv_close(rows.kv);
    fake_server_stop(&server);
    assert_int_equal(server.requests, 1);
}

static void signals_do_not_disturb_a_call(void **state)
{
    struct fake_server server;
    struct kv_reply reply;
    (void)state;
    assert_true(fake_server_start(&server, FAKE_IPV4, 0));
    struct kv_client *kv = connect_to(&server);
    signals(true);
    cdx_core_set_timeout(kv_client_core(kv), 100);
    const uint64_t before = now_ms();
    assert_int_equal(kv_get(kv, CDX_STR("/silent"), &reply), CDX_TIMEOUT);
    assert_took(before, 100);
    signals(false);
    expect_get(kv, "/a");
    kv_close(kv);
    fake_server_stop(&server);
}

/* ---- memory ---- */

/* One call over a socketpair in whose other end the answer waits already. */
static enum cdx_status call_once(bool *has_client)
{
    int pair[2];
    uint8_t frame[100];
    struct cdx_out out = {.next = frame, .end = frame + sizeof frame};
    struct kv_client *kv = NULL;
    struct kv_reply reply;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(kv_get_ok_encode(&out, 1, CDX_STR("value")), CDX_OK);
    assert_int_equal(write(pair[0], frame, (size_t)(out.next - frame)), out.next - frame);
    enum cdx_status status = kv_client_adopt(pair[1], "pair", NULL, &kv);
    *has_client = status == CDX_OK;
    if (status == CDX_OK)
        status = kv_get(kv, CDX_STR("/"), &reply);
    else
        (void)close(pair[1]); /* it was not taken */
    kv_close(kv);
    (void)close(pair[0]);
    return status;
}

static void a_failed_allocation_anywhere_leaks_nothing(void **state)
{
    struct fake_server server;
    (void)state;
    assert_true(fake_server_start(&server, FAKE_UNIX, 0));
    for (size_t n = 1;; n++) {
        struct kv_client *kv = NULL;
        bool has_client = false;
        char text[CDX_CLIENT_TEXT_NBYTES_MAX] = "";
        const struct cdx_client_options options = {.connect_error = text};
        heap_fail_install();
        heap_fail_at(n, 0);
        const enum cdx_status status = call_once(&has_client);
        const bool happened = heap_fail_happened() != 0;
        assert_int_equal(status, happened ? CDX_NO_MEMORY : CDX_OK);
        heap_fail_at(n, 0);
        const enum cdx_status connected = kv_connect(server.address, &options, &kv);
        assert_int_equal(connected, heap_fail_happened() ? CDX_NO_MEMORY : CDX_OK);
        heap_fail_at(0, 0);
        kv_close(kv);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        if (!happened) {
            assert_true(n >= 6 && has_client);
            break;
        }
    }
    fake_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_of_address_is_reached),
        cmocka_unit_test(a_name_is_looked_up_and_all_its_addresses_tried),
        cmocka_unit_test(what_cannot_be_connected_to_is_explained),
        cmocka_unit_test(what_is_no_socket_is_not_taken),
        cmocka_unit_test(an_overlong_address_is_cut_in_its_error_text),
        cmocka_unit_test(connecting_ends_at_its_timeout),
        cmocka_unit_test(connecting_over_tcp_ends_at_its_timeout_too),
        cmocka_unit_test(answers_in_any_pieces_are_the_same),
        cmocka_unit_test(the_largest_value_goes_both_ways),
        cmocka_unit_test(rows_come_one_by_one_and_may_be_stopped),
        cmocka_unit_test(a_reply_stays_valid_although_more_has_arrived),
        cmocka_unit_test(an_answer_that_does_not_come_times_out_and_the_connection_goes_on),
        cmocka_unit_test(an_answer_may_last_longer_than_the_timeout_while_rows_come),
        cmocka_unit_test(every_end_has_its_status_and_its_text),
        cmocka_unit_test(a_peer_that_went_away_while_nothing_was_open_is_noticed),
        cmocka_unit_test(what_the_peer_said_before_it_closed_is_heard),
        cmocka_unit_test(many_requests_are_sent_together_and_run),
        cmocka_unit_test(a_full_socket_does_not_stop_the_reading),
        cmocka_unit_test(a_blocking_call_inside_a_callback_is_refused),
        cmocka_unit_test(signals_do_not_disturb_a_call),
        cmocka_unit_test(a_failed_allocation_anywhere_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
