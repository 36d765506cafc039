/* SPDX-License-Identifier: Apache-2.0 */
/** All rows of a list or of children, fetched page by page, or of a scan, in one answer. */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include "cli.h"

/** Called for each row, borrowed. Anything but CLI_EXIT_DONE ends the walk and is its outcome. */
typedef enum cli_exit cli_row_fn(void *arg, const struct kv_response *row,
                                 struct cli_failure *failure);

struct cli_walk {
    uint8_t call;           /* KV_CALL_LIST, KV_CALL_CHILDREN or KV_CALL_SCAN */
    struct cdx_bytes key;   /* below which */
    struct cdx_bytes after; /* behind which; empty: from the first */
    uint64_t limit;         /* rows at most; 0: all; not for a scan */
    bool keys_only;         /* not for children: values are not sent */
    cli_row_fn *row;
    void *arg;
    uint64_t rows;  /* so far */
    uint8_t status; /* of the last frame that came, enum kv_status */
};

/**
 * Walks to the end, or to the limit. CLI_EXIT_DONE, or the message. A server
 * that does not know the scan is asked for pages: `walk->call` is then KV_CALL_LIST.
 */
CDX_MUST_CHECK enum cli_exit cli_walk(struct cli *cli, struct cli_walk *walk,
                                      struct cli_failure *failure);

#endif
