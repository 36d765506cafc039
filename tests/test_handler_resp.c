/* SPDX-License-Identifier: Apache-2.0 */
/* The resp handler without a network: bytes in, bytes out, however they are cut. */
#include "drive.h"
#include "handler.h"
#include "heap_fail.h"
#include "store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One piece of a conversation, as it goes over the connection. */
struct turn {
    const char *in;
    const char *out;
};

/* Inline commands are short to read; arrays are in the pipeline too. */
static const struct turn conversation[] = {
    {"PING\r\n", "+PONG\r\n"},
    {"*1\r\n$4\r\nping\r\n", "+PONG\r\n"},
    {"*3\r\n$3\r\nSET\r\n$4\r\n/img\r\n$5\r\ncdn-a\r\n", "+OK\r\n"},
    {"*2\r\n$3\r\nGET\r\n$4\r\n/img\r\n", "$5\r\ncdn-a\r\n"},
    {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "$-1\r\n"},
    {"*0\r\n", ""},
    {"*-1\r\n", ""},
    {"\r\n", ""},
    {"  \n", ""},
    {"SET /img/cats \"cdn b\"\n", "+OK\r\n"},
    {"GET /img/cats\r\n", "$5\r\ncdn b\r\n"},
    {"LPM /img/cats/1.jpg\r\n", "*2\r\n$9\r\n/img/cats\r\n$5\r\ncdn b\r\n"},
    {"*2\r\n$3\r\nLPM\r\n$5\r\n/imgs\r\n", "*-1\r\n"},
    {"LPMALL /img/cats/1.jpg\r\n",
     "*2\r\n*2\r\n$4\r\n/img\r\n$5\r\ncdn-a\r\n*2\r\n$9\r\n/img/cats\r\n$5\r\ncdn b\r\n"},
    {"CHILDREN /img\r\n", "*1\r\n*3\r\n$9\r\n/img/cats\r\n:1\r\n:1\r\n"},
    {"KEYS /img/*\r\n", "*1\r\n$9\r\n/img/cats\r\n"},
    {"KEYS *\r\n", "*2\r\n$4\r\n/img\r\n$9\r\n/img/cats\r\n"},
    {"SCAN 0 MATCH *cats\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$9\r\n/img/cats\r\n"},
    {"MGET /img none /img/cats\r\n", "*3\r\n$5\r\ncdn-a\r\n$-1\r\n$5\r\ncdn b\r\n"},
    {"DBSIZE\r\n", ":2\r\n"},
    {"SET n 41 PX 1000\r\n", "+OK\r\n"},
    {"INCR n\r\n", ":42\r\n"},
    {"PTTL n\r\n", ":1000\r\n"},
    {"APPEND n 0\r\n", ":3\r\n"},
    {"GETEX n PERSIST\r\n", "$3\r\n420\r\n"},
    {"TTL n\r\n", ":-1\r\n"},
    {"SET n 1 GET\r\n", "$3\r\n420\r\n"},
    {"SET n 2 NX\r\n", "$-1\r\n"},
    {"GETDEL n\r\n", "$1\r\n1\r\n"},
    {"MSET a 1 b 2 c 3\r\n", "+OK\r\n"},
    {"MSETNX d 4 a 5\r\n", ":0\r\n"},
    {"EXISTS a b d a\r\n", ":3\r\n"},
    {"DEL a none b\r\n", ":2\r\n"},
    {"EXPIRE c 100 XX\r\n", ":0\r\n"},
    {"EXPIRE c -1\r\n", ":1\r\n"},
    {"EXISTS c\r\n", ":0\r\n"},
    {"DROP /img\r\n", ":2\r\n"},
    {"RANDOMKEY\r\n", "$-1\r\n"},
    {"SET x\r\n", "-ERR wrong number of arguments for 'set' command\r\n"},
    {"*2\r\n$3\r\nfoo\r\n$2\r\n\r\n\r\n",
     "-ERR unknown command 'foo', with args beginning with: '  ' \r\n"},
    {"CLIENT foo\r\n", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"},
    {"CLIENT SETNAME me\r\n", "+OK\r\n"},
    {"CLIENT GETNAME\r\n", "$2\r\nme\r\n"},
    {"RESET\r\n", "+RESET\r\n"},
    {"CLIENT GETNAME\r\n", "$-1\r\n"},
    {"CONFIG GET save maxmemory\r\n",
     "*4\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$4\r\nsave\r\n$0\r\n\r\n"},
    {"INFO keyspace\r\n", "$12\r\n# Keyspace\r\n\r\n"},
    {"HELLO 3\r\n", "-NOPROTO unsupported protocol version\r\n"},
    {"SET k v\r\n", "+OK\r\n"},
    /* the latest end there is: rounded, the sum overflowed */
    {"PEXPIREAT k 9223372036854775807\r\n", ":1\r\n"},
    {"EXPIRETIME k\r\n", ":9223372036854776\r\n"},
    {"FLUSHALL\r\n", "+OK\r\n"},
    {"GET k\r\n", "$-1\r\n"},
};
#define CONVERSATION_COUNT (sizeof conversation / sizeof conversation[0])

/* ---- a server of one connection ---- */

struct fixture {
    struct store *store;
    struct handler_env env;
    struct drive drive;
};

static void open_fixture(struct fixture *f, size_t output_high)
{
    const struct store_config config = {.hash_seed = 42, .now_ms = 1000};
    assert_int_equal(store_open(&config, &f->store), STORE_OK);
    f->env = (struct handler_env){.store = f->store, .output_high_nbytes = output_high};
    drive_open(&f->drive, &handler_resp, &f->env);
}

static void close_fixture(struct fixture *f)
{
    drive_close(&f->drive);
    assert_null(store_check(f->store));
    store_close(f->store);
}

static void feed(struct fixture *f, const char *text)
{
    drive_feed(&f->drive, (const uint8_t *)text, strlen(text));
}

/* The answers so far are `expected`; they are forgotten. */
static void assert_answer(struct fixture *f, const char *expected)
{
    size_t n = strlen(expected);
    if (f->drive.out.len != n || (n != 0 && memcmp(f->drive.out.data, expected, n) != 0))
        print_error("%.*s instead of %s\n", (int)f->drive.out.len, (const char *)f->drive.out.data,
                    expected);
    assert_int_equal(f->drive.out.len, n);
    if (n != 0)
        assert_memory_equal(f->drive.out.data, expected, n);
    drive_clear(&f->drive);
}

static void each_command_is_answered(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        feed(&f, conversation[i].in);
        assert_answer(&f, conversation[i].out);
        assert_int_equal(f.drive.verdict, HANDLER_CONTINUE);
    }
    close_fixture(&f);
}

