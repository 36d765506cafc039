/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the client's core with a scripted peer: matching, deadlines, ends, re-entrancy, memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client_rig.h"
#include "heap_fail.h"

static void expect_final(const struct ticket *t, enum cdx_status status)
{
    assert_int_equal(t->finals, 1);
    assert_int_equal(t->status, status);
}

static void send_all(struct rig *rig, struct ticket *tickets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tickets[i] = rig_ticket(rig);
        assert_int_equal(rig_get(&tickets[i]), CDX_OK);
        rig_check(rig);
    }
}

/* ---- matching ---- */

static void answers_may_come_in_any_order(void **state)
{
    static const size_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    (void)state;
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        struct rig rig;
        struct ticket t[4];
        rig_open(&rig, NULL);
        send_all(&rig, t, 4);
        for (size_t i = 0; i < 4; i++) {
            rig_answer_get(&rig, t[orders[o][i]].rid);
            assert_int_equal(rig_feed(&rig, 0), CDX_OK);
            expect_final(&t[orders[o][i]], CDX_OK);
            assert_int_equal(cdx_core_open_count(rig.core), 3 - i);
        }
        rig_close(&rig);
    }
}

static void rows_of_several_answers_may_be_interleaved(void **state)
{
    struct rig rig;
    struct ticket a;
    struct ticket b;
    const struct kv_rows_end end = {.rows = 2};
    (void)state;
    rig_open(&rig, NULL);
    a = rig_ticket(&rig);
    b = rig_ticket(&rig);
    assert_int_equal(kv_match_all_send(rig.core, CDX_STR("/a"), rig_take, &a, &a.rid), CDX_OK);
    assert_int_equal(kv_match_all_send(rig.core, CDX_STR("/b"), rig_take, &b, &b.rid), CDX_OK);
    assert_int_equal(kv_match_all_row_encode(&rig.out, b.rid, CDX_STR("b"), CDX_STR("1")), CDX_OK);
    assert_int_equal(kv_match_all_row_encode(&rig.out, a.rid, CDX_STR("a"), CDX_STR("2")), CDX_OK);
    assert_int_equal(kv_match_all_ok_encode(&rig.out, b.rid, &end), CDX_OK);
    assert_int_equal(kv_match_all_ok_encode(&rig.out, a.rid, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 1), CDX_OK);
    assert_string_equal(rig.log.text,
                        "2 row key=62 val=31\n"
                        "1 row key=61 val=32\n"
                        "2 ok key= val=00000002 last\n"
                        "1 ok key= val=00000002 last\n");
    rig_close(&rig);
}

static void rids_wrap_at_32_bits_without_zero(void **state)
{
    const struct cdx_client_options options = {.first_rid = UINT32_MAX - 1};
    static const uint32_t expected[] = {UINT32_MAX - 1, UINT32_MAX, 1, 2};
    struct rig rig;
    struct ticket t[4];
    (void)state;
    rig_open(&rig, &options);
    send_all(&rig, t, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(t[i].rid, expected[i]);
        rig_answer_get(&rig, t[i].rid);
    }
    assert_int_equal(rig_feed(&rig, 3), CDX_OK);
    for (size_t i = 0; i < 4; i++)
        expect_final(&t[i], CDX_OK);
    rig_close(&rig);
}

