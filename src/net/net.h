/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The network layer: listeners, worker loops, connections. Bytes in, bytes
 * out; what they mean is the listener's handler's business. Only control
 * includes this header.
 *
 *     net_open  ── binds every listener (errors are known before a daemon detaches)
 *     net_start ── starts the worker threads, one libuv loop each
 *     net_drain ── stops accepting, answers what was received, closes; bounded
 *     net_stop  ── closes at once
 *     net_join  ── waits for the workers
 *     net_close ── frees everything
 *
 * Listeners of a port are opened once per worker with SO_REUSEPORT, so the
 * kernel spreads the connections; a connection stays on its worker.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <caudex/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct handler_class;

/* ---- limits ---- */

/** Worker loops: one per core is the most that helps. */
#define NET_WORKERS_MAX 64u
/** Listeners of one server. */
#define NET_LISTENERS_MAX 16u
/** Input buffer of a loop, in bytes; small reads of many connections share one. */
#define NET_INPUT_NBYTES 65536u
/** Input buffers of a loop and turn: bounds what one turn can be asked to do. */
#define NET_INPUT_BUFFERS_MAX 16u
/** Most bytes taken from one connection per turn while others, who wait for it, have requests. */
#define NET_READ_PER_TURN_NBYTES 16384u
/** … and while no other has: fewer turns make a bulk load faster. */
#define NET_READ_ALONE_NBYTES NET_INPUT_NBYTES
/** A connection counts as alone when no turn had input of several for so long. */
#define NET_READ_ALONE_MS 10u

/* ---- types ---- */

enum net_family { NET_TCP, NET_UNIX };

/** One address to listen on. The texts are borrowed until net_close. */
struct net_listener_config {
    enum net_family family;
    /**
     * NET_TCP: a literal IPv4 or IPv6 address; `::` also takes IPv4. NET_UNIX: the socket's path.
     */
    const char *host;
    uint16_t port;      /* NET_TCP; 0: any free one, see net_listener_address() */
    uint32_t unix_mode; /* NET_UNIX: permission bits of the socket file */
    const struct handler_class *handler;
    /**
     * A listening socket handed over by a service manager, taken by net_open whatever comes of it;
     * its path stays. Or -1.
     */
    int inherited_fd;
};

/** Everything has a documented default in control's table; 0 is never "unlimited". */
struct net_config {
    struct net_listener_config listeners[NET_LISTENERS_MAX];
    size_t listener_count;
    unsigned workers;
    unsigned backlog;
    uint32_t connections_max;        /* of the whole server */
    uint64_t idle_timeout_ms;        /* no request for so long: closed */
    uint64_t request_timeout_ms;     /* from an incomplete request's first byte */
    uint64_t close_timeout_ms;       /* for a peer to read the last answers, however slowly */
    uint64_t drain_timeout_ms;       /* net_drain() closes what is left after this */
    size_t request_nbytes_max;       /* an incomplete request larger than this: closed */
    size_t output_high_nbytes;       /* memory of unsent answers above this: reading stops */
    size_t output_low_nbytes;        /* … and goes on below this; < high */
    unsigned keepalive_s;            /* first TCP keepalive probe */
    bool pin_workers;                /* worker i to the i-th allowed core */
    /**
     * Work between requests, a slice of some hundred microseconds at most, done
     * by the first worker between two turns. Returns after how many milliseconds it
     * is to be called again; 0: after the next turn, which will not wait. NULL: there is none.
     */
    unsigned (*upkeep)(void *arg);
    void *upkeep_arg;
};

/** The part that can change while the server runs. */
struct net_limits {
    uint32_t connections_max;
    uint64_t idle_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t close_timeout_ms;
    uint64_t drain_timeout_ms;
};

/** Sums over all workers since start. */
struct net_stats {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_refused;   /* over connections_max */
    uint64_t connections_idle_closed;
    uint64_t connections_slow_closed;
    uint64_t connections_reset;     /* ended by an error of the peer or the network */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t turns;                 /* loop turns that had input */
    uint64_t paused;                /* times a connection was paused for its unsent output */
    uint64_t accept_paused;         /* times a listener waited for descriptors or memory */
};

struct net_server;

/** Where and why net_open() failed, for one clear line. */
struct net_error {
    char text[256];
};

/* ---- lifecycle: control's thread only ---- */

/**
 * Binds all listeners and prepares the workers; no thread runs yet. `config`
 * is copied, its texts and `store` are borrowed. The handlers' env.stats gives
 * net's own counters ("net.connections_open", …). CDX_OK; CDX_SYSTEM,
 * CDX_ADDRESS, CDX_INVALID or CDX_NO_MEMORY with `error->text`
 * ("127.0.0.1:7117: Address already in use").
 */
CDX_MUST_CHECK enum cdx_status net_open(const struct net_config *config, struct store *store,
                                        struct net_server **server, struct net_error *error);

/** Starts the workers. CDX_OK, or CDX_SYSTEM (none is left running). */
CDX_MUST_CHECK enum cdx_status net_start(struct net_server *server, struct net_error *error);

/** Begins to drain; returns at once. See net_on_ended() for its end. */
void net_drain(struct net_server *server);

/** Closes everything at once; returns at once. */
void net_stop(struct net_server *server);

/** Waits until every worker has ended. */
void net_join(struct net_server *server);

/**
 * Frees a server whose workers have ended or never started; removes its unix sockets, but not
 * those that another server has put in their place. NULL is ignored.
 */
void net_close(struct net_server *server);

/* ---- operations: any thread ---- */

/** Changes the limits; takes effect at each worker's next turn. */
void net_set_limits(struct net_server *server, const struct net_limits *limits);

/**
 * Called on the last worker's thread when all have ended after a drain or stop. Set before
 * net_start.
 */
void net_on_ended(struct net_server *server, void (*ended)(void *arg), void *arg);

/* ---- inspection ---- */

/**
 * The address that listener `index` is bound to, as text: "127.0.0.1:40123", "[::1]:7117",
 * "unix:/run/x.sock".
 */
void net_listener_address(const struct net_server *server, size_t index, char *text, size_t size);

/** A consistent-enough sum of the workers' counters. */
void net_read_stats(const struct net_server *server, struct net_stats *stats);

#endif
