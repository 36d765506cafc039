/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the load generator: its plan, its checks of answers, its counts, its report. */
#include "cli_bench_conn.h"

#include "peer.h"
#include <assert.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TIMEOUT_NS 5000000000ull

/* ---- the plan ---- */

static void ratios_are_read(void **state)
{
    (void)state;
    struct cli_bench_plan plan = {0};
    struct cli_failure failure;
    assert_int_equal(cli_bench_ratio(&plan, "get=80,match=15,put=5,ping=0", &failure),
                     CLI_EXIT_DONE);
    assert_int_equal(plan.call_count, 3);
    assert_int_equal(plan.weight_sum, 100);
    assert_int_equal(plan.calls[1].call, KV_CALL_MATCH);
    assert_int_equal(plan.calls[1].weight, 15);
    assert_null(cli_bench_plan_check(&plan));
}

static void wrong_ratios_are_told(void **state)
{
    static const struct {
        const char *ratio;
        const char *text;
    } cases[] = {
        {"", "--ratio: expected CALL=WEIGHT with a call that 'caudex help bench' lists, got ''"},
        {"drop=1",
         "--ratio: expected CALL=WEIGHT with a call that 'caudex help bench' lists, got 'drop=1'"},
        {"get", "--ratio: expected a weight from 0 to 1000000 in CALL=WEIGHT, got 'get'"},
        {"get=x", "--ratio: expected a weight from 0 to 1000000 in CALL=WEIGHT, got 'get=x'"},
        {"get=2M", "--ratio: expected a weight from 0 to 1000000 in CALL=WEIGHT, got 'get=2M'"},
        {"get=00000000000000000001",
         "--ratio: expected a weight from 0 to 1000000 in CALL=WEIGHT, got "
         "'get=00000000000000000001'"},
        {"get=1,get=2", "--ratio: expected each call once, got get twice"},
        {"get=1,",
         "--ratio: expected CALL=WEIGHT with a call that 'caudex help bench' lists, "
         "got ''"},
        {"get=0", "--ratio: expected a weight above 0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_bench_plan plan = {0};
        struct cli_failure failure;
        assert_int_equal(cli_bench_ratio(&plan, cases[i].ratio, &failure), CLI_EXIT_USAGE);
        assert_string_equal(failure.text, cases[i].text);
    }
}

static int compare_keys(const void *left, const void *right)
{
    const struct cdx_bytes *a = left;
    const struct cdx_bytes *b = right;
    size_t n = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->data, b->data, n);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static void generated_keys_differ_and_lie_below_bench(void **state)
{
    enum { KEYS = 20000 };
    static struct cdx_bytes sorted[KEYS];
    (void)state;
    struct cli_bench_plan plan = {0};
    assert_true(cli_bench_keys_generate(&plan.keys, KEYS));
    assert_int_equal(plan.keys.count, KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        sorted[i] = cli_bench_key(&plan.keys, i);
        assert_true(sorted[i].len > 7 && memcmp(sorted[i].data, "/bench/", 7) == 0);
    }
    qsort(sorted, KEYS, sizeof sorted[0], compare_keys);
    for (size_t i = 1; i < KEYS; i++)
        assert_true(compare_keys(&sorted[i - 1], &sorted[i]) < 0);
    assert_null(cli_bench_plan_check(&plan));
    cli_bench_plan_free(&plan);
}

static void make_plan(struct cli_bench_plan *plan, const char *ratio, uint64_t keys)
{
    struct cli_failure failure;
    *plan = (struct cli_bench_plan){0};
    assert_int_equal(cli_bench_ratio(plan, ratio, &failure), CLI_EXIT_DONE);
    assert_true(cli_bench_keys_generate(&plan->keys, keys));
    assert_int_equal(cli_bench_tape(plan, CDX_STR("value"), 1, &failure), CLI_EXIT_DONE);
    assert_null(cli_bench_plan_check(plan));
}

static void the_tape_holds_requests_in_the_ratio_asked_for(void **state)
{
    static const char all[] =
        "ping=1,echo=1,get=4,gets=1,match=2,match_bytes=1,match_all=1,"
        "list=1,children=1,count=1,put=1,put_if=1,delete=1";
    (void)state;
    struct cli_bench_plan plan;
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request request;
    size_t counts[KV_CALLS_COUNT] = {0};
    make_plan(&plan, all, 1000);
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill);
    const uint8_t *next = plan.tape;
    const uint8_t *end = plan.tape + plan.offsets[plan.count];
    for (size_t i = 0; i < plan.count; i++) {
        assert_ptr_equal(next, plan.tape + plan.offsets[i]);
        assert_int_equal(kv_request_feed(&parser, &spill, &next, end, &request), CDX_OK);
        assert_int_equal(request.rid, i);
        assert_int_equal(request.type, plan.calls[plan.kinds[i]].call);
        counts[plan.kinds[i]]++;
    }
    assert_ptr_equal(next, end);
    for (size_t i = 0; i < plan.call_count; i++) {
        double share = (double)counts[i] / (double)plan.count;
        double asked = (double)plan.calls[i].weight / (double)plan.weight_sum;
        assert_true(share > asked * 0.9 && share < asked * 1.1);
    }
    cdx_spill_free(&spill);
    cli_bench_plan_free(&plan);
}

