/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The client's half that is the same for every protocol: a transport-free core
 * that gives out RIDs, keeps a window of open requests, matches answers, times
 * out and cancels; and a blocking transport that carries its bytes (the one for
 * libuv is in caudex/client_uv.h). Generated bindings (caudex/kv_client.h) put
 * typed calls on top: most programs use only those.
 *
 *     typed call ─► core ─► output bytes ─► transport ─► peer
 *     callback   ◄─ core ◄─ input bytes  ◄─ transport ◄─ peer
 *
 * The core does no I/O and reads no clock: the caller hands it bytes and the time.
 * Nothing here is thread-safe: a client and its core belong to one thread at a time.
 */
#ifndef CAUDEX_CLIENT_H
#define CAUDEX_CLIENT_H

#include <caudex/bytes.h>
#include <caudex/status.h>
#include <caudex/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- limits ---- */

/** Requests without an answer that one core holds when the options say nothing. */
#define CDX_CLIENT_WINDOW_DEFAULT 16384u
/** The most that the options may ask for: at 48 bytes each and half-filled, 96 MiB. */
#define CDX_CLIENT_WINDOW_MAX (1u << 20)
/** Unsent bytes above which a new request is refused with CDX_FULL when the options say nothing. */
#define CDX_CLIENT_OUTPUT_NBYTES_DEFAULT (64u << 20)
/** Milliseconds after which a request fails with CDX_TIMEOUT when the options say nothing. */
#define CDX_CLIENT_TIMEOUT_MS_DEFAULT 30000u
/** As a timeout: wait for ever. */
#define CDX_CLIENT_TIMEOUT_MS_NEVER UINT32_MAX
/** Views that cdx_core_output() fills at most: a writev of them carries at least 240 KiB. */
#define CDX_CLIENT_VIEWS_MAX 16u
/** Longest error text, in bytes with its NUL: an address, a cause and the peer's own words. */
#define CDX_CLIENT_TEXT_NBYTES_MAX 512u
/** What is kept of the peer's words about the whole connection, in bytes with the NUL. */
#define CDX_CLIENT_NOTICE_NBYTES_MAX 192u

/* ---- types ---- */

/** One parsed frame of the peer, as the core needs it. */
struct cdx_client_frame {
    uint32_t rid;
    bool last;    /* no more frames for this RID */
    bool unasked; /* answers no request: the peer speaks for the whole connection */
};

/**
 * A typed callback of the bindings, whose true type only the protocol's
 * `deliver` knows; it is cast back before it is called.
 */
typedef void cdx_client_fn(void);

/** The number that stands for "no call" where a protocol is asked about an unasked frame. */
#define CDX_CLIENT_CALL_NONE 0xffffu

/**
 * What the core must know of a protocol: filled in by generated code as one
 * static const object.
 */
struct cdx_client_protocol {
    const char *name;
    uint16_t port;         /* the default, host byte order */
    uint32_t rid_max;      /* the largest RID that fits its field */
    size_t parser_nbytes;  /* size of the generated response parser */
    size_t message_nbytes; /* size of the generated response */
    size_t reply_nbytes;   /* size of what `accept` makes of a response */
    void (*parser_init)(void *parser);
    /** Like the generated feed; CDX_OK sets `message` and `frame`. */
    enum cdx_status (*feed)(void *parser, struct cdx_spill *spill, const uint8_t **next,
                            const uint8_t *end, void *message, struct cdx_client_frame *frame);
    void (*error)(const void *parser, struct cdx_parse_error *error);
    /**
     * Checks a frame against the call that it answers (CDX_CLIENT_CALL_NONE: an
     * unasked one) and decodes it into `reply`. CDX_OK, or CDX_MALFORMED with
     * `*error`; its offset counts from the frame's first byte.
     */
    enum cdx_status (*accept)(uint16_t call, const void *message, void *reply,
                              struct cdx_parse_error *error);
    /** Calls `fn`, cast to its true type. `reply` is NULL unless `status` is CDX_OK. */
    void (*deliver)(cdx_client_fn *fn, void *arg, enum cdx_status status, const void *reply);
    /** What an accepted unasked frame says: its status's name (static), and more in `*text`. */
    const char *(*explain)(const void *reply, struct cdx_bytes *text);
};

/** Zeroed means all defaults. Copied. */
struct cdx_client_options {
    uint32_t window;      /* most requests that wait for an answer */
    size_t output_nbytes; /* most unsent bytes; but an empty queue takes a request of any size */
    /** From a request, or its last row, to the next frame of its answer; also for connecting. */
    uint32_t timeout_ms;
    uint32_t first_rid; /* given to the first request; 0: 1 */
    /** NULL, or room for CDX_CLIENT_TEXT_NBYTES_MAX bytes: why connecting failed.
     *  Borrowed during the connect. */
    char *connect_error;
};

