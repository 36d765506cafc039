/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of questions and of the commands made of them: right answers, and every wrong one. */
#include "cli_rig.h"
#include "heap_fail.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The answer of the peer to whatever is asked, as the frame's parts. */
struct world {
    uint8_t status;
    uint32_t rid_off; /* added to the request's RID */
    bool rid_zero;
    struct cdx_bytes key, val;
    unsigned rows; /* rows sent before it */
    bool hang_up;
    bool counts;        /* answers a count with 2 keys, whatever else it says */
    bool knows_no_scan; /* calls it malformed, and hangs up */
    uint8_t asked;      /* the call of the last request */
};

/* Requests that the peer answers otherwise than the world says. */
static bool answer_specially(const struct world *world, const struct kv_request *request,
                             struct cdx_out *out, enum peer_next *next)
{
    const struct kv_total total = {.keys = 2};
    *next = PEER_GO_ON;
    if (request->type == KV_CALL_COUNT && world->counts) {
        assert(kv_count_ok_encode(out, request->rid, &total) == CDX_OK);
        return true;
    }
    if (request->type != KV_CALL_SCAN || !world->knows_no_scan)
        return false;
    assert(kv_any_malformed_encode(out, 0, CDX_STR("type")) == CDX_OK);
    *next = PEER_HANG_UP;
    return true;
}

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct world *world = arg;
    uint32_t rid = world->rid_zero ? 0 : request->rid + world->rid_off;
    enum peer_next next;
    world->asked = request->type;
    if (answer_specially(world, request, out, &next))
        return next;
    for (unsigned i = 0; i < world->rows; i++)
        assert(kv_response_encode(out, KV_STATUS_ROW, rid, CDX_STR("/row"), CDX_STR("")) == CDX_OK);
    assert(kv_response_encode(out, world->status, rid, world->key, world->val) == CDX_OK);
    return world->hang_up ? PEER_HANG_UP : PEER_GO_ON;
}

