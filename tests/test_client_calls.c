/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the generated calls: every call to the peer, every kind of answer back, and nothing
 * else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client_rig.h"

/* ---- every call ---- */

/* The typed body of an answer to a call that writes. */
static void log_write_body(struct split_log *log, enum kv_call call, const struct kv_reply *r)
{
    const bool ok = r->status == KV_STATUS_OK;
    if (call == KV_CALL_PUT_IF && !ok) {
        split_print(log, " current=%llu", (unsigned long long)r->body.current.revision);
    } else if (call == KV_CALL_BATCH && !ok) {
        split_print(log, " index=%u revision=%llu", r->body.mismatch.index,
                    (unsigned long long)r->body.mismatch.revision);
    } else if (call == KV_CALL_STAGE_PUT && !ok) {
        split_print(log, " reason=%u", r->body.refusal.reason);
    } else if (call == KV_CALL_STAGE) {
        split_print(log, " stage=%u", r->body.staged.stage);
    } else if (call == KV_CALL_SWAP) {
        split_print(log, " added=%llu removed=%llu revision=%llu",
                    (unsigned long long)r->body.swapped.added,
                    (unsigned long long)r->body.swapped.removed,
                    (unsigned long long)r->body.swapped.revision);
    } else if (call == KV_CALL_DROP) {
        split_print(log, " revision=%llu keys=%llu", (unsigned long long)r->body.dropped.revision,
                    (unsigned long long)r->body.dropped.keys);
    } else if (call == KV_CALL_PUT || call == KV_CALL_PUT_TTL || call == KV_CALL_DELETE) {
        split_print(log, " revision=%llu", (unsigned long long)r->body.written.revision);
    }
}

static void log_body(struct split_log *log, enum kv_call call, const struct kv_reply *r)
{
    const bool ok = r->status == KV_STATUS_OK;
    if (call == KV_CALL_HELLO) {
        const struct kv_hello_info *info = &r->body.hello_info;
        split_print(log, " %u.%u %u %u", info->major, info->minor, info->key_max, info->value_max);
        split_print_bytes(log, "agent", info->agent);
    } else if (call == KV_CALL_GETS && ok) {
        split_print(log, " revision=%llu", (unsigned long long)r->body.revised.revision);
        split_print_bytes(log, "value", r->body.revised.value);
    } else if ((call == KV_CALL_MATCH_ALL || call == KV_CALL_STATS) && ok) {
        split_print(log, " rows=%u", r->body.rows_end.rows);
    } else if ((call == KV_CALL_LIST || call == KV_CALL_CHILDREN) && ok) {
        split_print(log, " rows=%u more=%u", r->body.page_end.rows, r->body.page_end.remainder);
    } else if (call == KV_CALL_CHILDREN) {
        split_print(log, " keys=%llu stored=%u", (unsigned long long)r->body.child.keys,
                    r->body.child.stored);
    } else if (call == KV_CALL_COUNT) {
        split_print(log, " keys=%llu", (unsigned long long)r->body.total.keys);
    } else if (call == KV_CALL_TTL) {
        split_print(log, " remaining=%llu", (unsigned long long)r->body.lifetime.remaining_ms);
    } else if (call == KV_CALL_SCAN && ok) {
        split_print(log, " rows=%llu", (unsigned long long)r->body.scan_end.rows);
    } else {
        log_write_body(log, call, r);
    }
}

/* One request; `log` is shared. */
struct asked {
    struct split_log *log;
    enum kv_call call;
};

static void take(void *arg, enum cdx_status status, const struct kv_reply *r)
{
    const struct asked *asked = arg;
    split_print(asked->log, "%s:", kv_call_name((uint8_t)asked->call));
    if (status != CDX_OK) {
        split_print(asked->log, " %s\n", cdx_status_name(status));
        return;
    }
    split_print(asked->log, " %s", kv_status_name(r->status));
    if (r->key.len != 0)
        split_print_bytes(asked->log, "key", r->key);
    if (r->val.len != 0)
        split_print_bytes(asked->log, "val", r->val);
    log_body(asked->log, asked->call, r);
    split_print(asked->log, "%s\n", r->is_last ? "" : " …");
}

