/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What net's files share: the server, its loops, and connections.
 *
 *     server ─┬─ loop 0 (thread) ─┬─ listeners: one socket each
 *             │                   ├─ hosts: one handler per class in use
 *             │                   ├─ input buffers, one output
 *             │                   └─ connections
 *             └─ loop 1 …
 */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "handler.h"
#include "net.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* ---- limits ---- */

/** Least room of an input buffer that a read is given: smaller ones would cut most reads. */
#define NET_INPUT_PIECE_NBYTES 16384u
/**
 * Connections that are answered before the first of their answers is sent. Peers on another core
 * are woken once by so many writes in a row; a write between the answering of two
 * connections wakes one each time.
 */
#define NET_BURST_MAX 16u
/** … and bytes of their answers: what is this large is sent at once. */
#define NET_BURST_NBYTES_MAX (128u << 10)
/** Memory that each of a burst's outputs keeps between turns; larger is given back. */
#define NET_OUTPUT_KEEP_NBYTES (64u << 10)
/** … and the first one, which is all that large answers take. */
#define NET_OUTPUT_FIRST_KEEP_NBYTES (1u << 20)
/** A connection that is ended waits so long for the peer to read on, and then to close. */
#define NET_LINGER_MS 5000u
/** Bytes of a peer that are thrown away while it is waited for. */
#define NET_LINGER_NBYTES_MAX (64u << 20)
/** Connections over the limit that are told so; further ones are closed without a word. */
#define NET_REFUSED_MAX 64u
/** Connections accepted from one listener per turn: those that are open are served in between. */
#define NET_ACCEPT_PER_TURN 64u
/** How often deadlines are looked at: a quarter of the shortest, within these bounds. */
#define NET_TICK_MS_MIN 5u
#define NET_TICK_MS_MAX 1000u

/* ---- types ---- */

struct net_loop;

/** A ring of connections; the head is a link of its own. */
struct net_link {
    struct net_link *next;
    struct net_link *prev;
};

/** A handler of one class, on one loop, and the connections that have input for it. */
struct net_host {
    const struct handler_class *class;
    struct handler *handler;
    struct net_link ready;
};

/**
 * One listening socket of one loop. It is polled and accepted from here rather
 * than by uv_listen(), whose accept loop spins when there are no more descriptors.
 */
struct net_listener {
    uv_poll_t poll;
    struct net_loop *loop;
    struct net_host *host;
    enum net_family family;
    int fd; /* -1: closed */
    bool open;
    bool paused; /* descriptors or memory ran out: the next tick tries again */
};

/**
 * The life of a connection:
 *
 *     SERVING ──► FLUSHING ──► LINGERING ──► CLOSING ──► freed
 *        │  answers are on    FIN is sent,   uv_close is
 *        │  their way         the peer's     under way
 *        └────────────────►   rest is read
 *           errors: at once to CLOSING
 */
enum net_conn_state { NET_SERVING, NET_FLUSHING, NET_LINGERING, NET_CLOSING };

struct net_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct net_link ready; /* in its host's ready ring, or alone */
    struct net_link all;   /* in the loop's ring of connections */
    struct net_loop *loop;
    struct net_host *host;
    enum net_conn_state state;
    bool reading;
    bool eof;               /* the peer will send no more */
    bool paused;            /* not read for its unsent answers */
    bool refused;           /* was over the limit of connections */
    bool had_input;         /* since the last look, while draining */
    bool filled;            /* its last read took all the room: libuv asks for more at once */
    struct cdx_bytes input; /* of this turn: in an input buffer, or in the stash */
    uint8_t *stash;         /* input that was not consumed */
    size_t stash_nbytes;
    size_t incomplete;    /* bytes of an incomplete request */
    size_t unsent;        /* memory of what was handed to uv_write */
    size_t queued;        /* bytes that libuv still had at the last look */
    size_t discarded;     /* bytes thrown away while lingering */
    uint64_t active_ms;   /* last input or progress of output */
    uint64_t begun_ms;    /* when the incomplete request began */
    uint64_t finish_ms;   /* when FLUSHING began */
    uint64_t deadline_ms; /* of FLUSHING without progress, and of LINGERING */
    uv_shutdown_t shutdown;
    _Alignas(16) uint8_t session[];
};

/** Bytes that uv_try_write did not take. */
struct net_write {
    uv_write_t request;
    struct net_conn *conn;
    size_t nbytes;
    uint8_t bytes[];
};

/** Written by one loop, read by any thread. */
struct net_counters {
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused;
    _Atomic uint64_t idle_closed;
    _Atomic uint64_t slow_closed;
    _Atomic uint64_t reset;
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t turns;
    _Atomic uint64_t paused;
    _Atomic uint64_t accept_paused;
};

/**
 * The input buffers of a loop: all free between turns. A read gets what is
 * left of the current one, or the next; small reads stand next to each other.
 *
 *     | conn A | conn C | conn A's next … free |   | …          |
 *     buffer 0          ^ used                     buffer 1
 */
struct net_inputs {
    uint8_t *buffers[NET_INPUT_BUFFERS_MAX];
    size_t current;
    size_t used; /* of the current one */
};

/** What one connection was answered in this turn, not yet sent. */
struct net_answer {
    struct net_conn *conn;
    struct handler_output out;
    size_t consumed;
    enum handler_verdict verdict;
};

