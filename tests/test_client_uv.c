/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the client on a libuv loop: connecting, sending together, every kind of end, closing
 * anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_server.h"
#include "heap_fail.h"

#include <caudex/client_uv.h>
#include <caudex/kv_client.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/** Milliseconds after which a test that hangs has failed. */
#define PATIENCE_MS 10000

struct rig {
    uv_loop_t loop;
    uv_timer_t patience;
    struct fake_server server;
    struct cdx_uv *uv;
    unsigned connected;
    unsigned ended;
    unsigned closed;
    enum cdx_status end_status;
    unsigned answered; /* final calls with CDX_OK … */
    unsigned failed;   /* … and with anything else */
    unsigned rows;
    enum cdx_status last_failure;
    unsigned close_after; /* the final call that closes the transport; 0: none does */
    bool close_on_connect;
    bool stay; /* at the end of all answers */
    char value[64];
};

static void on_closed(void *arg)
{
    struct rig *rig = arg;
    rig->closed++;
    uv_close((uv_handle_t *)&rig->patience, NULL);
}

static void close_now(struct rig *rig)
{
    struct cdx_uv *uv = rig->uv;
    if (uv == NULL)
        return;
    cdx_uv_close(uv, on_closed, rig);
    rig->uv = NULL;
}

static void on_event(void *arg, struct cdx_uv *uv, enum cdx_status status)
{
    struct rig *rig = arg;
    assert_ptr_equal(uv, rig->uv);
    assert_int_equal(rig->ended, 0);
    assert_null(cdx_core_check(cdx_uv_core(uv)));
    if (status == CDX_OK) {
        rig->connected++;
        if (rig->close_on_connect)
            close_now(rig);
        return;
    }
    rig->ended++;
    rig->end_status = status;
    assert_int_equal(cdx_core_open_count(cdx_uv_core(uv)), 0);
    if (!rig->stay)
        close_now(rig);
}

static void out_of_patience(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the loop hangs");
}

static void take(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct rig *rig = arg;
    if (reply != NULL && !reply->is_last) {
        rig->rows++;
        return;
    }
    if (status == CDX_OK) {
        rig->answered++;
        (void)snprintf(rig->value, sizeof rig->value, "%.*s",
                       (int)(reply->val.len < 60 ? reply->val.len : 60),
                       reply->val.len != 0 ? (const char *)reply->val.data : "");
    } else {
        rig->failed++;
        rig->last_failure = status;
    }
    if (rig->answered + rig->failed == rig->close_after)
        close_now(rig);
}

static void rig_open(struct rig *rig)
{
    *rig = (struct rig){.server = {.listener = -1}};
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(uv_timer_init(&rig->loop, &rig->patience), 0);
    assert_int_equal(uv_timer_start(&rig->patience, out_of_patience, PATIENCE_MS, 0), 0);
}

static void rig_connect(struct rig *rig, const char *address,
                        const struct cdx_client_options *options)
{
    assert_int_equal(
        cdx_uv_connect(&rig->loop, address, &kv_client_protocol, options, on_event, rig, &rig->uv),
        CDX_OK);
    assert_int_equal(rig->connected + rig->ended, 0); /* never inside the call */
}

