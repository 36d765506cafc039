/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the connection: answers in any pieces, and every way it can end. */
#include "cli_link.h"

#include "peer.h"
#include <caudex/kv_client.h>
#include <assert.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TIMEOUT_NS 5000000000ull

/* How the peer of a test answers. */
enum manner { RIGHT, NO_PROTOCOL, SILENT, HANGS_UP, REFUSES, SAYS_AND_HANGS_UP };

struct world {
    enum manner manner;
};

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    const struct world *world = arg;
    switch (world->manner) {
    case RIGHT:
        assert(kv_echo_ok_encode(out, request->rid, request->val) == CDX_OK);
        return PEER_GO_ON;
    case NO_PROTOCOL:
        memcpy(out->next, "HTTP/1.1 400 Bad Request\r\n", 26);
        out->next += 26;
        return PEER_GO_ON;
    case REFUSES:
        assert(kv_any_busy_encode(out, 0, CDX_STR("too many")) == CDX_OK);
        return PEER_HANG_UP;
    case SAYS_AND_HANGS_UP:
        assert(kv_echo_ok_encode(out, request->rid, request->val) == CDX_OK);
        return PEER_HANG_UP;
    case HANGS_UP:
        return PEER_HANG_UP;
    default:
        return PEER_GO_ON;
    }
}

static void queue_echo(struct cli_link *link, uint32_t rid, struct cdx_bytes value)
{
    struct cdx_out out = cli_link_room(link, kv_echo_request_size(value.len));
    assert_non_null(out.next);
    assert_int_equal(kv_echo_request_encode(&out, rid, value), CDX_OK);
    cli_link_commit(link, &out);
    assert_null(cli_link_check(link));
}

static void open_link(struct cli_link *link, const struct peer *peer, uint64_t timeout_ns)
{
    struct cli_failure failure;
    cli_link_init(link);
    assert_int_equal(cli_link_open(link, peer->address, timeout_ns, &failure), CLI_EXIT_DONE);
}

static void answers_come_in_order_however_many_are_asked_for(void **state)
{
    struct world world = {.manner = RIGHT};
    struct peer peer;
    struct cli_link link;
    (void)state;
    peer_open(&peer, answer, &world);
    open_link(&link, &peer, TIMEOUT_NS);
    for (uint32_t i = 1; i <= 5000; i++)
        queue_echo(&link, i, cdx_bytes_of(&i, sizeof i));
    for (uint32_t i = 1; i <= 5000; i++) {
        struct kv_response frame;
        struct cli_failure failure;
        assert_int_equal(cli_link_next(&link, &frame, &failure), CLI_EXIT_DONE);
        assert_int_equal(frame.rid, i);
        assert_memory_equal(frame.val.data, &i, sizeof i);
        assert_null(cli_link_check(&link));
    }
    assert_int_equal(cli_link_unsent(&link), 0);
    assert_false(cli_link_is_stale(&link));
    cli_link_close(&link);
    peer_close(&peer);
}

static void values_larger_than_a_read_are_whole(void **state)
{
    struct world world = {.manner = RIGHT};
    struct peer peer;
    struct cli_link link;
    static uint8_t value[PEER_ANSWER_NBYTES - 64];
    (void)state;
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 7);
    peer_open(&peer, answer, &world);
    open_link(&link, &peer, TIMEOUT_NS);
    for (uint32_t i = 1; i <= 20; i++)
        queue_echo(&link, i, cdx_bytes_of(value, sizeof value - i));
    for (uint32_t i = 1; i <= 20; i++) {
        struct kv_response frame;
        struct cli_failure failure;
        assert_int_equal(cli_link_next(&link, &frame, &failure), CLI_EXIT_DONE);
        assert_true(cdx_bytes_equal(frame.val, cdx_bytes_of(value, sizeof value - i)));
    }
    cli_link_close(&link);
    peer_close(&peer);
}