/*
 * The core. A request's life:
 *
 *     begin ─► encode in place ─► commit ─► row … row, last frame ─► forgotten
 *                                    └────► timeout, cancel: its callback is told at
 *                                           once; it is silent until its last frame
 *
 * A request's callback is called once for every frame of its answer with
 * CDX_OK, or finally with why there will be no (further) frame: CDX_TIMEOUT,
 * CDX_CANCELLED, CDX_CLOSED, CDX_MALFORMED, CDX_UNEXPECTED, CDX_NO_MEMORY. So there is
 * exactly one final call for each committed request.
 *
 * Rows are not gathered: each is handed on from the input where it lies, so that an
 * answer of any number of rows takes the memory of one frame, and a callback that
 * takes its time slows the peer down. Who wants no more rows of a long answer closes the
 * connection: after a cancel the rest still comes, and is dropped. Callbacks may begin,
 * cancel, pause and close; they must not destroy the core, nor call
 * cdx_core_input() or cdx_core_expire().
 */
struct cdx_core;

/** Told at the start of every cdx_core_begin(): the moment to set the time and to plan to send. */
typedef void cdx_core_wake_fn(void *arg);

/* ---- core: lifecycle ---- */

/**
 * A core for a new connection. `protocol` is borrowed for its whole life.
 * CDX_OK, CDX_NO_MEMORY, CDX_INVALID (the window is over its limit, or there are fewer RIDs).
 */
CDX_MUST_CHECK enum cdx_status cdx_core_create(const struct cdx_client_protocol *protocol,
                                               const struct cdx_client_options *options,
                                               struct cdx_core **core);

/** Like cdx_core_close(core, CDX_CLOSED), then gives everything back. NULL is ignored. */
void cdx_core_destroy(struct cdx_core *core);

/**
 * Ends the connection: every open request fails with `why`, and so does every
 * later begin. Later calls change nothing. Unsent output is no longer offered;
 * views of it stay valid until destroy.
 */
void cdx_core_close(struct cdx_core *core, enum cdx_status why);

/* ---- core: requests ---- */

/**
 * Reserves an RID and room for a request of exactly `nbytes`. Write it at
 * `out->next`, then commit it; or forget it: the next begin starts afresh.
 * CDX_OK; CDX_FULL: the window or the output is at its limit; CDX_NO_MEMORY; or
 * why the connection has ended. Only CDX_OK sets `*rid` and `*out`.
 */
CDX_MUST_CHECK enum cdx_status cdx_core_begin(struct cdx_core *core, size_t nbytes, uint32_t *rid,
                                              struct cdx_out *out);

/**
 * The request reserved last has been written up to `out->next`. It is open now:
 * its frames are checked as answers to `call` and go to `fn` with `arg` (borrowed
 * until the final call); `fn` may be NULL.
 */
void cdx_core_commit(struct cdx_core *core, const struct cdx_out *out, uint16_t call,
                     cdx_client_fn *fn, void *arg);

/**
 * Nobody waits for this answer any more: `fn` is called with CDX_CANCELLED, and
 * frames that still come are dropped. The peer is not told. False when no such request is open.
 */
bool cdx_core_cancel(struct cdx_core *core, uint32_t rid);

/**
 * Timeout of later requests, from their begin, and again from each row.
 * CDX_CLIENT_TIMEOUT_MS_NEVER; 0: the options'.
 */
void cdx_core_set_timeout(struct cdx_core *core, uint32_t timeout_ms);

/** Who gets frames with RID 0, which answer no request; NULL: nobody. `arg` is borrowed. */
void cdx_core_on_unasked(struct cdx_core *core, cdx_client_fn *fn, void *arg);

/* ---- core: for transports ---- */

/** `fn` is called at the start of every begin; NULL: nobody. */
void cdx_core_on_wake(struct cdx_core *core, cdx_core_wake_fn *fn, void *arg);

/**
 * The time now, in milliseconds from any fixed point: what later requests, and the
 * rows of later input, count their timeout from.
 */
void cdx_core_set_now(struct cdx_core *core, uint64_t now_ms);

/**
 * Unsent bytes, in order: fills at most `most` views and returns how many. They stay
 * where they are until cdx_core_output_sent() has passed them, also while requests are added.
 */
size_t cdx_core_output(const struct cdx_core *core, struct cdx_bytes *views, size_t most);

/** The first `nbytes` of the output are sent. */
void cdx_core_output_sent(struct cdx_core *core, size_t nbytes);

/** All unsent bytes, in number. */
size_t cdx_core_output_nbytes(const struct cdx_core *core);

/**
 * Takes bytes of the peer from `*next` up to `end` and calls back for every frame in
 * them. CDX_OK: all are taken, or up to the frame after which a callback has
 * paused. Otherwise why the connection has ended; every open request has been
 * told. What callbacks are shown points into the input or the core: until the
 * next input. CDX_INVALID, and nothing happens, inside a callback.
 */
