/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the parsers of messages stand on: a message's bytes, of which the first may lie
 * in the spill and the others in the input, and reading numbers of every form from them.
 *
 *     message   | 0 …            kept | … what is there     have | not here yet …
 *                 in the spill          in the input
 *
 * A walk (generated) goes through the message step by step. It stops where bytes are
 * missing, and goes on there when they have come.
 */
#ifndef CAUDEX_WINDOW_H
#define CAUDEX_WINDOW_H

#include <caudex/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ---- */

/** Bytes of a message, by their place in it. */
struct cdx_span {
    uint32_t at;
    uint32_t len;
};

/** Structs of a message, one after the other, still encoded: `count` of them in `bytes`. */
struct cdx_list {
    struct cdx_bytes bytes;
    uint32_t count;
};

/** Bytes that were taken out of a message: what stands behind has its place without them. */
struct cdx_passed {
    uint64_t nbytes;
    struct cdx_bytes piece; /* of these, what whoever reads the message is to have */
    uint16_t step;          /* the step that passed the piece */
};

/** What of a message is there, and where a walk has come to. */
struct cdx_window {
    const uint8_t *in; /* the input: the message from `from` on */
    uint64_t from;
    uint64_t kept; /* bytes before this one are in the spill */
    uint64_t have; /* bytes of the message that are there */
    struct cdx_spill *spill;
    uint64_t pos;  /* where the step begins that waits, failed, or was the last */
    uint64_t need; /* bytes that it waits for, at least 1 */
    uint64_t seen; /* bytes behind `pos` that were searched in vain, if it waits for a text's end */
    uint16_t step; /* the number of that step */
    uint16_t field;  /* of an error */
    uint16_t reason; /* of an error: enum cdx_reason, or CDX_REASON_COUNT + a generated one */
    struct cdx_passed *passed; /* where a message has bytes that are not kept */
};

enum cdx_walk {
    CDX_WALK_DONE, /* the message ends at `pos` */
    CDX_WALK_MORE, /* `need` more bytes, then step `step` */
    CDX_WALK_STOP, /* `field` and `reason` say why */
};

/** A number that was read, and the bytes that it took: 0 when it is not whole yet. */
struct cdx_number {
    uint64_t value; /* of a signed number: two's complement */
    size_t nbytes;
    enum cdx_reason reason; /* CDX_REASON_NONE, or why there is no number */
};

/* ---- walking ---- */

/** The walk waits at `pos` for `nbytes`, of which some may be there. */
static inline enum cdx_walk cdx_window_await(struct cdx_window *w, uint16_t step, uint64_t pos,
                                             uint64_t nbytes)
{
    w->step = step;
    w->pos = pos;
    w->need = pos + nbytes - w->have;
    return CDX_WALK_MORE;
}

/** The walk ends: the bytes at `pos` are not what belongs there. */
static inline enum cdx_walk cdx_window_stop(struct cdx_window *w, uint16_t field, uint16_t reason,
                                            uint64_t pos)
{
    w->field = field;
    w->reason = reason;
    w->pos = pos;
    return CDX_WALK_STOP;
}

/**
 * `nbytes` bytes of the message at `pos`, all of which must be there, in one piece: what an
 * input's edge has cut is joined in the spill. NULL: no memory for that.
 */
const uint8_t *cdx_window_reach(struct cdx_window *w, uint64_t pos, uint64_t nbytes);

/**
 * Takes up to `nbytes` bytes that are there at `pos` out of the message, as if it had never had
 * them, and gives them to `*passed`; what stands before them is kept. false: no memory.
 */
CDX_MUST_CHECK bool cdx_window_pass(struct cdx_window *w, uint64_t pos, uint64_t nbytes,
                                    struct cdx_bytes *passed);

/** Keeps all that is there in the spill; false: no memory. */
CDX_MUST_CHECK bool cdx_window_keep(struct cdx_window *w);

/** The byte of the message at `pos`, which must be there. */
static inline uint8_t cdx_window_byte(const struct cdx_window *w, uint64_t pos)
{
    return pos < w->kept ? w->spill->data[pos] : w->in[pos - w->from];
}

/** The view of a span that has been reached. */
static inline struct cdx_bytes cdx_window_view(const struct cdx_window *w, struct cdx_span span)
{
    const uint8_t *const data =
        span.at < w->kept ? w->spill->data + span.at : w->in + (span.at - w->from);
    return cdx_bytes_of(data, span.len);
}

/* ---- numbers ---- */

static inline struct cdx_number cdx_number_of(uint64_t value, size_t nbytes)
{
    struct cdx_number number;
    number.value = value;
    number.nbytes = nbytes;
    number.reason = CDX_REASON_NONE;
    return number;
}

/* Out of line: like the functions below without `any`. */
struct cdx_number cdx_window_any_varint(const struct cdx_window *w, uint64_t pos, uint64_t limit,
                                        unsigned bits);
struct cdx_number cdx_window_any_decimal(const struct cdx_window *w, uint64_t pos, uint64_t limit,
                                         int64_t min, uint64_t max, const char *end, size_t nend);
struct cdx_number cdx_window_any_until(struct cdx_window *w, uint64_t pos, uint64_t limit,
                                       uint64_t max, const char *end, size_t nend);

/**
 * The window of a walk that runs `fast`, so nothing is in the spill, for functions out of line: the
 * walk's own, which nobody else sees, stays in registers.
 */
static inline struct cdx_window cdx_window_apart(const struct cdx_window *w)
{
    struct cdx_window apart;
    memset(&apart, 0, sizeof apart);
    apart.in = w->in;
    apart.have = w->have;
    return apart;
}

