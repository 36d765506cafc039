/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opcodes of the `memcache` handler that store and remove. What depends on the value
 * that is there looks at it within the same write section.
 */
#include "handler_memcache.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DIGITS_NBYTES_MAX 24u

/* ---- time ---- */

static uint64_t unix_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

uint64_t handler_memcache_expires(const struct handler *h, uint32_t expiration)
{
    uint64_t now_ms = store_now(h->section.store);
    if (expiration == 0)
        return 0;
    if (expiration <= HANDLER_MEMCACHE_RELATIVE_SECONDS_MAX)
        return now_ms + expiration * UINT64_C(1000);
    uint64_t now = unix_seconds();
    if (expiration > now)
        return now_ms + (expiration - now) * 1000;
    return now_ms != 0 ? now_ms : 1; /* past: it ends at once */
}

/* ---- set, add, replace ---- */

/* What is answered when a request that names a version, or wants a key there or not, is not met;
 * MEMCACHE_STATUS_OK: it is. */
static uint16_t refusal_of(uint8_t opcode, uint64_t cas, const struct store_entry *present)
{
    if (cas != 0 && present == NULL)
        return MEMCACHE_STATUS_NOT_FOUND;
    if (cas != 0)
        return present->revision == cas ? MEMCACHE_STATUS_OK : MEMCACHE_STATUS_EXISTS;
    switch (opcode) {
    case MEMCACHE_OPCODE_ADD:
    case MEMCACHE_OPCODE_ADD_QUIET:
        return present != NULL ? MEMCACHE_STATUS_EXISTS : MEMCACHE_STATUS_OK;
    case MEMCACHE_OPCODE_REPLACE:
    case MEMCACHE_OPCODE_REPLACE_QUIET:
        return present == NULL ? MEMCACHE_STATUS_NOT_FOUND : MEMCACHE_STATUS_OK;
    default:
        return MEMCACHE_STATUS_OK;
    }
}

/* Stores the value and answers; `options` may be NULL. */
static void put(struct handler *h, struct cdx_bytes value, const struct store_put_options *options)
{
    uint64_t revision;
    enum store_status status =
        store_put_with(h->section.store, h->request->key, value, options, &revision);
    if (status == STORE_OK)
        handler_memcache_done(h, revision);
    else
        handler_memcache_write_failed(h, status);
}

void handler_memcache_store(struct handler *h)
{
    const struct memcache_request *request = h->request;
    const struct memcache_store_extras *extras = &request->extras.store_extras;
    struct store_entry entry;
    const struct store_put_options options = {
        .expires_ms = handler_memcache_expires(h, extras->expiration),
        .mark = extras->flags,
    };
    handler_memcache_count_one(&h->sets);
    if (!handler_memcache_room(h))
        return;
    handler_section_write(&h->section);
    bool plain = request->cas == 0 && (request->opcode == MEMCACHE_OPCODE_SET ||
                                       request->opcode == MEMCACHE_OPCODE_SET_QUIET);
    bool found = !plain && store_peek(h->section.store, request->key, &entry) == STORE_OK;
    uint16_t refusal = refusal_of(request->opcode, request->cas, found ? &entry : NULL);
    if (refusal != MEMCACHE_STATUS_OK)
        handler_memcache_error(h, refusal);
    else
        put(h, request->value, &options);
}

/* ---- append, prepend ---- */

/* A copy of both, one behind the other; no data: no memory. */
static struct cdx_bytes join(struct handler *h, struct cdx_bytes first, struct cdx_bytes second)
{
    h->scratch.len = 0;
    uint8_t *at = handler_output_reserve(&h->scratch, first.len + second.len + 1);
    if (at == NULL)
        return cdx_bytes_of(NULL, 0);
    (void)cdx_put(cdx_put(at, first), second);
    return cdx_bytes_of(at, first.len + second.len);
}

void handler_memcache_extend(struct handler *h)
{
    const struct memcache_request *request = h->request;
    struct store_entry entry;
    handler_memcache_count_one(&h->sets);
    if (!handler_memcache_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, request->key, &entry) != STORE_OK) {
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_STORED);
        return;
    }
    if (request->cas != 0 && request->cas != entry.revision) {
        handler_memcache_error(h, MEMCACHE_STATUS_EXISTS);
        return;
    }
    if (entry.value.len + request->value.len > STORE_VALUE_NBYTES_MAX) {
        handler_memcache_error(h, MEMCACHE_STATUS_TOO_LARGE);
        return;
    }
    bool behind = request->opcode == MEMCACHE_OPCODE_APPEND ||
                  request->opcode == MEMCACHE_OPCODE_APPEND_QUIET;
    struct cdx_bytes value =
        behind ? join(h, entry.value, request->value) : join(h, request->value, entry.value);
    const struct store_put_options options = {.keep_expiry = true, .mark = entry.mark};
    if (value.data == NULL)
        handler_memcache_error(h, MEMCACHE_STATUS_NO_MEMORY);
    else
        put(h, value, &options);
}

/* ---- delete, flush ---- */