/* ---- splits ---- */

static char pipeline[8192];
static char expected[8192];

static int setup_pipeline(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        strcat(pipeline, conversation[i].in);
        strcat(expected, conversation[i].out);
    }
    return 0;
}

static void feed_in_pieces(struct fixture *f, size_t first, size_t others)
{
    size_t n = strlen(pipeline);
    for (size_t at = 0, piece = first; at < n; at += piece, piece = others) {
        if (piece > n - at)
            piece = n - at;
        drive_feed(&f->drive, (const uint8_t *)pipeline + at, piece);
    }
}

enum { CUT_NBYTES = 97 };

/* Every place of the pipeline is where one of the runs cuts it. */
static void a_pipeline_is_answered_alike_at_every_split(void **state)
{
    (void)state;
    for (size_t first = 1; first <= CUT_NBYTES; first++) {
        struct fixture f;
        open_fixture(&f, 1 << 20);
        feed_in_pieces(&f, first, CUT_NBYTES);
        assert_answer(&f, expected);
        assert_int_equal(f.drive.class->incomplete(f.drive.session), 0);
        close_fixture(&f);
    }
}

static void a_pipeline_is_answered_alike_byte_by_byte(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    feed_in_pieces(&f, 1, 1);
    assert_answer(&f, expected);
    close_fixture(&f);
}

