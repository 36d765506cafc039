/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Writes that are gathered and sent as one batch, which the server carries out
 * as a whole or not at all.
 *
 *     frames | put /a … | put_if /b … | delete /b | …    whole requests: the batch's value
 *     places |    line 1|       line 2|     line 2| …    one per request
 *
 * A write that no single request stands for takes two: the first holds its
 * condition, the second does it.
 */
#ifndef CLI_OPS_H
#define CLI_OPS_H

#include "cli.h"

/* ---- types ---- */

struct cli_ops {
    struct cli_buf frames;
    struct cli_buf places;
    struct cli_buf keys; /* one behind the other, for messages */
    uint64_t line;       /* where the writes that are added next were read; 0: in no file */
    uint64_t count;      /* writes that were added */
};

/** What the server made of a batch. */
struct cli_ops_answer {
    uint64_t revision;    /* done: the store's; a conflict: that of `key`, 0: it is not stored */
    struct cdx_bytes key; /* of the write that failed; borrowed from the batch */
    uint64_t line;        /* of the write that failed; 0: it is not known which did */
};

/* ---- lifecycle ---- */

/** An empty batch; the same as zeroed storage. */
void cli_ops_init(struct cli_ops *ops);
void cli_ops_free(struct cli_ops *ops);

/* ---- operations ----
 *
 * Adding copies key and value. CLI_EXIT_DONE, or the message: the batch is then
 * of no more use, as half a write may be in it.
 */

/** `expected`: NULL, or the revision that the key must have; 0: not stored. `ttl_ms` 0: never ends.
 */
CDX_MUST_CHECK enum cli_exit cli_ops_put(struct cli_ops *ops, struct cdx_bytes key,
                                         struct cdx_bytes value, const uint64_t *expected,
                                         uint64_t ttl_ms, struct cli_failure *failure);

CDX_MUST_CHECK enum cli_exit cli_ops_delete(struct cli_ops *ops, struct cdx_bytes key,
                                            const uint64_t *expected, struct cli_failure *failure);

CDX_MUST_CHECK enum cli_exit cli_ops_drop(struct cli_ops *ops, struct cdx_bytes key,
                                          struct cli_failure *failure);

/**
 * Sends the batch and waits. CLI_EXIT_DONE; CLI_EXIT_NO without a message: a
 * condition did not hold, `*answer` says whose; or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_ops_send(struct cli *cli, const struct cli_ops *ops,
                                          struct cli_ops_answer *answer,
                                          struct cli_failure *failure);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_ops_check(const struct cli_ops *ops);

#endif