/* ---- one connection, driven by hand ---- */

/* Both ends of a connection; the test plays the server on ends[1]. */
struct pair {
    int ends[2];
    struct cli_bench_conn conn;
    struct cli_bench_share share;
    struct cli_bench_result *result;
    struct cli_failure failure;
};

static void pair_open(struct pair *pair, const struct cli_bench_plan *plan, uint32_t start)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->ends),
                     0);
    assert_true(cli_bench_conn_init(&pair->conn, pair->ends[0], start, 8, plan));
    pair->result = calloc(1, sizeof *pair->result);
    pair->share = (struct cli_bench_share){
        .plan = plan,
        .result = pair->result,
        .input = malloc(CLI_BENCH_READ_NBYTES),
        .failure = &pair->failure,
    };
}

static void pair_close(struct pair *pair)
{
    cli_bench_conn_free(&pair->conn);
    close(pair->ends[1]);
    free(pair->result);
    free(pair->share.input);
}

static void requests_go_round_the_tape(void **state)
{
    (void)state;
    struct cli_bench_plan plan;
    struct pair pair;
    struct kv_request_parser parser;
    struct cdx_spill spill;
    make_plan(&plan, "get=1", 10);
    uint32_t at = (uint32_t)plan.count - 20; /* close to the end: the tape is wrapped round */
    pair_open(&pair, &plan, at);
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill);
    for (unsigned round = 0; round < 40; round++) {
        uint8_t bytes[65536];
        uint32_t answered = 0;
        while (pair.conn.open < 1 + round % 8)
            cli_bench_conn_queue(&pair.conn, &plan, 1);
        assert_null(cli_bench_conn_check(&pair.conn, &plan));
        assert_int_equal(cli_bench_conn_send(&pair.conn, &pair.share), CLI_EXIT_DONE);
        assert_int_equal(pair.conn.unsent, 0);
        ssize_t n = recv(pair.ends[1], bytes, sizeof bytes, 0);
        const uint8_t *next = bytes;
        struct kv_request request;
        while (kv_request_feed(&parser, &spill, &next, bytes + n, &request) == CDX_OK) {
            uint8_t answer[64];
            struct cdx_out out = {.next = answer, .end = answer + sizeof answer};
            assert_int_equal(request.rid, at);
            at = at + 1 == plan.count ? 0 : at + 1;
            assert_int_equal(kv_get_ok_encode(&out, request.rid, CDX_STR("v")), CDX_OK);
            assert_true(write(pair.ends[1], answer, (size_t)(out.next - answer)) > 0);
        }
        assert_int_equal(cli_bench_conn_receive(&pair.conn, &pair.share, &answered), CLI_EXIT_DONE);
        assert_int_equal(answered, 1 + round % 8);
        assert_int_equal(pair.conn.open, 0);
        assert_null(cli_bench_conn_check(&pair.conn, &plan));
    }
    cdx_spill_free(&spill);
    pair_close(&pair);
    cli_bench_plan_free(&plan);
}

