/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committed test vectors through parser, encoder and client: every vector whole,
 * byte by byte, at every single cut (large ones: at the cuts near their ends and
 * fields), and every truncation.
 *
 * The files' form is described at their top. Usage: test_vectors FILE …
 */
#include "guard.h"

#include <caudex/kv_client.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A vector longer than this is cut near its ends only. */
#define EVERY_CUT_NBYTES_MAX 5000u
#define NEAR_ENDS_NBYTES 24u
#define MORES_MAX 16
#define LINE_NBYTES_MAX 4096

/* The vector at hand, for messages. */
static const char *current;
/* Answers of examples that the client accepted. */
static size_t client_examples;

/* `more first..last until total in field` */
struct more {
    size_t first;
    size_t last;
    size_t total;
    char field[64];
};

/* One vector as the file has it. */
struct vector {
    char title[128];
    uint8_t *bytes;
    size_t len;
    struct more mores[MORES_MAX];
    size_t more_count;
    bool is_error;
    uint64_t offset;
    char field[64];
    const char *reason;
    uint8_t selector;
    uint32_t rid;
    struct cdx_bytes key;
    struct cdx_bytes val;
};

/* ---- the two parsers behind one face ---- */

struct outcome {
    enum cdx_status status;
    uint8_t selector;
    uint32_t rid;
    struct cdx_bytes key;
    struct cdx_bytes val;
    struct cdx_parse_error error;
    size_t need;
    const char *field;
};

static bool is_request;

union parser {
    struct kv_request_parser request;
    struct kv_response_parser response;
};

static void parser_init(union parser *p)
{
    if (is_request)
        kv_request_parser_init(&p->request);
    else
        kv_response_parser_init(&p->response);
}

static void parser_feed(union parser *p, struct cdx_spill *spill, const uint8_t *at, size_t n,
                        struct outcome *o)
{
    const uint8_t *next = at;
    if (is_request) {
        struct kv_request m;
        o->status = kv_request_feed(&p->request, spill, &next, at + n, &m);
        if (o->status == CDX_OK)
            *o = (struct outcome){CDX_OK, m.type, m.rid, m.key, m.val, {0}, 0, NULL};
        kv_request_error(&p->request, &o->error);
        o->need = kv_request_need(&p->request, &o->field);
        assert_null(kv_request_parser_check(&p->request, spill));
    } else {
        struct kv_response m;
        o->status = kv_response_feed(&p->response, spill, &next, at + n, &m);
        if (o->status == CDX_OK)
            *o = (struct outcome){CDX_OK, m.status, m.rid, m.key, m.val, {0}, 0, NULL};
        kv_response_error(&p->response, &o->error);
        o->need = kv_response_need(&p->response, &o->field);
        assert_null(kv_response_parser_check(&p->response, spill));
    }
    if (o->status != CDX_MALFORMED)
        assert_ptr_equal(next, at + n);
}

/* ---- reading a file ---- */

static unsigned hex_byte(const char *text)
{
    char digits[3] = {text[0], text[1], '\0'};
    char *end;
    unsigned long v = strtoul(digits, &end, 16);
    assert_true(end == digits + 2);
    return (unsigned)v;
}

/* "61*3.00" or "61*3 00" to bytes; `out` NULL: only counts. */
static size_t spell(const char *text, uint8_t *out)
{
    size_t n = 0;
    while (*text != '\0' && *text != '\n') {
        if (*text == ' ' || *text == '.') {
            text++;
            continue;
        }
        if (*text == '-')
            return 0;
        unsigned byte = hex_byte(text);
        size_t count = 1;
        text += 2;
        if (*text == '*') {
            char *end;
            count = strtoul(text + 1, &end, 10);
            text = end;
        }
        if (out != NULL)
            memset(out + n, (int)byte, count);
        n += count;
    }
    return n;
}

static const char *reason_text(const char *name)
{
    static const struct {
        const char *name;
        enum cdx_reason reason;
    } names[] = {
        {"unknown", CDX_REASON_UNKNOWN},
        {"unused", CDX_REASON_UNUSED},
        {"short", CDX_REASON_SHORT},
        {"long", CDX_REASON_LONG},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0)
            return cdx_reason_text(names[i].reason);
    }
    fail_msg("no reason '%s'", name);
    return NULL;
}