/* Sends every call once, in the description's order, so that their RIDs count from 1. */
static void send_every_call(struct cdx_core *core, struct asked *asked)
{
    const struct cdx_bytes k = CDX_STR("/k");
    const struct kv_hello_args hello = {.major = 1, .minor = 2, .agent = CDX_STR("me")};
    const struct kv_list_args list = {
        .limit = 3, .content = KV_CONTENT_KEYS, .after = CDX_STR("z")};
    const struct kv_children_args children = {.limit = 4, .after = CDX_STR("y")};
    const struct kv_scan_args scan = {.content = KV_CONTENT_KEYS, .after = CDX_STR("x")};
    const struct kv_put_if_args put_if = {.revision = 5, .value = CDX_STR("v")};
    const struct kv_put_ttl_args put_ttl = {.ttl_ms = 6, .value = CDX_STR("v")};
    const struct kv_touch_args touch = {.ttl_ms = 7};
    const struct kv_stage_put_args stage_put = {.stage = 8, .ttl_ms = 9, .value = CDX_STR("v")};
    const struct kv_staged staged = {.stage = 8};
    size_t i = 0;
#define SEND(...) assert_int_equal(__VA_ARGS__, CDX_OK)
    SEND(kv_hello_send(core, &hello, take, &asked[i++], NULL));
    SEND(kv_ping_send(core, take, &asked[i++], NULL));
    SEND(kv_echo_send(core, CDX_STR("e"), take, &asked[i++], NULL));
    SEND(kv_get_send(core, k, take, &asked[i++], NULL));
    SEND(kv_match_send(core, k, take, &asked[i++], NULL));
    SEND(kv_match_bytes_send(core, k, take, &asked[i++], NULL));
    SEND(kv_match_all_send(core, k, take, &asked[i++], NULL));
    SEND(kv_gets_send(core, k, take, &asked[i++], NULL));
    SEND(kv_ttl_send(core, k, take, &asked[i++], NULL));
    SEND(kv_list_send(core, k, &list, take, &asked[i++], NULL));
    SEND(kv_children_send(core, k, &children, take, &asked[i++], NULL));
    SEND(kv_count_send(core, k, take, &asked[i++], NULL));
    SEND(kv_scan_send(core, k, &scan, take, &asked[i++], NULL));
    SEND(kv_put_send(core, k, CDX_STR("v"), take, &asked[i++], NULL));
    SEND(kv_put_if_send(core, k, &put_if, take, &asked[i++], NULL));
    SEND(kv_delete_send(core, k, take, &asked[i++], NULL));
    SEND(kv_drop_send(core, k, take, &asked[i++], NULL));
    SEND(kv_put_ttl_send(core, k, &put_ttl, take, &asked[i++], NULL));
    SEND(kv_touch_send(core, k, &touch, take, &asked[i++], NULL));
    SEND(kv_batch_send(core, CDX_STR("b"), take, &asked[i++], NULL));
    SEND(kv_stage_send(core, k, take, &asked[i++], NULL));
    SEND(kv_stage_put_send(core, k, &stage_put, take, &asked[i++], NULL));
    SEND(kv_swap_send(core, &staged, take, &asked[i++], NULL));
    SEND(kv_unstage_send(core, &staged, take, &asked[i++], NULL));
    SEND(kv_stats_send(core, take, &asked[i++], NULL));
    assert_int_equal(i, KV_CALLS_COUNT);
}

