/* SPDX-License-Identifier: Apache-2.0 */
/* Completion of the prompt's last word, from the command table and from the server. */
#include "cli_complete.h"

#include "cli_keys.h"

void cli_candidates_init(struct cli_candidates *candidates)
{
    cli_buf_init(&candidates->bytes);
    candidates->count = 0;
    candidates->start = 0;
    candidates->typed = 0;
}

void cli_candidates_free(struct cli_candidates *candidates)
{
    cli_buf_free(&candidates->bytes);
    cli_candidates_init(candidates);
}

struct cdx_bytes cli_candidate(const struct cli_candidates *candidates, size_t index)
{
    return cdx_bytes_of(candidates->bytes.data + candidates->items[index].offset,
                        candidates->items[index].len);
}

/* ---- collecting ---- */

/* Adds prefix + name if it begins with `word`. */
static void offer(struct cli_candidates *candidates, struct cdx_bytes word, const char *prefix,
                  struct cdx_bytes name)
{
    size_t before = candidates->bytes.len;
    if (candidates->count == CLI_CANDIDATES_MAX)
        return;
    cli_buf_text(&candidates->bytes, prefix);
    cli_buf_add(&candidates->bytes, name.data, name.len);
    size_t len = candidates->bytes.len - before;
    cli_buf_byte(&candidates->bytes, 0);
    if (candidates->bytes.failed)
        return;
    if (len < word.len ||
        (word.len != 0 && memcmp(candidates->bytes.data + before, word.data, word.len) != 0)) {
        candidates->bytes.len = before;
        return;
    }
    candidates->items[candidates->count].offset = before;
    candidates->items[candidates->count].len = len;
    candidates->count++;
}

static void offer_commands(struct cli_candidates *candidates, struct cdx_bytes word)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_commands[i].place == CLI_ANYWHERE || cli_commands[i].place == CLI_PROMPT_ONLY)
            offer(candidates, word, "", cdx_cstr(cli_commands[i].name));
}

static void offer_topics(struct cli_candidates *candidates, struct cdx_bytes word)
{
    for (size_t i = 0; i < cli_topic_count; i++)
        offer(candidates, word, "", cdx_cstr(cli_topics[i].name));
}

static void offer_options(struct cli_candidates *candidates, struct cdx_bytes word,
                          const struct cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        offer(candidates, word, "--", cdx_cstr(options[i].name));
}

static void offer_choices(struct cli_candidates *candidates, struct cdx_bytes word,
                          const struct cli_option *option)
{
    for (const char *at = option->choices; at != NULL && *at != 0;) {
        size_t n = strcspn(at, "|");
        offer(candidates, word, "", cdx_bytes_of(at, n));
        at += n + (at[n] == '|');
    }
}

/* The beginning and its candidates, on their way through the search. */
struct key_offers {
    struct cli_candidates *candidates;
    struct cdx_bytes word;
};

static enum cli_exit offer_key(void *arg, struct cdx_bytes key, struct cli_failure *failure)
{
    const struct key_offers *offers = arg;
    (void)failure;
    offer(offers->candidates, offers->word, "", key);
    return CLI_EXIT_DONE;
}

/* A server that does not answer offers no keys; the command itself will say why. */
static void offer_keys(struct cli *cli, struct cli_candidates *candidates, struct cdx_bytes word)
{
    struct cli_failure ignored;
    struct key_offers offers = {.candidates = candidates, .word = word};
    cli->settings = cli->defaults;
    (void)!cli_keys_complete(cli, word, offer_key, &offers, &ignored);
}

/* ---- the line ---- */

/* The option whose value the last word is: the word before it, `--name` without `=`. */
static const struct cli_option *awaiting_value(const struct cli_command *command,
                                               const struct cli_words *words, size_t last)
{
    if (last == 0)
        return NULL;
    struct cdx_bytes before = words->items[last - 1];
    const struct cli_option *option = NULL;
    if (before.len > 2 && memcmp(before.data, "--", 2) == 0)
        option = cli_option_named(command, cdx_bytes_of(before.data + 2, before.len - 2));
    else if (before.len == 2 && before.data[0] == '-')
        option = cli_option_lettered(command, (char)before.data[1]);
    return option != NULL && option->kind != CLI_FLAG ? option : NULL;
}

