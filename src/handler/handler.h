/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What net knows of a handler: bytes of a connection in, bytes of answers out,
 * in three steps per loop turn, so that the requests of all connections that
 * had input are worked on together and their cache misses overlap.
 *
 *     net, once per loop turn          handler
 *     ------------------------         ------------------------------------
 *     turn_begin                       fixes the version it reads
 *     for each ready connection:
 *         accept(session, input)       parses, remembers the requests
 *     prefetch                         starts the memory accesses
 *     for each of them, same order:
 *         answer(session, output)      carries out, appends the answers
 *     turn_end                         lets the version go
 *
 * A handler belongs to one loop and is used by its thread only. A session is
 * the handler's part of one connection. Handlers know neither libuv nor net.
 *
 * The input of accept() stays readable and unchanged until answer() for the
 * same session has returned.
 */
#ifndef HANDLER_HANDLER_H
#define HANDLER_HANDLER_H

#include <caudex/bytes.h>
#include <caudex/status.h>

/**
 * The answers of one connection's turn: a growable buffer owned by net.
 *
 *     data | answers … | room      |
 *          0           ^ len       ^ cap
 */
struct handler_output {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/** handler_output_reserve() where there is less room. */
uint8_t *handler_output_grow(struct handler_output *out, size_t n);

/** Room for at least `n` bytes at the end, or NULL when there is no memory (nothing changed). */
static inline uint8_t *handler_output_reserve(struct handler_output *out, size_t n)
{
    return n <= out->cap - out->len ? out->data + out->len : handler_output_grow(out, n);
}

/** Gives the memory back. */
void handler_output_free(struct handler_output *out);

/** What net has to do after answer(). */
enum handler_verdict {
    /** Send the output, go on reading. */
    HANDLER_CONTINUE,
    /** Send the output, then close: the stream cannot be trusted any more, or the peer asked for
       it. */
    HANDLER_CLOSE,
};

/** Why net ends, or refuses, a connection. */
enum handler_notice {
    HANDLER_NOTICE_BUSY,     /* too many connections */
    HANDLER_NOTICE_IDLE,     /* no request for too long */
    HANDLER_NOTICE_SLOW,     /* one request took too long to arrive */
    HANDLER_NOTICE_STOPPING, /* the server stops */
};

struct store;

/** What a handler may use; borrowed for the handler's life. */
struct handler_env {
    /** The store; NULL for handlers that need none. */
    struct store *store;
    /** Answers of one connection above which answer() stops early (see there). */
    size_t output_high_nbytes;
    /** Adds the server's own counters to `stats`: calls `row` for each. May be NULL. */
    void (*stats)(void *arg, void (*row)(void *row_arg, const char *name, uint64_t value),
                  void *row_arg);
    void *stats_arg;
};

struct handler; /* each class has its own */

struct handler_class {
    const char *name;
    /** Bytes that net reserves per connection for the session, aligned to 16. */
    size_t session_nbytes;

    /** One handler for one loop. CDX_OK or CDX_NO_MEMORY. `env` is borrowed until close. */
    enum cdx_status (*open)(const struct handler_env *env, struct handler **handler);
    void (*close)(struct handler *handler);

    /** A connection begins, or ends; end gives back what the session holds. */
    void (*session_start)(struct handler *handler, void *session);
    void (*session_end)(struct handler *handler, void *session);

    void (*turn_begin)(struct handler *handler);
    /**
     * Takes requests from `input`; false when the turn's queue is full and
     * nothing of `input` was looked at: net then finishes the turn's other
     * steps for the sessions accepted so far and offers the input again.
     * At most once per session and turn.
     */
    bool (*accept)(struct handler *handler, void *session, struct cdx_bytes input);
    void (*prefetch)(struct handler *handler);
    /**
     * Carries out what accept() took and appends the answers to `out`.
     * `*consumed` is how much of the input is done with: less than all of it
     * when the answers passed output_high_nbytes or accept() stopped at its bound
     * of requests; net keeps the rest and offers it again first, once there is
     * room. An incomplete last request counts as consumed: the session keeps it.
     * While an answer goes on over several turns, at least the last byte of its
     * request is not consumed, so that the turns come.
     */
    enum handler_verdict (*answer)(struct handler *handler, void *session,
                                   struct handler_output *out, size_t *consumed);
    void (*turn_end)(struct handler *handler);

    /** Bytes of an incomplete request that the session holds; 0: between requests. */
    size_t (*incomplete)(const void *session);

    /** Appends the frame, if the protocol has one, that tells the peer why it is closed. `session`
     * may be NULL. */
    void (*notice)(struct handler *handler, void *session, enum handler_notice notice,
                   struct handler_output *out);
};

/** Bytes back as they came: what net alone costs. */
extern const struct handler_class handler_echo;
/** Parses each request and gives a fixed answer: what net and protocol cost. */
extern const struct handler_class handler_reply;
/** The key-value protocol on the store. */
extern const struct handler_class handler_kv;
/** Redis's commands on the store. */
extern const struct handler_class handler_resp;
/** The binary protocol of memcached on the store. */
extern const struct handler_class handler_memcache;

/** The class of that name, or NULL. */
const struct handler_class *handler_class_named(const char *name);

#endif
