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

/** Rows of a scan per turn: the connections in between wait no longer than for a page. */
#define HANDLER_SCAN_ROWS_MAX 1000u

/**
 * A scan that is not through after so long ends, and its version is let go: what was replaced
 * meanwhile cannot be given back before. By the store's clock.
 */
#define HANDLER_SCAN_MS_MAX 60000u

/** Requests whose memory accesses overlap; more gain nothing. */
#define HANDLER_PROBE_GROUP 8u

/** The longest answer of a write: a head and three 64-bit numbers. */
#define HANDLER_WRITE_ANSWER_NBYTES_MAX (KV_RESPONSE_NBYTES_MIN + 24u)

/* ---- types ---- */

/** An answer to `scan` that goes on over several turns; see handler_kv_scan.c. */
struct handler_scan;

/** One connection. */
struct handler_session {
    struct handler_stream stream;
    struct handler_scan *scan;         /* the answer that goes on; NULL: none */
    uint32_t stages[STORE_STAGES_MAX]; /* numbers of the open stages, in any order */
    uint32_t stage_count;
};

/** What is done for a lookup ahead of it. */
enum handler_step {
    HANDLER_STEP_START,       /* its index lines are on the way */
    HANDLER_STEP_TOUCH,       /* … its node */
    HANDLER_STEP_PARENT,      /* … that one's parent */
    HANDLER_STEP_GRANDPARENT, /* … and its parent: few lookups compare more */
    HANDLER_STEPS,
};

/** The writes of a batch while it is taken from its frames. */
struct handler_batch {
    struct store_op ops[STORE_BATCH_OPS_MAX];
    uint64_t expected[STORE_BATCH_OPS_MAX]; /* what the options of ops[i] point to */
    uint32_t count;
};

/**
 * One loop's kv handler. Its lookups run in groups, one group ahead of the other:
 *
 *     queue   | answered … | group g   | g+1         | g+2    | g+3   | g+4   | …
 *                            looked up   grandparent   parent   touch   start
 */
struct handler {
    struct handler_requests requests;
    struct store *store;
    struct store_reader *reader;
    const struct handler_env *env;
    bool reading;                    /* inside a read section … */
    bool writing;                    /* … or the store's writer: never both */
    uint32_t stepped[HANDLER_STEPS]; /* queue entries whose probes are through each step */
    uint32_t probed; /* end of the group that is looked up: all before it are ready */
    struct store_probe probes[(HANDLER_STEPS + 1) * HANDLER_PROBE_GROUP];
    struct handler_batch batch;

    /* whose request is carried out, and where it puts its answer */
    struct handler_session *session;
    struct handler_output *out;
    const struct store_probe *probe; /* of the request, or NULL */
    bool no_room;                    /* an answer could not be appended whole */
    bool closing;                    /* the answer was the connection's last */

    /* Written by this loop only, read by any loop's `stats`. */
    _Atomic uint64_t calls[256];
    struct handler *next_open; /* list of the process's kv handlers */
};

/* ---- operations ---- */

/** Room for `nbytes` of an answer as a cursor; false: no memory, `no_room` is set. */
bool handler_kv_reserve(struct handler *h, size_t nbytes, struct cdx_out *cursor);

/** Ends an append: `status` is the encoder's outcome. */
void handler_kv_commit(struct handler *h, const struct cdx_out *cursor, enum cdx_status status);

/** Fixes the version to read, if none is fixed: the present one, with all earlier writes. */
void handler_kv_read(struct handler *h);

/** Lets any other version go and reads that of a snapshot, until handler_kv_read_end(). */
void handler_kv_read_at(struct handler *h, const struct store_snapshot *snapshot);
void handler_kv_read_end(struct handler *h);

/** Becomes the store's writer, until the next read or, at the latest, the end of answer(). */
void handler_kv_write(struct handler *h);
void handler_kv_write_end(struct handler *h);

/** When a value ends that is to stay for `ttl_ms`, as the store has it. */
uint64_t handler_kv_expires(const struct handler *h, uint64_t ttl_ms);

/** Goes on with the session's scan; `session->scan` is NULL afterwards when it is through. */
void handler_kv_scan_go_on(struct handler *h);

/** Ends the session's scan, if any, without a word. */
void handler_kv_scan_drop(struct handler_session *session);

/** Lets the versions of all scans of the process go that wait for too long. */
void handler_kv_scans_expire(const struct handler *h);

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
