/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of many puts under way: order of the answers, the window, refusals. */
#include "cli_store.h"

#include "peer.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TIMEOUT_NS 5000000000ull

/* What the peer does wrong, at which request (counted from 1); 0: nothing. */
struct world {
    unsigned refuse_at;
    unsigned hang_up_at;
    unsigned wrong_rid_at;
    unsigned stop_at;
    unsigned count;
};

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct world *world = arg;
    const struct kv_written written = {.revision = ++world->count};
    uint32_t rid = request->rid;
    if (world->count == world->hang_up_at)
        return PEER_HANG_UP;
    if (world->count == world->stop_at) {
        assert(kv_any_stopping_encode(out, 0, CDX_STR("bye")) == CDX_OK);
        return PEER_HANG_UP;
    }
    if (world->count == world->wrong_rid_at)
        rid++;
    if (world->count == world->refuse_at)
        assert(kv_put_no_memory_encode(out, rid) == CDX_OK);
    else
        assert(kv_put_ok_encode(out, rid, &written) == CDX_OK);
    return PEER_GO_ON;
}

/* What the storing's owner has seen. */
struct seen {
    uint32_t next; /* mark expected of the next answer */
    uint32_t refused;
    bool go_on;
};

static enum cli_exit on_stored(void *arg, const void *mark, enum cli_exit outcome,
                               struct cli_failure *failure)
{
    struct seen *seen = arg;
    uint32_t number;
    (void)failure;
    memcpy(&number, mark, sizeof number);
    assert_int_equal(number, seen->next);
    seen->next++;
    if (outcome != CLI_EXIT_DONE)
        seen->refused++;
    return seen->go_on ? CLI_EXIT_DONE : outcome;
}

/* Stores `count` rows through a window; returns how it ended. */
static enum cli_exit store_rows(struct world *world, struct seen *seen, uint32_t count,
                                uint32_t window, struct cli_failure *failure)
{
    struct peer peer;
    struct cli_link link;
    struct cli_store store;
    enum cli_exit exit = CLI_EXIT_DONE;
    peer_open(&peer, answer, world);
    cli_link_init(&link);
    assert_int_equal(cli_link_open(&link, peer.address, TIMEOUT_NS, failure), CLI_EXIT_DONE);
    assert_true(cli_store_init(&store, &link, window, sizeof(uint32_t), on_stored, seen));
    for (uint32_t i = 0; i < count && exit == CLI_EXIT_DONE; i++) {
        exit = cli_store_put(&store, CDX_STR("/key"), CDX_STR("value"), &i, failure);
        assert_null(cli_store_check(&store));
    }
    if (exit == CLI_EXIT_DONE)
        exit = cli_store_finish(&store, failure);
    assert_true(exit != CLI_EXIT_DONE || store.open == 0);
    cli_store_free(&store);
    cli_link_close(&link);
    peer_close(&peer);
    return exit;
}

static void marks_come_back_in_order(void **state)
{
    static const uint32_t windows[] = {1, 2, 7, 1000};
    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct world world = {0};
        struct seen seen = {0};
        struct cli_failure failure;
        assert_int_equal(store_rows(&world, &seen, 3000, windows[i], &failure), CLI_EXIT_DONE);
        assert_int_equal(seen.next, 3000);
        assert_int_equal(world.count, 3000);
    }
}

static void a_refused_row_ends_it_or_not_as_the_owner_says(void **state)
{
    (void)state;
    struct world world = {.refuse_at = 50};
    struct seen stops = {0};
    struct seen goes_on = {.go_on = true};
    struct cli_failure failure;
    assert_int_equal(store_rows(&world, &stops, 500, 10, &failure), CLI_EXIT_REFUSED);
    assert_string_equal(failure.text, "the server has no memory for this write");
    assert_int_equal(stops.next, 50);
    world = (struct world){.refuse_at = 50};
    assert_int_equal(store_rows(&world, &goes_on, 500, 10, &failure), CLI_EXIT_DONE);
    assert_int_equal(goes_on.next, 500);
    assert_int_equal(goes_on.refused, 1);
}

static void broken_connections_end_it_with_what_was_stored_known(void **state)
{
    static const struct {
        struct world world;
        enum cli_exit exit;
        uint32_t stored;
        const char *text;
    } cases[] = {
        {{.hang_up_at = 100}, CLI_EXIT_UNREACHABLE, 99, "the connection to the server ended: "},
        {{.wrong_rid_at = 100},
         CLI_EXIT_REFUSED,
         99,
         "expected the answer to request 100, got one to 101"},
        {{.stop_at = 100}, CLI_EXIT_REFUSED, 99, "the server answered stopping: 'bye'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = cases[i].world;
        struct seen seen = {0};
        struct cli_failure failure;
        assert_int_equal(store_rows(&world, &seen, 500, 16, &failure), cases[i].exit);
        assert_int_equal(seen.next, cases[i].stored);
        assert_memory_equal(failure.text, cases[i].text, strlen(cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_come_back_in_order),
        cmocka_unit_test(a_refused_row_ends_it_or_not_as_the_owner_says),
        cmocka_unit_test(broken_connections_end_it_with_what_was_stored_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
