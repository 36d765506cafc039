/* SPDX-License-Identifier: Apache-2.0 */
/* From the program's arguments to a command, and from its outcome to a message and exit status. */
#include "cli.h"

#include "cli_help.h"
#include "cli_text.h"
#include <caudex/heap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- messages ---- */

static bool wants_json(const struct cli *cli, const struct cli_args *args)
{
    return cli->json || (args != NULL ? cli_given(args, CLI_OPT_JSON) : cli->out.json);
}

static void report_json(const char *where, const struct cli_failure *failure, struct cli_buf *out)
{
    struct cli_json json = cli_json_begin(out);
    cli_json_text(&json, "status", "error");
    cli_json_u64(&json, "exit", (uint64_t)failure->exit);
    if (where != NULL)
        cli_json_text(&json, "where", where);
    cli_json_bytes(&json, "error", cdx_cstr(failure->text));
    cli_json_end(&json);
    cli_buf_byte(out, '\n');
}

static void report_text(const struct cli *cli, const char *where, const struct cli_args *args,
                        const struct cli_failure *failure, struct cli_buf *out)
{
    const char *command = args != NULL && args->command != NULL ? args->command->name : NULL;
    if (cli->errors_coloured)
        cli_colour_text(out, CLI_COLOUR_ERROR);
    cli_buf_text(out, "caudex:");
    if (cli->errors_coloured)
        cli_colour_text(out, CLI_COLOUR_NONE);
    if (where != NULL)
        cli_buf_printf(out, " %s:", where);
    if (command != NULL)
        cli_buf_printf(out, " %s:", command);
    cli_buf_printf(out, " %s\n", failure->text);
    if (failure->help != NULL)
        cli_buf_printf(out, "try '%shelp%s%s'\n", cli->prompt ? "" : "caudex ",
                       failure->help[0] != 0 ? " " : "", failure->help);
}

void cli_report(const struct cli *cli, const char *where, const struct cli_args *args,
                const struct cli_failure *failure)
{
    struct cli_buf out = {0};
    if (failure->text[0] == 0)
        return;
    if (wants_json(cli, args))
        report_json(where, failure, &out);
    else
        report_text(cli, where, args, failure, &out);
    fwrite(out.data, 1, out.len, stderr);
    cli_buf_free(&out);
}

enum cli_exit cli_no(struct cli *cli, const char *status, struct cdx_bytes key)
{
    struct cli_shown shown;
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, status);
        cli_json_bytes(&json, "key", key);
        cli_out_json_end(&cli->out, &json);
    } else if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "%s: not found\n", cli_show(&shown, key));
    }
    return CLI_EXIT_NO;
}

/* ---- one command ---- */

/* What the options of this command ask for. */
static void settle(struct cli *cli, const struct cli_args *args)
{
    const struct cli_value *server = &args->options[CLI_OPT_SERVER];
    const struct cli_value *timeout = &args->options[CLI_OPT_TIMEOUT];
    cli->settings = cli->defaults;
    if (server->given)
        cli->settings.server = server->text;
    if (timeout->given)
        cli->settings.timeout_ns = timeout->number;
    cli->settings.escaped |= cli_given(args, CLI_OPT_ESCAPED);
    cli->out.json = cli->json || cli_given(args, CLI_OPT_JSON);
    cli->out.raw = cli->raw || cli_given(args, CLI_OPT_RAW);
    const char *when =
        cli_given(args, CLI_OPT_COLOR) ? cli_opt_text(args, CLI_OPT_COLOR) : cli->colour_when;
    cli->out.colour = !cli->out.json && cli_colour_wanted(when, cli->out.terminal);
    cli->errors_coloured = cli_colour_wanted(when, isatty(STDERR_FILENO) == 1);
}

static bool asks_about(const struct cli_args *args)
{
    return cli_given(args, CLI_OPT_HELP) || cli_given(args, CLI_OPT_VERSION) ||
           cli_given(args, CLI_OPT_PRINT_MAN);
}

/* --help, --version and --print-man stand for commands of their own. */
static bool about_option(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    static const struct cli_args none;
    if (cli_given(args, CLI_OPT_HELP) && args->command != NULL)
        cli_help_command(&cli->out.buf, args->command);
    else if (cli_given(args, CLI_OPT_HELP))
        cli_help_overview(&cli->out.buf);
    else if (cli_given(args, CLI_OPT_PRINT_MAN))
        cli_man_page(&cli->out.buf);
    else if (cli_given(args, CLI_OPT_VERSION))
        (void)cli_version(cli, &none, failure);
    else
        return false;
    return true;
}