static void an_answer_nobody_wants_is_taken_all_the_same(void **state)
{
    struct rig rig;
    uint32_t rid;
    (void)state;
    rig_open(&rig, NULL);
    assert_int_equal(kv_get_send(rig.core, CDX_STR("/k"), NULL, NULL, &rid), CDX_OK);
    rig_answer_get(&rig, rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(cdx_core_open_count(rig.core), 0);
    rig_close(&rig);
}

static void a_frame_that_answers_nothing_ends_the_connection(void **state)
{
    static const uint32_t strangers[] = {4, 1000, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct rig rig;
        struct ticket t[3];
        struct cdx_parse_error error;
        rig_open(&rig, NULL);
        send_all(&rig, t, 3);
        rig_answer_get(&rig, 2);
        rig_answer_get(&rig, strangers[i]);
        rig_answer_get(&rig, 3); /* is not looked at any more */
        assert_int_equal(rig_feed(&rig, 0), CDX_UNEXPECTED);
        expect_final(&t[0], CDX_UNEXPECTED);
        expect_final(&t[1], CDX_OK);
        expect_final(&t[2], CDX_UNEXPECTED);
        cdx_core_error(rig.core, &error);
        assert_int_equal(error.offset, kv_get_ok_size(1));
        assert_string_equal(error.reason, "an answer that fits no open request");
        struct ticket late = rig_ticket(&rig);
        assert_int_equal(rig_get(&late), CDX_UNEXPECTED);
        assert_int_equal(rig_feed_bytes(&rig, CDX_STR("x")), CDX_UNEXPECTED);
        rig_close(&rig);
    }
}

static void a_second_answer_to_a_request_is_unexpected(void **state)
{
    struct rig rig;
    struct ticket t[1];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 1);
    rig_answer_get(&rig, 1);
    rig_answer_get(&rig, 1);
    assert_int_equal(rig_feed(&rig, 1), CDX_UNEXPECTED);
    expect_final(&t[0], CDX_OK);
    rig_close(&rig);
}

/* ---- cancel and time ---- */