/* Runs until the transport is closed. The loop must then be empty. */
static void rig_run(struct rig *rig)
{
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(rig->closed, 1);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void get(struct rig *rig, const char *key)
{
    assert_int_equal(kv_get_send(cdx_uv_core(rig->uv), cdx_cstr(key), take, rig, NULL), CDX_OK);
}

/* ---- connecting ---- */

static void every_family_of_address_is_reached(void **state)
{
    (void)state;
    for (int family = FAKE_IPV4; family <= FAKE_UNIX; family++) {
        struct rig rig;
        rig_open(&rig);
        if (!fake_server_start(&rig.server, (enum fake_family)family, 0)) {
            uv_close((uv_handle_t *)&rig.patience, NULL);
            (void)uv_run(&rig.loop, UV_RUN_DEFAULT);
            (void)uv_loop_close(&rig.loop);
            continue;
        }
        rig.close_after = 1;
        rig_connect(&rig, rig.server.address, NULL);
        get(&rig, "/a"); /* before the connection stands */
        rig_run(&rig);
        assert_int_equal(rig.connected, 1);
        assert_int_equal(rig.ended, 0);
        assert_string_equal(rig.value, "/a");
        fake_server_stop(&rig.server);
    }
}

static void all_addresses_of_a_name_are_tried(void **state)
{
    struct rig rig;
    char address[64];
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
    (void)snprintf(address, sizeof address, "localhost:%s", strrchr(rig.server.address, ':') + 1);
    rig.close_after = 1;
    rig_connect(&rig, address, NULL);
    get(&rig, "/a");
    rig_run(&rig);
    assert_int_equal(rig.answered, 1);
    fake_server_stop(&rig.server);
}

static void what_is_no_address_is_refused_at_once(void **state)
{
    struct rig rig;
    char text[CDX_CLIENT_TEXT_NBYTES_MAX];
    const struct cdx_client_options options = {.connect_error = text};
    (void)state;
    rig_open(&rig);
    assert_int_equal(
        cdx_uv_connect(&rig.loop, "host:", &kv_client_protocol, &options, on_event, &rig, &rig.uv),
        CDX_ADDRESS);
    assert_string_equal(text, "host:: expected a port from 1 to 65535 after the last ':'");
    assert_null(rig.uv);
    on_closed(&rig);
    rig_run(&rig);
}

static char end_text[CDX_CLIENT_TEXT_NBYTES_MAX];

static void keep_text(void *arg, struct cdx_uv *uv, enum cdx_status status)
{
    (void)snprintf(end_text, sizeof end_text, "%s", cdx_uv_error_text(uv));
    on_event(arg, uv, status);
}

static void what_cannot_be_connected_to_is_explained(void **state)
{
    static const struct {
        const char *address, *text;
    } cases[] = {
        {"127.0.0.1:1", "127.0.0.1:1: connection refused"},
        {"unix:/nonexistent/s", "unix:/nonexistent/s: no such socket"},
        {"localhost:1", "localhost:1: connection refused"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        rig_open(&rig);
        assert_int_equal(cdx_uv_connect(&rig.loop, cases[i].address, &kv_client_protocol, NULL,
                                        keep_text, &rig, &rig.uv),
                         CDX_OK);
        assert_string_equal(cdx_uv_error_text(rig.uv), "");
        get(&rig, "/a");
        rig_run(&rig);
        assert_int_equal(rig.connected, 0);
        assert_int_equal(rig.end_status, CDX_SYSTEM);
        assert_int_equal(rig.last_failure, CDX_SYSTEM);
        assert_int_equal(rig.failed, 1);
        assert_string_equal(end_text, cases[i].text);
    }
}

/* Connections to this address are neither taken nor refused: the listener's queue is full. */
static int open_full_listener(struct sockaddr_in *at, int *filler, size_t count)
{
    socklen_t len = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)at, &len), 0);
    for (size_t i = 0; i < count; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)at, sizeof *at);
    }
    return listener;
}

static void connecting_ends_at_its_timeout(void **state)
{
    struct rig rig;
    struct sockaddr_in at;
    int filler[4];
    char address[64];
    const struct cdx_client_options options = {.timeout_ms = 60};
    (void)state;
    const int listener = open_full_listener(&at, filler, 4);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    rig_open(&rig);
    rig_connect(&rig, address, &options);
    const uint64_t before = uv_hrtime();
    rig_run(&rig);
    assert_in_range((uv_hrtime() - before) / 1000000, 55, 3000);
    assert_int_equal(rig.end_status, CDX_TIMEOUT);
    assert_int_equal(rig.connected, 0);
    for (size_t i = 0; i < 4; i++)
        (void)close(filler[i]);
    (void)close(listener);
}

/* ---- requests ---- */

static void many_requests_go_out_together_and_all_are_answered(void **state)
{
    static const size_t pieces[] = {0, 1, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct rig rig;
        rig_open(&rig);
        assert_true(fake_server_start(&rig.server, FAKE_IPV4, pieces[i]));
        rig.close_after = 3000;
        rig_connect(&rig, rig.server.address, NULL);
        for (unsigned k = 0; k < 3000; k++)
            get(&rig, "/a/key");
        rig_run(&rig);
        assert_int_equal(rig.answered, 3000);
        fake_server_stop(&rig.server);
        assert_int_equal(rig.server.requests, 3000);
    }
}

/* Much more than a socket takes at once: the rest goes out as it can. */
static void large_requests_fill_the_socket_and_arrive(void **state)
{
    struct rig rig;
    static uint8_t value[1 << 20];
    (void)state;
    rig_open(&rig);
    memset(value, 'x', sizeof value);
    assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
    rig.close_after = 40;
    rig_connect(&rig, rig.server.address, NULL);
    for (unsigned k = 0; k < 40; k++)
        assert_int_equal(
            kv_echo_send(cdx_uv_core(rig.uv), cdx_bytes_of(value, sizeof value), take, &rig, NULL),
            CDX_OK);
    rig_run(&rig);
    assert_int_equal(rig.answered, 40);
    fake_server_stop(&rig.server);
}

static void take_and_send(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct rig *rig = arg;
    assert_int_equal(status, CDX_OK);
    (void)reply;
    rig->rows++;
    if (rig->rows < 500)
        assert_int_equal(
            kv_get_send(cdx_uv_core(rig->uv), CDX_STR("/next"), take_and_send, rig, NULL), CDX_OK);
    else
        get(rig, "/last");
}

