/* SPDX-License-Identifier: Apache-2.0 */
/* The memcache handler without a network: requests in, responses out, however they are cut. */
#include "drive.h"
#include "handler.h"
#include "heap_fail.h"
#include "store.h"

#include <caudex/memcache.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define NOW_MS 1000u
#define TEXT_NBYTES 4096u
#define CONVERSATION_NBYTES 65536u

#define OP(name) MEMCACHE_OPCODE_##name

/* One request, and the responses to it as text; `extra` is flags, delta, or expiration. */
struct turn {
    uint8_t opcode;
    const char *key;
    const char *value;
    uint64_t extra;
    uint32_t expiration;
    uint64_t initial;
    uint64_t cas;
    const char *out;
};

#define NOT_FOUND "1 Not found\n"
#define EXISTS "2 Data exists for key.\n"
#define NOT_STORED "5 Not stored.\n"
#define NOT_A_NUMBER "6 Non-numeric server-side value for incr or decr\n"

/* Revisions count the writes: they are the versions that are answered. */
static const struct turn conversation[] = {
    {.opcode = OP(NOOP), .out = "0\n"},
    {.opcode = OP(GET), .key = "a", .out = NOT_FOUND},
    {.opcode = OP(GET_QUIET), .key = "a", .out = ""},
    {.opcode = OP(GET_KEY), .key = "a", .out = "1 key=a\n"},
    {.opcode = OP(GET_KEY_QUIET), .key = "a", .out = ""},
    {.opcode = OP(SET), .key = "a", .value = "one", .extra = 0xdeadbeef, .out = "0 cas=1\n"},
    {.opcode = OP(GET), .key = "a", .out = "0 cas=1 flags=deadbeef one\n"},
    {.opcode = OP(GET_QUIET), .key = "a", .out = "0 cas=1 flags=deadbeef one\n"},
    {.opcode = OP(GET_KEY), .key = "a", .out = "0 cas=1 flags=deadbeef key=a one\n"},
    {.opcode = OP(GET_KEY_QUIET), .key = "a", .out = "0 cas=1 flags=deadbeef key=a one\n"},
    {.opcode = OP(SET_QUIET), .key = "a", .value = "two", .out = ""},
    {.opcode = OP(SET), .key = "a", .value = "x", .cas = 1, .out = EXISTS},
    {.opcode = OP(SET_QUIET), .key = "a", .value = "x", .cas = 1, .out = EXISTS},
    {.opcode = OP(SET), .key = "a", .value = "three", .cas = 2, .out = "0 cas=3\n"},
    {.opcode = OP(SET), .key = "none", .value = "x", .cas = 2, .out = NOT_FOUND},
    {.opcode = OP(ADD), .key = "a", .value = "x", .out = EXISTS},
    {.opcode = OP(ADD_QUIET), .key = "a", .value = "x", .out = EXISTS},
    {.opcode = OP(ADD), .key = "b", .value = "", .out = "0 cas=4\n"},
    {.opcode = OP(GET), .key = "b", .out = "0 cas=4 flags=00000000\n"},
    {.opcode = OP(ADD), .key = "b", .value = "cas counts more", .cas = 4, .out = "0 cas=5\n"},
    {.opcode = OP(REPLACE), .key = "none", .value = "x", .out = NOT_FOUND},
    {.opcode = OP(REPLACE_QUIET), .key = "none", .value = "x", .out = NOT_FOUND},
    {.opcode = OP(REPLACE), .key = "b", .value = "be", .extra = 7, .out = "0 cas=6\n"},
    {.opcode = OP(REPLACE_QUIET), .key = "b", .value = "b", .extra = 7, .out = ""},
    {.opcode = OP(APPEND), .key = "b", .value = "ee", .out = "0 cas=8\n"},
    {.opcode = OP(PREPEND_QUIET), .key = "b", .value = "to ", .out = ""},
    {.opcode = OP(APPEND), .key = "b", .value = "x", .cas = 8, .out = EXISTS},
    {.opcode = OP(PREPEND), .key = "none", .value = "x", .out = NOT_STORED},
    {.opcode = OP(APPEND_QUIET), .key = "none", .value = "x", .out = NOT_STORED},
    {.opcode = OP(GET), .key = "b", .out = "0 cas=9 flags=00000007 to bee\n"},
    {.opcode = OP(INCREMENT), .key = "n", .extra = 1, .expiration = 0xffffffff, .out = NOT_FOUND},
    {.opcode = OP(INCREMENT), .key = "n", .extra = 1, .initial = 10, .out = "0 cas=10 number=10\n"},
    {.opcode = OP(INCREMENT), .key = "n", .extra = 5, .out = "0 cas=11 number=15\n"},
    {.opcode = OP(DECREMENT), .key = "n", .extra = 6, .out = "0 cas=12 number=9\n"},
    {.opcode = OP(GET), .key = "n", .out = "0 cas=12 flags=00000000 9\n"},
    {.opcode = OP(DECREMENT), .key = "n", .extra = 10, .out = "0 cas=13 number=0\n"},
    {.opcode = OP(DECREMENT_QUIET), .key = "n", .extra = 1, .out = ""},
    {.opcode = OP(INCREMENT),
     .key = "n",
     .extra = UINT64_MAX,
     .out = "0 cas=15 number=18446744073709551615\n"},
    {.opcode = OP(INCREMENT_QUIET), .key = "n", .extra = 2, .out = ""},
    {.opcode = OP(INCREMENT), .key = "n", .cas = 15, .out = EXISTS},
    {.opcode = OP(INCREMENT), .key = "n", .cas = 16, .out = "0 cas=17 number=1\n"},
    {.opcode = OP(INCREMENT), .key = "b", .extra = 1, .out = NOT_A_NUMBER},
    {.opcode = OP(SET), .key = "n", .value = " 12 x", .extra = 9, .out = "0 cas=18\n"},
    {.opcode = OP(INCREMENT), .key = "n", .extra = 1, .out = "0 cas=19 number=13\n"},
    {.opcode = OP(GET), .key = "n", .out = "0 cas=19 flags=00000009 13\n"},
    {.opcode = OP(SET), .key = "n", .value = "18446744073709551616", .out = "0 cas=20\n"},
    {.opcode = OP(INCREMENT), .key = "n", .extra = 1, .out = NOT_A_NUMBER},
    {.opcode = OP(DELETE), .key = "n", .cas = 19, .out = EXISTS},
    {.opcode = OP(DELETE), .key = "n", .cas = 20, .out = "0\n"},
    {.opcode = OP(DELETE), .key = "n", .out = NOT_FOUND},
    {.opcode = OP(DELETE_QUIET), .key = "n", .out = NOT_FOUND},
    {.opcode = OP(DELETE_QUIET), .key = "a", .out = ""},
    {.opcode = OP(TOUCH), .key = "a", .expiration = 10, .out = NOT_FOUND},
    {.opcode = OP(TOUCH), .key = "b", .expiration = 10, .out = "0 cas=9 flags=00000007\n"},
    {.opcode = OP(GET_TOUCH),
     .key = "b",
     .expiration = 0,
     .out = "0 cas=9 flags=00000007 to bee\n"},
    {.opcode = OP(GET_TOUCH_QUIET), .key = "a", .out = ""},
    {.opcode = OP(GET_TOUCH_KEY), .key = "b", .out = "0 cas=9 flags=00000007 key=b to bee\n"},
    {.opcode = OP(GET_TOUCH_KEY), .key = "a", .out = "1 key=a\n"},
    {.opcode = OP(GET_TOUCH_KEY_QUIET), .key = "a", .out = ""},
    {.opcode = OP(VERBOSITY), .extra = 1, .out = "0\n"},
    {.opcode = 0x21, .key = "PLAIN", .value = "x", .out = "129 Unknown command\n"},
    {.opcode = 0xff, .out = "129 Unknown command\n"},
    {.opcode = OP(STAT), .key = "items", .out = "0\n"},
    {.opcode = OP(STAT), .key = "nonsense", .out = NOT_FOUND},
    {.opcode = OP(FLUSH), .out = "0\n"},
    {.opcode = OP(GET), .key = "b", .out = NOT_FOUND},
    {.opcode = OP(FLUSH_QUIET), .out = ""},
    {.opcode = OP(SET), .key = "/a/b", .value = "v", .out = "0 cas=24\n"},
    {.opcode = OP(GET), .key = "/a/b", .out = "0 cas=24 flags=00000000 v\n"},
};
#define CONVERSATION_COUNT (sizeof conversation / sizeof conversation[0])

