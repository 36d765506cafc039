/* SPDX-License-Identifier: Apache-2.0 */
/* A message's bytes in spill and input, and numbers whose end only their bytes tell. */
#include <caudex/window.h>

const uint8_t *cdx_window_reach(struct cdx_window *w, uint64_t pos, uint64_t nbytes)
{
    if (pos >= w->kept)
        return w->in + (pos - w->from);
    if (pos + nbytes > w->kept) {
        const struct cdx_bytes rest =
            cdx_bytes_of(w->in + (w->kept - w->from), (size_t)(pos + nbytes - w->kept));
        if (!cdx_spill_add(w->spill, rest))
            return NULL;
        w->kept = pos + nbytes;
    }
    return w->spill->data + pos;
}

bool cdx_window_pass(struct cdx_window *w, uint64_t pos, uint64_t nbytes, struct cdx_bytes *passed)
{
    if (pos > w->kept) {
        const struct cdx_bytes before =
            cdx_bytes_of(w->in + (w->kept - w->from), (size_t)(pos - w->kept));
        if (!cdx_spill_add(w->spill, before))
            return false;
        w->kept = pos;
    }
    const uint64_t there = w->have - pos;
    const uint64_t taken = nbytes < there ? nbytes : there;
    *passed = cdx_bytes_of(w->in + (pos - w->from), (size_t)taken);
    w->in = passed->data + taken;
    w->from = pos;
    w->have -= taken;
    w->passed->nbytes += taken;
    return true;
}

bool cdx_window_keep(struct cdx_window *w)
{
    const size_t nbytes = (size_t)(w->have - w->kept);
    if (nbytes == 0)
        return true;
    return cdx_spill_add(w->spill, cdx_bytes_of(w->in + (w->kept - w->from), nbytes));
}

/* ---- LEB128 ---- */

static struct cdx_number refused(enum cdx_reason reason)
{
    return (struct cdx_number){0, 0, reason};
}

static struct cdx_number incomplete(void)
{
    return refused(CDX_REASON_NONE);
}

struct cdx_number cdx_window_any_varint(const struct cdx_window *w, uint64_t pos, uint64_t limit,
                                        unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7, pos++) {
        if (pos == limit)
            return refused(CDX_REASON_OVERRUN);
        if (pos >= w->have)
            return incomplete();
        const uint8_t byte = cdx_window_byte(w, pos);
        const uint64_t seven = byte & 0x7f;
        if (shift >= bits || (bits - shift < 7 && seven >> (bits - shift) != 0))
            return refused(CDX_REASON_RANGE);
        value |= seven << shift;
        if (byte >= 0x80)
            continue;
        if (byte == 0 && shift != 0)
            return refused(CDX_REASON_SYNTAX);
        return (struct cdx_number){value, shift / 7 + 1, CDX_REASON_NONE};
    }
}

size_t cdx_varint_size(uint64_t value)
{
    size_t nbytes = 1;
    for (; value >= 0x80; value >>= 7)
        nbytes++;
    return nbytes;
}

