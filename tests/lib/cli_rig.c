/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define TIMEOUT_NS 5000000000u

enum cli_exit cli_rig_run(peer_answer_fn *answer, void *world, const char *line, bool json,
                          struct cli_run *run)
{
    struct peer peer;
    struct cli cli = {0};
    struct cli_args args;
    struct cli_words words;
    size_t at;
    *run = (struct cli_run){.linked = false};
    cli_words_init(&words);
    assert_int_equal(cli_words_split(&words, cdx_cstr(line), &at), CDX_OK);
    assert_int_equal(cli_args_parse(words.items, words.count, &args, &run->failure), CLI_EXIT_DONE);
    peer_open(&peer, answer, world);
    cli_link_init(&cli.link);
    cli_out_init(&cli.out, -1);
    cli.out.json = json;
    cli.settings = (struct cli_settings){.server = peer.address, .timeout_ns = TIMEOUT_NS};
    enum cli_exit exit = args.command->run(&cli, &args, &run->failure);
    assert_null(cli.ops);
    run->linked = cli.linked_to != NULL;
    snprintf(run->printed, sizeof run->printed, "%.*s", (int)cli.out.buf.len,
             cli.out.buf.data != NULL ? (const char *)cli.out.buf.data : "");
    cli_disconnect(&cli);
    cli_out_free(&cli.out);
    cli_words_free(&words);
    peer_close(&peer);
    return exit;
}