static void read_line(struct vector *v, const char *line)
{
    char reason[64], key[1024], val[1024];
    struct more *more = &v->mores[v->more_count];
    if (strncmp(line, "bytes ", 6) == 0) {
        v->len = spell(line + 6, NULL);
        v->bytes = malloc(v->len);
        spell(line + 6, v->bytes);
    } else if (strncmp(line, "more ", 5) == 0) {
        assert_int_equal(sscanf(line, "more %zu..%zu until %zu in %63s", &more->first, &more->last,
                                &more->total, more->field),
                         4);
        assert_true(++v->more_count < MORES_MAX);
    } else if (strncmp(line, "error ", 6) == 0) {
        v->is_error = true;
        assert_int_equal(sscanf(line, "error at %" SCNu64 " in %63[^:]: %63s", &v->offset, v->field,
                                reason),
                         3);
        v->reason = reason_text(reason);
    } else {
        unsigned selector;
        assert_int_equal(sscanf(line, "frame %*[a-z]=%u rid=%u key=%1023s val=%1023s", &selector,
                                &v->rid, key, val),
                         4);
        v->selector = (uint8_t)selector;
        v->key.len = spell(key, NULL);
        v->val.len = spell(val, NULL);
        uint8_t *copy = malloc(v->key.len + v->val.len + 1);
        spell(key, copy);
        spell(val, copy + v->key.len);
        v->key.data = copy;
        v->val.data = copy + v->key.len;
    }
}

/* ---- what must hold ---- */

static void expect_end(const struct vector *v, const struct outcome *o)
{
    if (v->is_error) {
        assert_int_equal(o->status, CDX_MALFORMED);
        assert_int_equal(o->error.offset, v->offset);
        assert_string_equal(o->error.field, v->field);
        assert_string_equal(o->error.reason, v->reason);
        return;
    }
    assert_int_equal(o->status, CDX_OK);
    assert_int_equal(o->selector, v->selector);
    assert_int_equal(o->rid, v->rid);
    assert_true(cdx_bytes_equal(o->key, v->key));
    assert_true(cdx_bytes_equal(o->val, v->val));
}

static void expect_more(const struct vector *v, size_t n, const struct outcome *o)
{
    for (size_t i = 0; i < v->more_count; i++) {
        const struct more *m = &v->mores[i];
        if (n >= m->first && n <= m->last) {
            assert_int_equal(o->status, CDX_MORE);
            assert_int_equal(o->need, m->total - n);
            assert_string_equal(o->field, m->field);
            return;
        }
    }
    fail_msg("%sthe vector says nothing about %zu bytes", current, n);
}

/* Feeds the bytes in pieces of `step` after a first one of `first`; every piece ends at a guard page. */
static void feed_cut(const struct vector *v, const struct guard *guard, size_t first, size_t step)
{
    union parser parser;
    struct cdx_spill spill;
    struct outcome o = {.status = CDX_MORE};
    parser_init(&parser);
    cdx_spill_init(&spill);
    for (size_t at = 0; at < v->len;) {
        size_t n = at == 0 && first != 0 ? first : step;
        n = n < v->len - at ? n : v->len - at;
        parser_feed(&parser, &spill, guard_place(guard, v->bytes + at, n), n, &o);
        at += n;
        if (at < v->len)
            expect_more(v, at, &o);
    }
    expect_end(v, &o);
    cdx_spill_free(&spill);
}

static void check_cuts(const struct vector *v, const struct guard *guard)
{
    feed_cut(v, guard, 0, v->len);
    feed_cut(v, guard, 0, v->len <= EVERY_CUT_NBYTES_MAX ? 1 : 1448);
    for (size_t cut = 1; cut < v->len; cut++) {
        if (v->len > EVERY_CUT_NBYTES_MAX && cut == NEAR_ENDS_NBYTES)
            cut = v->len - NEAR_ENDS_NBYTES;
        feed_cut(v, guard, cut, v->len - cut);
    }
}

static void check_encoder(const struct vector *v)
{
    uint8_t *room = malloc(v->len);
    struct cdx_out out = {.next = room, .end = room + v->len - 1};
    for (int enough = 0; enough < 2; enough++) {
        out.end = room + v->len - 1 + enough;
        enum cdx_status status =
            is_request ? kv_request_encode(&out, v->selector, v->rid, v->key, v->val)
                       : kv_response_encode(&out, v->selector, v->rid, v->key, v->val);
        assert_int_equal(status, enough ? CDX_OK : CDX_MORE);
        assert_ptr_equal(out.next, enough ? room + v->len : room);
    }
    assert_memory_equal(room, v->bytes, v->len);
    free(room);
}

/* What the encoder that resumes writes, in pieces of `step` behind a first one. */
static void encode_cut(const struct vector *v, const struct guard *guard, size_t first, size_t step)
{
    union {
        struct kv_request_encoder request;
        struct kv_response_encoder response;
    } encoder;
    enum cdx_status status =
        is_request
            ? kv_request_encode_start(&encoder.request, v->selector, v->rid, v->key, v->val)
            : kv_response_encode_start(&encoder.response, v->selector, v->rid, v->key, v->val);
    assert_int_equal(status, CDX_OK);
    for (size_t at = 0, room = first; at < v->len; room = step) {
        const size_t n = room < v->len - at ? room : v->len - at;
        uint8_t *piece = guard_place(guard, v->bytes, n);
        struct cdx_out out = {piece, piece + n};
        memset(piece, 0xa5, n);
        status = is_request ? kv_request_encode_next(&encoder.request, &out)
                            : kv_response_encode_next(&encoder.response, &out);
        assert_ptr_equal(out.next, piece + n);
        assert_memory_equal(piece, v->bytes + at, n);
        at += n;
        assert_int_equal(status, at < v->len ? CDX_MORE : CDX_OK);
    }
}

