/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of batches: what is sent, whose line is blamed, and that nothing is sent in error. */
#include "cli_ops.h"

#include "cli_rig.h"
#include "folder.h"
#include "heap_fail.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the peer answers to a batch, and what the last one held: a word per request. */
struct world {
    uint8_t status;
    uint32_t index;
    uint64_t revision;
    uint8_t reason;
    unsigned batches;
    char requests[1024];
};

static void note_request(struct world *world, const struct kv_request *request)
{
    size_t at = strlen(world->requests);
    char *to = world->requests + at;
    size_t room = sizeof world->requests - at;
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)request->key.len, (const char *)request->key.data);
    switch (request->type) {
    case KV_CALL_PUT:
        snprintf(to, room, "put %s=%.*s;", key, (int)request->val.len,
                 (const char *)request->val.data);
        break;
    case KV_CALL_PUT_IF:
        snprintf(to, room, "put_if %s@%llu=%.*s;", key,
                 (unsigned long long)request->body.put_if.revision,
                 (int)request->body.put_if.value.len,
                 (const char *)request->body.put_if.value.data);
        break;
    case KV_CALL_PUT_TTL:
        snprintf(to, room, "put_ttl %s+%llu=%.*s;", key,
                 (unsigned long long)request->body.put_ttl.ttl_ms,
                 (int)request->body.put_ttl.value.len,
                 (const char *)request->body.put_ttl.value.data);
        break;
    default:
        snprintf(to, room, "%s %s;", request->type == KV_CALL_DELETE ? "delete" : "drop", key);
        break;
    }
}

static void note_batch(struct world *world, struct cdx_bytes frames)
{
    struct kv_request_parser parser;
    struct cdx_spill spill;
    struct kv_request request;
    const uint8_t *next = frames.data;
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill);
    world->batches++;
    world->requests[0] = 0;
    while (frames.len != 0 &&
           kv_request_feed(&parser, &spill, &next, frames.data + frames.len, &request) == CDX_OK)
        note_request(world, &request);
    assert(frames.len == 0 || next == frames.data + frames.len);
    assert(kv_request_is_between(&parser));
    cdx_spill_free(&spill);
}

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct world *world = arg;
    const struct kv_batched batched = {.revision = world->revision, .writes = 1};
    const struct kv_mismatch mismatch = {.index = world->index, .revision = world->revision};
    const struct kv_misfit misfit = {.index = world->index, .reason = world->reason};
    assert(request->type == KV_CALL_BATCH);
    note_batch(world, request->val);
    if (world->status == KV_STATUS_CONFLICT)
        assert(kv_batch_conflict_encode(out, request->rid, &mismatch) == CDX_OK);
    else if (world->status == KV_STATUS_REFUSED)
        assert(kv_batch_refused_encode(out, request->rid, &misfit) == CDX_OK);
    else if (world->status == KV_STATUS_NO_MEMORY)
        assert(kv_batch_no_memory_encode(out, request->rid) == CDX_OK);
    else
        assert(kv_batch_ok_encode(out, request->rid, &batched) == CDX_OK);
    return PEER_GO_ON;
}

/* A command line against the peer; what it printed is in `printed`. */
static enum cli_exit run(struct world *world, const char *line, bool json, char *printed,
                         struct cli_failure *failure)
{
    struct cli_run ran;
    enum cli_exit exit = cli_rig_run(answer, world, line, json, &ran);
    memcpy(printed, ran.printed, sizeof ran.printed);
    *failure = ran.failure;
    return exit;
}

/* `apply` of a file with that text. */
static enum cli_exit apply(struct world *world, const char *text, bool json, char *printed,
                           struct cli_failure *failure)
{
    folder_write("writes", text);
    return run(world, "apply --revision writes", json, printed, failure);
}

