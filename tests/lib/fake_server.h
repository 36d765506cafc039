/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A server of kv on a thread of its own, whose behaviour the request's key
 * chooses. It serves one connection after the other.
 *
 *     get /silent     is never answered          get /reset    resets the connection
 *     get /close      closes                     get /garbage  answers what is no frame
 *     get /half       half a frame, then closes  get /stranger answers another request
 *     get /stop       says "stopping: bye" to nobody in particular, then closes
 *     get /none       not_found                  get anything  its key as value
 *     list            `limit` rows               put          revision 1
 *     match           "/img" and "cdn-a"         all others   the bytes of their value
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_server {
    pthread_t thread;
    int listener;
    int adopted;       /* a connected socket to serve first, or -1 */
    size_t piece;      /* bytes per write; 0: as many as there are */
    char address[128]; /* to connect to */
    char path[108];    /* of a Unix socket, to be removed; "" */
    unsigned requests; /* served so far; read it after fake_server_stop() */
    int wake[2];       /* a pipe that ends the thread */
};

enum fake_family { FAKE_IPV4, FAKE_IPV6, FAKE_UNIX };

/** Starts listening; aborts the test when that is impossible. False: the machine has no such
 * family. */
bool fake_server_start(struct fake_server *server, enum fake_family family, size_t piece);

/** Serves one end of a socketpair; returns the other. */
int fake_server_pair(struct fake_server *server, size_t piece);

/** Ends the thread, closes everything. */
void fake_server_stop(struct fake_server *server);

#endif