/* One command against the peer; what it printed is in `printed`. */
static enum cli_exit run(struct world *world, const char *line, bool json, char *printed,
                         struct cli_failure *failure)
{
    struct cli_run ran;
    enum cli_exit exit = cli_rig_run(answer, world, line, json, &ran);
    /* A connection that broke the protocol is not used on. */
    assert_true(exit != CLI_EXIT_REFUSED || world->status == KV_STATUS_NO_MEMORY ||
                world->status == KV_STATUS_UNSUPPORTED || !ran.linked);
    memcpy(printed, ran.printed, sizeof ran.printed);
    *failure = ran.failure;
    return exit;
}

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static void right_answers_are_printed(void **state)
{
    static const struct {
        const char *line;
        uint8_t call;
        struct world world;
        enum cli_exit exit;
        const char *text, *json;
    } cases[] = {
        {"get /k",
         KV_CALL_GET,
         {.val = BYTES("v\n")},
         CLI_EXIT_DONE,
         "v\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"value\":\"v\\n\"}\n"},
        {"get --revision /k",
         KV_CALL_GETS,
         {.val = BYTES("\0\0\0\0\0\0\1\2v")},
         CLI_EXIT_DONE,
         "258\tv\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"value\":\"v\",\"revision\":258}\n"},
        {"get /k",
         KV_CALL_GET,
         {.status = KV_STATUS_NOT_FOUND},
         CLI_EXIT_NO,
         "",
         "{\"status\":\"not_found\",\"key\":\"/k\"}\n"},
        {"match --bytes /kx",
         KV_CALL_MATCH_BYTES,
         {.key = BYTES("/k"), .val = BYTES("v")},
         CLI_EXIT_DONE,
         "/k\tv\n",
         "{\"status\":\"ok\",\"path\":\"/kx\",\"key\":\"/k\",\"value\":\"v\"}\n"},
        {"match-all /row",
         KV_CALL_MATCH_ALL,
         {.val = BYTES("\0\0\0\1"), .rows = 1},
         CLI_EXIT_DONE,
         "/row\t\n",
         "{\"key\":\"/row\",\"value\":\"\"}\n"},
        {"put /k v",
         KV_CALL_PUT,
         {.val = BYTES("\0\0\0\0\0\0\0\7")},
         CLI_EXIT_DONE,
         "",
         "{\"status\":\"ok\",\"key\":\"/k\",\"revision\":7}\n"},
        {"put --revision --if-absent /k v",
         KV_CALL_PUT_IF,
         {.val = BYTES("\0\0\0\0\0\0\0\7")},
         CLI_EXIT_DONE,
         "7\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"revision\":7}\n"},
        {"put --if-absent /k v",
         KV_CALL_PUT_IF,
         {.status = KV_STATUS_CONFLICT, .val = BYTES("\0\0\0\0\0\0\0\5")},
         CLI_EXIT_NO,
         "",
         "{\"status\":\"conflict\",\"key\":\"/k\",\"revision\":5}\n"},
        {"delete /k",
         KV_CALL_DELETE,
         {.val = BYTES("\0\0\0\0\0\0\0\7")},
         CLI_EXIT_DONE,
         "",
         "{\"status\":\"ok\",\"key\":\"/k\",\"revision\":7}\n"},
        {"put --ttl 5s --revision /k v",
         KV_CALL_PUT_TTL,
         {.val = BYTES("\0\0\0\0\0\0\0\7")},
         CLI_EXIT_DONE,
         "7\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"revision\":7}\n"},
        {"put --ttl 5s --if-revision 3 --revision /k v",
         KV_CALL_BATCH,
         {.val = BYTES("\0\0\0\0\0\0\0\7\0\0\0\2")},
         CLI_EXIT_DONE,
         "7\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"revision\":7}\n"},
        {"delete --if-revision 3 /k",
         KV_CALL_BATCH,
         {.status = KV_STATUS_CONFLICT, .val = BYTES("\0\0\0\0\0\0\0\0\0\0\0\5")},
         CLI_EXIT_NO,
         "",
         "{\"status\":\"conflict\",\"key\":\"/k\",\"revision\":5}\n"},
        {"touch /k 1.5s",
         KV_CALL_TOUCH,
         {.val = BYTES("")},
         CLI_EXIT_DONE,
         "",
         "{\"status\":\"ok\",\"key\":\"/k\"}\n"},
        {"touch /k never",
         KV_CALL_TOUCH,
         {.status = KV_STATUS_NOT_FOUND},
         CLI_EXIT_NO,
         "",
         "{\"status\":\"not_found\",\"key\":\"/k\"}\n"},
        {"ttl /k",
         KV_CALL_TTL,
         {.val = BYTES("\0\0\0\0\0\0\x75\x2e")},
         CLI_EXIT_DONE,
         "29.998s\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"expires\":true,\"ttl_ms\":29998}\n"},
        {"ttl /k",
         KV_CALL_TTL,
         {.val = BYTES("\0\0\0\0\0\0\0\0")},
         CLI_EXIT_DONE,
         "never\n",
         "{\"status\":\"ok\",\"key\":\"/k\",\"expires\":false}\n"},
        {"ttl /k",
         KV_CALL_TTL,
         {.status = KV_STATUS_NOT_FOUND},
         CLI_EXIT_NO,
         "",
         "{\"status\":\"not_found\",\"key\":\"/k\"}\n"},
        {"drop --yes ''",
         KV_CALL_DROP,
         {.val = BYTES("\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\3")},
         CLI_EXIT_DONE,
         "3\n",
         "{\"status\":\"ok\",\"key\":\"\",\"keys\":3,\"revision\":7}\n"},
        {"count",
         KV_CALL_COUNT,
         {.val = BYTES("\0\0\0\0\0\0\0\3")},
         CLI_EXIT_DONE,
         "3\n",
         "{\"status\":\"ok\",\"key\":\"\",\"keys\":3}\n"},
        {"list --keys",
         KV_CALL_LIST,
         {.val = BYTES("\0\0\0\2\0"), .rows = 2},
         CLI_EXIT_DONE,
         "/row\n/row\n",
         "{\"key\":\"/row\"}\n{\"key\":\"/row\"}\n"},
        {"stats",
         KV_CALL_STATS,
         {.val = BYTES("\0\0\0\1"), .rows = 1},
         CLI_EXIT_DONE,
         "/row\t\n",
         "{\"/row\":\"\"}\n"},
        {"hello",
         KV_CALL_HELLO,
         {.val = BYTES("\0\1\0\2\0\0\20\0\0\0\0\1me")},
         CLI_EXIT_DONE,
         "server\tme\nprotocol\t1.2\nkey_max\t4096\nvalue_max\t1\n",
         "{\"status\":\"ok\",\"agent\":\"me\",\"major\":1,\"minor\":2,\"key_max\":4096,"
         "\"value_max\":1}\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = cases[i].world;
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(run(&world, cases[i].line, false, printed, &failure), cases[i].exit);
        assert_string_equal(printed, cases[i].text);
        assert_int_equal(world.asked, cases[i].call);
        assert_int_equal(run(&world, cases[i].line, true, printed, &failure), cases[i].exit);
        assert_string_equal(printed, cases[i].json);
    }
}

/* A line for every command that asks something. */
static const char *const lines[] = {
    "get /k",
    "get --revision /k",
    "match /k",
    "match --bytes /k",
    "match-all /k",
    "put /k v",
    "put --if-revision 1 /k v",
    "put --ttl 5s /k v",
    "put --ttl 5s --if-absent /k v",
    "delete --if-revision 1 /k",
    "touch /k 5s",
    "ttl /k",
    "swap /k /dev/null",
    "apply /dev/null",
    "delete /k",
    "drop --yes /k",
    "list",
    "children",
    "count",
    "stats",
    "ping --count 1",
    "hello",
    "dump -q",
};

static void refusals_are_told_by_every_command(void **state)
{
    static const struct {
        uint8_t status;
        const char *text;
    } cases[] = {
        {KV_STATUS_BUSY, "the server answered busy: 'why'"},
        {KV_STATUS_STOPPING, "the server answered stopping: 'why'"},
        {KV_STATUS_TIMEOUT, "the server answered timeout: 'why'"},
        {KV_STATUS_MALFORMED, "the server answered malformed: 'why'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        for (size_t c = 0; c < COUNT(cases); c++) {
            struct world world = {
                .status = cases[c].status,
                .val = BYTES("why"),
                .rid_zero = c % 2 != 0, /* both are allowed */
                .hang_up = true,
            };
            struct cli_failure failure;
            char printed[512];
            assert_int_equal(run(&world, lines[i], false, printed, &failure), CLI_EXIT_REFUSED);
            assert_string_equal(failure.text, cases[c].text);
        }
    }
}

static void answers_to_other_requests_are_told_by_every_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct world world = {.rid_off = 7};
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(run(&world, lines[i], false, printed, &failure), CLI_EXIT_REFUSED);
        assert_string_equal(failure.text, "expected the answer to request 1, got one to 8");
    }
}