static void every_write_is_the_request_that_it_would_be_alone(void **state)
{
    static const struct {
        const char *text, *requests;
    } cases[] = {
        {"put /a 1\n", "put /a=1;"},
        {"# a comment\n\nput '/a b' \"1\\t2\"   # another\ndelete /c", "put /a b=1\t2;delete /c;"},
        {"put --if-absent /a 1\nput --if-revision 7 /b 2", "put_if /a@0=1;put_if /b@7=2;"},
        {"put /a 1 --ttl 5s\ndrop /b\ndrop --yes ''\n", "put_ttl /a+5000=1;drop /b;drop ;"},
        {"put --ttl 1ms --if-revision 3 /a 1\n", "put_if /a@3=;put_ttl /a+1=1;"},
        {"del --if-revision 3 /a\n", "put_if /a@3=;delete /a;"},
        {"put -e /a '\\x41'\nput /b '\\x41'\n", "put /a=A;put /b=\\x41;"},
        {"put /a --file value\n", "put /a=content;"},
        {"put '' ''\n", "put =;"},
        {"", ""},
    };
    (void)state;
    folder_write("value", "content");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {.revision = 42};
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(apply(&world, cases[i].text, false, printed, &failure), CLI_EXIT_DONE);
        assert_string_equal(world.requests, cases[i].requests);
        assert_string_equal(printed, "42\n");
        assert_int_equal(world.batches, 1);
    }
    struct world world = {.revision = 42};
    struct cli_failure failure;
    char printed[512];
    assert_int_equal(apply(&world, "put /a 1\ndel --if-revision 3 /b\n", true, printed, &failure),
                     CLI_EXIT_DONE);
    assert_string_equal(printed, "{\"status\":\"ok\",\"writes\":2,\"revision\":42}\n");
}

static void a_wrong_line_is_named_and_nothing_is_sent(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"put /a 1\nput /b\n", "writes:2: expected KEY VALUE, got 1 argument"},
        {"\n\nget /a\n", "writes:3: expected put, delete or drop"},
        {"apply writes", "writes:1: expected put, delete or drop"},
        {"--json", "writes:1: expected put, delete or drop"},
        {"put /a 1\nptu /a 1\n", "writes:2: unknown command 'ptu'; did you mean 'put'?"},
        {"put /a 'x\n", "writes:1: the line ends inside quotes or after a backslash"},
        {"put /a \\q\n",
         "writes:1: at its byte 8: expected \\t, \\n, \\r, \\\\ or \\xNN after a "
         "backslash"},
        {"put --revision /a 1", "writes:1: put: --revision is not for a batch"},
        {"delete --server x:1 /a", "writes:1: delete: --server is not for a batch"},
        {"put /a 1 --ttl x",
         "writes:1: --ttl: expected a time like 250ms, 1.5s or 2m, from 1.00 ms to 3600000000 s, "
         "got 'x'"},
        {"drop ''", "writes:1: the empty key means the whole store: expected --yes with it"},
        {"put /a --file nowhere", "writes:1: 'nowhere': cannot open: No such file or directory"},
        {"put /a 1 --if-absent --if-revision 3",
         "writes:1: expected --if-absent or --if-revision, got both"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {0};
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(apply(&world, cases[i].text, false, printed, &failure), CLI_EXIT_LOCAL);
        assert_string_equal(failure.text, cases[i].message);
        assert_string_equal(printed, "");
        assert_int_equal(world.batches, 0);
    }
}

