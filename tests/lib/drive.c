/* SPDX-License-Identifier: Apache-2.0 */
/* A handler's turns without a network. */
#include "drive.h"

#include <stdlib.h>
#include <string.h>

void drive_open(struct drive *d, const struct handler_class *class, const struct handler_env *env)
{
    *d = (struct drive){.class = class, .verdict = HANDLER_CONTINUE};
    if (class->open(env, &d->handler) != CDX_OK)
        abort();
    d->session = aligned_alloc(16, (class->session_nbytes + 15) / 16 * 16);
    class->session_start(d->handler, d->session);
}

void drive_close(struct drive *d)
{
    d->class->session_end(d->handler, d->session);
    d->class->close(d->handler);
    free(d->session);
    free(d->stash);
    free(d->out.data);
    *d = (struct drive){0};
}

/* One turn as net makes it: the answers go to a fresh buffer that is then sent. */
static size_t one_turn(struct drive *d, const uint8_t *bytes, size_t n)
{
    struct handler_output turn = {0};
    size_t consumed = 0;
    d->turns++;
    d->class->turn_begin(d->handler);
    if (!d->class->accept(d->handler, d->session, cdx_bytes_of(bytes, n)))
        abort();
    d->class->prefetch(d->handler);
    d->verdict = d->class->answer(d->handler, d->session, &turn, &consumed);
    d->class->turn_end(d->handler);
    if (turn.len != 0) {
        d->out.data = realloc(d->out.data, d->out.len + turn.len);
        memcpy(d->out.data + d->out.len, turn.data, turn.len);
        d->out.len += turn.len;
    }
    handler_output_free(&turn);
    return consumed;
}

void drive_feed(struct drive *d, const uint8_t *bytes, size_t n)
{
    size_t len = d->stash_len + n;
    uint8_t *input = malloc(len != 0 ? len : 1);
    if (d->stash_len != 0)
        memcpy(input, d->stash, d->stash_len);
    if (n != 0)
        memcpy(input + d->stash_len, bytes, n);
    free(d->stash);
    d->stash = NULL;
    d->stash_len = 0;
    size_t at = 0;
    while (at < len && d->verdict == HANDLER_CONTINUE) {
        /* a copy per turn, so that what the handler keeps of an old one shows */
        size_t piece = len - at < 65536 ? len - at : 65536;
        uint8_t *copy = malloc(piece);
        memcpy(copy, input + at, piece);
        at += one_turn(d, copy, piece);
        memset(copy, 0xdd, piece);
        free(copy);
    }
    free(input);
}

void drive_clear(struct drive *d)
{
    d->out.len = 0;
}
