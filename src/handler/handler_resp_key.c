/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler about keys: whether they are there, and until when. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <time.h>

/* ---- time ---- */

/* The store's clock may be so far behind, and clocks that are set slowly apart, before it is looked
 * at anew what it shows when; until then an end that was set by the calendar reads as it was set.
 */
#define CLOCK_SLACK_MS 100

int64_t handler_resp_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What the calendar shows when the store's clock shows 0. */
static int64_t clock_origin(const struct handler *h)
{
    static _Atomic int64_t known;
    int64_t seen = handler_resp_unix_ms() - (int64_t)store_now(h->section.store);
    int64_t origin = atomic_load_explicit(&known, memory_order_relaxed);
    if (origin < seen - CLOCK_SLACK_MS || origin > seen + CLOCK_SLACK_MS) {
        origin = seen;
        atomic_store_explicit(&known, origin, memory_order_relaxed);
    }
    return origin;
}

uint64_t handler_resp_expires_in(const struct handler *h, int64_t ms)
{
    uint64_t now = store_now(h->section.store);
    uint64_t expires_ms;
    if (ms <= 0)
        return now != 0 ? now : 1; /* past already */
    return __builtin_add_overflow(now, (uint64_t)ms, &expires_ms) ? 0 : expires_ms;
}

uint64_t handler_resp_expires_at(const struct handler *h, int64_t unix_ms)
{
    int64_t expires_ms;
    if (__builtin_sub_overflow(unix_ms, clock_origin(h), &expires_ms) || expires_ms <= 0)
        return handler_resp_expires_in(h, 0);
    return (uint64_t)expires_ms;
}

static int64_t whole_seconds(int64_t ms)
{
    return ms / 1000 + (ms % 1000 >= 500);
}

enum unit { UNIT_MS, UNIT_SECONDS };

/* Answers as `TTL` does: -2, -1, or when the value ends, counted from `from` on the store's clock.
 */
static void answer_ttl(struct handler *h, struct cdx_bytes key, enum unit unit, int64_t from)
{
    struct store_entry entry;
    handler_section_read(&h->section);
    if (store_get(h->section.reader, key, h->probe, &entry) != STORE_OK) {
        handler_resp_integer(h, -2);
    } else if (entry.expires_ms == 0) {
        handler_resp_integer(h, -1);
    } else {
        int64_t ms;
        if (__builtin_sub_overflow(entry.expires_ms, from, &ms))
            ms = INT64_MAX;
        ms = ms > 0 ? ms : 0; /* the clock may have moved on */
        handler_resp_integer(h, unit == UNIT_SECONDS ? whole_seconds(ms) : ms);
    }
}

static int64_t clock_now(const struct handler *h)
{
    return (int64_t)store_now(h->section.store);
}

void handler_resp_ttl(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    answer_ttl(h, args[1], UNIT_SECONDS, clock_now(h));
}

void handler_resp_pttl(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    answer_ttl(h, args[1], UNIT_MS, clock_now(h));
}

void handler_resp_expiretime(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    answer_ttl(h, args[1], UNIT_SECONDS, -clock_origin(h));
}

void handler_resp_pexpiretime(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    answer_ttl(h, args[1], UNIT_MS, -clock_origin(h));
}

/* ---- EXPIRE and its relatives ---- */

struct expire_conditions {
    bool none, some, later, earlier; /* NX XX GT LT */
};