static void a_full_output_defers_the_rest_and_loses_nothing(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 2, 13, 64, 200, 1000};
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        for (size_t first = 1; first <= CUT_NBYTES; first += 5) {
            struct fixture f;
            open_fixture(&f, limits[l]);
            feed_in_pieces(&f, first, first % 2 == 0 ? CUT_NBYTES : sizeof pipeline);
            assert_answer(&f, expected);
            assert_true(limits[l] > 200 || f.drive.turns > 2);
            close_fixture(&f);
        }
    }
}

static void mistakes_are_told_after_what_was_before_them_was_answered(void **state)
{
    (void)state;
    static const struct turn cases[] = {
        {"PING\r\n*abc\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"},
        {"PING\r\n*1048577\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"},
        {"*2\r\n$4\r\nPING\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$16777217\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"PING\r\nECHO \"x\r\nPING\r\n",
         "+PONG\r\n-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].in);
        for (size_t cut = 0; cut <= n; cut++) {
            struct fixture f;
            open_fixture(&f, 1 << 20);
            drive_feed(&f.drive, (const uint8_t *)cases[i].in, cut);
            drive_feed(&f.drive, (const uint8_t *)cases[i].in + cut, n - cut);
            assert_answer(&f, cases[i].out);
            assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
            close_fixture(&f);
        }
    }
}

static void lines_without_an_end_are_bounded(void **state)
{
    (void)state;
    static const struct turn cases[] = {
        {"", "-ERR Protocol error: too big inline request\r\n"},
        {"*", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$", "-ERR Protocol error: invalid bulk length\r\n"},
    };
    enum { LINE = 70000 };
    static uint8_t line[LINE];
    memset(line, '1', sizeof line);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1000; piece <= LINE; piece += LINE - 1000) {
            struct fixture f;
            open_fixture(&f, 1 << 20);
            feed(&f, cases[i].in);
            for (size_t at = 0; at < LINE; at += piece)
                drive_feed(&f.drive, line, piece < LINE - at ? piece : LINE - at);
            assert_answer(&f, cases[i].out);
            assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
            close_fixture(&f);
        }
    }
}

/* ---- memory ---- */

static void a_failing_allocation_loses_no_memory_and_sends_nothing_in_part(void **state)
{
    (void)state;
    size_t half = strlen(pipeline) / 2;
    for (size_t n = 1;; n++) {
        struct fixture f;
        heap_fail_install();
        open_fixture(&f, 1 << 20);
        heap_fail_at(n, 0);
        drive_feed(&f.drive, (const uint8_t *)pipeline, half);
        drive_feed(&f.drive, (const uint8_t *)pipeline + half, strlen(pipeline) - half);
        int happened = heap_fail_happened();
        heap_fail_at(0, 0);
        bool told = f.drive.out.len > 4 && memmem(f.drive.out.data, f.drive.out.len, "-OOM ", 5);
        bool same = f.drive.out.len == strlen(expected) &&
                    memcmp(f.drive.out.data, expected, f.drive.out.len) == 0;
        assert_true(same || (happened && (told || f.drive.verdict == HANDLER_CLOSE)));
        close_fixture(&f);
        assert_int_equal(heap_fail_blocks(), 0);
        heap_fail_remove();
        if (!happened)
            break;
    }
}

/* ---- long answers ---- */

enum { MANY = 2500 };

static void put(struct fixture *f, const char *key, uint64_t expires_ms)
{
    const struct store_put_options options = {.expires_ms = expires_ms};
    uint64_t revision;
    store_write_begin(f->store);
    assert_int_equal(store_put_with(f->store, cdx_cstr(key), CDX_STR("v"), &options, &revision),
                     STORE_OK);
    store_write_end(f->store);
}

/* Every third ends at 5000 ms. */
static void put_many(struct fixture *f)
{
    for (unsigned i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof key, "/k/%04u", i);
        put(f, key, i % 3 == 0 ? 5000 : 0);
    }
}

/* One turn with this input: how much of it is done with. */
static size_t turn(struct fixture *f, const char *input)
{
    struct drive *d = &f->drive;
    size_t consumed = 0;
    d->class->turn_begin(d->handler);
    assert_true(d->class->accept(d->handler, d->session, cdx_cstr(input)));
    d->class->prefetch(d->handler);
    d->verdict = d->class->answer(d->handler, d->session, &d->out, &consumed);
    d->class->turn_end(d->handler);
    return consumed;
}

