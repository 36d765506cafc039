/* SPDX-License-Identifier: Apache-2.0 */
/** Runs one command of the command line against a peer of the test's own. */
#ifndef TESTS_CLI_RIG_H
#define TESTS_CLI_RIG_H

#include "cli.h"
#include "peer.h"

/** What the command did. */
struct cli_run {
    struct cli_failure failure;
    char printed[512]; /* as much of its output as fits */
    bool linked;       /* its connection may be used on */
};

/**
 * Splits `line` as the interactive mode does, and runs its command, with JSON as output if
 * wanted, against a peer that answers by `answer(world, …)`. Nothing of it is left
 * when it returns.
 */
enum cli_exit cli_rig_run(peer_answer_fn *answer, void *world, const char *line, bool json,
                          struct cli_run *run);

#endif
