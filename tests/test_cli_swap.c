/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of a swap: all rows are staged before it, and a stage that is not swapped is closed.
 */
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

#define STAGE 7u

/* What the peer does, and what it was asked: one letter per request. */
struct world {
    bool occupied;         /* refuses the stage */
    unsigned refuse_at;    /* the row that is outside, from 1; 0: none */
    unsigned no_memory_at; /* the row that there is no memory for */
    unsigned hang_up_at;   /* the row at which it hangs up */
    bool swap_not_found;
    bool hang_up_at_swap;
    unsigned rows;
    uint64_t ttl_ms; /* of the last row */
    bool open;       /* the stage */
    char asked[256]; /* s(tage) p(ut) w: swap u(nstage) */
};

static void note(struct world *world, char letter)
{
    size_t n = strlen(world->asked);
    if (n + 1 < sizeof world->asked && !(letter == 'p' && n != 0 && world->asked[n - 1] == 'p'))
        world->asked[n] = letter;
}

static enum peer_next answer_row(struct world *world, const struct kv_request *request,
                                 struct cdx_out *out)
{
    const struct kv_written written = {.revision = 1};
    const struct kv_refusal outside = {.reason = KV_REASON_OUTSIDE};
    enum cdx_status encoded;
    note(world, 'p');
    assert(world->open && request->body.stage_put.stage == STAGE);
    world->ttl_ms = request->body.stage_put.ttl_ms;
    if (++world->rows == world->hang_up_at)
        return PEER_HANG_UP;
    if (world->rows == world->refuse_at)
        encoded = kv_stage_put_refused_encode(out, request->rid, &outside);
    else if (world->rows == world->no_memory_at)
        encoded = kv_stage_put_no_memory_encode(out, request->rid);
    else
        encoded = kv_stage_put_ok_encode(out, request->rid, &written);
    assert(encoded == CDX_OK);
    return PEER_GO_ON;
}

static enum peer_next answer_swap(struct world *world, const struct kv_request *request,
                                  struct cdx_out *out)
{
    const struct kv_swapped swapped = {.added = world->rows, .removed = 5, .revision = 9};
    note(world, 'w');
    assert(request->body.swap.stage == STAGE);
    if (world->hang_up_at_swap)
        return PEER_HANG_UP;
    if (world->swap_not_found)
        assert(kv_swap_not_found_encode(out, request->rid) == CDX_OK);
    else
        assert(kv_swap_ok_encode(out, request->rid, &swapped) == CDX_OK);
    world->open = false;
    return PEER_GO_ON;
}

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct world *world = arg;
    const struct kv_staged staged = {.stage = STAGE};
    const struct kv_refusal occupied = {.reason = KV_REASON_OCCUPIED};
    switch (request->type) {
    case KV_CALL_STAGE:
        note(world, 's');
        world->open = !world->occupied;
        if (world->occupied)
            assert(kv_stage_refused_encode(out, request->rid, &occupied) == CDX_OK);
        else
            assert(kv_stage_ok_encode(out, request->rid, &staged) == CDX_OK);
        return PEER_GO_ON;
    case KV_CALL_STAGE_PUT:
        return answer_row(world, request, out);
    case KV_CALL_SWAP:
        return answer_swap(world, request, out);
    default:
        assert(request->type == KV_CALL_UNSTAGE && request->body.unstage.stage == STAGE);
        note(world, 'u');
        world->open = false;
        assert(kv_unstage_ok_encode(out, request->rid) == CDX_OK);
        return PEER_GO_ON;
    }
}

static enum cli_exit swap(struct world *world, const char *line, bool json, char *printed,
                          struct cli_failure *failure)
{
    struct cli_run ran;
    enum cli_exit exit = cli_rig_run(answer, world, line, json, &ran);
    memcpy(printed, ran.printed, sizeof ran.printed);
    *failure = ran.failure;
    return exit;
}

static void rows_are_staged_and_swapped(void **state)
{
    static const char *const lines[] = {
        "swap -q /a rows",
        "swap -q /a --pipeline 1 rows",
        "swap /a -q rows --format tsv --pipeline 2 --ttl 5s",
    };
    static const char json[] =
        "{\"status\":\"ok\",\"key\":\"/a\",\"added\":3,\"removed\":5,"
        "\"revision\":9,\"keys\":3,";
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct world world = {0};
        struct cli_failure failure;
        char printed[512];
        folder_write("rows", "/a\t1\n\n/a/b\t2\n/a/c\t3\n");
        assert_int_equal(swap(&world, lines[i], false, printed, &failure), CLI_EXIT_DONE);
        assert_string_equal(printed, "added\t3\nremoved\t5\n");
        assert_string_equal(world.asked, "spw");
        assert_int_equal(world.ttl_ms, i == 2 ? 5000 : 0);
        world = (struct world){0};
        assert_int_equal(swap(&world, lines[i], true, printed, &failure), CLI_EXIT_DONE);
        assert_memory_equal(printed, json, sizeof json - 1);
    }
}

