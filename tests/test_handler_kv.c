/* SPDX-License-Identifier: Apache-2.0 */
/* The kv handler, driven turn by turn without a network. */
#include "drive.h"
#include "handler_kv.h"
#include "heap_fail.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One question and the answer's frames as text: "status key=… val=…;" each. */
struct turn {
    uint8_t call;
    struct cdx_bytes key;
    struct cdx_bytes val;
    const char *answer;
};

#define T(call, key, val, answer)                                                                  \
    {                                                                                              \
        KV_CALL_##call, {(const uint8_t *)key, sizeof(key) - 1},                                   \
            {(const uint8_t *)val, sizeof(val) - 1}, answer                                        \
    }

/* list_args and children_args, as bytes */
#define LIMIT(n) "\0\0\0" n
#define ENTRIES "\0"
#define KEYS "\1"

/* a 64-bit number by its last two bytes */
#define U64(low) "\0\0\0\0\0\0" low

/* a request inside a batch: call, key and val behind the last bytes of their lengths */
#define FRAME(call, key, len, val) call "\0\0\0\0\0" key "\0\0\0" len val

static const struct turn conversation[] = {
    /* an empty store answers every question */
    T(PING, "", "", "ok;"),
    T(ECHO, "", "a\0b", "ok val=a\\x00b;"),
    T(GET, "/a", "", "not_found;"),
    T(MATCH, "/a", "", "not_found;"),
    T(MATCH_BYTES, "/a", "", "not_found;"),
    T(MATCH_ALL, "/a", "", "ok val=\\x00\\x00\\x00\\x00;"),
    T(GETS, "/a", "", "not_found;"),
    T(LIST, "", LIMIT("\0") ENTRIES, "ok val=\\x00\\x00\\x00\\x00\\x00;"),
    T(CHILDREN, "", LIMIT("\0"), "ok val=\\x00\\x00\\x00\\x00\\x00;"),
    T(COUNT, "", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    T(DELETE, "/a", "", "not_found;"),
    T(DROP, "", "",
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    /* writes count revisions */
    T(PUT, "/img", "cdn-a", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01;"),
    T(PUT, "/img/cats", "cdn-b", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
    T(PUT, "/", "web", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03;"),
    T(PUT, "4930", "berlin", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x04;"),
    T(PUT, "/empty", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x05;"),
    /* exact */
    T(GET, "/img", "", "ok val=cdn-a;"),
    T(GET, "/empty", "", "ok;"),
    T(GET, "/img/", "", "not_found;"),
    T(GETS, "/img", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01cdn-a;"),
    /* longest ancestor at a segment boundary */
    T(MATCH, "/img/cats/1.jpg", "", "ok key=/img/cats val=cdn-b;"),
    T(MATCH, "/img/dogs", "", "ok key=/img val=cdn-a;"),
    T(MATCH, "/imgs", "", "ok key=/ val=web;"),
    T(MATCH, "imgs", "", "not_found;"),
    T(MATCH, "", "", "not_found;"),
    T(MATCH_BYTES, "/imgs", "", "ok key=/img val=cdn-a;"),
    T(MATCH_BYTES, "4930123", "", "ok key=4930 val=berlin;"),
    T(MATCH_ALL, "/img/cats/x", "",
      "row key=/ val=web;row key=/img val=cdn-a;row key=/img/cats val=cdn-b;"
      "ok val=\\x00\\x00\\x00\\x03;"),
    /* pages */
    T(LIST, "", LIMIT("\2") ENTRIES,
      "row key=/ val=web;row key=/empty;ok val=\\x00\\x00\\x00\\x02\\x01;"),
    T(LIST, "", LIMIT("\2") KEYS "/empty",
      "row key=/img;row key=/img/cats;ok val=\\x00\\x00\\x00\\x02\\x01;"),
    T(LIST, "", LIMIT("\2") ENTRIES "/img/cats",
      "row key=4930 val=berlin;ok val=\\x00\\x00\\x00\\x01\\x00;"),
    T(LIST, "/img", LIMIT("\0") KEYS,
      "row key=/img;row key=/img/cats;ok val=\\x00\\x00\\x00\\x02\\x00;"),
    T(CHILDREN, "/", LIMIT("\1"),
      "row key=/empty val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x01;"
      "ok val=\\x00\\x00\\x00\\x01\\x01;"),
    T(CHILDREN, "/", LIMIT("\0") "/empty",
      "row key=/img val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x01;"
      "ok val=\\x00\\x00\\x00\\x01\\x00;"),
    T(COUNT, "/img", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
    T(COUNT, "", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x05;"),
    /* conditional writes */
    T(PUT_IF, "/img", "\0\0\0\0\0\0\0\1cdn-c", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x06;"),
    T(PUT_IF, "/img", "\0\0\0\0\0\0\0\1cdn-d",
      "conflict val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x06;"),
    T(PUT_IF, "/new", "\0\0\0\0\0\0\0\0v", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07;"),
    T(PUT_IF, "/new", "\0\0\0\0\0\0\0\0v",
      "conflict val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07;"),
    T(PUT_IF, "/none", "\0\0\0\0\0\0\0\x9v",
      "conflict val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    /* a pipeline reads its own writes */
    T(GET, "/img", "", "ok val=cdn-c;"),
    T(DELETE, "/img", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x08;"),
    T(GET, "/img", "", "not_found;"),
    T(MATCH, "/img/dogs", "", "ok key=/ val=web;"),
    T(GET, "/img/cats", "", "ok val=cdn-b;"),
    T(DROP, "/img", "",
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x09\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01;"),
    T(GET, "/img/cats", "", "not_found;"),
    /* values that end: after 1000 ms, never, and so late that it is never */
    T(PUT_TTL, "/t", U64("\3\xe8") "v", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0a;"),
    T(TTL, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xe8;"),
    T(TOUCH, "/t", U64("\7\xd0"), "ok;"),
    T(TTL, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x07\\xd0;"),
    T(GETS, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0av;"),
    T(TOUCH, "/t", U64("\0\0"), "ok;"),
    T(TTL, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    T(TOUCH, "/t", "\xff\xff\xff\xff\xff\xff\xff\xff", "ok;"),
    T(TTL, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    T(PUT_TTL, "/t", U64("\0\1") "w", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0b;"),
    T(PUT, "/t", "x", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0c;"),
    T(TTL, "/t", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    T(TTL, "/none", "", "not_found;"),
    T(TOUCH, "/none", U64("\0\1"), "not_found;"),
    /* scans */
    T(PUT, "", "e", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0d;"),
    T(SCAN, "", ENTRIES,
      "row val=e;row key=/ val=web;row key=/empty;row key=/new val=v;row key=/t val=x;"
      "row key=4930 val=berlin;ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x06;"),
    T(SCAN, "/", KEYS "/empty",
      "row key=/new;row key=/t;ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
    T(SCAN, "/none", KEYS, "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00;"),
    /* batches: all, or none and why */
    T(BATCH, "", FRAME("\x30", "\2/b", "\1", "1") FRAME("\x31", "\2/t", "\11", U64("\0\xc") "y"),
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0f\\x00\\x00\\x00\\x02;"),
    T(GET, "/b", "", "ok val=1;"),
    T(GET, "/t", "", "ok val=y;"),
    T(BATCH, "", FRAME("\x30", "\2/b", "\1", "2") FRAME("\x10", "\2/b", "\0", ""),
      "refused val=\\x00\\x00\\x00\\x01\\x02;"),
    T(BATCH, "", FRAME("\x30", "\2/b", "\1", "2") "\x30\0\0\0\0\0\2/b\0\0\0\1",
      "refused val=\\x00\\x00\\x00\\x01\\x01;"),
    T(BATCH, "", FRAME("\x31", "\2/b", "\3", "abc"), "refused val=\\x00\\x00\\x00\\x00\\x01;"),
    T(BATCH, "", "\x7f", "refused val=\\x00\\x00\\x00\\x00\\x01;"),
    T(GET, "/b", "", "ok val=1;"),
    T(BATCH, "",
      FRAME("\x33", "\0", "\0", "") FRAME("\x34", "\2/c", "\11", U64("\3\xe8") "3")
          FRAME("\x32", "\2/d", "\0", ""),
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x11\\x00\\x00\\x00\\x03;"),
    T(SCAN, "", ENTRIES, "row key=/c val=3;ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01;"),
    T(TTL, "/c", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xe8;"),
    T(BATCH, "", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x11\\x00\\x00\\x00\\x00;"),
    /* stages */
    T(STAGE, "/s", "", "ok val=\\x00\\x00\\x00\\x01;"),
    T(STAGE, "/s/x", "", "refused val=\\x04;"),
    T(STAGE, "/s/", "", "refused val=\\x06;"),
    T(STAGE_PUT, "/s/a", "\0\0\0\1" U64("\3\xe8") "A",
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x12;"),
    T(STAGE_PUT, "/s/b", "\0\0\0\1" U64("\0\0") "B",
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x13;"),
    T(STAGE_PUT, "/q", "\0\0\0\1" U64("\0\0") "B", "refused val=\\x05;"),
    T(STAGE_PUT, "/s/a", "\0\0\0\2" U64("\0\0") "B", "not_found;"),
    T(GET, "/s/a", "", "not_found;"),
    T(PUT, "/s", "old", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x14;"),
    T(SWAP, "", "\0\0\0\1",
      "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01"
      "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x15;"),
    T(SCAN, "/s", ENTRIES,
      "row key=/s/a val=A;row key=/s/b val=B;ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
    T(TTL, "/s/a", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xe8;"),
    T(SWAP, "", "\0\0\0\1", "not_found;"),
    T(STAGE, "", "", "ok val=\\x00\\x00\\x00\\x02;"),
    T(UNSTAGE, "", "\0\0\0\2", "ok;"),
    T(UNSTAGE, "", "\0\0\0\2", "not_found;"),
    /* a drop that does not happen for the write behind it */
    T(BATCH, "", FRAME("\x33", "\0", "\0", "") FRAME("\x31", "\4/s/b", "\11", U64("\0\xc") "z"),
      "conflict val=\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x13;"),
    T(GET, "/s/b", "", "ok val=B;"),
};
#define CONVERSATION_COUNT (sizeof conversation / sizeof conversation[0])

/* ---- a server of one connection ---- */

struct fixture {
    struct store *store;
    struct handler_env env;
    struct drive drive;
};

static void open_fixture(struct fixture *f, const struct handler_class *class, size_t output_high)
{
    const struct store_config config = {.hash_seed = 42, .now_ms = 1000};
    assert_int_equal(store_open(&config, &f->store), STORE_OK);
    f->env = (struct handler_env){.store = f->store, .output_high_nbytes = output_high};
    drive_open(&f->drive, class, &f->env);
}

static void close_fixture(struct fixture *f)
{
    drive_close(&f->drive);
    assert_null(store_check(f->store));
    store_close(f->store);
}

static size_t encode(uint8_t *at, size_t room, const struct turn *turn, uint32_t rid)
{
    struct cdx_out out = {.next = at, .end = at + room};
    assert_int_equal(kv_request_encode(&out, turn->call, rid, turn->key, turn->val), CDX_OK);
    return (size_t)(out.next - at);
}

static void append_text(char *text, size_t size, const char *name, struct cdx_bytes b)
{
    size_t n = strlen(text);
    if (b.len == 0)
        return;
    n += (size_t)snprintf(text + n, size - n, " %s=", name);
    for (size_t i = 0; i < b.len && n + 8 < size; i++) {
        if (b.data[i] >= ' ' && b.data[i] < 0x7f)
            n += (size_t)snprintf(text + n, size - n, "%c", b.data[i]);
        else
            n += (size_t)snprintf(text + n, size - n, "\\x%02x", b.data[i]);
    }
}

/* All frames of `answers` as text; each must carry `rid`, or any when it is 0. */
static void frames_text(struct cdx_bytes answers, uint32_t rid, char *text, size_t size)
{
    struct kv_response_parser parser;
    struct cdx_spill spill;
    struct kv_response frame;
    const uint8_t *next = answers.data;
    text[0] = '\0';
    kv_response_parser_init(&parser);
    cdx_spill_init(&spill);
    while (next != answers.data + answers.len) {
        assert_int_equal(
            kv_response_feed(&parser, &spill, &next, answers.data + answers.len, &frame), CDX_OK);
        if (rid != 0)
            assert_int_equal(frame.rid, rid);
        size_t n = strlen(text);
        snprintf(text + n, size - n, "%s", kv_status_name(frame.status));
        append_text(text, size, "key", frame.key);
        append_text(text, size, "val", frame.val);
        n = strlen(text);
        snprintf(text + n, size - n, ";");
    }
    cdx_spill_free(&spill);
}

static void each_call_answers_as_the_reference_says(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t bytes[512];
    char text[4096];
    open_fixture(&f, &handler_kv, 1 << 20);
    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        uint32_t rid = (uint32_t)(i + 1);
        size_t n = encode(bytes, sizeof bytes, &conversation[i], rid);
        drive_clear(&f.drive);
        drive_feed(&f.drive, bytes, n);
        frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), rid, text, sizeof text);
        if (strcmp(text, conversation[i].answer) != 0)
            print_error("turn %zu (%s):\n", i, kv_call_name(conversation[i].call));
        assert_string_equal(text, conversation[i].answer);
        assert_int_equal(f.drive.verdict, HANDLER_CONTINUE);
    }
    close_fixture(&f);
}

/* The whole conversation as one pipeline. */
static size_t encode_conversation(uint8_t *bytes, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < CONVERSATION_COUNT; i++)
        n += encode(bytes + n, size - n, &conversation[i], (uint32_t)(i + 1));
    return n;
}

static uint8_t pipeline[16384];
static uint8_t expected[65536];
static size_t pipeline_len;
static size_t expected_len;

static int setup_pipeline(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &handler_kv, 1 << 20);
    pipeline_len = encode_conversation(pipeline, sizeof pipeline);
    drive_feed(&f.drive, pipeline, pipeline_len);
    expected_len = f.drive.out.len;
    memcpy(expected, f.drive.out.data, expected_len);
    assert_int_equal(f.drive.turns, 1);
    close_fixture(&f);
    return 0;
}

static void assert_same_answers(const struct fixture *f)
{
    assert_int_equal(f->drive.out.len, expected_len);
    assert_memory_equal(f->drive.out.data, expected, expected_len);
    assert_int_equal(f->drive.class->incomplete(f->drive.session), 0);
}

/* Feeds the pipeline: a piece of `first` bytes, then pieces of `others`. */
static void feed_in_pieces(struct fixture *f, size_t first, size_t others)
{
    for (size_t at = 0, piece = first; at < pipeline_len; at += piece, piece = others) {
        if (piece > pipeline_len - at)
            piece = pipeline_len - at;
        drive_feed(&f->drive, pipeline + at, piece);
        assert_null(handler_stream_check(f->drive.session));
    }
}

enum { CUT_NBYTES = 97 };

/* Every place of the pipeline is where one of the runs cuts it. */
static void a_pipeline_is_answered_alike_at_every_split(void **state)
{
    (void)state;
    for (size_t first = 1; first <= CUT_NBYTES; first++) {
        struct fixture f;
        open_fixture(&f, &handler_kv, 1 << 20);
        feed_in_pieces(&f, first, CUT_NBYTES);
        assert_same_answers(&f);
        close_fixture(&f);
    }
}

static void a_pipeline_is_answered_alike_byte_by_byte(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &handler_kv, 1 << 20);
    for (size_t i = 0; i < pipeline_len; i++) {
        drive_feed(&f.drive, pipeline + i, 1);
        assert_null(handler_stream_check(f.drive.session));
    }
    assert_same_answers(&f);
    close_fixture(&f);
}

static void a_full_output_defers_the_rest_and_loses_nothing(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 2, 13, 64, 200, 1000};
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        for (size_t first = 1; first <= CUT_NBYTES; first += 5) {
            struct fixture f;
            open_fixture(&f, &handler_kv, limits[l]);
            feed_in_pieces(&f, first, first % 2 == 0 ? CUT_NBYTES : pipeline_len);
            assert_same_answers(&f);
            assert_true(limits[l] > 200 || f.drive.turns > 2);
            close_fixture(&f);
        }
    }
}

static void a_malformed_request_is_refused_after_those_before_it_were_answered(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *answer;
    } cases[] = {
#define M(bytes, answer) {bytes, sizeof(bytes) - 1, answer}
        M("\x02\0\0\0\1\0\0\0\0\0\0\x7f",
          "ok;malformed val=byte 11 of the stream: field 'type': "),
        M("\x02\0\0\0\1\0\0\0\0\0\0\x10\0\0\0\2\x10\x01",
          "ok;malformed val=byte 16 of the stream: field 'key': "),
        M("\x02\0\0\0\1\0\0\0\0\0\0\x02\0\0\0\2\0\1",
          "ok;malformed val=byte 16 of the stream: field 'key': "),
        M("\x02\0\0\0\1\0\0\0\0\0\0\x10\0\0\0\2\0\1a\0\0\0\1",
          "ok;malformed val=byte 19 of the stream: field 'val': "),
        M("\x02\0\0\0\1\0\0\0\0\0\0\x20\0\0\0\2\0\1a\0\0\0\5\0\0\0\0\7",
          "ok;malformed val=byte "),
#undef M
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t cut = 0; cut <= cases[i].n; cut++) {
            struct fixture f;
            char text[1024];
            open_fixture(&f, &handler_kv, 1 << 20);
            drive_feed(&f.drive, (const uint8_t *)cases[i].bytes, cut);
            drive_feed(&f.drive, (const uint8_t *)cases[i].bytes + cut, cases[i].n - cut);
            frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 0, text, sizeof text);
            assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
            assert_memory_equal(text, cases[i].answer, strlen(cases[i].answer));
            close_fixture(&f);
        }
    }
}

/* The key of row `i` of the big store. */
static size_t big_key(char *key, size_t size, unsigned i)
{
    return (size_t)snprintf(key, size, "/big/%05u", i);
}

static void pages_are_bounded_in_rows_and_bytes_and_lose_nothing(void **state)
{
    (void)state;
    enum { ROWS = 2500, VALUE = 3000 };
    struct fixture f;
    static uint8_t value[VALUE];
    open_fixture(&f, &handler_kv, 1 << 26);
    for (unsigned i = 0; i < ROWS; i++) {
        char key[32];
        uint64_t revision;
        struct cdx_bytes k = cdx_bytes_of(key, big_key(key, sizeof key, i));
        store_write_begin(f.store);
        assert_int_equal(store_put(f.store, k, cdx_bytes_of(value, i % 2 ? VALUE : 0), NULL,
                                   &revision),
                         STORE_OK);
        store_write_end(f.store);
    }
    char after[32] = "";
    size_t after_len = 0;
    unsigned seen = 0;
    for (int more = 1, pages = 0; more; pages++) {
        uint8_t request[128];
        struct cdx_out out = {.next = request, .end = request + sizeof request};
        const struct kv_list_args args = {.content = KV_CONTENT_ENTRIES,
                                          .after = cdx_bytes_of(after, after_len)};
        assert_int_equal(kv_list_request_encode(&out, 9, CDX_STR("/big"), &args), CDX_OK);
        drive_clear(&f.drive);
        drive_feed(&f.drive, request, (size_t)(out.next - request));
        assert_true(f.drive.out.len <= HANDLER_PAGE_NBYTES_MAX + VALUE + 64);
        assert_true(pages < 20);

        struct kv_response_parser parser;
        struct cdx_spill spill;
        struct kv_response frame;
        const uint8_t *next = f.drive.out.data;
        const uint8_t *end = next + f.drive.out.len;
        unsigned rows = 0;
        kv_response_parser_init(&parser);
        cdx_spill_init(&spill);
        while (kv_response_feed(&parser, &spill, &next, end, &frame) == CDX_OK &&
               frame.status == KV_STATUS_ROW) {
            char want[32];
            assert_int_equal(frame.key.len, big_key(want, sizeof want, seen));
            assert_memory_equal(frame.key.data, want, frame.key.len);
            memcpy(after, frame.key.data, frame.key.len);
            after_len = frame.key.len;
            seen++;
            rows++;
        }
        struct kv_page_end page;
        assert_int_equal(kv_page_end_decode(frame.val, &page, NULL), CDX_OK);
        assert_int_equal(page.rows, rows);
        assert_true(rows <= HANDLER_PAGE_ROWS_MAX && rows > 0);
        more = page.remainder == KV_REMAINDER_MORE;
    }
    assert_int_equal(seen, ROWS);
    close_fixture(&f);
}

static void a_batch_of_many_sessions_reports_a_full_queue(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t pings[HANDLER_BATCH_MAX * KV_REQUEST_NBYTES_MIN];
    void *second;
    size_t consumed;
    struct handler_output out = {0};
    const struct turn ping = T(PING, "", "", "");
    open_fixture(&f, &handler_kv, 1 << 20);
    second = aligned_alloc(16, (handler_kv.session_nbytes + 15) / 16 * 16);
    handler_kv.session_start(f.drive.handler, second);
    for (size_t i = 0; i < HANDLER_BATCH_MAX; i++)
        encode(pings + i * KV_REQUEST_NBYTES_MIN, KV_REQUEST_NBYTES_MIN, &ping, 1);
    struct cdx_bytes input = cdx_bytes_of(pings, sizeof pings);
    handler_kv.turn_begin(f.drive.handler);
    assert_true(handler_kv.accept(f.drive.handler, f.drive.session, input));
    assert_false(handler_kv.accept(f.drive.handler, second, input));
    handler_kv.prefetch(f.drive.handler);
    handler_kv.answer(f.drive.handler, f.drive.session, &out, &consumed);
    handler_kv.turn_end(f.drive.handler);
    assert_int_equal(consumed, sizeof pings);
    assert_int_equal(out.len, HANDLER_BATCH_MAX * KV_RESPONSE_NBYTES_MIN);
    handler_output_free(&out);
    handler_kv.session_end(f.drive.handler, second);
    free(second);
    close_fixture(&f);
}

/* A session whose output is full skips requests; those of the next session must not be
 * looked up with what was fetched ahead for the skipped ones. */
static void a_session_that_stops_early_does_not_disturb_the_next(void **state)
{
    (void)state;
    enum { REQUESTS = 100, NAMES = 7 };
    struct fixture f;
    static uint8_t input[2][REQUESTS * 32];
    size_t len[2] = {0, 0};
    void *sessions[2];
    open_fixture(&f, &handler_kv, 40);
    store_write_begin(f.store);
    for (unsigned i = 0; i < NAMES; i++) {
        char key[] = {'/', (char)('a' + i)};
        uint64_t revision;
        assert_int_equal(store_put(f.store, cdx_bytes_of(key, 2), cdx_bytes_of(key, 2), NULL,
                                   &revision),
                         STORE_OK);
    }
    store_write_end(f.store);
    sessions[0] = f.drive.session;
    sessions[1] = aligned_alloc(16, (handler_kv.session_nbytes + 15) / 16 * 16);
    handler_kv.session_start(f.drive.handler, sessions[1]);
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 0; i < REQUESTS; i++) {
            char key[] = {'/', (char)('a' + (i + s) % NAMES)};
            struct turn turn = {KV_CALL_GET, {(const uint8_t *)key, 2}, {NULL, 0}, ""};
            len[s] += encode(input[s] + len[s], sizeof input[s] - len[s], &turn, i + 1);
        }
    }
    handler_kv.turn_begin(f.drive.handler);
    for (unsigned s = 0; s < 2; s++)
        assert_true(handler_kv.accept(f.drive.handler, sessions[s],
                                      cdx_bytes_of(input[s], len[s])));
    handler_kv.prefetch(f.drive.handler);
    for (unsigned s = 0; s < 2; s++) {
        struct handler_output out = {0};
        size_t consumed;
        char text[512], expected_text[512] = "";
        handler_kv.answer(f.drive.handler, sessions[s], &out, &consumed);
        frames_text(cdx_bytes_of(out.data, out.len), 0, text, sizeof text);
        for (unsigned i = 0; i < out.len / 13; i++)
            snprintf(expected_text + strlen(expected_text),
                     sizeof expected_text - strlen(expected_text), "ok val=/%c;",
                     'a' + (i + s) % NAMES);
        assert_true(consumed < len[s]);
        assert_string_equal(text, expected_text);
        handler_output_free(&out);
    }
    handler_kv.turn_end(f.drive.handler);
    handler_kv.session_end(f.drive.handler, sessions[1]);
    free(sessions[1]);
    close_fixture(&f);
}

static void stats_name_every_call_and_count_them(void **state)
{
    (void)state;
    struct fixture f;
    char text[8192];
    uint8_t bytes[256];
    const struct turn ping = T(PING, "", "", "");
    const struct turn stats = T(STATS, "", "", "");
    open_fixture(&f, &handler_kv, 1 << 20);
    for (int i = 0; i < 3; i++)
        drive_feed(&f.drive, bytes, encode(bytes, sizeof bytes, &ping, 1));
    drive_clear(&f.drive);
    drive_feed(&f.drive, bytes, encode(bytes, sizeof bytes, &stats, 5));
    frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 5, text, sizeof text);
    assert_non_null(strstr(text, "row key=store.keys val=0;"));
    assert_non_null(strstr(text, "row key=calls.ping val=3;"));
    assert_non_null(strstr(text, "row key=calls.stats val=1;"));
    for (size_t i = 0; i < KV_CALLS_COUNT; i++) {
        char row[80];
        snprintf(row, sizeof row, "row key=calls.%s val=", kv_call_name(kv_calls[i]));
        assert_non_null(strstr(text, row));
    }
    close_fixture(&f);
}

static void hello_names_versions_and_limits(void **state)
{
    (void)state;
    for (uint16_t major = 0; major < 3; major++) {
        struct fixture f;
        uint8_t bytes[64];
        struct cdx_out out = {.next = bytes, .end = bytes + sizeof bytes};
        const struct kv_hello_args args = {.major = major, .minor = 7, .agent = CDX_STR("t")};
        open_fixture(&f, &handler_kv, 1 << 20);
        assert_int_equal(kv_hello_request_encode(&out, 1, &args), CDX_OK);
        drive_feed(&f.drive, bytes, (size_t)(out.next - bytes));

        struct kv_response_parser parser;
        struct cdx_spill spill;
        struct kv_response frame;
        struct kv_hello_info info;
        const uint8_t *next = f.drive.out.data;
        kv_response_parser_init(&parser);
        cdx_spill_init(&spill);
        assert_int_equal(
            kv_response_feed(&parser, &spill, &next, next + f.drive.out.len, &frame), CDX_OK);
        assert_int_equal(frame.status,
                         major == KV_VERSION_MAJOR ? KV_STATUS_OK : KV_STATUS_UNSUPPORTED);
        assert_int_equal(kv_hello_info_decode(frame.val, &info, NULL), CDX_OK);
        assert_int_equal(info.major, KV_VERSION_MAJOR);
        assert_int_equal(info.key_max, STORE_KEY_NBYTES_MAX);
        assert_int_equal(info.value_max, STORE_VALUE_NBYTES_MAX);
        close_fixture(&f);
    }
}

/* With the n-th allocation failing the answers are a prefix of the full ones, cut
 * between answers, or a write says no_memory; the store stays whole. */
static void failing_allocations_never_send_half_an_answer(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct fixture f;
        char text[65536];
        heap_fail_install();
        open_fixture(&f, &handler_kv, 1 << 20);
        heap_fail_at(n, 0);
        drive_feed(&f.drive, pipeline, pipeline_len / 2);
        drive_feed(&f.drive, pipeline + pipeline_len / 2, pipeline_len - pipeline_len / 2);
        int happened = heap_fail_happened();
        heap_fail_at(0, 0);
        frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 0, text, sizeof text);
        if (happened)
            assert_true(f.drive.verdict == HANDLER_CLOSE || strstr(text, "no_memory") != NULL ||
                        f.drive.out.len == expected_len);
        close_fixture(&f);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        if (!happened)
            break;
    }
}

/* ---- several connections, turn by turn ---- */

/* One more connection of the fixture's handler, and what it was sent. */
struct peer {
    struct fixture *fixture;
    void *session;
    struct handler_output out; /* of the last turn */
    size_t consumed;
    enum handler_verdict verdict;
};

static void peer_open(struct peer *p, struct fixture *f)
{
    *p = (struct peer){.fixture = f};
    p->session = aligned_alloc(16, (handler_kv.session_nbytes + 15) / 16 * 16);
    handler_kv.session_start(f->drive.handler, p->session);
}

static void peer_close(struct peer *p)
{
    handler_kv.session_end(p->fixture->drive.handler, p->session);
    handler_output_free(&p->out);
    free(p->session);
}

/* One turn with this input. */
static void peer_turn(struct peer *p, struct cdx_bytes input)
{
    struct handler *h = p->fixture->drive.handler;
    p->out.len = 0;
    p->consumed = 0;
    handler_kv.turn_begin(h);
    assert_true(handler_kv.accept(h, p->session, input));
    handler_kv.prefetch(h);
    p->verdict = handler_kv.answer(h, p->session, &p->out, &p->consumed);
    handler_kv.turn_end(h);
}

/* Asks one question in one turn and compares the answer. */
static void peer_expect(struct peer *p, const struct turn *turn)
{
    uint8_t bytes[512];
    char text[4096];
    size_t n = encode(bytes, sizeof bytes, turn, 7);
    peer_turn(p, cdx_bytes_of(bytes, n));
    frames_text(cdx_bytes_of(p->out.data, p->out.len), 7, text, sizeof text);
    assert_string_equal(text, turn->answer);
    assert_int_equal(p->consumed, n);
}

static void put_one(struct fixture *f, const char *key, struct cdx_bytes value)
{
    uint64_t revision;
    store_write_begin(f->store);
    assert_int_equal(store_put(f->store, cdx_cstr(key), value, NULL, &revision), STORE_OK);
    store_write_end(f->store);
}

/* Moves the store's clock. */
static void pass_to(struct fixture *f, uint64_t now_ms)
{
    (void)store_maintain(f->store, now_ms, 1000);
}

static struct store_stats stats_now(struct fixture *f)
{
    struct store_reader *reader;
    struct store_stats stats;
    assert_int_equal(store_reader_open(f->store, &reader), STORE_OK);
    store_read_begin(reader);
    store_read_stats(reader, &stats);
    store_read_end(reader);
    store_reader_close(reader);
    return stats;
}

enum { SCAN_ROWS = 2500 };

static void fill(struct fixture *f)
{
    for (unsigned i = 0; i < SCAN_ROWS; i++) {
        char key[32];
        big_key(key, sizeof key, i);
        put_one(f, key, cdx_cstr(key));
    }
}

/* A scan of the big store and a ping behind it, cut into the turns that the handler wants. */
struct scan {
    struct peer peer;
    uint8_t bytes[64];
    size_t len;
    size_t at; /* of it, consumed */
    unsigned seen;
    bool through;
};

static void scan_open(struct scan *s, struct fixture *f)
{
    struct cdx_out out = {.next = s->bytes, .end = s->bytes + sizeof s->bytes};
    const struct kv_scan_args args = {.content = KV_CONTENT_ENTRIES};
    peer_open(&s->peer, f);
    assert_int_equal(kv_scan_request_encode(&out, 5, CDX_STR("/big"), &args), CDX_OK);
    assert_int_equal(kv_ping_request_encode(&out, 6), CDX_OK);
    s->len = (size_t)(out.next - s->bytes);
    s->at = 0;
    s->seen = 0;
    s->through = false;
}

static void scan_take(struct scan *s, const struct kv_response *frame)
{
    char want[32];
    if (frame->status == KV_STATUS_ROW) {
        assert_int_equal(frame->key.len, big_key(want, sizeof want, s->seen));
        assert_memory_equal(frame->key.data, want, frame->key.len);
        assert_int_equal(frame->val.len, frame->key.len);
        assert_memory_equal(frame->val.data, want, frame->key.len);
        s->seen++;
    } else if (!s->through) {
        struct kv_scan_end end;
        assert_int_equal(frame->status, KV_STATUS_OK);
        assert_int_equal(frame->rid, 5);
        assert_int_equal(kv_scan_end_decode(frame->val, &end, NULL), CDX_OK);
        assert_int_equal(end.rows, s->seen);
        s->through = true;
    } else {
        assert_int_equal(frame->rid, 6);
    }
}

/* One turn; its rows are those that were stored at the start. */
static void scan_turn(struct scan *s)
{
    struct kv_response_parser parser;
    struct cdx_spill spill;
    struct kv_response frame;
    uint8_t input[sizeof s->bytes];
    memcpy(input, s->bytes, sizeof input);
    peer_turn(&s->peer, cdx_bytes_of(input + s->at, s->len - s->at));
    memset(input, 0xdd, sizeof input);
    assert_int_equal(handler_kv.incomplete(s->peer.session), 0);
    assert_null(handler_stream_check(s->peer.session));
    s->at += s->peer.consumed;
    const uint8_t *next = s->peer.out.data;
    const uint8_t *end = next + s->peer.out.len;
    kv_response_parser_init(&parser);
    cdx_spill_init(&spill);
    while (next != end) {
        assert_int_equal(kv_response_feed(&parser, &spill, &next, end, &frame), CDX_OK);
        scan_take(s, &frame);
    }
}

static void a_scan_goes_on_over_turns_in_one_version(void **state)
{
    (void)state;
    static const size_t limits[] = {200, 4096, 1 << 20};
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        struct fixture f;
        struct scan s;
        struct peer other;
        unsigned turns = 0;
        open_fixture(&f, &handler_kv, limits[l]);
        fill(&f);
        scan_open(&s, &f);
        peer_open(&other, &f);
        while (s.at < s.len) {
            static const struct turn writes[] = {
                T(DROP, "/big/02", "", NULL),
                T(PUT, "/big/01500", "new", NULL),
                T(DELETE, "/big/00999", "", NULL),
                T(PUT, "/big/00999x", "new", NULL),
                T(DROP, "", "", NULL),
            };
            uint8_t bytes[128];
            unsigned before = s.seen;
            const struct turn *write = &writes[turns % (sizeof writes / sizeof writes[0])];
            scan_turn(&s);
            assert_true(s.seen - before <= HANDLER_SCAN_ROWS_MAX);
            assert_true(s.peer.out.len < limits[l] + 64);
            assert_int_equal(s.peer.verdict, HANDLER_CONTINUE);
            peer_turn(&other, cdx_bytes_of(bytes, encode(bytes, sizeof bytes, write, 7)));
            pass_to(&f, 1000 + turns); /* upkeep frees what nobody sees any more */
            turns++;
        }
        assert_int_equal(s.seen, SCAN_ROWS);
        assert_true(s.through);
        assert_true(turns > SCAN_ROWS / HANDLER_SCAN_ROWS_MAX);
        assert_int_equal(stats_now(&f).snapshots, 0);
        peer_close(&other);
        peer_close(&s.peer);
        close_fixture(&f);
    }
}

static void a_scan_that_is_given_up_lets_its_version_go(void **state)
{
    (void)state;
    struct fixture f;
    struct scan s;
    open_fixture(&f, &handler_kv, 1 << 20);
    fill(&f);
    scan_open(&s, &f);
    scan_turn(&s);
    assert_int_equal(s.seen, HANDLER_SCAN_ROWS_MAX);
    assert_int_equal(stats_now(&f).snapshots, 1);
    peer_close(&s.peer);
    assert_int_equal(stats_now(&f).snapshots, 0);
    close_fixture(&f);
}

static void a_scan_that_takes_too_long_ends_with_timeout(void **state)
{
    (void)state;
    static const struct turn ping = T(PING, "", "", "ok;");
    for (int noticed = 0; noticed < 2; noticed++) {
        struct fixture f;
        struct scan s[2];
        struct peer other;
        char text[256];
        open_fixture(&f, &handler_kv, 1 << 20);
        fill(&f);
        peer_open(&other, &f);
        scan_open(&s[0], &f);
        scan_turn(&s[0]);
        pass_to(&f, 1001);
        scan_open(&s[1], &f);
        scan_turn(&s[1]);
        pass_to(&f, 1000 + HANDLER_PARKED_MS_MAX);
        if (noticed) { /* whoever has a turn lets the version go */
            peer_expect(&other, &ping);
            assert_int_equal(stats_now(&f).snapshots, 1);
        }
        scan_turn(&s[1]);
        assert_int_equal(s[1].seen, 2 * HANDLER_SCAN_ROWS_MAX);
        peer_turn(&s[0].peer, cdx_bytes_of(s[0].bytes + s[0].at, s[0].len - s[0].at));
        frames_text(cdx_bytes_of(s[0].peer.out.data, s[0].peer.out.len), 5, text, sizeof text);
        assert_string_equal(text, "timeout val=the scan took too long;");
        assert_int_equal(s[0].peer.verdict, HANDLER_CLOSE);
        assert_int_equal(stats_now(&f).snapshots, 1);
        peer_close(&s[0].peer);
        peer_close(&s[1].peer);
        peer_close(&other);
        close_fixture(&f);
    }
}

/* Another loop whose turns let go what is too old, while time flies. */
struct other_loop {
    struct fixture *fixture;
    _Atomic bool ending;
};

static void *other_loop_run(void *arg)
{
    struct other_loop *loop = arg;
    struct handler *h;
    uint64_t now = 1000;
    if (handler_kv.open(&loop->fixture->env, &h) != CDX_OK)
        return NULL;
    while (!atomic_load(&loop->ending)) {
        now += HANDLER_PARKED_MS_MAX / 3;
        (void)store_maintain(loop->fixture->store, now, 100);
        handler_kv.turn_begin(h);
        handler_kv.turn_end(h);
    }
    handler_kv.close(h);
    return loop;
}

static void another_loop_may_let_a_scan_go_at_any_moment(void **state)
{
    (void)state;
    enum { SCANS = 200 };
    struct fixture f;
    struct other_loop loop = {.fixture = &f};
    pthread_t thread;
    void *result;
    open_fixture(&f, &handler_kv, 4096);
    fill(&f);
    assert_int_equal(pthread_create(&thread, NULL, other_loop_run, &loop), 0);
    for (unsigned i = 0; i < SCANS; i++) {
        struct scan s;
        scan_open(&s, &f);
        do {
            peer_turn(&s.peer, cdx_bytes_of(s.bytes + s.at, s.len - s.at));
            s.at += s.peer.consumed;
        } while (s.at < s.len && s.peer.verdict == HANDLER_CONTINUE);
        peer_close(&s.peer);
    }
    atomic_store(&loop.ending, true);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &loop);
    assert_int_equal(stats_now(&f).snapshots, 0);
    close_fixture(&f);
}

static void one_scan_too_many_is_told_busy(void **state)
{
    (void)state;
    struct fixture f;
    struct scan s;
    struct store_reader *reader;
    struct store_snapshot *snapshots[STORE_SNAPSHOTS_MAX];
    open_fixture(&f, &handler_kv, 1);
    put_one(&f, "/big/1", CDX_STR("v"));
    assert_int_equal(store_reader_open(f.store, &reader), STORE_OK);
    store_read_begin(reader);
    for (size_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        assert_int_equal(store_snapshot_open(reader, &snapshots[i]), STORE_OK);
    store_read_end(reader);
    scan_open(&s, &f);
    char text[256];
    peer_turn(&s.peer, cdx_bytes_of(s.bytes, s.len));
    frames_text(cdx_bytes_of(s.peer.out.data, s.peer.out.len), 5, text, sizeof text);
    assert_string_equal(text,
                        "row key=/big/1 val=v;busy val=too many scans, or no memory for one more;");
    assert_int_equal(s.peer.verdict, HANDLER_CLOSE);
    peer_close(&s.peer);
    for (size_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        store_snapshot_close(f.store, snapshots[i]);
    store_reader_close(reader);
    close_fixture(&f);
}

static void values_end_when_their_time_has_come(void **state)
{
    (void)state;
    static const struct turn before[] = {
        T(PUT_TTL, "/a", U64("\0\144") "v", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01;"),
        T(PUT_TTL, "/b", U64("\0\144") "v", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
        T(TOUCH, "/b", U64("\0\0"), "ok;"),
        T(TTL, "/a", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00d;"),
    };
    static const struct turn later =
        T(TTL, "/a", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01;");
    static const struct turn after[] = {
        T(GET, "/a", "", "not_found;"),
        T(TTL, "/a", "", "not_found;"),
        T(TOUCH, "/a", U64("\0\1"), "not_found;"),
        T(DELETE, "/a", "", "not_found;"),
        T(GET, "/b", "", "ok val=v;"),
    };
    struct fixture f;
    struct peer p;
    open_fixture(&f, &handler_kv, 1 << 20);
    peer_open(&p, &f);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        peer_expect(&p, &before[i]);
    pass_to(&f, 1099);
    peer_expect(&p, &later);
    pass_to(&f, 1100);
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++)
        peer_expect(&p, &after[i]);
    assert_int_equal(stats_now(&f).expired, 1);
    peer_close(&p);
    close_fixture(&f);
}

static void a_full_store_refuses_what_adds_and_takes_what_removes(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        T(STAGE, "/s", "", "ok val=\\x00\\x00\\x00\\x01;"),
        T(PUT, "/b", "v", "no_memory;"),
        T(PUT_IF, "/b", U64("\0\0") "v", "no_memory;"),
        T(PUT_TTL, "/b", U64("\0\1") "v", "no_memory;"),
        T(BATCH, "", FRAME("\x32", "\2/a", "\0", "") FRAME("\x30", "\2/b", "\1", "v"),
          "no_memory;"),
        T(STAGE_PUT, "/s/a", "\0\0\0\1" U64("\0\0") "v", "no_memory;"),
        T(GET, "/a", "", "ok val=v;"),
        T(DELETE, "/a", "", "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02;"),
    };
    struct fixture f;
    struct peer p;
    open_fixture(&f, &handler_kv, 1 << 20);
    peer_open(&p, &f);
    put_one(&f, "/a", CDX_STR("v"));
    assert_int_equal(store_limit(f.store, 1, false, cdx_empty()), STORE_OK);
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++)
        peer_expect(&p, &turns[i]);
    peer_close(&p);
    close_fixture(&f);
}

static void a_batch_has_a_limit(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t frames[(HANDLER_KV_BATCH_OPS_MAX + 1) * 16];
    static uint8_t bytes[sizeof frames + 64];
    open_fixture(&f, &handler_kv, 1 << 20);
    for (size_t count = HANDLER_KV_BATCH_OPS_MAX; count <= HANDLER_KV_BATCH_OPS_MAX + 1; count++) {
        struct cdx_out batch = {.next = frames, .end = frames + sizeof frames};
        struct cdx_out out = {.next = bytes, .end = bytes + sizeof bytes};
        char text[256];
        for (size_t i = 0; i < count; i++)
            assert_int_equal(kv_put_request_encode(&batch, 0, CDX_STR("/k"), CDX_STR("v")), CDX_OK);
        struct cdx_bytes val = cdx_bytes_of(frames, (size_t)(batch.next - frames));
        assert_int_equal(kv_batch_request_encode(&out, 3, val), CDX_OK);
        drive_clear(&f.drive);
        drive_feed(&f.drive, bytes, (size_t)(out.next - bytes));
        frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 3, text, sizeof text);
        assert_string_equal(text, count == HANDLER_KV_BATCH_OPS_MAX
                                      ? "ok val=\\x00\\x00\\x00\\x00\\x00\\x00\\x04\\x00"
                                        "\\x00\\x00\\x04\\x00;"
                                      : "refused val=\\x00\\x00\\x04\\x00\\x03;");
    }
    close_fixture(&f);
}

static void a_stage_is_its_connections_and_ends_with_it(void **state)
{
    (void)state;
    static const struct turn opened = T(STAGE, "/s", "", "ok val=\\x00\\x00\\x00\\x01;");
    static const struct turn others[] = {
        T(STAGE_PUT, "/s/a", "\0\0\0\1" U64("\0\0") "v", "not_found;"),
        T(SWAP, "", "\0\0\0\1", "not_found;"),
        T(UNSTAGE, "", "\0\0\0\1", "not_found;"),
        T(STAGE, "/s/t", "", "refused val=\\x04;"),
    };
    static const struct turn again = T(STAGE, "/s", "", "ok val=\\x00\\x00\\x00\\x02;");
    struct fixture f;
    struct peer p, q;
    open_fixture(&f, &handler_kv, 1 << 20);
    peer_open(&p, &f);
    peer_open(&q, &f);
    peer_expect(&p, &opened);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        peer_expect(&q, &others[i]);
    peer_close(&p);
    while (store_maintain(f.store, 1000, 1000) == STORE_UPKEEP_NOW)
        ;
    peer_expect(&q, &again);
    peer_close(&q);
    close_fixture(&f);
}

static void a_connection_can_hold_all_stages(void **state)
{
    (void)state;
    struct fixture f;
    struct peer p;
    open_fixture(&f, &handler_kv, 1 << 20);
    peer_open(&p, &f);
    for (unsigned i = 0; i <= STORE_STAGES_MAX; i++) {
        char key[] = {'/', (char)('a' + i), '\0'};
        uint8_t bytes[64];
        char text[256];
        const struct turn turn = {KV_CALL_STAGE, cdx_cstr(key), cdx_empty(), ""};
        peer_turn(&p, cdx_bytes_of(bytes, encode(bytes, sizeof bytes, &turn, 7)));
        frames_text(cdx_bytes_of(p.out.data, p.out.len), 7, text, sizeof text);
        assert_memory_equal(text, i < STORE_STAGES_MAX ? "ok val=" : "refused val=\\x04;", 7);
    }
    peer_close(&p);
    close_fixture(&f);
}

/* What one connection wrote is visible to all when its answers are handed over. */
static void writes_are_visible_when_they_are_answered(void **state)
{
    (void)state;
    struct fixture f;
    struct handler_output out = {0};
    struct store_reader *reader;
    uint8_t bytes[256];
    size_t n = 0, consumed;
    static const struct turn puts[] = {T(PUT, "/a", "1", ""), T(PUT, "/b", "2", ""),
                                       T(DELETE, "/a", "", "")};
    open_fixture(&f, &handler_kv, 1 << 20);
    for (size_t i = 0; i < 3; i++)
        n += encode(bytes + n, sizeof bytes - n, &puts[i], 1);
    assert_int_equal(store_reader_open(f.store, &reader), STORE_OK);
    handler_kv.turn_begin(f.drive.handler);
    assert_true(handler_kv.accept(f.drive.handler, f.drive.session, cdx_bytes_of(bytes, n)));
    handler_kv.prefetch(f.drive.handler);
    handler_kv.answer(f.drive.handler, f.drive.session, &out, &consumed);
    store_read_begin(reader);
    assert_int_equal(store_read_revision(reader), 3);
    assert_int_equal(store_count(reader, cdx_empty()), 1);
    store_read_end(reader);
    handler_kv.turn_end(f.drive.handler);
    store_reader_close(reader);
    handler_output_free(&out);
    close_fixture(&f);
}

/* With the n-th allocation failing a scan in slices sends whole frames and holds nothing. */
static void failing_allocations_end_a_scan_between_frames(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct fixture f;
        static char text[1 << 16];
        heap_fail_install();
        open_fixture(&f, &handler_kv, 1);
        for (unsigned i = 0; i < 5; i++) {
            char key[32];
            big_key(key, sizeof key, i);
            put_one(&f, key, CDX_STR("v"));
        }
        heap_fail_at(n, 0);
        uint8_t bytes[64];
        const struct turn scan = T(SCAN, "", ENTRIES, "");
        drive_feed(&f.drive, bytes, encode(bytes, sizeof bytes, &scan, 5));
        int happened = heap_fail_happened();
        heap_fail_at(0, 0);
        frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 5, text, sizeof text);
        assert_int_equal(f.drive.verdict, happened ? HANDLER_CLOSE : HANDLER_CONTINUE);
        assert_true(happened || strstr(text, "key=/big/00004 val=v;ok val=") != NULL);
        close_fixture(&f);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        if (!happened)
            break;
    }
}

/* ---- the rest ---- */

static void reply_answers_every_request_alike(void **state)
{
    (void)state;
    struct fixture f;
    char text[8192];
    open_fixture(&f, &handler_reply, 64);
    drive_feed(&f.drive, pipeline, pipeline_len);
    frames_text(cdx_bytes_of(f.drive.out.data, f.drive.out.len), 0, text, sizeof text);
    size_t frames = 0;
    for (const char *at = text; (at = strstr(at, "ok val=a fixed value")) != NULL; at++)
        frames++;
    assert_int_equal(frames, CONVERSATION_COUNT);
    drive_feed(&f.drive, (const uint8_t *)"\x7f", 1);
    assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
    close_fixture(&f);
}

static void notices_are_frames_of_their_own(void **state)
{
    (void)state;
    static const struct {
        enum handler_notice notice;
        const char *text;
    } cases[] = {
        {HANDLER_NOTICE_BUSY, "busy val=too many connections;"},
        {HANDLER_NOTICE_IDLE, "timeout val=no request for too long;"},
        {HANDLER_NOTICE_SLOW, "timeout val=a request took too long to arrive;"},
        {HANDLER_NOTICE_STOPPING, "stopping val=the server stops;"},
    };
    struct fixture f;
    open_fixture(&f, &handler_kv, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        struct handler_output out = {0};
        handler_kv.notice(f.drive.handler, NULL, cases[i].notice, &out);
        frames_text(cdx_bytes_of(out.data, out.len), 0, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        handler_output_free(&out);
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_answers_as_the_reference_says),
        cmocka_unit_test(a_pipeline_is_answered_alike_at_every_split),
        cmocka_unit_test(a_pipeline_is_answered_alike_byte_by_byte),
        cmocka_unit_test(a_full_output_defers_the_rest_and_loses_nothing),
        cmocka_unit_test(a_malformed_request_is_refused_after_those_before_it_were_answered),
        cmocka_unit_test(pages_are_bounded_in_rows_and_bytes_and_lose_nothing),
        cmocka_unit_test(a_batch_of_many_sessions_reports_a_full_queue),
        cmocka_unit_test(a_session_that_stops_early_does_not_disturb_the_next),
        cmocka_unit_test(stats_name_every_call_and_count_them),
        cmocka_unit_test(hello_names_versions_and_limits),
        cmocka_unit_test(failing_allocations_never_send_half_an_answer),
        cmocka_unit_test(a_scan_goes_on_over_turns_in_one_version),
        cmocka_unit_test(a_scan_that_is_given_up_lets_its_version_go),
        cmocka_unit_test(a_scan_that_takes_too_long_ends_with_timeout),
        cmocka_unit_test(another_loop_may_let_a_scan_go_at_any_moment),
        cmocka_unit_test(one_scan_too_many_is_told_busy),
        cmocka_unit_test(values_end_when_their_time_has_come),
        cmocka_unit_test(a_full_store_refuses_what_adds_and_takes_what_removes),
        cmocka_unit_test(a_batch_has_a_limit),
        cmocka_unit_test(a_stage_is_its_connections_and_ends_with_it),
        cmocka_unit_test(a_connection_can_hold_all_stages),
        cmocka_unit_test(writes_are_visible_when_they_are_answered),
        cmocka_unit_test(failing_allocations_end_a_scan_between_frames),
        cmocka_unit_test(reply_answers_every_request_alike),
        cmocka_unit_test(notices_are_frames_of_their_own),
    };
    return cmocka_run_group_tests(tests, setup_pipeline, NULL);
}
