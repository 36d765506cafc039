/* SPDX-License-Identifier: Apache-2.0 */
/** Every outcome a Caudex function can have, with its name and text. */
#ifndef CAUDEX_STATUS_H
#define CAUDEX_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text). The order is the numbering; new ones go at the end. */
#define CDX_STATUS_MAP(X)                                                      \
    /* Done. */                                                                \
    X(OK, "ok")                                                                \
    /* Not an error: more input, or more room for output, is needed. */        \
    X(MORE, "more bytes are needed")                                           \
    /* The peer's bytes are not the protocol. Final for that stream. */        \
    X(MALFORMED, "the bytes do not follow the protocol")                       \
    /* A value is longer, or a number larger, than its documented limit. */    \
    X(TOO_LONG, "longer than the limit")                                       \
    /* An argument has a value that its documentation excludes. */             \
    X(INVALID, "invalid argument")                                             \
    X(NO_MEMORY, "out of memory")                                              \
    /* No answer in time. The request may or may not have been carried out. */ \
    X(TIMEOUT, "no answer in time")                                            \
    /* The peer closed the connection, or it was closed on this side. */       \
    X(CLOSED, "the connection is closed")                                      \
    X(CANCELLED, "cancelled")                                                  \
    /* A window, queue or table is at its documented limit; try again later. */\
    X(FULL, "the queue is full")                                               \
    /* A well-formed frame that answers no question that is open. */           \
    X(UNEXPECTED, "an answer that fits no open request")                       \
    /* The text is not an address that can be reached this way. */             \
    X(ADDRESS, "not a usable address")                                         \
    /* The operating system refused; errno says why. */                        \
    X(SYSTEM, "the system refused")                                            \
    /* A part of a message that is handed on in pieces. */                     \
    X(PIECE, "a piece of a message")

#define CDX_STATUS_ENUM(name, text) CDX_##name,
enum cdx_status { CDX_STATUS_MAP(CDX_STATUS_ENUM) CDX_STATUS_COUNT };
#undef CDX_STATUS_ENUM

/** The outcome's text in English: a static string, also for values out of range. */
const char *cdx_status_text(enum cdx_status status);

/** The outcome's name, "OK", "TOO_LONG", …: a static string. */
const char *cdx_status_name(enum cdx_status status);

#if defined(__GNUC__)
#define CDX_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CDX_MUST_CHECK
#endif

#ifdef __cplusplus
}
#endif

#endif