static void the_line_of_the_write_that_failed_is_named(void **state)
{
    static const char text[] = "put /a 1\n\nput --if-revision 3 --ttl 1s /b 1\ndelete /c\n";
    static const struct {
        struct world world;
        enum cli_exit exit;
        const char *message, *json;
    } cases[] = {
        {{.status = KV_STATUS_CONFLICT, .index = 1, .revision = 7},
         CLI_EXIT_NO,
         "writes:3: '/b' has revision 7; nothing was changed",
         "{\"status\":\"conflict\",\"line\":3,\"key\":\"/b\",\"revision\":7}\n"},
        {{.status = KV_STATUS_CONFLICT, .index = 2},
         CLI_EXIT_NO,
         "writes:3: '/b' is not stored; nothing was changed",
         "{\"status\":\"conflict\",\"line\":3,\"key\":\"/b\",\"revision\":0}\n"},
        {{.status = KV_STATUS_REFUSED, .index = 3, .reason = KV_REASON_TOO_MANY},
         CLI_EXIT_REFUSED,
         "writes:4: with this write the batch has more than the server takes; nothing was changed",
         ""},
        {{.status = KV_STATUS_REFUSED, .index = 0, .reason = KV_REASON_UNFIT},
         CLI_EXIT_REFUSED,
         "writes:1: the server does not take this write in a batch; nothing was changed",
         ""},
        {{.status = KV_STATUS_NO_MEMORY},
         CLI_EXIT_REFUSED,
         "the server has no memory for this write",
         ""},
        {{.status = KV_STATUS_CONFLICT, .index = 4},
         CLI_EXIT_REFUSED,
         "the server's answer is about write 5 of a batch of 4",
         ""},
        {{.status = KV_STATUS_REFUSED, .index = UINT32_MAX, .reason = KV_REASON_UNFIT},
         CLI_EXIT_REFUSED,
         "the server's answer is about write 4294967296 of a batch of 4",
         ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = cases[i].world;
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(apply(&world, text, false, printed, &failure), cases[i].exit);
        assert_string_equal(failure.text, cases[i].message);
        assert_string_equal(printed, "");
        assert_int_equal(apply(&world, text, true, printed, &failure), cases[i].exit);
        assert_string_equal(printed, cases[i].json);
    }
}

static void a_single_write_with_two_conditions_is_a_batch(void **state)
{
    (void)state;
    struct world world = {.revision = 9};
    struct cli_failure failure;
    char printed[512];
    assert_int_equal(
        run(&world, "put --revision --if-absent --ttl 2s /k v", false, printed, &failure),
        CLI_EXIT_DONE);
    assert_string_equal(printed, "9\n");
    assert_string_equal(world.requests, "put_if /k@0=;put_ttl /k+2000=v;");
    world = (struct world){.status = KV_STATUS_CONFLICT, .revision = 9};
    assert_int_equal(run(&world, "delete --if-revision 8 /k", false, printed, &failure),
                     CLI_EXIT_NO);
    assert_string_equal(failure.text, "'/k' has revision 9");
    assert_string_equal(world.requests, "put_if /k@8=;delete /k;");
}

static void a_batch_above_the_protocols_limit_is_not_built(void **state)
{
    struct cli_ops ops = {.line = 1};
    struct cli_failure failure;
    size_t nbytes = KV_VALUE_NBYTES_MAX / 2;
    uint8_t *value = calloc(1, nbytes);
    (void)state;
    assert_non_null(value);
    assert_int_equal(
        cli_ops_put(&ops, CDX_STR("/a"), cdx_bytes_of(value, nbytes), NULL, 0, &failure),
        CLI_EXIT_DONE);
    assert_null(cli_ops_check(&ops));
    size_t len = ops.frames.len;
    assert_int_equal(
        cli_ops_put(&ops, CDX_STR("/b"), cdx_bytes_of(value, nbytes), NULL, 0, &failure),
        CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "with this write the batch has more than 16777216 bytes");
    assert_int_equal(ops.frames.len, len);
    assert_null(cli_ops_check(&ops));
    assert_int_equal(ops.count, 1);
    cli_ops_free(&ops);
    free(value);
}

static void every_failing_allocation_ends_it_cleanly(void **state)
{
    (void)state;
    folder_write("writes", "put --escaped /a 1\\x00\nput --if-absent --ttl 1s /b 1\ndelete /c\n");
    heap_fail_install();
    for (size_t n = 1;; n++) {
        struct world world = {0};
        struct cli_failure failure;
        char printed[512];
        /* The words of the command line are the test's own: not counted. */
        heap_fail_at(n + 1, 0);
        enum cli_exit exit = run(&world, "apply writes", true, printed, &failure);
        bool happened = heap_fail_happened() != 0;
        heap_fail_at(0, 0);
        assert_int_equal(heap_fail_blocks(), 0);
        if (!happened) {
            assert_int_equal(exit, CLI_EXIT_DONE);
            assert_int_equal(world.batches, 1);
            break;
        }
        assert_true(exit == CLI_EXIT_LOCAL || exit == CLI_EXIT_DONE);
        /* A batch that lacks a write must not be sent. */
        assert_true(world.batches == 0 || strstr(world.requests, "delete /c;") != NULL);
    }
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(every_write_is_the_request_that_it_would_be_alone),
        IN_FOLDER(a_wrong_line_is_named_and_nothing_is_sent),
        IN_FOLDER(the_line_of_the_write_that_failed_is_named),
        IN_FOLDER(a_single_write_with_two_conditions_is_a_batch),
        IN_FOLDER(a_batch_above_the_protocols_limit_is_not_built),
        IN_FOLDER(every_failing_allocation_ends_it_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
