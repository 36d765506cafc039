/* SPDX-License-Identifier: Apache-2.0 */
/** What the word under the cursor of the prompt can be completed to. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli.h"

/** Candidates of one completion, at most; more would not be read. */
#define CLI_CANDIDATES_MAX 500u

/*
 * Candidates, each followed by a NUL; items are offsets while bytes may move.
 */
struct cli_candidates {
    struct cli_buf bytes;
    struct {
        size_t offset;
        size_t len;
    } items[CLI_CANDIDATES_MAX];
    size_t count;
    size_t start; /* offset in the line where the word begins, with its quote */
    size_t typed; /* bytes of the word, unquoted, that all candidates begin with */
};

void cli_candidates_init(struct cli_candidates *candidates);
void cli_candidates_free(struct cli_candidates *candidates);

/** The candidate of that index. */
struct cdx_bytes cli_candidate(const struct cli_candidates *candidates, size_t index);

/**
 * Finds candidates for the last word of `line`, the line up to the cursor:
 * commands, options, choices, and, by asking the server, keys. None is no error.
 */
void cli_complete(struct cli *cli, struct cdx_bytes line, struct cli_candidates *candidates);

/** How many bytes all candidates begin with alike; 0 when there are none. */
size_t cli_candidates_common(const struct cli_candidates *candidates);

/**
 * Appends what the word becomes, quoted where needed: the only candidate with
 * a blank behind it unless it ends in `/`, or as much as all have in common, left open.
 */
void cli_candidates_insert(struct cli_buf *out, const struct cli_candidates *candidates);

#endif
