/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that need no server: help, version, completion, quit. */
#include "cli.h"

#include "cli_help.h"

/* With --json a text is the member `text` of an object. */
static void print_text(struct cli *cli, const struct cli_buf *text)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_bytes(&json, "text", cli_buf_bytes(text));
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_buf_add(&cli->out.buf, text->data, text->len);
    }
    cli->out.buf.failed = cli->out.buf.failed || text->failed;
}

enum cli_exit cli_help(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct cli_buf text = {0};
    struct cli_shown shown;
    struct cdx_bytes word = args->count != 0 ? args->words[0] : cdx_empty();
    const struct cli_command *command = cli_command_named(word);
    const struct cli_topic *topic = cli_topic_named(word);
    const char *nearest = cli_command_nearest(word);
    if (args->count == 0)
        cli_help_overview(&text);
    else if (command != NULL)
        cli_help_command(&text, command);
    else if (topic != NULL)
        cli_help_topic(&text, topic);
    else if (nearest != NULL)
        return cli_fail(failure, CLI_EXIT_USAGE, "no command or topic %s; did you mean '%s'?",
                        cli_show(&shown, word), nearest);
    else
        return cli_fail(failure, CLI_EXIT_USAGE, "no command or topic %s", cli_show(&shown, word));
    print_text(cli, &text);
    cli_buf_free(&text);
    return CLI_EXIT_DONE;
}

enum cli_exit cli_version(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    (void)args;
    (void)failure;
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_text(&json, "version", CAUDEX_VERSION);
        cli_json_u64(&json, "major", KV_VERSION_MAJOR);
        cli_json_u64(&json, "minor", KV_VERSION_MINOR);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_buf_printf(&cli->out.buf, "caudex %s, protocol %d.%d\n", CAUDEX_VERSION,
                       KV_VERSION_MAJOR, KV_VERSION_MINOR);
    }
    return CLI_EXIT_DONE;
}

enum cli_exit cli_completion(struct cli *cli, const struct cli_args *args,
                             struct cli_failure *failure)
{
    struct cli_buf text = {0};
    struct cli_shown shown;
    enum cli_exit exit = CLI_EXIT_DONE;
    if (cli_completion_script(&text, args->words[0]))
        print_text(cli, &text);
    else
        exit = cli_fail(failure, CLI_EXIT_USAGE, "expected bash, zsh or fish, got %s",
                        cli_show(&shown, args->words[0]));
    cli_buf_free(&text);
    return exit;
}

enum cli_exit cli_quit(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    (void)args;
    (void)failure;
    cli->quit = true;
    return CLI_EXIT_DONE;
}
