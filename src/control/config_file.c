/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: lines of `key = value`.
 *
 * Failure modes: it cannot be read, or is too large to be one; a line is no
 * pair; a key is unknown, or given twice. Each is reported, and reading goes on.
 */
#include "config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void read_pair(struct config_loading *l, const char *key, const char *value)
{
    enum option_id id = options_find(key);
    const struct config_origin *origin;

    if (id == OPTION_ID_COUNT) {
        config_error_unknown_key(l, key);
        return;
    }
    origin = &l->config->origins[id];
    if (id != OPTION_LISTEN && origin->source == CONFIG_FILE)
        config_error(l, "%s:%u: key '%s': given again, expected once (first in line %u)",
                     l->config->file, l->line, key, origin->line);
    else
        config_set(l, id, value);
}

static void read_line(struct config_loading *l, char *line)
{
    char shown[CONFIG_QUOTED_NBYTES];
    char *equals;

    cut_comment(line);
    line = trim(line);
    if (*line == '\0')
        return;
    equals = strchr(line, '=');
    if (equals == NULL || equals == line) {
        config_error(l, "%s:%u: got '%s', expected 'key = value'", l->config->file, l->line,
                     config_quoted(line, shown));
        return;
    }
    *equals = '\0';
    read_pair(l, trim(line), trim(equals + 1));
}

static void read_lines(struct config_loading *l, char *text, size_t len)
{
    char *end = text + len;

    for (l->line = 1; text < end && !config_is_hopeless(l); l->line++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *line_end = newline != NULL ? newline : end;

        *line_end = '\0';
        if (memchr(text, '\0', (size_t)(line_end - text)) != NULL)
            config_error(l, "%s:%u: got a NUL byte, expected text", l->config->file, l->line);
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

void config_read_file(struct config_loading *l)
{
    static char text[CONFIG_FILE_NBYTES_MAX + 1]; /* control's thread only: load is not reentrant */
    size_t len;

    config_begin_source(l, CONFIG_FILE);
    if (!read_whole(l->config->file, text, CONFIG_FILE_NBYTES_MAX, &len))
        config_error(l, "%s: cannot read the configuration file: %s", l->config->file,
                     strerror(errno));
    else
        read_lines(l, text, len);
}
