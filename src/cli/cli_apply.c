/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: the writes of a file as one batch. The happy path is: run each line
 * as the command that it is, which adds to the batch instead of asking the
 * server, then send the batch. It can fail because a line is no such command,
 * and because the server refuses one of the writes: then nothing is changed,
 * and the message names the line.
 */
#include "cli_file.h"
#include "cli_lines.h"
#include "cli_ops.h"

#include <inttypes.h>

struct apply {
    struct cli *cli;
    const char *input; /* as given */
    struct cli_lines lines;
    struct cli_ops ops;
};

/* ---- messages ---- */

/* Puts FILE:LINE: before the message, and `behind` behind it. */
static enum cli_exit at_line(const struct apply *apply, uint64_t line, enum cli_exit exit,
                             const char *behind, struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cli_failure of_line = *failure;
    return cli_fail(failure, exit, "%s:%" PRIu64 ": %s%s", cli_show_input(&shown, apply->input),
                    line, of_line.text, behind);
}

/* ---- lines ---- */

static bool is_write(const struct cli_command *command)
{
    return command != NULL &&
           (command->run == cli_put || command->run == cli_delete || command->run == cli_drop);
}

/* Options that say something about the write itself. */
static bool is_of_write(enum cli_option_id id)
{
    return id == CLI_OPT_ESCAPED || id == CLI_OPT_FILE || id == CLI_OPT_IF_REVISION ||
           id == CLI_OPT_IF_ABSENT || id == CLI_OPT_TTL || id == CLI_OPT_YES;
}

/* The name of a given option that has no place in a batch, or NULL. */
static const char *stray_option(const struct cli_args *args, const struct cli_option *options,
                                size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cli_given(args, options[i].id) && !is_of_write(options[i].id))
            return options[i].name;
    return NULL;
}

static enum cli_exit run_line(struct apply *apply, const struct cli_words *words,
                              struct cli_failure *failure)
{
    struct cli *cli = apply->cli;
    struct cli_args args;
    enum cli_exit exit = cli_args_parse(words->items, words->count, &args, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (!is_write(args.command))
        return cli_fail(failure, CLI_EXIT_USAGE, "expected put, delete or drop");
    const char *stray = stray_option(&args, cli_global_options, cli_global_option_count);
    if (stray == NULL)
        stray = stray_option(&args, args.command->options, args.command->option_count);
    if (stray != NULL)
        return cli_fail(failure, CLI_EXIT_USAGE, "%s: --%s is not for a batch", args.command->name,
                        stray);
    bool escaped = cli->settings.escaped;
    cli->settings.escaped |= cli_given(&args, CLI_OPT_ESCAPED);
    exit = args.command->run(cli, &args, failure);
    cli->settings.escaped = escaped;
    return exit;
}

static enum cli_exit take_line(struct apply *apply, struct cdx_bytes line,
                               struct cli_failure *failure)
{
    struct cli_words words;
    size_t at = 0;
    enum cli_exit exit = CLI_EXIT_DONE;
    cli_words_init(&words);
    apply->ops.line = apply->lines.line;
    enum cdx_status status = cli_words_split(&words, line, &at);
    if (status != CDX_OK)
        exit = cli_bad_words(status, at, failure);
    else if (words.count != 0)
        exit = run_line(apply, &words, failure);
    cli_words_free(&words);
    if (exit == CLI_EXIT_DONE)
        return exit;
    return at_line(apply, apply->lines.line, CLI_EXIT_LOCAL, "", failure);
}

static enum cli_exit take_lines(struct apply *apply, struct cli_failure *failure)
{
    struct cdx_bytes line;
    for (;;) {
        enum cdx_status status = cli_lines_next(&apply->lines, &line);
        if (status == CDX_CLOSED)
            return CLI_EXIT_DONE;
        if (status != CDX_OK)
            return cli_lines_failed(&apply->lines, status, apply->input, failure);
        enum cli_exit exit = take_line(apply, line, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
}

/* Gathers the batch: until the end of the input, commands that write add to it. */
static enum cli_exit gather(struct apply *apply, struct cli_failure *failure)
{
    struct cli *cli = apply->cli;
    int fd = -1;
    bool input_is_commands = cli->input_is_commands;
    enum cli_exit exit = cli_open(cli, apply->input, &fd, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_lines_init(&apply->lines, fd, 0, 0);
    cli->ops = &apply->ops;
    cli->input_is_commands |= strcmp(apply->input, "-") == 0;
    exit = take_lines(apply, failure);
    cli->input_is_commands = input_is_commands;
    cli->ops = NULL;
    cli_lines_free(&apply->lines);
    cli_close_input(fd);
    return exit;
}

/* ---- the batch ---- */

static enum cli_exit say_conflict(struct apply *apply, const struct cli_ops_answer *answer,
                                  struct cli_failure *failure)
{
    struct cli_shown shown;
    struct cli_out *out = &apply->cli->out;
    if (out->json) {
        struct cli_json json = cli_out_json(out, "conflict");
        cli_json_u64(&json, "line", answer->line);
        cli_json_bytes(&json, "key", answer->key);
        cli_json_u64(&json, "revision", answer->revision);
        cli_out_json_end(out, &json);
        return CLI_EXIT_NO;
    }
    cli_show(&shown, answer->key);
    if (answer->revision == 0)
        cli_fail(failure, CLI_EXIT_NO, "%s is not stored", shown.text);
    else
        cli_fail(failure, CLI_EXIT_NO, "%s has revision %" PRIu64, shown.text, answer->revision);
    return at_line(apply, answer->line, CLI_EXIT_NO, "; nothing was changed", failure);
}

static void say_done(struct apply *apply, uint64_t revision, bool wanted)
{
    struct cli_out *out = &apply->cli->out;
    if (out->json) {
        struct cli_json json = cli_out_json(out, "ok");
        cli_json_u64(&json, "writes", apply->ops.count);
        cli_json_u64(&json, "revision", revision);
        cli_out_json_end(out, &json);
    } else if (wanted) {
        cli_buf_u64(&out->buf, revision);
        cli_buf_byte(&out->buf, '\n');
    }
}

static enum cli_exit send_batch(struct apply *apply, bool wanted, struct cli_failure *failure)
{
    struct cli_ops_answer answer;
    enum cli_exit exit = cli_ops_send(apply->cli, &apply->ops, &answer, failure);
    if (exit == CLI_EXIT_DONE)
        say_done(apply, answer.revision, wanted);
    else if (exit == CLI_EXIT_NO)
        exit = say_conflict(apply, &answer, failure);
    else if (answer.line != 0)
        exit = at_line(apply, answer.line, exit, "; nothing was changed", failure);
    return exit;
}

enum cli_exit cli_apply(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cdx_bytes file = args->count != 0 ? args->words[0] : CDX_STR("-");
    struct apply apply = {.cli = cli, .input = (const char *)file.data};
    if (memchr(apply.input, 0, file.len) != NULL)
        return cli_fail(failure, CLI_EXIT_USAGE, "FILE: expected a name without NUL bytes");
    enum cli_exit exit = gather(&apply, failure);
    if (exit == CLI_EXIT_DONE)
        exit = send_batch(&apply, cli_given(args, CLI_OPT_REVISION), failure);
    cli_ops_free(&apply.ops);
    return exit;
}
