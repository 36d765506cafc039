/* SPDX-License-Identifier: Apache-2.0 */
/** Borrowed bytes: a pointer and a length, never terminated, never owned. */
#ifndef CAUDEX_BYTES_H
#define CAUDEX_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A view of `len` bytes at `data`. The bytes belong to somebody else; the
 * function that hands out a view says until when it may be read.
 * `data` may be NULL only when `len` is 0.
 */
struct cdx_bytes {
    const uint8_t *data;
    size_t len;
};

/** The view of a string literal, without its terminating NUL. */
#define CDX_STR(literal) cdx_bytes_of("" literal, sizeof(literal) - 1)

/** The view of `len` bytes at `data`. */
static inline struct cdx_bytes cdx_bytes_of(const void *data, size_t len)
{
    struct cdx_bytes b;
    b.data = (const uint8_t *)data;
    b.len = len;
    return b;
}

/** The view of a C string, without its terminating NUL. */
static inline struct cdx_bytes cdx_cstr(const char *text)
{
    return cdx_bytes_of(text, strlen(text));
}

/** The empty view. */
static inline struct cdx_bytes cdx_empty(void)
{
    return cdx_bytes_of(NULL, 0);
}

/** Behind the last byte; NULL for an empty view of nothing. */
static inline const uint8_t *cdx_bytes_end(struct cdx_bytes bytes)
{
    return bytes.len != 0 ? bytes.data + bytes.len : bytes.data;
}

/** True when both views hold the same bytes. */
static inline bool cdx_bytes_equal(struct cdx_bytes a, struct cdx_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#ifdef __cplusplus
}
#endif

#endif