static void every_end_has_its_exit_and_message(void **state)
{
    static const struct {
        enum manner manner;
        enum cli_exit exit;
        const char *text;
    } cases[] = {
        {HANGS_UP, CLI_EXIT_UNREACHABLE,
         "the connection to the server ended: it was closed without an answer"},
        {SILENT, CLI_EXIT_UNREACHABLE,
         "no answer in time; the request may or may not have been carried out"},
        {NO_PROTOCOL, CLI_EXIT_REFUSED,
         "what answers there does not speak Caudex's protocol: at its byte 0, status: "},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {.manner = cases[i].manner};
        struct peer peer;
        struct cli_link link;
        struct kv_response frame;
        struct cli_failure failure;
        peer_open(&peer, answer, &world);
        open_link(&link, &peer, cases[i].manner == SILENT ? 50000000ull : TIMEOUT_NS);
        queue_echo(&link, 1, CDX_STR("x"));
        assert_int_equal(cli_link_next(&link, &frame, &failure), cases[i].exit);
        assert_memory_equal(failure.text, cases[i].text, strlen(cases[i].text));
        cli_link_close(&link);
        peer_close(&peer);
    }
}

static void what_the_server_said_before_it_closed_is_read(void **state)
{
    struct world world = {.manner = REFUSES};
    struct peer peer;
    struct cli_link link;
    struct kv_response frame;
    struct cli_failure failure;
    (void)state;
    peer_open(&peer, answer, &world);
    open_link(&link, &peer, TIMEOUT_NS);
    queue_echo(&link, 1, CDX_STR("x"));
    assert_int_equal(cli_link_next(&link, &frame, &failure), CLI_EXIT_DONE);
    assert_int_equal(frame.status, KV_STATUS_BUSY);
    assert_int_equal(cli_link_refused(&frame, &failure), CLI_EXIT_REFUSED);
    assert_string_equal(failure.text, "the server answered busy: 'too many'");
    cli_link_close(&link);
    peer_close(&peer);
}

static void a_link_that_the_server_closed_is_stale(void **state)
{
    struct world world = {.manner = SAYS_AND_HANGS_UP};
    struct peer peer;
    struct cli_link link;
    struct kv_response frame;
    struct cli_failure failure;
    (void)state;
    peer_open(&peer, answer, &world);
    open_link(&link, &peer, TIMEOUT_NS);
    queue_echo(&link, 1, CDX_STR("x"));
    assert_int_equal(cli_link_next(&link, &frame, &failure), CLI_EXIT_DONE);
    for (int i = 0; i < 1000 && !cli_link_is_stale(&link); i++)
        usleep(1000);
    assert_true(cli_link_is_stale(&link));
    cli_link_close(&link);
    assert_false(cli_link_is_stale(&link));
    peer_close(&peer);
}

static void nobody_there_is_unreachable(void **state)
{
    struct cli_link link;
    struct cli_failure failure;
    (void)state;
    cli_link_init(&link);
    assert_int_equal(cli_link_open(&link, "unix:/nowhere/at/all", TIMEOUT_NS, &failure),
                     CLI_EXIT_UNREACHABLE);
    assert_string_equal(failure.text,
                        "cannot reach the server at unix:/nowhere/at/all: No such file or "
                        "directory (--server or CAUDEX_SERVER names another)");
    assert_null(cli_link_check(&link));
    cli_link_close(&link);
}

/* Whether the connection goes on after that status. */
static bool goes_on(uint8_t status)
{
    return status != KV_STATUS_MALFORMED && status != KV_STATUS_BUSY &&
           status != KV_STATUS_TIMEOUT && status != KV_STATUS_STOPPING;
}

/* Whether the description has the status as an answer to the call: the client says so. */
static bool is_described(uint8_t call, uint8_t status)
{
    const struct kv_response response = {.status = status, .rid = 1};
    struct kv_reply reply;
    struct cdx_parse_error error = {0};
    /* Other faults than the status are those of the empty body. */
    return kv_client_protocol.accept(call, &response, &reply, &error) == CDX_OK ||
           strcmp(error.field, "status") != 0;
}

static void statuses_fit_the_calls_that_have_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < KV_CALLS_COUNT; i++) {
        for (unsigned status = 0; status < 256; status++) {
            bool fits = kv_status_name((uint8_t)status) != NULL && goes_on((uint8_t)status) &&
                        is_described(kv_calls[i], (uint8_t)status);
            if (cli_status_fits(kv_calls[i], (uint8_t)status) != fits)
                fail_msg("%s: status 0x%02x", kv_call_name(kv_calls[i]), status);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_order_however_many_are_asked_for),
        cmocka_unit_test(values_larger_than_a_read_are_whole),
        cmocka_unit_test(every_end_has_its_exit_and_message),
        cmocka_unit_test(what_the_server_said_before_it_closed_is_read),
        cmocka_unit_test(a_link_that_the_server_closed_is_stale),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(statuses_fit_the_calls_that_have_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
