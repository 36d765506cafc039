/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What generated parsers and encoders stand on: byte order, the output cursor,
 * the spill buffer for fields that a buffer's edge cuts, and parse errors.
 * Knows no protocol, no socket and no event loop.
 */
#ifndef CAUDEX_WIRE_H
#define CAUDEX_WIRE_H

#include <caudex/bytes.h>
#include <caudex/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- limits ---- */

/** First allocation of a spill buffer, in bytes: most cut fields are keys. */
#define CDX_SPILL_NBYTES_MIN 256u
/** What a parser keeps of a spill between messages, in bytes: a page, so that cut keys and small
 *  values cost no malloc (it halves the time of 1 KiB values in 1448-byte pieces). Whoever owns the
 *  spill may clear it sooner. */
#define CDX_SPILL_NBYTES_KEPT 4096u

/* ---- types ---- */

/**
 * Where an encoder writes:
 *
 *     | written already | room           |
 *                       ^ next           ^ end
 *
 * An encoder either writes its whole frame and advances `next`, or writes
 * nothing and returns CDX_MORE.
 */
struct cdx_out {
    uint8_t *next;
    uint8_t *end;
};

/**
 * The part of an encoding that a resumable encoder writes. All of the encoding is put through it:
 * `skip` bytes are dropped, then the room is filled, and what is left over is dropped too.
 */
struct cdx_slice {
    size_t skip;
    uint8_t *next;
    uint8_t *end;
};

/**
 * The bytes of the current message that lay in buffers which are gone.
 * It grows as bytes arrive, never as they are announced, and is owned by
 * whoever owns the connection; one spill serves one parser.
 *
 *     data | field | field … | unused      |
 *          0               ^ len         ^ cap
 */
struct cdx_spill {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* X(name, text): why bytes are not the protocol. 0 is no reason at all. */
#define CDX_REASON_MAP(X)                                                      \
    X(NONE, "no error")                                                        \
    X(UNKNOWN, "a value that is not in the description")                       \
    X(LITERAL, "not the constant that belongs here")                           \
    X(RANGE, "a number outside its limits")                                    \
    X(UNUSED, "must be empty here")                                            \
    X(SHORT, "shorter than its lower limit")                                   \
    X(LONG, "longer than its limit")                                           \
    X(OVERRUN, "reaches past the end of what holds it")                        \
    X(TRAILING, "bytes behind the last field")                                 \
    X(CONFLICT, "lengths that contradict each other")                          \
    X(SYNTAX, "a byte that cannot stand here")                                 \
    X(MEMORY, "no memory to keep a field that a buffer's edge cuts")

#define CDX_REASON_ENUM(name, text) CDX_REASON_##name,
enum cdx_reason { CDX_REASON_MAP(CDX_REASON_ENUM) CDX_REASON_COUNT };
#undef CDX_REASON_ENUM

/** The reason's text in English: a static string, also for values out of range. */
const char *cdx_reason_text(enum cdx_reason reason);

/** Why a parser stopped. The texts are static; `offset` counts from the stream's first byte. */
struct cdx_parse_error {
    uint64_t offset;
    const char *field;
    const char *reason;
};

/* ---- lifecycle ---- */

/** An empty spill: no memory is taken until a field is cut. */
void cdx_spill_init(struct cdx_spill *spill);

/** Gives the memory back; the spill is empty again and may be used on. */
void cdx_spill_free(struct cdx_spill *spill);

/* ---- operations ---- */

/**
 * Appends a copy of `n` bytes. The capacity at most doubles what has arrived.
 * CDX_NO_MEMORY leaves the spill as it was.
 */
CDX_MUST_CHECK enum cdx_status cdx_spill_append(struct cdx_spill *spill, const uint8_t *bytes,
                                                size_t n);

/** Like cdx_spill_append(), but inline while there is room; false when there is no memory. */
static inline bool cdx_spill_add(struct cdx_spill *spill, struct cdx_bytes bytes)
{
    if (bytes.len == 0)
        return true;
    if (bytes.len != 1 || spill->len == spill->cap)
        return cdx_spill_append(spill, bytes.data, bytes.len) == CDX_OK;
    spill->data[spill->len++] = *bytes.data;
    return true;
}

/** Forgets the bytes, keeps the memory when it is at most `keep_nbytes`, gives it back otherwise. */
void cdx_spill_clear(struct cdx_spill *spill, size_t keep_nbytes);

/** CDX_REASON_NONE when `min` <= `len` <= `min + span`; else why not. */
enum cdx_reason cdx_check_length(uint64_t len, uint64_t min, uint64_t span);

/** Writes the bytes to `p` and returns the place behind them; a NULL view leaves its room as it is. */
static inline uint8_t *cdx_put(uint8_t *p, struct cdx_bytes bytes)
{
    if (bytes.data != NULL)
        memcpy(p, bytes.data, bytes.len);
    return p + bytes.len;
}

/* How many of the next `n` bytes of an encoding are to be written; `skip` is brought up to date. */
static inline size_t cdx_slice_take(struct cdx_slice *slice, size_t n, size_t *skipped)
{
    const size_t room = (size_t)(slice->end - slice->next);
    *skipped = n < slice->skip ? n : slice->skip;
    slice->skip -= *skipped;
    n -= *skipped;
    return n < room ? n : room;
}

/** Puts the next bytes of an encoding through the slice. */
static inline void cdx_slice_put(struct cdx_slice *slice, struct cdx_bytes bytes)
{
    size_t skipped;
    const size_t n = cdx_slice_take(slice, bytes.len, &skipped);
    if (n > 0)
        memcpy(slice->next, bytes.data + skipped, n);
    slice->next += n;
}

/** Puts `nbytes` zeros through the slice. */
static inline void cdx_slice_put_zeros(struct cdx_slice *slice, size_t nbytes)
{
    size_t skipped;
    const size_t n = cdx_slice_take(slice, nbytes, &skipped);
    if (n > 0)
        memset(slice->next, 0, n);
    slice->next += n;
}

/* ---- byte order: any alignment ---- */

static inline uint8_t cdx_load_u8(const uint8_t *p)
{
    return *p;
}

static inline void cdx_store_u8(uint8_t *p, uint8_t v)
{
    *p = v;
}

static inline uint16_t cdx_load_be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline void cdx_store_be16(uint8_t *p, uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint16_t cdx_load_le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline void cdx_store_le16(uint8_t *p, uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint32_t cdx_load_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline void cdx_store_be32(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint32_t cdx_load_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline void cdx_store_le32(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint64_t cdx_load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void cdx_store_be64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline uint64_t cdx_load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void cdx_store_le64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

#ifdef __cplusplus
}
#endif

#endif