/** Answers that are sent together; the outputs are used again. */
struct net_burst {
    struct net_answer answers[NET_BURST_MAX];
    size_t count;
    size_t nbytes;
};

struct net_loop {
    uv_loop_t uv;
    uv_async_t control;
    uv_check_t check;
    uv_idle_t again; /* active while work is left over: the loop does not sleep */
    uv_timer_t tick;
    uv_timer_t upkeep; /* of the first loop */
    pthread_t thread;
    struct net_server *server;
    unsigned index;
    bool initialised;
    bool draining;
    bool ending; /* the loop's own handles are closing */
    bool again_active;
    bool upkeep_due; /* in this turn */
    bool tick_due;   /* behind this turn */
    uint64_t tick_now_ms;
    uint32_t answered;  /* connections in this turn */
    uint64_t shared_ms; /* when a turn last had several */
    uint64_t drain_begun_ms;
    struct net_listener listeners[NET_LISTENERS_MAX];
    struct net_host hosts[NET_LISTENERS_MAX];
    size_t host_count;
    struct net_link conns;
    struct net_link later; /* have leftover input and room: the next turn's */
    uint32_t conn_count;
    uint32_t refused_count;
    struct net_inputs inputs;
    struct net_burst burst;
    struct handler_env env;
    struct net_counters counters;
};

struct net_server {
    struct net_config config;
    struct store *store;
    struct net_loop *loops;
    unsigned running; /* workers whose threads were started */
    uint16_t ports[NET_LISTENERS_MAX];
    int path_fds[NET_LISTENERS_MAX]; /* O_PATH, of a socket file that was made here; or -1 */
    _Atomic uint32_t connections;
    _Atomic unsigned live;
    _Atomic int command; /* enum net_command */
    _Atomic uint32_t connections_max;
    _Atomic uint64_t idle_timeout_ms;
    _Atomic uint64_t request_timeout_ms;
    _Atomic uint64_t close_timeout_ms;
    _Atomic uint64_t drain_timeout_ms;
    void (*ended)(void *arg);
    void *ended_arg;
};

enum net_command { NET_COMMAND_NONE, NET_COMMAND_DRAIN, NET_COMMAND_STOP };

/* ---- rings ---- */

static inline void net_link_init(struct net_link *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool net_link_alone(const struct net_link *link)
{
    return link->next == link;
}

static inline void net_link_remove(struct net_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    net_link_init(link);
}

static inline void net_link_append(struct net_link *head, struct net_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void net_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#define NET_CONN_OF_READY(link)                                                                    \
    ((struct net_conn *)(void *)((uint8_t *)(link)-offsetof(struct net_conn, ready)))
#define NET_CONN_OF_ALL(link)                                                                      \
    ((struct net_conn *)(void *)((uint8_t *)(link)-offsetof(struct net_conn, all)))

/* ---- net_listen.c ---- */

/** Binds the sockets of listener `index` for all loops. */
enum cdx_status net_listen_open(struct net_server *server, size_t index, struct net_error *error);

/** Before the first is opened: takes the descriptors handed over, for loop 0. */
void net_listen_take(struct net_server *server);

/** Closes the descriptors handed over of a configuration that is refused as a whole. */
void net_listen_refuse(const struct net_config *config);

/** Closes what libuv does not have yet, and removes those unix sockets that are still ours. */
void net_listen_close_all(struct net_server *server);

/* ---- net_loop.c ---- */

enum cdx_status net_loop_init(struct net_loop *loop);
/** Frees a loop that never ran, or has ended. */
void net_loop_free(struct net_loop *loop);
void *net_loop_run(void *loop);

/** Ends the loop when nothing keeps it any more. */
void net_loop_maybe_end(struct net_loop *loop);

/** Works on everything that is ready; all input buffers are free afterwards. */
void net_loop_turn(struct net_loop *loop);

/** Most bytes to be taken from one connection in the next turn. */
size_t net_loop_read_max(const struct net_loop *loop);

/** Makes sure that another turn comes without waiting for input. */
void net_loop_again(struct net_loop *loop);

/* ---- net_conn.c ---- */

/**
 * Takes one connection from the listener. CDX_OK; CDX_MORE: none is waiting;
 * CDX_FULL: there are no descriptors or no memory for one, it stays waiting.
 */
enum cdx_status net_conn_accept(struct net_listener *listener);

/** Closes at once, without a word. */
void net_conn_close(struct net_conn *conn);

/** Sends what is left and then ends the stream in good order. */
void net_conn_finish(struct net_conn *conn);

/** Tells the peer why, then net_conn_finish(). */
void net_conn_notice(struct net_conn *conn, enum handler_notice notice);

/** Sends `out` and empties it. */
void net_conn_send(struct net_conn *conn, struct handler_output *out);

/** After the connection's turn: keeps what was not consumed, and reads on, waits or ends. */
void net_conn_after_turn(struct net_conn *conn, enum handler_verdict verdict, size_t consumed,
                         bool answered);

/** What is true of a connection between two callbacks; for asserts. */
bool net_conn_check(const struct net_conn *conn);

/** Looks at the connection's deadlines; what had arrived by `now_ms` has been read. */
void net_conn_tick(struct net_conn *conn, uint64_t now_ms);

#endif
