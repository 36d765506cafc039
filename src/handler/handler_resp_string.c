/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the `resp` handler that get and set values.
 *
 * Room for the answer is taken before the write: a write that cannot be
 * answered for want of memory does not happen. What a command reads before it writes, it
 * reads in the same write section.
 */
#include "handler_resp.h"
#include "handler_resp_text.h"

/* ---- options of SET and GETEX ---- */

enum lifetime { LIFETIME_NONE, LIFETIME_EX, LIFETIME_PX, LIFETIME_EXAT, LIFETIME_PXAT };

struct set_options {
    enum lifetime lifetime;
    struct cdx_bytes time; /* unless LIFETIME_NONE */
    bool only_new, only_old, old_value, keep_ttl, persist;
    uint64_t expires_ms; /* when it ends, as the store has it */
};

/* The option's unit, or LIFETIME_NONE: it is no time. */
static enum lifetime lifetime_of(struct cdx_bytes word)
{
    static const char *const words[] = {NULL, "ex", "px", "exat", "pxat"};
    for (size_t i = LIFETIME_EX; i <= LIFETIME_PXAT; i++) {
        if (handler_resp_text_is(word, words[i]))
            return (enum lifetime)i;
    }
    return LIFETIME_NONE;
}

/* Takes the option at `*at`; false: it is none, or does not go with those before it. */
static bool take_option(struct set_options *options, bool set, const struct cdx_bytes *args,
                        size_t count, size_t *at)
{
    struct cdx_bytes word = args[(*at)++];
    enum lifetime lifetime = lifetime_of(word);
    if (lifetime != LIFETIME_NONE) {
        bool other = options->lifetime != LIFETIME_NONE && options->lifetime != lifetime;
        if (options->keep_ttl || options->persist || other || *at == count)
            return false;
        options->lifetime = lifetime;
        options->time = args[(*at)++];
        return true;
    }
    bool timed = options->lifetime != LIFETIME_NONE;
    if (!set)
        return handler_resp_text_is(word, "persist") && !timed && (options->persist = true);
    if (handler_resp_text_is(word, "nx"))
        return !options->only_old && (options->only_new = true);
    if (handler_resp_text_is(word, "xx"))
        return !options->only_new && (options->only_old = true);
    if (handler_resp_text_is(word, "get"))
        return options->old_value = true;
    if (handler_resp_text_is(word, "keepttl"))
        return !timed && (options->keep_ttl = true);
    return false;
}