static const char *const every_request =
    "request type=1 rid=1 key= val=000100026d65 major=1 minor=2 agent=6d65\n"
    "request type=2 rid=2 key= val=\n"
    "request type=3 rid=3 key= val=65\n"
    "request type=16 rid=4 key=2f6b val=\n"
    "request type=17 rid=5 key=2f6b val=\n"
    "request type=18 rid=6 key=2f6b val=\n"
    "request type=19 rid=7 key=2f6b val=\n"
    "request type=20 rid=8 key=2f6b val=\n"
    "request type=21 rid=9 key=2f6b val=\n"
    "request type=32 rid=10 key=2f6b val=00000003017a limit=3 content=1 after=7a\n"
    "request type=33 rid=11 key=2f6b val=0000000479 limit=4 after=79\n"
    "request type=34 rid=12 key=2f6b val=\n"
    "request type=35 rid=13 key=2f6b val=0178 content=1 after=78\n"
    "request type=48 rid=14 key=2f6b val=76\n"
    "request type=49 rid=15 key=2f6b val=000000000000000576 revision=5 value=76\n"
    "request type=50 rid=16 key=2f6b val=\n"
    "request type=51 rid=17 key=2f6b val=\n"
    "request type=52 rid=18 key=2f6b val=000000000000000676 ttl_ms=6 value=76\n"
    "request type=53 rid=19 key=2f6b val=0000000000000007 ttl_ms=7\n"
    "request type=54 rid=20 key= val=62\n"
    "request type=56 rid=21 key=2f6b val=\n"
    "request type=57 rid=22 key=2f6b val=00000008000000000000000976 stage=8 ttl_ms=9 value=76\n"
    "request type=58 rid=23 key= val=00000008 stage=8\n"
    "request type=59 rid=24 key= val=00000008 stage=8\n"
    "request type=64 rid=25 key= val=\n";

static void answer_every_call(struct cdx_out *out)
{
    const struct cdx_bytes k = CDX_STR("k");
    const struct cdx_bytes v = CDX_STR("v");
    const struct kv_hello_info info = {
        .major = 1, .minor = 0, .key_max = 7, .value_max = 8, .agent = CDX_STR("a")};
    const struct kv_revised revised = {.revision = 9, .value = v};
    const struct kv_rows_end rows_end = {.rows = 2};
    const struct kv_page_end page_end = {.rows = 1, .remainder = KV_REMAINDER_MORE};
    const struct kv_child child = {.keys = 10, .stored = KV_STORED_YES};
    const struct kv_total total = {.keys = 11};
    const struct kv_written written = {.revision = 12};
    const struct kv_current current = {.revision = 13};
    const struct kv_dropped dropped = {.revision = 14, .keys = 15};
    const struct kv_lifetime lifetime = {.remaining_ms = 16};
    const struct kv_scan_end scan_end = {.rows = 1};
    const struct kv_mismatch mismatch = {.index = 17, .revision = 18};
    const struct kv_staged staged = {.stage = 19};
    const struct kv_refusal refusal = {.reason = KV_REASON_OUTSIDE};
    const struct kv_swapped swapped = {.added = 20, .removed = 21, .revision = 22};
    uint32_t rid = 1;
    SEND(kv_hello_ok_encode(out, rid++, &info));
    SEND(kv_ping_ok_encode(out, rid++));
    SEND(kv_echo_ok_encode(out, rid++, v));
    SEND(kv_get_ok_encode(out, rid++, v));
    SEND(kv_match_ok_encode(out, rid++, k, v));
    SEND(kv_match_bytes_not_found_encode(out, rid++));
    SEND(kv_match_all_row_encode(out, rid, k, v));
    SEND(kv_match_all_row_encode(out, rid, v, k));
    SEND(kv_match_all_ok_encode(out, rid++, &rows_end));
    SEND(kv_gets_ok_encode(out, rid++, &revised));
    SEND(kv_ttl_ok_encode(out, rid++, &lifetime));
    SEND(kv_list_row_encode(out, rid, k, v));
    SEND(kv_list_ok_encode(out, rid++, &page_end));
    SEND(kv_children_row_encode(out, rid, k, &child));
    SEND(kv_children_ok_encode(out, rid++, &page_end));
    SEND(kv_count_ok_encode(out, rid++, &total));
    SEND(kv_scan_row_encode(out, rid, k, v));
    SEND(kv_scan_ok_encode(out, rid++, &scan_end));
    SEND(kv_put_ok_encode(out, rid++, &written));
    SEND(kv_put_if_conflict_encode(out, rid++, &current));
    SEND(kv_delete_ok_encode(out, rid++, &written));
    SEND(kv_drop_ok_encode(out, rid++, &dropped));
    SEND(kv_put_ttl_ok_encode(out, rid++, &written));
    SEND(kv_touch_not_found_encode(out, rid++));
    SEND(kv_batch_conflict_encode(out, rid++, &mismatch));
    SEND(kv_stage_ok_encode(out, rid++, &staged));
    SEND(kv_stage_put_refused_encode(out, rid++, &refusal));
    SEND(kv_swap_ok_encode(out, rid++, &swapped));
    SEND(kv_unstage_ok_encode(out, rid++));
    SEND(kv_stats_row_encode(out, rid, k, v));
    SEND(kv_stats_ok_encode(out, rid, &rows_end));
}

