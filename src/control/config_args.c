/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. It is read by hand, not by getopt_long: that accepts any
 * unambiguous beginning of a name, so that a new option breaks old scripts,
 * and it cannot say what was meant.
 */
#include "config_load.h"

#include <stdio.h>
#include <string.h>

const struct config_flag config_flags[] = {
    {.name = "config",
     .letter = 'c',
     .placeholder = "FILE",
     .action = CONFIG_SERVE,
     .doc = "Reads the configuration file. Without it (and without CAUDEXD_CONFIG) none is read."},
    {.name = "check-config",
     .letter = 't',
     .action = CONFIG_CHECK,
     .doc = "Checks the configuration, reports all mistakes and exits."},
    {.name = "print-config",
     .action = CONFIG_PRINT_CONFIG,
     .doc = "Prints a configuration file with every option, its description and its default."},
    {.name = "print-man",
     .action = CONFIG_PRINT_MAN,
     .doc = "Prints this manual page, for man(1)."},
    {.name = "help", .letter = 'h', .action = CONFIG_HELP, .doc = "Prints a summary."},
    {.name = "version", .letter = 'V', .action = CONFIG_VERSION, .doc = "Prints the version."},
    {.name = NULL},
};

/** One argument of the command line, taken apart. */
struct argument {
    const char *name;  /* without dashes; borrowed; NULL: none of ours */
    const char *value; /* or NULL */
    const struct config_flag *flag;
    enum option_id id;
    char buffer[CONFIG_ENV_NBYTES];
};

static bool takes_value(const struct argument *a)
{
    if (a->flag != NULL)
        return a->flag->placeholder != NULL;
    return a->id != OPTION_ID_COUNT && options_table[a->id].type != OPTION_TYPE_BOOL;
}

static void find_name(struct argument *a)
{
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++) {
        if (strcmp(flag->name, a->name) == 0)
            a->flag = flag;
    }
    a->id = a->flag == NULL ? options_find(a->name) : OPTION_ID_COUNT;
}

/* --name or --name=value */
static void split_long(struct argument *a, const char *text)
{
    size_t len = strcspn(text, "=");

    a->name = text;
    if (text[len] == '=' && len < sizeof a->buffer) {
        memcpy(a->buffer, text, len);
        a->buffer[len] = '\0';
        a->name = a->buffer;
        a->value = text + len + 1;
    }
    find_name(a);
}

/* -x or -xVALUE */
static void split_short(struct argument *a, const char *text)
{
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++) {
        if (flag->letter != 0 && flag->letter == text[0])
            a->name = flag->name;
    }
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        if (options_table[id].letter != 0 && options_table[id].letter == text[0])
            a->name = options_table[id].key;
    }
    if (a->name == NULL)
        return;
    find_name(a);
    if (text[1] != '\0')
        a->value = text + 1;
}

/* So that the value of a mistyped flag is not reported as a second mistake. */
static bool seems_value(const struct argument *a, const char *following)
{
    bool unknown = a->name != NULL && a->flag == NULL && a->id == OPTION_ID_COUNT;

    return unknown && following[0] != '-';
}

/* Takes argv[*next] apart and moves *next behind it and its value. */
static void split_argument(const struct config_input *input, int *next, struct argument *a)
{
    const char *text = input->argv[(*next)++];

    memset(a, 0, sizeof *a);
    a->id = OPTION_ID_COUNT;
    if (strncmp(text, "--", 2) == 0)
        split_long(a, text + 2);
    else if (text[0] == '-' && text[1] != '\0')
        split_short(a, text + 1);
    if (a->value == NULL && *next < input->argc &&
        (takes_value(a) || seems_value(a, input->argv[*next])))
        a->value = input->argv[(*next)++];
}

const char *config_read_flags(struct config_loading *l)
{
    const char *file = NULL;

    for (int next = 1; next < l->input->argc;) {
        struct argument a;

        split_argument(l->input, &next, &a);
        if (a.flag == &config_flags[0] && a.value != NULL)
            file = a.value;
        else if (a.flag != NULL && l->config->action == CONFIG_SERVE)
            l->config->action = a.flag->action;
    }
    return file;
}

static void read_argument(struct config_loading *l, const struct argument *a, const char *text)
{
    bool is_bool = a->id != OPTION_ID_COUNT && options_table[a->id].type == OPTION_TYPE_BOOL;
    char shown[CONFIG_QUOTED_NBYTES];

    if (text[0] != '-')
        config_error(l, "command line: got '%s', expected a flag", config_quoted(text, shown));
    else if (a->flag == NULL && a->id == OPTION_ID_COUNT)
        config_error_unknown_flag(l, a->name != NULL ? a->name : text);
    else if (takes_value(a) && a->value == NULL)
        config_error(l, "command line: --%s: expected a value behind it", a->name);
    else if (a->flag != NULL && !takes_value(a) && a->value != NULL)
        config_error(l, "command line: --%s: got '%s', expected no value", a->name,
                     config_quoted(a->value, shown));
    else if (a->flag == NULL)
        config_set(l, a->id, is_bool && a->value == NULL ? "yes" : a->value);
}

void config_read_args(struct config_loading *l)
{
    config_begin_source(l, CONFIG_COMMAND_LINE);
    for (int next = 1; next < l->input->argc && !config_is_hopeless(l);) {
        const char *text = l->input->argv[next];
        struct argument a;

        split_argument(l->input, &next, &a);
        read_argument(l, &a, text);
    }
}
