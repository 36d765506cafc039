/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of the `kv` handler share: one function per call, the state
 * they work on, and how an answer is appended.
 */
#ifndef HANDLER_HANDLER_KV_H
#define HANDLER_HANDLER_KV_H

#include "handler_kv_stream.h"
#include "handler_parked.h"
#include "handler_probes.h"
#include "handler_section.h"

#include <stdatomic.h>

/* ---- limits ---- */

/** Most rows of one page, whatever the client asks for: bounds the work of one request. */
#define HANDLER_PAGE_ROWS_MAX 1000u

/** A page ends after the row that makes it longer than this, in bytes. */
#define HANDLER_PAGE_NBYTES_MAX (1u << 20)

/** Rows of a scan per turn: the connections in between wait no longer than for a page. */
#define HANDLER_SCAN_ROWS_MAX 1000u

/** Most frames of one batch, as proto/kv.cdx says. */
#define HANDLER_KV_BATCH_OPS_MAX 1024u

/** The longest answer of a write: a head and three 64-bit numbers. */
#define HANDLER_WRITE_ANSWER_NBYTES_MAX (KV_RESPONSE_NBYTES_MIN + 24u)

/* ---- types ---- */

/** An answer to `scan` that goes on over several turns; see handler_kv_scan.c. */
struct handler_scan;

/** One connection. */
struct handler_session {
    struct handler_kv_stream stream;
    struct handler_scan *scan;         /* the answer that goes on; NULL: none */
    uint32_t stages[STORE_STAGES_MAX]; /* numbers of the open stages, in any order */
    uint32_t stage_count;
};

/** The writes of a batch while it is taken from its frames. */
struct handler_batch {
    struct store_op ops[HANDLER_KV_BATCH_OPS_MAX];
    uint64_t expected[HANDLER_KV_BATCH_OPS_MAX]; /* what the options of ops[i] point to */
    uint32_t count;
};

/** One loop's kv handler. */
struct handler {
    struct handler_requests requests;
    struct handler_section section;
    struct handler_probes probes;
    const struct handler_env *env;
    struct handler_batch batch;

    /* whose request is carried out, and where it puts its answer */
    struct handler_session *session;
    struct handler_output *out;
    const struct store_probe *probe; /* of the request */
    bool no_room;                    /* an answer could not be appended whole */
    bool closing;                    /* the answer was the connection's last */

    /* Written by this loop only, read by any loop's `stats`. */
    _Atomic uint64_t calls[256];
    struct handler *next_open; /* list of the process's kv handlers */
};

/* ---- operations ---- */

/** Room for `nbytes` of an answer as a cursor; false: no memory, `no_room` is set. */
static inline bool handler_kv_reserve(struct handler *h, size_t nbytes, struct cdx_out *cursor)
{
    uint8_t *at = h->no_room ? NULL : handler_output_reserve(h->out, nbytes);
    if (at == NULL) {
        h->no_room = true;
        return false;
    }
    *cursor = (struct cdx_out){.next = at, .end = at + nbytes};
    return true;
}

/** Ends an append: `status` is the encoder's outcome. */
static inline void handler_kv_commit(struct handler *h, const struct cdx_out *cursor,
                                     enum cdx_status status)
{
    if (status != CDX_OK) {
        h->no_room = true;
        return;
    }
    h->out->len = (size_t)(cursor->next - h->out->data);
}

/** When a value ends that is to stay for `ttl_ms`, as the store has it. */
uint64_t handler_kv_expires(const struct handler *h, uint64_t ttl_ms);

/** Goes on with the session's scan; `session->scan` is NULL afterwards when it is through. */
void handler_kv_scan_go_on(struct handler *h);

/** Ends the session's scan, if any, without a word. */
void handler_kv_scan_drop(struct handler_session *session);

/** Closes the session's stages. */
void handler_kv_stages_drop(struct handler *h, struct handler_session *session);

/** The functions of all calls, for kv_dispatch(); `context` is the struct handler. */
extern const struct kv_handlers handler_kv_calls;

/* one per call, by group */
void handler_kv_hello(void *context, const struct kv_request *request);
void handler_kv_ping(void *context, const struct kv_request *request);
void handler_kv_echo(void *context, const struct kv_request *request);
void handler_kv_stats(void *context, const struct kv_request *request);

void handler_kv_get(void *context, const struct kv_request *request);
void handler_kv_gets(void *context, const struct kv_request *request);
void handler_kv_ttl(void *context, const struct kv_request *request);
void handler_kv_match(void *context, const struct kv_request *request);
void handler_kv_match_bytes(void *context, const struct kv_request *request);
void handler_kv_match_all(void *context, const struct kv_request *request);
void handler_kv_list(void *context, const struct kv_request *request);
void handler_kv_children(void *context, const struct kv_request *request);
void handler_kv_count(void *context, const struct kv_request *request);
void handler_kv_scan(void *context, const struct kv_request *request);

void handler_kv_put(void *context, const struct kv_request *request);
void handler_kv_put_if(void *context, const struct kv_request *request);
void handler_kv_delete(void *context, const struct kv_request *request);
void handler_kv_drop(void *context, const struct kv_request *request);
void handler_kv_put_ttl(void *context, const struct kv_request *request);
void handler_kv_touch(void *context, const struct kv_request *request);
void handler_kv_batch(void *context, const struct kv_request *request);

void handler_kv_stage(void *context, const struct kv_request *request);
void handler_kv_stage_put(void *context, const struct kv_request *request);
void handler_kv_swap(void *context, const struct kv_request *request);
void handler_kv_unstage(void *context, const struct kv_request *request);

/** Calls `visit` for every open kv handler of the process; opening and closing wait meanwhile. */
void handler_kv_each(void (*visit)(void *arg, const struct handler *h), void *arg);

#endif