/* ---- requests and responses ---- */

/* Appends the request of a turn. */
static void write_request(struct cdx_out *out, const struct turn *turn, uint32_t opaque)
{
    struct memcache_request m = {.opcode = turn->opcode, .opaque = opaque, .cas = turn->cas};
    uint8_t delay[4];
    m.key = cdx_cstr(turn->key != NULL ? turn->key : "");
    m.value = cdx_cstr(turn->value != NULL ? turn->value : "");
    switch (turn->opcode) {
    case OP(SET):
    case OP(SET_QUIET):
    case OP(ADD):
    case OP(ADD_QUIET):
    case OP(REPLACE):
    case OP(REPLACE_QUIET):
        m.extras.store_extras.flags = (uint32_t)turn->extra;
        m.extras.store_extras.expiration = turn->expiration;
        break;
    case OP(INCREMENT):
    case OP(INCREMENT_QUIET):
    case OP(DECREMENT):
    case OP(DECREMENT_QUIET):
        m.extras.counter_extras.delta = turn->extra;
        m.extras.counter_extras.initial = turn->initial;
        m.extras.counter_extras.expiration = turn->expiration;
        break;
    case OP(TOUCH):
    case OP(GET_TOUCH):
    case OP(GET_TOUCH_QUIET):
    case OP(GET_TOUCH_KEY):
    case OP(GET_TOUCH_KEY_QUIET):
        m.extras.expiration_extras.expiration = turn->expiration;
        break;
    case OP(FLUSH):
    case OP(FLUSH_QUIET):
        cdx_store_be32(delay, turn->expiration);
        m.extras.delay_extras.delay = cdx_bytes_of(delay, turn->expiration != 0 ? 4 : 0);
        break;
    default:
        break;
    }
    assert_int_equal(memcache_request_encode(out, &m), CDX_OK);
}

