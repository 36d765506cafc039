/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources in rising precedence: defaults, file, environment, command line. The
 * command line is read twice: first only for its flags (where is the file?),
 * last for its options, so that precedence is simply the order of setting.
 *
 * Failure modes: a file that cannot be read, a line that is no `key = value`,
 * an unknown key, a key given twice, a value that its option does not take, and
 * values that contradict each other. None stops the reading.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/** Bytes of a wrong value that an error line quotes; \xNN takes four times as many. */
#define QUOTED_NBYTES_MAX 96u
#define QUOTED_TEXT_NBYTES (4 * QUOTED_NBYTES_MAX + 8)

/** A load in progress. */
struct loading {
    struct config *config;
    const struct config_input *input;
    unsigned errors;
    enum config_source source; /* of what is being read */
    unsigned line;             /* CONFIG_FILE */
    bool listeners_begun;      /* this source has given a listener */
};

/* ---- errors ---- */

/* Text for people: unprintable bytes as \xNN, long ones cut. */
static const char *quoted(const char *text, char out[QUOTED_TEXT_NBYTES])
{
    size_t len = 0;
    size_t i;

    for (i = 0; text[i] != '\0' && i < QUOTED_NBYTES_MAX; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            len += (size_t)snprintf(out + len, 5, "\\x%02x", c);
        else
            out[len++] = text[i];
    }
    snprintf(out + len, QUOTED_TEXT_NBYTES - len, "%s", text[i] != '\0' ? "..." : "");
    return out;
}

