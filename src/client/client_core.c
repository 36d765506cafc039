/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport-free core of a client.
 *
 * The happy path: begin reserves an RID and room, the caller encodes, commit
 * opens the request; a transport takes the output, brings the input; every frame
 * is parsed, found by its RID, checked against its call, and delivered.
 *
 * Failure modes: a frame that is not the protocol or answers nothing ends the
 * connection, because what follows it cannot be trusted, and every open request is
 * told; a deadline or a cancel ends one request, whose late frames are dropped.
 *
 * Callbacks may come back into the core at every `deliver`: nothing that they
 * can move or free (a slot, the status) is kept in a variable across it.
 */
#include "client_output.h"
#include "client_window.h"

#include <caudex/heap.h>

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>

struct cdx_core {
    const struct cdx_client_protocol *protocol;
    void *parser;
    void *message;
    void *reply;
    struct cdx_spill spill;
    struct cdx__window window;
    struct cdx__output output;
    size_t output_limit;
    uint64_t now_ms;
    uint32_t timeout_ms;         /* of later requests */
    uint32_t default_timeout_ms; /* from the options */
    uint64_t taken;              /* bytes of the input stream */
    uint64_t frame_at;           /* where in it the current frame began */
    enum cdx_status status;      /* why the connection has ended */
    struct cdx_parse_error error;
    uint32_t depth; /* callbacks that we are inside of */
    bool pause;
    cdx_client_fn *unasked_fn;
    void *unasked_arg;
    cdx_core_wake_fn *wake_fn;
    void *wake_arg;
    char notice[CDX_CLIENT_NOTICE_NBYTES_MAX];
};

/* ---- lifecycle ---- */

static size_t aligned(size_t nbytes)
{
    const size_t unit = alignof(max_align_t);
    return (nbytes + unit - 1) / unit * unit;
}

enum cdx_status cdx_core_create(const struct cdx_client_protocol *protocol,
                                const struct cdx_client_options *options, struct cdx_core **core)
{
    static const struct cdx_client_options defaults;
    const struct cdx_client_options *o = options != NULL ? options : &defaults;
    uint32_t window = o->window != 0 ? o->window : CDX_CLIENT_WINDOW_DEFAULT;
    if (o->window == 0 && window > protocol->rid_max)
        window = protocol->rid_max;
    if (window > CDX_CLIENT_WINDOW_MAX || window > protocol->rid_max ||
        o->first_rid > protocol->rid_max)
        return CDX_INVALID;
    const size_t parser_at = aligned(sizeof(struct cdx_core));
    const size_t message_at = parser_at + aligned(protocol->parser_nbytes);
    const size_t reply_at = message_at + aligned(protocol->message_nbytes);
    struct cdx_core *c = (struct cdx_core *)cdx_calloc(1, reply_at + protocol->reply_nbytes);
    if (c == NULL)
        return CDX_NO_MEMORY;
    c->protocol = protocol;
    c->parser = (char *)c + parser_at;
    c->message = (char *)c + message_at;
    c->reply = (char *)c + reply_at;
    protocol->parser_init(c->parser);
    cdx_spill_init(&c->spill);
    cdx__window_init(&c->window, window, o->first_rid != 0 ? o->first_rid : 1, protocol->rid_max);
    c->output_limit = o->output_nbytes != 0 ? o->output_nbytes : CDX_CLIENT_OUTPUT_NBYTES_DEFAULT;
    c->default_timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : CDX_CLIENT_TIMEOUT_MS_DEFAULT;
    c->timeout_ms = c->default_timeout_ms;
    *core = c;
    return CDX_OK;
}

void cdx_core_destroy(struct cdx_core *core)
{
    if (core == NULL)
        return;
    assert(core->depth == 0);
    cdx_core_close(core, CDX_CLOSED);
    cdx__window_free(&core->window);
    cdx__output_free(&core->output);
    cdx_spill_free(&core->spill);
    cdx_free(core);
}

/* ---- delivery ---- */

static void deliver(struct cdx_core *core, cdx_client_fn *fn, void *arg, enum cdx_status status,
                    const void *reply)
{
    if (fn == NULL)
        return;
    core->depth++;
    core->protocol->deliver(fn, arg, status, reply);
    core->depth--;
}

/* The last word about a request. */
static void finish(struct cdx_core *core, struct cdx__slot *slot, enum cdx_status status,
                   const void *reply)
{
    cdx_client_fn *const fn = slot->fn;
    void *const arg = slot->arg;
    cdx__window_release(&core->window, slot);
    deliver(core, fn, arg, status, reply);
}

