/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the rows of the option table: reading, writing and finding values. */
#include "options.h"

#include "value.h"

#include <stdio.h>
#include <string.h>

/* ---- fields ---- */

static uint64_t *number_of(struct options *options, enum option_id id)
{
    return (uint64_t *)((char *)options + options_table[id].offset);
}

static uint64_t number_in(const struct options *options, enum option_id id)
{
    return *(const uint64_t *)((const char *)options + options_table[id].offset);
}

static char *path_of(struct options *options, enum option_id id)
{
    return (char *)options + options_table[id].offset;
}

static const char *path_in(const struct options *options, enum option_id id)
{
    return (const char *)options + options_table[id].offset;
}

static enum value_type value_type_of(const struct option_spec *spec)
{
    switch (spec->type) {
    case OPTION_TYPE_SIZE:
        return VALUE_SIZE;
    case OPTION_TYPE_DURATION:
        return VALUE_DURATION;
    case OPTION_TYPE_SECONDS:
        return VALUE_SECONDS;
    case OPTION_TYPE_BOOL:
        return VALUE_BOOL;
    default:
        return VALUE_COUNT;
    }
}

/* The index of `text` among the words, or -1. */
static int word_index(const char *const *words, const char *text)
{
    for (int i = 0; words != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    return -1;
}

/* ---- setting ---- */

static bool set_number(uint64_t *field, const struct option_spec *spec, const char *text)
{
    uint64_t value;

    if ((spec->type == OPTION_TYPE_COUNT || spec->type == OPTION_TYPE_SIZE) &&
        word_index(spec->words, text) == 0) {
        *field = 0;
        return true;
    }
    if (!value_parse(value_type_of(spec), text, &value))
        return false;
    if (spec->type != OPTION_TYPE_BOOL && (value < spec->min || value > spec->max))
        return false;
    *field = value;
    return true;
}

static bool set_word(uint64_t *field, const struct option_spec *spec, const char *text)
{
    int index = word_index(spec->words, text);

    if (index < 0)
        return false;
    *field = (uint64_t)index;
    return true;
}

static bool set_path(char *field, const struct option_spec *spec, const char *text)
{
    bool is_path = text[0] == '/' && text[1] != '\0';

    if ((!is_path && word_index(spec->words, text) < 0) || strlen(text) >= OPTIONS_PATH_NBYTES)
        return false;
    memcpy(field, text, strlen(text) + 1);
    return true;
}

static const char *add_listener(struct options *options, const char *text)
{
    struct listen_address address;
    const char *expected;

    if (!listen_parse(text, &address, &expected))
        return expected;
    for (size_t i = 0; i < options->listener_count; i++) {
        if (address.port != 0 || address.family == LISTEN_UNIX) {
            if (listen_same_place(&options->listeners[i], &address))
                return "each address once";
        }
    }
    if (options->listener_count == OPTIONS_LISTENERS_MAX)
        return "at most 16 addresses";
    options->listeners[options->listener_count++] = address;
    return NULL;
}

static bool set_listener(struct options *options, const char *text,
                         char expected[OPTIONS_EXPECTED_NBYTES])
{
    const char *wrong = add_listener(options, text);

    if (wrong != NULL)
        snprintf(expected, OPTIONS_EXPECTED_NBYTES, "%s", wrong);
    return wrong == NULL;
}

/* Adds ", such as …" where a number's form is not obvious. */
static void expected_text(enum option_id id, char text[OPTIONS_EXPECTED_NBYTES])
{
    const struct option_spec *spec = &options_table[id];
    size_t len;

    options_range_text(id, text);
    len = strlen(text);
    if (spec->type == OPTION_TYPE_SIZE || spec->type == OPTION_TYPE_DURATION ||
        spec->type == OPTION_TYPE_SECONDS)
        snprintf(text + len, OPTIONS_EXPECTED_NBYTES - len, ", such as %s", spec->initial);
}

bool options_set(struct options *options, enum option_id id, const char *text,
                 char expected[OPTIONS_EXPECTED_NBYTES])
{
    const struct option_spec *spec = &options_table[id];
    bool done;

    switch (spec->type) {
    case OPTION_TYPE_LISTEN:
        return set_listener(options, text, expected);
    case OPTION_TYPE_PATH:
        done = set_path(path_of(options, id), spec, text);
        break;
    case OPTION_TYPE_ENUM:
        done = set_word(number_of(options, id), spec, text);
        break;
    default:
        done = set_number(number_of(options, id), spec, text);
        break;
    }
    if (!done)
        expected_text(id, expected);
    return done;
}

void options_init(struct options *options)
{
    char expected[OPTIONS_EXPECTED_NBYTES];

    memset(options, 0, sizeof *options);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        if (!options_set(options, id, options_table[id].initial, expected))
            __builtin_trap(); /* the table contradicts itself: test_options checks every row */
    }
}

void options_copy(struct options *to, const struct options *from, enum option_id id)
{
    switch (options_table[id].type) {
    case OPTION_TYPE_LISTEN:
        memcpy(to->listeners, from->listeners, sizeof to->listeners);
        to->listener_count = from->listener_count;
        break;
    case OPTION_TYPE_PATH:
        memcpy(path_of(to, id), path_in(from, id), OPTIONS_PATH_NBYTES);
        break;
    default:
        *number_of(to, id) = number_in(from, id);
        break;
    }
}