static void whatever_fails_the_stage_is_closed(void **state)
{
    static const struct {
        const char *rows;
        struct world world;
        enum cli_exit exit;
        const char *text, *asked;
    } cases[] = {
        {"/a\t1\nno tab\n/c\t3\n",
         {0},
         CLI_EXIT_LOCAL,
         "rows:2: expected KEY, a tab, VALUE; found no tab in 'no tab' (plain keys: --keys); "
         "nothing was changed",
         "spu"},
        {"/a\t1\n/b\t2\n/a/c\t3\n",
         {.refuse_at = 2},
         CLI_EXIT_REFUSED,
         "rows:2: the key is neither the one to be swapped nor below it; nothing was changed",
         "spu"},
        {"/a\t1\n/a/b\t2\n/a/c\t3\n",
         {.no_memory_at = 3},
         CLI_EXIT_REFUSED,
         "rows:3: the server has no memory for this write; nothing was changed",
         "spu"},
        {"\n\n",
         {0},
         CLI_EXIT_LOCAL,
         "there are no rows: expected --empty, to remove what is stored; nothing was changed",
         "su"},
        {"/a\t1\n",
         {.occupied = true},
         CLI_EXIT_REFUSED,
         "the server is about to swap other keys at, above or below this one, or as many as it "
         "takes at a time",
         "s"},
        {"/a\t1\n/a/b\t1\n",
         {.hang_up_at = 2},
         CLI_EXIT_UNREACHABLE,
         "the connection to the server ended: it was closed without an answer; nothing was changed",
         "sp"},
        {"/a\t1\n",
         {.hang_up_at_swap = true},
         CLI_EXIT_UNREACHABLE,
         "the connection to the server ended: it was closed without an answer; the swap may or "
         "may not have been carried out",
         "spw"},
        {"/a\t1\n",
         {.swap_not_found = true},
         CLI_EXIT_UNREACHABLE,
         "the connection to the server ended, and the new rows with it; nothing was changed",
         "spw"},
    };
    static const char *const lines[] = {"swap /a rows", "swap --pipeline 1 /a rows"};
    (void)state;
    for (size_t i = 0; i < COUNT(cases) * COUNT(lines); i++) {
        struct world world = cases[i / COUNT(lines)].world;
        struct cli_failure failure;
        char printed[512];
        folder_write("rows", cases[i / COUNT(lines)].rows);
        assert_int_equal(swap(&world, lines[i % COUNT(lines)], false, printed, &failure),
                         cases[i / COUNT(lines)].exit);
        assert_string_equal(failure.text, cases[i / COUNT(lines)].text);
        assert_string_equal(world.asked, cases[i / COUNT(lines)].asked);
        assert_string_equal(printed, "");
    }
}

static void nothing_is_asked_when_the_command_is_wrong(void **state)
{
    static const struct {
        const char *line;
        enum cli_exit exit;
    } cases[] = {
        {"swap /a nowhere", CLI_EXIT_LOCAL},
        {"swap /a rows --value x", CLI_EXIT_USAGE},
        {"swap /a rows --keys --format json", CLI_EXIT_USAGE},
    };
    (void)state;
    folder_write("rows", "/a\t1\n");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {0};
        struct cli_failure failure;
        char printed[512];
        assert_int_equal(swap(&world, cases[i].line, false, printed, &failure), cases[i].exit);
        assert_string_equal(world.asked, "");
    }
}

static void no_rows_are_swapped_when_that_is_wanted(void **state)
{
    (void)state;
    struct world world = {0};
    struct cli_failure failure;
    char printed[512];
    folder_write("rows", "");
    assert_int_equal(swap(&world, "swap -q --empty /a rows", false, printed, &failure),
                     CLI_EXIT_DONE);
    assert_string_equal(printed, "added\t0\nremoved\t5\n");
    assert_string_equal(world.asked, "sw");
}

static void every_failing_allocation_closes_the_stage(void **state)
{
    (void)state;
    folder_write(
        "rows", "{\"key\":\"/a\",\"value\":\"1\"}\n{\"key\":\"/a/b\",\"value_base64\":\"AAAA\"}\n");
    heap_fail_install();
    for (size_t n = 1;; n++) {
        struct world world = {0};
        struct cli_failure failure;
        char printed[512];
        /* The words of the command line are the test's own: not counted. */
        heap_fail_at(n + 1, 0);
        enum cli_exit exit = swap(&world, "swap -q /a rows", true, printed, &failure);
        bool happened = heap_fail_happened() != 0;
        heap_fail_at(0, 0);
        assert_int_equal(heap_fail_blocks(), 0);
        assert_false(world.open);
        if (!happened) {
            assert_int_equal(exit, CLI_EXIT_DONE);
            break;
        }
        assert_true(exit == CLI_EXIT_LOCAL || exit == CLI_EXIT_DONE);
    }
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(rows_are_staged_and_swapped),
        IN_FOLDER(whatever_fails_the_stage_is_closed),
        IN_FOLDER(nothing_is_asked_when_the_command_is_wrong),
        IN_FOLDER(no_rows_are_swapped_when_that_is_wanted),
        IN_FOLDER(every_failing_allocation_closes_the_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
