/* SPDX-License-Identifier: Apache-2.0 */
/* Feeding one input in many different pieces. */
#include "split.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What is left in a piece's memory when it has been fed. */
#define DESTROYED 0xa5

/* One run: the parser's state moves from block to block. */
struct run {
    const struct split_parser *parser;
    const struct guard *guard;
    void *state;
    struct cdx_spill spill;
    struct split_log log;
    enum cdx_status status;
};

/* ---- the log ---- */

static void reserve(struct split_log *log, size_t n)
{
    if (n <= log->cap - log->len)
        return;
    log->cap = (log->len + n) * 2;
    log->text = realloc(log->text, log->cap);
    assert_non_null(log->text);
}

void split_print(struct split_log *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert_true(n >= 0);
    reserve(log, (size_t)n + 1);
    va_start(args, format);
    (void)vsnprintf(log->text + log->len, (size_t)n + 1, format, args);
    va_end(args);
    log->len += (size_t)n;
}

void split_print_bytes(struct split_log *log, const char *name, struct cdx_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    split_print(log, " %s=", name);
    reserve(log, bytes.len * 2 + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        log->text[log->len++] = digits[bytes.data[i] >> 4];
        log->text[log->len++] = digits[bytes.data[i] & 15];
    }
    log->text[log->len] = '\0';
}

void split_log_free(struct split_log *log)
{
    free(log->text);
    *log = (struct split_log){0};
}

/* ---- one run ---- */

static void *new_state(const struct split_parser *parser)
{
    void *state = malloc(parser->nbytes);
    assert_non_null(state);
    return state;
}

static struct run run_open(const struct split_parser *parser, const struct guard *guard)
{
    struct run r = {.parser = parser, .guard = guard, .state = new_state(parser)};
    r.status = CDX_MORE;
    parser->init(r.state);
    cdx_spill_init(&r.spill);
    split_print(&r.log, "%s", "");
    return r;
}

static void check(const struct run *r)
{
    const char *broken = r->parser->check(r->state, &r->spill);
    if (broken != NULL)
        fail_msg("invariant: %s", broken);
}

/* The state at another address, the old one destroyed: it must not point into itself. */
static void move_state(struct run *r)
{
    void *state = new_state(r->parser);
    memcpy(state, r->state, r->parser->nbytes);
    memset(r->state, DESTROYED, r->parser->nbytes);
    free(r->state);
    r->state = state;
}

static void feed_piece(struct run *r, const uint8_t *bytes, size_t n)
{
    uint8_t *piece = guard_place(r->guard, bytes, n);
    const uint8_t *next = piece;
    const uint8_t *const end = piece + n;
    const uint64_t before = r->parser->offset(r->state);
    do {
        r->status = r->parser->feed(r->state, &r->spill, &next, end, &r->log);
        assert_true(next >= piece && next <= end);
        assert_int_equal(r->parser->offset(r->state), before + (uint64_t)(next - piece));
        check(r);
    } while (r->status == CDX_OK);
    if (r->status == CDX_MORE)
        assert_ptr_equal(next, end);
    memset(piece, DESTROYED, n);
    move_state(r);
}

/* An error is final: the same answer again, and nothing is taken. */
static void expect_sticky(struct run *r)
{
    uint8_t byte = 0;
    const uint8_t *next = &byte;
    assert_int_equal(r->parser->feed(r->state, &r->spill, &next, &byte + 1, &r->log), r->status);
    assert_ptr_equal(next, &byte);
}

/* The last line: why the stream stopped. */
static void log_end(struct run *r)
{
    struct cdx_parse_error error;
    r->parser->error(r->state, &error);
    if (r->status == CDX_MORE) {
        const char *field;
        const size_t need = r->parser->need(r->state, &field);
        assert_null(error.reason);
        split_print(&r->log, "more need=%zu field=%s%s\n", need, field,
                    r->parser->is_between(r->state) ? " between" : "");
        return;
    }
    assert_false(r->parser->is_between(r->state));
    expect_sticky(r);
    split_print(&r->log, "error offset=%llu field=%s: %s\n", (unsigned long long)error.offset,
                error.field, error.reason);
}

/* Gives back all but the log. */
static struct split_log run_close(struct run *r)
{
    log_end(r);
    free(r->state);
    cdx_spill_free(&r->spill);
    return r->log;
}

/* Feeds input[from, to), unless the run has failed already. */
static void feed_range(struct run *r, struct cdx_bytes input, size_t from, size_t to)
{
    if (r->status == CDX_MORE)
        feed_piece(r, input.data + from, to - from);
}

/* ---- many runs ---- */

static void expect_equal(const struct split_log *expected, struct split_log actual, const char *how,
                         size_t first, size_t second)
{
    if (strcmp(expected->text, actual.text) != 0)
        fail_msg("%s (%zu, %zu)\n--- whole\n%s--- cut\n%s", how, first, second, expected->text,
                 actual.text);
    split_log_free(&actual);
}

static struct split_log cut_twice(const struct split_parser *parser, const struct guard *guard,
                                  struct cdx_bytes input, size_t first, size_t second)
{
    struct run r = run_open(parser, guard);
    feed_range(&r, input, 0, first);
    feed_range(&r, input, first, second);
    feed_range(&r, input, second, input.len);
    return run_close(&r);
}

/* Pieces of `n` bytes; the last one may be shorter. */
static struct split_log cut_every(const struct split_parser *parser, const struct guard *guard,
                                  struct cdx_bytes input, size_t n)
{
    struct run r = run_open(parser, guard);
    for (size_t at = 0; at < input.len; at += n)
        feed_range(&r, input, at, at + n < input.len ? at + n : input.len);
    return run_close(&r);
}

struct split_log split_parse(const struct split_parser *parser, struct cdx_bytes input)
{
    struct guard guard = guard_open(input.len != 0 ? input.len : 1);
    struct split_log whole = cut_twice(parser, &guard, input, 0, 0);
    for (size_t n = 1; n <= 16 && n < input.len; n++)
        expect_equal(&whole, cut_every(parser, &guard, input, n), "pieces", n, 0);
    for (size_t first = 1; first < input.len; first++)
        expect_equal(&whole, cut_twice(parser, &guard, input, first, first), "cut", first, 0);
    if (input.len <= SPLIT_PAIRS_NBYTES_MAX)
        for (size_t first = 1; first < input.len; first++)
            for (size_t second = first + 1; second < input.len; second++)
                expect_equal(&whole, cut_twice(parser, &guard, input, first, second), "cuts", first,
                             second);
    guard_close(&guard);
    return whole;
}

void split_expect(const struct split_parser *parser, struct cdx_bytes input, const char *expected)
{
    struct split_log log = split_parse(parser, input);
    assert_string_equal(log.text, expected);
    split_log_free(&log);
}