/* ---- finding ---- */

enum option_id options_find(const char *key)
{
    enum option_id id = 0;

    while (id < OPTION_ID_COUNT && strcmp(options_table[id].key, key) != 0)
        id++;
    return id;
}

/** Keys longer than this are like none of ours. */
#define NEAREST_KEY_NBYTES_MAX 32u

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits (insert, delete, replace a byte) that turn one key into the other; `_` counts as `-`. */
static size_t distance(const char *key, const char *ours)
{
    size_t row[NEAREST_KEY_NBYTES_MAX + 1];
    size_t ours_len = strlen(ours);

    for (size_t j = 0; j <= ours_len; j++)
        row[j] = j;
    for (size_t i = 0; key[i] != '\0'; i++) {
        size_t diagonal = row[0];
        char c = (char)(key[i] == '_' ? '-' : key[i]);

        row[0] = i + 1;
        for (size_t j = 0; j < ours_len; j++) {
            size_t replaced = diagonal + (c != ours[j]);

            diagonal = row[j + 1];
            row[j + 1] = min3(replaced, row[j] + 1, diagonal + 1);
        }
    }
    return row[ours_len];
}

const char *options_nearest(const char *key)
{
    const char *nearest = NULL;
    size_t least;

    if (strlen(key) > NEAREST_KEY_NBYTES_MAX)
        return NULL;
    least = strlen(key) / 3 + 1; /* a third of the letters wrong is no longer a slip */
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        size_t edits = distance(key, options_table[id].key);

        if (edits < least) {
            least = edits;
            nearest = options_table[id].key;
        }
    }
    return nearest;
}

/* ---- texts ---- */

static void listeners_text(const struct options *options, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < options->listener_count; i++) {
        char one[LISTEN_TEXT_NBYTES];

        listen_format(&options->listeners[i], one);
        if (len + strlen(one) + 2 > size)
            return;
        len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? " " : "", one);
    }
}

void options_value_text(const struct options *options, enum option_id id,
                        char text[OPTIONS_VALUE_NBYTES])
{
    const struct option_spec *spec = &options_table[id];

    if (spec->type == OPTION_TYPE_LISTEN)
        listeners_text(options, text, OPTIONS_VALUE_NBYTES);
    else if (spec->type == OPTION_TYPE_PATH)
        snprintf(text, OPTIONS_VALUE_NBYTES, "%s", path_in(options, id));
    else if (spec->type == OPTION_TYPE_ENUM)
        snprintf(text, OPTIONS_VALUE_NBYTES, "%s", spec->words[number_in(options, id)]);
    else if (spec->words != NULL && number_in(options, id) == 0)
        snprintf(text, OPTIONS_VALUE_NBYTES, "%s", spec->words[0]);
    else
        value_format(value_type_of(spec), number_in(options, id), text);
}

bool options_equal(const struct options *a, const struct options *b, enum option_id id)
{
    char text_a[OPTIONS_VALUE_NBYTES], text_b[OPTIONS_VALUE_NBYTES];

    options_value_text(a, id, text_a);
    options_value_text(b, id, text_b);
    return strcmp(text_a, text_b) == 0;
}

/* "a, b or c", after `lead`. */
static void join_words(const char *lead, const char *const *words,
                       char text[OPTIONS_EXPECTED_NBYTES])
{
    size_t len = (size_t)snprintf(text, OPTIONS_EXPECTED_NBYTES, "%s", lead);

    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        const char *comma = len == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";

        len += (size_t)snprintf(text + len, OPTIONS_EXPECTED_NBYTES - len, "%s%s", comma, words[i]);
    }
}

static void number_range(const struct option_spec *spec, char text[OPTIONS_EXPECTED_NBYTES])
{
    static const char *const nouns[] = {
        [OPTION_TYPE_COUNT] = "whole number",
        [OPTION_TYPE_SIZE] = "size",
        [OPTION_TYPE_DURATION] = "duration",
        [OPTION_TYPE_SECONDS] = "duration",
    };
    char min[VALUE_TEXT_NBYTES], max[VALUE_TEXT_NBYTES], lead[3 * VALUE_TEXT_NBYTES];

    value_format(value_type_of(spec), spec->min, min);
    value_format(value_type_of(spec), spec->max, max);
    snprintf(lead, sizeof lead, "a %s from %s to %s", nouns[spec->type], min, max);
    join_words(lead, spec->words, text);
}

void options_range_text(enum option_id id, char text[OPTIONS_EXPECTED_NBYTES])
{
    const struct option_spec *spec = &options_table[id];

    switch (spec->type) {
    case OPTION_TYPE_LISTEN:
        snprintf(text, OPTIONS_EXPECTED_NBYTES, "an address");
        break;
    case OPTION_TYPE_PATH:
        join_words("an absolute path", spec->words, text);
        break;
    case OPTION_TYPE_ENUM:
        join_words("", spec->words, text);
        break;
    case OPTION_TYPE_BOOL:
        snprintf(text, OPTIONS_EXPECTED_NBYTES, "yes or no");
        break;
    default:
        number_range(spec, text);
        break;
    }
}

bool options_path_is_set(const char *path)
{
    return path[0] == '/';
}
