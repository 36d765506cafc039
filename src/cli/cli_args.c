/* SPDX-License-Identifier: Apache-2.0 */
/* Words into a command with its options and arguments. */
#include "cli_args.h"

#include "cli_text.h"
#include <stdio.h>

/* The state of one parse. */
struct parse {
    const struct cdx_bytes *words;
    size_t count;
    size_t next;
    bool only_words; /* `--` was seen */
    struct cli_args *args;
    struct cli_failure *failure;
};

/* A usage error points to the help of its command, or to the general one. */
static enum cli_exit usage(struct parse *p)
{
    p->failure->help = p->args->command != NULL ? p->args->command->name : "";
    return CLI_EXIT_USAGE;
}

/* ---- values ---- */

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = choices; *at != 0;) {
        size_t span = strcspn(at, "|");
        if (span == n && memcmp(at, text, n) == 0)
            return true;
        at += span + (at[span] == '|');
    }
    return false;
}

/* "auto|always|never" as "auto, always or never". */
static void say_choices(struct cli_buf *out, const char *choices)
{
    for (const char *at = choices; *at != 0;) {
        size_t span = strcspn(at, "|");
        cli_buf_add(out, at, span);
        at += span;
        if (*at == '|')
            cli_buf_text(out, strchr(++at, '|') != NULL ? ", " : " or ");
    }
}

/* What the option expects, for its error message. */
static void say_expected(struct cli_buf *out, const struct cli_option *option)
{
    switch (option->kind) {
    case CLI_NUMBER:
        cli_buf_printf(out, "a number from %llu to %llu", (unsigned long long)option->min,
                       (unsigned long long)option->max);
        break;
    case CLI_DURATION:
        cli_buf_text(out, "a time like 250ms, 1.5s or 2m, from ");
        cli_time_text(out, option->min);
        cli_buf_text(out, " to ");
        cli_time_text(out, option->max);
        break;
    case CLI_CHOICE:
        say_choices(out, option->choices);
        break;
    default:
        cli_buf_text(out, "a text without NUL bytes");
        break;
    }
}

static bool in_range(const struct cli_option *option, uint64_t number)
{
    return number >= option->min && number <= option->max;
}

/* Reads `text` as the option's value; false when it is none. */
static bool value_read(const struct cli_option *option, const char *text, struct cli_value *value)
{
    uint64_t number = 0;
    if (option->kind == CLI_NUMBER &&
        (cli_number(text, &number) != CDX_OK || !in_range(option, number)))
        return false;
    if (option->kind == CLI_DURATION &&
        (cli_duration(text, &number) != CDX_OK || !in_range(option, number)))
        return false;
    if (option->kind == CLI_CHOICE && !is_choice(option->choices, text))
        return false;
    value->text = text;
    value->number = number;
    return true;
}

static enum cli_exit value_set(struct parse *p, const struct cli_option *option,
                               struct cdx_bytes text)
{
    struct cli_value *value = &p->args->options[option->id];
    const char *chars = option->kind == CLI_FLAG ? "" : (const char *)text.data;
    bool has_nul = text.len != 0 && memchr(text.data, 0, text.len) != NULL;
    if (!has_nul && value_read(option, chars, value)) {
        value->given = true;
        return CLI_EXIT_DONE;
    }
    struct cli_shown shown;
    struct cli_buf expected;
    cli_buf_init(&expected);
    say_expected(&expected, option);
    cli_fail(p->failure, CLI_EXIT_USAGE, "--%s: expected %.*s, got %s", option->name,
             (int)expected.len, expected.data != NULL ? (const char *)expected.data : "",
             cli_show(&shown, text));
    cli_buf_free(&expected);
    return usage(p);
}

/* The option's value is the next word. */
static enum cli_exit value_from_next(struct parse *p, const struct cli_option *option)
{
    if (p->next == p->count) {
        cli_fail(p->failure, CLI_EXIT_USAGE, "--%s: expected %s after it, got nothing",
                 option->name, option->value);
        return usage(p);
    }
    return value_set(p, option, p->words[p->next++]);
}

/* ---- options ---- */

static enum cli_exit unknown_option(struct parse *p, const char *dashes, struct cdx_bytes name)
{
    struct cli_shown shown;
    struct cli_buf typed;
    const char *nearest = cli_option_nearest(p->args->command, name);
    cli_buf_init(&typed);
    cli_buf_text(&typed, dashes);
    cli_buf_add(&typed, name.data, name.len);
    cli_show(&shown, cli_buf_bytes(&typed));
    cli_buf_free(&typed);
    if (nearest != NULL)
        cli_fail(p->failure, CLI_EXIT_USAGE, "unknown option %s; did you mean '--%s'?", shown.text,
                 nearest);
    else
        cli_fail(p->failure, CLI_EXIT_USAGE,
                 "unknown option %s (before an argument that begins with '-', write '--')",
                 shown.text);
    return usage(p);
}

