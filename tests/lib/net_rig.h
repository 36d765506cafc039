/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A server of net's inside the test's process, with a handler made for the
 * purpose, and peers of it.
 */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include "handler.h"
#include "net.h"

#include <stdatomic.h>

/** How long a peer waits for what must come. */
#define NET_RIG_WAIT_MS 10000

/**
 * Answers each byte with the byte; '!' closes; '~' stalls the worker first. Its notices are one
 * word each.
 */
extern const struct handler_class net_rig_class;

/** How net_rig_class behaves; changed only while no server runs, unless atomic. */
struct net_rig_behaviour {
    size_t step;              /* bytes answered per turn and connection */
    size_t sessions_per_turn; /* then its queue is full */
    size_t incomplete_nbytes; /* of an incomplete request, as each session says */
    size_t watched_nbytes;    /* inputs of this length are counted */
    _Atomic unsigned watched; /* … so far */
    unsigned stall_ms;
    _Atomic unsigned stalls; /* that have begun */
};
extern struct net_rig_behaviour net_rig_behaviour;

/** Three bytes per turn, two sessions, nothing incomplete. A cmocka set-up. */
int net_rig_reset(void **state);

/** One worker, one listener on a free port of 127.0.0.1, long timeouts. */
struct net_config net_rig_config(const struct handler_class *class);

/** Opens and starts a server; fails the test when that is not possible. */
struct net_server *net_rig_open(const struct net_config *config);

/** Drains, waits and frees. */
void net_rig_close(struct net_server *server);

struct net_stats net_rig_stats(const struct net_server *server);

/** Waits until `server` has read `nbytes` in all. */
void net_rig_wait_bytes_in(const struct net_server *server, uint64_t nbytes);

/** A peer of the server's first listener. */
int net_rig_connect(const struct net_server *server);

/** Like net_rig_connect(), but with little room for answers, so that they pile up at the server. */
int net_rig_connect_small(const struct net_server *server);

/** Reads up to `n` bytes, until the stream ends or nothing comes for too long; how many. */
size_t net_rig_read(int fd, char *bytes, size_t n);

void net_rig_send(int fd, const char *text);

/** Fails the test unless exactly `text` comes next. */
void net_rig_expect(int fd, const char *text);

#endif