/**
 * LEB128 at `pos`, in its shortest form, of at most `bits` bits, that may not pass `limit`.
 * CDX_REASON_SYNTAX: a form that is not the shortest; CDX_REASON_RANGE: more bits;
 * CDX_REASON_OVERRUN.
 */
static inline struct cdx_number cdx_window_varint(const struct cdx_window *w, bool fast,
                                                  uint64_t pos, uint64_t limit, unsigned bits)
{
    if (!fast)
        return cdx_window_any_varint(w, pos, limit, bits);
    if (pos < w->have && pos < limit && w->in[pos] < 0x80)
        return cdx_number_of(w->in[pos], 1);
    const struct cdx_window apart = cdx_window_apart(w);
    return cdx_window_any_varint(&apart, pos, limit, bits);
}

/** Digits of a number that is read inline. */
#define CDX_DECIMAL_SHORT 8u

/**
 * Decimal digits at `pos` up to the `nend` bytes of `end`, in their shortest form, of a value
 * from `min`, which is not above 0, to `max`. CDX_REASON_SYNTAX, CDX_REASON_RANGE or
 * CDX_REASON_OVERRUN.
 */
static inline struct cdx_number cdx_window_decimal(const struct cdx_window *w, bool fast,
                                                   uint64_t pos, uint64_t limit, int64_t min,
                                                   uint64_t max, const char *end, size_t nend)
{
    const uint64_t stop = w->have < limit ? w->have : limit;
    if (pos >= w->kept && stop - pos > nend) {
        const uint8_t *const begin = w->in + (pos - w->from);
        const uint64_t most = stop - pos - nend;
        const uint8_t *const last = begin + (most < CDX_DECIMAL_SHORT ? most : CDX_DECIMAL_SHORT);
        const uint8_t *p = begin + 1;
        uint32_t value = (uint32_t)*begin - '0';
        uint32_t digit = (uint32_t)*p - '0';
        const bool is_digit = value <= 9;
        while (value != 0 && digit <= 9 && p != last) {
            value = value * 10 + digit;
            p++;
            digit = (uint32_t)*p - '0';
        }
        if (is_digit && value <= max && memcmp(p, end, nend) == 0)
            return cdx_number_of(value, (size_t)(p - begin) + nend);
    }
    if (!fast)
        return cdx_window_any_decimal(w, pos, limit, min, max, end, nend);
    const struct cdx_window apart = cdx_window_apart(w);
    return cdx_window_any_decimal(&apart, pos, limit, min, max, end, nend);
}

/**
 * A text at `pos` of at most `max` bytes up to the `nend` bytes of `end`: its length is the value,
 * `nbytes` has the end too. CDX_REASON_LONG; CDX_REASON_OVERRUN. What was searched before is not
 * searched again, unless the walk runs fast.
 */
static inline struct cdx_number cdx_window_until(struct cdx_window *w, bool fast, uint64_t pos,
                                                 uint64_t limit, uint64_t max, const char *end,
                                                 size_t nend)
{
    if (!fast)
        return cdx_window_any_until(w, pos, limit, max, end, nend);
    struct cdx_window apart = cdx_window_apart(w);
    return cdx_window_any_until(&apart, pos, limit, max, end, nend);
}

/** Whether, with the `nend` bytes of `end` behind it, the text is found to end where it does. */
bool cdx_text_may_end(struct cdx_bytes text, const char *end, size_t nend);

/** Bytes of a LEB128. */
size_t cdx_varint_size(uint64_t value);
/** Writes a LEB128 and returns the place behind it. */
uint8_t *cdx_put_varint(uint8_t *p, uint64_t value);
/** cdx_decimal_size() and cdx_put_decimal() of any number that is not negative. */
size_t cdx_any_decimal_size(uint64_t magnitude);
uint8_t *cdx_put_any_decimal(uint8_t *p, uint64_t magnitude);

/** Characters of a decimal number. */
static inline size_t cdx_decimal_size(uint64_t magnitude, bool is_negative)
{
    const size_t sign = is_negative ? 1 : 0;
    if (magnitude < 10)
        return sign + 1;
    if (magnitude < 100)
        return sign + 2;
    if (magnitude < 1000)
        return sign + 3;
    return sign + cdx_any_decimal_size(magnitude);
}

/** Writes a decimal number and returns the place behind it. */
static inline uint8_t *cdx_put_decimal(uint8_t *p, uint64_t magnitude, bool is_negative)
{
    if (is_negative)
        *p++ = '-';
    if (magnitude >= 10)
        return cdx_put_any_decimal(p, magnitude);
    *p = (uint8_t)('0' + magnitude);
    return p + 1;
}

/** Signed numbers of small magnitude as small unsigned ones: 0, -1, 1, -2 are 0, 1, 2, 3. */
static inline uint64_t cdx_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t cdx_unzigzag(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

/** An integer of `width` bytes, 1 to 8; first byte highest. */
static inline uint64_t cdx_load_be(const uint8_t *p, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value = value << 8 | p[i];
    return value;
}

/** An integer of `width` bytes, 1 to 8; first byte lowest. */
static inline uint64_t cdx_load_le(const uint8_t *p, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = width; i > 0; i--)
        value = value << 8 | p[i - 1];
    return value;
}

static inline void cdx_store_be(uint8_t *p, unsigned width, uint64_t value)
{
    for (unsigned i = width; i > 0; i--, value >>= 8)
        p[i - 1] = (uint8_t)value;
}

static inline void cdx_store_le(uint8_t *p, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++, value >>= 8)
        p[i] = (uint8_t)value;
}

/** The signed integer whose lowest `width` bytes these are. */
static inline int64_t cdx_signed(uint64_t value, unsigned width)
{
    const unsigned unused = 64 - 8 * width;
    return (int64_t)(value << unused) >> unused;
}

#ifdef __cplusplus
}
#endif

#endif