/* Like finish(), but the answer may still come. */
static void finish_early(struct cdx_core *core, struct cdx__slot *slot, enum cdx_status status)
{
    cdx_client_fn *const fn = slot->fn;
    void *const arg = slot->arg;
    cdx__window_silence(&core->window, slot);
    deliver(core, fn, arg, status, NULL);
}

void cdx_core_close(struct cdx_core *core, enum cdx_status why)
{
    assert(why != CDX_OK && why != CDX_MORE);
    if (core->status != CDX_OK)
        return;
    core->status = why;
    /* Nothing begins any more, so the table stays where it is: from the oldest RID on. */
    struct cdx__window *const window = &core->window;
    for (uint32_t i = 0; i < window->slot_count; i++) {
        struct cdx__slot *slot = &window->slots[(window->next_rid + i) & (window->slot_count - 1)];
        if (slot->state == CDX__SLOT_OPEN)
            finish(core, slot, why, NULL);
        else if (slot->state == CDX__SLOT_SILENT)
            cdx__window_release(window, slot);
    }
}

/* ---- requests ---- */

enum cdx_status cdx_core_begin(struct cdx_core *core, size_t nbytes, uint32_t *rid,
                               struct cdx_out *out)
{
    if (core->status != CDX_OK)
        return core->status;
    if (core->wake_fn != NULL)
        core->wake_fn(core->wake_arg);
    const size_t unsent = core->output.nbytes;
    if (unsent != 0 && (unsent > core->output_limit || nbytes > core->output_limit - unsent))
        return CDX_FULL;
    uint32_t reserved;
    const enum cdx_status status = cdx__window_reserve(&core->window, &reserved);
    if (status != CDX_OK)
        return status;
    if (cdx__output_reserve(&core->output, nbytes, out) != CDX_OK)
        return CDX_NO_MEMORY;
    *rid = reserved;
    return CDX_OK;
}

void cdx_core_commit(struct cdx_core *core, const struct cdx_out *out, uint16_t call,
                     cdx_client_fn *fn, void *arg)
{
    const uint32_t timeout_ms = core->timeout_ms;
    const struct cdx__slot request = {
        .fn = fn,
        .arg = arg,
        .deadline_ms = timeout_ms == CDX_CLIENT_TIMEOUT_MS_NEVER ? CDX__DEADLINE_NEVER
                                                                 : core->now_ms + timeout_ms,
        .timeout_ms = timeout_ms,
        .call = call,
    };
    cdx__output_commit(&core->output, out);
    cdx__window_take(&core->window, &request);
}

bool cdx_core_cancel(struct cdx_core *core, uint32_t rid)
{
    struct cdx__slot *slot = cdx__window_find(&core->window, rid);
    if (slot == NULL || slot->state != CDX__SLOT_OPEN)
        return false;
    finish_early(core, slot, CDX_CANCELLED);
    return true;
}

void cdx_core_set_timeout(struct cdx_core *core, uint32_t timeout_ms)
{
    core->timeout_ms = timeout_ms != 0 ? timeout_ms : core->default_timeout_ms;
}

void cdx_core_on_unasked(struct cdx_core *core, cdx_client_fn *fn, void *arg)
{
    core->unasked_fn = fn;
    core->unasked_arg = arg;
}

/* ---- output and time ---- */

void cdx_core_on_wake(struct cdx_core *core, cdx_core_wake_fn *fn, void *arg)
{
    core->wake_fn = fn;
    core->wake_arg = arg;
}

void cdx_core_set_now(struct cdx_core *core, uint64_t now_ms)
{
    core->now_ms = now_ms;
}

size_t cdx_core_output(const struct cdx_core *core, struct cdx_bytes *views, size_t most)
{
    return core->status == CDX_OK ? cdx__output_views(&core->output, views, most) : 0;
}

void cdx_core_output_sent(struct cdx_core *core, size_t nbytes)
{
    cdx__output_sent(&core->output, nbytes);
}

size_t cdx_core_output_nbytes(const struct cdx_core *core)
{
    return core->status == CDX_OK ? core->output.nbytes : 0;
}

void cdx_core_expire(struct cdx_core *core, uint64_t now_ms)
{
    assert(core->depth == 0);
    core->now_ms = now_ms;
    /* What a callback begins is due later than now, so this ends. */
    struct cdx__slot *slot;
    while ((slot = cdx__window_first(&core->window)) != NULL && slot->deadline_ms <= now_ms)
        finish_early(core, slot, CDX_TIMEOUT);
}

uint64_t cdx_core_next_deadline(const struct cdx_core *core)
{
    const struct cdx__slot *slot = cdx__window_first(&core->window);
    return slot != NULL ? slot->deadline_ms : UINT64_MAX;
}

/* ---- input ---- */

