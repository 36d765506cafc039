/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A server of the kv protocol for tests of its clients: listens on a unix
 * socket, parses requests with the generated parser, and answers each with
 * whatever bytes the test's function writes, right or wrong. One thread.
 *
 *     struct peer peer;
 *     peer_open(&peer, answer, &world);
 *     … connect to peer.address …
 *     peer_close(&peer);
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <caudex/kv.h>
#include <pthread.h>
#include <stdatomic.h>

/** Bytes that the answer to one request may have. */
#define PEER_ANSWER_NBYTES (256u << 10)

/** What becomes of the connection after an answer. */
enum peer_next { PEER_GO_ON, PEER_HANG_UP };

/** Writes the answer to `request` into `out` (nothing: no answer). Runs in the peer's thread. */
typedef enum peer_next peer_answer_fn(void *arg, const struct kv_request *request,
                                      struct cdx_out *out);

struct peer {
    char address[64]; /* for --server: unix:PATH */
    char path[48];
    int listener;
    int wake[2]; /* closing the second end stops the thread */
    pthread_t thread;
    peer_answer_fn *answer;
    void *arg;
    atomic_uint connections;
    atomic_uint requests;
};

/** Starts the peer; aborts the test program when the system refuses. */
void peer_open(struct peer *peer, peer_answer_fn *answer, void *arg);

/** Ends all its connections and its thread. */
void peer_close(struct peer *peer);

#endif