static void print(char text[TEXT_NBYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print(char text[TEXT_NBYTES], const char *format, ...)
{
    va_list args;
    size_t len = strlen(text);
    va_start(args, format);
    (void)vsnprintf(text + len, TEXT_NBYTES - len, format, args);
    va_end(args);
}

static void print_response(char text[TEXT_NBYTES], const struct memcache_response *m)
{
    print(text, "%u", m->status);
    if (m->cas != 0)
        print(text, " cas=%llu", (unsigned long long)m->cas);
    if (m->extras.flags.len != 0)
        print(text, " flags=%08x", cdx_load_be32(m->extras.flags.data));
    if (m->key.len != 0)
        print(text, " key=%.*s", (int)m->key.len, (const char *)m->key.data);
    if (m->value.len == 8 && m->status == 0 &&
        (m->opcode == OP(INCREMENT) || m->opcode == OP(DECREMENT)))
        print(text, " number=%llu", (unsigned long long)cdx_load_be64(m->value.data));
    else if (m->value.len != 0)
        print(text, " %.*s", (int)m->value.len, (const char *)m->value.data);
    print(text, "\n");
}

/* ---- a server of one connection ---- */

struct fixture {
    struct store *store;
    struct handler_env env;
    struct drive drive;
};

static void open_fixture(struct fixture *f, size_t output_high)
{
    const struct store_config config = {.hash_seed = 42, .now_ms = NOW_MS};
    assert_int_equal(store_open(&config, &f->store), STORE_OK);
    f->env = (struct handler_env){.store = f->store, .output_high_nbytes = output_high};
    drive_open(&f->drive, &handler_memcache, &f->env);
}

static void close_fixture(struct fixture *f)
{
    drive_close(&f->drive);
    assert_null(store_check(f->store));
    store_close(f->store);
}

/* The responses so far as text, each with the opaque number that follows; they are forgotten. */
static const char *responses(struct fixture *f)
{
    static char text[TEXT_NBYTES];
    struct memcache_response_parser parser;
    struct memcache_response m;
    struct cdx_spill spill;
    const uint8_t *next = f->drive.out.data;
    const uint8_t *end = next + f->drive.out.len;
    text[0] = '\0';
    memcache_response_parser_init(&parser);
    cdx_spill_init(&spill);
    while (next != end) {
        assert_int_equal(memcache_response_feed(&parser, &spill, &next, end, &m), CDX_OK);
        print_response(text, &m);
    }
    cdx_spill_free(&spill);
    drive_clear(&f->drive);
    return text;
}

/* One turn's request over the connection; what is answered. */
static const char *ask(struct fixture *f, const struct turn *turn)
{
    uint8_t room[1024];
    struct cdx_out out = {room, room + sizeof room};
    write_request(&out, turn, 7);
    drive_feed(&f->drive, room, (size_t)(out.next - room));
    return responses(f);
}

/* ---- tests ---- */

static void each_request_is_answered(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        const char *answer = ask(&f, &conversation[i]);
        if (strcmp(answer, conversation[i].out) != 0)
            fail_msg("turn %zu: '%s' instead of '%s'", i, answer, conversation[i].out);
        assert_int_equal(f.drive.verdict, HANDLER_CONTINUE);
    }
    close_fixture(&f);
}

/* All requests one behind the other, and all answers. */
static size_t write_conversation(uint8_t room[CONVERSATION_NBYTES], char expected[TEXT_NBYTES])
{
    struct cdx_out out = {room, room + CONVERSATION_NBYTES};
    expected[0] = '\0';
    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        write_request(&out, &conversation[i], (uint32_t)i);
        print(expected, "%s", conversation[i].out);
    }
    return (size_t)(out.next - room);
}