/* Ends the connection because of the peer's bytes. `error->offset` counts from `frame_at`. */
static void refuse(struct cdx_core *core, enum cdx_status why, const struct cdx_parse_error *error,
                   uint64_t frame_at)
{
    core->error = *error;
    core->error.offset += frame_at;
    cdx_core_close(core, why);
}

static char printable(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
}

/* Keeps what the peer says about the connection: it is often the reason of its end. */
static void keep_notice(struct cdx_core *core)
{
    struct cdx_bytes text = cdx_empty();
    const char *name = core->protocol->explain(core->reply, &text);
    const size_t room = sizeof core->notice;
    int n = snprintf(core->notice, room, text.len != 0 ? "%s: " : "%s", name);
    size_t at = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    for (size_t i = 0; i < text.len && at + 1 < room; i++)
        core->notice[at++] = printable(text.data[i]);
    core->notice[at] = '\0';
}

static void take_unasked(struct cdx_core *core, uint64_t frame_at)
{
    struct cdx_parse_error error = {0};
    if (core->protocol->accept(CDX_CLIENT_CALL_NONE, core->message, core->reply, &error) !=
        CDX_OK) {
        refuse(core, CDX_MALFORMED, &error, frame_at);
        return;
    }
    keep_notice(core);
    deliver(core, core->unasked_fn, core->unasked_arg, CDX_OK, core->reply);
}

/* Hands a frame to the request that it answers. */
static void take_answer(struct cdx_core *core, const struct cdx_client_frame *frame,
                        uint64_t frame_at)
{
    struct cdx_parse_error error = {.reason = cdx_status_text(CDX_UNEXPECTED)};
    struct cdx__slot *slot = cdx__window_find(&core->window, frame->rid);
    if (slot == NULL) {
        refuse(core, CDX_UNEXPECTED, &error, frame_at);
        return;
    }
    if (core->protocol->accept(slot->call, core->message, core->reply, &error) != CDX_OK) {
        refuse(core, CDX_MALFORMED, &error, frame_at);
        return;
    }
    const bool silent = slot->state == CDX__SLOT_SILENT;
    if (frame->last && silent) {
        cdx__window_release(&core->window, slot);
    } else if (frame->last) {
        finish(core, slot, CDX_OK, core->reply);
    } else if (!silent) {
        cdx__window_renew(&core->window, slot, core->now_ms);
        deliver(core, slot->fn, slot->arg, CDX_OK, core->reply);
    }
}

static void take_frame(struct cdx_core *core, const uint8_t **next, const uint8_t *end)
{
    const uint8_t *const from = *next;
    const uint64_t frame_at = core->frame_at;
    struct cdx_client_frame frame;
    struct cdx_parse_error error = {0};
    const enum cdx_status status =
        core->protocol->feed(core->parser, &core->spill, next, end, core->message, &frame);
    core->taken += (uint64_t)(*next - from);
    switch (status) {
    case CDX_OK:
        core->frame_at = core->taken;
        if (frame.unasked)
            take_unasked(core, frame_at);
        else
            take_answer(core, &frame, frame_at);
        break;
    case CDX_MORE:
        break;
    default:
        core->protocol->error(core->parser, &error);
        refuse(core, status, &error, 0);
        break;
    }
}

enum cdx_status cdx_core_input(struct cdx_core *core, const uint8_t **next, const uint8_t *end)
{
    if (core->depth != 0)
        return CDX_INVALID;
    core->pause = false;
    while (core->status == CDX_OK && *next != end && !core->pause)
        take_frame(core, next, end);
    return core->status;
}

void cdx_core_pause(struct cdx_core *core)
{
    core->pause = true;
}

/* ---- inspection ---- */

size_t cdx_core_open_count(const struct cdx_core *core)
{
    return core->window.open;
}

size_t cdx_core_silent_count(const struct cdx_core *core)
{
    return core->window.silent;
}

bool cdx_core_is_inside(const struct cdx_core *core)
{
    return core->depth != 0;
}

enum cdx_status cdx_core_status(const struct cdx_core *core)
{
    return core->status;
}

void cdx_core_error(const struct cdx_core *core, struct cdx_parse_error *error)
{
    *error = core->error;
}

const char *cdx_core_notice(const struct cdx_core *core)
{
    return core->notice;
}

const char *cdx_core_check(const struct cdx_core *core)
{
    if (core->frame_at > core->taken)
        return "a frame begins in what has been taken";
    if (core->status != CDX_OK && core->depth == 0 && core->window.open + core->window.silent != 0)
        return "no request outlives its connection";
    if (core->status == CDX_OK && core->error.reason != NULL)
        return "an error ends the connection";
    if (core->timeout_ms == 0 || core->default_timeout_ms == 0)
        return "no timeout is 0";
    const char *broken = cdx__window_check(&core->window);
    return broken != NULL ? broken : cdx__output_check(&core->output);
}
