/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of the `memcache` handler share: the binary protocol of memcached on the store.
 *
 *     handler_memcache.c          the turn, and which function carries out which opcode
 *     handler_memcache_read.c     get, touch, get and touch
 *     handler_memcache_write.c    set, add, replace, append, prepend, delete, numbers, flush
 *     handler_memcache_server.c   version, stat, verbosity, noop, quit
 *     handler_memcache_reply.c    how an answer is appended
 *
 * What is answered, and when not, is memcached 1.6's; memcache.md lists what differs. A value's
 * flags are the store's mark of it, its version (CAS) is its revision.
 */
#ifndef HANDLER_HANDLER_MEMCACHE_H
#define HANDLER_HANDLER_MEMCACHE_H

#include "handler_probes.h"
#include "handler_requests.h"
#include "handler_section.h"

#include <caudex/memcache.h>
#include <stdatomic.h>

/* ---- limits ---- */

/** Seconds above which an expiration is a time, counted from 1970. */
#define HANDLER_MEMCACHE_RELATIVE_SECONDS_MAX (60u * 60 * 24 * 30)

/** The expiration of a counter that must not be stored when it is not there. */
#define HANDLER_MEMCACHE_NO_COUNTER 0xffffffffu

/** Memory that a handler keeps from one turn to the next for values that it builds. */
#define HANDLER_MEMCACHE_KEEP_NBYTES 65536u

/* ---- types ---- */

/** One connection. */
struct handler_session {
    struct handler_stream stream;
    struct memcache_request_parser parser;
};

/** One loop's memcache handler. */
struct handler {
    struct handler_requests requests;
    struct handler_section section;
    struct handler_probes probes;
    const struct handler_env *env;
    struct handler_output scratch; /* a value that is put together */

    /* whose request is carried out, and where its answer goes */
    const struct memcache_request *request;
    const struct store_probe *probe; /* of its key */
    struct handler_output *out;
    bool quiet;   /* success is not answered, nor that there is no value */
    bool no_room; /* an answer could not be appended whole */
    bool closing; /* the answer was the connection's last */

    /* Written by this loop only, read by any loop's `stat`. */
    _Atomic uint64_t gets;
    _Atomic uint64_t get_hits;
    _Atomic uint64_t sets;
    _Atomic uint64_t touches;
    _Atomic uint64_t touch_hits;
    _Atomic uint64_t flushes;
    struct handler *next_open; /* list of the process's memcache handlers */
};

/** Carries out one request. */
typedef void handler_memcache_function(struct handler *h);

/* ---- answers ---- */

/** What a response has besides its head; all zero: nothing. */
struct handler_memcache_answer {
    uint64_t cas;
    bool has_flags;
    uint32_t flags;
    struct cdx_bytes key;
    struct cdx_bytes value;
};

/** Appends a response to the present request. */
void handler_memcache_reply(struct handler *h, uint16_t status,
                            const struct handler_memcache_answer *answer);

/** Success: nothing, when the request is quiet. */
void handler_memcache_done(struct handler *h, uint64_t cas);

/** An error with memcached's text for it. */
void handler_memcache_error(struct handler *h, uint16_t status);

/** The error of a write that did not happen. */
void handler_memcache_write_failed(struct handler *h, enum store_status status);

/** Room for an answer before a write, which must not happen when it cannot be answered; false:
 * there is none. */
bool handler_memcache_room(struct handler *h);

/* ---- the opcodes ---- */

handler_memcache_function handler_memcache_get;
handler_memcache_function handler_memcache_touch;
handler_memcache_function handler_memcache_store;
handler_memcache_function handler_memcache_extend;
handler_memcache_function handler_memcache_delete;
handler_memcache_function handler_memcache_count;
handler_memcache_function handler_memcache_flush;
handler_memcache_function handler_memcache_noop;
handler_memcache_function handler_memcache_version;
handler_memcache_function handler_memcache_stat;
handler_memcache_function handler_memcache_verbosity;
handler_memcache_function handler_memcache_quit;

/** When a value ends, as the store has it, that has this expiration. */
uint64_t handler_memcache_expires(const struct handler *h, uint32_t expiration);

/** Removes all keys if a flush is due that was to wait. */
void handler_memcache_flush_due(struct handler *h);

/** Visits all memcache handlers of the process, under a lock. */
void handler_memcache_each(void (*visit)(void *arg, const struct handler *h), void *arg);

/** Adds 1 to a count of this loop's. */
static inline void handler_memcache_count_one(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

#endif
