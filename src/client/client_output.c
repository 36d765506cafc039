/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of unsent requests. */
#include "client_output.h"

#include <caudex/heap.h>

#include <assert.h>

static struct cdx__chunk *chunk_new(size_t nbytes)
{
    const size_t cap = nbytes > CDX__CHUNK_NBYTES ? nbytes : CDX__CHUNK_NBYTES;
    size_t total;
    if (__builtin_add_overflow(sizeof(struct cdx__chunk), cap, &total))
        return NULL;
    struct cdx__chunk *chunk = (struct cdx__chunk *)cdx_malloc(total);
    if (chunk != NULL)
        *chunk = (struct cdx__chunk){.cap = cap};
    return chunk;
}

void cdx__output_free(struct cdx__output *output)
{
    while (output->first != NULL) {
        struct cdx__chunk *chunk = output->first;
        output->first = chunk->next;
        cdx_free(chunk);
    }
    cdx_free(output->spare);
    *output = (struct cdx__output){0};
}

enum cdx_status cdx__output_reserve(struct cdx__output *output, size_t nbytes, struct cdx_out *out)
{
    struct cdx__chunk *chunk = output->last;
    if (chunk == NULL || chunk->cap - chunk->end < nbytes) {
        if (output->spare == NULL || output->spare->cap < nbytes) {
            chunk = chunk_new(nbytes);
            if (chunk == NULL)
                return CDX_NO_MEMORY;
            cdx_free(output->spare);
            output->spare = chunk;
        }
        chunk = output->spare;
    }
    output->target = chunk;
    out->next = chunk->data + chunk->end;
    out->end = out->next + nbytes;
    return CDX_OK;
}

void cdx__output_commit(struct cdx__output *output, const struct cdx_out *out)
{
    struct cdx__chunk *chunk = output->target;
    assert(chunk != NULL && out->next >= chunk->data + chunk->end);
    assert(out->next <= chunk->data + chunk->cap);
    const size_t end = (size_t)(out->next - chunk->data);
    output->nbytes += end - chunk->end;
    chunk->end = end;
    output->target = NULL;
    if (chunk != output->spare)
        return;
    output->spare = NULL;
    if (output->last != NULL)
        output->last->next = chunk;
    else
        output->first = chunk;
    output->last = chunk;
}

size_t cdx__output_views(const struct cdx__output *output, struct cdx_bytes *views, size_t most)
{
    size_t count = 0;
    for (const struct cdx__chunk *c = output->first; c != NULL && count < most; c = c->next)
        views[count++] = cdx_bytes_of(c->data + c->begin, c->end - c->begin);
    return count;
}

/* The first chunk is sent: it is used again when it is an ordinary one. */
static void drop_first(struct cdx__output *output)
{
    struct cdx__chunk *chunk = output->first;
    output->first = chunk->next;
    if (output->first == NULL)
        output->last = NULL;
    if (chunk->cap == CDX__CHUNK_NBYTES && output->spare == NULL) {
        *chunk = (struct cdx__chunk){.cap = chunk->cap};
        output->spare = chunk;
    } else {
        cdx_free(chunk);
    }
}

void cdx__output_sent(struct cdx__output *output, size_t nbytes)
{
    assert(nbytes <= output->nbytes);
    output->target = NULL; /* its place may be gone */
    output->nbytes -= nbytes;
    while (nbytes != 0) {
        struct cdx__chunk *chunk = output->first;
        const size_t unsent = chunk->end - chunk->begin;
        const size_t taken = nbytes < unsent ? nbytes : unsent;
        chunk->begin += taken;
        nbytes -= taken;
        if (chunk->begin == chunk->end)
            drop_first(output);
    }
}

const char *cdx__output_check(const struct cdx__output *output)
{
    size_t nbytes = 0;
    const struct cdx__chunk *last = NULL;
    for (const struct cdx__chunk *c = output->first; c != NULL; c = c->next) {
        if (c->begin >= c->end || c->end > c->cap || c->cap < CDX__CHUNK_NBYTES)
            return "begin < end <= cap: every chunk in the queue has unsent bytes";
        nbytes += c->end - c->begin;
        last = c;
    }
    if (last != output->last)
        return "last is the queue's end";
    if (nbytes != output->nbytes)
        return "nbytes is the sum of the chunks";
    if (output->spare != NULL && (output->spare->end != 0 || output->spare->next != NULL))
        return "the spare chunk is empty and alone";
    if (output->target != NULL && output->target != output->last && output->target != output->spare)
        return "a reservation is in the last or the spare chunk";
    return NULL;
}