void handler_memcache_delete(struct handler *h)
{
    const struct memcache_request *request = h->request;
    struct store_entry entry;
    uint64_t revision;
    if (!handler_memcache_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, request->key, &entry) != STORE_OK)
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_FOUND);
    else if (request->cas != 0 && request->cas != entry.revision)
        handler_memcache_error(h, MEMCACHE_STATUS_EXISTS);
    else if (store_delete(h->section.store, request->key, &revision) != STORE_OK)
        handler_memcache_error(h, MEMCACHE_STATUS_NO_MEMORY);
    else
        handler_memcache_done(h, 0);
}

/* When all keys go, on the store's clock; 0: no flush waits. One for all loops, the last one asked
 * for. */
static _Atomic uint64_t flush_at_ms;

static enum store_status flush(struct handler *h)
{
    uint64_t keys;
    uint64_t revision;
    handler_section_write(&h->section);
    return store_drop(h->section.store, cdx_empty(), &keys, &revision);
}

void handler_memcache_flush_due(struct handler *h)
{
    uint64_t at = atomic_load_explicit(&flush_at_ms, memory_order_relaxed);
    if (at == 0 || at > store_now(h->section.store) ||
        !atomic_compare_exchange_strong(&flush_at_ms, &at, 0))
        return;
    if (flush(h) != STORE_OK)
        atomic_store(&flush_at_ms, at); /* no memory now: with the next turn */
    handler_section_write_end(&h->section);
}

void handler_memcache_flush(struct handler *h)
{
    struct cdx_bytes delay = h->request->extras.delay_extras.delay;
    if (delay.len != 0 && delay.len != sizeof(uint32_t)) {
        handler_memcache_error(h, MEMCACHE_STATUS_INVALID);
        h->closing = true;
        return;
    }
    if (!handler_memcache_room(h))
        return;
    handler_memcache_count_one(&h->flushes);
    uint64_t at = delay.len != 0 ? handler_memcache_expires(h, cdx_load_be32(delay.data)) : 0;
    atomic_store(&flush_at_ms, at);
    if (at == 0 && flush(h) != STORE_OK)
        handler_memcache_error(h, MEMCACHE_STATUS_NO_MEMORY);
    else
        handler_memcache_done(h, 0);
}

/* ---- increment, decrement ---- */

/*
 * A number as memcached reads one: blanks may stand before and behind it, and anything
 * behind those. False: it is none, or above 64 bits.
 */
static bool number_of(struct cdx_bytes text, uint64_t *number)
{
    const uint8_t *p = text.data;
    const uint8_t *end = p + text.len;
    while (p != end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
        p++;
    const uint8_t *digits = p;
    for (*number = 0; p != end && *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
            return false;
    }
    return p != digits && (p == end || *p == ' ' || (*p >= '\t' && *p <= '\r'));
}

/* Stores a number in digits and answers it in 8 bytes. */
static void put_number(struct handler *h, uint64_t number, const struct store_put_options *options)
{
    char digits[DIGITS_NBYTES_MAX];
    uint8_t bytes[sizeof number];
    uint64_t revision;
    int n = snprintf(digits, sizeof digits, "%" PRIu64, number);
    enum store_status status = store_put_with(h->section.store, h->request->key,
                                              cdx_bytes_of(digits, (size_t)n), options, &revision);
    if (status != STORE_OK) {
        handler_memcache_write_failed(h, status);
        return;
    }
    cdx_store_be64(bytes, number);
    const struct handler_memcache_answer answer = {
        .cas = revision,
        .value = cdx_bytes_of(bytes, sizeof bytes),
    };
    if (!h->quiet)
        handler_memcache_reply(h, MEMCACHE_STATUS_OK, &answer);
}

static void put_first_number(struct handler *h)
{
    const struct memcache_counter_extras *extras = &h->request->extras.counter_extras;
    const struct store_put_options options = {
        .expires_ms = handler_memcache_expires(h, extras->expiration),
    };
    if (extras->expiration == HANDLER_MEMCACHE_NO_COUNTER)
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_FOUND);
    else
        put_number(h, extras->initial, &options);
}

void handler_memcache_count(struct handler *h)
{
    const struct memcache_request *request = h->request;
    uint64_t delta = request->extras.counter_extras.delta;
    struct store_entry entry;
    uint64_t number;
    if (!handler_memcache_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, request->key, &entry) != STORE_OK) {
        put_first_number(h);
        return;
    }
    if (request->cas != 0 && request->cas != entry.revision) {
        handler_memcache_error(h, MEMCACHE_STATUS_EXISTS);
        return;
    }
    if (!number_of(entry.value, &number)) {
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_A_NUMBER);
        return;
    }
    if (request->opcode == MEMCACHE_OPCODE_INCREMENT ||
        request->opcode == MEMCACHE_OPCODE_INCREMENT_QUIET)
        number += delta; /* begins at 0 again behind the largest */
    else
        number -= delta < number ? delta : number;
    const struct store_put_options options = {.keep_expiry = true, .mark = entry.mark};
    put_number(h, number, &options);
}
