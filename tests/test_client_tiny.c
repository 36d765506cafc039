/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the client generated from tests/gen/tiny.cdx: nothing of the core is shaped to kv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "split.h"

#include <caudex/tiny_client.h>

struct rig {
    struct cdx_core *core;
    uint8_t answers[2048];
    struct cdx_out out;
    struct split_log log;
};

static void rig_open(struct rig *rig)
{
    rig->log = (struct split_log){0};
    rig->out.next = rig->answers;
    rig->out.end = rig->answers + sizeof rig->answers;
    assert_int_equal(cdx_core_create(&tiny_client_protocol, NULL, &rig->core), CDX_OK);
}

static void rig_close(struct rig *rig)
{
    assert_null(cdx_core_check(rig->core));
    cdx_core_destroy(rig->core);
    split_log_free(&rig->log);
}

static enum cdx_status rig_feed(struct rig *rig, size_t piece)
{
    enum cdx_status status = CDX_OK;
    const uint8_t *next = rig->answers;
    while (next != rig->out.next && status == CDX_OK) {
        const size_t left = (size_t)(rig->out.next - next);
        status = cdx_core_input(rig->core, &next, next + (left < piece ? left : piece));
        assert_null(cdx_core_check(rig->core));
    }
    rig->out.next = rig->answers;
    return status;
}

static void take(void *arg, enum cdx_status status, const struct tiny_reply *reply)
{
    struct rig *rig = arg;
    if (status != CDX_OK) {
        split_print(&rig->log, "%s\n", cdx_status_name(status));
        return;
    }
    split_print(&rig->log, "%u %x", reply->serial, reply->result);
    split_print_bytes(&rig->log, "words", reply->words);
    split_print_bytes(&rig->log, "note", reply->note);
    split_print_bytes(&rig->log, "data", reply->data);
    split_print(&rig->log, "%s\n", reply->is_last ? " last" : "");
}

static void take_tally(void *arg, enum cdx_status status, const struct tiny_reply *reply)
{
    struct rig *rig = arg;
    take(arg, status, reply);
    if (reply != NULL && reply->result == TINY_RESULT_FINE)
        split_print(&rig->log, "count=%u\n", reply->body.tally.count);
}

/* Numbers around the correlate, three bytes fields, a two-byte status and a body in the last of
 * them. */
static void calls_carry_all_fields_and_answers_come_back(void **state)
{
    const struct tiny_point point = {.x = 1, .y = 2, .mode = TINY_MODE_FAST, .tail = CDX_STR("t")};
    const struct tiny_tally tally = {.count = 513};
    (void)state;
    for (size_t piece = 1; piece <= 64; piece++) {
        struct rig rig;
        struct cdx_bytes view;
        struct tiny_request_parser parser;
        struct tiny_request request = {0};
        struct cdx_spill spill;
        rig_open(&rig);
        assert_int_equal(tiny_move_send(rig.core, 5, CDX_STR("n"), 6, &point, 7, take, &rig, NULL),
                         CDX_OK);
        assert_int_equal(cdx_core_output(rig.core, &view, 1), 1);
        const uint8_t *next = view.data;
        tiny_request_parser_init(&parser);
        cdx_spill_init(&spill);
        assert_int_equal(tiny_request_feed(&parser, &spill, &next, view.data + view.len, &request),
                         CDX_OK);
        assert_int_equal(request.op, TINY_CALL_MOVE);
        assert_int_equal(request.serial, 1);
        assert_int_equal(request.moment, 5);
        assert_int_equal(request.flags, 6);
        assert_int_equal(request.sum, 7);
        assert_int_equal(request.body.move.mode, TINY_MODE_FAST);
        assert_int_equal(tiny_everything_send(rig.core, 5, CDX_STR("n"), 2, CDX_STR("d"), 3,
                                              take_tally, &rig, NULL),
                         CDX_OK);
        assert_int_equal(
            tiny_everything_part_encode(&rig.out, CDX_STR("w"), 2, CDX_STR("o"), CDX_STR("d")),
            CDX_OK);
        assert_int_equal(tiny_move_fine_encode(&rig.out, 1, CDX_STR("yes")), CDX_OK);
        assert_int_equal(tiny_everything_fine_encode(&rig.out, CDX_STR("w"), 2, &tally), CDX_OK);
        assert_int_equal(rig_feed(&rig, piece), CDX_OK);
        assert_string_equal(rig.log.text,
                            "2 102 words=77 note=6f data=64\n"
                            "1 0 words= note=796573 data= last\n"
                            "2 0 words=77 note= data=0102 last\n"
                            "count=513\n");
        rig_close(&rig);
    }
}

static void an_answer_outside_its_call_is_placed_to_the_byte(void **state)
{
    static const struct {
        struct cdx_bytes words, note, data;
        uint16_t result;
        size_t offset;
        const char *field;
    } cases[] = {
#define B(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
        {B("w"), B(""), B("1"), TINY_RESULT_FINE, 9, "tally.count"},
        {B("w"), B(""), B("123"), TINY_RESULT_FINE, 7, "data"},
        {B("w"), B("no"), B("12"), TINY_RESULT_FINE, 6, "note"},
        {B("w"), B("no"), B(""), TINY_RESULT_BAD, 0, "words"},
        {B(""), B("no"), B("d"), TINY_RESULT_BAD, 8, "data"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        struct cdx_parse_error error;
        rig_open(&rig);
        assert_int_equal(
            tiny_everything_send(rig.core, 5, CDX_STR("n"), 2, CDX_STR("d"), 3, take, &rig, NULL),
            CDX_OK);
        assert_int_equal(tiny_response_encode(&rig.out, cases[i].words, 1, cases[i].note,
                                              cases[i].data, cases[i].result),
                         CDX_OK);
        assert_int_equal(rig_feed(&rig, 2), CDX_MALFORMED);
        cdx_core_error(rig.core, &error);
        assert_int_equal(error.offset, cases[i].offset);
        assert_string_equal(error.field, cases[i].field);
        assert_string_equal(rig.log.text, "MALFORMED\n");
        rig_close(&rig);
    }
}

/* tiny has no `any call`: there is nothing that its server may say unasked. */
static void nothing_may_be_said_unasked(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    assert_int_equal(tiny_nothing_fine_encode(&rig.out, 0), CDX_OK);
    assert_int_equal(rig_feed(&rig, 100), CDX_MALFORMED);
    assert_string_equal(cdx_core_notice(rig.core), "");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_carry_all_fields_and_answers_come_back),
        cmocka_unit_test(an_answer_outside_its_call_is_placed_to_the_byte),
        cmocka_unit_test(nothing_may_be_said_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
