/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of the `memcache` handler. */
#include "handler_memcache.h"

/** The longest answer without key and value: a head, flags or a number. */
#define SHORT_NBYTES_MAX 64u

bool handler_memcache_room(struct handler *h)
{
    if (handler_output_reserve(h->out, SHORT_NBYTES_MAX) != NULL)
        return true;
    h->no_room = true;
    return false;
}

/* Appends a response: into the room that there is if it fits, which short ones do. */
static void append(struct handler *h, const struct memcache_response *response)
{
    struct handler_output *out = h->out;
    if (h->no_room || !handler_memcache_room(h))
        return;
    struct cdx_out cursor = {out->data + out->len, out->data + out->cap};
    enum cdx_status status = memcache_response_encode(&cursor, response);
    if (status == CDX_MORE &&
        handler_output_reserve(out, memcache_response_size(response)) != NULL) {
        cursor = (struct cdx_out){out->data + out->len, out->data + out->cap};
        status = memcache_response_encode(&cursor, response);
    }
    h->no_room = status != CDX_OK;
    out->len = (size_t)(cursor.next - out->data);
}

void handler_memcache_reply(struct handler *h, uint16_t status,
                            const struct handler_memcache_answer *answer)
{
    uint8_t flags[sizeof answer->flags];
    struct memcache_response response = {
        .opcode = h->request->opcode,
        .status = status,
        .opaque = h->request->opaque,
        .cas = answer->cas,
        .key = answer->key,
        .value = answer->value,
    };
    if (answer->has_flags) {
        cdx_store_be32(flags, answer->flags);
        response.extras.flags = cdx_bytes_of(flags, sizeof flags);
    }
    append(h, &response);
}

void handler_memcache_done(struct handler *h, uint64_t cas)
{
    const struct handler_memcache_answer answer = {.cas = cas};
    if (!h->quiet)
        handler_memcache_reply(h, MEMCACHE_STATUS_OK, &answer);
}

/* The texts of memcached 1.6. */
static const char *text_of(uint16_t status)
{
    switch (status) {
    case MEMCACHE_STATUS_NOT_FOUND:
        return "Not found";
    case MEMCACHE_STATUS_EXISTS:
        return "Data exists for key.";
    case MEMCACHE_STATUS_TOO_LARGE:
        return "Too large.";
    case MEMCACHE_STATUS_INVALID:
        return "Invalid arguments";
    case MEMCACHE_STATUS_NOT_STORED:
        return "Not stored.";
    case MEMCACHE_STATUS_NOT_A_NUMBER:
        return "Non-numeric server-side value for incr or decr";
    case MEMCACHE_STATUS_NO_MEMORY:
        return "Out of memory";
    default:
        return "Unknown command";
    }
}

void handler_memcache_error(struct handler *h, uint16_t status)
{
    const struct handler_memcache_answer answer = {.value = cdx_cstr(text_of(status))};
    handler_memcache_reply(h, status, &answer);
}

void handler_memcache_write_failed(struct handler *h, enum store_status status)
{
    handler_memcache_error(h, status == STORE_TOO_LONG ? MEMCACHE_STATUS_TOO_LARGE
                                                       : MEMCACHE_STATUS_NO_MEMORY);
}
