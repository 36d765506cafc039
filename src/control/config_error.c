/* SPDX-License-Identifier: Apache-2.0 */
/* Error lines of the configuration: where, what was found, what is expected. */
#include "config_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text for people: unprintable bytes as \xNN, long ones cut. */
const char *config_quoted(const char *text, char out[CONFIG_QUOTED_NBYTES])
{
    size_t len = 0;
    size_t i;

    for (i = 0; text[i] != '\0' && i < CONFIG_QUOTED_NBYTES_MAX; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            len += (size_t)snprintf(out + len, 5, "\\x%02x", c);
        else
            out[len++] = text[i];
    }
    snprintf(out + len, CONFIG_QUOTED_NBYTES - len, "%s", text[i] != '\0' ? "..." : "");
    return out;
}

void config_error(struct config_loading *l, const char *format, ...)
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

/* "FILE:3: key 'workers'", "environment: CAUDEXD_WORKERS", "command line: --workers". */
static void place_text(const struct config_loading *l, enum option_id id,
                       struct config_origin origin, char text[CONFIG_ERROR_NBYTES])
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
    case CONFIG_DEFAULT: /* defaults are no mistakes */
    case CONFIG_COMMAND_LINE:
        snprintf(text, CONFIG_ERROR_NBYTES, "command line: --%s", key);
        break;
    }
}

void config_error_value(struct config_loading *l, enum option_id id, struct config_origin origin,
                        const char *value, const char *expected)
{
    char place[CONFIG_ERROR_NBYTES], shown[CONFIG_QUOTED_NBYTES];

    place_text(l, id, origin, place);
    config_error(l, "%s: got '%s', expected %s", place, config_quoted(value, shown), expected);
}

void config_error_unknown_key(struct config_loading *l, const char *key)
{
    const char *nearest = options_nearest(key);
    char shown[CONFIG_QUOTED_NBYTES];

    config_error(l, "%s:%u: key '%s': unknown%s%s%s", l->config->file, l->line,
                 config_quoted(key, shown),
                 nearest != NULL ? "; did you mean '" : "; caudexd --help lists all",
                 nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* `name` is without dashes, or the whole of a short flag. */
void config_error_unknown_flag(struct config_loading *l, const char *name)
{
    const char *nearest = options_nearest(name);
    char shown[CONFIG_QUOTED_NBYTES];

    config_error(l, "command line: %s%s: unknown%s%s%s", name[0] == '-' ? "" : "--",
                 config_quoted(name, shown),
                 nearest != NULL ? "; did you mean --" : "; --help lists all",
                 nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

bool config_is_hopeless(const struct config_loading *l)
{
    return l->errors >= CONFIG_ERRORS_MAX;
}