static const char *const every_answer =
    "hello: ok val=0001000000000007000000"
    "0861 1.0 7 8 agent=61\n"
    "ping: ok\n"
    "echo: ok val=76\n"
    "get: ok val=76\n"
    "match: ok key=6b val=76\n"
    "match_bytes: not_found\n"
    "match_all: row key=6b val=76 …\n"
    "match_all: row key=76 val=6b …\n"
    "match_all: ok val=00000002 rows=2\n"
    "gets: ok val=000000000000000976 revision=9 value=76\n"
    "ttl: ok val=0000000000000010 remaining=16\n"
    "list: row key=6b val=76 …\n"
    "list: ok val=0000000101 rows=1 more=1\n"
    "children: row key=6b val=000000000000000a01 keys=10 stored=1 …\n"
    "children: ok val=0000000101 rows=1 more=1\n"
    "count: ok val=000000000000000b keys=11\n"
    "scan: row key=6b val=76 …\n"
    "scan: ok val=0000000000000001 rows=1\n"
    "put: ok val=000000000000000c revision=12\n"
    "put_if: conflict val=000000000000000d current=13\n"
    "delete: ok val=000000000000000c revision=12\n"
    "drop: ok val=000000000000000e000000000000000f revision=14 keys=15\n"
    "put_ttl: ok val=000000000000000c revision=12\n"
    "touch: not_found\n"
    "batch: conflict val=000000110000000000000012 index=17 revision=18\n"
    "stage: ok val=00000013 stage=19\n"
    "stage_put: refused val=05 reason=5\n"
    "swap: ok val=000000000000001400000000000000150000000000000016 added=20 removed=21 "
    "revision=22\n"
    "unstage: ok\n"
    "stats: row key=6b val=76 …\n"
    "stats: ok val=00000002 rows=2\n";

/* Sends all, feeds all answers in the pieces [0, cut), [cut, end), or in pieces of one byte. */
static void run_every_call(size_t cut, bool bytewise)
{
    struct rig rig;
    struct asked asked[KV_CALLS_COUNT];
    struct split_log log = {0};
    rig_open(&rig, NULL);
    for (size_t i = 0; i < KV_CALLS_COUNT; i++)
        asked[i] = (struct asked){.log = &log, .call = (enum kv_call)kv_calls[i]};
    send_every_call(rig.core, asked);
    struct split_log requests = rig_requests(&rig);
    assert_string_equal(requests.text, every_request);
    split_log_free(&requests);
    answer_every_call(&rig.out);
    if (bytewise) {
        assert_int_equal(rig_feed(&rig, 1), CDX_OK);
    } else {
        const size_t len = (size_t)(rig.out.next - rig.answers);
        assert_int_equal(rig_feed_bytes(&rig, cdx_bytes_of(rig.answers, cut)), CDX_OK);
        assert_int_equal(rig_feed_bytes(&rig, cdx_bytes_of(rig.answers + cut, len - cut)), CDX_OK);
    }
    assert_string_equal(log.text, every_answer);
    assert_int_equal(cdx_core_open_count(rig.core), 0);
    split_log_free(&log);
    rig_close(&rig);
}