static enum cli_exit misplaced(const struct cli *cli, const struct cli_command *command,
                               struct cli_failure *failure)
{
    if (command->place == CLI_SHELL_ONLY && cli->prompt)
        return cli_fail(failure, CLI_EXIT_USAGE, "is for the shell's command line, not the prompt");
    if (command->place == CLI_PROMPT_ONLY && !cli->prompt && !cli->input_is_commands)
        return cli_fail(failure, CLI_EXIT_USAGE, "is for the prompt only");
    return CLI_EXIT_DONE;
}

/* Runs what was parsed and writes what it printed, also before a failure: that is still wanted. */
static enum cli_exit run_parsed(struct cli *cli, const struct cli_args *args,
                                struct cli_failure *failure)
{
    struct cli_failure lost;
    enum cli_exit exit = CLI_EXIT_DONE;
    settle(cli, args);
    if (!about_option(cli, args, failure)) {
        exit = misplaced(cli, args->command, failure);
        if (exit == CLI_EXIT_DONE)
            exit = args->command->run(cli, args, failure);
    }
    bool failed = exit != CLI_EXIT_DONE && exit != CLI_EXIT_NO;
    enum cli_exit flushed = cli_out_flush(&cli->out, failed ? &lost : failure);
    return failed || flushed == CLI_EXIT_DONE ? exit : flushed;
}

static enum cli_exit run_and_report(struct cli *cli, const struct cli_args *args, const char *where)
{
    struct cli_failure failure = {0};
    enum cli_exit exit = run_parsed(cli, args, &failure);
    if (exit != CLI_EXIT_DONE)
        cli_report(cli, where, args, &failure);
    return exit;
}

enum cli_exit cli_run(struct cli *cli, const struct cdx_bytes *words, size_t count,
                      const char *where)
{
    struct cli_args args;
    struct cli_failure failure;
    enum cli_exit exit = cli_args_parse(words, count, &args, &failure);
    if (exit == CLI_EXIT_DONE && args.command == NULL && !asks_about(&args)) {
        exit = cli_fail(&failure, CLI_EXIT_USAGE, "expected a command");
        failure.help = "";
    }
    if (exit == CLI_EXIT_DONE)
        return run_and_report(cli, &args, where);
    cli_report(cli, where, &args, &failure);
    return exit;
}

/* ---- the program ---- */

static void program_init(struct cli *cli)
{
    const char *server = getenv("CAUDEX_SERVER");
    *cli = (struct cli){.colour_when = "auto"};
    cli_out_init(&cli->out, STDOUT_FILENO);
    cli_link_init(&cli->link);
    cli->defaults.server = server != NULL && server[0] != 0
                               ? server
                               : cli_option_named(NULL, CDX_STR("server"))->fallback;
    cli->errors_coloured = cli_colour_wanted("auto", isatty(STDERR_FILENO) == 1);
    signal(SIGPIPE, SIG_IGN);
}

/* The options before the first command of the prompt hold for all of them. */
static void set_defaults(struct cli *cli, const struct cli_args *args)
{
    if (cli_given(args, CLI_OPT_SERVER))
        cli->defaults.server = cli_opt_text(args, CLI_OPT_SERVER);
    cli->defaults.timeout_ns = cli_opt_number(args, CLI_OPT_TIMEOUT);
    cli->defaults.escaped = cli_given(args, CLI_OPT_ESCAPED);
    cli->colour_when = cli_opt_text(args, CLI_OPT_COLOR);
    cli->json = cli_given(args, CLI_OPT_JSON);
    cli->raw = cli_given(args, CLI_OPT_RAW);
}

static enum cli_exit program_run(struct cli *cli, const struct cdx_bytes *words, size_t count)
{
    struct cli_args args;
    struct cli_failure failure;
    enum cli_exit exit = cli_args_parse(words, count, &args, &failure);
    if (exit != CLI_EXIT_DONE) {
        cli_report(cli, NULL, &args, &failure);
        return exit;
    }
    set_defaults(cli, &args);
    if (args.command != NULL || asks_about(&args))
        return run_and_report(cli, &args, NULL);
    return isatty(STDIN_FILENO) == 1 && cli->out.terminal ? cli_prompt(cli) : cli_batch(cli);
}

int cli_main(int argc, char **argv)
{
    struct cli cli;
    struct cdx_bytes *words = cdx_calloc((size_t)argc + 1, sizeof *words);
    if (words == NULL) {
        fputs("caudex: out of memory\n", stderr);
        return CLI_EXIT_LOCAL;
    }
    for (int i = 0; i < argc; i++)
        words[i] = cdx_cstr(argv[i]);
    program_init(&cli);
    enum cli_exit exit = program_run(&cli, words, (size_t)argc);
    cli_disconnect(&cli);
    cli_out_free(&cli.out);
    cdx_free(words);
    return (int)exit;
}