static void check_encoder_in_pieces(const struct vector *v, const struct guard *guard)
{
    if (v->len <= EVERY_CUT_NBYTES_MAX)
        for (size_t step = 1; step <= v->len; step++)
            encode_cut(v, guard, step, step);
    encode_cut(v, guard, 1448, 1448);
    for (size_t cut = 0; cut < v->len; cut++) {
        if (v->len > EVERY_CUT_NBYTES_MAX && cut == NEAR_ENDS_NBYTES)
            cut = v->len - NEAR_ENDS_NBYTES;
        encode_cut(v, guard, cut, v->len - cut);
    }
}

/* The call of "match: ok of example 1", or CDX_CLIENT_CALL_NONE for vectors of no example. */
static uint16_t example_call(const struct vector *v)
{
    const char *colon = strchr(v->title, ':');
    if (colon == NULL || strstr(v->title, " of example ") == NULL)
        return CDX_CLIENT_CALL_NONE;
    for (size_t i = 0; i < KV_CALLS_COUNT; i++) {
        const char *name = kv_call_name(kv_calls[i]);
        if (strlen(name) == (size_t)(colon - v->title) &&
            memcmp(name, v->title, strlen(name)) == 0)
            return kv_calls[i];
    }
    fail_msg("%sno such call", v->title);
    return CDX_CLIENT_CALL_NONE;
}

/* A response as the client sees it: its RID and whether it is the last; an example fits its call. */
static void check_client(const struct vector *v)
{
    const struct cdx_client_protocol *protocol = &kv_client_protocol;
    void *parser = malloc(protocol->parser_nbytes);
    void *message = malloc(protocol->message_nbytes);
    void *reply = malloc(protocol->reply_nbytes);
    struct cdx_client_frame frame;
    struct cdx_parse_error error;
    struct cdx_spill spill;
    const uint8_t *next = v->bytes;
    protocol->parser_init(parser);
    cdx_spill_init(&spill);
    enum cdx_status status =
        protocol->feed(parser, &spill, &next, v->bytes + v->len, message, &frame);
    assert_int_equal(status, v->is_error ? CDX_MALFORMED : CDX_OK);
    if (v->is_error) {
        protocol->error(parser, &error);
        assert_int_equal(error.offset, v->offset);
        assert_string_equal(error.reason, v->reason);
    } else {
        assert_int_equal(frame.rid, v->rid);
        assert_int_equal(frame.last, v->selector != KV_STATUS_ROW);
        uint16_t call = example_call(v);
        if (call != CDX_CLIENT_CALL_NONE) {
            assert_int_equal(protocol->accept(call, message, reply, &error), CDX_OK);
            client_examples++;
        }
    }
    cdx_spill_free(&spill);
    free(reply);
    free(message);
    free(parser);
}

static void check_vector(struct vector *v)
{
    if (v->bytes == NULL)
        return;
    current = v->title;
    struct guard guard = guard_open(v->len);
    check_cuts(v, &guard);
    if (!v->is_error) {
        check_encoder(v);
        check_encoder_in_pieces(v, &guard);
    }
    if (!is_request)
        check_client(v);
    guard_close(&guard);
    free(v->bytes);
    free((void *)(uintptr_t)v->key.data);
    *v = (struct vector){0};
}

static size_t check_file(const char *path)
{
    char line[LINE_NBYTES_MAX];
    struct vector v = {0};
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_non_null(strchr(line, '\n'));
        if (strncmp(line, "## ", 3) == 0) {
            check_vector(&v);
            snprintf(v.title, sizeof v.title, "%.*s", (int)sizeof v.title - 1, line + 3);
            count++;
        } else if (strncmp(line, "    ", 4) == 0) {
            read_line(&v, line + 4);
        }
    }
    check_vector(&v);
    fclose(file);
    return count;
}

static void requests_are_parsed_and_encoded_as_their_vectors_say(void **state)
{
    (void)state;
    is_request = true;
    assert_true(check_file(VECTORS "/kv_request.md") > 100);
}

static void responses_are_parsed_and_encoded_as_their_vectors_say(void **state)
{
    (void)state;
    is_request = false;
    assert_true(check_file(VECTORS "/kv_response.md") > 40);
    assert_true(client_examples > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_parsed_and_encoded_as_their_vectors_say),
        cmocka_unit_test(responses_are_parsed_and_encoded_as_their_vectors_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