static void every_call_and_every_answer_goes_through_however_it_is_cut(void **state)
{
    uint8_t answers[4096];
    struct cdx_out out = {.next = answers, .end = answers + sizeof answers};
    (void)state;
    answer_every_call(&out);
    for (size_t cut = 0; cut <= (size_t)(out.next - answers); cut++)
        run_every_call(cut, false);
    run_every_call(0, true);
}

/* ---- every refusal that any call can get ---- */

static void any_call_may_be_refused(void **state)
{
    struct rig rig;
    struct asked asked[KV_CALLS_COUNT];
    (void)state;
    for (uint8_t status = KV_STATUS_MALFORMED; status <= KV_STATUS_STOPPING; status++) {
        struct split_log log = {0};
        if (status == KV_STATUS_UNSUPPORTED || status == KV_STATUS_NO_MEMORY)
            continue;
        rig_open(&rig, NULL);
        for (size_t i = 0; i < KV_CALLS_COUNT; i++)
            asked[i] = (struct asked){.log = &log, .call = KV_CALL_GET};
        send_every_call(rig.core, asked);
        for (uint32_t rid = 1; rid <= KV_CALLS_COUNT; rid++)
            SEND(kv_response_encode(&rig.out, status, rid, cdx_empty(), CDX_STR("why")));
        assert_int_equal(rig_feed(&rig, 0), CDX_OK);
        assert_int_equal(cdx_core_open_count(rig.core), 0);
        split_log_free(&log);
        rig_close(&rig);
    }
}

/* ---- answers that the description does not allow ---- */

/* Sends the request that the frame below answers; its RID is 1. */
typedef enum cdx_status send_fn(struct cdx_core *core, struct ticket *t);

static enum cdx_status send_get(struct cdx_core *core, struct ticket *t)
{
    return kv_get_send(core, CDX_STR("/"), rig_take, t, &t->rid);
}

static enum cdx_status send_ping(struct cdx_core *core, struct ticket *t)
{
    return kv_ping_send(core, rig_take, t, &t->rid);
}

static enum cdx_status send_put(struct cdx_core *core, struct ticket *t)
{
    return kv_put_send(core, CDX_STR("/"), CDX_STR(""), rig_take, t, &t->rid);
}

static enum cdx_status send_children(struct cdx_core *core, struct ticket *t)
{
    const struct kv_children_args args = {.limit = 0};
    return kv_children_send(core, CDX_STR("/"), &args, rig_take, t, &t->rid);
}

static enum cdx_status send_stats(struct cdx_core *core, struct ticket *t)
{
    return kv_stats_send(core, rig_take, t, &t->rid);
}

#define LONG_TEXT_NBYTES 1025