/* The command among the words before the last one. */
static const struct cli_command *command_of(const struct cli_words *words, size_t last)
{
    for (size_t i = 0; i < last; i++) {
        bool option = words->items[i].len != 0 && words->items[i].data[0] == '-';
        if (!option && awaiting_value(NULL, words, i) == NULL)
            return cli_command_named(words->items[i]);
    }
    return NULL;
}

/* How many arguments of the command stand before the last word. */
static size_t arguments_before(const struct cli_command *command, const struct cli_words *words,
                               size_t last)
{
    size_t count = 0;
    for (size_t i = 0; i < last; i++) {
        bool option = words->items[i].len > 1 && words->items[i].data[0] == '-';
        count += !option && awaiting_value(command, words, i) == NULL;
    }
    return count != 0 ? count - 1 : 0; /* the command itself */
}

static void offer_for(struct cli *cli, const struct cli_words *words, size_t last,
                      struct cdx_bytes word, struct cli_candidates *candidates)
{
    const struct cli_command *command = command_of(words, last);
    const struct cli_option *option = awaiting_value(command, words, last);
    if (option != NULL) {
        offer_choices(candidates, word, option);
        return;
    }
    if (word.len != 0 && word.data[0] == '-') {
        if (command != NULL)
            offer_options(candidates, word, command->options, command->option_count);
        offer_options(candidates, word, cli_global_options, cli_global_option_count);
        return;
    }
    enum cli_word_kind kind = CLI_WORD_NONE;
    if (command != NULL)
        kind =
            arguments_before(command, words, last) == 0 ? command->word_kind : command->later_kind;
    if (command == NULL || kind == CLI_WORD_COMMAND)
        offer_commands(candidates, word);
    if (kind == CLI_WORD_COMMAND)
        offer_topics(candidates, word);
    else if (kind == CLI_WORD_KEY)
        offer_keys(cli, candidates, word);
}

void cli_complete(struct cli *cli, struct cdx_bytes line, struct cli_candidates *candidates)
{
    struct cli_words words;
    size_t at = 0;
    cli_candidates_init(candidates);
    cli_words_init(&words);
    enum cdx_status status = cli_words_split(&words, line, &at);
    if (status == CDX_OK || status == CDX_MORE) {
        bool blank_behind = line.len == 0 || (line.data[line.len - 1] == ' ' && status == CDX_OK);
        size_t last = blank_behind || words.count == 0 ? words.count : words.count - 1;
        struct cdx_bytes word = last < words.count ? words.items[last] : cdx_empty();
        candidates->start = last < words.count ? words.last_start : line.len;
        candidates->typed = word.len;
        offer_for(cli, &words, last, word, candidates);
    }
    cli_words_free(&words);
}

/* ---- what becomes of the word ---- */

size_t cli_candidates_common(const struct cli_candidates *candidates)
{
    if (candidates->count == 0)
        return 0;
    struct cdx_bytes first = cli_candidate(candidates, 0);
    size_t common = first.len;
    for (size_t i = 1; i < candidates->count; i++) {
        struct cdx_bytes other = cli_candidate(candidates, i);
        size_t n = 0;
        while (n < common && n < other.len && first.data[n] == other.data[n])
            n++;
        common = n;
    }
    return common;
}

void cli_candidates_insert(struct cli_buf *out, const struct cli_candidates *candidates)
{
    size_t common = cli_candidates_common(candidates);
    if (common == 0)
        return;
    struct cdx_bytes word = cdx_bytes_of(cli_candidate(candidates, 0).data, common);
    bool whole = candidates->count == 1 && word.data[common - 1] != '/';
    size_t before = out->len;
    cli_words_quote(out, word);
    if (whole)
        cli_buf_byte(out, ' ');
    else if (out->len > before && out->data[before] == '"')
        out->len--; /* the quote stays open: more is to come */
}