CDX_MUST_CHECK enum cdx_status cdx_core_input(struct cdx_core *core, const uint8_t **next,
                                              const uint8_t *end);

/** Inside a callback: cdx_core_input() returns behind this frame. */
void cdx_core_pause(struct cdx_core *core);

/** Sets the time and fails every request whose deadline has come. */
void cdx_core_expire(struct cdx_core *core, uint64_t now_ms);

/** When cdx_core_expire() must be called; UINT64_MAX: nothing waits for the time. */
uint64_t cdx_core_next_deadline(const struct cdx_core *core);

/* ---- core: inspection ---- */

/** Requests whose final callback has not come. */
size_t cdx_core_open_count(const struct cdx_core *core);

/** Timed out or cancelled requests whose answer may still come: they take room in the window. */
size_t cdx_core_silent_count(const struct cdx_core *core);

/** True inside a callback of this core, where input, expire and every blocking call are refused. */
bool cdx_core_is_inside(const struct cdx_core *core);

/** CDX_OK, or why the connection has ended. */
enum cdx_status cdx_core_status(const struct cdx_core *core);

/**
 * Where and why the peer's bytes are not the protocol, after CDX_MALFORMED,
 * CDX_UNEXPECTED and CDX_NO_MEMORY; otherwise `field` and `reason` are NULL.
 */
void cdx_core_error(const struct cdx_core *core, struct cdx_parse_error *error);

/** The last unasked frame as "status: text", unprintable bytes as '?'; "" when there was none. */
const char *cdx_core_notice(const struct cdx_core *core);

/** The invariant: NULL, or a static text that names what does not hold. Takes time by window. */
const char *cdx_core_check(const struct cdx_core *core);

/* ---- blocking transport ----
 *
 * One connected socket, driven by poll(2) inside the calls below and never
 * outside of them. The happy path: send what is queued, wait, read, call back. Failure modes: the
 * peer closes or resets (what it said before is read first), sends what is not
 * the protocol, or does not answer in time: then the request fails and the
 * connection goes on.
 */
struct cdx_blocking;

/**
 * Connects to "host:port", "[ipv6]:port" or "unix:/path" within the options'
 * timeout. Without ":port" it is the protocol's default. All addresses of a name are tried in
 * turn; looking up the name itself may take as long as the resolver likes.
 * CDX_OK; CDX_ADDRESS, CDX_SYSTEM (errno says why), CDX_TIMEOUT, CDX_NO_MEMORY, CDX_INVALID;
 * the text, "127.0.0.1:7117: connection refused", is in options->connect_error.
 */
CDX_MUST_CHECK enum cdx_status cdx_blocking_connect(const char *address,
                                                    const struct cdx_client_protocol *protocol,
                                                    const struct cdx_client_options *options,
                                                    struct cdx_blocking **blocking);

/**
 * Like cdx_blocking_connect(), over a stream socket that is connected already; `name`
 * (copied) stands for the address in error texts. Takes `fd` when it returns CDX_OK, and
 * makes it non-blocking.
 */
CDX_MUST_CHECK enum cdx_status cdx_blocking_adopt(int fd, const char *name,
                                                  const struct cdx_client_protocol *protocol,
                                                  const struct cdx_client_options *options,
                                                  struct cdx_blocking **blocking);

/** Closes at once; open requests fail with CDX_CLOSED. Not inside a callback. NULL is ignored. */
void cdx_blocking_close(struct cdx_blocking *blocking);

/** The core, to issue requests on; it lives as long as `blocking`. */
struct cdx_core *cdx_blocking_core(struct cdx_blocking *blocking);

/**
 * Sends and receives until every open request has had its final call, or
 * `timeout_ms` have passed. CDX_OK: none is open. CDX_TIMEOUT: some still are. Otherwise why the
 * connection has ended. 0 does what can be done without waiting. CDX_INVALID inside a callback.
 */
CDX_MUST_CHECK enum cdx_status cdx_blocking_run(struct cdx_blocking *blocking, uint32_t timeout_ms);

/**
 * For bindings: like cdx_blocking_run(), but until `*done`, which a callback sets,
 * pausing the core. What that callback was shown stays valid until the next run, wait or close.
 */
CDX_MUST_CHECK enum cdx_status cdx_blocking_wait(struct cdx_blocking *blocking, const bool *done);

/** The socket, for a poll(2) of one's own: when it is readable, call cdx_blocking_run(…, 0). */
int cdx_blocking_fd(const struct cdx_blocking *blocking);

/**
 * Why the connection has ended, as in "127.0.0.1:7117: closed by the peer"; "" while it
 * has not. Valid until the next call.
 */
const char *cdx_blocking_error_text(struct cdx_blocking *blocking);

#ifdef __cplusplus
}
#endif

#endif
