/* SPDX-License-Identifier: Apache-2.0 */
/* The command table as the manual page caudex(1), in man(7) markup. */
#include "cli_help.h"

/* Appends text with the characters escaped that roff would take for its own. */
static void roff(struct cli_buf *out, const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '\\')
            cli_buf_text(out, "\\e");
        else if (text[i] == '-')
            cli_buf_text(out, "\\-");
        else if (text[i] == '\'')
            cli_buf_text(out, "\\(aq");
        else if (text[i] == '.' && (i == 0 || text[i - 1] == '\n'))
            cli_buf_text(out, "\\&.");
        else
            cli_buf_byte(out, (uint8_t)text[i]);
    }
}

static void roff_text(struct cli_buf *out, const char *text)
{
    roff(out, text, strlen(text));
}

static bool is_verbatim(const char *line)
{
    return line[0] == ' ' && line[1] == ' ';
}

/* Paragraphs; lines that begin with two blanks stand as they are. */
static void paragraphs(struct cli_buf *out, const char *text)
{
    bool verbatim = false;
    for (const char *line = text; *line != 0;) {
        size_t n = strcspn(line, "\n");
        if (n != 0 && is_verbatim(line) != verbatim) {
            verbatim = !verbatim;
            cli_buf_text(out, verbatim ? ".nf\n" : ".fi\n");
        }
        if (n == 0)
            cli_buf_text(out, verbatim ? ".fi\n.PP\n" : ".PP\n");
        else
            roff(out, line, n);
        verbatim = verbatim && n != 0;
        if (n != 0)
            cli_buf_byte(out, '\n');
        line += n + (line[n] == '\n');
    }
    if (verbatim)
        cli_buf_text(out, ".fi\n");
}

static void option_entry(struct cli_buf *out, const struct cli_option *option)
{
    cli_buf_text(out, ".TP\n");
    if (option->letter != 0)
        cli_buf_printf(out, "\\fB\\-%c\\fR, ", option->letter);
    cli_buf_text(out, "\\fB\\-\\-");
    roff_text(out, option->name);
    cli_buf_text(out, "\\fR");
    if (option->value != NULL)
        cli_buf_printf(out, " \\fI%s\\fR", option->value);
    cli_buf_byte(out, '\n');
    roff_text(out, option->help);
    if (option->choices != NULL) {
        cli_buf_text(out, " (");
        roff_text(out, option->choices);
        cli_buf_text(out, ")");
    }
    if (option->fallback != NULL && option->fallback[0] != 0) {
        cli_buf_text(out, " Default: ");
        roff_text(out, option->fallback);
        cli_buf_byte(out, '.');
    }
    cli_buf_byte(out, '\n');
}

static void option_entries(struct cli_buf *out, const struct cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        option_entry(out, &options[i]);
}

static void examples(struct cli_buf *out, const char *lines)
{
    if (lines == NULL)
        return;
    cli_buf_text(out, ".PP\nExamples:\n.PP\n.nf\n.RS 2\n");
    roff_text(out, lines);
    cli_buf_text(out, "\n.RE\n.fi\n");
}

static void command_section(struct cli_buf *out, const struct cli_command *command)
{
    cli_buf_text(out, ".SS \"");
    roff_text(out, command->name);
    cli_buf_text(out, command->words[0] != 0 ? " " : "");
    roff_text(out, command->words);
    cli_buf_text(out, "\"\n");
    if (command->alias != NULL)
        cli_buf_printf(out, "Also \\fB%s\\fR. ", command->alias);
    paragraphs(out, command->text);
    option_entries(out, command->options, command->option_count);
    examples(out, command->examples);
}

void cli_man_page(struct cli_buf *out)
{
    cli_buf_text(out,
                 ".\\\" Printed by caudex --print-man from its command table. Do not edit.\n"
                 ".TH CAUDEX 1 \"\" \"Caudex " CAUDEX_VERSION
                 "\" \"Caudex manual\"\n"
                 ".SH NAME\ncaudex \\- ");
    roff_text(out, cli_tagline);
    cli_buf_text(out,
                 "\n.SH SYNOPSIS\n\\fBcaudex\\fR [\\fIOPTION\\fR]... \\fICOMMAND\\fR "
                 "[\\fIARGUMENT\\fR]...\n.br\n\\fBcaudex\\fR [\\fIOPTION\\fR]...\n"
                 ".SH DESCRIPTION\n");
    paragraphs(out, cli_introduction);
    cli_buf_text(out, ".SH OPTIONS\nThese may stand before or behind any command.\n");
    option_entries(out, cli_global_options, cli_global_option_count);
    cli_buf_text(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_commands[i].place != CLI_HIDDEN)
            command_section(out, &cli_commands[i]);
    for (size_t i = 0; i < cli_topic_count; i++) {
        cli_buf_printf(out, ".SH %s\n", cli_topics[i].title);
        paragraphs(out, cli_topics[i].text);
    }
    cli_buf_text(out, ".SH SEE ALSO\n\\fBcaudexd\\fR(8)\n");
}