static void requests_are_answered_alike_however_they_are_cut(void **state)
{
    (void)state;
    static uint8_t room[CONVERSATION_NBYTES];
    static char expected[TEXT_NBYTES];
    static const size_t highs[] = {1, 100, 1 << 20};
    size_t nbytes = write_conversation(room, expected);
    for (size_t piece = 1; piece <= nbytes; piece += piece < 64 ? 1 : nbytes / 7) {
        for (size_t h = 0; h < sizeof highs / sizeof highs[0]; h++) {
            struct fixture f;
            open_fixture(&f, highs[h]);
            for (size_t at = 0; at < nbytes; at += piece)
                drive_feed(&f.drive, room + at, nbytes - at < piece ? nbytes - at : piece);
            assert_string_equal(responses(&f), expected);
            close_fixture(&f);
        }
    }
}

static void every_failing_allocation_closes_or_is_answered(void **state)
{
    (void)state;
    static uint8_t room[CONVERSATION_NBYTES];
    static char expected[TEXT_NBYTES];
    size_t nbytes = write_conversation(room, expected);
    int happened = 1;
    for (size_t at = 1; happened; at++) {
        struct fixture f;
        heap_fail_install();
        open_fixture(&f, 1 << 20);
        heap_fail_at(at, 0);
        for (size_t i = 0; i < nbytes; i += 40)
            drive_feed(&f.drive, room + i, nbytes - i < 40 ? nbytes - i : 40);
        happened = heap_fail_happened();
        heap_fail_at(0, 0);
        if (happened)
            (void)responses(&f); /* whole ones, as far as they go */
        else
            assert_string_equal(responses(&f), expected);
        close_fixture(&f);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
    }
}

static void values_end_when_they_are_told_to(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    static const struct {
        uint32_t expiration;
        uint64_t lasts_ms; /* 0: not at all; UINT64_MAX: for ever */
    } cases[] = {
        {0, UINT64_MAX},
        {1, 1000},
        {60 * 60 * 24 * 30, UINT64_C(2592000000)},
        {60 * 60 * 24 * 30 + 1, 0}, /* a time in 1970 */
    };
    uint64_t now_ms = NOW_MS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct turn set = {
            .opcode = OP(SET), .key = "k", .value = "v", .expiration = cases[i].expiration};
        const struct turn get = {.opcode = OP(GET_QUIET), .key = "k"};
        (void)ask(&f, &set);
        if (cases[i].lasts_ms == UINT64_MAX) {
            (void)store_maintain(f.store, now_ms += UINT64_C(100000000000), 1000);
            assert_string_not_equal(ask(&f, &get), "");
            continue;
        }
        if (cases[i].lasts_ms != 0) {
            (void)store_maintain(f.store, now_ms += cases[i].lasts_ms - 1, 1000);
            assert_string_not_equal(ask(&f, &get), "");
            (void)store_maintain(f.store, ++now_ms, 1000);
        }
        assert_string_equal(ask(&f, &get), "");
    }
    /* A time to come: in a hundred seconds, as far as this clock and that one agree. */
    const struct turn later = {
        .opcode = OP(SET), .key = "k", .value = "v", .expiration = (uint32_t)time(NULL) + 100};
    const struct turn get = {.opcode = OP(GET_QUIET), .key = "k"};
    (void)ask(&f, &later);
    (void)store_maintain(f.store, now_ms += 97000, 1000);
    assert_string_not_equal(ask(&f, &get), "");
    (void)store_maintain(f.store, now_ms += 4000, 1000);
    assert_string_equal(ask(&f, &get), "");
    close_fixture(&f);
}

static void a_flush_can_wait(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    const struct turn set = {.opcode = OP(SET), .key = "k", .value = "v"};
    const struct turn get = {.opcode = OP(GET_QUIET), .key = "k"};
    const struct turn flush = {.opcode = OP(FLUSH), .expiration = 10};
    (void)ask(&f, &set);
    assert_string_equal(ask(&f, &flush), "0\n");
    (void)store_maintain(f.store, NOW_MS + 9999, 1000);
    assert_string_not_equal(ask(&f, &get), "");
    (void)store_maintain(f.store, NOW_MS + 10000, 1000);
    assert_string_equal(ask(&f, &get), "");
    (void)ask(&f, &set);
    assert_string_not_equal(ask(&f, &get), "");
    close_fixture(&f);
}

