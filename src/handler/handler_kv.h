/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of the `kv` handler share: one function per call, the state
 * they work on, and how an answer is appended.
 */
#ifndef HANDLER_HANDLER_KV_H
#define HANDLER_HANDLER_KV_H

#include "handler_requests.h"
#include "store.h"

#include <caudex/kv.h>
#include <stdatomic.h>

/* ---- limits ---- */

/** Most rows of one page, whatever the client asks for: bounds the work of one request. */
#define HANDLER_PAGE_ROWS_MAX 1000u

/** A page ends after the row that makes it longer than this, in bytes. */
#define HANDLER_PAGE_NBYTES_MAX (1u << 20)

/** Requests whose memory accesses overlap; more gain nothing. */
#define HANDLER_PROBE_GROUP 32u

/* ---- types ---- */

/**
 * One loop's kv handler. Its lookups run in groups, one group ahead of the other:
 *
 *     queue   | answered … | group g     | group g+1   | group g+2 | …
 *                            looked up     touched       started
 *                                          (nodes are    (index lines
 *                                          on the way)   are on the way)
 */
struct handler {
    struct handler_requests requests;
    struct store *store;
    struct store_reader *reader;
    const struct handler_env *env;
    bool reading;     /* inside a read section */
    uint32_t started; /* queue entries whose probes were started */
    uint32_t touched; /* … and touched */
    uint32_t probed;  /* end of the group that is looked up: all before it are ready */
    struct store_probe probes[3 * HANDLER_PROBE_GROUP];

    /* where the request that is carried out puts its answer */
    struct handler_output *out;
    const struct store_probe *probe; /* of the request, or NULL */
    bool no_room;                    /* an answer could not be appended whole */

    /* Written by this loop only, read by any loop's `stats`. */
    _Atomic uint64_t calls[256];
    struct handler *next_open; /* list of the process's kv handlers */
};

/* ---- operations ---- */

/** Room for `nbytes` of an answer as a cursor; false: no memory, `no_room` is set. */
bool handler_kv_reserve(struct handler *h, size_t nbytes, struct cdx_out *cursor);

/** Ends an append: `status` is the encoder's outcome. */
void handler_kv_commit(struct handler *h, const struct cdx_out *cursor, enum cdx_status status);

/** Fixes the version to read, if none is fixed. */
void handler_kv_read(struct handler *h);

/** Lets the version go and becomes the store's writer / publishes and stops being it. */
void handler_kv_write_begin(struct handler *h);
void handler_kv_write_end(struct handler *h);

/** The functions of all calls, for kv_dispatch(); `context` is the struct handler. */
extern const struct kv_handlers handler_kv_calls;

/* one per call, by group */
void handler_kv_hello(void *context, const struct kv_request *request);
void handler_kv_ping(void *context, const struct kv_request *request);
void handler_kv_echo(void *context, const struct kv_request *request);
void handler_kv_stats(void *context, const struct kv_request *request);

void handler_kv_get(void *context, const struct kv_request *request);
void handler_kv_gets(void *context, const struct kv_request *request);
void handler_kv_match(void *context, const struct kv_request *request);
void handler_kv_match_bytes(void *context, const struct kv_request *request);
void handler_kv_match_all(void *context, const struct kv_request *request);
void handler_kv_list(void *context, const struct kv_request *request);
void handler_kv_children(void *context, const struct kv_request *request);
void handler_kv_count(void *context, const struct kv_request *request);

void handler_kv_put(void *context, const struct kv_request *request);
void handler_kv_put_if(void *context, const struct kv_request *request);
void handler_kv_delete(void *context, const struct kv_request *request);
void handler_kv_drop(void *context, const struct kv_request *request);

/** Calls `visit` for every open kv handler of the process; opening and closing wait meanwhile. */
void handler_kv_each(void (*visit)(void *arg, const struct handler *h), void *arg);

#endif
