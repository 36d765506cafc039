/* SPDX-License-Identifier: Apache-2.0 */
/* A client core of kv with a scripted peer. */
#include "client_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kv_split.h"

void rig_check(const struct rig *rig)
{
    const char *broken = cdx_core_check(rig->core);
    if (broken != NULL)
        fail_msg("invariant: %s", broken);
}

void rig_open(struct rig *rig, const struct cdx_client_options *options)
{
    rig->log = (struct split_log){0};
    rig->out.next = rig->answers;
    rig->out.end = rig->answers + sizeof rig->answers;
    assert_int_equal(cdx_core_create(&kv_client_protocol, options, &rig->core), CDX_OK);
    rig_check(rig);
}

void rig_close(struct rig *rig)
{
    rig_check(rig);
    cdx_core_destroy(rig->core);
    split_log_free(&rig->log);
}

struct ticket rig_ticket(struct rig *rig)
{
    return (struct ticket){.rig = rig};
}

static void log_reply(struct rig *rig, const struct kv_reply *reply)
{
    const char *name = kv_status_name(reply->status);
    split_print(&rig->log, "%u %s", reply->rid, name != NULL ? name : "?");
    split_print_bytes(&rig->log, "key", reply->key);
    split_print_bytes(&rig->log, "val", reply->val);
    split_print(&rig->log, "%s\n", reply->is_last ? " last" : "");
}

void rig_take(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct ticket *t = arg;
    rig_check(t->rig);
    assert_true((reply != NULL) == (status == CDX_OK));
    assert_int_equal(t->finals, 0);
    if (reply != NULL)
        log_reply(t->rig, reply);
    else
        split_print(&t->rig->log, "%u! %s\n", t->rid, cdx_status_name(status));
    if (reply != NULL && !reply->is_last) {
        t->rows++;
        if (t->on_row != NULL)
            t->on_row(t);
        return;
    }
    t->finals++;
    t->status = status;
    t->reply_status = reply != NULL ? reply->status : 0xff;
    if (t->on_final != NULL)
        t->on_final(t);
}

enum cdx_status rig_get(struct ticket *ticket)
{
    return kv_get_send(ticket->rig->core, CDX_STR("/k"), rig_take, ticket, &ticket->rid);
}

struct split_log rig_requests(struct rig *rig)
{
    struct cdx_bytes view;
    uint8_t *all = NULL;
    size_t len = 0;
    while (cdx_core_output(rig->core, &view, 1) == 1) {
        all = realloc(all, len + view.len);
        assert_non_null(all);
        memcpy(all + len, view.data, view.len);
        len += view.len;
        cdx_core_output_sent(rig->core, view.len);
        rig_check(rig);
    }
    assert_int_equal(cdx_core_output_nbytes(rig->core), 0);
    struct split_log log = {0};
    struct kv_request_parser parser;
    struct cdx_spill spill;
    const uint8_t *next = all;
    kv_request_parser_init(&parser);
    cdx_spill_init(&spill);
    while (len != 0 && kv_split_request.feed(&parser, &spill, &next, all + len, &log) == CDX_OK) {
    }
    assert_true(next == all + len && kv_request_is_between(&parser));
    cdx_spill_free(&spill);
    free(all);
    return log;
}

enum cdx_status rig_feed_bytes(struct rig *rig, struct cdx_bytes bytes)
{
    uint8_t *copy = malloc(bytes.len != 0 ? bytes.len : 1); /* a read too far is found by ASan */
    assert_non_null(copy);
    if (bytes.len != 0)
        memcpy(copy, bytes.data, bytes.len);
    const uint8_t *next = copy;
    const enum cdx_status status = cdx_core_input(rig->core, &next, copy + bytes.len);
    rig_check(rig);
    free(copy);
    return status;
}

enum cdx_status rig_feed(struct rig *rig, size_t piece)
{
    const size_t len = (size_t)(rig->out.next - rig->answers);
    enum cdx_status status = CDX_OK;
    if (piece == 0)
        piece = len != 0 ? len : 1;
    for (size_t at = 0; at < len; at += piece) {
        const size_t n = len - at < piece ? len - at : piece;
        status = rig_feed_bytes(rig, cdx_bytes_of(rig->answers + at, n));
    }
    rig->out.next = rig->answers;
    return status;
}

void rig_answer_get(struct rig *rig, uint32_t rid)
{
    assert_int_equal(kv_get_ok_encode(&rig->out, rid, CDX_STR("v")), CDX_OK);
}
