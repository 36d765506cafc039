/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Many puts over one connection, a window of them under way, their answers
 * taken in order: what load and bench --fill store with.
 *
 *     ring | … | oldest open | … | newest open | … |
 *                ^ first           first + open ^
 */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "cli_link.h"

/* ---- limits ---- */

/** Unsent bytes above which no more rows are queued, so that large values do not pile up. */
#define CLI_STORE_UNSENT_NBYTES_MAX (8u << 20)

/* ---- types ---- */

/**
 * Called for each answer, in the order of the puts, with the mark that the
 * put was given and what became of it: CLI_EXIT_DONE, or CLI_EXIT_REFUSED
 * with the message (that one row was refused; the connection goes on).
 * Anything but CLI_EXIT_DONE returned ends the storing and is its outcome.
 */
typedef enum cli_exit cli_stored_fn(void *arg, const void *mark, enum cli_exit outcome,
                                    struct cli_failure *failure);

struct cli_store {
    struct cli_link *link; /* borrowed; open */
    cli_stored_fn *stored;
    void *arg;
    size_t mark_nbytes;
    uint8_t *ring; /* window × mark_nbytes */
    uint32_t window;
    uint32_t first;
    uint32_t open;
    uint64_t number; /* of the oldest open put, from 0; its RID follows from it */
    uint32_t stage;  /* put into this stage of the connection; 0: into the store itself */
    uint64_t ttl_ms; /* when what is put ends; 0: never */
};

/* ---- operations ---- */

/** Into the store itself, for ever. False when there is no memory. */
CDX_MUST_CHECK bool cli_store_init(struct cli_store *store, struct cli_link *link, uint32_t window,
                                   size_t mark_nbytes, cli_stored_fn *stored, void *arg);
void cli_store_free(struct cli_store *store);

/**
 * Queues a put with a copy of `mark`; waits for answers first when the window
 * is full. CLI_EXIT_DONE, or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_store_put(struct cli_store *store, struct cdx_bytes key,
                                           struct cdx_bytes value, const void *mark,
                                           struct cli_failure *failure);

/** Waits until nothing is open. CLI_EXIT_DONE, or the message. */
CDX_MUST_CHECK enum cli_exit cli_store_finish(struct cli_store *store, struct cli_failure *failure);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_store_check(const struct cli_store *store);

#endif
