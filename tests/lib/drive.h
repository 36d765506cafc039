/* SPDX-License-Identifier: Apache-2.0 */
/** Drives a handler as net would, without a network: bytes in, answers out. */
#ifndef TESTS_DRIVE_H
#define TESTS_DRIVE_H

#include "handler.h"

/** One connection of one handler. */
struct drive {
    const struct handler_class *class;
    struct handler *handler;
    void *session;
    uint8_t *stash; /* input that was not consumed */
    size_t stash_len;
    struct handler_output out; /* all answers so far */
    enum handler_verdict verdict;
    size_t turns;
};

/** Opens handler and session; aborts when there is no memory. `env` must outlive the drive. */
void drive_open(struct drive *d, const struct handler_class *class, const struct handler_env *env);
void drive_close(struct drive *d);

/**
 * Offers `n` bytes, from a copy that is destroyed afterwards, in as many turns
 * as the handler wants. Bytes after HANDLER_CLOSE are dropped.
 */
void drive_feed(struct drive *d, const uint8_t *bytes, size_t n);

/** Forgets the answers so far. */
void drive_clear(struct drive *d);

#endif
