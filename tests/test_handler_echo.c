/* SPDX-License-Identifier: Apache-2.0 */
/* The echo handler, driven as net drives it, and the output that all handlers share. */
#include "handler.h"
#include "heap_fail.h"

#include <caudex/heap.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { SESSIONS = 3 };

struct echo {
    struct handler *handler;
    max_align_t sessions[SESSIONS][4];
    struct handler_output out;
};

static void echo_begin(struct echo *e)
{
    static const struct handler_env env = {.store = NULL};
    *e = (struct echo){.handler = NULL};
    heap_fail_install();
    assert_true(handler_echo.session_nbytes <= sizeof e->sessions[0]);
    assert_int_equal(handler_echo.open(&env, &e->handler), CDX_OK);
    for (size_t i = 0; i < SESSIONS; i++)
        handler_echo.session_start(e->handler, e->sessions[i]);
}

static void echo_end(struct echo *e)
{
    for (size_t i = 0; i < SESSIONS; i++)
        handler_echo.session_end(e->handler, e->sessions[i]);
    handler_echo.close(e->handler);
    handler_output_free(&e->out);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void every_session_gets_its_own_bytes_back(void **state)
{
    static const char *const words[SESSIONS] = {"first", "", "\xff third"};
    struct echo e;
    (void)state;
    echo_begin(&e);
    handler_echo.turn_begin(e.handler);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_true(handler_echo.accept(e.handler, e.sessions[i],
                                        cdx_bytes_of(words[i], strlen(words[i]))));
    handler_echo.prefetch(e.handler);
    for (size_t i = 0; i < SESSIONS; i++) {
        size_t consumed = 99;
        e.out.len = 0;
        assert_int_equal(handler_echo.answer(e.handler, e.sessions[i], &e.out, &consumed),
                         HANDLER_CONTINUE);
        assert_int_equal(consumed, strlen(words[i]));
        assert_int_equal(e.out.len, strlen(words[i]));
        assert_memory_equal(e.out.data, words[i], e.out.len);
        assert_int_equal(handler_echo.incomplete(e.sessions[i]), 0);
    }
    handler_echo.turn_end(e.handler);
    echo_end(&e);
}

static void answers_are_appended_to_what_is_there(void **state)
{
    struct echo e;
    size_t consumed = 0;
    (void)state;
    echo_begin(&e);
    for (int turn = 0; turn < 2; turn++) {
        handler_echo.turn_begin(e.handler);
        assert_true(handler_echo.accept(e.handler, e.sessions[0], cdx_bytes_of("abc", 3)));
        handler_echo.prefetch(e.handler);
        handler_echo.answer(e.handler, e.sessions[0], &e.out, &consumed);
        handler_echo.turn_end(e.handler);
    }
    assert_int_equal(e.out.len, 6);
    assert_memory_equal(e.out.data, "abcabc", 6);
    echo_end(&e);
}

static void without_memory_for_the_answer_the_stream_ends(void **state)
{
    struct echo e;
    size_t consumed = 0;
    (void)state;
    echo_begin(&e);
    handler_echo.turn_begin(e.handler);
    assert_true(handler_echo.accept(e.handler, e.sessions[0], cdx_bytes_of("abc", 3)));
    heap_fail_at(1, 0);
    assert_int_equal(handler_echo.answer(e.handler, e.sessions[0], &e.out, &consumed),
                     HANDLER_CLOSE);
    assert_true(heap_fail_happened());
    assert_int_equal(e.out.len, 0);
    handler_echo.turn_end(e.handler);
    echo_end(&e);
}

static void echo_has_no_words_of_its_own(void **state)
{
    struct echo e;
    (void)state;
    echo_begin(&e);
    for (int notice = HANDLER_NOTICE_BUSY; notice <= HANDLER_NOTICE_STOPPING; notice++)
        handler_echo.notice(e.handler, NULL, (enum handler_notice)notice, &e.out);
    assert_int_equal(e.out.len, 0);
    echo_end(&e);
}

static void an_output_grows_and_keeps_its_bytes(void **state)
{
    struct handler_output out = {0};
    (void)state;
    heap_fail_install();
    for (size_t i = 0; i < 100000; i++) {
        uint8_t *at = handler_output_reserve(&out, 1);
        assert_non_null(at);
        assert_ptr_equal(at, out.data + out.len);
        *at = (uint8_t)(i % 251);
        out.len++;
    }
    for (size_t i = 0; i < out.len; i++)
        assert_int_equal(out.data[i], i % 251);
    handler_output_free(&out);
    assert_null(out.data);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void an_output_that_cannot_grow_is_unchanged(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2 + 2};
    struct handler_output out = {0};
    (void)state;
    heap_fail_install();
    uint8_t *at = handler_output_reserve(&out, 3);
    assert_non_null(at);
    memcpy(at, "abc", 3);
    out.len = 3;
    const struct handler_output before = out;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_null(handler_output_reserve(&out, sizes[i]));
    heap_fail_at(1, 0);
    assert_null(handler_output_reserve(&out, out.cap));
    assert_true(heap_fail_happened());
    assert_ptr_equal(out.data, before.data);
    assert_int_equal(out.cap, before.cap);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "abc", 3);
    handler_output_free(&out);
    heap_fail_remove();
}

static void classes_are_found_by_their_whole_names(void **state)
{
    (void)state;
    assert_ptr_equal(handler_class_named("echo"), &handler_echo);
    assert_ptr_equal(handler_class_named("reply"), &handler_reply);
    assert_ptr_equal(handler_class_named("kv"), &handler_kv);
    static const char *const others[] = {"", "ech", "echoes", "Echo", "kv "};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(handler_class_named(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_session_gets_its_own_bytes_back),
        cmocka_unit_test(answers_are_appended_to_what_is_there),
        cmocka_unit_test(without_memory_for_the_answer_the_stream_ends),
        cmocka_unit_test(echo_has_no_words_of_its_own),
        cmocka_unit_test(an_output_grows_and_keeps_its_bytes),
        cmocka_unit_test(an_output_that_cannot_grow_is_unchanged),
        cmocka_unit_test(classes_are_found_by_their_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