static void answers_that_do_not_fit_end_the_run(void **state)
{
    static const struct {
        uint8_t status;
        uint32_t rid_off;
        const char *text;
    } cases[] = {
        {KV_STATUS_ROW, 0, "the server answered get with row: 'text'"},
        {KV_STATUS_BUSY, 0, "the server answered get with busy: 'text'"},
        {KV_STATUS_CONFLICT, 0, "the server answered get with conflict: 'text'"},
        {KV_STATUS_OK, 1, "expected the answer to request 5, got one to 6"},
    };
    (void)state;
    struct cli_bench_plan plan;
    make_plan(&plan, "get=1", 10);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pair pair;
        uint8_t bytes[64];
        uint32_t answered;
        struct cdx_out out = {.next = bytes, .end = bytes + sizeof bytes};
        pair_open(&pair, &plan, 5);
        cli_bench_conn_queue(&pair.conn, &plan, 1);
        assert_int_equal(kv_response_encode(&out, cases[i].status, 5 + cases[i].rid_off,
                                            cdx_empty(), CDX_STR("text")),
                         CDX_OK);
        assert_true(write(pair.ends[1], bytes, (size_t)(out.next - bytes)) > 0);
        assert_int_equal(cli_bench_conn_receive(&pair.conn, &pair.share, &answered),
                         CLI_EXIT_REFUSED);
        assert_string_equal(pair.failure.text, cases[i].text);
        pair_close(&pair);
    }
    cli_bench_plan_free(&plan);
}

static void bytes_that_are_no_answer_end_the_run(void **state)
{
    (void)state;
    struct cli_bench_plan plan;
    struct pair pair;
    uint32_t answered;
    make_plan(&plan, "get=1", 10);
    pair_open(&pair, &plan, 0);
    cli_bench_conn_queue(&pair.conn, &plan, 1);
    assert_true(write(pair.ends[1], "garbage", 7) == 7);
    assert_int_equal(cli_bench_conn_receive(&pair.conn, &pair.share, &answered), CLI_EXIT_REFUSED);
    assert_memory_equal(pair.failure.text, "the server's answer is not the protocol, at its byte ",
                        52);
    pair_close(&pair);
    pair_open(&pair, &plan, 0);
    cli_bench_conn_queue(&pair.conn, &plan, 1);
    shutdown(pair.ends[1], SHUT_RDWR);
    assert_int_equal(cli_bench_conn_receive(&pair.conn, &pair.share, &answered),
                     CLI_EXIT_UNREACHABLE);
    assert_string_equal(pair.failure.text, "the server closed the connection");
    pair_close(&pair);
    cli_bench_plan_free(&plan);
}

/* ---- a whole run against a peer ---- */

static enum peer_next answer_all(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    const struct kv_rows_end rows = {.rows = 1};
    uint32_t rid = request->rid;
    (void)arg;
    if (request->type == KV_CALL_GET && rid % 4 == 0) {
        assert(kv_get_not_found_encode(out, rid) == CDX_OK);
    } else if (request->type == KV_CALL_MATCH_ALL) {
        assert(kv_match_all_row_encode(out, rid, CDX_STR("/"), CDX_STR("v")) == CDX_OK);
        assert(kv_match_all_ok_encode(out, rid, &rows) == CDX_OK);
    } else {
        assert(kv_get_ok_encode(out, rid, CDX_STR("v")) == CDX_OK);
    }
    return PEER_GO_ON;
}

static enum peer_next answer_none(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    (void)arg;
    (void)request;
    (void)out;
    return PEER_GO_ON;
}

static void every_request_is_counted_once(void **state)
{
    static struct cli_bench_result result;
    (void)state;
    struct cli_bench_plan plan;
    struct cli_failure failure;
    struct peer peer;
    make_plan(&plan, "get=3,match_all=1", 100);
    peer_open(&peer, answer_all, NULL);
    const struct cli_bench_setup setup = {
        .server = peer.address,
        .timeout_ns = TIMEOUT_NS,
        .connections = 5,
        .pipeline = 7,
        .threads = 2,
        .requests = 10001,
        .progress_fd = -1,
    };
    assert_int_equal(cli_bench_run(&plan, &setup, &result, &failure), CLI_EXIT_DONE);
    peer_close(&peer);
    assert_int_equal(result.answers, 10001);
    assert_int_equal(peer.requests, 10001);
    assert_int_equal(peer.connections, 5);
    const struct cli_bench_kind *get = &result.kinds[0];
    const struct cli_bench_kind *all = &result.kinds[1];
    assert_int_equal(get->latency.count + all->latency.count, 10001);
    assert_int_equal(get->statuses[KV_STATUS_OK] + get->statuses[KV_STATUS_NOT_FOUND],
                     get->latency.count);
    assert_true(get->statuses[KV_STATUS_NOT_FOUND] > get->latency.count / 8);
    assert_int_equal(all->rows, all->latency.count);
    assert_null(cli_histogram_check(&get->latency));
    assert_true(result.elapsed_ns > 0 && result.bytes_in > 0 && result.bytes_out > 0);
    cli_bench_plan_free(&plan);
}