/* What is no request, or asks for the impossible: what is said, and whether the connection ends. */
static void what_is_wrong_is_told_as_memcached_tells_it(void **state)
{
    (void)state;
    static const struct {
        const char *head; /* of 24 bytes */
        const char *rest;
        const char *out;
    } cases[] = {
        {"\x81\0\0\1\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0\0", "k", ""},
        {"\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0", "", "4 Invalid arguments\n"},
        {"\x80\0\0\1\0\0\0\0\0\0\0\2\0\0\0\7\0\0\0\0\0\0\0\0", "kv", "4 Invalid arguments\n"},
        {"\x80\0\0\1\4\0\0\0\0\0\0\5\0\0\0\7\0\0\0\0\0\0\0\0", "xxxxk", "4 Invalid arguments\n"},
        {"\x80\0\0\xfb\0\0\0\0\0\0\0\xfb\0\0\0\7\0\0\0\0\0\0\0\0", "", "4 Invalid arguments\n"},
        {"\x80\0\0\2\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0\0", "kk", "129 Unknown command\n"},
        {"\x80\1\0\1\x08\0\0\0\x01\0\0\x0a\0\0\0\7\0\0\0\0\0\0\0\0", "flagsexpk", "3 Too large.\n"},
        {"\x80\1\0\1\7\0\0\0\0\0\0\x09\0\0\0\7\0\0\0\0\0\0\0\0", "sevenbykv",
         "4 Invalid arguments\n"},
        {"\x80\x0a\0\1\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0\0", "k", "4 Invalid arguments\n"},
        {"\x80\x08\0\0\2\0\0\0\0\0\0\2\0\0\0\7\0\0\0\0\0\0\0\0", "xx", "4 Invalid arguments\n"},
        {"\x80\7\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0", "", "0\n"},
        {"\x80\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        open_fixture(&f, 1 << 20);
        drive_feed(&f.drive, (const uint8_t *)cases[i].head, 24);
        drive_feed(&f.drive, (const uint8_t *)cases[i].rest, strlen(cases[i].rest));
        if (f.drive.out.len != 0) {
            assert_int_equal(f.drive.out.data[1], (uint8_t)cases[i].head[1]);
            assert_int_equal(f.drive.out.data[15], 7); /* the request's own mark */
        }
        assert_string_equal(responses(&f), cases[i].out);
        assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
        close_fixture(&f);
    }
}

static void counts_are_told(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    for (size_t i = 0; i < CONVERSATION_COUNT; i++)
        (void)ask(&f, &conversation[i]);
    static const struct turn stat = {.opcode = OP(STAT)};
    static const struct turn settings = {.opcode = OP(STAT), .key = "settings"};
    static const char *const rows[] = {"key=cmd_get 14\n",   "key=get_hits 9\n",
                                       "key=get_misses 5\n", "key=curr_items 1\n",
                                       "key=cmd_flush 2\n",  "key=version "};
    char text[TEXT_NBYTES];
    (void)snprintf(text, sizeof text, "%s", ask(&f, &stat));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strstr(text, rows[i]) == NULL)
            fail_msg("'%s' is not in:\n%s", rows[i], text);
    }
    assert_string_equal(text + strlen(text) - 3, "\n0\n");
    assert_non_null(strstr(ask(&f, &settings), "key=item_size_max 16777216\n"));
    close_fixture(&f);
}

static void a_full_store_says_so(void **state)
{
    (void)state;
    const struct store_config config = {.hash_seed = 42, .now_ms = NOW_MS, .memory_max_nbytes = 1};
    struct fixture f;
    assert_int_equal(store_open(&config, &f.store), STORE_OK);
    f.env = (struct handler_env){.store = f.store, .output_high_nbytes = 1 << 20};
    drive_open(&f.drive, &handler_memcache, &f.env);
    static const struct turn set = {.opcode = OP(SET_QUIET), .key = "k", .value = "v"};
    static const struct turn count = {.opcode = OP(INCREMENT_QUIET), .key = "k"};
    assert_string_equal(ask(&f, &set), "130 Out of memory\n");
    assert_string_equal(ask(&f, &count), "130 Out of memory\n");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_answered),
        cmocka_unit_test(requests_are_answered_alike_however_they_are_cut),
        cmocka_unit_test(every_failing_allocation_closes_or_is_answered),
        cmocka_unit_test(values_end_when_they_are_told_to),
        cmocka_unit_test(a_flush_can_wait),
        cmocka_unit_test(what_is_wrong_is_told_as_memcached_tells_it),
        cmocka_unit_test(counts_are_told),
        cmocka_unit_test(a_full_store_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
