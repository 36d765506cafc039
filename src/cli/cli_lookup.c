/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the command table, also of words that are nearly right. */
#include "cli_table.h"

static bool is(struct cdx_bytes word, const char *name)
{
    return name != NULL && cdx_bytes_equal(word, cdx_cstr(name));
}

const struct cli_command *cli_command_named(struct cdx_bytes name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (is(name, cli_commands[i].name) || is(name, cli_commands[i].alias))
            return &cli_commands[i];
    return NULL;
}

const struct cli_topic *cli_topic_named(struct cdx_bytes name)
{
    for (size_t i = 0; i < cli_topic_count; i++)
        if (is(name, cli_topics[i].name))
            return &cli_topics[i];
    return NULL;
}

const struct cli_option *cli_option_named(const struct cli_command *command, struct cdx_bytes name)
{
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        if (is(name, command->options[i].name))
            return &command->options[i];
    for (size_t i = 0; i < cli_global_option_count; i++)
        if (is(name, cli_global_options[i].name))
            return &cli_global_options[i];
    return NULL;
}

const struct cli_option *cli_option_lettered(const struct cli_command *command, char letter)
{
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        if (letter != 0 && command->options[i].letter == letter)
            return &command->options[i];
    for (size_t i = 0; i < cli_global_option_count; i++)
        if (letter != 0 && cli_global_options[i].letter == letter)
            return &cli_global_options[i];
    return NULL;
}

/* ---- nearly right ---- */

/* Longest word that is compared: every name of the table is shorter. */
#define NEAR_NBYTES_MAX 31u
/* Edits up to which a word is taken for a slip of a name. */
#define NEAR_EDITS_MAX 2u

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn `word` into `name`. */
static size_t edits(struct cdx_bytes word, const char *name)
{
    size_t rows[NEAR_NBYTES_MAX + 1][NEAR_NBYTES_MAX + 1];
    size_t n = strlen(name);
    if (word.len > NEAR_NBYTES_MAX || n > NEAR_NBYTES_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= word.len; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= word.len; i++) {
        for (size_t j = 1; j <= n; j++) {
            size_t replaced = rows[i - 1][j - 1] + (word.data[i - 1] != (uint8_t)name[j - 1]);
            rows[i][j] = least(least(rows[i - 1][j], rows[i][j - 1]) + 1, replaced);
            if (i > 1 && j > 1 && word.data[i - 1] == (uint8_t)name[j - 2] &&
                word.data[i - 2] == (uint8_t)name[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[word.len][n];
}

/* The best candidate so far. */
struct nearest {
    struct cdx_bytes word;
    const char *name;
    size_t edits;
};

static void consider(struct nearest *nearest, const char *name)
{
    if (name == NULL || nearest->word.len < 2)
        return;
    /* A beginning of the name counts as one slip: `mat` for `match`. */
    size_t n = edits(nearest->word, name);
    if (strlen(name) > nearest->word.len &&
        memcmp(name, nearest->word.data, nearest->word.len) == 0)
        n = 1;
    /* A word of two letters is two slips from every other: not a likeness. */
    if (n >= nearest->word.len || n > NEAR_EDITS_MAX || n >= nearest->edits)
        return;
    nearest->name = name;
    nearest->edits = n;
}

const char *cli_command_nearest(struct cdx_bytes word)
{
    struct nearest nearest = {.word = word, .edits = SIZE_MAX};
    for (size_t i = 0; i < cli_command_count; i++) {
        if (cli_commands[i].place == CLI_HIDDEN)
            continue;
        consider(&nearest, cli_commands[i].name);
        consider(&nearest, cli_commands[i].alias);
    }
    return nearest.name;
}

const char *cli_option_nearest(const struct cli_command *command, struct cdx_bytes name)
{
    struct nearest nearest = {.word = name, .edits = SIZE_MAX};
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        consider(&nearest, command->options[i].name);
    for (size_t i = 0; i < cli_global_option_count; i++)
        consider(&nearest, cli_global_options[i].name);
    return nearest.name;
}
