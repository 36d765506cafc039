/* SPDX-License-Identifier: Apache-2.0 */
/* What all handlers share: the growable output, and the list of classes. */
#include "handler.h"

#include <caudex/heap.h>

/* First allocation of an output, in bytes: the answers of a shallow pipeline. */
#define OUTPUT_NBYTES_MIN 4096u

uint8_t *handler_output_grow(struct handler_output *out, size_t n)
{
    size_t need;
    if (__builtin_add_overflow(out->len, n, &need))
        return NULL;
    size_t cap = out->cap < OUTPUT_NBYTES_MIN ? OUTPUT_NBYTES_MIN : out->cap;
    while (cap < need) {
        if (__builtin_mul_overflow(cap, (size_t)2, &cap))
            return NULL;
    }
    uint8_t *data = cdx_realloc(out->data, cap);
    if (data == NULL)
        return NULL;
    out->data = data;
    out->cap = cap;
    return out->data + out->len;
}

void handler_output_free(struct handler_output *out)
{
    cdx_free(out->data);
    *out = (struct handler_output){0};
}

const struct handler_class *handler_class_named(const char *name)
{
    static const struct handler_class *const classes[] = {
        &handler_echo, &handler_reply, &handler_kv, &handler_resp, &handler_memcache};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(classes[i]->name, name) == 0)
            return classes[i];
    }
    return NULL;
}