static void callbacks_send_the_next_request(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_UNIX, 0));
    rig.close_after = 1;
    rig_connect(&rig, rig.server.address, NULL);
    assert_int_equal(kv_get_send(cdx_uv_core(rig.uv), CDX_STR("/first"), take_and_send, &rig, NULL),
                     CDX_OK);
    rig_run(&rig);
    assert_int_equal(rig.rows, 500);
    assert_string_equal(rig.value, "/last");
    fake_server_stop(&rig.server);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct rig *rig = prepare->data;
    get(rig, "/from/prepare");
    uv_close((uv_handle_t *)prepare, NULL);
}

/* The loop is about to wait, for seconds: a request of this moment must go out all the same. */
static void a_request_from_a_prepare_handle_does_not_wait(void **state)
{
    struct rig rig;
    uv_prepare_t prepare;
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_UNIX, 0));
    rig_connect(&rig, rig.server.address, NULL);
    get(&rig, "/a");
    while (rig.answered == 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_int_equal(uv_prepare_init(&rig.loop, &prepare), 0);
    prepare.data = &rig;
    assert_int_equal(uv_prepare_start(&prepare, on_prepare), 0);
    rig.close_after = 2;
    const uint64_t before = uv_hrtime();
    rig_run(&rig);
    assert_true((uv_hrtime() - before) / 1000000 < PATIENCE_MS / 2);
    assert_string_equal(rig.value, "/from/prepare");
    fake_server_stop(&rig.server);
}

