/* SPDX-License-Identifier: Apache-2.0 */
/**
 * That an encoder which is given its output in pieces writes what the encoder of the whole
 * writes: PIECES_CHECK(name, prefix) makes `name`_in_pieces() for messages of struct `prefix`;
 * pieces_expect() is for all others.
 */
#ifndef TESTS_PIECES_H
#define TESTS_PIECES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <caudex/wire.h>

/** The _encode_start and _encode_next of one message. */
struct pieces_source {
    void *encoder;
    void (*start)(void *encoder, const void *message);
    enum cdx_status (*next)(void *encoder, struct cdx_out *out);
    const void *message;
};

/** The first piece has `first` bytes, the others `size`; each lies alone in memory of its size. */
static inline void pieces_expect_cut(const struct pieces_source *source, struct cdx_bytes expected,
                                     size_t first, size_t size)
{
    size_t at = 0;
    size_t room = first;
    enum cdx_status status = CDX_MORE;
    source->start(source->encoder, source->message);
    while (status == CDX_MORE) {
        uint8_t *piece = malloc(room > 0 ? room : 1);
        assert_non_null(piece);
        struct cdx_out out = {piece, piece + room};
        status = source->next(source->encoder, &out);
        const size_t n = (size_t)(out.next - piece);
        assert_true(n <= expected.len - at);
        assert_memory_equal(piece, expected.data + at, n);
        at += n;
        assert_int_equal(status, at == expected.len ? CDX_OK : CDX_MORE);
        assert_true(status == CDX_OK || n == room); /* no room is left unused */
        free(piece);
        room = size;
    }
    uint8_t none;
    struct cdx_out out = {&none, &none + 1};
    assert_int_equal(source->next(source->encoder, &out), CDX_OK); /* it stays done */
    assert_ptr_equal(out.next, &none);
}

/** Pieces of every size, and one cut at every place. */
static inline void pieces_expect(const struct pieces_source *source, struct cdx_bytes expected)
{
    for (size_t size = 1; size <= expected.len + 1; size++)
        pieces_expect_cut(source, expected, size, size);
    for (size_t first = 0; first <= expected.len; first++)
        pieces_expect_cut(source, expected, first, expected.len + 1);
}

#define PIECES_CHECK(name, prefix)                                                                 \
    static void name##_pieces_start(void *encoder, const void *message)                            \
    {                                                                                              \
        assert_int_equal(prefix##_encode_start((struct prefix##_encoder *)encoder,                 \
                                               (const struct prefix *)message),                    \
                         CDX_OK);                                                                  \
    }                                                                                              \
    static enum cdx_status name##_pieces_next(void *encoder, struct cdx_out *out)                  \
    {                                                                                              \
        return prefix##_encode_next((struct prefix##_encoder *)encoder, out);                      \
    }                                                                                              \
    /* A message that the encoder of the whole refuses must be refused before the first byte. */   \
    static inline void name##_in_pieces(const struct prefix *message)                              \
    {                                                                                              \
        struct prefix##_encoder encoder;                                                           \
        const size_t nbytes = prefix##_size(message);                                              \
        uint8_t *whole = malloc(nbytes + 1);                                                       \
        assert_non_null(whole);                                                                    \
        struct cdx_out out = {whole, whole + nbytes};                                              \
        const enum cdx_status status = prefix##_encode(&out, message);                             \
        if (status == CDX_OK)                                                                      \
            pieces_expect(&(struct pieces_source){&encoder, name##_pieces_start,                   \
                                                  name##_pieces_next, message},                    \
                          cdx_bytes_of(whole, nbytes));                                            \
        else                                                                                       \
            assert_int_equal(prefix##_encode_start(&encoder, message), status);                    \
        free(whole);                                                                               \
    }

#endif
