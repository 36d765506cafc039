/* SPDX-License-Identifier: Apache-2.0 */
/* The opcodes of the `memcache` handler that answer with a value, or change when it ends. */
#include "handler_memcache.h"

/* Whether the response has the key. */
static bool wants_key(uint8_t opcode)
{
    switch (opcode) {
    case MEMCACHE_OPCODE_GET_KEY:
    case MEMCACHE_OPCODE_GET_KEY_QUIET:
    case MEMCACHE_OPCODE_GET_TOUCH_KEY:
    case MEMCACHE_OPCODE_GET_TOUCH_KEY_QUIET:
        return true;
    default:
        return false;
    }
}

/* A value is answered also when the request is quiet; that there is none, only when it is not. */
static void answer_missing(struct handler *h)
{
    const struct handler_memcache_answer answer = {.key = h->request->key};
    if (h->quiet)
        return;
    if (wants_key(h->request->opcode))
        handler_memcache_reply(h, MEMCACHE_STATUS_NOT_FOUND, &answer);
    else
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_FOUND);
}

static void answer_entry(struct handler *h, const struct store_entry *entry, bool with_value)
{
    struct handler_memcache_answer answer = {
        .cas = entry->revision,
        .has_flags = true,
        .flags = entry->mark,
    };
    if (wants_key(h->request->opcode))
        answer.key = h->request->key;
    if (with_value)
        answer.value = entry->value;
    handler_memcache_reply(h, MEMCACHE_STATUS_OK, &answer);
}

void handler_memcache_get(struct handler *h)
{
    struct store_entry entry;
    handler_memcache_count_one(&h->gets);
    handler_section_read(&h->section);
    if (store_get(h->section.reader, h->request->key, h->probe, &entry) != STORE_OK) {
        answer_missing(h);
        return;
    }
    handler_memcache_count_one(&h->get_hits);
    answer_entry(h, &entry, true);
}

void handler_memcache_touch(struct handler *h)
{
    struct store *store = h->section.store;
    struct cdx_bytes key = h->request->key;
    struct store_entry entry;
    uint64_t expires_ms =
        handler_memcache_expires(h, h->request->extras.expiration_extras.expiration);
    handler_memcache_count_one(&h->touches);
    handler_section_write(&h->section);
    if (store_peek(store, key, &entry) != STORE_OK) {
        answer_missing(h);
        return;
    }
    /* The answer before the change: the value may not outlive it. */
    answer_entry(h, &entry, h->request->opcode != MEMCACHE_OPCODE_TOUCH);
    if (h->no_room)
        return;
    if (store_touch(store, key, expires_ms) != STORE_OK) {
        h->no_room = true; /* takes the answer back, and closes */
        return;
    }
    handler_memcache_count_one(&h->touch_hits);
}