/* False: an error was answered. */
static bool take_conditions(struct handler *h, const struct cdx_bytes *args, size_t count,
                            struct expire_conditions *conditions)
{
    *conditions = (struct expire_conditions){.none = false};
    for (size_t i = 3; i < count; i++) {
        if (handler_resp_text_is(args[i], "nx")) {
            conditions->none = true;
        } else if (handler_resp_text_is(args[i], "xx")) {
            conditions->some = true;
        } else if (handler_resp_text_is(args[i], "gt")) {
            conditions->later = true;
        } else if (handler_resp_text_is(args[i], "lt")) {
            conditions->earlier = true;
        } else {
            handler_resp_error_of(h, "ERR Unsupported option %.*s",
                                  (int)(args[i].len < 128 ? args[i].len : 128),
                                  (const char *)args[i].data);
            return false;
        }
    }
    if (conditions->none && (conditions->some || conditions->later || conditions->earlier)) {
        handler_resp_error(h,
                           "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (conditions->later && conditions->earlier) {
        handler_resp_error(h, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Whether an entry may get the end `expires_ms`. */
static bool conditions_hold(const struct expire_conditions *conditions,
                            const struct store_entry *entry, uint64_t expires_ms)
{
    bool ends = entry->expires_ms != 0;
    if ((conditions->none && ends) || (conditions->some && !ends))
        return false;
    if (conditions->later && (!ends || expires_ms <= entry->expires_ms))
        return false;
    return !(conditions->earlier && ends && expires_ms >= entry->expires_ms);
}

/* When the value is to end, from the argument; false: an error was answered. */
static bool take_end(struct handler *h, struct cdx_bytes text, enum unit unit, bool relative,
                     uint64_t *expires_ms)
{
    int64_t time, unix_ms;
    if (!handler_resp_number_arg(h, text, &time))
        return false;
    if ((unit == UNIT_SECONDS && __builtin_mul_overflow(time, INT64_C(1000), &time)) ||
        (relative && __builtin_add_overflow(time, handler_resp_unix_ms(), &unix_ms))) {
        handler_resp_error_of(h, "ERR invalid expire time in '%s' command", h->command->name);
        return false;
    }
    *expires_ms = relative ? handler_resp_expires_in(h, time) : handler_resp_expires_at(h, time);
    return true;
}

enum store_status handler_resp_end(struct handler *h, struct cdx_bytes key, uint64_t expires_ms)
{
    uint64_t revision;
    bool past = expires_ms != 0 && expires_ms <= store_now(h->section.store);
    return past ? store_delete(h->section.store, key, &revision)
                : store_touch(h->section.store, key, expires_ms);
}

static void expire(struct handler *h, const struct cdx_bytes *args, size_t count, enum unit unit,
                   bool relative)
{
    struct expire_conditions conditions;
    struct store_entry entry;
    uint64_t expires_ms;
    if (!take_conditions(h, args, count, &conditions) ||
        !take_end(h, args[2], unit, relative, &expires_ms) || !handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, args[1], &entry) != STORE_OK ||
        !conditions_hold(&conditions, &entry, expires_ms)) {
        handler_resp_integer(h, 0);
        return;
    }
    enum store_status status = handler_resp_end(h, args[1], expires_ms);
    if (status == STORE_OK)
        handler_resp_integer(h, 1);
    else
        handler_resp_write_failed(h, status);
}

void handler_resp_expire(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    expire(h, args, count, UNIT_SECONDS, true);
}

void handler_resp_pexpire(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    expire(h, args, count, UNIT_MS, true);
}

void handler_resp_expireat(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    expire(h, args, count, UNIT_SECONDS, false);
}

void handler_resp_pexpireat(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    expire(h, args, count, UNIT_MS, false);
}

void handler_resp_persist(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    (void)count;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    bool ends = store_peek(h->section.store, args[1], &entry) == STORE_OK && entry.expires_ms != 0;
    enum store_status status = ends ? store_touch(h->section.store, args[1], 0) : STORE_OK;
    if (status == STORE_OK)
        handler_resp_integer(h, ends);
    else
        handler_resp_write_failed(h, status);
}

/* ---- presence ---- */

/* False: an error was answered. */
static bool keys_fit(struct handler *h, size_t count)
{
    if (count > HANDLER_RESP_KEYS_MAX)
        handler_resp_error(h, RESP_ERROR_KEYS);
    return count <= HANDLER_RESP_KEYS_MAX;
}

/* Counts the keys that are there. */
static bool count_found(struct handler *h, void *arg, const struct store_entry *entry)
{
    int64_t *found = arg;
    (void)h;
    *found += entry != NULL;
    return true;
}

void handler_resp_exists(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    int64_t found = 0;
    if (!keys_fit(h, count - 1))
        return;
    handler_section_read(&h->section);
    handler_resp_each(h, args + 1, count - 1, count_found, &found);
    handler_resp_integer(h, found);
}

static void delete_one(struct handler *h, struct cdx_bytes key)
{
    uint64_t revision;
    handler_section_write(&h->section);
    enum store_status status = store_delete(h->section.store, key, &revision);
    if (status == STORE_NO_MEMORY)
        handler_resp_write_failed(h, status);
    else
        handler_resp_integer(h, status == STORE_OK);
}

/* Deletes all keys or, for want of memory, none. */
static void delete_many(struct handler *h, const struct cdx_bytes *keys, size_t count)
{
    uint64_t before, after;
    if (!handler_resp_ops(h, count))
        return;
    for (size_t i = 0; i < count; i++)
        h->ops[i] = (struct store_op){.kind = STORE_OP_DELETE, .key = keys[i]};
    handler_section_write(&h->section);
    /* every key that was there counts one revision */
    if (handler_resp_batch(h, 0, &before) && handler_resp_batch(h, count, &after))
        handler_resp_integer(h, (int64_t)(after - before));
}

void handler_resp_del(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    if (!keys_fit(h, count - 1) || !handler_resp_room(h))
        return;
    if (count == 2)
        delete_one(h, args[1]);
    else
        delete_many(h, args + 1, count - 1);
}

void handler_resp_type(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    (void)count;
    handler_section_read(&h->section);
    bool found = store_get(h->section.reader, args[1], h->probe, &entry) == STORE_OK;
    handler_resp_status(h, found ? "string" : "none");
}