uint8_t *cdx_put_varint(uint8_t *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

/* ---- decimal ---- */

/* Where digits are read. */
struct digits {
    uint64_t value;
    uint64_t max; /* of the magnitude, more than 9 */
    unsigned count;
    bool leading_zero;
};

/* Takes one character. */
static enum cdx_reason take_digit(struct digits *d, uint8_t byte)
{
    if (byte < '0' || byte > '9' || d->leading_zero)
        return CDX_REASON_SYNTAX;
    const unsigned digit = (unsigned)(byte - '0');
    if (d->value > (d->max - digit) / 10)
        return CDX_REASON_RANGE;
    d->leading_zero = d->count == 0 && digit == 0;
    d->value = d->value * 10 + digit;
    d->count++;
    return CDX_REASON_NONE;
}

/* The number of what has been read, `nbytes` with its end. */
static struct cdx_number finish(const struct digits *d, bool is_negative, uint64_t nbytes)
{
    if (is_negative && d->value == 0)
        return refused(CDX_REASON_SYNTAX);
    const uint64_t value = is_negative ? 0 - d->value : d->value;
    return (struct cdx_number){value, (size_t)nbytes, CDX_REASON_NONE};
}

struct cdx_number cdx_window_any_decimal(const struct cdx_window *w, uint64_t pos, uint64_t limit,
                                         int64_t min, uint64_t max, const char *end, size_t nend)
{
    struct digits d = {.max = max};
    const uint64_t begin = pos;
    bool is_negative = false;
    size_t ended = 0; /* bytes of `end` that are there */
    for (;; pos++) {
        if (ended == nend)
            return finish(&d, is_negative, pos - begin);
        if (pos == limit)
            return refused(CDX_REASON_OVERRUN);
        if (pos >= w->have)
            return incomplete();
        const uint8_t byte = cdx_window_byte(w, pos);
        if (min < 0 && byte == '-' && pos == begin) {
            is_negative = true;
            d.max = 0 - (uint64_t)min;
        } else if ((ended != 0 || d.count != 0) && byte == (uint8_t)end[ended]) {
            ended++;
        } else if (ended != 0) {
            return refused(CDX_REASON_SYNTAX);
        } else {
            const enum cdx_reason reason = take_digit(&d, byte);
            if (reason != CDX_REASON_NONE)
                return refused(reason);
        }
    }
}

size_t cdx_any_decimal_size(uint64_t magnitude)
{
    size_t nbytes = 1;
    for (; magnitude >= 10000; magnitude /= 10000)
        nbytes += 4;
    return nbytes + (magnitude >= 10) + (magnitude >= 100) + (magnitude >= 1000);
}

uint8_t *cdx_put_any_decimal(uint8_t *p, uint64_t magnitude)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324"
        "25262728293031323334353637383940414243444546474849"
        "50515253545556575859606162636465666768697071727374"
        "75767778798081828384858687888990919293949596979899";
    uint8_t *const behind = p + cdx_any_decimal_size(magnitude);
    uint8_t *q = behind;
    for (; magnitude >= 10; magnitude /= 100)
        memcpy(q -= 2, pairs + magnitude % 100 * 2, 2);
    if (q != p)
        *p = (uint8_t)('0' + magnitude);
    return behind;
}

/* ---- text ---- */

/* Where `end` begins at or behind `pos` and ends at or before `stop`; `stop` when it does not. */
static uint64_t find_end(const struct cdx_window *w, uint64_t pos, uint64_t stop, const char *end,
                         size_t nend)
{
    while (stop - pos >= nend) {
        const uint64_t last = stop - nend + 1; /* behind the last place where it may begin */
        if (pos >= w->kept) {
            const uint8_t *const from = w->in + (pos - w->from);
            const uint8_t *const at = memchr(from, end[0], (size_t)(last - pos));
            if (at == NULL)
                return stop;
            pos += (uint64_t)(at - from);
        } else if (cdx_window_byte(w, pos) != (uint8_t)end[0]) {
            pos++;
            continue;
        }
        size_t same = 1;
        while (same < nend && cdx_window_byte(w, pos + same) == (uint8_t)end[same])
            same++;
        if (same == nend)
            return pos;
        pos++;
    }
    return stop;
}

struct cdx_number cdx_window_any_until(struct cdx_window *w, uint64_t pos, uint64_t limit,
                                       uint64_t max, const char *end, size_t nend)
{
    const uint64_t longest = pos + max + nend;
    const uint64_t stop = w->have < limit ? w->have : limit;
    const uint64_t until = stop < longest ? stop : longest;
    const uint64_t at = find_end(w, pos + w->seen, until, end, nend);
    w->seen = 0;
    if (at != until)
        return (struct cdx_number){at - pos, (size_t)(at - pos) + nend, CDX_REASON_NONE};
    if (until == longest)
        return refused(CDX_REASON_LONG);
    if (until == limit)
        return refused(CDX_REASON_OVERRUN);
    w->seen = until - pos < nend ? 0 : until - pos - (nend - 1);
    return incomplete();
}

bool cdx_text_may_end(struct cdx_bytes text, const char *end, size_t nend)
{
    for (size_t at = 0; at < text.len; at++) {
        const uint8_t *const first = memchr(text.data + at, end[0], text.len - at);
        if (first == NULL)
            return true;
        at = (size_t)(first - text.data);
        const size_t inside = text.len - at < nend ? text.len - at : nend;
        if (memcmp(text.data + at, end, inside) == 0 &&
            memcmp(end, end + inside, nend - inside) == 0)
            return false;
    }
    return true;
}
