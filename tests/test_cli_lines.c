/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of reading lines: however the bytes arrive, the lines are the same. */
#include "cli_lines.h"

#include "heap_fail.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A constant view: CDX_STR is a call. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

/* A pipe that a thread fills in pieces of `piece` bytes. */
struct feeder {
    int ends[2];
    const char *bytes;
    size_t len;
    size_t piece;
    pthread_t thread;
};

static void *feed(void *arg)
{
    struct feeder *feeder = arg;
    for (size_t done = 0; done < feeder->len;) {
        size_t n = feeder->len - done < feeder->piece ? feeder->len - done : feeder->piece;
        ssize_t written = write(feeder->ends[1], feeder->bytes + done, n);
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    close(feeder->ends[1]);
    return NULL;
}

static void feeder_start(struct feeder *feeder, const char *bytes, size_t len, size_t piece)
{
    *feeder = (struct feeder){.bytes = bytes, .len = len, .piece = piece};
    assert_int_equal(pipe(feeder->ends), 0);
    assert_int_equal(pthread_create(&feeder->thread, NULL, feed, feeder), 0);
}

static void feeder_stop(struct feeder *feeder)
{
    close(feeder->ends[0]);
    pthread_join(feeder->thread, NULL);
}

static void lines_do_not_depend_on_how_bytes_arrive(void **state)
{
    static const char text[] = "one\n\nthree\0x\n  four  \nlast";
    static const struct cdx_bytes expected[] = {BYTES("one"), BYTES(""), BYTES("three\0x"),
                                                BYTES("  four  "), BYTES("last")};
    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct feeder feeder;
        struct cli_lines lines;
        struct cdx_bytes line;
        struct cdx_bytes peeked;
        feeder_start(&feeder, text, sizeof text - 1, piece);
        cli_lines_init(&lines, feeder.ends[0], 10, 100);
        uint64_t offset = 100;
        for (size_t i = 0; i < COUNT(expected); i++) {
            assert_int_equal(cli_lines_peek(&lines, &peeked), CDX_OK);
            assert_true(cdx_bytes_equal(peeked, expected[i]));
            assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
            assert_true(cdx_bytes_equal(line, expected[i]));
            offset += expected[i].len + (i + 1 < COUNT(expected));
            assert_null(cli_lines_check(&lines));
            assert_int_equal(lines.line, 11 + i);
            assert_int_equal(lines.offset, offset);
        }
        assert_int_equal(cli_lines_next(&lines, &line), CDX_CLOSED);
        assert_int_equal(cli_lines_next(&lines, &line), CDX_CLOSED);
        assert_int_equal(lines.line, 15);
        cli_lines_free(&lines);
        feeder_stop(&feeder);
    }
}

static void lines_longer_than_a_read_are_whole(void **state)
{
    (void)state;
    size_t n = 3 * CLI_LINES_READ_NBYTES + 17;
    char *text = malloc(n + 3);
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text + n, "\ny\n", 3);
    struct feeder feeder;
    struct cli_lines lines;
    struct cdx_bytes line;
    feeder_start(&feeder, text, n + 3, 65536);
    cli_lines_init(&lines, feeder.ends[0], 0, 0);
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_true(cdx_bytes_equal(line, cdx_bytes_of(text, n)));
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_true(cdx_bytes_equal(line, CDX_STR("y")));
    cli_lines_free(&lines);
    feeder_stop(&feeder);
    free(text);
}

static void the_limit_is_inclusive_and_final(void **state)
{
    (void)state;
    struct feeder feeder;
    struct cli_lines lines;
    struct cdx_bytes line;
    feeder_start(&feeder, "abcd\nabcde\nx\n", 13, 13);
    cli_lines_init(&lines, feeder.ends[0], 0, 0);
    lines.line_max = 4;
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_int_equal(line.len, 4);
    assert_int_equal(cli_lines_next(&lines, &line), CDX_TOO_LONG);
    assert_int_equal(lines.line, 2);
    cli_lines_free(&lines);
    feeder_stop(&feeder);
}

static void system_and_memory_errors_are_told(void **state)
{
    (void)state;
    struct cli_lines lines;
    struct cdx_bytes line;
    cli_lines_init(&lines, -1, 0, 0);
    assert_int_equal(cli_lines_next(&lines, &line), CDX_SYSTEM);
    assert_int_equal(lines.error, EBADF);
    cli_lines_free(&lines);

    heap_fail_install();
    struct feeder feeder;
    feeder_start(&feeder, "a\n", 2, 2);
    cli_lines_init(&lines, feeder.ends[0], 0, 0);
    heap_fail_at(1, 0);
    assert_int_equal(cli_lines_next(&lines, &line), CDX_NO_MEMORY);
    cli_lines_free(&lines);
    feeder_stop(&feeder);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void ready_says_whether_a_line_must_be_waited_for(void **state)
{
    (void)state;
    int ends[2];
    struct cli_lines lines;
    struct cdx_bytes line;
    assert_int_equal(pipe(ends), 0);
    cli_lines_init(&lines, ends[0], 0, 0);
    assert_false(cli_lines_ready(&lines));
    assert_int_equal(write(ends[1], "a\nb\nc", 5), 5);
    assert_true(cli_lines_ready(&lines));
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_true(cli_lines_ready(&lines));
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_false(cli_lines_ready(&lines));
    close(ends[1]);
    assert_true(cli_lines_ready(&lines));
    assert_int_equal(cli_lines_next(&lines, &line), CDX_OK);
    assert_true(cli_lines_ready(&lines));
    assert_int_equal(cli_lines_next(&lines, &line), CDX_CLOSED);
    cli_lines_free(&lines);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_do_not_depend_on_how_bytes_arrive),
        cmocka_unit_test(lines_longer_than_a_read_are_whole),
        cmocka_unit_test(the_limit_is_inclusive_and_final),
        cmocka_unit_test(system_and_memory_errors_are_told),
        cmocka_unit_test(ready_says_whether_a_line_must_be_waited_for),
    };
    signal(SIGPIPE, SIG_IGN); /* some tests stop reading before the feeder has written all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