static size_t count_of(const struct fixture *f, const char *text)
{
    size_t count = 0;
    const uint8_t *at = f->drive.out.data, *end = at + f->drive.out.len;
    while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
        at += strlen(text);
        count++;
    }
    return count;
}

static void rows_that_end_while_the_answer_goes_on_are_null(void **state)
{
    (void)state;
    static const struct {
        const char *command, *head, *row, *null;
    } cases[] = {
        {"KEYS *\r\n", "*2500\r\n", "$7\r\n/k/", "$-1\r\n"},
        {"CHILDREN /k\r\n", "*2500\r\n", "$7\r\n/k/", "*-1\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        size_t turns = 1;
        open_fixture(&f, 1 << 20);
        put_many(&f);
        assert_int_equal(turn(&f, cases[i].command), strlen(cases[i].command) - 1);
        while (f.drive.out.len == 0) { /* the rows are counted */
            assert_int_equal(turn(&f, "\n"), 0);
            turns++;
        }
        (void)store_maintain(f.store, 6000, 0);
        while (turn(&f, "\n") == 0)
            turns++;
        assert_true(turns > 3);
        assert_memory_equal(f.drive.out.data, cases[i].head, strlen(cases[i].head));
        assert_int_equal(count_of(&f, cases[i].row) + count_of(&f, cases[i].null), MANY);
        assert_true(count_of(&f, cases[i].null) > 100);
        close_fixture(&f);
    }
}

static void what_is_written_meanwhile_is_not_in_the_answer(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    put_many(&f);
    assert_int_equal(turn(&f, "KEYS *\r\n"), 7);
    put(&f, "/a", 0);
    put(&f, "/z", 0);
    while (turn(&f, "\n") == 0)
        put(&f, "/k/00001", 0);
    assert_int_equal(count_of(&f, "$7\r\n/k/"), MANY);
    assert_int_equal(count_of(&f, "$"), MANY);
    close_fixture(&f);
}

static void all_values_on_the_way_to_a_path_are_answered_over_many_turns(void **state)
{
    (void)state;
    enum { DEPTH = 150 };
    struct fixture f;
    static char key[2 * DEPTH + 1], command[2 * DEPTH + 64];
    open_fixture(&f, 50);
    for (size_t i = 0; i < DEPTH; i++) {
        memcpy(key + 2 * i, "/x", 3);
        put(&f, key, 0);
    }
    snprintf(command, sizeof command, "LPMALL %s/y\r\n", key);
    feed(&f, command);
    assert_int_equal(count_of(&f, "*2\r\n$"), DEPTH);
    assert_int_equal(count_of(&f, "\r\n$1\r\nv\r\n"), DEPTH);
    assert_true(f.drive.turns > DEPTH / 4);
    close_fixture(&f);
}

static void too_many_long_answers_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct store_reader *reader;
    struct store_snapshot *snapshots[STORE_SNAPSHOTS_MAX];
    open_fixture(&f, 1 << 20);
    put_many(&f);
    assert_int_equal(store_reader_open(f.store, &reader), STORE_OK);
    store_read_begin(reader);
    for (size_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        assert_int_equal(store_snapshot_open(reader, &snapshots[i]), STORE_OK);
    store_read_end(reader);
    feed(&f, "KEYS *\r\nPING\r\n");
    assert_answer(&f, "-BUSY too many long answers at a time\r\n+PONG\r\n");
    assert_int_equal(f.drive.verdict, HANDLER_CONTINUE);
    for (size_t i = 0; i < STORE_SNAPSHOTS_MAX; i++)
        store_snapshot_close(f.store, snapshots[i]);
    store_reader_close(reader);
    close_fixture(&f);
}

static void an_answer_that_takes_too_long_ends(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1 << 20);
    put_many(&f);
    /* while its rows are counted: with an error */
    assert_int_equal(turn(&f, "KEYS *\r\n"), 7);
    (void)store_maintain(f.store, 1000 + 60001, 0);
    assert_int_equal(turn(&f, "\n"), 1);
    assert_answer(&f, "-ERR the answer took too long\r\n");
    assert_int_equal(f.drive.verdict, HANDLER_CONTINUE);
    /* when a part is sent: with the connection */
    assert_int_equal(turn(&f, "KEYS *\r\n"), 7);
    while (f.drive.out.len == 0)
        assert_int_equal(turn(&f, "\n"), 0);
    (void)store_maintain(f.store, 200000, 0);
    (void)turn(&f, "\n");
    assert_int_equal(f.drive.verdict, HANDLER_CLOSE);
    close_fixture(&f);
}

