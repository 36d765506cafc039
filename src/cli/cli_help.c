/* SPDX-License-Identifier: Apache-2.0 */
/* The command table as help text. */
#include "cli_help.h"

/* Column where the explanations of a list begin. */
#define LIST_COLUMN 26u
/* Column where the summaries of commands begin. */
#define SUMMARY_COLUMN 16u

/* ---- wrapping ---- */

/* Characters of a text, which is how many columns ours take. */
static size_t columns(const char *text, size_t nbytes)
{
    size_t n = 0;
    for (size_t i = 0; i < nbytes; i++)
        n += ((uint8_t)text[i] & 0xC0) != 0x80;
    return n;
}

static void blanks(struct cli_buf *out, size_t n)
{
    while (n-- != 0)
        cli_buf_byte(out, ' ');
}

/* Wraps one line of text; `column` is where the output stands, continuation lines begin at
 * `indent`. */
static void wrap_line(struct cli_buf *out, const char *line, size_t nbytes, size_t indent,
                      size_t column)
{
    size_t done = 0;
    bool first = true;
    while (done < nbytes) {
        const char *word = line + done;
        const char *blank = memchr(word, ' ', nbytes - done);
        size_t n = blank != NULL ? (size_t)(blank - word) : nbytes - done;
        size_t width = columns(word, n);
        if (!first && column + 1 + width > CLI_HELP_COLUMNS) {
            cli_buf_byte(out, '\n');
            blanks(out, indent);
            column = indent;
        } else if (!first) {
            cli_buf_byte(out, ' ');
            column++;
        }
        cli_buf_add(out, word, n);
        column += width;
        done += n + 1;
        first = false;
    }
    cli_buf_byte(out, '\n');
}

void cli_help_wrap(struct cli_buf *out, const char *text, size_t indent)
{
    for (const char *line = text; *line != 0;) {
        size_t n = strcspn(line, "\n");
        if (n != 0)
            blanks(out, indent);
        if (n > 1 && line[0] == ' ' && line[1] == ' ') {
            cli_buf_add(out, line, n);
            cli_buf_byte(out, '\n');
        } else {
            wrap_line(out, line, n, indent, indent);
        }
        line += n + (line[n] == '\n');
    }
}

/* ---- lists ---- */

/* One row of a list: `left`, and `text` from `column` on. Empties `left`. */
static void list_row(struct cli_buf *out, struct cli_buf *left, const char *text, size_t column)
{
    size_t width = columns((const char *)left->data, left->len);
    cli_buf_add(out, left->data, left->len);
    if (width + 2 > column) {
        cli_buf_byte(out, '\n');
        width = 0;
    }
    blanks(out, column - width);
    wrap_line(out, text, strlen(text), column, column);
    cli_buf_clear(left);
}

static void option_row(struct cli_buf *out, const struct cli_option *option)
{
    struct cli_buf left;
    struct cli_buf text;
    cli_buf_init(&left);
    cli_buf_init(&text);
    if (option->letter != 0)
        cli_buf_printf(&left, "  -%c, --%s", option->letter, option->name);
    else
        cli_buf_printf(&left, "      --%s", option->name);
    if (option->value != NULL)
        cli_buf_printf(&left, " %s", option->value);
    cli_buf_text(&text, option->help);
    if (option->choices != NULL)
        cli_buf_printf(&text, " (%s)", option->choices);
    if (option->fallback != NULL && option->fallback[0] != 0)
        cli_buf_printf(&text, " [%s]", option->fallback);
    cli_buf_byte(&text, 0);
    if (text.failed || left.failed)
        out->failed = true;
    else
        list_row(out, &left, (const char *)text.data, LIST_COLUMN);
    cli_buf_free(&left);
    cli_buf_free(&text);
}

static void option_rows(struct cli_buf *out, const char *title, const struct cli_option *options,
                        size_t count)
{
    if (count == 0)
        return;
    cli_buf_printf(out, "\n%s (defaults in [ ]):\n", title);
    for (size_t i = 0; i < count; i++)
        option_row(out, &options[i]);
}

static void command_row(struct cli_buf *out, const struct cli_command *command)
{
    struct cli_buf left;
    cli_buf_init(&left);
    cli_buf_printf(&left, "  %s", command->name);
    list_row(out, &left, command->summary, SUMMARY_COLUMN);
    cli_buf_free(&left);
}

/* ---- pages ---- */

void cli_help_overview(struct cli_buf *out)
{
    cli_buf_printf(out, "caudex: %s\n\n", cli_tagline);
    cli_buf_text(out,
                 "usage: caudex [OPTION]... COMMAND [ARGUMENT]...\n"
                 "       caudex [OPTION]...              a prompt, or commands from a pipe\n");
    cli_buf_text(out, "\ncommands:\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_commands[i].place != CLI_HIDDEN)
            command_row(out, &cli_commands[i]);
    option_rows(out, "options of every command", cli_global_options, cli_global_option_count);
    cli_buf_text(out, "\nexit status:\n");
    cli_help_wrap(out,
                  "0 found or done, 1 the answer is no, 2 usage, 3 cannot reach the server, "
                  "4 the server refused, 5 local file error.",
                  2);
    cli_buf_text(out, "\nMore: caudex help COMMAND, and the topics");
    for (size_t i = 0; i < cli_topic_count; i++)
        cli_buf_printf(out, "%s %s", i != 0 ? "," : "", cli_topics[i].name);
    cli_buf_text(out, ".\n");
}

void cli_help_command(struct cli_buf *out, const struct cli_command *command)
{
    cli_buf_printf(out, "caudex %s: ", command->name);
    size_t column = strlen("caudex : ") + strlen(command->name);
    wrap_line(out, command->summary, strlen(command->summary), 4, column);
    cli_buf_printf(out, "\nusage: caudex [OPTION]... %s%s%s\n", command->name,
                   command->words[0] != 0 ? " " : "", command->words);
    if (command->alias != NULL)
        cli_buf_printf(out, "also:  caudex %s\n", command->alias);
    cli_buf_byte(out, '\n');
    cli_help_wrap(out, command->text, 0);
    option_rows(out, "options", command->options, command->option_count);
    if (command->examples != NULL) {
        cli_buf_text(out, "\nexamples:\n");
        for (const char *line = command->examples; *line != 0;) {
            size_t n = strcspn(line, "\n");
            cli_buf_printf(out, "  %.*s\n", (int)n, line);
            line += n + (line[n] == '\n');
        }
    }
    cli_buf_text(out, "\nOptions of every command: caudex --help.\n");
}

void cli_help_topic(struct cli_buf *out, const struct cli_topic *topic)
{
    cli_help_wrap(out, topic->text, 0);
}
