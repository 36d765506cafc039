/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the progress line and the summary. */
#include "cli_progress.h"

#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SECOND 1000000000ull

static void the_line_tells_share_counts_rate_and_time_left(void **state)
{
    static const struct {
        struct cli_progress_state state;
        uint64_t elapsed_ns;
        const char *expected;
    } cases[] = {
        {{.unit = "keys", .keys = 1200000, .nbytes = 75300000, .done = 46, .total = 100},
         2 * SECOND,
         "[#########...........]  46 %  1.20M keys  75.3MB  600k keys/s  0:02 left"},
        {{.unit = "keys", .keys = 500, .nbytes = 1}, SECOND, "500 keys  1B  500 keys/s"},
        {{.unit = "requests", .keys = 10, .done = 1, .total = 2},
         SECOND / 2,
         "[##########..........]  50 %  10 requests  20 requests/s"},
        {{.unit = "keys", .keys = 100, .done = 100, .total = 100},
         10 * SECOND,
         "[####################] 100 %  100 keys  10 keys/s  0:00 left"},
        /* A resumed load: only what this run did tells its pace. */
        {{.unit = "keys", .keys = 10, .done = 60, .before = 50, .total = 100},
         10 * SECOND,
         "[############........]  60 %  10 keys  1 keys/s  0:40 left"},
        {{.unit = "keys", .keys = 1, .done = 1, .total = 10000},
         SECOND,
         "[....................]   0 %  1 keys  1 keys/s  2:46:39 left"},
        {{.unit = "keys", .done = 300, .total = 200},
         SECOND,
         "[####################] 100 %  0 keys  0 keys/s  0:00 left"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_buf out = {0};
        cli_progress_render(&out, &cases[i].state, cases[i].elapsed_ns, 200);
        cli_buf_byte(&out, 0);
        assert_string_equal((const char *)out.data, cases[i].expected);
        cli_buf_free(&out);
    }
}

static void the_line_is_cut_to_the_terminal(void **state)
{
    const struct cli_progress_state at = {.unit = "keys", .keys = 5, .done = 1, .total = 2};
    (void)state;
    for (size_t columns = 0; columns < 60; columns++) {
        struct cli_buf out = {0};
        cli_buf_text(&out, "before");
        cli_progress_render(&out, &at, SECOND, columns);
        assert_true(out.len - 6 <= columns);
        cli_buf_free(&out);
    }
}

static void it_is_drawn_in_place_and_only_now_and_then(void **state)
{
    const struct cli_progress_state at = {.unit = "keys", .keys = 5};
    (void)state;
    int ends[2];
    char text[512];
    struct cli_progress progress;
    assert_int_equal(pipe(ends), 0);
    cli_progress_init(&progress, ends[1], SECOND);
    cli_progress_update(&progress, &at, SECOND + CLI_PROGRESS_PERIOD_NS - 1);
    assert_false(progress.visible);
    for (uint64_t i = 0; i < CLI_PROGRESS_PERIOD_NS; i += 1000000)
        cli_progress_update(&progress, &at, SECOND + CLI_PROGRESS_PERIOD_NS + i);
    assert_true(progress.visible);
    cli_progress_clear(&progress);
    cli_progress_clear(&progress);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    assert_string_equal(text, "\r\033[K5 keys  50 keys/s\r\033[K");
    close(ends[0]);
    close(ends[1]);
    /* Without a terminal nothing is drawn. */
    cli_progress_init(&progress, -1, 0);
    cli_progress_update(&progress, &at, 10 * SECOND);
    assert_false(progress.visible);
}

static void the_summary_is_one_line(void **state)
{
    const struct cli_progress_state at = {.unit = "keys", .keys = 1000, .nbytes = 45000};
    (void)state;
    struct cli_buf out = {0};
    cli_progress_summary(&out, &at, 2 * SECOND);
    cli_buf_byte(&out, 0);
    assert_string_equal((const char *)out.data, "1000 keys, 45.0kB in 2.00 s (500 keys/s)");
    cli_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_tells_share_counts_rate_and_time_left),
        cmocka_unit_test(the_line_is_cut_to_the_terminal),
        cmocka_unit_test(it_is_drawn_in_place_and_only_now_and_then),
        cmocka_unit_test(the_summary_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
