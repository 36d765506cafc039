/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from standard input, one a line. The happy path runs each over the
 * same connection. A line that is wrong, or a command that fails, ends the run; an
 * answer of no does not, but is the exit status in the end.
 */
#include "cli.h"

#include "cli_lines.h"
#include "cli_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Longest "stdin:LINE", with its NUL. */
#define WHERE_NBYTES 32u

enum cli_exit cli_bad_words(enum cdx_status status, size_t at, struct cli_failure *failure)
{
    if (status == CDX_MORE)
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "the line ends inside quotes or after a backslash");
    if (status == CDX_INVALID)
        return cli_fail(failure, CLI_EXIT_USAGE, "at its byte %zu: %s", at + 1, CLI_ESCAPES_KNOWN);
    if (status == CDX_TOO_LONG)
        return cli_fail(failure, CLI_EXIT_USAGE, "expected at most %u words", CLI_WORDS_MAX);
    return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
}

/* Why the line is no command line. */
static enum cli_exit bad_line(struct cli *cli, const char *where, enum cdx_status status, size_t at)
{
    struct cli_failure failure = {0};
    enum cli_exit exit = cli_bad_words(status, at, &failure);
    cli_report(cli, where, NULL, &failure);
    return exit;
}

enum cli_exit cli_run_line(struct cli *cli, struct cdx_bytes line, const char *where)
{
    struct cli_words words;
    size_t at = 0;
    enum cli_exit exit = CLI_EXIT_DONE;
    cli_words_init(&words);
    enum cdx_status status = cli_words_split(&words, line, &at);
    if (status != CDX_OK)
        exit = bad_line(cli, where, status, at);
    else if (words.count != 0)
        exit = cli_run(cli, words.items, words.count, where);
    cli_words_free(&words);
    return exit;
}

/* Reading itself failed, or came to the end. */
static enum cli_exit reading_ended(struct cli *cli, const struct cli_lines *lines,
                                   enum cdx_status status)
{
    struct cli_failure failure = {0};
    if (status == CDX_CLOSED)
        return CLI_EXIT_DONE;
    if (status == CDX_SYSTEM)
        cli_fail(&failure, CLI_EXIT_LOCAL, "standard input: %s", strerror(lines->error));
    else
        cli_fail(&failure, CLI_EXIT_LOCAL, "standard input, line %" PRIu64 ": %s", lines->line,
                 cdx_status_text(status));
    cli_report(cli, NULL, NULL, &failure);
    return failure.exit;
}

enum cli_exit cli_batch(struct cli *cli)
{
    struct cli_lines lines;
    struct cdx_bytes line;
    enum cli_exit worst = CLI_EXIT_DONE;
    enum cdx_status status = CDX_OK;
    cli->input_is_commands = true;
    cli_lines_init(&lines, STDIN_FILENO, 0, 0);
    while (worst <= CLI_EXIT_NO && !cli->quit) {
        status = cli_lines_next(&lines, &line);
        if (status != CDX_OK)
            break;
        char where[WHERE_NBYTES];
        snprintf(where, sizeof where, "stdin:%" PRIu64, lines.line);
        enum cli_exit exit = cli_run_line(cli, line, where);
        worst = exit > worst ? exit : worst;
    }
    if (status != CDX_OK) {
        enum cli_exit exit = reading_ended(cli, &lines, status);
        worst = exit > worst ? exit : worst;
    }
    cli_lines_free(&lines);
    return worst;
}