static void bodies_that_are_none_are_told_by_every_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct world world = {.status = KV_STATUS_OK, .val = BYTES("x")};
        struct cli_failure failure;
        char printed[512];
        enum cli_exit exit = run(&world, lines[i], false, printed, &failure);
        /* These take any bytes, or look at no body. */
        if (strcmp(lines[i], "get /k") == 0 || strncmp(lines[i], "match", 5) == 0 ||
            strncmp(lines[i], "stats", 5) == 0 || strncmp(lines[i], "ping", 4) == 0 ||
            strncmp(lines[i], "touch", 5) == 0)
            continue;
        if (exit != CLI_EXIT_REFUSED)
            fail_msg("'%s' accepted a body of one byte", lines[i]);
        assert_memory_equal(failure.text, "the server's answer does not follow the protocol: ", 50);
    }
}

static void statuses_of_other_calls_are_told(void **state)
{
    static const struct {
        const char *line;
        uint8_t status;
        const char *text;
    } cases[] = {
        {"get /k", KV_STATUS_ROW, "the server answered row"},
        {"get /k", KV_STATUS_CONFLICT, "the server answered conflict"},
        {"put /k v", KV_STATUS_NOT_FOUND, "the server answered not_found"},
        {"count", KV_STATUS_UNSUPPORTED, "the server answered unsupported"},
        {"put /k v", KV_STATUS_NO_MEMORY, "the server has no memory for this write"},
        {"put --ttl 1s /k v", KV_STATUS_CONFLICT, "the server answered conflict"},
        {"put /k v", KV_STATUS_REFUSED, "the server answered refused"},
        {"delete --if-revision 1 /k", KV_STATUS_NOT_FOUND, "the server answered not_found"},
        {"delete --if-revision 1 /k", KV_STATUS_NO_MEMORY,
         "the server has no memory for this write"},
        {"touch /k 1s", KV_STATUS_CONFLICT, "the server answered conflict"},
        {"touch /k 1s", KV_STATUS_NO_MEMORY, "the server has no memory for this write"},
        {"ttl /k", KV_STATUS_ROW, "the server answered row"},
        {"swap /k /dev/null", KV_STATUS_NOT_FOUND, "the server answered not_found"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {.status = cases[i].status};
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(run(&world, cases[i].line, false, printed, &failure), CLI_EXIT_REFUSED);
        assert_string_equal(failure.text, cases[i].text);
    }
}

/* A dump, of a peer that knows the number of keys; what it asked last is in `world->asked`. */
static enum cli_exit dump(struct world *world, const char *line, struct cli_failure *failure)
{
    char path[] = "/tmp/caudex-test-XXXXXX";
    char command[128];
    char printed[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(command, sizeof command, "%s --output %s", line, path);
    enum cli_exit exit = run(world, command, false, printed, failure);
    unlink(path);
    return exit;
}

static void a_dump_is_one_scan_or_pages(void **state)
{
    static const struct {
        const char *line;
        struct world world;
        enum cli_exit exit;
        uint8_t asked;
        const char *text;
    } cases[] = {
        {"dump", {.val = BYTES("\0\0\0\0\0\0\0\2"), .rows = 2}, CLI_EXIT_DONE, KV_CALL_SCAN, ""},
        {"dump --pages", {.val = BYTES("\0\0\0\2\0"), .rows = 2}, CLI_EXIT_DONE, KV_CALL_LIST, ""},
        {"dump",
         {.val = BYTES("\0\0\0\2\0"), .rows = 2, .knows_no_scan = true},
         CLI_EXIT_DONE,
         KV_CALL_LIST,
         ""},
        {"dump",
         {.val = BYTES("\0\0\0\0\0\0\0\3"), .rows = 2},
         CLI_EXIT_REFUSED,
         KV_CALL_SCAN,
         "the server announced 3 rows but sent 2"},
        {"dump",
         {.status = KV_STATUS_TIMEOUT, .val = BYTES("slow"), .rows = 2},
         CLI_EXIT_REFUSED,
         KV_CALL_SCAN,
         "the server answered timeout: 'slow' (with --pages there is no such limit)"},
        {"dump",
         {.status = KV_STATUS_MALFORMED, .val = BYTES("what"), .rows = 2},
         CLI_EXIT_REFUSED,
         KV_CALL_SCAN,
         "the server answered malformed: 'what'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = cases[i].world;
        struct cli_failure failure;
        world.counts = true;
        assert_int_equal(dump(&world, cases[i].line, &failure), cases[i].exit);
        assert_string_equal(failure.text, cases[i].text);
        assert_int_equal(world.asked, cases[i].asked);
    }
}

static void a_page_that_promises_more_without_rows_ends(void **state)
{
    (void)state;
    struct world world = {.val = BYTES("\0\0\0\0\1")};
    struct cli_failure failure;
    char printed[512];
    assert_int_equal(run(&world, "list", false, printed, &failure), CLI_EXIT_REFUSED);
    assert_string_equal(failure.text, "the server announced more rows but sent none");
}

static void the_limit_ends_a_walk_that_would_go_on(void **state)
{
    (void)state;
    struct world world = {.val = BYTES("\0\0\0\2\1"), .rows = 2};
    struct cli_failure failure;
    char printed[512];
    assert_int_equal(run(&world, "list --keys --limit 4", false, printed, &failure), CLI_EXIT_DONE);
    assert_string_equal(printed, "/row\n/row\n/row\n/row\n");
}

static void versions_that_differ_are_told(void **state)
{
    (void)state;
    struct world world = {
        .status = KV_STATUS_UNSUPPORTED,
        .val = BYTES("\0\2\0\3\0\0\20\0\0\0\0\1me"),
    };
    struct cli_failure failure;
    char printed[512];
    assert_int_equal(run(&world, "hello", false, printed, &failure), CLI_EXIT_REFUSED);
    assert_string_equal(failure.text,
                        "the server speaks version 2.3 of the protocol, this caudex 1.0");
}

static void every_failing_allocation_ends_a_command_cleanly(void **state)
{
    static const struct {
        const char *line;
        struct world world;
    } cases[] = {
        {"get --escaped /\\\\x00", {.val = BYTES("v")}},
        {"match /k/x", {.key = BYTES("/k"), .val = BYTES("v")}},
        {"put /k v", {.val = BYTES("\0\0\0\0\0\0\0\7")}},
        {"list", {.val = BYTES("\0\0\0\2\0"), .rows = 2}},
        {"stats", {.val = BYTES("\0\0\0\1"), .rows = 1}},
        {"count", {.val = BYTES("\0\0\0\0\0\0\0\3")}},
        {"put --ttl 5s --if-absent /k v", {.val = BYTES("\0\0\0\0\0\0\0\7\0\0\0\2")}},
        {"touch /k 5s", {.val = BYTES("")}},
        {"ttl /k", {.val = BYTES("\0\0\0\0\0\0\0\7")}},
    };
    (void)state;
    heap_fail_install();
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t n = 2;; n++) { /* the first allocation is the test's own: its words */
            struct world world = cases[i].world;
            struct cli_failure failure;
            char printed[512];
            heap_fail_at(n, 0);
            enum cli_exit exit = run(&world, cases[i].line, n % 2 != 0, printed, &failure);
            bool happened = heap_fail_happened() != 0;
            heap_fail_at(0, 0);
            assert_int_equal(heap_fail_blocks(), 0);
            assert_true(exit == CLI_EXIT_DONE || (happened && exit == CLI_EXIT_LOCAL));
            if (!happened)
                break;
        }
    }
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_answers_are_printed),
        cmocka_unit_test(refusals_are_told_by_every_command),
        cmocka_unit_test(answers_to_other_requests_are_told_by_every_command),
        cmocka_unit_test(bodies_that_are_none_are_told_by_every_command),
        cmocka_unit_test(statuses_of_other_calls_are_told),
        cmocka_unit_test(a_dump_is_one_scan_or_pages),
        cmocka_unit_test(a_page_that_promises_more_without_rows_ends),
        cmocka_unit_test(the_limit_ends_a_walk_that_would_go_on),
        cmocka_unit_test(versions_that_differ_are_told),
        cmocka_unit_test(every_failing_allocation_ends_a_command_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
