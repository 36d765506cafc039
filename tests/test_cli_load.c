/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of a load that meets refusals: what it says is stored is stored, and no more. */
#include "cli.h"
#include "cli_file.h"

#include "cli_rig.h"
#include "folder.h"
#include "heap_fail.h"
#include <assert.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The peer has no memory for the value "no", and keeps the keys of all others. */
struct world {
    unsigned stored;
    char last[64];
};

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct world *world = arg;
    const struct kv_written written = {.revision = 1};
    assert(request->type == KV_CALL_PUT);
    if (cdx_bytes_equal(request->val, CDX_STR("no"))) {
        assert(kv_put_no_memory_encode(out, request->rid) == CDX_OK);
        return PEER_GO_ON;
    }
    world->stored++;
    snprintf(world->last, sizeof world->last, "%.*s", (int)request->key.len,
             (const char *)request->key.data);
    assert(kv_put_ok_encode(out, request->rid, &written) == CDX_OK);
    return PEER_GO_ON;
}

/* `caudex --json load LINE`; the summary that it prints goes to `printed`. */
static enum cli_exit load(struct world *world, const char *line, char *printed)
{
    struct cli_run ran;
    enum cli_exit exit = cli_rig_run(answer, world, line, true, &ran);
    memcpy(printed, ran.printed, sizeof ran.printed);
    return exit;
}

static void assert_checkpoint(uint64_t line)
{
    struct cli_checkpoint at;
    struct cli_failure failure;
    assert_int_equal(cli_checkpoint_read("cp", "rows", &at, &failure), CLI_EXIT_DONE);
    assert_int_equal(at.line, line);
}

static void a_refused_row_is_not_passed_over(void **state)
{
    static const char *const windows[] = {"1", "2", "1000"};
    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct world world = {0};
        char printed[512];
        char line[128];
        unlink("cp");
        folder_write("rows", "/1\ta\n/2\ta\n/3\tno\n/4\ta\n/5\tno\n/6\ta\n");
        snprintf(line, sizeof line, "load --checkpoint cp --pipeline %s rows", windows[i]);
        assert_int_equal(load(&world, line, printed), CLI_EXIT_REFUSED);
        /* Rows behind it may be stored, but the load goes on at the refused one. */
        assert_checkpoint(2);
        assert_non_null(strstr(printed, "\"status\":\"error\""));
        assert_non_null(strstr(printed, "\"last_line\":2"));
        folder_write("rows", "/1\ta\n/2\ta\n/3\ta\n/4\ta\n/5\ta\n/6\ta\n");
        world = (struct world){0};
        assert_int_equal(load(&world, line, printed), CLI_EXIT_DONE);
        assert_int_equal(world.stored, 4);
        assert_int_not_equal(access("cp", F_OK), 0);
    }
}

static void a_wrong_row_stops_after_those_before_it(void **state)
{
    (void)state;
    struct world world = {0};
    char printed[512];
    folder_write("rows", "/1\ta\n\n/3\ta\nwrong\n/5\ta\n");
    assert_int_equal(load(&world, "load --checkpoint cp rows", printed), CLI_EXIT_LOCAL);
    assert_int_equal(world.stored, 2);
    assert_checkpoint(3);
}

static void a_wrong_row_behind_a_refused_one_does_not_hide_it(void **state)
{
    (void)state;
    struct world world = {0};
    char printed[512];
    folder_write("rows", "/1\ta\n/2\tno\n/3\ta\nwrong\n");
    assert_int_equal(load(&world, "load --checkpoint cp rows", printed), CLI_EXIT_LOCAL);
    assert_checkpoint(1);
}

static void keep_going_counts_both_kinds(void **state)
{
    (void)state;
    struct world world = {0};
    char printed[512];
    folder_write("rows", "/1\ta\n/2\tno\nwrong\n/4\ta\n");
    enum cli_exit exit = load(&world, "load --keep-going --checkpoint cp rows", printed);
    assert_true(exit == CLI_EXIT_REFUSED || exit == CLI_EXIT_LOCAL);
    assert_int_equal(world.stored, 2);
    assert_string_equal(world.last, "/4");
    assert_non_null(strstr(printed, "\"keys\":2"));
    assert_non_null(strstr(printed, "\"bad\":2"));
    assert_non_null(strstr(printed, "\"last_line\":4"));
    assert_int_not_equal(access("cp", F_OK), 0);
}

static void nothing_to_load_is_done(void **state)
{
    static const char *const texts[] = {"", "\n", "\n\n\n"};
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct world world = {0};
        char printed[512];
        folder_write("rows", texts[i]);
        assert_int_equal(load(&world, "load rows", printed), CLI_EXIT_DONE);
        assert_int_equal(world.stored, 0);
    }
}

static void every_failing_allocation_ends_it_cleanly(void **state)
{
    (void)state;
    folder_write("rows",
                 "{\"key\":\"/1\",\"value\":\"a\"}\n{\"key\":\"/2\",\"value_base64\":\"AAAA\"}\n");
    heap_fail_install();
    for (size_t n = 1;; n++) {
        struct world world = {0};
        char printed[512];
        /* The words of the command line are the test's own: not counted. */
        heap_fail_at(n + 1, 0);
        enum cli_exit exit = load(&world, "load rows", printed);
        bool happened = heap_fail_happened() != 0;
        heap_fail_at(0, 0);
        assert_int_equal(heap_fail_blocks(), 0);
        if (!happened) {
            assert_int_equal(exit, CLI_EXIT_DONE);
            assert_int_equal(world.stored, 2);
            break;
        }
        assert_true(exit == CLI_EXIT_LOCAL || exit == CLI_EXIT_DONE);
    }
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_refused_row_is_not_passed_over),
        IN_FOLDER(a_wrong_row_stops_after_those_before_it),
        IN_FOLDER(a_wrong_row_behind_a_refused_one_does_not_hide_it),
        IN_FOLDER(keep_going_counts_both_kinds),
        IN_FOLDER(nothing_to_load_is_done),
        IN_FOLDER(every_failing_allocation_ends_it_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