static void a_rate_is_kept_to(void **state)
{
    static struct cli_bench_result result;
    (void)state;
    struct cli_bench_plan plan;
    struct cli_failure failure;
    struct peer peer;
    make_plan(&plan, "get=1", 100);
    peer_open(&peer, answer_all, NULL);
    const struct cli_bench_setup setup = {
        .server = peer.address,
        .timeout_ns = TIMEOUT_NS,
        .connections = 3,
        .pipeline = 4,
        .threads = 1,
        .requests = 300,
        .rate = 1000,
        .progress_fd = -1,
    };
    assert_int_equal(cli_bench_run(&plan, &setup, &result, &failure), CLI_EXIT_DONE);
    peer_close(&peer);
    assert_int_equal(result.answers, 300);
    /* The last of 300 is due after 299 ms. A loaded machine may be later, never earlier. */
    assert_true(result.elapsed_ns >= 299000000);
    cli_bench_plan_free(&plan);
}

static void silence_ends_the_run(void **state)
{
    static struct cli_bench_result result;
    (void)state;
    struct cli_bench_plan plan;
    struct cli_failure failure;
    struct peer peer;
    make_plan(&plan, "get=1", 100);
    peer_open(&peer, answer_none, NULL);
    const struct cli_bench_setup setup = {
        .server = peer.address,
        .timeout_ns = 100000000,
        .connections = 2,
        .pipeline = 3,
        .threads = 1,
        .duration_ns = 20000000000,
        .progress_fd = -1,
    };
    assert_int_equal(cli_bench_run(&plan, &setup, &result, &failure), CLI_EXIT_UNREACHABLE);
    assert_string_equal(failure.text, "no answer in time (6 requests are open)");
    peer_close(&peer);
    cli_bench_plan_free(&plan);
}

/* ---- the report ---- */

static void the_report_tells_what_was_measured(void **state)
{
    static struct cli_bench_result result;
    (void)state;
    struct cli_bench_plan plan;
    struct cli_buf out = {0};
    const struct cli_bench_setup setup = {.connections = 50, .pipeline = 16, .threads = 1};
    make_plan(&plan, "get=1,put=1", 10);
    result = (struct cli_bench_result){.answers = 3000, .elapsed_ns = 1000000000};
    cli_histogram_add(&result.kinds[0].latency, 1500, 2000);
    cli_histogram_add(&result.kinds[1].latency, 3000000, 1000);
    result.kinds[0].statuses[KV_STATUS_OK] = 100;
    result.kinds[0].statuses[KV_STATUS_NOT_FOUND] = 1900;
    result.kinds[1].statuses[KV_STATUS_OK] = 1000;
    cli_bench_report(&out, &plan, &setup, &result);
    cli_buf_byte(&out, 0);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "get                2000      2.00k    1.50 µs    1.50 µs"));
    assert_non_null(strstr(text, "put                1000      1.00k    3.00 ms"));
    assert_non_null(strstr(text, "all                3000      3.00k    1.50 µs    3.00 ms"));
    assert_non_null(strstr(text, "get           ok 100, not_found 1900\n"));
    assert_non_null(strstr(text, "50 connections × 16 open requests, 1 thread, 1.00 s; "));
    assert_non_null(strstr(text, "most keys are not stored: --fill stores them first\n"));
    cli_buf_free(&out);

    cli_bench_report_json(&out, &plan, &setup, &result);
    json_error_t error;
    json_t *object = json_loadb((const char *)out.data, out.len, 0, &error);
    assert_non_null(object);
    json_t *calls = json_object_get(object, "calls");
    assert_int_equal(json_array_size(calls), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "requests")), 3000);
    json_t *statuses = json_object_get(json_array_get(calls, 0), "statuses");
    assert_int_equal(json_integer_value(json_object_get(statuses, "not_found")), 1900);
    json_decref(object);
    cli_buf_free(&out);
    cli_bench_plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_are_read),
        cmocka_unit_test(wrong_ratios_are_told),
        cmocka_unit_test(generated_keys_differ_and_lie_below_bench),
        cmocka_unit_test(the_tape_holds_requests_in_the_ratio_asked_for),
        cmocka_unit_test(requests_go_round_the_tape),
        cmocka_unit_test(answers_that_do_not_fit_end_the_run),
        cmocka_unit_test(bytes_that_are_no_answer_end_the_run),
        cmocka_unit_test(every_request_is_counted_once),
        cmocka_unit_test(a_rate_is_kept_to),
        cmocka_unit_test(silence_ends_the_run),
        cmocka_unit_test(the_report_tells_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
