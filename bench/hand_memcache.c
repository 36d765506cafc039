/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-written parser of memcached's binary requests. The happy path: the whole message lies
 * in the input and is read by wide loads. A message that the input's end cuts is read on phase
 * by phase; its bytes go to the spill when the input ends.
 */
#include "hand_memcache.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define HEAD_NBYTES 24u
#define MAGIC 0x80u
#define DELAY_NBYTES_MAX 4u

/* Which extras: numbers, or bytes (those of opcodes that are not in the description too). */
enum kind { OTHER, NONE, STORE, COUNTER, EXPIRATION, LEVEL, DELAY, KIND_COUNT };

static const uint8_t kinds[256] = {
    [MEMCACHE_OPCODE_GET] = NONE,
    [MEMCACHE_OPCODE_SET] = STORE,
    [MEMCACHE_OPCODE_ADD] = STORE,
    [MEMCACHE_OPCODE_REPLACE] = STORE,
    [MEMCACHE_OPCODE_DELETE] = NONE,
    [MEMCACHE_OPCODE_INCREMENT] = COUNTER,
    [MEMCACHE_OPCODE_DECREMENT] = COUNTER,
    [MEMCACHE_OPCODE_QUIT] = NONE,
    [MEMCACHE_OPCODE_FLUSH] = DELAY,
    [MEMCACHE_OPCODE_GET_QUIET] = NONE,
    [MEMCACHE_OPCODE_NOOP] = NONE,
    [MEMCACHE_OPCODE_VERSION] = NONE,
    [MEMCACHE_OPCODE_GET_KEY] = NONE,
    [MEMCACHE_OPCODE_GET_KEY_QUIET] = NONE,
    [MEMCACHE_OPCODE_APPEND] = NONE,
    [MEMCACHE_OPCODE_PREPEND] = NONE,
    [MEMCACHE_OPCODE_STAT] = NONE,
    [MEMCACHE_OPCODE_SET_QUIET] = STORE,
    [MEMCACHE_OPCODE_ADD_QUIET] = STORE,
    [MEMCACHE_OPCODE_REPLACE_QUIET] = STORE,
    [MEMCACHE_OPCODE_DELETE_QUIET] = NONE,
    [MEMCACHE_OPCODE_INCREMENT_QUIET] = COUNTER,
    [MEMCACHE_OPCODE_DECREMENT_QUIET] = COUNTER,
    [MEMCACHE_OPCODE_QUIT_QUIET] = NONE,
    [MEMCACHE_OPCODE_FLUSH_QUIET] = DELAY,
    [MEMCACHE_OPCODE_APPEND_QUIET] = NONE,
    [MEMCACHE_OPCODE_PREPEND_QUIET] = NONE,
    [MEMCACHE_OPCODE_VERBOSITY] = LEVEL,
    [MEMCACHE_OPCODE_TOUCH] = EXPIRATION,
    [MEMCACHE_OPCODE_GET_TOUCH] = EXPIRATION,
    [MEMCACHE_OPCODE_GET_TOUCH_QUIET] = EXPIRATION,
    [MEMCACHE_OPCODE_GET_TOUCH_KEY] = EXPIRATION,
    [MEMCACHE_OPCODE_GET_TOUCH_KEY_QUIET] = EXPIRATION,
};

/* The numbers that extras of a kind consist of. */
struct extra {
    uint8_t nbytes;
    const char *field;
};
static const struct extra extras[KIND_COUNT][4] = {
    [STORE] = {{4, "store_extras.flags"}, {4, "store_extras.expiration"}},
    [COUNTER] = {{8, "counter_extras.delta"},
                 {8, "counter_extras.initial"},
                 {4, "counter_extras.expiration"}},
    [EXPIRATION] = {{4, "expiration_extras.expiration"}},
    [LEVEL] = {{4, "level_extras.level"}},
};
static const uint8_t extras_nbytes[KIND_COUNT] = {
    [STORE] = 8, [COUNTER] = 20, [EXPIRATION] = 4, [LEVEL] = 4};

/* What this input holds of the fields of bytes: all, or a part. */
struct pieces {
    struct cdx_bytes extras, key, value;
};

static enum cdx_status fail(struct hand_memcache_parser *s, const char *field, const char *reason,
                            uint64_t at)
{
    s->phase = HAND_MEMCACHE_FAILED;
    s->status = CDX_MALFORMED;
    s->field = field;
    s->reason = reason;
    s->error_at = s->begin + at;
    return s->status;
}

static enum cdx_status fail_for_memory(struct hand_memcache_parser *s)
{
    (void)fail(s, "value", cdx_reason_text(CDX_REASON_MEMORY), s->offset - s->begin);
    return s->status = CDX_NO_MEMORY;
}