__attribute__((format(printf, 2, 3))) static void error(struct loading *l, const char *format, ...)
{
    char line[CONFIG_ERROR_NBYTES];
    va_list args;

    if (++l->errors > CONFIG_ERRORS_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    l->input->report(l->input->report_arg, line);
}

static bool too_many_errors(const struct loading *l)
{
    return l->errors >= CONFIG_ERRORS_MAX;
}

void config_env_name(enum option_id id, char name[CONFIG_ENV_NBYTES])
{
    size_t len = (size_t)snprintf(name, CONFIG_ENV_NBYTES, "%s", CONFIG_ENV_PREFIX);

    for (const char *key = options_table[id].key; *key != '\0' && len < CONFIG_ENV_NBYTES - 1; key++)
        name[len++] = *key == '-' ? '_' : (char)(*key >= 'a' && *key <= 'z' ? *key - 32 : *key);
    name[len] = '\0';
}

/* "FILE:3: key 'workers'", "environment: CAUDEXD_WORKERS", "command line: --workers". */
static void place_text(const struct loading *l, enum option_id id, struct config_origin origin,
                       char text[CONFIG_ERROR_NBYTES])
{
    const char *key = options_table[id].key;
    char env[CONFIG_ENV_NBYTES];

    switch (origin.source) {
    case CONFIG_FILE:
        snprintf(text, CONFIG_ERROR_NBYTES, "%s:%u: key '%s'", l->config->file, origin.line, key);
        break;
    case CONFIG_ENVIRONMENT:
        config_env_name(id, env);
        snprintf(text, CONFIG_ERROR_NBYTES, "environment: %s", env);
        break;
    case CONFIG_COMMAND_LINE:
        snprintf(text, CONFIG_ERROR_NBYTES, "command line: --%s", key);
        break;
    case CONFIG_DEFAULT:
        snprintf(text, CONFIG_ERROR_NBYTES, "default: key '%s'", key);
        break;
    }
}

static void error_value(struct loading *l, enum option_id id, struct config_origin origin,
                        const char *value, const char *expected)
{
    char place[CONFIG_ERROR_NBYTES], shown[QUOTED_TEXT_NBYTES];

    place_text(l, id, origin, place);
    error(l, "%s: got '%s', expected %s", place, quoted(value, shown), expected);
}

static void error_unknown_key(struct loading *l, const char *key)
{
    const char *nearest = options_nearest(key);
    char shown[QUOTED_TEXT_NBYTES];

    error(l, "%s:%u: key '%s': unknown%s%s%s", l->config->file, l->line, quoted(key, shown),
          nearest != NULL ? "; did you mean '" : "; caudexd --help lists all",
          nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* `name` is without dashes, or the whole of a short flag. */
static void error_unknown_flag(struct loading *l, const char *name)
{
    const char *nearest = options_nearest(name);
    char shown[QUOTED_TEXT_NBYTES];

    error(l, "command line: %s%s: unknown%s%s%s", name[0] == '-' ? "" : "--", quoted(name, shown),
          nearest != NULL ? "; did you mean --" : "; --help lists all",
          nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

/* ---- setting ---- */

static void set(struct loading *l, enum option_id id, const char *value)
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
        error_value(l, id, origin, value, expected);
}

static void begin_source(struct loading *l, enum config_source source)
{
    l->source = source;
    l->line = 0;
    l->listeners_begun = false;
}

/* ---- file ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Without surrounding space; cuts the text in place. */
static char *trim(char *text)
{
    size_t len;

    while (is_space(*text))
        text++;
    len = strlen(text);
    while (len > 0 && is_space(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* A `#` begins a comment at the start of a line or behind space. */
static void cut_comment(char *line)
{
    for (char *p = line; *p != '\0'; p++) {
        if (*p == '#' && (p == line || is_space(p[-1]))) {
            *p = '\0';
            return;
        }
    }
}

static void read_pair(struct loading *l, const char *key, const char *value)
{
    enum option_id id = options_find(key);
    const struct config_origin *origin;

    if (id == OPTION_ID_COUNT) {
        error_unknown_key(l, key);
        return;
    }
    origin = &l->config->origins[id];
    if (id != OPTION_LISTEN && origin->source == CONFIG_FILE)
        error(l, "%s:%u: key '%s': given again, expected once (first in line %u)", l->config->file,
              l->line, key, origin->line);
    else
        set(l, id, value);
}

static void read_line(struct loading *l, char *line)
{
    char shown[QUOTED_TEXT_NBYTES];
    char *equals;

    cut_comment(line);
    line = trim(line);
    if (*line == '\0')
        return;
    equals = strchr(line, '=');
    if (equals == NULL || equals == line) {
        error(l, "%s:%u: got '%s', expected 'key = value'", l->config->file, l->line,
              quoted(line, shown));
        return;
    }
    *equals = '\0';
    read_pair(l, trim(line), trim(equals + 1));
}

static void read_lines(struct loading *l, char *text, size_t len)
{
    char *end = text + len;

    for (l->line = 1; text < end && !too_many_errors(l); l->line++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *line_end = newline != NULL ? newline : end;

        *line_end = '\0';
        if (memchr(text, '\0', (size_t)(line_end - text)) != NULL)
            error(l, "%s:%u: got a NUL byte, expected text", l->config->file, l->line);
        else
            read_line(l, text);
        text = line_end + 1;
    }
}

/* Fills `text` from the file; false with errno. More than fits: EFBIG. */
static bool read_whole(const char *path, char *text, size_t size, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    int saved;

    if (fd < 0)
        return false;
    for (*len = 0; n > 0 && *len < size;) {
        do
            n = read(fd, text + *len, size - *len);
        while (n < 0 && errno == EINTR);
        if (n > 0)
            *len += (size_t)n;
    }
    saved = n < 0 ? errno : EFBIG;
    close(fd);
    errno = saved;
    return n == 0;
}

static void read_file(struct loading *l)
{
    static char text[CONFIG_FILE_NBYTES_MAX + 1]; /* control's thread only: load is not reentrant */
    size_t len;

    begin_source(l, CONFIG_FILE);
    if (!read_whole(l->config->file, text, CONFIG_FILE_NBYTES_MAX, &len))
        error(l, "%s: cannot read the configuration file: %s", l->config->file, strerror(errno));
    else
        read_lines(l, text, len);
}

/* ---- environment ---- */

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
static void read_env_listeners(struct loading *l, const char *value)
{
    while (*value != '\0') {
        size_t len = strcspn(value, " ");
        char one[LISTEN_TEXT_NBYTES];

        snprintf(one, sizeof one, "%.*s", (int)len, value);
        if (len > 0)
            set(l, OPTION_LISTEN, one);
        value += len + strspn(value + len, " ");
    }
}

/* Variables that no option owns are not an error: Kubernetes, for one, invents CAUDEXD_PORT. */
static void read_environment(struct loading *l)
{
    begin_source(l, CONFIG_ENVIRONMENT);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        char name[CONFIG_ENV_NBYTES];
        const char *value;

        config_env_name(id, name);
        value = env_value(l->input->env, name);
        if (value != NULL && id == OPTION_LISTEN)
            read_env_listeners(l, value);
        else if (value != NULL)
            set(l, id, value);
    }
}

/* ---- command line ---- */

/** One argument of the command line, taken apart. */
struct argument {
    const char *name;  /* without dashes; borrowed from argv or from the tables; NULL: none of ours */
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

/* Which file, and what to do: before anything else is read. */
static const char *read_flags(struct loading *l)
{
    const char *file = env_value(l->input->env, CONFIG_ENV_PREFIX "CONFIG");

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

static void read_argument(struct loading *l, const struct argument *a, const char *text)
{
    bool is_bool = a->id != OPTION_ID_COUNT && options_table[a->id].type == OPTION_TYPE_BOOL;
    char shown[QUOTED_TEXT_NBYTES];

    if (text[0] != '-')
        error(l, "command line: got '%s', expected a flag", quoted(text, shown));
    else if (a->flag == NULL && a->id == OPTION_ID_COUNT)
        error_unknown_flag(l, a->name != NULL ? a->name : text);
    else if (takes_value(a) && a->value == NULL)
        error(l, "command line: --%s: expected a value behind it", a->name);
    else if (a->flag != NULL && !takes_value(a) && a->value != NULL)
        error(l, "command line: --%s: got '%s', expected no value", a->name,
              quoted(a->value, shown));
    else if (a->flag == NULL)
        set(l, a->id, is_bool && a->value == NULL ? "yes" : a->value);
}

static void read_command_line(struct loading *l)
{
    begin_source(l, CONFIG_COMMAND_LINE);
    for (int next = 1; next < l->input->argc && !too_many_errors(l);) {
        const char *text = l->input->argv[next];
        struct argument a;

        split_argument(l->input, &next, &a);
        read_argument(l, &a, text);
    }
}

/* ---- the whole ---- */

/* Where the two sources meet, the one that was said, and not defaulted, is blamed. */
static void check_together(struct loading *l)
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
        error_value(l, id, origins[id], value, expected);
    }
    if (o->daemonize != 0 && strcmp(o->log_target, "stderr") == 0)
        error_value(l, OPTION_DAEMONIZE, origins[OPTION_DAEMONIZE], "yes",
                    "a log-target other than stderr with it");
    if (options_path_is_set(o->pid_file) && strcmp(o->pid_file, o->ready_file) == 0)
        error_value(l, OPTION_READY_FILE, origins[OPTION_READY_FILE], o->ready_file,
                    "another file than pid-file");
}

/* Absolute, so that it is found after chdir; symbolic links are kept, for they may be switched. */
static bool set_file(struct loading *l, const char *file)
{
    char directory[OPTIONS_PATH_NBYTES] = "";
    const char *slash = file[0] == '/' ? "" : "/";
    int len;

    if (file[0] != '/' && getcwd(directory, sizeof directory) == NULL)
        directory[0] = '\0';
    len = snprintf(l->config->file, sizeof l->config->file, "%s%s%s", directory, slash, file);
    if (file[0] != '\0' && len < (int)sizeof l->config->file)
        return true;
    error(l, "command line: --config: expected a path of 1 to %zu bytes",
          sizeof l->config->file - 1);
    return false;
}

bool config_load(struct config *config, const struct config_input *input)
{
    struct loading l = {.config = config, .input = input};
    const char *file;

    memset(config, 0, sizeof *config);
    options_init(&config->options);
    file = read_flags(&l);
    if (config->action == CONFIG_SERVE || config->action == CONFIG_CHECK) {
        if (input->file != NULL)
            file = input->file;
        if (file != NULL && set_file(&l, file))
            read_file(&l);
        read_environment(&l);
    }
    read_command_line(&l);
    if (l.errors == 0)
        check_together(&l);
    return l.errors == 0;
}