static void answers_outside_the_description_end_the_connection(void **state)
{
    static const uint8_t long_text[LONG_TEXT_NBYTES];
    static const struct {
        send_fn *send;
        uint8_t status;
        struct cdx_bytes key, val;
        size_t offset;
        const char *field, *reason;
    } cases[] = {
#define B(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
        {send_get, KV_STATUS_CONFLICT, B(""), B(""), 0, "status",
         "a value that is not in the description"},
        {send_get, KV_STATUS_ROW, B("k"), B("v"), 0, "status",
         "a value that is not in the description"},
        {send_get, KV_STATUS_OK, B("k"), B("v"), 5, "key", "must be empty here"},
        {send_get, KV_STATUS_NOT_FOUND, B(""), B("v"), 7, "val", "must be empty here"},
        {send_get, KV_STATUS_BUSY, B("k"), B("v"), 5, "key", "must be empty here"},
        {send_get, KV_STATUS_NO_MEMORY, B(""), B(""), 0, "status",
         "a value that is not in the description"},
        {send_ping, KV_STATUS_OK, B(""), B("v"), 7, "val", "must be empty here"},
        {send_put, KV_STATUS_OK, B(""), B(""), 11, "written.revision",
         "reaches past the end of what holds it"},
        {send_put, KV_STATUS_OK, B(""), B("1234567"), 11, "written.revision",
         "reaches past the end of what holds it"},
        {send_put, KV_STATUS_OK, B(""), B("123456789"), 7, "val", "longer than its limit"},
        {send_children, KV_STATUS_ROW, B("key"), B("12345678"), 22, "child.stored",
         "reaches past the end of what holds it"},
        {send_children, KV_STATUS_ROW, B("key"), B("12345678\x02"), 22, "child.stored",
         "a value that is not in the description"},
        {send_children, KV_STATUS_OK, B(""), B("1234\x07"), 15, "page_end.remainder",
         "a value that is not in the description"},
        {send_stats,
         KV_STATUS_ROW,
         B("n"),
         {long_text, LONG_TEXT_NBYTES},
         8,
         "val",
         "longer than its limit"},
        {send_stats,
         KV_STATUS_STOPPING,
         B(""),
         {long_text, LONG_TEXT_NBYTES},
         7,
         "val",
         "longer than its limit"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        struct cdx_parse_error error;
        rig_open(&rig, NULL);
        struct ticket t = rig_ticket(&rig);
        struct ticket other = rig_ticket(&rig);
        assert_int_equal(cases[i].send(rig.core, &t), CDX_OK);
        assert_int_equal(send_ping(rig.core, &other), CDX_OK);
        SEND(kv_response_encode(&rig.out, cases[i].status, 1, cases[i].key, cases[i].val));
        assert_int_equal(rig_feed(&rig, 4), CDX_MALFORMED);
        cdx_core_error(rig.core, &error);
        assert_string_equal(error.field, cases[i].field);
        assert_string_equal(error.reason, cases[i].reason);
        assert_int_equal(error.offset, cases[i].offset);
        assert_int_equal(t.status, CDX_MALFORMED);
        assert_int_equal(other.status, CDX_MALFORMED);
        assert_string_equal(rig.log.text, "1! MALFORMED\n2! MALFORMED\n");
        rig_close(&rig);
    }
}

static void bytes_that_are_no_frame_end_the_connection_where_they_stand(void **state)
{
    struct rig rig;
    struct cdx_parse_error error;
    (void)state;
    rig_open(&rig, NULL);
    struct ticket t = rig_ticket(&rig);
    struct ticket behind = rig_ticket(&rig);
    assert_int_equal(send_get(rig.core, &t), CDX_OK);
    assert_int_equal(send_get(rig.core, &behind), CDX_OK);
    rig_answer_get(&rig, 1);
    *rig.out.next++ = 0x77; /* no status */
    assert_int_equal(rig_feed(&rig, 1), CDX_MALFORMED);
    cdx_core_error(rig.core, &error);
    assert_int_equal(error.offset, kv_get_ok_size(1));
    assert_string_equal(error.field, "status");
    assert_int_equal(t.status, CDX_OK);
    assert_int_equal(behind.status, CDX_MALFORMED);
    rig_close(&rig);
}

/* ---- any bytes ---- */

/* What became of all requests when the peer answers with `bytes`, in pieces of `piece` bytes. */
static struct split_log outcome_of(struct cdx_bytes bytes, size_t piece)
{
    struct rig rig;
    struct asked asked[KV_CALLS_COUNT];
    struct split_log log = {0};
    struct cdx_parse_error error;
    enum cdx_status status = CDX_OK;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < KV_CALLS_COUNT; i++)
        asked[i] = (struct asked){.log = &log, .call = (enum kv_call)kv_calls[i]};
    send_every_call(rig.core, asked);
    for (size_t at = 0; at < bytes.len && status == CDX_OK; at += piece) {
        const size_t n = bytes.len - at < piece ? bytes.len - at : piece;
        status = rig_feed_bytes(&rig, cdx_bytes_of(bytes.data + at, n));
    }
    cdx_core_error(rig.core, &error);
    split_print(&log, "%s at %llu: %s: %s; %zu open\n", cdx_status_name(status),
                (unsigned long long)error.offset, error.field != NULL ? error.field : "",
                error.reason != NULL ? error.reason : "", cdx_core_open_count(rig.core));
    rig_close(&rig);
    return log;
}