static void begin(struct hand_memcache_parser *s)
{
    s->phase = HAND_MEMCACHE_HEAD;
    s->left = HEAD_NBYTES;
}

void hand_memcache_init(struct hand_memcache_parser *s)
{
    memset(s, 0, sizeof *s);
    begin(s);
}

void hand_memcache_error(const struct hand_memcache_parser *s, struct cdx_parse_error *error)
{
    error->offset = s->reason != NULL ? s->error_at : s->offset;
    error->field = s->field;
    error->reason = s->reason;
}

/* ---- a message that lies whole in the input ---- */

static inline void load_extras(struct memcache_request *m, enum kind kind, const uint8_t *p)
{
    switch (kind) {
    case STORE:
        m->extras.store_extras.flags = cdx_load_be32(p);
        m->extras.store_extras.expiration = cdx_load_be32(p + 4);
        break;
    case COUNTER:
        m->extras.counter_extras.delta = cdx_load_be64(p);
        m->extras.counter_extras.initial = cdx_load_be64(p + 8);
        m->extras.counter_extras.expiration = cdx_load_be32(p + 16);
        break;
    case EXPIRATION:
        m->extras.expiration_extras.expiration = cdx_load_be32(p);
        break;
    case LEVEL:
        m->extras.level_extras.level = cdx_load_be32(p);
        break;
    case DELAY:
        m->extras.delay_extras.delay = cdx_bytes_of(p, m->extras_len);
        break;
    case OTHER:
        m->extras.other_extras.data = cdx_bytes_of(p, m->extras_len);
        break;
    default:
        break;
    }
}

static inline void load_head(struct memcache_request *m, const uint8_t *p)
{
    m->magic = MAGIC;
    m->opcode = p[1];
    m->key_len = cdx_load_be16(p + 2);
    m->extras_len = p[4];
    m->data_type = p[5];
    m->vbucket = cdx_load_be16(p + 6);
    m->total = cdx_load_be32(p + 8);
    m->opaque = cdx_load_be32(p + 12);
    m->cas = cdx_load_be64(p + 16);
}

/* Its length, and `*message` is set; 0 when it is not whole or not in order. */
static inline size_t read_whole(const uint8_t *p, const uint8_t *end,
                                struct memcache_request *message)
{
    if (end - p < (ptrdiff_t)HEAD_NBYTES)
        return 0;
    const enum kind kind = kinds[p[1]];
    const uint32_t key_len = cdx_load_be16(p + 2);
    const uint32_t extras_len = p[4];
    const uint32_t total = cdx_load_be32(p + 8);
    if (p[0] != MAGIC || key_len > MEMCACHE_KEY_MAX)
        return 0;
    if (extras_len != extras_nbytes[kind] &&
        !(kind == OTHER || (kind == DELAY && extras_len <= DELAY_NBYTES_MAX)))
        return 0;
    if (total < extras_len + key_len || (size_t)(end - p) - HEAD_NBYTES < total)
        return 0;
    const uint32_t value_len = total - extras_len - key_len;
    if (value_len > MEMCACHE_VALUE_MAX)
        return 0;
    load_head(message, p);
    load_extras(message, kind, p + HEAD_NBYTES);
    message->key = cdx_bytes_of(p + HEAD_NBYTES + extras_len, key_len);
    message->value = cdx_bytes_of(p + HEAD_NBYTES + extras_len + key_len, value_len);
    return HEAD_NBYTES + (size_t)total;
}

/* ---- a message that is cut ---- */

static void begin_extras(struct hand_memcache_parser *s)
{
    s->phase = HAND_MEMCACHE_EXTRAS;
    s->extra = 0;
    s->extras_at = 0;
    s->left = 0;
    s->number = 0;
}

/* The byte at `at` of the head has come; `number` is its field's, if this is the last of it. */
static enum cdx_status judge_head(struct hand_memcache_parser *s, uint32_t at, uint64_t number)
{
    struct memcache_request *const m = &s->message;
    switch (at) {
    case 0:
        if (number != MAGIC)
            return fail(s, "magic", cdx_reason_text(CDX_REASON_LITERAL), 0);
        m->magic = MAGIC;
        break;
    case 1:
        m->opcode = (uint8_t)number;
        break;
    case 3:
        m->key_len = (uint16_t)number;
        break;
    case 4:
        m->extras_len = (uint8_t)number;
        break;
    case 5:
        m->data_type = (uint8_t)number;
        break;
    case 7:
        m->vbucket = (uint16_t)number;
        break;
    case 11:
        m->total = (uint32_t)number;
        break;
    case 15:
        m->opaque = (uint32_t)number;
        break;
    case 23:
        m->cas = number;
        break;
    default:
        return CDX_MORE;
    }
    s->number = 0;
    return CDX_MORE;
}