static void an_answer_that_does_not_come_times_out_and_the_connection_goes_on(void **state)
{
    struct rig rig;
    const struct cdx_client_options options = {.timeout_ms = 5000};
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
    rig_connect(&rig, rig.server.address, &options);
    get(&rig, "/a");
    while (rig.answered == 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    usleep(100000); /* the loop's idea of the time is old now */
    cdx_core_set_timeout(cdx_uv_core(rig.uv), 50);
    get(&rig, "/silent");
    cdx_core_set_timeout(cdx_uv_core(rig.uv), 0);
    const uint64_t before = uv_hrtime();
    while (rig.failed == 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_in_range((uv_hrtime() - before) / 1000000, 48, 3000);
    assert_int_equal(rig.last_failure, CDX_TIMEOUT);
    rig.close_after = 3;
    get(&rig, "/on");
    rig_run(&rig);
    assert_string_equal(rig.value, "/on");
    fake_server_stop(&rig.server);
}

/* ---- ends ---- */

static void every_end_is_told_to_the_requests_and_then_to_the_owner(void **state)
{
    static const struct {
        const char *key;
        enum cdx_status status;
        const char *text; /* behind the address; NULL: any */
    } cases[] = {
        {"/close", CDX_CLOSED, ": closed by the peer"},
        {"/reset", CDX_CLOSED, NULL}, /* libuv may take it for an ordinary end */
        {"/stop", CDX_CLOSED, ": closed by the peer, which said \"stopping: bye\""},
        {"/garbage", CDX_MALFORMED,
         ": the bytes do not follow the protocol, at byte 13, field status: a value that is not in "
         "the description"},
        {"/stranger", CDX_UNEXPECTED, ": an answer that fits no open request, at byte 13"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        char expected[CDX_CLIENT_TEXT_NBYTES_MAX];
        rig_open(&rig);
        assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
        assert_int_equal(cdx_uv_connect(&rig.loop, rig.server.address, &kv_client_protocol, NULL,
                                        keep_text, &rig, &rig.uv),
                         CDX_OK);
        get(&rig, "/a");
        get(&rig, cases[i].key);
        get(&rig, "/silent");
        (void)snprintf(expected, sizeof expected, "%s%s", rig.server.address,
                       cases[i].text != NULL ? cases[i].text : "");
        rig_run(&rig);
        assert_int_equal(rig.answered, 1);
        assert_int_equal(rig.failed, 2);
        assert_int_equal(rig.last_failure, cases[i].status);
        assert_int_equal(rig.ended, 1);
        assert_int_equal(rig.end_status, cases[i].status);
        if (cases[i].text != NULL)
            assert_string_equal(end_text, expected);
        fake_server_stop(&rig.server);
    }
}

static void after_the_end_requests_are_refused_until_the_owner_closes(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
    rig.stay = true;
    rig_connect(&rig, rig.server.address, NULL);
    get(&rig, "/close");
    while (rig.ended == 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_int_equal(kv_ping_send(cdx_uv_core(rig.uv), take, &rig, NULL), CDX_CLOSED);
    close_now(&rig);
    rig_run(&rig);
    assert_int_equal(rig.failed, 1);
    fake_server_stop(&rig.server);
}

/* ---- closing ---- */

static void closing_at_once_tells_every_request_whatever_the_state(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 6; turns++) {
        struct rig rig;
        rig_open(&rig);
        assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
        rig_connect(&rig, rig.server.address, NULL);
        for (unsigned i = 0; i < 10; i++)
            get(&rig, "/silent");
        for (unsigned i = 0; i < turns; i++)
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        close_now(&rig);
        assert_int_equal(rig.failed, 10); /* inside the call */
        assert_int_equal(rig.last_failure, CDX_CLOSED);
        assert_int_equal(rig.closed, 0);
        rig_run(&rig);
        assert_int_equal(rig.ended, 0);
        fake_server_stop(&rig.server);
    }
}

static void closing_inside_a_callback_is_safe(void **state)
{
    (void)state;
    for (unsigned after = 1; after <= 16; after++) { /* 15 answers, then a timeout */
        struct rig rig;
        rig_open(&rig);
        assert_true(fake_server_start(&rig.server, FAKE_IPV4, 0));
        rig.close_after = after;
        rig_connect(&rig, rig.server.address, NULL);
        for (unsigned i = 0; i < 20; i++)
            get(&rig, i < 15 ? "/a" : "/silent");
        cdx_core_set_timeout(cdx_uv_core(rig.uv), 20);
        get(&rig, "/silent");
        rig_run(&rig);
        assert_int_equal(rig.answered + rig.failed, 21);
        assert_int_equal(rig.ended, 0);
        fake_server_stop(&rig.server);
    }
}

static void closing_when_connected_is_safe(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    assert_true(fake_server_start(&rig.server, FAKE_UNIX, 0));
    rig.close_on_connect = true;
    rig_connect(&rig, rig.server.address, NULL);
    get(&rig, "/a");
    rig_run(&rig);
    assert_int_equal(rig.failed, 1);
    fake_server_stop(&rig.server);
}

static void closing_with_unwritten_bytes_is_safe(void **state)
{
    struct rig rig;
    static uint8_t value[1 << 20];
    (void)state;
    rig_open(&rig);
    int listener = socket(AF_INET, SOCK_STREAM, 0); /* takes connections, reads nothing */
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char address[64];
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    rig_connect(&rig, address, NULL);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(
            kv_echo_send(cdx_uv_core(rig.uv), cdx_bytes_of(value, sizeof value), take, &rig, NULL),
            CDX_OK);
    while (rig.connected == 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 5; i++)
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_true(cdx_core_output_nbytes(cdx_uv_core(rig.uv)) != 0);
    close_now(&rig);
    rig_run(&rig);
    assert_int_equal(rig.failed, 30);
    (void)close(listener);
}

static void a_failed_allocation_leaks_nothing(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct rig rig;
        rig_open(&rig);
        heap_fail_install();
        heap_fail_at(n, 0);
        const enum cdx_status status = cdx_uv_connect(
            &rig.loop, "unix:/nonexistent/s", &kv_client_protocol, NULL, on_event, &rig, &rig.uv);
        const bool happened = heap_fail_happened() != 0;
        assert_int_equal(status, happened ? CDX_NO_MEMORY : CDX_OK);
        heap_fail_at(0, 0);
        if (happened)
            on_closed(&rig);
        rig_run(&rig);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        if (!happened) {
            assert_int_equal(n, 3);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_of_address_is_reached),
        cmocka_unit_test(all_addresses_of_a_name_are_tried),
        cmocka_unit_test(what_is_no_address_is_refused_at_once),
        cmocka_unit_test(what_cannot_be_connected_to_is_explained),
        cmocka_unit_test(connecting_ends_at_its_timeout),
        cmocka_unit_test(many_requests_go_out_together_and_all_are_answered),
        cmocka_unit_test(large_requests_fill_the_socket_and_arrive),
        cmocka_unit_test(callbacks_send_the_next_request),
        cmocka_unit_test(a_request_from_a_prepare_handle_does_not_wait),
        cmocka_unit_test(an_answer_that_does_not_come_times_out_and_the_connection_goes_on),
        cmocka_unit_test(every_end_is_told_to_the_requests_and_then_to_the_owner),
        cmocka_unit_test(after_the_end_requests_are_refused_until_the_owner_closes),
        cmocka_unit_test(closing_at_once_tells_every_request_whatever_the_state),
        cmocka_unit_test(closing_inside_a_callback_is_safe),
        cmocka_unit_test(closing_when_connected_is_safe),
        cmocka_unit_test(closing_with_unwritten_bytes_is_safe),
        cmocka_unit_test(a_failed_allocation_leaks_nothing),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* libuv writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