static void a_connection_that_ends_lets_its_answer_go(void **state)
{
    (void)state;
    struct fixture f;
    struct store_reader *reader;
    struct store_stats stats;
    open_fixture(&f, 1 << 20);
    put_many(&f);
    assert_int_equal(turn(&f, "KEYS *\r\n"), 7);
    f.drive.class->session_end(f.drive.handler, f.drive.session);
    f.drive.class->session_start(f.drive.handler, f.drive.session);
    assert_int_equal(store_reader_open(f.store, &reader), STORE_OK);
    store_read_begin(reader);
    store_read_stats(reader, &stats);
    store_read_end(reader);
    assert_int_equal(stats.snapshots, 0);
    store_reader_close(reader);
    close_fixture(&f);
}

static void a_list_of_clients_that_is_too_long_is_an_error(void **state)
{
    (void)state;
    enum { COUNT = 20000, NAME = 256 };
    struct fixture f;
    char name[NAME + 1] = {0}, command[4 * NAME];
    open_fixture(&f, 1 << 20);
    struct drive *d = &f.drive;
    void *first = d->session;
    uint8_t *others = calloc(COUNT, d->class->session_nbytes);
    assert_non_null(others);
    memset(name, 'n', NAME);
    snprintf(command, sizeof command,
             "CLIENT SETNAME %s\r\nCLIENT SETINFO LIB-NAME %s\r\nCLIENT SETINFO LIB-VER %s\r\n",
             name, name, name);
    for (size_t i = 0; i < COUNT; i++) {
        d->session = others + i * d->class->session_nbytes;
        d->class->session_start(d->handler, d->session);
        feed(&f, command);
        drive_clear(d);
    }
    d->session = first;
    feed(&f, "CLIENT LIST\r\nPING\r\n");
    assert_answer(&f, "-ERR answer is longer than 16777216 bytes\r\n+PONG\r\n");
    for (size_t i = 0; i < COUNT; i++)
        d->class->session_end(d->handler, others + i * d->class->session_nbytes);
    free(others);
    close_fixture(&f);
}

/* ---- writes of many keys ---- */

/* A command with the words `key:N` of many keys, each with `value` behind it unless that is NULL.
 */
static char *command_of_many(const char *name, size_t count, const char *value)
{
    size_t len = 0, room = 64 + count * (32 + (value != NULL ? strlen(value) : 0));
    char *text = malloc(room);
    assert_non_null(text);
    len += (size_t)sprintf(text, "*%zu\r\n$%zu\r\n%s\r\n", 1 + count * (value != NULL ? 2 : 1),
                           strlen(name), name);
    for (size_t i = 0; i < count; i++) {
        len += (size_t)sprintf(text + len, "$10\r\nkey:%06zu\r\n", i);
        if (value != NULL)
            len += (size_t)sprintf(text + len, "$%zu\r\n%s\r\n", strlen(value), value);
    }
    assert_true(len < room);
    return text;
}

static void feed_many(struct fixture *f, const char *name, size_t count, const char *value)
{
    char *text = command_of_many(name, count, value);
    feed(f, text);
    free(text);
}

