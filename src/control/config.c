/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources in rising precedence: defaults, file, environment, command line. The
 * command line is read twice: first only for its flags (where is the file?),
 * last for its options, so that precedence is simply the order of setting.
 *
 * Failure modes: mistakes in any source, and values that contradict each
 * other. None stops the reading; all are reported.
 */
#include "config_load.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- setting ---- */

void config_set(struct config_loading *l, enum option_id id, const char *value)
{
    struct config_origin origin = {.source = l->source, .line = l->line};
    struct options *options = &l->config->options;
    char expected[OPTIONS_EXPECTED_NBYTES];

    if (id == OPTION_LISTEN && !l->listeners_begun) {
        options->listener_count = 0; /* the addresses of a source replace those of weaker ones */
        l->listeners_begun = true;
    }
    if (options_set(options, id, value, expected))
        l->config->origins[id] = origin;
    else
        config_error_value(l, id, origin, value, expected);
}

void config_begin_source(struct config_loading *l, enum config_source source)
{
    l->source = source;
    l->line = 0;
    l->listeners_begun = false;
}

/* ---- environment ---- */

void config_env_name(enum option_id id, char name[CONFIG_ENV_NBYTES])
{
    size_t len = (size_t)snprintf(name, CONFIG_ENV_NBYTES, "%s", CONFIG_ENV_PREFIX);

    for (const char *key = options_table[id].key; *key != '\0' && len < CONFIG_ENV_NBYTES - 1;
         key++)
        name[len++] = (char)(*key == '-' ? '_' : toupper((unsigned char)*key));
    name[len] = '\0';
}

static const char *env_value(const char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

/* Several addresses, separated by spaces. */
static void read_env_listeners(struct config_loading *l, const char *value)
{
    while (*value != '\0') {
        size_t len = strcspn(value, " ");
        char one[LISTEN_TEXT_NBYTES];

        snprintf(one, sizeof one, "%.*s", (int)len, value);
        if (len > 0)
            config_set(l, OPTION_LISTEN, one);
        value += len + strspn(value + len, " ");
    }
}

/* Variables that no option owns are not an error: Kubernetes, for one, invents CAUDEXD_PORT. */
static void read_environment(struct config_loading *l)
{
    config_begin_source(l, CONFIG_ENVIRONMENT);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        char name[CONFIG_ENV_NBYTES];
        const char *value;

        config_env_name(id, name);
        value = env_value(l->input->env, name);
        if (value != NULL && id == OPTION_LISTEN)
            read_env_listeners(l, value);
        else if (value != NULL)
            config_set(l, id, value);
    }
}

/* ---- the whole ---- */

/* Where the two sources meet, the one that was said, and not defaulted, is blamed. */
static void check_together(struct config_loading *l)
{
    const struct options *o = &l->config->options;
    const struct config_origin *origins = l->config->origins;
    char value[OPTIONS_VALUE_NBYTES], expected[OPTIONS_VALUE_NBYTES + 64];
    bool high_is_wrong = origins[OPTION_OUTPUT_LOW].source == CONFIG_DEFAULT;
    enum option_id id = high_is_wrong ? OPTION_OUTPUT_HIGH : OPTION_OUTPUT_LOW;

    if (o->output_low_nbytes >= o->output_high_nbytes) {
        options_value_text(o, high_is_wrong ? OPTION_OUTPUT_LOW : OPTION_OUTPUT_HIGH, value);
        snprintf(expected, sizeof expected, "%s (%s)",
                 high_is_wrong ? "more than output-low" : "less than output-high", value);
        options_value_text(o, id, value);
        config_error_value(l, id, origins[id], value, expected);
    }
    if (o->daemonize != 0 && strcmp(o->log_target, "stderr") == 0)
        config_error_value(l, OPTION_DAEMONIZE, origins[OPTION_DAEMONIZE], "yes",
                           "a log-target other than stderr with it");
    if (options_path_is_set(o->pid_file) && strcmp(o->pid_file, o->ready_file) == 0)
        config_error_value(l, OPTION_READY_FILE, origins[OPTION_READY_FILE], o->ready_file,
                           "another file than pid-file");
}

/* Absolute, so that it is found after chdir; symbolic links are kept, for they may be switched. */
static bool set_file(struct config_loading *l, const char *file)
{
    char directory[OPTIONS_PATH_NBYTES] = "";
    const char *slash = file[0] == '/' ? "" : "/";
    int len;

    if (file[0] != '/' && getcwd(directory, sizeof directory) == NULL)
        directory[0] = '\0';
    len = snprintf(l->config->file, sizeof l->config->file, "%s%s%s", directory, slash, file);
    if (file[0] != '\0' && len < (int)sizeof l->config->file)
        return true;
    config_error(l, "command line: --config: expected a path of 1 to %zu bytes",
                 sizeof l->config->file - 1);
    return false;
}

bool config_load(struct config *config, const struct config_input *input)
{
    struct config_loading l = {.config = config, .input = input};
    const char *file;

    memset(config, 0, sizeof *config);
    options_init(&config->options);
    file = config_read_flags(&l);
    if (config->action == CONFIG_SERVE || config->action == CONFIG_CHECK) {
        if (file == NULL)
            file = env_value(input->env, CONFIG_ENV_PREFIX "CONFIG");
        if (input->file != NULL)
            file = input->file;
        if (file != NULL && set_file(&l, file))
            config_read_file(&l);
        read_environment(&l);
    }
    config_read_args(&l);
    if (l.errors == 0)
        check_together(&l);
    return l.errors == 0;
}