/* CDX_OK: the phase is over. */
static enum cdx_status read_head(struct hand_memcache_parser *s, const uint8_t **next,
                                 const uint8_t *end)
{
    const uint8_t *p = *next;
    if (s->left == HEAD_NBYTES && end - p >= (ptrdiff_t)HEAD_NBYTES && p[0] == MAGIC) {
        load_head(&s->message, p);
        *next = p + HEAD_NBYTES;
        begin_extras(s);
        return CDX_OK;
    }
    if (s->left == HEAD_NBYTES)
        s->number = 0;
    while (p != end) {
        s->number = s->number << 8 | *p++;
        *next = p;
        if (judge_head(s, HEAD_NBYTES - s->left--, s->number) == CDX_MALFORMED)
            return CDX_MALFORMED;
        if (s->left == 0) {
            begin_extras(s);
            return CDX_OK;
        }
    }
    return CDX_MORE;
}

static void set_extra(struct memcache_request *m, enum kind kind, uint8_t extra, uint64_t number)
{
    struct memcache_counter_extras *const counter = &m->extras.counter_extras;
    if (kind == COUNTER && extra < 2)
        *(extra == 0 ? &counter->delta : &counter->initial) = number;
    else if (kind == COUNTER)
        counter->expiration = (uint32_t)number;
    else if (kind == STORE && extra == 0)
        m->extras.store_extras.flags = (uint32_t)number;
    else if (kind == STORE)
        m->extras.store_extras.expiration = (uint32_t)number;
    else if (kind == LEVEL)
        m->extras.level_extras.level = (uint32_t)number;
    else
        m->extras.expiration_extras.expiration = (uint32_t)number;
}

/* Numbers, one after the other; extras of bytes have a phase of their own. */
static enum cdx_status read_extras(struct hand_memcache_parser *s, const uint8_t **next,
                                   const uint8_t *end)
{
    const enum kind kind = kinds[s->message.opcode];
    const uint32_t room = s->message.extras_len;
    const uint8_t *p = *next;
    for (; extras[kind][s->extra].nbytes != 0; s->extra++) {
        const struct extra *const extra = &extras[kind][s->extra];
        if (s->left == 0) {
            if (room - s->extras_at < extra->nbytes)
                return fail(s, extra->field, cdx_reason_text(CDX_REASON_OVERRUN),
                            HEAD_NBYTES + s->extras_at);
            s->left = extra->nbytes;
        }
        while (p != end && s->left != 0) {
            s->number = s->number << 8 | *p++;
            s->left--;
        }
        *next = p;
        if (s->left != 0)
            return CDX_MORE;
        set_extra(&s->message, kind, s->extra, s->number);
        s->extras_at = (uint8_t)(s->extras_at + extra->nbytes);
        s->number = 0;
    }
    if (kind == DELAY && room > DELAY_NBYTES_MAX)
        return fail(s, "delay_extras.delay", cdx_reason_text(CDX_REASON_LONG), HEAD_NBYTES);
    if (kind != DELAY && kind != OTHER && room != s->extras_at)
        return fail(s, "extras", cdx_reason_text(CDX_REASON_TRAILING), HEAD_NBYTES + s->extras_at);
    s->phase = HAND_MEMCACHE_BYTES;
    s->left = room - s->extras_at;
    return CDX_OK;
}

static enum cdx_status judge_key_len(struct hand_memcache_parser *s)
{
    if (s->message.key_len > MEMCACHE_KEY_MAX)
        return fail(s, "key", cdx_reason_text(CDX_REASON_LONG),
                    HEAD_NBYTES + s->message.extras_len);
    s->phase = HAND_MEMCACHE_KEY;
    s->left = s->message.key_len;
    return CDX_OK;
}

static enum cdx_status judge_value_len(struct hand_memcache_parser *s)
{
    const uint32_t before = s->message.extras_len + (uint32_t)s->message.key_len;
    if (s->message.total < before)
        return fail(s, "value", cdx_reason_text(CDX_REASON_CONFLICT), HEAD_NBYTES + before);
    if (s->message.total - before > MEMCACHE_VALUE_MAX)
        return fail(s, "value", cdx_reason_text(CDX_REASON_LONG), HEAD_NBYTES + before);
    s->phase = HAND_MEMCACHE_VALUE;
    s->value_len = s->left = s->message.total - before;
    return CDX_OK;
}