static void many_writes_that_do_not_fit_all_change_nothing(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct fixture f;
    open_fixture(&f, 1 << 20);
    feed_many(&f, "MSET", 1, "old");
    assert_answer(&f, "+OK\r\n");
    for (size_t kib = 16; kib < 256; kib += 16) {
        static const char oom[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        assert_int_equal(store_limit(f.store, kib << 10, false, cdx_empty()), STORE_OK);
        feed_many(&f, "MSET", COUNT, "0123456789012345678901234567890123456789012345678901234567");
        assert_answer(&f, oom);
        feed_many(&f, "MSETNX", COUNT - 1, "v");
        assert_answer(&f, ":0\r\n");
        feed(&f, "DBSIZE\r\nGET key:000000\r\n");
        assert_answer(&f, ":1\r\n$3\r\nold\r\n");
    }
    close_fixture(&f);
}

static void many_writes_without_memory_change_nothing(void **state)
{
    (void)state;
    enum { COUNT = 1500 };
    static const char *const names[] = {"MSET", "DEL"};
    for (size_t c = 0; c < sizeof names / sizeof names[0]; c++) {
        bool writes = c == 0;
        size_t failures = 0;
        for (size_t n = 1, happened = 1; happened != 0; n++) {
            struct fixture f;
            char keys[32];
            heap_fail_install();
            open_fixture(&f, 1 << 20);
            feed_many(&f, "MSET", writes ? 1 : COUNT, "old");
            drive_clear(&f.drive);
            heap_fail_at(n, 0);
            feed_many(&f, names[c], COUNT, writes ? "new" : NULL);
            happened = (size_t)heap_fail_happened();
            heap_fail_at(0, 0);
            bool done = f.drive.out.len != 0 && f.drive.out.data[0] != '-';
            failures += !done;
            drive_close(&f.drive);
            drive_open(&f.drive, &handler_resp, &f.env);
            feed(&f, "DBSIZE\r\n");
            snprintf(keys, sizeof keys, ":%d\r\n", writes == done ? COUNT : writes ? 1 : 0);
            assert_answer(&f, keys);
            close_fixture(&f);
            heap_fail_remove();
        }
        assert_true(failures > 2);
    }
}

/* ---- notices ---- */

static void only_those_notices_are_sent_that_redis_sends(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const texts[] = {
        [HANDLER_NOTICE_BUSY] = "-ERR max number of clients reached\r\n",
        [HANDLER_NOTICE_IDLE] = "",
        [HANDLER_NOTICE_SLOW] = "-ERR a command is too long, or took too long to arrive\r\n",
        [HANDLER_NOTICE_STOPPING] = "",
    };
    open_fixture(&f, 1 << 20);
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct handler_output out = {0};
        handler_resp.notice(f.drive.handler, NULL, (enum handler_notice)i, &out);
        assert_int_equal(out.len, strlen(texts[i]));
        if (out.len != 0)
            assert_memory_equal(out.data, texts[i], out.len);
        handler_output_free(&out);
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_answered),
        cmocka_unit_test(a_pipeline_is_answered_alike_at_every_split),
        cmocka_unit_test(a_pipeline_is_answered_alike_byte_by_byte),
        cmocka_unit_test(a_full_output_defers_the_rest_and_loses_nothing),
        cmocka_unit_test(mistakes_are_told_after_what_was_before_them_was_answered),
        cmocka_unit_test(lines_without_an_end_are_bounded),
        cmocka_unit_test(a_failing_allocation_loses_no_memory_and_sends_nothing_in_part),
        cmocka_unit_test(rows_that_end_while_the_answer_goes_on_are_null),
        cmocka_unit_test(what_is_written_meanwhile_is_not_in_the_answer),
        cmocka_unit_test(all_values_on_the_way_to_a_path_are_answered_over_many_turns),
        cmocka_unit_test(too_many_long_answers_are_refused),
        cmocka_unit_test(a_list_of_clients_that_is_too_long_is_an_error),
        cmocka_unit_test(many_writes_that_do_not_fit_all_change_nothing),
        cmocka_unit_test(many_writes_without_memory_change_nothing),
        cmocka_unit_test(an_answer_that_takes_too_long_ends),
        cmocka_unit_test(a_connection_that_ends_lets_its_answer_go),
        cmocka_unit_test(only_those_notices_are_sent_that_redis_sends),
    };
    return cmocka_run_group_tests_name("handler_resp", tests, setup_pipeline, NULL);
}