/* False: an error was answered. */
static bool take_options(struct handler *h, bool set, const struct cdx_bytes *args, size_t count,
                         struct set_options *options)
{
    size_t at = set ? 3 : 2;
    *options = (struct set_options){.lifetime = LIFETIME_NONE};
    while (at < count) {
        if (!take_option(options, set, args, count, &at)) {
            handler_resp_error(h, RESP_ERROR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Finds out when the value is to end; false: an error was answered. */
static bool take_lifetime(struct handler *h, struct set_options *options)
{
    int64_t time, unix_ms;
    enum lifetime lifetime = options->lifetime;
    if (lifetime == LIFETIME_NONE)
        return true;
    if (!handler_resp_number_arg(h, options->time, &time))
        return false;
    bool seconds = lifetime == LIFETIME_EX || lifetime == LIFETIME_EXAT;
    bool relative = lifetime == LIFETIME_EX || lifetime == LIFETIME_PX;
    if (time <= 0 || (seconds && __builtin_mul_overflow(time, INT64_C(1000), &time)) ||
        (relative && __builtin_add_overflow(time, handler_resp_unix_ms(), &unix_ms))) {
        handler_resp_error_of(h, "ERR invalid expire time in '%s' command", h->command->name);
        return false;
    }
    options->expires_ms =
        relative ? handler_resp_expires_in(h, time) : handler_resp_expires_at(h, time);
    return true;
}

/* ---- SET and its relatives ---- */

/* What a command that sets a value answers. */
struct set_answers {
    void (*done)(struct handler *h);
    void (*not_done)(struct handler *h);
};

static void answer_one(struct handler *h)
{
    handler_resp_integer(h, 1);
}

static void answer_zero(struct handler *h)
{
    handler_resp_integer(h, 0);
}

static const struct set_answers set_answers = {handler_resp_ok, handler_resp_null};
static const struct set_answers setnx_answers = {answer_one, answer_zero};

/* Answers with the value before, if it is wanted, and says whether there is one. */
static bool answer_old(struct handler *h, struct cdx_bytes key, bool wanted)
{
    struct store_entry entry;
    bool found = store_peek(h->section.store, key, &entry) == STORE_OK;
    if (wanted && found)
        handler_resp_bulk(h, entry.value);
    else if (wanted)
        handler_resp_null(h);
    return found;
}

static void set_value(struct handler *h, const struct cdx_bytes *key_value,
                      const struct set_options *options, const struct set_answers *answers)
{
    const struct store_put_options put = {
        .expires_ms = options->expires_ms,
        .keep_expiry = options->keep_ttl,
    };
    uint64_t revision;
    size_t before = h->out->len;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (options->only_new || options->only_old || options->old_value) {
        bool found = answer_old(h, key_value[0], options->old_value);
        bool refused = found ? options->only_new : options->only_old;
        if (refused && !options->old_value)
            answers->not_done(h);
        if (refused || h->no_room)
            return;
    }
    enum store_status status =
        store_put_with(h->section.store, key_value[0], key_value[1], &put, &revision);
    if (status != STORE_OK) {
        h->out->len = before;
        handler_resp_write_failed(h, status);
    } else if (!options->old_value) {
        answers->done(h);
    }
}

void handler_resp_set(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct set_options options;
    if (take_options(h, true, args, count, &options) && take_lifetime(h, &options))
        set_value(h, args + 1, &options, &set_answers);
}

/* `SETEX key time value`, and in milliseconds. */
static void set_for(struct handler *h, const struct cdx_bytes *args, enum lifetime lifetime)
{
    struct set_options options = {.lifetime = lifetime, .time = args[2]};
    const struct cdx_bytes key_value[] = {args[1], args[3]};
    if (take_lifetime(h, &options))
        set_value(h, key_value, &options, &set_answers);
}

void handler_resp_setex(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    set_for(h, args, LIFETIME_EX);
}

void handler_resp_psetex(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    set_for(h, args, LIFETIME_PX);
}

void handler_resp_setnx(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    const struct set_options options = {.only_new = true};
    (void)count;
    set_value(h, args + 1, &options, &setnx_answers);
}

void handler_resp_getset(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    const struct set_options options = {.old_value = true};
    (void)count;
    set_value(h, args + 1, &options, &set_answers);
}

/* ---- GET and its relatives ---- */

void handler_resp_get(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    (void)count;
    handler_section_read(&h->section);
    if (store_get(h->section.reader, args[1], h->probe, &entry) == STORE_OK)
        handler_resp_bulk(h, entry.value);
    else
        handler_resp_null(h);
}

void handler_resp_strlen(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    (void)count;
    handler_section_read(&h->section);
    bool found = store_get(h->section.reader, args[1], h->probe, &entry) == STORE_OK;
    handler_resp_integer(h, found ? (int64_t)entry.value.len : 0);
}

/* Removes the key whose value was answered; the answer before `before` stays if that fails. */
static void delete_answered(struct handler *h, struct cdx_bytes key, size_t before)
{
    uint64_t revision;
    enum store_status status =
        h->no_room ? STORE_OK : store_delete(h->section.store, key, &revision);
    if (status != STORE_OK) {
        h->out->len = before;
        handler_resp_write_failed(h, status);
    }
}

void handler_resp_getdel(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    size_t before = h->out->len;
    (void)count;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (answer_old(h, args[1], true))
        delete_answered(h, args[1], before);
}

void handler_resp_getex(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct set_options options;
    struct store_entry entry;
    size_t before = h->out->len;
    if (!take_options(h, false, args, count, &options) || !handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, args[1], &entry) != STORE_OK) {
        handler_resp_null(h);
        return;
    }
    if (!take_lifetime(h, &options))
        return;
    handler_resp_bulk(h, entry.value);
    if (h->no_room || (options.lifetime == LIFETIME_NONE && !options.persist))
        return;
    enum store_status status = handler_resp_end(h, args[1], options.expires_ms);
    if (status != STORE_OK) {
        h->out->len = before;
        handler_resp_write_failed(h, status);
    }
}

/* ---- many ---- */

void handler_resp_mget(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    handler_resp_values(h, args + 1, count - 1);
}

/* Puts all pairs, or none; false: an error was answered. */
static bool put_pairs(struct handler *h, const struct cdx_bytes *pairs, size_t count)
{
    uint64_t revision;
    if (!handler_resp_ops(h, count))
        return false;
    for (size_t i = 0; i < count; i++)
        h->ops[i] = (struct store_op){
            .kind = STORE_OP_PUT, .key = pairs[2 * i], .value = pairs[2 * i + 1]};
    return handler_resp_batch(h, count, &revision);
}

/* Whether the pairs can be written at once; false: an error was answered. */
static bool pairs_fit(struct handler *h, size_t count)
{
    if (count % 2 == 0) {
        handler_resp_arity_error(h);
        return false;
    }
    if (count / 2 > HANDLER_RESP_KEYS_MAX) {
        handler_resp_error(h, RESP_ERROR_KEYS);
        return false;
    }
    return handler_resp_room(h);
}

void handler_resp_mset(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    if (!pairs_fit(h, count))
        return;
    handler_section_write(&h->section);
    if (put_pairs(h, args + 1, count / 2))
        handler_resp_ok(h);
}

void handler_resp_msetnx(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    if (!pairs_fit(h, count))
        return;
    handler_section_write(&h->section);
    for (size_t i = 1; i < count; i += 2) {
        if (store_peek(h->section.store, args[i], &entry) == STORE_OK) {
            handler_resp_integer(h, 0);
            return;
        }
    }
    if (put_pairs(h, args + 1, count / 2))
        handler_resp_integer(h, 1);
}