static void a_cancelled_request_is_told_once_and_its_answer_dropped(void **state)
{
    struct rig rig;
    struct ticket t = {0};
    const struct kv_rows_end end = {.rows = 1};
    (void)state;
    rig_open(&rig, NULL);
    t = rig_ticket(&rig);
    assert_int_equal(kv_match_all_send(rig.core, CDX_STR("/"), rig_take, &t, &t.rid), CDX_OK);
    assert_false(cdx_core_cancel(rig.core, t.rid + 1));
    assert_true(cdx_core_cancel(rig.core, t.rid));
    assert_false(cdx_core_cancel(rig.core, t.rid));
    expect_final(&t, CDX_CANCELLED);
    assert_int_equal(cdx_core_open_count(rig.core), 0);
    assert_int_equal(cdx_core_silent_count(rig.core), 1);
    assert_int_equal(kv_match_all_row_encode(&rig.out, t.rid, CDX_STR("a"), CDX_STR("2")), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(cdx_core_silent_count(rig.core), 1);
    assert_int_equal(kv_match_all_ok_encode(&rig.out, t.rid, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(cdx_core_silent_count(rig.core), 0);
    assert_string_equal(rig.log.text, "1! CANCELLED\n");
    rig_close(&rig);
}

static void requests_fail_at_their_deadline_and_late_answers_are_dropped(void **state)
{
    const struct cdx_client_options options = {.timeout_ms = 100};
    struct rig rig;
    struct ticket t[5];
    (void)state;
    rig_open(&rig, &options);
    cdx_core_set_now(rig.core, 1000);
    for (size_t i = 0; i < 5; i++)
        t[i] = rig_ticket(&rig);
    assert_int_equal(rig_get(&t[0]), CDX_OK); /* due at 1100 */
    cdx_core_set_timeout(rig.core, 10);
    assert_int_equal(rig_get(&t[1]), CDX_OK); /* due at 1010, though it came later */
    cdx_core_set_timeout(rig.core, CDX_CLIENT_TIMEOUT_MS_NEVER);
    assert_int_equal(rig_get(&t[2]), CDX_OK);
    cdx_core_set_timeout(rig.core, 0); /* the options' again */
    cdx_core_set_now(rig.core, 1005);
    assert_int_equal(rig_get(&t[3]), CDX_OK); /* due at 1105 */
    assert_int_equal(rig_get(&t[4]), CDX_OK); /* due at 1105, but answered */
    rig_answer_get(&rig, t[4].rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);

    static const struct {
        uint64_t now_ms, next_ms;
        const char *log;
    } steps[] = {
        {1009, 1010, ""},
        {1010, 1100, "2! TIMEOUT\n"},
        {1099, 1100, ""},
        {1200, UINT64_MAX, "1! TIMEOUT\n4! TIMEOUT\n"},
        {UINT64_MAX - 1, UINT64_MAX, ""},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        split_log_free(&rig.log);
        split_print(&rig.log, "%s", "");
        cdx_core_expire(rig.core, steps[i].now_ms);
        rig_check(&rig);
        assert_string_equal(rig.log.text, steps[i].log);
        assert_true(cdx_core_next_deadline(rig.core) == steps[i].next_ms);
    }
    assert_int_equal(cdx_core_open_count(rig.core), 1);
    assert_int_equal(cdx_core_silent_count(rig.core), 3);
    for (size_t i = 0; i < 4; i++)
        rig_answer_get(&rig, t[i].rid);
    assert_int_equal(rig_feed(&rig, 1), CDX_OK);
    expect_final(&t[2], CDX_OK);
    assert_int_equal(cdx_core_silent_count(rig.core), 0);
    rig_close(&rig);
}

static void each_row_renews_the_deadline(void **state)
{
    const struct cdx_client_options options = {.timeout_ms = 100};
    const struct kv_rows_end end = {.rows = 2};
    struct rig rig;
    (void)state;
    rig_open(&rig, &options);
    struct ticket t = rig_ticket(&rig);
    struct ticket other = rig_ticket(&rig);
    assert_int_equal(kv_match_all_send(rig.core, CDX_STR("/"), rig_take, &t, &t.rid), CDX_OK);
    assert_int_equal(rig_get(&other), CDX_OK);
    for (uint64_t now_ms = 90; now_ms <= 180; now_ms += 90) {
        cdx_core_set_now(rig.core, now_ms);
        assert_int_equal(kv_match_all_row_encode(&rig.out, t.rid, CDX_STR("a"), CDX_STR("1")),
                         CDX_OK);
        assert_int_equal(rig_feed(&rig, 0), CDX_OK);
        cdx_core_expire(rig.core, now_ms + 20); /* the other one's at 110 */
        assert_true(cdx_core_next_deadline(rig.core) == now_ms + 100);
    }
    expect_final(&other, CDX_TIMEOUT);
    cdx_core_expire(rig.core, 279);
    assert_int_equal(t.finals, 0);
    assert_int_equal(kv_match_all_ok_encode(&rig.out, t.rid, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    expect_final(&t, CDX_OK);
    rig_answer_get(&rig, other.rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    rig_close(&rig);
}

/* ---- bounds ---- */

#define STREAM_ROWS 1000000u

static void count_row(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    unsigned *rows = arg;
    assert_int_equal(status, CDX_OK);
    *rows += !reply->is_last;
}

static void a_million_rows_stream_through_without_memory(void **state)
{
    const size_t row_nbytes = kv_match_all_row_size(4, 100);
    static const uint8_t value[100];
    const struct kv_rows_end end = {.rows = STREAM_ROWS};
    struct rig rig;
    unsigned rows = 0;
    uint32_t rid;
    size_t blocks = 0;
    (void)state;
    heap_fail_install();
    rig_open(&rig, NULL);
    assert_int_equal(kv_match_all_send(rig.core, CDX_STR("/"), count_row, &rows, &rid), CDX_OK);
    for (unsigned sent = 0; sent < STREAM_ROWS; sent++) {
        assert_int_equal(
            kv_match_all_row_encode(&rig.out, rid, CDX_STR("/key"), cdx_bytes_of(value, 100)),
            CDX_OK);
        if ((size_t)(rig.answers + sizeof rig.answers - rig.out.next) >= row_nbytes)
            continue;
        assert_int_equal(rig_feed(&rig, 4093), CDX_OK); /* few pieces end with a row */
        if (blocks == 0)
            blocks = heap_fail_blocks();
        assert_int_equal(heap_fail_blocks(), blocks);
        heap_fail_at(1, 1);
    }
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(kv_match_all_ok_encode(&rig.out, rid, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_false(heap_fail_happened());
    heap_fail_at(0, 0);
    assert_int_equal(rows, STREAM_ROWS);
    assert_int_equal(cdx_core_open_count(rig.core), 0);
    rig_close(&rig);
    heap_fail_remove();
}

static void the_window_is_full_until_an_answer_comes(void **state)
{
    const struct cdx_client_options options = {.window = 3};
    struct rig rig;
    struct ticket t[3];
    struct ticket more;
    (void)state;
    rig_open(&rig, &options);
    send_all(&rig, t, 3);
    more = rig_ticket(&rig);
    assert_int_equal(rig_get(&more), CDX_FULL);
    assert_true(cdx_core_cancel(rig.core, t[1].rid)); /* its answer may still come */
    assert_int_equal(rig_get(&more), CDX_FULL);
    rig_answer_get(&rig, t[1].rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(rig_get(&more), CDX_OK);
    rig_close(&rig);
}

static void unsent_output_is_bounded_but_a_request_alone_always_goes(void **state)
{
    const struct cdx_client_options options = {.output_nbytes = 100};
    struct rig rig;
    static uint8_t large[5000];
    const struct cdx_bytes value = cdx_bytes_of(large, sizeof large);
    (void)state;
    rig_open(&rig, &options);
    assert_int_equal(kv_echo_send(rig.core, value, NULL, NULL, NULL), CDX_OK);
    assert_int_equal(kv_ping_send(rig.core, NULL, NULL, NULL), CDX_FULL);
    cdx_core_output_sent(rig.core, cdx_core_output_nbytes(rig.core));
    for (size_t n = KV_REQUEST_HEAD_NBYTES; n <= 100; n += KV_REQUEST_HEAD_NBYTES)
        assert_int_equal(kv_ping_send(rig.core, NULL, NULL, NULL), CDX_OK);
    assert_int_equal(kv_ping_send(rig.core, NULL, NULL, NULL), CDX_FULL);
    cdx_core_output_sent(rig.core, 10);
    assert_int_equal(kv_ping_send(rig.core, NULL, NULL, NULL), CDX_OK);
    rig_close(&rig);
}

static void options_beyond_their_limits_are_refused(void **state)
{
    static const struct {
        struct cdx_client_options options;
        enum cdx_status expected;
    } cases[] = {
        {{.window = CDX_CLIENT_WINDOW_MAX}, CDX_OK},
        {{.window = CDX_CLIENT_WINDOW_MAX + 1}, CDX_INVALID},
        {{.timeout_ms = CDX_CLIENT_TIMEOUT_MS_NEVER}, CDX_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cdx_core *core = NULL;
        assert_int_equal(cdx_core_create(&kv_client_protocol, &cases[i].options, &core),
                         cases[i].expected);
        assert_true((core != NULL) == (cases[i].expected == CDX_OK));
        cdx_core_destroy(core);
    }
}

/* A protocol whose RIDs are one byte wide: the default window is what fits. */
static void a_narrow_rid_bounds_the_window(void **state)
{
    static const struct {
        struct cdx_client_options options;
        enum cdx_status expected;
        size_t fits;
    } cases[] = {
        {{.window = 0}, CDX_OK, 255},
        {{.window = 255}, CDX_OK, 255},
        {{.window = 254, .first_rid = 255}, CDX_OK, 254},
        {{.window = 256}, CDX_INVALID, 0},
        {{.first_rid = 256}, CDX_INVALID, 0},
    };
    (void)state;
    struct cdx_client_protocol narrow = kv_client_protocol;
    narrow.rid_max = 255;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cdx_core *core = NULL;
        size_t sent = 0;
        assert_int_equal(cdx_core_create(&narrow, &cases[i].options, &core), cases[i].expected);
        while (core != NULL && kv_ping_send(core, NULL, NULL, NULL) == CDX_OK)
            sent++;
        assert_int_equal(sent, cases[i].fits);
        cdx_core_destroy(core);
    }
}

/* ---- the end ---- */

static void a_closed_connection_tells_every_open_request_once(void **state)
{
    struct rig rig;
    struct ticket t[20];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 20);
    assert_true(cdx_core_cancel(rig.core, t[5].rid));
    rig_answer_get(&rig, t[7].rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    cdx_core_close(rig.core, CDX_CLOSED);
    cdx_core_close(rig.core, CDX_SYSTEM);
    rig_check(&rig);
    for (size_t i = 0; i < 20; i++)
        expect_final(&t[i], i == 5 ? CDX_CANCELLED : i == 7 ? CDX_OK : CDX_CLOSED);
    assert_int_equal(cdx_core_status(rig.core), CDX_CLOSED);
    assert_int_equal(cdx_core_output_nbytes(rig.core), 0);
    struct cdx_bytes view;
    assert_int_equal(cdx_core_output(rig.core, &view, 1), 0);
    struct ticket late = rig_ticket(&rig);
    assert_int_equal(rig_get(&late), CDX_CLOSED);
    assert_true(cdx_core_next_deadline(rig.core) == UINT64_MAX);
    rig_close(&rig);
}

static void destroy_tells_every_open_request(void **state)
{
    struct rig rig;
    struct ticket t[2];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 2);
    cdx_core_destroy(rig.core);
    expect_final(&t[0], CDX_CLOSED);
    expect_final(&t[1], CDX_CLOSED);
    split_log_free(&rig.log);
    cdx_core_destroy(NULL);
}

static void what_is_said_unasked_is_kept_and_handed_on(void **state)
{
    struct rig rig;
    struct ticket t[1];
    struct ticket unasked;
    (void)state;
    rig_open(&rig, NULL);
    assert_string_equal(cdx_core_notice(rig.core), "");
    send_all(&rig, t, 1);
    assert_int_equal(kv_any_stopping_encode(&rig.out, 0, CDX_STR("good\nbye\x7f")), CDX_OK);
    assert_int_equal(rig_feed(&rig, 1), CDX_OK); /* nobody listens: no harm */
    assert_string_equal(cdx_core_notice(rig.core), "stopping: good?bye?");
    unasked = rig_ticket(&rig);
    kv_client_on_unasked(rig.core, rig_take, &unasked);
    assert_int_equal(kv_any_busy_encode(&rig.out, 0, cdx_empty()), CDX_OK);
    assert_int_equal(rig_feed(&rig, 1), CDX_OK);
    assert_string_equal(cdx_core_notice(rig.core), "busy");
    assert_int_equal(unasked.reply_status, KV_STATUS_BUSY);
    assert_int_equal(t[0].finals, 0);
    char text[1024];
    memset(text, 'x', sizeof text);
    kv_client_on_unasked(rig.core, NULL, NULL);
    assert_int_equal(kv_any_timeout_encode(&rig.out, 0, cdx_bytes_of(text, sizeof text)), CDX_OK);
    assert_int_equal(rig_feed(&rig, 7), CDX_OK);
    assert_int_equal(strlen(cdx_core_notice(rig.core)), CDX_CLIENT_NOTICE_NBYTES_MAX - 1);
    rig_close(&rig);
}

static void what_may_not_be_said_unasked_is_malformed(void **state)
{
    struct rig rig;
    struct ticket t[1];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 1);
    rig_answer_get(&rig, 0);
    assert_int_equal(rig_feed(&rig, 0), CDX_MALFORMED);
    expect_final(&t[0], CDX_MALFORMED);
    rig_close(&rig);
}

/* ---- callbacks that come back ---- */

#define CHAIN_LENGTH 1000

static void send_next(struct ticket *t)
{
    struct ticket *next = t + 1;
    if (t->status != CDX_OK || next->finals != 0)
        return;
    next->rig = t->rig;
    next->on_final = send_next;
    assert_int_equal(rig_get(next), CDX_OK);
}

static void a_callback_may_send_the_next_request(void **state)
{
    struct rig rig;
    struct ticket *chain = calloc(CHAIN_LENGTH + 1, sizeof *chain);
    (void)state;
    assert_non_null(chain);
    rig_open(&rig, NULL);
    chain[CHAIN_LENGTH].finals = 1; /* the sentinel */
    chain[0].rig = &rig;
    chain[0].on_final = send_next;
    assert_int_equal(rig_get(&chain[0]), CDX_OK);
    for (size_t i = 0; i < CHAIN_LENGTH; i++) {
        struct split_log requests = rig_requests(&rig);
        split_log_free(&requests);
        rig_answer_get(&rig, chain[i].rid);
        assert_int_equal(rig_feed(&rig, 0), CDX_OK);
        expect_final(&chain[i], CDX_OK);
    }
    rig_close(&rig);
    free(chain);
}

/* Sends so many requests that the table grows while a row is being delivered. */
static void send_many(struct ticket *t)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(kv_ping_send(t->rig->core, NULL, NULL, NULL), CDX_OK);
}

static void the_table_may_grow_inside_a_callback(void **state)
{
    struct rig rig;
    struct ticket t;
    const struct kv_rows_end end = {.rows = 2};
    (void)state;
    rig_open(&rig, NULL);
    t = rig_ticket(&rig);
    t.on_row = send_many;
    t.on_final = send_many;
    assert_int_equal(kv_stats_send(rig.core, rig_take, &t, &t.rid), CDX_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kv_stats_row_encode(&rig.out, 1, CDX_STR("n"), CDX_STR("1")), CDX_OK);
    assert_int_equal(kv_stats_ok_encode(&rig.out, 1, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(t.rows, 2);
    expect_final(&t, CDX_OK);
    assert_int_equal(cdx_core_open_count(rig.core), 300);
    rig_close(&rig);
}

static void cancel_self(struct ticket *t)
{
    assert_true(cdx_core_cancel(t->rig->core, t->rid));
}

static void a_callback_may_cancel_its_own_request(void **state)
{
    struct rig rig;
    struct ticket t;
    const struct kv_rows_end end = {.rows = 3};
    (void)state;
    rig_open(&rig, NULL);
    t = rig_ticket(&rig);
    t.on_row = cancel_self;
    assert_int_equal(kv_stats_send(rig.core, rig_take, &t, &t.rid), CDX_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kv_stats_row_encode(&rig.out, 1, CDX_STR("n"), CDX_STR("1")), CDX_OK);
    assert_int_equal(kv_stats_ok_encode(&rig.out, 1, &end), CDX_OK);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_int_equal(t.rows, 1);
    expect_final(&t, CDX_CANCELLED);
    assert_int_equal(cdx_core_silent_count(rig.core), 0);
    rig_close(&rig);
}

/* Cancels the request before and the one behind: `t` stands in an array. */
static void cancel_neighbours(struct ticket *t)
{
    (void)cdx_core_cancel(t->rig->core, t[-1].rid);
    (void)cdx_core_cancel(t->rig->core, t[1].rid);
}

static void callbacks_may_cancel_others_while_all_time_out_or_close(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct rig rig;
        struct ticket t[9];
        rig_open(&rig, NULL);
        send_all(&rig, t, 9);
        for (size_t i = 1; i < 8; i += 3)
            t[i].on_final = cancel_neighbours;
        if (closes)
            cdx_core_close(rig.core, CDX_CLOSED);
        else
            cdx_core_expire(rig.core, UINT64_MAX - 1);
        rig_check(&rig);
        for (size_t i = 0; i < 9; i++)
            expect_final(&t[i], i % 3 == 2 ? CDX_CANCELLED : closes ? CDX_CLOSED : CDX_TIMEOUT);
        rig_close(&rig);
    }
}

static void close_all(struct ticket *t)
{
    cdx_core_close(t->rig->core, CDX_CLOSED);
}

static void a_callback_may_close_and_the_rest_of_the_input_is_left(void **state)
{
    struct rig rig;
    struct ticket t[3];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 3);
    t[1].on_final = close_all;
    for (uint32_t rid = 1; rid <= 3; rid++)
        rig_answer_get(&rig, rid);
    assert_int_equal(rig_feed(&rig, 0), CDX_CLOSED);
    expect_final(&t[0], CDX_OK);
    expect_final(&t[1], CDX_OK);
    expect_final(&t[2], CDX_CLOSED);
    rig_close(&rig);
}

static void feed_again(struct ticket *t)
{
    const uint8_t byte = 0;
    const uint8_t *next = &byte;
    assert_true(cdx_core_is_inside(t->rig->core));
    assert_int_equal(cdx_core_input(t->rig->core, &next, &byte + 1), CDX_INVALID);
    assert_ptr_equal(next, &byte);
}

static void input_inside_a_callback_is_refused_and_harmless(void **state)
{
    struct rig rig;
    struct ticket t[1];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 1);
    t[0].on_final = feed_again;
    rig_answer_get(&rig, 1);
    assert_int_equal(rig_feed(&rig, 0), CDX_OK);
    assert_false(cdx_core_is_inside(rig.core));
    expect_final(&t[0], CDX_OK);
    rig_close(&rig);
}

static void pause_after(struct ticket *t)
{
    cdx_core_pause(t->rig->core);
}

static void a_callback_may_pause_the_input_behind_its_frame(void **state)
{
    struct rig rig;
    struct ticket t[2];
    (void)state;
    rig_open(&rig, NULL);
    send_all(&rig, t, 2);
    t[0].on_final = pause_after;
    rig_answer_get(&rig, 1);
    rig_answer_get(&rig, 2);
    const uint8_t *next = rig.answers;
    assert_int_equal(cdx_core_input(rig.core, &next, rig.out.next), CDX_OK);
    assert_int_equal(next - rig.answers, kv_get_ok_size(1));
    assert_int_equal(t[1].finals, 0);
    assert_int_equal(cdx_core_input(rig.core, &next, rig.out.next), CDX_OK);
    assert_ptr_equal(next, rig.out.next);
    expect_final(&t[1], CDX_OK);
    rig_close(&rig);
}

static void count_wakes(void *arg)
{
    ++*(unsigned *)arg;
}

static void a_transport_is_told_before_every_request(void **state)
{
    struct rig rig;
    struct ticket t[3];
    unsigned wakes = 0;
    (void)state;
    rig_open(&rig, NULL);
    cdx_core_on_wake(rig.core, count_wakes, &wakes);
    send_all(&rig, t, 3);
    assert_int_equal(wakes, 3);
    rig_close(&rig);
}

/* ---- anything ---- */

#define MANY 400u

struct any {
    struct rig rig;
    struct ticket tickets[MANY];
    uint32_t asked[MANY]; /* indexes of tickets that the peer has not answered, in any order */
    size_t sent;
    size_t unanswered;
    uint64_t now_ms;
};

static void any_step(struct any *a)
{
    const unsigned dice = (unsigned)rand();
    if (dice % 8 < 4 && a->sent < MANY) {
        a->tickets[a->sent] = rig_ticket(&a->rig);
        cdx_core_set_timeout(a->rig.core, 1 + dice % 97);
        const enum cdx_status status = rig_get(&a->tickets[a->sent]);
        if (status == CDX_OK)
            a->asked[a->unanswered++] = (uint32_t)a->sent++;
        else
            assert_int_equal(status, CDX_FULL);
    } else if (dice % 8 < 6 && a->unanswered != 0) {
        const size_t at = (dice >> 8) % a->unanswered;
        rig_answer_get(&a->rig, a->tickets[a->asked[at]].rid);
        a->asked[at] = a->asked[--a->unanswered];
        assert_int_equal(rig_feed(&a->rig, dice % 7), CDX_OK);
    } else if (dice % 8 == 6 && a->sent != 0) {
        (void)cdx_core_cancel(a->rig.core, a->tickets[(dice >> 8) % a->sent].rid);
    } else {
        a->now_ms += dice % 30;
        cdx_core_expire(a->rig.core, a->now_ms);
    }
    rig_check(&a->rig);
}

static void every_request_ends_exactly_once_whatever_happens(void **state)
{
    struct any *a = malloc(sizeof *a);
    (void)state;
    assert_non_null(a);
    for (unsigned seed = 1; seed <= 60; seed++) {
        const struct cdx_client_options options = {.window = 37, .first_rid = UINT32_MAX - 100};
        size_t left = 0;
        srand(seed);
        rig_open(&a->rig, &options);
        a->sent = 0;
        a->unanswered = 0;
        a->now_ms = 0;
        for (int step = 0; step < 1000; step++)
            any_step(a);
        for (size_t i = 0; i < a->sent; i++)
            left += a->tickets[i].finals == 0;
        assert_int_equal(left, cdx_core_open_count(a->rig.core));
        assert_int_equal(a->unanswered,
                         cdx_core_open_count(a->rig.core) + cdx_core_silent_count(a->rig.core));
        cdx_core_close(a->rig.core, CDX_CLOSED);
        for (size_t i = 0; i < a->sent; i++)
            assert_int_equal(a->tickets[i].finals, 1);
        rig_close(&a->rig);
    }
    free(a);
}

/* ---- memory ---- */

/* A small story. Every status that comes of missing memory is CDX_NO_MEMORY, and no request hangs.
 */
static void story(struct rig *rig)
{
    struct ticket t[12];
    size_t sent = 0;
    if (cdx_core_create(&kv_client_protocol, NULL, &rig->core) != CDX_OK)
        return;
    for (size_t i = 0; i < 12; i++) {
        t[i] = rig_ticket(rig);
        const enum cdx_status status = rig_get(&t[i]);
        assert_true(status == CDX_OK || status == CDX_NO_MEMORY);
        if (status == CDX_OK)
            t[sent++] = t[i];
        rig_check(rig);
        if (status != CDX_OK)
            break;
    }
    cdx_core_close(rig->core, CDX_CLOSED);
    cdx_core_destroy(rig->core);
}

/* Answers that are cut in the middle of a field need memory. */
static enum cdx_status cut_answers(struct rig *rig)
{
    struct ticket t[2];
    enum cdx_status status = cdx_core_create(&kv_client_protocol, NULL, &rig->core);
    if (status != CDX_OK)
        return status;
    for (size_t i = 0; i < 2 && status == CDX_OK; i++) {
        t[i] = rig_ticket(rig);
        status = kv_get_send(rig->core, CDX_STR("/k"), rig_take, &t[i], &t[i].rid);
    }
    const bool sent = status == CDX_OK;
    if (sent) {
        assert_int_equal(kv_get_ok_encode(&rig->out, 1, CDX_STR("a long value")), CDX_OK);
        assert_int_equal(kv_get_ok_encode(&rig->out, 2, CDX_STR("another value")), CDX_OK);
        status = rig_feed(rig, 5);
        expect_final(&t[0], status == CDX_OK ? CDX_OK : t[0].status);
        expect_final(&t[1], status);
    }
    cdx_core_destroy(rig->core);
    return status;
}

static void a_failed_allocation_anywhere_loses_nothing(void **state)
{
    struct rig rig = {0};
    (void)state;
    for (size_t n = 1;; n++) {
        heap_fail_install();
        heap_fail_at(n, 0);
        rig.out = (struct cdx_out){.next = rig.answers, .end = rig.answers + sizeof rig.answers};
        story(&rig);
        const enum cdx_status status = cut_answers(&rig);
        const int happened = heap_fail_happened();
        assert_true(status == CDX_OK || (happened && status == CDX_NO_MEMORY));
        heap_fail_at(0, 0);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        split_log_free(&rig.log);
        if (!happened) {
            assert_true(n > 7);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(rows_of_several_answers_may_be_interleaved),
        cmocka_unit_test(rids_wrap_at_32_bits_without_zero),
        cmocka_unit_test(an_answer_nobody_wants_is_taken_all_the_same),
        cmocka_unit_test(a_frame_that_answers_nothing_ends_the_connection),
        cmocka_unit_test(a_second_answer_to_a_request_is_unexpected),
        cmocka_unit_test(a_cancelled_request_is_told_once_and_its_answer_dropped),
        cmocka_unit_test(requests_fail_at_their_deadline_and_late_answers_are_dropped),
        cmocka_unit_test(each_row_renews_the_deadline),
        cmocka_unit_test(a_million_rows_stream_through_without_memory),
        cmocka_unit_test(the_window_is_full_until_an_answer_comes),
        cmocka_unit_test(unsent_output_is_bounded_but_a_request_alone_always_goes),
        cmocka_unit_test(options_beyond_their_limits_are_refused),
        cmocka_unit_test(a_narrow_rid_bounds_the_window),
        cmocka_unit_test(a_closed_connection_tells_every_open_request_once),
        cmocka_unit_test(destroy_tells_every_open_request),
        cmocka_unit_test(what_is_said_unasked_is_kept_and_handed_on),
        cmocka_unit_test(what_may_not_be_said_unasked_is_malformed),
        cmocka_unit_test(a_callback_may_send_the_next_request),
        cmocka_unit_test(the_table_may_grow_inside_a_callback),
        cmocka_unit_test(a_callback_may_cancel_its_own_request),
        cmocka_unit_test(callbacks_may_cancel_others_while_all_time_out_or_close),
        cmocka_unit_test(a_callback_may_close_and_the_rest_of_the_input_is_left),
        cmocka_unit_test(input_inside_a_callback_is_refused_and_harmless),
        cmocka_unit_test(a_callback_may_pause_the_input_behind_its_frame),
        cmocka_unit_test(a_transport_is_told_before_every_request),
        cmocka_unit_test(every_request_ends_exactly_once_whatever_happens),
        cmocka_unit_test(a_failed_allocation_anywhere_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
