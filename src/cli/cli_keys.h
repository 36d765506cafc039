/* SPDX-License-Identifier: Apache-2.0 */
/** The keys and names that a beginning can be completed to, level by level. */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "cli.h"

/** Candidates offered for one beginning, at most: nobody reads more. */
#define CLI_KEYS_MAX 500u

/** Called for each candidate, borrowed; anything but CLI_EXIT_DONE ends the search. */
typedef enum cli_exit cli_key_fn(void *arg, struct cdx_bytes key, struct cli_failure *failure);

/**
 * Asks the server for the children of the last whole level of `start` and
 * passes on those that begin with `start`, at most CLI_KEYS_MAX. A name with
 * more below it ends in `/`. CLI_EXIT_DONE, or the message.
 */
CDX_MUST_CHECK enum cli_exit cli_keys_complete(struct cli *cli, struct cdx_bytes start,
                                               cli_key_fn *found, void *arg,
                                               struct cli_failure *failure);

#endif