/* Answers with up to three bytes changed: whatever that does, it does not depend on the cuts. */
static void damaged_answers_end_the_same_however_they_are_cut(void **state)
{
    uint8_t answers[4096];
    struct cdx_out out = {.next = answers, .end = answers + sizeof answers};
    unsigned ends = 0;
    (void)state;
    answer_every_call(&out);
    const size_t len = (size_t)(out.next - answers);
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t damaged[4096];
        memcpy(damaged, answers, len);
        for (int i = rand() % 3; i >= 0; i--)
            damaged[(size_t)rand() % len] = (uint8_t)(rand() % 4 == 0 ? rand() : rand() % 3);
        const struct cdx_bytes bytes = cdx_bytes_of(damaged, len);
        struct split_log whole = outcome_of(bytes, len);
        struct split_log cut = outcome_of(bytes, 1 + (size_t)rand() % 40);
        assert_string_equal(cut.text, whole.text);
        ends += strstr(whole.text, "MALFORMED at") != NULL;
        split_log_free(&whole);
        split_log_free(&cut);
    }
    assert_in_range(ends, 300, 2999); /* the damage is felt */
}

/* ---- arguments ---- */

static void arguments_over_their_limits_are_refused_and_nothing_is_sent(void **state)
{
    struct rig rig;
    static uint8_t bytes[KV_VALUE_NBYTES_MAX + 1];
    const struct cdx_bytes long_key = cdx_bytes_of(bytes, KV_PATH_NBYTES_MAX + 1);
    const struct cdx_bytes long_value = cdx_bytes_of(bytes, KV_VALUE_NBYTES_MAX + 1);
    const struct cdx_bytes endless = cdx_bytes_of(bytes, SIZE_MAX / 4);
    const struct cdx_bytes k = CDX_STR("/k");
    const struct kv_list_args no_content = {.content = 7};
    const struct kv_list_args long_after = {.after = long_key};
    uint32_t rid = 0;
    (void)state;
    rig_open(&rig, NULL);
    assert_int_equal(kv_get_send(rig.core, long_key, NULL, NULL, &rid), CDX_TOO_LONG);
    assert_int_equal(kv_get_send(rig.core, endless, NULL, NULL, &rid), CDX_TOO_LONG);
    assert_int_equal(kv_put_send(rig.core, k, long_value, NULL, NULL, &rid), CDX_TOO_LONG);
    assert_int_equal(kv_put_send(rig.core, k, endless, NULL, NULL, &rid), CDX_TOO_LONG);
    assert_int_equal(kv_list_send(rig.core, k, &no_content, NULL, NULL, &rid), CDX_INVALID);
    assert_int_equal(kv_list_send(rig.core, k, &long_after, NULL, NULL, &rid), CDX_TOO_LONG);
    rig_check(&rig);
    assert_int_equal(cdx_core_output_nbytes(rig.core), 0);
    assert_int_equal(cdx_core_open_count(rig.core), 0);
    assert_int_equal(rid, 0);
    assert_int_equal(
        kv_get_send(rig.core, cdx_bytes_of(bytes, KV_PATH_NBYTES_MAX), NULL, NULL, &rid), CDX_OK);
    assert_int_equal(rid, 1);
    assert_int_equal(
        kv_put_send(rig.core, k, cdx_bytes_of(bytes, KV_VALUE_NBYTES_MAX), NULL, NULL, &rid),
        CDX_OK);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_and_every_answer_goes_through_however_it_is_cut),
        cmocka_unit_test(any_call_may_be_refused),
        cmocka_unit_test(answers_outside_the_description_end_the_connection),
        cmocka_unit_test(bytes_that_are_no_frame_end_the_connection_where_they_stand),
        cmocka_unit_test(damaged_answers_end_the_same_however_they_are_cut),
        cmocka_unit_test(arguments_over_their_limits_are_refused_and_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