/* `--name`, `--name VALUE` or `--name=VALUE`; `word` comes without its dashes. */
static enum cli_exit long_option(struct parse *p, struct cdx_bytes word)
{
    const uint8_t *equals = memchr(word.data, '=', word.len);
    struct cdx_bytes name = word;
    if (equals != NULL)
        name.len = (size_t)(equals - word.data);
    const struct cli_option *option = cli_option_named(p->args->command, name);
    if (option == NULL)
        return unknown_option(p, "--", name);
    if (option->kind != CLI_FLAG && equals == NULL)
        return value_from_next(p, option);
    if (option->kind == CLI_FLAG && equals != NULL) {
        cli_fail(p->failure, CLI_EXIT_USAGE, "--%s: takes no value", option->name);
        return usage(p);
    }
    struct cdx_bytes value = cdx_empty();
    if (equals != NULL)
        value = cdx_bytes_of(equals + 1, word.len - name.len - 1);
    return value_set(p, option, value);
}

/* `-abc`, `-o VALUE` or `-oVALUE`; `word` comes without its dash and is not empty. */
static enum cli_exit short_options(struct parse *p, struct cdx_bytes word)
{
    for (size_t i = 0; i < word.len; i++) {
        struct cdx_bytes letter = cdx_bytes_of(word.data + i, 1);
        struct cdx_bytes rest = cdx_bytes_of(word.data + i + 1, word.len - i - 1);
        const struct cli_option *option = cli_option_lettered(p->args->command, (char)word.data[i]);
        if (option == NULL)
            return unknown_option(p, "-", letter);
        if (option->kind != CLI_FLAG)
            return rest.len != 0 ? value_set(p, option, rest) : value_from_next(p, option);
        enum cli_exit exit = value_set(p, option, cdx_empty());
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    return CLI_EXIT_DONE;
}

/* ---- words ---- */

static enum cli_exit command_word(struct parse *p, struct cdx_bytes word)
{
    struct cli_shown shown;
    p->args->command = cli_command_named(word);
    if (p->args->command != NULL)
        return CLI_EXIT_DONE;
    const char *nearest = cli_command_nearest(word);
    if (nearest != NULL)
        cli_fail(p->failure, CLI_EXIT_USAGE, "unknown command %s; did you mean '%s'?",
                 cli_show(&shown, word), nearest);
    else
        cli_fail(p->failure, CLI_EXIT_USAGE, "unknown command %s", cli_show(&shown, word));
    return usage(p);
}

static enum cli_exit one_word(struct parse *p)
{
    struct cdx_bytes word = p->words[p->next++];
    bool dash = !p->only_words && word.len > 1 && word.data[0] == '-';
    if (dash && word.len == 2 && word.data[1] == '-') {
        p->only_words = true;
        return CLI_EXIT_DONE;
    }
    if (dash && word.data[1] == '-')
        return long_option(p, cdx_bytes_of(word.data + 2, word.len - 2));
    if (dash)
        return short_options(p, cdx_bytes_of(word.data + 1, word.len - 1));
    if (p->args->command == NULL)
        return command_word(p, word);
    if (p->args->count < CLI_WORDS_MAX)
        p->args->words[p->args->count] = word;
    p->args->count++;
    return CLI_EXIT_DONE;
}

static enum cli_exit judge_count(struct parse *p)
{
    const struct cli_command *command = p->args->command;
    size_t got = p->args->count;
    if (command == NULL || p->args->options[CLI_OPT_HELP].given ||
        (got >= command->words_min && got <= command->words_max))
        return CLI_EXIT_DONE;
    cli_fail(p->failure, CLI_EXIT_USAGE, "expected %s, got %zu argument%s",
             command->words_max != 0 ? command->words : "no arguments", got, got == 1 ? "" : "s");
    return usage(p);
}

/* Gives every option of the list its default. */
static void set_defaults(struct cli_args *args, const struct cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cli_value *value = &args->options[options[i].id];
        if (value->given || options[i].fallback == NULL)
            continue;
        bool readable = value_read(&options[i], options[i].fallback, value);
        (void)readable; /* a test reads every default of the table */
    }
}

enum cli_exit cli_args_parse(const struct cdx_bytes *words, size_t count, struct cli_args *args,
                             struct cli_failure *failure)
{
    struct parse p = {.words = words, .count = count, .args = args, .failure = failure};
    *args = (struct cli_args){0};
    *failure = (struct cli_failure){0};
    while (p.next != count) {
        enum cli_exit exit = one_word(&p);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    set_defaults(args, cli_global_options, cli_global_option_count);
    if (args->command != NULL)
        set_defaults(args, args->command->options, args->command->option_count);
    return judge_count(&p);
}
