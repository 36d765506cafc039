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

/** Forgets the bytes, keeps the memory when it is at most `keep_nbytes`, gives it back otherwise. */
void cdx_spill_clear(struct cdx_spill *spill, size_t keep_nbytes);

/* ---- byte order: any alignment ---- */

static inline uint16_t cdx_load_be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
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

static inline uint64_t cdx_load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
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

static inline void cdx_store_be32(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline void cdx_store_be64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

#ifdef __cplusplus
}
#endif

#endif