static inline enum cdx_status take(struct hand_memcache_parser *s, const uint8_t **next,
                                   const uint8_t *end, struct cdx_bytes *piece)
{
    const size_t room = (size_t)(end - *next);
    const size_t n = room < s->left ? room : s->left;
    *piece = cdx_bytes_of(*next, n);
    *next += n;
    s->left -= (uint32_t)n;
    return s->left == 0 ? CDX_OK : CDX_MORE;
}

static enum cdx_status read_phases(struct hand_memcache_parser *s, const uint8_t **next,
                                   const uint8_t *end, struct pieces *pieces)
{
    enum cdx_status status = CDX_OK;
    if (s->phase == HAND_MEMCACHE_HEAD)
        status = read_head(s, next, end);
    if (status == CDX_OK && s->phase == HAND_MEMCACHE_EXTRAS)
        status = read_extras(s, next, end);
    if (status == CDX_OK && s->phase == HAND_MEMCACHE_BYTES) {
        status = take(s, next, end, &pieces->extras);
        if (status == CDX_OK)
            status = judge_key_len(s);
    }
    if (status == CDX_OK && s->phase == HAND_MEMCACHE_KEY) {
        status = take(s, next, end, &pieces->key);
        if (status == CDX_OK)
            status = judge_value_len(s);
    }
    if (status == CDX_OK && s->phase == HAND_MEMCACHE_VALUE)
        status = take(s, next, end, &pieces->value);
    return status;
}

/* ---- the input's end and the message's end ---- */

static struct cdx_bytes view(const struct cdx_spill *spill, struct cdx_bytes piece, size_t len,
                             size_t at)
{
    return piece.len == len ? piece : cdx_bytes_of(spill->data + at, len);
}

static enum cdx_status finish(struct hand_memcache_parser *s, struct cdx_spill *spill,
                              const struct pieces *pieces, struct memcache_request *message)
{
    struct memcache_request *const m = &s->message;
    const enum kind kind = kinds[m->opcode];
    const size_t extras_len = kind == DELAY || kind == OTHER ? m->extras_len : 0;
    if ((pieces->extras.len != extras_len && !cdx_spill_add(spill, pieces->extras)) ||
        (pieces->key.len != m->key_len && !cdx_spill_add(spill, pieces->key)) ||
        (pieces->value.len != s->value_len && !cdx_spill_add(spill, pieces->value)))
        return fail_for_memory(s);
    if (kind == DELAY)
        m->extras.delay_extras.delay = view(spill, pieces->extras, extras_len, 0);
    else if (kind == OTHER)
        m->extras.other_extras.data = view(spill, pieces->extras, extras_len, 0);
    m->key = view(spill, pieces->key, m->key_len, extras_len);
    m->value = view(spill, pieces->value, s->value_len, extras_len + m->key_len);
    *message = *m;
    begin(s);
    return CDX_OK;
}

static enum cdx_status keep(struct hand_memcache_parser *s, struct cdx_spill *spill,
                            const struct pieces *pieces)
{
    if (cdx_spill_add(spill, pieces->extras) && cdx_spill_add(spill, pieces->key) &&
        cdx_spill_add(spill, pieces->value))
        return CDX_MORE;
    return fail_for_memory(s);
}

/* Reads on in a message that is cut, or whose first byte only comes now. */
__attribute__((noinline)) static enum cdx_status read_on(struct hand_memcache_parser *s,
                                                         struct cdx_spill *spill,
                                                         const uint8_t **next, const uint8_t *end,
                                                         struct memcache_request *message)
{
    struct pieces pieces = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    const uint8_t *const start = *next;
    const enum cdx_status status = read_phases(s, next, end, &pieces);
    s->offset += (uint64_t)(*next - start);
    if (status == CDX_OK)
        return finish(s, spill, &pieces, message);
    return status == CDX_MORE ? keep(s, spill, &pieces) : status;
}

enum cdx_status hand_memcache_feed(struct hand_memcache_parser *s, struct cdx_spill *spill,
                                   const uint8_t **next, const uint8_t *end,
                                   struct memcache_request *message)
{
    const uint8_t *const p = *next;
    if (LIKELY(s->phase == HAND_MEMCACHE_HEAD && s->left == HEAD_NBYTES)) {
        if (p == end)
            return CDX_MORE;
        if (spill->len != 0)
            cdx_spill_clear(spill, CDX_SPILL_NBYTES_KEPT);
        const size_t nbytes = read_whole(p, end, message);
        if (LIKELY(nbytes != 0)) {
            s->offset += nbytes;
            *next = p + nbytes;
            return CDX_OK;
        }
        s->begin = s->offset;
    } else if (s->phase == HAND_MEMCACHE_FAILED) {
        return s->status;
    }
    return read_on(s, spill, next, end, message);
}
